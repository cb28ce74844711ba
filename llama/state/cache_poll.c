/*
 * Evidence and data that come without an agent: HTTP polls, and Smollama's own edge messages.
 */
#include "cache_internal.h"

#include <errno.h>
#include <string.h>

#define EDGE_INTERVAL_MS     30000 /* Smollama's default: where learning starts */
#define EDGE_INTERVAL_MIN_MS 1000
#define EDGE_INTERVAL_MAX_MS (3600 * 1000)

/* ---- polls ---- */

void cache_set_poll_interval(struct cache *cache, uint32_t interval_ms)
{
    cache->poll_interval_ms = interval_ms;
}

bool cache_wants_poll(const struct cache *cache, const struct node *node, struct now now)
{
    return node->evidence.has_url && verdict_silent_on_mqtt(&node->evidence, &cache->link, now);
}

void cache_poll_started(struct cache *cache, struct node *node, struct now now)
{
    (void)now;
    (void)cache;
    node->evidence.probe.pending = true;
}

int cache_poll_body(struct cache *cache, struct node *node, enum report_kind kind, struct json_slice body,
                    int64_t captured_wall_ms, int32_t utc_offset_s, struct now now, struct fault *ret_fault)
{
    struct entry *entry = entry_of(node);
    no_fault(ret_fault);
    struct json_error error;
    if (!json_check(body.data, body.len, JSON_MAX_DEPTH, &error)) {
        struct fault fault;
        fault_set_json(&fault, &error);
        cache_fault(cache, entry, ret_fault, fault.reason, "/api/%s: %s", report_kind_name(kind),
                    fault.detail);
        return -EBADMSG;
    }
    if (verdict_fresh_on_mqtt(&node->evidence, &cache->link, now)) {
        return -EALREADY;
    }
    if (utc_offset_s != TIMESTAMP_OFFSET_UNKNOWN) {
        node->utc_offset_s = utc_offset_s;
    }
    struct source source = {
        .origin = ORIGIN_POLL,
        .captured_wall_ms = captured_wall_ms,
        .captured_mono_ms = now.mono_ms,
        .utc_offset_s = node->utc_offset_s,
    };
    int e = cache_apply(cache, entry, kind, json_root(body.data, body.len), &source, now, ret_fault);
    if (e == 0) {
        cache_seen(entry, now.mono_ms, now);
    }
    return e;
}

/* An answer in another node's name proves nothing about this one. */
static bool is_wrong_node(struct cache *cache, const struct entry *entry, const char *name)
{
    const struct node *node = &entry->node;
    if (!name || !name[0] || node->found & FOUND_MANUAL || entry_is_called(entry, name, strlen(name))) {
        return false;
    }
    bool by_agent = session_is_live(entry) && strcmp(node->heartbeat.source.node_name, name) == 0;
    return !by_agent || cache_find(cache, name, strlen(name)) != NULL;
}

void cache_poll_finished(struct cache *cache, struct node *node, const struct probe_result *result,
                         struct now now)
{
    struct entry *entry = entry_of(node);
    struct evidence *e = &node->evidence;
    bool wrong = is_wrong_node(cache, entry, result->node_name);
    enum probe_outcome outcome = wrong ? PROBE_FAILED : result->outcome;
    bool answered = result->answered && !wrong;
    const char *error = wrong ? "wrong_node" : result->error ? result->error : "";
    e->probe.pending = false;
    e->probe.at_ms = now.mono_ms;
    e->probe.interval_ms = cache->poll_interval_ms;
    e->probe.ever_answered = e->probe.ever_answered || answered;
    if (outcome == PROBE_OK) {
        e->probe.ever_ok = true;
        e->probe.ok_ms = now.mono_ms;
    }
    if (answered) {
        node->latency_ms = result->latency_ms > 0 ? result->latency_ms : 1; /* 0 is unknown */
        cache_seen(entry, now.mono_ms, now);
    }
    if (!verdict_fresh_on_mqtt(e, &cache->link, now)) { /* else MQTT has overtaken it */
        e->probe.outcome = outcome;
        e->probe.failures = outcome == PROBE_FAILED ? e->probe.failures + 1 : 0;
        size_t len = strnlen(error, sizeof e->probe.error - 1);
        memcpy(e->probe.error, error, len);
        e->probe.error[len] = '\0';
    }
    if (outcome == PROBE_FAILED) {
        sightings_rotate(entry);
    }
    cache_touch(cache, entry);
    cache_judge(cache, entry, now, true);
    if (result->node_name && node->found & FOUND_MANUAL) {
        cache_set_text(&entry->places, result->places ? result->places : "");
        alias_learn(cache, entry, result->node_name, now);
    }
}

