/*
 * Reports of agents, the bodies in them (polled ones take the same way), and what is deleted.
 */
#include "cache_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- stats ---- */

static int64_t count_of(struct json_slice stats, const char *name)
{
    int64_t count;
    return json_int(json_member(stats, name), &count) == 0 && count >= 0 ? count : -1;
}

/* Do they differ in nothing but their timestamp? */
static bool same_stats(const struct node *node, struct json_slice body)
{
    if (!node->stats) {
        return false;
    }
    struct json_slice known = {.data = node->stats, .len = node->stats_len};
    struct json_slice before = json_member(known, "timestamp"), after = json_member(body, "timestamp");
    if (!before.data || !after.data) {
        return json_equal(known, body);
    }
    size_t pos = (size_t)(after.data - body.data), rest = body.len - pos - after.len;
    return (size_t)(before.data - known.data) == pos && known.len - pos - before.len == rest &&
           memcmp(known.data, body.data, pos) == 0 &&
           memcmp(before.data + before.len, after.data + after.len, rest) == 0;
}

static int replace_stats(struct cache *cache, struct entry *entry, struct json_slice body,
                         struct fault *ret_fault)
{
    struct node *node = &entry->node;
    if (!report_body_usable(REPORT_STATS, body)) {
        cache_fault(cache, entry, ret_fault, REJECT_BAD_BODY, "stats: no node_name");
        return -EBADMSG;
    }
    if (body.len > LIMIT_STATS) {
        cache_fault(cache, entry, ret_fault, REJECT_TOO_LARGE, "stats: %zu bytes, more than %d", body.len,
                    LIMIT_STATS);
        return -EBADMSG;
    }
    char *stats = malloc(body.len);
    if (!stats) {
        return -ENOMEM;
    }
    memcpy(stats, body.data, body.len);
    if (!same_stats(node, body)) {
        node->said_readings = count_of(body, "readings_count");
        node->said_observations = count_of(body, "observations_count");
        node->said_memories = count_of(body, "memories_count");
        cache_touch_stats(cache, entry);
    }
    free(node->stats);
    node->stats = stats;
    node->stats_len = body.len;
    return 0;
}

void cache_drop_stats(struct cache *cache, struct entry *entry)
{
    struct node *node = &entry->node;
    if (node->stats) {
        free(node->stats);
        node->stats = NULL;
        node->stats_len = 0;
        node->said_readings = node->said_observations = node->said_memories = -1;
        cache_touch_stats(cache, entry);
    }
}

/* ---- bodies ---- */

static const enum item_kind item_kinds[] = {[REPORT_READINGS] = ITEM_READING,
                                            [REPORT_OBSERVATIONS] = ITEM_OBSERVATION,
                                            [REPORT_MEMORIES] = ITEM_MEMORY};

int cache_apply(struct cache *cache, struct entry *entry, enum report_kind kind, struct json_slice body,
                const struct source *source, struct now now, struct fault *ret_fault)
{
    int e = kind == REPORT_STATS
                ? replace_stats(cache, entry, body, ret_fault)
                : cache_replace_items(cache, entry, item_kinds[kind], body, source, now, ret_fault);
    if (e < 0) {
        return e;
    }
    struct snapshot *snapshot = &entry->node.snapshots[kind];
    snapshot->origin = source->origin;
    snapshot->captured_wall_ms = source->captured_wall_ms;
    snapshot->captured_mono_ms = source->captured_mono_ms;
    if (kind == REPORT_READINGS && source->origin > ORIGIN_MASTER) {
        export_detach(entry);
    }
    cache_touch(cache, entry);
    return 0;
}

void cache_confirm(struct snapshot *snapshot, int64_t wall_ms, int64_t mono_ms)
{
    if (snapshot->captured_wall_ms == TIMESTAMP_NONE || wall_ms > snapshot->captured_wall_ms) {
        snapshot->captured_wall_ms = wall_ms;
    }
    if (snapshot->captured_mono_ms == 0 || mono_ms > snapshot->captured_mono_ms) {
        snapshot->captured_mono_ms = mono_ms != 0 ? mono_ms : -1;
    }
}

