#include "api_internal.h"
#include "server_limits.h"
#include "timestamp.h"

#include <string.h>

static void write_flag(struct buf *out, const char *key, bool value)
{
    buf_json_key(out, key);
    buf_json_bool(out, value);
}

static void write_number(struct buf *out, const char *key, int64_t value)
{
    buf_json_key(out, key);
    buf_json_int(out, value);
}

static void write_text(struct buf *out, const char *key, const char *text) /* "" writes null */
{
    buf_json_key(out, key);
    buf_json_cstr(out, *text ? text : NULL);
}

/* A monotonic time of the evidence as people read it; 0 = never. */
static void write_moment(struct buf *out, const char *key, struct now now, int64_t mono_ms)
{
    buf_json_key(out, key);
    buf_json_time(out, mono_ms ? clock_wall_of(now, mono_ms) : TIMESTAMP_NONE);
}

static void open_member(struct buf *out, const char *key)
{
    buf_json_key(out, key);
    buf_char(out, '{');
}

static void write_agent(struct buf *out, const struct evidence *evidence, struct now now)
{
    static const char *const presences[] = {[PRESENCE_NONE] = NULL,
                                            [PRESENCE_ONLINE] = "online",
                                            [PRESENCE_WILL] = "will",
                                            [PRESENCE_STOPPED] = "stopped"};
    open_member(out, "agent");
    write_flag(out, "ever", evidence->agent.ever);
    write_moment(out, "heartbeat_at", now, evidence->agent.heartbeat_ms);
    write_number(out, "interval_s", evidence->agent.interval_s);
    buf_json_key(out, "presence");
    buf_json_cstr(out, presences[evidence->agent.presence]);
    write_moment(out, "presence_at", now, evidence->agent.presence_ms);
    write_flag(out, "presence_replayed", evidence->agent.presence_replayed);
    write_flag(out, "duplicate", evidence->agent.duplicate);
    buf_char(out, '}');
    open_member(out, "source");
    write_flag(out, "known", evidence->source.known);
    write_flag(out, "ok", evidence->source.ok);
    write_flag(out, "answers", evidence->source.answers);
    write_text(out, "error", evidence->source.error);
    buf_json_key(out, "since");
    buf_json_time(out, evidence->source.known ? evidence->source.since_wall_ms : TIMESTAMP_NONE);
    buf_char(out, '}');
}

static void write_evidence_snapshots(struct buf *out, const struct evidence *evidence, struct now now)
{
    open_member(out, "snapshots");
    for (int kind = 0; kind < REPORT_KINDS; kind++) {
        open_member(out, report_kind_name((enum report_kind)kind));
        write_flag(out, "present", evidence->snapshots[kind].present);
        write_text(out, "error", evidence->snapshots[kind].error);
        write_moment(out, "error_since", now, evidence->snapshots[kind].error_since_ms);
        write_number(out, "error_fetches", evidence->snapshots[kind].error_fetches);
        write_moment(out, "age_from", now, evidence->snapshots[kind].age_from_ms);
        write_number(out, "interval_s", evidence->snapshots[kind].interval_s);
        buf_char(out, '}');
    }
    buf_char(out, '}');
}

static void write_probe(struct buf *out, const struct evidence *evidence, struct now now)
{
    static const char *const outcomes[] = {
        [PROBE_NONE] = NULL, [PROBE_OK] = "ok", [PROBE_UNUSABLE] = "unusable", [PROBE_FAILED] = "failed"};
    open_member(out, "probe");
    buf_json_key(out, "outcome");
    buf_json_cstr(out, outcomes[evidence->probe.outcome]);
    write_flag(out, "pending", evidence->probe.pending);
    write_flag(out, "ever_ok", evidence->probe.ever_ok);
    write_flag(out, "ever_answered", evidence->probe.ever_answered);
    write_text(out, "error", evidence->probe.error);
    write_moment(out, "at", now, evidence->probe.at_ms);
    write_moment(out, "ok_at", now, evidence->probe.ok_ms);
    write_number(out, "failures", evidence->probe.failures);
    buf_char(out, '}');
}

