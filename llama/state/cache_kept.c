/*
 * What was kept over a restart. It shows what was last known, with its age, and proves nothing: every node
 * starts as one of which nothing was heard yet.
 */
#include "cache_internal.h"

#include <errno.h>
#include <string.h>

#define EDGE_INTERVAL_MIN_MS 1000
#define EDGE_INTERVAL_MAX_MS (3600 * 1000)

int cache_restore_event(struct cache *cache, const struct event *event)
{
    struct event restored = *event;
    restored.revision = cache->revision + 1;
    int e = events_restore(cache->events, &restored);
    cache->revision += e == 0;
    return e;
}

int cache_skip_events(struct cache *cache, uint64_t id)
{
    return events_skip(cache->events, id);
}

/* When was that on our monotonic clock? 0 = not to be said: the clock has gone back since. */
static int64_t mono_of(int64_t wall_ms, struct now now)
{
    if (wall_ms == TIMESTAMP_NONE || wall_ms > now.wall_ms) {
        return 0;
    }
    int64_t mono_ms = now.mono_ms - (now.wall_ms - wall_ms);
    return mono_ms != 0 ? mono_ms : -1;
}

static void restore_edge(struct entry *entry, const struct kept_node *kept, int64_t seen_ms)
{
    struct evidence *e = &entry->node.evidence;
    uint32_t interval_ms = kept->edge_interval_ms;
    if (interval_ms < EDGE_INTERVAL_MIN_MS) {
        interval_ms = EDGE_INTERVAL_MIN_MS;
    }
    e->edge.ever = e->edge.kept = true;
    e->edge.interval_ms = interval_ms < EDGE_INTERVAL_MAX_MS ? interval_ms : EDGE_INTERVAL_MAX_MS;
    e->edge.message_ms = seen_ms;
}

struct node *cache_restore_node(struct cache *cache, const char *name, size_t len,
                                const struct kept_node *kept, struct now now, struct fault *ret_fault)
{
    no_fault(ret_fault);
    unsigned found = kept->found & (FOUND_MQTT | FOUND_EDGE | FOUND_MDNS);
    if (found == 0 && !cache_find(cache, name, len)) {
        return NULL;
    }
    struct node *node = cache_add(cache, name, len, found, now, ret_fault);
    if (!node) {
        return NULL;
    }
    struct entry *entry = entry_of(node);
    int64_t seen_ms = mono_of(kept->seen_wall_ms, now);
    if (kept->agent) {
        cache_agent_heard(entry, now);
    }
    if (kept->edge_interval_ms > 0) {
        restore_edge(entry, kept, seen_ms);
    }
    if (kept->mdns_url[0] && !entry->mdns_url && cache_set_text(&entry->mdns_url, kept->mdns_url)) {
        entry->mdns_allowed = kept->mdns_allowed;
        cache_choose_url(entry);
    }
    if (node->type == NODE_UNKNOWN) {
        node->type = kept->type;
    }
    node->evidence.probe.ever_answered = kept->answered;
    node->utc_offset_s = kept->utc_offset_s;
    if (seen_ms != 0) {
        cache_seen(entry, seen_ms, now);
    }
    cache_touch(cache, entry);
    cache_judge(cache, entry, now, true);
    return node;
}

int cache_restore_body(struct cache *cache, struct node *node, enum report_kind kind, enum origin origin,
                       struct json_slice body, int64_t captured_wall_ms, int64_t received_wall_ms,
                       struct now now, struct fault *ret_fault)
{
    no_fault(ret_fault);
    if (origin != ORIGIN_POLL && (origin != ORIGIN_EDGE || kind != REPORT_READINGS)) {
        return -EINVAL;
    }
    if (node->snapshots[kind].origin > ORIGIN_MASTER) {
        return -EALREADY;
    }
    struct source source = {
        .origin = origin,
        .captured_wall_ms = captured_wall_ms,
        .captured_mono_ms = mono_of(received_wall_ms, now),
        .utc_offset_s = origin == ORIGIN_EDGE ? TIMESTAMP_OFFSET_UNKNOWN : node->utc_offset_s,
        .kept = true,
    };
    return cache_apply(cache, entry_of(node), kind, body, &source, now, ret_fault);
}