/* ---- edge messages ---- */

/* The usual distance: quick to grow, so that a slow node is late only once; slow to shrink after a gap. */
static uint32_t learn_interval(uint32_t known_ms, int64_t distance_ms)
{
    int64_t interval_ms = known_ms ? known_ms : EDGE_INTERVAL_MS;
    if (distance_ms > interval_ms) {
        int64_t most_ms = 8 * interval_ms;
        interval_ms = (interval_ms + (distance_ms < most_ms ? distance_ms : most_ms)) / 2;
    } else {
        interval_ms = (3 * interval_ms + distance_ms) / 4;
    }
    if (interval_ms < EDGE_INTERVAL_MIN_MS) {
        interval_ms = EDGE_INTERVAL_MIN_MS;
    }
    return (uint32_t)(interval_ms < EDGE_INTERVAL_MAX_MS ? interval_ms : EDGE_INTERVAL_MAX_MS);
}

void cache_edge_heard(const struct cache *cache, struct entry *entry, int64_t message_wall_ms,
                      int64_t mono_ms)
{
    struct evidence *e = &entry->node.evidence;
    if (mono_ms == 0) {
        mono_ms = -1; /* 0 means never */
    }
    /* What comes in a burst (a network that was stuck, a broker that was away) tells no pace: it would make
     * the next pause look like silence. Nor does a pause in which nothing could be heard: it would make
     * silence look like the next pause. */
    bool listened = e->edge.message_ms >= cache->link.up_ms;
    if (e->edge.ever && !e->edge.kept && listened && mono_ms - e->edge.message_ms >= EDGE_INTERVAL_MIN_MS) {
        e->edge.interval_ms = learn_interval(e->edge.interval_ms, mono_ms - e->edge.message_ms);
    }
    if (!e->edge.ever || mono_ms > e->edge.message_ms) {
        e->edge.message_ms = mono_ms;
    }
    e->edge.ever = true;
    e->edge.kept = false;
    entry->message_wall_ms = message_wall_ms;
}

int cache_edge(struct cache *cache, struct node *node, struct json_slice body, int64_t at_wall_ms,
               struct now now, struct fault *ret_fault)
{
    struct entry *entry = entry_of(node);
    no_fault(ret_fault);
    bool better = node->evidence.agent.ever || node->snapshots[REPORT_READINGS].origin > ORIGIN_EDGE;
    struct source source = {
        .origin = ORIGIN_EDGE,
        .captured_wall_ms = at_wall_ms != TIMESTAMP_NONE ? at_wall_ms : now.wall_ms,
        .captured_mono_ms = now.mono_ms,
        .utc_offset_s = TIMESTAMP_OFFSET_UNKNOWN, /* these times tell theirs */
    };
    int e = better ? -EALREADY : cache_apply(cache, entry, REPORT_READINGS, body, &source, now, ret_fault);
    if (e == -EBADMSG || e == -ENOMEM) {
        return e;
    }
    node->found |= FOUND_EDGE;
    cache_edge_heard(cache, entry, source.captured_wall_ms, now.mono_ms);
    if (!better) {
        if (node->type == NODE_UNKNOWN) {
            node->type = NODE_EDGE;
        }
        cache_seen(entry, now.mono_ms, now);
    }
    cache_touch(cache, entry);
    cache_judge(cache, entry, now, true);
    return e;
}