/* Where mDNS sees it; the one whose URL is the node's is polled, if it may be. */
static void write_sightings(struct buf *out, const struct node *node)
{
    buf_json_key(out, "sightings");
    buf_char(out, '[');
    for (const struct sighting *sighting = node->sightings; sighting; sighting = sighting->next) {
        buf_json_sep(out);
        buf_char(out, '{');
        write_text(out, "url", sighting->url);
        write_text(out, "instance", sighting->instance);
        buf_json_key(out, "seen");
        buf_json_time(out, sighting->seen_wall_ms);
        write_flag(out, "allowed", sighting->allowed);
        write_flag(out, "used", strcmp(sighting->url, node->url) == 0);
        buf_char(out, '}');
    }
    buf_char(out, ']');
}

static void write_evidence(struct buf *out, const struct node *node, struct now now)
{
    const struct evidence *evidence = &node->evidence;
    open_member(out, "evidence");
    write_flag(out, "manual", evidence->manual);
    write_flag(out, "has_url", evidence->has_url);
    write_agent(out, evidence, now);
    write_evidence_snapshots(out, evidence, now);
    write_probe(out, evidence, now);
    open_member(out, "edge");
    write_flag(out, "ever", evidence->edge.ever);
    write_moment(out, "message_at", now, evidence->edge.message_ms);
    buf_json_key(out, "interval_s");
    if (evidence->edge.interval_ms) {
        buf_json_double(out, evidence->edge.interval_ms / 1000.0);
    } else {
        buf_str(out, "null");
    }
    buf_char(out, '}');
    write_sightings(out, node);
    write_flag(out, "frozen", evidence->frozen);
    write_flag(out, "clock_skewed", evidence->clock_skewed);
    write_text(out, "frozen_detail", evidence->frozen_detail ? evidence->frozen_detail : "");
    buf_char(out, '}');
}

static void write_rejects(struct buf *out, const uint64_t rejects[REJECT_REASONS], bool all)
{
    open_member(out, "rejects");
    for (int reason = REJECT_NONE + 1; reason < REJECT_REASONS; reason++) {
        if (all || rejects[reason]) {
            buf_json_key(out, reject_name((enum reject)reason));
            buf_printf(out, "%llu", (unsigned long long)rejects[reason]);
        }
    }
    buf_char(out, '}');
}

static void write_snapshots(struct buf *out, const struct node *node, struct now now)
{
    open_member(out, "snapshots");
    for (int kind = 0; kind < REPORT_KINDS; kind++) {
        const struct snapshot *snapshot = &node->snapshots[kind];
        open_member(out, report_kind_name((enum report_kind)kind));
        buf_json_key(out, "origin");
        buf_json_cstr(out, origin_name(snapshot->origin));
        write_text(out, "session", snapshot->session);
        buf_json_key(out, "seq");
        if (snapshot->seq) {
            buf_printf(out, "%llu", (unsigned long long)snapshot->seq);
        } else {
            buf_str(out, "null");
        }
        buf_json_key(out, "captured_at");
        buf_json_time(out, snapshot->captured_wall_ms);
        buf_json_key(out, "age_s");
        api_write_age(out, now, snapshot->captured_mono_ms);
        write_text(out, "error", node->evidence.snapshots[kind].error);
        buf_char(out, '}');
    }
    buf_char(out, '}');
}

static void write_sessions(struct buf *out, const struct node *node, struct now now)
{
    buf_json_key(out, "sessions");
    buf_char(out, '[');
    if (node->has_heartbeat) {
        buf_json_cstr(out, node->heartbeat.session);
    }
    buf_char(out, ']');
    buf_json_key(out, "superseded");
    buf_char(out, '[');
    for (const struct session_memory *other = node->sessions; other; other = other->next) {
        buf_json_sep(out);
        buf_char(out, '{');
        write_text(out, "session", other->session);
        write_text(out, "url", other->url ? other->url : "");
        write_moment(out, "heard_at", now, other->heard_ms);
        buf_char(out, '}');
    }
    buf_char(out, ']');
}

