#include "node_line_internal.h"

#include "line.h"
#include "timestamp.h"

#include <string.h>

#define EDGE_INTERVAL_MS 30000 /* until it is known: Smollama's default */
#define LAST_MAX         64    /* bytes of the last line */

const struct found_name found_names[FOUND_NAMES] = {
    {FOUND_MANUAL, "manual"}, {FOUND_MQTT, "mqtt"}, {FOUND_EDGE, "edge"}, {FOUND_MDNS, "mdns"}};

static const enum item_kind item_kinds[] = {[REPORT_READINGS] = ITEM_READING,
                                            [REPORT_OBSERVATIONS] = ITEM_OBSERVATION,
                                            [REPORT_MEMORIES] = ITEM_MEMORY};

/* ---- what is kept ---- */

static bool keeps_body(const struct node *node, enum report_kind kind)
{
    enum origin origin = node->snapshots[kind].origin;
    return origin == ORIGIN_POLL || origin == ORIGIN_EDGE;
}

static bool keeps_node(const struct node *node)
{
    for (int kind = 0; kind < REPORT_KINDS; kind++) {
        if (keeps_body(node, (enum report_kind)kind)) {
            return true;
        }
    }
    return false;
}

static uint64_t mix(uint64_t mark, const void *data, size_t len)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < len; i++) {
        mark = (mark ^ bytes[i]) * UINT64_C(1099511628211); /* FNV-1a */
    }
    return mark;
}

uint64_t node_lines_mark(const struct cache *cache)
{
    uint64_t mark = UINT64_C(14695981039346656037);
    for (const struct node *node = cache_first_node(cache); node; node = node->next) {
        if (!keeps_node(node)) {
            continue;
        }
        mark = mix(mark, node->name, strlen(node->name) + 1);
        mark = mix(mark, &node->last_seen_mono_ms, sizeof node->last_seen_mono_ms);
        for (int kind = 0; kind < REPORT_KINDS; kind++) {
            mark = mix(mark, &node->snapshots[kind].captured_mono_ms, sizeof(int64_t));
        }
    }
    return mark;
}

/* ---- writing ---- */

static int64_t wall_of(struct now now, int64_t mono_ms)
{
    return mono_ms != 0 ? clock_wall_of(now, mono_ms) : TIMESTAMP_NONE;
}

/* Usual distance of its edge messages; 0 = it sent none. */
static int64_t edge_interval_ms(const struct node *node)
{
    uint32_t interval_ms = node->evidence.edge.interval_ms;
    return !node->evidence.edge.ever ? 0 : interval_ms ? interval_ms : EDGE_INTERVAL_MS;
}

static void write_node(const struct node *node, struct buf *out)
{
    size_t from = out->len;
    buf_char(out, '{');
    buf_json_key(out, "node");
    buf_json_cstr(out, node->name);
    buf_json_key(out, "found");
    buf_char(out, '[');
    for (size_t i = 0; i < FOUND_NAMES; i++) {
        if (node->found & found_names[i].bit) {
            buf_json_sep(out);
            buf_json_cstr(out, found_names[i].name);
        }
    }
    buf_char(out, ']');
    buf_json_key(out, "type");
    buf_json_cstr(out, node_type_name(node->type));
    buf_json_key(out, "agent");
    buf_json_bool(out, node->evidence.agent.ever);
    buf_json_key(out, "answered");
    buf_json_bool(out, node->evidence.probe.ever_answered);
    buf_json_key(out, "edge_interval_ms");
    buf_json_int(out, edge_interval_ms(node));
    buf_json_key(out, "utc_offset_s");
    if (node->utc_offset_s == TIMESTAMP_OFFSET_UNKNOWN) {
        buf_str(out, "null");
    } else {
        buf_json_int(out, node->utc_offset_s);
    }
    buf_json_key(out, "seen");
    buf_json_time(out, node->last_seen_wall_ms);
    buf_json_key(out, "mdns_url");
    buf_json_cstr(out, node->mdns_url);
    line_seal(out, from);
}

