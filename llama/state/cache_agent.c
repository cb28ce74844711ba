/*
 * What agents say of themselves: heartbeats and status.
 */
#include "cache_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- evidence from a heartbeat ---- */

/* Since when, by our clock? The node's own may be wrong, or be set right meanwhile: so what was said before
 * stays, and nothing is older than the machine's start. */
static void take_since(struct entry *entry, const struct heartbeat *heartbeat, int64_t sent_wall_ms)
{
    int64_t since_ms = heartbeat->source.since_ms, *mapped_ms = &entry->node.evidence.source.since_wall_ms;
    if (since_ms == TIMESTAMP_NONE) {
        *mapped_ms = TIMESTAMP_NONE;
    } else if (*mapped_ms == TIMESTAMP_NONE || since_ms != entry->detected.source_since_ms) {
        int64_t age_ms = heartbeat->at_ms > since_ms ? heartbeat->at_ms - since_ms : 0;
        if (heartbeat->uptime_s > 0 && (uint64_t)age_ms / 1000 > heartbeat->uptime_s) {
            age_ms = (int64_t)heartbeat->uptime_s * 1000;
        }
        *mapped_ms = sent_wall_ms - age_ms;
    }
    entry->detected.source_since_ms = since_ms;
}

static void take_source(struct entry *entry, const struct heartbeat *heartbeat, int64_t sent_wall_ms)
{
    struct node *node = &entry->node;
    const char *error = heartbeat->source.error;
    node->evidence.source.known = true;
    node->evidence.source.ok = heartbeat->source.ok;
    node->evidence.source.answers =
        strncmp(error, "http_", 5) == 0 || strcmp(error, "bad_body") == 0 || strcmp(error, "too_large") == 0;
    memcpy(node->evidence.source.error, error, sizeof heartbeat->source.error);
    take_since(entry, heartbeat, sent_wall_ms);
    if (heartbeat->source.latency_ms > 0) {
        node->latency_ms = heartbeat->source.latency_ms;
    }
}

/* How many fetches have failed in a row: since we hear of it, or since the last success, whichever tells
 * more. */
static unsigned failed_fetches(const struct snapshot_state *state, int64_t error_since_ms, int64_t age_ms,
                               int64_t mono_ms)
{
    int64_t interval_ms = state->interval_s ? (int64_t)state->interval_s * 1000 : 1000;
    int64_t fetches = 1 + (mono_ms - error_since_ms) / interval_ms;
    if (age_ms / interval_ms > fetches) {
        fetches = age_ms / interval_ms;
    }
    return fetches < 1000000 ? (unsigned)fetches : 1000000;
}

/* What the heartbeat of mono_ms says of one snapshot. Ages are on the node's own clock, so its being off is
 * nothing. */
static void take_snapshot(struct node *node, const struct heartbeat *heartbeat, int kind, int64_t mono_ms)
{
    const struct snapshot_state *state = &heartbeat->snapshots[kind];
    struct snapshot *snapshot = &node->snapshots[kind];
    int64_t age_ms = 0;
    if (state->present && state->captured_at_ms != TIMESTAMP_NONE) {
        age_ms = heartbeat->at_ms > state->captured_at_ms ? heartbeat->at_ms - state->captured_at_ms : 0;
        int64_t fetched_ms = mono_ms - age_ms;
        if (snapshot->origin == ORIGIN_AGENT && snapshot->seq == state->seq &&
            strcmp(snapshot->session, heartbeat->session) == 0) {
            cache_confirm(snapshot, state->captured_at_ms, fetched_ms);
        }
        if (node->evidence.snapshots[kind].age_from_ms == 0 ||
            fetched_ms > node->evidence.snapshots[kind].age_from_ms) {
            node->evidence.snapshots[kind].age_from_ms = fetched_ms != 0 ? fetched_ms : -1;
        }
    }
    node->evidence.snapshots[kind].present = state->present;
    node->evidence.snapshots[kind].interval_s = state->interval_s;
    memcpy(node->evidence.snapshots[kind].error, state->error, sizeof state->error);
    if (!state->present || !state->error[0] || strcmp(state->error, "off") == 0) {
        node->evidence.snapshots[kind].error_since_ms = 0;
        node->evidence.snapshots[kind].error_fetches = 0;
        return;
    }
    if (node->evidence.snapshots[kind].error_since_ms == 0) {
        node->evidence.snapshots[kind].error_since_ms = mono_ms != 0 ? mono_ms : -1;
    }
    node->evidence.snapshots[kind].error_fetches =
        failed_fetches(state, node->evidence.snapshots[kind].error_since_ms, age_ms, mono_ms);
}

/* What of the current session's reports was seen last, be it only to be refused. */
static uint64_t delivered(const struct entry *entry, int kind)
{
    const struct snapshot *snapshot = &entry->node.snapshots[kind];
    uint64_t seq = session_is_current(entry, snapshot->session) ? snapshot->seq : 0;
    return entry->refused_seq[kind] > seq ? entry->refused_seq[kind] : seq;
}

