#include "status.h"

static void member_int(struct buf *out, const char *key, uint64_t value)
{
    buf_json_key(out, key);
    buf_json_int(out, (int64_t)value);
}

static void write_broker(const struct status_parts *parts, struct buf *out)
{
    const struct mqtt *mqtt = ingest_mqtt(parts->ingest);
    const struct mqtt_stats *stats = mqtt_stats(mqtt);
    bool up = mqtt_is_up(mqtt);
    buf_json_key(out, "broker");
    buf_char(out, '{');
    buf_json_key(out, "state");
    buf_json_cstr(out, mqtt_is_listening(mqtt) ? "connected" : "disconnected");
    buf_json_key(out, "host");
    buf_json_cstr(out, parts->host);
    member_int(out, "port", parts->port);
    buf_json_key(out, "protocol");
    buf_json_cstr(out, !up ? NULL : mqtt_is_v5(mqtt) ? "5" : "3.1.1");
    member_int(out, "messages_in", stats->messages_in);
    member_int(out, "bytes_in", stats->bytes_in);
    member_int(out, "messages_out", stats->messages_out);
    member_int(out, "reconnects", stats->connects > 0 ? stats->connects - 1 : 0);
    member_int(out, "failed_attempts", stats->failed_attempts);
    if (parts->broker) {
        buf_json_key(out, "child");
        buf_char(out, '{');
        buf_json_key(out, "running");
        buf_json_bool(out, broker_is_running(parts->broker));
        member_int(out, "restarts", broker_restarts(parts->broker));
        buf_json_key(out, "troubles");
        buf_char(out, '{');
        for (enum broker_trouble t = 0; t < BROKER_TROUBLES; t++) {
            member_int(out, broker_trouble_name(t), broker_troubles(parts->broker)->counts[t]);
        }
        buf_char(out, '}');
        buf_char(out, '}');
    }
    buf_char(out, '}');
    member_int(out, "mqtt_refused", stats->refused);
}

static void write_discovery(const struct discovery *discovery, struct buf *out)
{
    buf_json_key(out, "discovery");
    if (!discovery) {
        buf_str(out, "null");
        return;
    }
    struct discovery_stats stats = discovery_stats(discovery);
    buf_char(out, '{');
    buf_json_key(out, "running");
    buf_json_bool(out, stats.running);
    member_int(out, "services", stats.services);
    member_int(out, "unproven", stats.unproven);
    member_int(out, "checks", stats.checks);
    member_int(out, "dropped", stats.dropped);
    buf_char(out, '}');
}

static void write_poller(const struct poller_stats *stats, struct buf *out)
{
    buf_json_key(out, "poller");
    buf_char(out, '{');
    member_int(out, "in_flight", stats->in_flight);
    member_int(out, "waiting", stats->waiting);
    member_int(out, "polls", stats->polls);
    member_int(out, "usable", stats->usable);
    member_int(out, "unusable", stats->unusable);
    member_int(out, "failed", stats->failed);
    member_int(out, "requests", stats->requests);
    buf_char(out, '}');
}

static void write_store(const struct keeper *keeper, struct buf *out)
{
    buf_json_key(out, "store");
    if (!keeper) {
        buf_str(out, "null");
        return;
    }
    struct keeper_stats stats = keeper_stats(keeper);
    buf_char(out, '{');
    buf_json_key(out, "ok");
    buf_json_bool(out, !stats.failing);
    member_int(out, "errors", stats.errors);
    member_int(out, "events_bytes", stats.events_bytes);
    member_int(out, "nodes_bytes", stats.nodes_bytes);
    buf_char(out, '}');
}

static void write_published(const struct announce *announce, const struct states *states, struct buf *out)
{
    buf_json_key(out, "published");
    if (!announce || !states) {
        buf_str(out, "null");
        return;
    }
    struct announce_stats events = announce_stats(announce);
    struct states_stats nodes = states_stats(states);
    buf_char(out, '{');
    member_int(out, "events", events.events);
    member_int(out, "states", nodes.messages);
    member_int(out, "cleared", nodes.cleared);
    member_int(out, "waiting", nodes.waiting);
    member_int(out, "left_out", events.left_out + nodes.left_out);
    buf_char(out, '}');
}

static void write_home_assistant(const struct home_assistant *home_assistant, struct buf *out)
{
    buf_json_key(out, "home_assistant");
    if (!home_assistant) {
        buf_str(out, "null");
        return;
    }
    struct home_assistant_stats stats = home_assistant_stats(home_assistant);
    buf_char(out, '{');
    member_int(out, "configs", stats.configs);
    member_int(out, "unchanged", stats.unchanged);
    member_int(out, "cleared", stats.cleared);
    member_int(out, "foreign", stats.foreign);
    member_int(out, "births", stats.births);
    member_int(out, "waiting", stats.waiting);
    member_int(out, "left_out", stats.left_out);
    buf_char(out, '}');
}

static void write_http(const struct server_stats *stats, const struct auth_stats *auth, struct buf *out)
{
    buf_json_key(out, "http");
    buf_char(out, '{');
    member_int(out, "requests", stats->requests);
    member_int(out, "refused_host", stats->refused_host);
    member_int(out, "refused_origin", stats->refused_origin);
    member_int(out, "bad_requests", stats->bad_requests);
    member_int(out, "connections", stats->open_connections);
    member_int(out, "crowded_out", stats->crowded_out);
    member_int(out, "silent", stats->silent);
    member_int(out, "unauthorized", stats->unauthorized);
    member_int(out, "forbidden", stats->forbidden);
    member_int(out, "logins", auth->logins);
    member_int(out, "failed_logins", auth->failed_logins);
    member_int(out, "bad_tokens", auth->bad_tokens);
    member_int(out, "rate_limited", auth->limited);
    member_int(out, "sessions", auth->sessions);
    member_int(out, "live_clients", stats->live_clients);
    member_int(out, "live_opened", stats->live_opened);
    member_int(out, "live_dropped", stats->live_dropped);
    member_int(out, "frames_out", stats->frames_out);
    member_int(out, "bytes_out", stats->bytes_out);
    member_int(out, "live_bytes_out", stats->live_bytes_out);
    buf_char(out, '}');
}

static void write_loop(const struct histogram *lag, struct buf *out)
{
    buf_json_key(out, "loop");
    buf_str(out, "{\"max_lag_ms\":");
    buf_json_double(out, (double)(int64_t)(lag->max_s * 1e6) / 1000);
    buf_char(out, '}');
}

void status_write_health(const struct status_parts *parts, struct buf *out)
{
    write_broker(parts, out);
    write_poller(poller_stats(parts->poller), out);
    write_discovery(parts->discovery, out);
    write_store(parts->keeper, out);
    write_published(parts->announce, parts->states, out);
    write_home_assistant(parts->home_assistant, out);
    write_http(server_stats(parts->server), server_auth_stats(parts->server), out);
    write_loop(loop_lag(parts->loop), out);
}
