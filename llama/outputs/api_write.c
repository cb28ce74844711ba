#include "api_internal.h"
#include "timestamp.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

bool api_text_contains(const char *text, size_t len, const char *needle, size_t needle_len)
{
    for (size_t i = 0; i + needle_len <= len; i++) {
        size_t n = 0;
        while (n < needle_len && tolower((unsigned char)text[i + n]) == tolower((unsigned char)needle[n])) {
            n++;
        }
        if (n == needle_len) {
            return true;
        }
    }
    return false;
}

void api_write_age(struct buf *out, struct now now, int64_t since_mono_ms)
{
    if (since_mono_ms == 0) {
        buf_str(out, "null");
        return;
    }
    int64_t age_ms = now.mono_ms > since_mono_ms ? now.mono_ms - since_mono_ms : 0;
    buf_printf(out, "%lld.%lld", (long long)(age_ms / 1000), (long long)(age_ms % 1000 / 100));
}

static void write_text(struct buf *out, const char *key, const char *text) /* "" writes null */
{
    buf_json_key(out, key);
    buf_json_cstr(out, *text ? text : NULL);
}

static void write_count(struct buf *out, const char *key, int64_t count) /* -1 = never said */
{
    buf_json_key(out, key);
    if (count < 0) {
        buf_str(out, "null");
    } else {
        buf_json_int(out, count);
    }
}

static void write_found(struct buf *out, unsigned found)
{
    static const struct {
        unsigned bit;
        const char *name;
    } ways[] = {{FOUND_MANUAL, "manual"},
                {FOUND_MQTT, "mqtt"},
                {FOUND_EDGE, "edge"},
                {FOUND_MASTER, "master"},
                {FOUND_MDNS, "mdns"}};
    buf_char(out, '[');
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (found & ways[i].bit) {
            buf_json_sep(out);
            buf_json_cstr(out, ways[i].name);
        }
    }
    buf_char(out, ']');
}

static void write_labels(struct buf *out, const struct agent_info *heartbeat)
{
    buf_char(out, '{');
    for (size_t i = 0; i < heartbeat->label_count; i++) {
        buf_json_sep(out);
        buf_json_string(out, heartbeat->labels[i].key, strlen(heartbeat->labels[i].key));
        buf_char(out, ':');
        buf_json_cstr(out, heartbeat->labels[i].value);
    }
    buf_char(out, '}');
}

static void write_source(struct buf *out, const struct agent_info *heartbeat)
{
    buf_str(out, heartbeat->source.kind == SOURCE_SYSTEM ? "{\"kind\":\"system\"" : "{\"kind\":\"smollama\"");
    write_text(out, "node_name", heartbeat->source.node_name);
    buf_json_key(out, "ok");
    buf_json_bool(out, heartbeat->source.ok);
    write_text(out, "error", heartbeat->source.error);
    buf_json_key(out, "since");
    buf_json_time(out, heartbeat->source.since_ms);
    buf_json_key(out, "latency_ms");
    buf_json_int(out, heartbeat->source.latency_ms);
    buf_char(out, '}');
}

static void write_verdict(struct buf *out, const struct node *node, struct now now, bool with_age)
{
    buf_json_key(out, "status");
    buf_json_cstr(out, state_name(node->verdict.state));
    buf_json_key(out, "cause");
    buf_json_cstr(out, cause_name(node->verdict.cause));
    write_text(out, "reason", node->reason);
    buf_json_key(out, "via");
    buf_json_cstr(out, via_name(node->verdict.via));
    buf_json_key(out, "last_seen");
    buf_json_time(out, node->last_seen_wall_ms);
    if (with_age) {
        buf_json_key(out, "age_s");
        api_write_age(out, now, node->last_seen_mono_ms);
    }
    buf_json_key(out, "since");
    buf_json_time(out, node->since_wall_ms);
}

void api_write_node_members(struct buf *out, const struct node *node, struct now now, bool with_age)
{
    const struct agent_info *heartbeat = node->has_heartbeat ? &node->heartbeat : NULL;
    const struct snapshot *readings = &node->snapshots[REPORT_READINGS];
    buf_json_key(out, "name");
    buf_json_cstr(out, node->name);
    buf_json_key(out, "type");
    buf_json_cstr(out, node->type == NODE_UNKNOWN ? NULL : node_type_name(node->type));
    write_text(out, "url", node->url);
    write_verdict(out, node, now, with_age);
    buf_json_key(out, "captured_at");
    buf_json_time(out, readings->captured_wall_ms);
    buf_json_key(out, "confirmed_at");
    buf_json_time(out, readings->captured_mono_ms ? clock_wall_of(now, readings->captured_mono_ms)
                                                  : TIMESTAMP_NONE);
    buf_json_key(out, "discovered_by");
    write_found(out, node->found);
    write_text(out, "version", heartbeat ? heartbeat->version : "");
    write_count(out, "uptime_s", heartbeat ? (int64_t)heartbeat->uptime_s : -1);
    write_count(out, "latency_ms", node->latency_ms ? (int64_t)node->latency_ms : -1);
    buf_json_key(out, "clock_skew_s");
    if (node->has_clock_skew) {
        buf_json_double(out, round((double)node->clock_skew_ms / 100) / 10 + 0.0); /* + 0.0: no "-0" */
    } else {
        buf_str(out, "null");
    }
    buf_json_key(out, "labels");
    if (heartbeat) {
        write_labels(out, heartbeat);
    } else {
        buf_str(out, "{}");
    }
    buf_json_key(out, "counts");
    buf_char(out, '{');
    write_count(out, "readings", node->item_count[ITEM_READING]);
    write_count(out, "observations", node->said_observations);
    write_count(out, "memories", node->said_memories);
    buf_char(out, '}');
    buf_json_key(out, "source");
    if (heartbeat) {
        write_source(out, heartbeat);
    } else {
        buf_str(out, "null");
    }
}