unsigned cache_missing(const struct cache *cache, const struct node *node)
{
    (void)cache;
    const struct entry *entry = (const struct entry *)(const void *)node;
    unsigned count = 0;
    for (int kind = 0; node->has_heartbeat && kind < REPORT_KINDS; kind++) {
        const struct snapshot_state *state = &node->heartbeat.snapshots[kind];
        count += state->present && state->seq > delivered(entry, kind);
    }
    return count;
}

bool cache_wants_refresh(const struct cache *cache, const struct node *node)
{
    bool there = node->verdict.state != STATE_STALE && node->verdict.state != STATE_UNREACHABLE;
    return there && cache_missing(cache, node) > 0;
}

/* ---- heartbeats ---- */

static void keep_labels(struct agent_info *info, const struct heartbeat *heartbeat)
{
    size_t size = heartbeat->label_count * sizeof *info->labels;
    if (info->label_count != heartbeat->label_count) {
        free(info->labels);
        info->labels = size ? malloc(size) : NULL;
        info->label_count = info->labels ? heartbeat->label_count : 0; /* no memory: no labels */
    }
    if (info->labels) {
        memcpy(info->labels, heartbeat->labels, size);
    }
}

static void keep(struct node *node, const struct heartbeat *heartbeat)
{
    struct agent_info *info = &node->heartbeat;
    keep_labels(info, heartbeat);
    info->type = heartbeat->type;
    memcpy(info->session, heartbeat->session, sizeof info->session);
    memcpy(info->version, heartbeat->version, sizeof info->version);
    info->interval_s = heartbeat->interval_s;
    info->utc_offset_s = heartbeat->utc_offset_s;
    info->seq = heartbeat->seq;
    info->at_ms = heartbeat->at_ms;
    info->uptime_s = heartbeat->uptime_s;
    info->source.kind = heartbeat->source.kind;
    info->source.ok = heartbeat->source.ok;
    info->source.latency_ms = heartbeat->source.latency_ms;
    memcpy(info->source.node_name, heartbeat->source.node_name, sizeof info->source.node_name);
    memcpy(info->source.error, heartbeat->source.error, sizeof info->source.error);
    info->source.since_ms = heartbeat->source.since_ms;
    memcpy(info->snapshots, heartbeat->snapshots, sizeof info->snapshots);
    node->has_heartbeat = true;
    if (heartbeat->type != NODE_UNKNOWN) {
        node->type = heartbeat->type;
    }
    if (heartbeat->utc_offset_s != TIMESTAMP_OFFSET_UNKNOWN) {
        node->utc_offset_s = heartbeat->utc_offset_s;
    }
}

/* How much later than one interval after the last heartbeat is this one? */
static int64_t lateness(const struct evidence *e, struct now now)
{
    int64_t due_ms = e->agent.heartbeat_ms + (int64_t)e->agent.interval_s * 1000;
    return e->agent.heartbeat_ms != 0 && now.mono_ms > due_ms ? now.mono_ms - due_ms : 0;
}

/* A live heartbeat: the proof of life. */
static void take_life(struct entry *entry, struct now now)
{
    struct evidence *e = &entry->node.evidence;
    e->agent.late_ms = lateness(e, now);
    e->agent.heartbeat_ms = now.mono_ms;
    e->agent.presence = PRESENCE_ONLINE;
    e->agent.presence_ms = now.mono_ms;
    e->agent.presence_replayed = false;
    e->probe.outcome = PROBE_NONE; /* polls count since it turned silent */
    e->probe.failures = 0;
    cache_seen(entry, now.mono_ms, now);
}

/* One of a superseded session. What it says is ignored; but while two agents alternate, either shows that the
 * name is alive. */
static void take_superseded(struct cache *cache, struct entry *entry, const struct heartbeat *heartbeat,
                            struct now now)
{
    if (detect_other_session(entry, heartbeat, now)) {
        take_life(entry, now);
        cache_touch(cache, entry);
        cache_judge(cache, entry, now, true);
    }
}

/* When was a replayed one sent? By the broker's word, else by the node's, which may not be in the future. */
static int64_t sent_mono(const struct heartbeat *heartbeat, int64_t age_s, struct now now)
{
    int64_t age_ms = age_s >= 0 ? age_s * 1000 : now.wall_ms - heartbeat->at_ms;
    return now.mono_ms - (age_ms > 0 ? age_ms : 0);
}