/* ---- reports ---- */

/* When was it captured? The broker's word first, then the node's clock, as far as it is known to be off. */
static int64_t captured_mono(const struct entry *entry, const struct report *report, bool replayed,
                             int64_t age_s, struct now now)
{
    int64_t age_ms = now.wall_ms - report->captured_at_ms;
    if (replayed && age_s >= 0) {
        age_ms = age_s * 1000;
    } else if (entry->node.has_clock_skew) {
        age_ms += entry->detected.raw_skew_ms;
    }
    int64_t mono_ms = now.mono_ms - (age_ms > 0 ? age_ms : 0);
    return mono_ms != 0 ? mono_ms : -1;
}

int cache_apply_report(struct cache *cache, struct entry *entry, const struct report *report,
                       const struct source *source, struct now now, struct fault *ret_fault)
{
    int e = cache_apply(cache, entry, report->kind, report->body, source, now, ret_fault);
    if (e == -EBADMSG && session_is_current(entry, report->session)) {
        entry->refused_seq[report->kind] = report->seq; /* to ask for it again would bring the same */
    }
    if (e < 0) {
        return e;
    }
    struct node *node = &entry->node;
    struct snapshot *snapshot = &node->snapshots[report->kind];
    bool same_session = strcmp(snapshot->session, report->session) == 0;
    memcpy(snapshot->session, report->session, sizeof snapshot->session);
    snapshot->seq = report->seq;
    if (source->utc_offset_s != TIMESTAMP_OFFSET_UNKNOWN) {
        node->utc_offset_s = source->utc_offset_s;
    }
    int64_t *age_from_ms = &node->evidence.snapshots[report->kind].age_from_ms;
    if (!same_session || *age_from_ms == 0 || source->captured_mono_ms > *age_from_ms) {
        *age_from_ms = source->captured_mono_ms;
    }
    if (report->kind == REPORT_READINGS) {
        detect_readings(entry, source->captured_mono_ms, now);
    }
    return 0;
}

/* Is it what stands already, or older? */
static bool is_known(const struct entry *entry, const struct report *report, bool replayed)
{
    const struct snapshot *snapshot = &entry->node.snapshots[report->kind];
    bool same_session = snapshot->seq > 0 && strcmp(snapshot->session, report->session) == 0;
    if (same_session && report->seq <= snapshot->seq) {
        /* What the agent repeats by itself holds now, and so is better than what was polled meanwhile. */
        return replayed || report->seq < snapshot->seq || snapshot->origin == ORIGIN_AGENT;
    }
    bool other = !same_session || snapshot->origin == ORIGIN_POLL;
    return replayed && other && snapshot->origin >= ORIGIN_POLL &&
           report->captured_at_ms < snapshot->captured_wall_ms;
}

/* Must it wait for a heartbeat? Because it is of another session than the current one, of which this kind
 * stands; or because it is under the alias of a manual node, and no heartbeat has told yet that it is the
 * same machine. */
static bool must_wait(const struct entry *entry, const struct report *report)
{
    const struct node *node = &entry->node;
    const struct snapshot *snapshot = &node->snapshots[report->kind];
    if (node->alias[0] && !node->has_heartbeat && json_string_is(report->node_slice, node->alias)) {
        return true;
    }
    return entry->node.has_heartbeat && !session_is_current(entry, report->session) && snapshot->seq > 0 &&
           session_is_current(entry, snapshot->session);
}

static bool names_this_node(const struct entry *entry, struct json_slice name)
{
    char text[NODE_NAME_MAX + 1];
    size_t len;
    return json_string(name, text, sizeof text, &len) == 0 && entry_is_called(entry, text, len);
}

