/*
 * A manual node answers under a name of its own: that becomes its alias, and an agent that speaks under it is
 * this node. When that agent's node is there already, the two become one, under the manual name.
 *
 * Unless it is another machine, which happens to bear the name: by a copied configuration, or Smollama's
 * default one. Then nothing of one may land on the other: there are two nodes, and the manual one says why.
 */
#include "cache_internal.h"
#include "place.h"

#include <stdlib.h>
#include <string.h>

static bool agent_is_newer(const struct node *a, const struct node *b)
{
    if (a->has_heartbeat != b->has_heartbeat) {
        return a->has_heartbeat;
    }
    return a->evidence.agent.heartbeat_ms > b->evidence.agent.heartbeat_ms;
}

/* Exchanges what the agents said of themselves: what is not wanted goes with the node that goes. */
static void swap_agents(struct entry *a, struct entry *b)
{
    struct node *x = &a->node, *y = &b->node;
#define SWAP(type, m, n)    \
    do {                    \
        type swapped = (m); \
        (m) = (n);          \
        (n) = swapped;      \
    } while (0)
    SWAP(struct agent_info, x->heartbeat, y->heartbeat);
    SWAP(bool, x->has_heartbeat, y->has_heartbeat);
    SWAP(bool, x->has_clock_skew, y->has_clock_skew);
    SWAP(int64_t, x->clock_skew_ms, y->clock_skew_ms);
    SWAP(struct session_memory *, x->sessions, y->sessions);
    SWAP(struct parked *, a->parked, b->parked);
    SWAP(char *, a->announced_url, b->announced_url);
    SWAP(bool, a->announced_allowed, b->announced_allowed);
#undef SWAP
    detect_swap(a, b);
    memcpy(a->refused_seq, b->refused_seq, sizeof a->refused_seq);
    memcpy(&x->evidence.agent, &y->evidence.agent, sizeof x->evidence.agent);
    memcpy(&x->evidence.source, &y->evidence.source, sizeof x->evidence.source);
    memcpy(x->evidence.snapshots, y->evidence.snapshots, sizeof x->evidence.snapshots);
    if (y->type != NODE_UNKNOWN) {
        x->type = y->type;
    }
}

static void move_items(struct cache *cache, struct entry *from, struct entry *to, enum item_kind kind)
{
    cache_drop_items(cache, to, kind);
    to->node.items[kind] = from->node.items[kind];
    to->node.item_count[kind] = from->node.item_count[kind];
    to->body_offset_s[kind] = from->body_offset_s[kind];
    from->node.items[kind] = NULL;
    from->node.item_count[kind] = 0;
    for (struct item *item = to->node.items[kind]; item; item = item->next) {
        item->node = &to->node;
        cache_touch_item(cache, item);
    }
}

static void move_stats(struct cache *cache, struct entry *from, struct entry *to)
{
    struct node *x = &from->node, *y = &to->node;
    free(y->stats);
    y->stats = x->stats;
    y->stats_len = x->stats_len;
    x->stats = NULL;
    y->said_readings = x->said_readings;
    y->said_observations = x->said_observations;
    y->said_memories = x->said_memories;
    cache_touch_stats(cache, to);
}

/* The better source wins, of equal ones the newer body. */
static bool is_better(const struct snapshot *a, const struct snapshot *b)
{
    return a->origin != b->origin ? a->origin > b->origin : a->captured_mono_ms > b->captured_mono_ms;
}

/* Was it polled on nobody's word but that of mDNS? */
static bool polled_by_mdns(const struct node *node)
{
    return node->mdns_url[0] && !node->evidence.agent.ever;
}

static void move_content(struct cache *cache, struct entry *from, struct entry *to)
{
    for (int kind = 0; kind < REPORT_KINDS; kind++) {
        struct snapshot *theirs = &from->node.snapshots[kind], *ours = &to->node.snapshots[kind];
        if (theirs->origin == ORIGIN_NONE || !is_better(theirs, ours)) {
            continue;
        }
        if (theirs->origin == ORIGIN_AGENT && to->node.has_heartbeat &&
            !session_is_current(to, theirs->session)) {
            continue; /* of another agent, perhaps of another machine */
        }
        if (theirs->origin == ORIGIN_POLL && polled_by_mdns(&from->node)) {
            continue; /* a manual node takes nothing from there */
        }
        *ours = *theirs;
        if (kind == REPORT_STATS) {
            move_stats(cache, from, to);
        } else {
            move_items(cache, from, to, (enum item_kind)kind);
        }
    }
}

static void move_exports(struct entry *from, struct entry *to)
{
    while (from->exports) {
        struct entry *entry = from->exports;
        from->exports = entry->next_export;
        entry->next_export = to->exports;
        to->exports = entry;
        entry->master = to;
        memcpy(entry->node.master, to->node.name, sizeof to->node.name);
    }
}

