#include "cache_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cache *cache_create(struct now now)
{
    struct cache *cache = calloc(1, sizeof *cache);
    if (!cache) {
        return NULL;
    }
    cache->events = events_create();
    if (!cache->events) {
        cache_destroy(cache);
        return NULL;
    }
    cache->link.started_ms = now.mono_ms;
    cache->retain_ms = RETAIN_DEFAULT_MS;
    cache->history.limit = LIMIT_HISTORY;
    return cache;
}

void cache_destroy(struct cache *cache)
{
    if (cache) {
        cache_nodes_finish(cache);
        events_destroy(cache->events);
        free(cache->clocks.skews);
        free(cache->slots);
        free(cache->lookup);
        free(cache->rewritten);
        free(cache);
    }
}

void cache_set_retain(struct cache *cache, int64_t retain_ms)
{
    cache->retain_ms = retain_ms;
}

/* ---- rejections ---- */

void cache_reject(struct cache *cache, struct node *node, const struct fault *fault)
{
    if (fault->reason == REJECT_NONE || (unsigned)fault->reason >= REJECT_REASONS) {
        return;
    }
    cache->rejects[fault->reason]++;
    if (node) {
        node->rejects[fault->reason]++;
        memcpy(node->last_reject, fault->detail, sizeof node->last_reject);
        cache_touch(cache, entry_of(node));
    }
}

void cache_fault(struct cache *cache, struct entry *entry, struct fault *ret_fault, enum reject reason,
                 const char *format, ...)
{
    char text[2 * sizeof ret_fault->detail];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct fault fault;
    fault_set(&fault, reason, "%s", text);
    cache_reject(cache, entry ? &entry->node : NULL, &fault);
    if (ret_fault) {
        *ret_fault = fault;
    }
}

const uint64_t *cache_rejects(const struct cache *cache)
{
    return cache->rejects;
}

/* ---- verdicts ---- */

void cache_seen(struct entry *entry, int64_t mono_ms, struct now now)
{
    struct node *node = &entry->node;
    if (mono_ms > now.mono_ms) {
        mono_ms = now.mono_ms;
    }
    if (mono_ms == 0) {
        mono_ms = -1; /* 0 means never */
    }
    if (node->last_seen_wall_ms == TIMESTAMP_NONE || mono_ms > node->last_seen_mono_ms) {
        node->last_seen_mono_ms = mono_ms;
        node->last_seen_wall_ms = now.wall_ms - (now.mono_ms - mono_ms);
    }
}

static bool same_state(struct verdict a, struct verdict b)
{
    return a.state == b.state && a.cause == b.cause;
}

/* Was it gone already when llamad started, and has not been heard since? That it is gone is no news then. */
static bool was_gone_before(const struct cache *cache, const struct entry *entry)
{
    const struct node *node = &entry->node;
    return node->last_seen_wall_ms == TIMESTAMP_NONE ||
           node->last_seen_mono_ms < cache->link.started_ms - verdict_gone_after_ms(&node->evidence);
}

/* The first verdict that says something is compared with what was last told before llamad started. */
static void recall_base(struct cache *cache, struct entry *entry)
{
    const struct event *last = events_restored_of(cache->events, entry->node.name);
    if (last) {
        entry->base = (struct verdict){.state = last->to, .cause = last->cause};
        entry->base_wall_ms = last->at_wall_ms;
        entry->has_base = entry->base_kept = true;
    }
}

/* The node was gone already when llamad started. That is news only if another state was told last, and only
 * when it is sure: at first the node is merely late. */
static bool is_old_news(struct entry *entry, struct verdict told, struct verdict to)
{
    if (!entry->base_kept) {
        return true;
    }
    if (to.state == STATE_STALE) {
        entry->base = told;
        return true;
    }
    return told.state == STATE_UNREACHABLE;
}

/* Moves into and out of broker_down and starting are no events: what counts is the state before and after.
 * `news`: the state has just changed; else an event that had to wait may be told by now. */
static void add_event(struct cache *cache, struct entry *entry, struct now now, bool news)
{
    const struct node *node = &entry->node;
    struct verdict to = node->verdict;
    if (to.cause == CAUSE_BROKER_DOWN || to.cause == CAUSE_STARTING) {
        return;
    }
    if (!entry->has_base) {
        recall_base(cache, entry);
    }
    struct verdict from = entry->base;
    bool first = !entry->has_base;
    entry->base = to;
    entry->has_base = true;
    if (entry->base_kept && same_state(from, to)) {
        entry->node.since_wall_ms = entry->base_wall_ms; /* it has been so all along */
    }
    bool gone = to.state == STATE_STALE || to.state == STATE_UNREACHABLE;
    if (first || same_state(from, to) ||
        (gone && was_gone_before(cache, entry) && is_old_news(entry, from, to))) {
        return;
    }
    entry->base_kept = false;
    if (!telling_may(&entry->telling, news, now.mono_ms, now.wall_ms)) {
        entry->base = from;
        return;
    }
    struct event event = {.revision = ++cache->revision,
                          .at_wall_ms = now.wall_ms,
                          .from = from.state,
                          .to = to.state,
                          .cause = to.cause};
    memcpy(event.node, node->name, sizeof event.node);
    memcpy(event.reason, node->reason, sizeof event.reason);
    telling_append(&entry->telling, event.reason, sizeof event.reason);
    events_add(cache->events, &event);
}