void api_render_node(const struct node *node, struct now now, struct buf *out)
{
    buf_str(out, "{\"timestamp\":");
    buf_json_time(out, now.wall_ms);
    api_write_node_members(out, node, now, true);
    write_text(out, "alias", node->alias);
    write_text(out, "manual_url", node->manual_url);
    write_text(out, "announced_url", node->announced_url);
    write_text(out, "mdns_url", node->mdns_url);
    write_text(out, "master", node->master);
    write_evidence(out, node, now);
    write_rejects(out, node->rejects, false);
    write_text(out, "last_reject", node->last_reject);
    write_snapshots(out, node, now);
    write_sessions(out, node, now);
    buf_char(out, '}');
}

static void write_history(struct buf *out, struct history_budget used)
{
    open_member(out, "history");
    write_number(out, "readings", (int64_t)used.count);
    write_number(out, "bytes", (int64_t)used.bytes);
    buf_char(out, '}');
}

static void write_limits(struct buf *out)
{
    static const struct {
        const char *name;
        int64_t value;
    } limits[] = {
        {"nodes", LIMIT_NODES},
        {"readings_per_node", LIMIT_READINGS},
        {"observations_per_node", LIMIT_OBSERVATIONS},
        {"memories_per_node", LIMIT_MEMORIES},
        {"full_id_bytes", LIMIT_FULL_ID},
        {"item_bytes", LIMIT_ITEM},
        {"stats_bytes", LIMIT_STATS},
        {"report_bytes", REPORT_MAX},
        {"heartbeat_bytes", HEARTBEAT_MAX},
        {"parked_bytes", LIMIT_PARKED},
        {"tombstones", LIMIT_TOMBSTONES},
        {"history_minutes", HISTORY_SPAN_MS / 60000},
        {"history_points", HISTORY_POINTS},
        {"history_series", API_SERIES_LIMIT},
        {"history_bytes_per_reading", HISTORY_BYTES},
        {"history_bytes", LIMIT_HISTORY},
        {"sightings_per_node", LIMIT_SIGHTINGS},
        {"json_depth", JSON_MAX_DEPTH},
        {"events", EVENTS_MAX},
        {"live_sessions", LIMIT_SESSIONS},
        {"connections", LIMIT_CONNECTIONS},
        {"url_bytes", LIMIT_URL},
        {"header_bytes", LIMIT_HEADERS},
        {"body_bytes", LIMIT_BODY},
        {"list_items", QUERY_LIMIT_MAX},
        {"deep_searches_per_minute", SEARCH_PER_MINUTE},
        {"deep_parallel_nodes", SEARCH_PARALLEL},
        {"deep_found_bytes", LIMIT_FINDINGS},
        {"deep_answer_bytes", LIMIT_DEEP_ANSWER},
    };
    open_member(out, "limits");
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        write_number(out, limits[i].name, limits[i].value);
    }
    buf_char(out, '}');
}

static const char *status_word(const struct api *api)
{
    return cache_link_evidence(api->cache).up ? "ok" : "degraded";
}

void api_render_brief_health(const struct api *api, struct buf *out)
{
    buf_printf(out, "{\"status\":\"%s\"}", status_word(api));
}

void api_render_health(const struct api *api, struct now now, struct buf *out)
{
    static const enum state states[] = {STATE_ONLINE, STATE_DEGRADED, STATE_STALE, STATE_UNREACHABLE,
                                        STATE_UNKNOWN};
    buf_printf(out, "{\"status\":\"%s\"", status_word(api));
    buf_json_key(out, "timestamp");
    buf_json_time(out, now.wall_ms);
    api_write_broker(out, api->cache, now);
    write_text(out, "version", api->version);
    write_text(out, "instance", api->instance);
    buf_json_key(out, "revision");
    buf_printf(out, "%llu", (unsigned long long)cache_revision(api->cache));
    write_number(out, "uptime_s", (now.mono_ms - api->started_mono_ms) / 1000);
    open_member(out, "nodes");
    write_number(out, "total", (int64_t)cache_node_count(api->cache));
    for (size_t i = 0; i < STATES; i++) {
        write_number(out, state_name(states[i]), cache_state_count(api->cache, states[i]));
    }
    buf_char(out, '}');
    write_rejects(out, cache_rejects(api->cache), true);
    write_history(out, cache_history(api->cache));
    write_limits(out);
    if (api->actions.health) {
        api->actions.health(api->actions.user, out);
    }
    buf_char(out, '}');
}