int cache_report(struct cache *cache, struct node *node, const struct report *report, bool replayed,
                 int64_t age_s, struct now now, struct fault *ret_fault)
{
    struct entry *entry = entry_of(node);
    no_fault(ret_fault);
    if (!names_this_node(entry, report->node_slice)) {
        cache_fault(cache, entry, ret_fault, REJECT_WRONG_NODE, "the %s report names another node: %.*s",
                    report_kind_name(report->kind),
                    (int)(report->node_slice.len < 80 ? report->node_slice.len : 80),
                    report->node_slice.data ? report->node_slice.data : "");
        return -EBADMSG;
    }
    if (session_is_superseded(entry, report->session)) {
        cache_fault(cache, entry, ret_fault, REJECT_OLD_SESSION, "%s of session %s, which is over",
                    report_kind_name(report->kind), report->session);
        return -ESTALE;
    }
    if (is_known(entry, report, replayed)) {
        return -EALREADY;
    }
    struct source source = {
        .origin = ORIGIN_AGENT,
        .captured_wall_ms = report->captured_at_ms,
        .captured_mono_ms = captured_mono(entry, report, replayed, age_s, now),
        .utc_offset_s =
            report->utc_offset_s != TIMESTAMP_OFFSET_UNKNOWN ? report->utc_offset_s : node->utc_offset_s,
    };
    if (must_wait(entry, report)) {
        return session_park(cache, entry, report, source.captured_mono_ms, now);
    }
    int e = cache_apply_report(cache, entry, report, &source, now, ret_fault);
    if (e < 0) {
        return e;
    }
    cache_agent_heard(entry, now);
    if (age_s >= 0) { /* a bridge passes on as live what waited at another broker */
        cache_seen(entry, now.mono_ms - age_s * 1000, now);
    } else if (!replayed) {
        cache_seen(entry, now.mono_ms, now);
    }
    cache_judge(cache, entry, now, false);
    return 0;
}

/* ---- deletions ---- */

void cache_drop_report(struct cache *cache, struct entry *entry, enum report_kind kind)
{
    struct snapshot *snapshot = &entry->node.snapshots[kind];
    snapshot->session[0] = '\0';
    snapshot->seq = 0;
    if (snapshot->origin != ORIGIN_AGENT) {
        return; /* what stands came otherwise */
    }
    *snapshot = (struct snapshot){.captured_wall_ms = TIMESTAMP_NONE};
    if (kind == REPORT_STATS) {
        cache_drop_stats(cache, entry);
    } else {
        cache_drop_items(cache, entry, item_kinds[kind]);
    }
    if (kind == REPORT_READINGS) {
        export_drop_all(cache, entry);
    }
}

static void clear_heartbeat(struct entry *entry)
{
    struct node *node = &entry->node;
    free(node->heartbeat.labels);
    memset(&node->heartbeat, 0, sizeof node->heartbeat);
    node->has_heartbeat = false;
    detect_forget(entry);
    node->evidence.agent.ever = node->evidence.agent.presence != PRESENCE_NONE;
    node->evidence.agent.heartbeat_ms = 0;
    memset(&node->evidence.source, 0, sizeof node->evidence.source);
    memset(node->evidence.snapshots, 0, sizeof node->evidence.snapshots);
    node->evidence.source.since_wall_ms = TIMESTAMP_NONE;
    memset(entry->refused_seq, 0, sizeof entry->refused_seq);
    cache_set_text(&entry->announced_url, "");
    cache_choose_url(entry);
}

void cache_cleared(struct cache *cache, struct node *node, enum topic_kind kind, struct now now)
{
    struct entry *entry = entry_of(node);
    switch (kind) {
    case TOPIC_READINGS:
    case TOPIC_OBSERVATIONS:
    case TOPIC_MEMORIES:
    case TOPIC_STATS:
        cache_drop_report(cache, entry, (enum report_kind)(kind - TOPIC_READINGS));
        break;
    case TOPIC_HEALTH:
        clear_heartbeat(entry);
        break;
    case TOPIC_STATUS:
        node->evidence.agent.presence = PRESENCE_NONE;
        node->evidence.agent.presence_ms = 0;
        node->evidence.agent.ever = node->has_heartbeat;
        break;
    case TOPIC_REFRESH:
    case TOPIC_EDGE_READINGS:
    case TOPIC_OTHER:
        return;
    }
    entry->cleared = true;
    cache_touch(cache, entry);
    cache_judge(cache, entry, now, true);
}