/* 0: of the current session, or one that becomes it. */
static int check_session(struct cache *cache, struct entry *entry, const struct heartbeat *heartbeat,
                         bool replayed, struct now now, struct fault *ret_fault)
{
    if (session_is_current(entry, heartbeat->session)) {
        return heartbeat->seq <= entry->node.heartbeat.seq ? -EALREADY : 0;
    }
    if (session_is_superseded(entry, heartbeat->session) && (replayed || !session_may_return(entry, now))) {
        cache_fault(cache, entry, ret_fault, REJECT_OLD_SESSION, "heartbeat of session %s, which is over",
                    heartbeat->session);
        if (!replayed) {
            take_superseded(cache, entry, heartbeat, now);
        }
        return -ESTALE;
    }
    return replayed && session_is_live(entry) ? -ESTALE : 0;
}

static bool is_late(const struct heartbeat *heartbeat, int64_t age_s)
{
    return age_s > 0 && 2 * age_s > 5 * (int64_t)heartbeat->interval_s;
}

static void begin_session(struct entry *entry, const struct heartbeat *heartbeat, bool replayed,
                          struct now now)
{
    struct node *node = &entry->node;
    if (!replayed && node->has_heartbeat) {
        session_supersede(entry, heartbeat->session, now);
    }
    detect_new_session(entry);
    for (int kind = 0; kind < REPORT_KINDS; kind++) {
        /* What the last session fetched or failed to fetch is no evidence about this one. */
        bool reported = strcmp(node->snapshots[kind].session, heartbeat->session) == 0;
        node->evidence.snapshots[kind].error_since_ms = 0;
        if (!reported) {
            node->evidence.snapshots[kind].age_from_ms = 0;
        }
    }
    memset(entry->refused_seq, 0, sizeof entry->refused_seq);
}

static void take_evidence(struct cache *cache, struct entry *entry, const struct heartbeat *heartbeat,
                          bool replayed, int64_t age_s, struct now now)
{
    int64_t sent_ms = replayed ? sent_mono(heartbeat, age_s, now) : now.mono_ms;
    take_source(entry, heartbeat, clock_wall_of(now, sent_ms != 0 ? sent_ms : -1));
    for (int kind = 0; kind < REPORT_KINDS; kind++) {
        take_snapshot(&entry->node, heartbeat, kind, sent_ms);
    }
    if (replayed) {
        cache_seen(entry, sent_ms, now);
    } else {
        take_life(entry, now);
        detect_heartbeat(entry, heartbeat, age_s, now);
    }
    cache_touch(cache, entry);
    cache_judge(cache, entry, now, true);
}

int cache_heartbeat(struct cache *cache, struct node *node, const struct heartbeat *heartbeat, bool replayed,
                    int64_t age_s, bool url_allowed, struct now now, struct fault *ret_fault)
{
    struct entry *entry = entry_of(node);
    no_fault(ret_fault);
    if (!entry_is_called(entry, heartbeat->node, strlen(heartbeat->node))) {
        cache_fault(cache, entry, ret_fault, REJECT_WRONG_NODE, "the heartbeat names another node: %s",
                    heartbeat->node);
        return -EBADMSG;
    }
    if (alias_is_wrong(entry, heartbeat)) {
        entry = alias_split(cache, entry, heartbeat, now, ret_fault);
        if (!entry) {
            return -EBADMSG;
        }
        node = &entry->node;
    }
    replayed = replayed || is_late(heartbeat, age_s);
    int e = check_session(cache, entry, heartbeat, replayed, now, ret_fault);
    if (e < 0) {
        return e;
    }
    bool new_session = !session_is_current(entry, heartbeat->session);
    if (new_session) {
        begin_session(entry, heartbeat, replayed, now);
    }
    keep(node, heartbeat);
    cache_agent_heard(entry, now);
    node->evidence.agent.interval_s = heartbeat->interval_s;
    cache_take_announced(entry, heartbeat->url, url_allowed);
    if (new_session) {
        session_unpark(cache, entry, now);
    }
    take_evidence(cache, entry, heartbeat, replayed, age_s, now);
    return 0;
}

/* ---- status ---- */

void cache_status(struct cache *cache, struct node *node, const struct status *status, bool replayed,
                  struct now now)
{
    struct entry *entry = entry_of(node);
    struct evidence *e = &node->evidence;
    if (session_is_superseded(entry, status->session) ||
        (session_is_live(entry) && !session_is_current(entry, status->session))) {
        return; /* the end of another session is not this one's, nor is its beginning */
    }
    enum presence presence = status->online    ? PRESENCE_ONLINE
                             : status->stopped ? PRESENCE_STOPPED
                                               : PRESENCE_WILL;
    cache_agent_heard(entry, now);
    if (presence != e->agent.presence || (e->agent.presence_replayed && !replayed)) {
        /* What was heard live stays so when the broker repeats it. */
        e->agent.presence = presence;
        e->agent.presence_ms = now.mono_ms;
        e->agent.presence_replayed = replayed;
        cache_touch(cache, entry);
    }
    cache_judge(cache, entry, now, true);
}