void cache_judge(struct cache *cache, struct entry *entry, struct now now, bool evidence_changed)
{
    struct node *node = &entry->node;
    struct verdict verdict = verdict_of(&node->evidence, &cache->link, now);
    bool same = same_state(verdict, node->verdict);
    if (same && verdict.via == node->verdict.via && !evidence_changed) {
        return;
    }
    char reason[REASON_MAX];
    verdict_reason(verdict, &node->evidence, &cache->link, now, reason, sizeof reason);
    if (same && verdict.via == node->verdict.via && strcmp(reason, node->reason) == 0) {
        return;
    }
    memcpy(node->reason, reason, strlen(reason) + 1);
    cache->states[node->verdict.state]--;
    cache->states[verdict.state]++;
    node->verdict = verdict;
    if (!same) {
        node->since_wall_ms = now.wall_ms;
        add_event(cache, entry, now, true);
    }
    cache_touch(cache, entry);
}

void cache_judge_all(struct cache *cache, struct now now, bool evidence_changed)
{
    for (size_t i = 0; i < cache->node_count; i++) {
        cache_judge(cache, cache->by_name[i], now, evidence_changed);
    }
}

/* A broker that stops sends everybody's will before it closes: those say nothing about the nodes. */
static void distrust_wills(struct cache *cache, struct now now)
{
    for (size_t i = 0; i < cache->node_count; i++) {
        struct evidence *e = &cache->by_name[i]->node.evidence;
        if (e->agent.presence == PRESENCE_WILL && now.mono_ms - e->agent.presence_ms < WILL_SETTLE_MS) {
            e->agent.presence_replayed = true;
        }
    }
}

void cache_link(struct cache *cache, bool up, struct now now)
{
    if (up == cache->link.up) {
        return;
    }
    cache->link.up = up;
    cache->link_revision = ++cache->revision;
    if (up) {
        cache->link.up_ms = now.mono_ms;
        cache->outage_told = false;
    } else {
        cache->link.down_ms = now.mono_ms;
        distrust_wills(cache, now);
    }
    cache_judge_all(cache, now, true);
    cache_update_incidents(cache, now);
}

static bool expired(const struct cache *cache, const struct entry *entry, struct now now)
{
    const struct node *node = &entry->node;
    bool re_exported = entry->master && node->snapshots[REPORT_READINGS].origin == ORIGIN_MASTER;
    if (node->found & FOUND_MANUAL || re_exported || node->sightings) {
        return false; /* its master, or mDNS, would bring it back at once */
    }
    bool heard = node->last_seen_wall_ms != TIMESTAMP_NONE;
    int64_t heard_ms = heard ? node->last_seen_mono_ms : entry->node.evidence.added_ms;
    return now.mono_ms - heard_ms > cache->retain_ms;
}

/* Deleted message by message, until nothing was left? */
static bool emptied(const struct entry *entry)
{
    const struct node *node = &entry->node;
    if (!entry->cleared || node->found & (FOUND_MANUAL | FOUND_EDGE | FOUND_MDNS) || node->has_heartbeat ||
        node->evidence.agent.presence != PRESENCE_NONE || node->stats) {
        return false;
    }
    for (size_t i = 0; i < REPORT_KINDS; i++) {
        if (node->snapshots[i].origin != ORIGIN_NONE) {
            return false;
        }
    }
    return true;
}

void cache_tick(struct cache *cache, struct now now)
{
    cache_tell_outage(cache, now);
    bool look = detect_due(cache, now);
    for (size_t i = cache->node_count; i-- > 0;) {
        struct entry *entry = cache->by_name[i];
        if (expired(cache, entry, now) || emptied(entry)) {
            cache_remove(cache, entry);
            i = i < cache->node_count ? i : cache->node_count; /* what it re-exported may have gone with it */
        } else {
            session_drop_waited(cache, entry, now);
            cache_judge(cache, entry, now, false);
            if (look) {
                detect_look(cache, entry, now);
            }
            if (entry->telling.untold > 0) {
                add_event(cache, entry, now, false);
            }
        }
    }
    if (look) {
        detect_decide(cache, now);
    }
    cache_update_incidents(cache, now);
}

/* ---- what readers ask for ---- */

const char *origin_name(enum origin origin)
{
    static const char *const names[] = {
        [ORIGIN_MASTER] = "master", [ORIGIN_EDGE] = "edge", [ORIGIN_POLL] = "poll", [ORIGIN_AGENT] = "agent"};
    return (unsigned)origin < sizeof names / sizeof *names ? names[origin] : NULL;
}

const struct item *cache_find_item(const struct cache *cache, const struct node *node, enum item_kind kind,
                                   const char *id, size_t id_len)
{
    (void)cache;
    uint32_t hash = item_hash(id, id_len);
    for (const struct item *item = node->items[kind]; item; item = item->next) {
        if (item_is(item, hash, id, id_len)) {
            return item;
        }
    }
    return NULL;
}

size_t cache_item_count(const struct cache *cache, enum item_kind kind)
{
    return cache->item_count[kind];
}

struct history_budget cache_history(const struct cache *cache)
{
    return cache->history;
}

const struct events *cache_events(const struct cache *cache)
{
    return cache->events;
}

struct link_evidence cache_link_evidence(const struct cache *cache)
{
    return cache->link;
}

uint32_t cache_state_count(const struct cache *cache, enum state state)
{
    return cache->states[state];
}