/* Is an agent with that name surely another machine's than the manual node that answers under it? By the name
 * of its Smollama, or by the place that it announces. */
static bool is_another_machine(const struct entry *manual, const char *name, const char *url,
                               const char *source_name)
{
    return (source_name[0] && strcmp(source_name, name) != 0) ||
           place_is_elsewhere(manual->places, manual->manual_url ? manual->manual_url : "", url);
}

static void tell_of_another(struct cache *cache, struct entry *manual, const char *name, const char *url,
                            struct fault *ret_fault)
{
    cache_fault(cache, manual, ret_fault, REJECT_WRONG_NODE,
                "it calls itself \"%s\", and so does the agent of another machine (%s): two nodes", name,
                url[0] ? url : "no URL");
}

bool alias_is_wrong(const struct entry *entry, const struct heartbeat *heartbeat)
{
    return entry->node.alias[0] && strcmp(entry->node.alias, heartbeat->node) == 0 &&
           !session_is_superseded(entry, heartbeat->session) &&
           is_another_machine(entry, heartbeat->node, heartbeat->url, heartbeat->source.node_name);
}

/* What the agent told of itself, and reported, leaves the manual node. */
static void take_agent_away(struct cache *cache, struct entry *from, struct entry *to)
{
    struct evidence *e = &from->node.evidence;
    swap_agents(to, from);
    memset(&e->agent, 0, sizeof e->agent);
    memset(&e->source, 0, sizeof e->source);
    memset(e->snapshots, 0, sizeof e->snapshots);
    e->source.since_wall_ms = TIMESTAMP_NONE;
    from->node.found &= ~FOUND_MQTT;
    for (int kind = 0; kind < REPORT_KINDS; kind++) {
        cache_drop_report(cache, from, (enum report_kind)kind);
    }
    from->node.next_poll_ms = 0;
}

struct entry *alias_split(struct cache *cache, struct entry *entry, const struct heartbeat *heartbeat,
                          struct now now, struct fault *ret_fault)
{
    cache_set_alias(cache, entry, "");
    struct node *node =
        cache_add(cache, heartbeat->node, strlen(heartbeat->node), FOUND_MQTT, now, ret_fault);
    if (node && (!entry->node.has_heartbeat || session_is_current(entry, heartbeat->session))) {
        take_agent_away(cache, entry, entry_of(node));
        cache_choose_url(entry_of(node));
    }
    cache_choose_url(entry);
    tell_of_another(cache, entry, heartbeat->node, heartbeat->url, node ? ret_fault : NULL);
    cache_touch(cache, entry);
    cache_judge(cache, entry, now, true);
    return node ? entry_of(node) : NULL;
}

static void merge(struct cache *cache, struct entry *from, struct entry *to, struct now now)
{
    struct node *x = &from->node, *y = &to->node;
    export_detach(from);
    if (agent_is_newer(x, y) || (x->evidence.agent.ever && !y->evidence.agent.ever)) {
        swap_agents(to, from);
        cache_choose_url(from);
        cache_choose_url(to);
    }
    if (x->utc_offset_s != TIMESTAMP_OFFSET_UNKNOWN) {
        y->utc_offset_s = x->utc_offset_s;
    }
    if (x->evidence.edge.ever && x->evidence.edge.message_ms > y->evidence.edge.message_ms) {
        y->evidence.edge = x->evidence.edge;
    }
    y->found |= x->found & ~FOUND_MASTER;
    move_content(cache, from, to);
    move_exports(from, to);
    sightings_move(from, to);
    if (x->last_seen_wall_ms != TIMESTAMP_NONE && !polled_by_mdns(x)) {
        cache_seen(to, x->last_seen_mono_ms, now);
    }
    for (int reason = 0; reason < REJECT_REASONS; reason++) {
        y->rejects[reason] += x->rejects[reason];
    }
    cache_remove(cache, from);
}

void alias_learn(struct cache *cache, struct entry *entry, const char *name, struct now now)
{
    size_t len = strlen(name);
    if (!node_name_valid(name, len, NULL) || entry_is_called(entry, name, len)) {
        return;
    }
    struct node *other = cache_find(cache, name, len);
    if (other && other->found & FOUND_MANUAL) {
        return; /* configured as well, or already taken for another manual node: each keeps its own */
    }
    if (other && other->has_heartbeat &&
        is_another_machine(entry, name, other->announced_url, other->heartbeat.source.node_name)) {
        tell_of_another(cache, entry, name, other->announced_url, NULL);
        cache_set_alias(cache, entry, "");
        cache_touch(cache, entry);
        return;
    }
    if (other) {
        merge(cache, entry_of(other), entry, now);
    }
    cache_set_alias(cache, entry, name);
    cache_touch(cache, entry);
    cache_judge(cache, entry, now, true);
}