void api_write_node(struct buf *out, const struct node *node, struct now now, bool with_age)
{
    buf_char(out, '{');
    api_write_node_members(out, node, now, with_age);
    buf_char(out, '}');
}

void api_write_item(struct buf *out, const struct item *item)
{
    buf_str(out, "{\"node\":");
    buf_json_cstr(out, item->node->name);
    buf_str(out, ",\"at\":");
    buf_json_time(out, item->at_ms);
    /* the node's own object follows, its brace replaced */
    struct json_slice json = item_json(item);
    const char *rest = json.data + 1, *end = json.data + json.len;
    const char *first = rest;
    while (first < end && strchr(" \t\r\n", *first)) {
        first++;
    }
    if (*first != '}') {
        buf_char(out, ',');
    }
    buf_append(out, rest, (size_t)(end - rest));
}

static void write_states(struct buf *out, const struct selection *nodes)
{
    static const enum state order[] = {STATE_ONLINE, STATE_DEGRADED, STATE_STALE, STATE_UNREACHABLE,
                                       STATE_UNKNOWN};
    uint32_t counts[STATES] = {0};
    for (size_t i = 0; i < nodes->count; i++) {
        counts[nodes->nodes[i]->verdict.state]++;
    }
    buf_printf(out, "{\"total\":%zu", nodes->count);
    for (size_t i = 0; i < STATES; i++) {
        buf_json_key(out, state_name(order[i]));
        buf_json_int(out, counts[order[i]]);
    }
    buf_char(out, '}');
}

static void write_totals(struct buf *out, const struct selection *nodes)
{
    int64_t readings = 0, observations = 0, memories = 0, sources = 0;
    for (size_t i = 0; i < nodes->count; i++) {
        const struct node *node = nodes->nodes[i];
        readings += node->said_readings > 0 ? node->said_readings : 0;
        observations += node->said_observations > 0 ? node->said_observations : 0;
        memories += node->said_memories > 0 ? node->said_memories : 0;
        sources += node->item_count[ITEM_READING];
    }
    buf_printf(out, "{\"readings\":%lld,\"observations\":%lld,\"memories\":%lld,\"sources\":%lld}",
               (long long)readings, (long long)observations, (long long)memories, (long long)sources);
}

void api_write_sums(struct buf *out, const struct selection *nodes)
{
    buf_json_key(out, "nodes");
    write_states(out, nodes);
    buf_json_key(out, "totals");
    write_totals(out, nodes);
}

void api_write_node_stats(struct buf *out, const struct node *node)
{
    buf_json_cstr(out, node->name);
    buf_char(out, ':');
    if (node->stats) {
        buf_append(out, node->stats, node->stats_len);
    } else {
        buf_str(out, "null");
    }
}

void api_write_stats_of(struct buf *out, const struct selection *nodes, uint64_t since)
{
    api_write_sums(out, nodes);
    buf_json_key(out, "by_node");
    buf_char(out, '{');
    for (size_t i = 0; i < nodes->count; i++) {
        const struct node *node = nodes->nodes[i];
        if (!since || node->stats_revision > since) {
            buf_json_sep(out);
            api_write_node_stats(out, node);
        }
    }
    buf_char(out, '}');
}

void api_write_incidents(struct buf *out, const struct cache *cache)
{
    size_t count;
    const struct incident *incidents = cache_incidents(cache, &count);
    buf_json_key(out, "incidents");
    buf_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        buf_json_sep(out);
        buf_char(out, '{');
        write_text(out, "cause", cause_name(incidents[i].cause));
        buf_json_key(out, "since");
        buf_json_time(out, incidents[i].since_wall_ms);
        write_text(out, "reason", incidents[i].reason);
        buf_char(out, '}');
    }
    buf_char(out, ']');
}

void api_write_broker(struct buf *out, const struct cache *cache, struct now now)
{
    struct link_evidence link = cache_link_evidence(cache);
    int64_t down_ms = link.down_ms ? link.down_ms : link.started_ms;
    buf_json_key(out, "broker_down_since");
    buf_json_time(out, link.up ? TIMESTAMP_NONE : clock_wall_of(now, down_ms));
    api_write_incidents(out, cache);
}

void api_write_event(struct buf *out, const struct event *event)
{
    buf_printf(out, "{\"id\":%llu,\"at\":", (unsigned long long)event->id);
    buf_json_time(out, event->at_wall_ms);
    write_text(out, "node", event->node);
    buf_json_key(out, "from");
    buf_json_cstr(out, state_name(event->from));
    buf_json_key(out, "to");
    buf_json_cstr(out, state_name(event->to));
    buf_json_key(out, "cause");
    buf_json_cstr(out, cause_name(event->cause));
    write_text(out, "reason", event->reason);
    buf_char(out, '}');
}