/* The item as the master sent it: its owner's name stands before its id again. */
static void write_re_exported(const struct item *item, struct buf *out)
{
    struct json_slice json = item_json(item);
    struct json_slice id = json_member(json, "full_id");
    if (!id.data || json_type(id) != JSON_STRING) {
        return;
    }
    size_t before = (size_t)(id.data - json.data);
    buf_json_sep(out);
    buf_append(out, json.data, before);
    buf_json_cstr(out, item->node->name);
    if (!out->failed) {
        out->len--; /* its closing quote: the rest of the id follows */
    }
    buf_char(out, ':');
    buf_append(out, id.data + 1, json.len - before - 1);
}

static void write_items(const struct node *node, enum item_kind kind, struct buf *out)
{
    for (const struct item *item = node->items[kind]; item; item = item->next) {
        struct json_slice json = item_json(item);
        buf_json_sep(out);
        buf_append(out, json.data, json.len);
    }
    const struct node *export = NULL;
    while (kind == ITEM_READING && (export = cache_next_export(node, export))) {
        for (const struct item *item = export->items[kind]; item; item = item->next) {
            write_re_exported(item, out);
        }
    }
}

static void write_body(const struct node *node, enum report_kind kind, struct now now, struct buf *out)
{
    const struct snapshot *snapshot = &node->snapshots[kind];
    size_t from = out->len;
    buf_char(out, '{');
    buf_json_key(out, "node");
    buf_json_cstr(out, node->name);
    buf_json_key(out, "kind");
    buf_json_cstr(out, report_kind_name(kind));
    buf_json_key(out, "origin");
    buf_json_cstr(out, origin_name(snapshot->origin));
    buf_json_key(out, "captured_at");
    buf_json_time(out, snapshot->captured_wall_ms);
    buf_json_key(out, "received_at");
    buf_json_time(out, wall_of(now, snapshot->captured_mono_ms));
    buf_json_key(out, "body");
    if (kind == REPORT_STATS) {
        buf_append(out, node->stats, node->stats_len);
    } else {
        buf_char(out, '{');
        buf_json_key(out, report_kind_name(kind));
        buf_char(out, '[');
        write_items(node, item_kinds[kind], out);
        buf_str(out, "]}");
    }
    line_seal(out, from);
}

static void write_lines(struct node_writer *writer, const struct node *node, struct now now, size_t limit,
                        struct buf *out)
{
    size_t len = out->len, lines = writer->lines;
    write_node(node, out);
    writer->lines++;
    for (int kind = 0; kind < REPORT_KINDS; kind++) {
        if (keeps_body(node, (enum report_kind)kind) && (kind != REPORT_STATS || node->stats)) {
            write_body(node, (enum report_kind)kind, now, out);
            writer->lines++;
        }
    }
    if (!out->failed && out->len + LAST_MAX > limit) {
        out->len = len;
        writer->lines = lines;
        writer->left_out++;
    }
}

static void write_last(const struct node_writer *writer, struct buf *out)
{
    size_t from = out->len;
    buf_char(out, '{');
    buf_json_key(out, "end");
    buf_json_bool(out, true);
    buf_json_key(out, "lines");
    buf_json_int(out, (int64_t)writer->lines);
    line_seal(out, from);
}

bool node_lines_write(struct node_writer *writer, const struct cache *cache, struct now now, size_t slice,
                      size_t limit, struct buf *out)
{
    size_t begin = out->len;
    if (writer->lines == 0) {
        line_write_header(out, NODE_LINE_CONTENT, NODE_LINE_VERSION);
        writer->lines = 1;
    }
    const struct node *node = cache_first_node(cache);
    while (node && strcmp(node->name, writer->after) <= 0) {
        node = node->next;
    }
    for (; node && out->len - begin < slice; node = node->next) {
        memcpy(writer->after, node->name, sizeof writer->after);
        if (keeps_node(node)) {
            write_lines(writer, node, now, limit, out);
        }
    }
    if (node && !out->failed) {
        return false;
    }
    write_last(writer, out);
    return true;
}
