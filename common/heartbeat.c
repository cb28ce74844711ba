/*
 * The agent's signs of life as it writes them: heartbeat (topic health) and status. Declared in report.h.
 */
#include "report.h"
#include "timestamp.h"

#include <assert.h>
#include <errno.h>

static const char *const type_names[] = {
    [NODE_UNKNOWN] = "unknown",
    [NODE_ALPACA] = "alpaca",
    [NODE_LLAMA] = "llama",
    [NODE_EDGE] = "edge",
};

const char *node_type_name(enum node_type type)
{
    assert((size_t)type < sizeof(type_names) / sizeof(type_names[0]));
    return type_names[type];
}

/* ---- encoding ---- */

static void member_string(struct buf *out, const char *key, const char *value)
{
    buf_json_key(out, key);
    buf_json_cstr(out, value);
}

static void member_string_or_null(struct buf *out, const char *key, const char *value)
{
    member_string(out, key, value[0] ? value : NULL);
}

static void member_int(struct buf *out, const char *key, uint64_t value)
{
    buf_json_key(out, key);
    buf_json_int(out, (int64_t)value);
}

static void member_time(struct buf *out, const char *key, int64_t wall_ms)
{
    buf_json_key(out, key);
    buf_json_time(out, wall_ms);
}

static void encode_labels(struct buf *out, const struct heartbeat *h)
{
    buf_json_key(out, "labels");
    buf_char(out, '{');
    for (size_t i = 0; i < h->label_count; i++) {
        buf_json_sep(out);
        buf_json_cstr(out, h->labels[i].key); /* somebody's text, so not buf_json_key */
        buf_char(out, ':');
        buf_json_cstr(out, h->labels[i].value);
    }
    buf_char(out, '}');
}

static void encode_source(struct buf *out, const struct heartbeat *h)
{
    buf_json_key(out, "source");
    buf_char(out, '{');
    member_string(out, "kind", h->source.kind == SOURCE_SYSTEM ? "system" : "smollama");
    member_string_or_null(out, "node_name", h->source.node_name);
    buf_json_key(out, "ok");
    buf_json_bool(out, h->source.ok);
    member_string_or_null(out, "error", h->source.error);
    member_time(out, "since", h->source.since_ms);
    member_int(out, "latency_ms", h->source.latency_ms);
    buf_char(out, '}');
}

static void encode_snapshots(struct buf *out, const struct heartbeat *h)
{
    buf_json_key(out, "snapshots");
    buf_char(out, '{');
    for (int kind = 0; kind < REPORT_KINDS; kind++) {
        const struct snapshot_state *s = &h->snapshots[kind];
        if (!s->present) {
            continue;
        }
        buf_json_key(out, report_kind_name((enum report_kind)kind));
        buf_char(out, '{');
        member_int(out, "seq", s->seq);
        member_time(out, "captured_at", s->captured_at_ms);
        member_int(out, "interval_s", s->interval_s);
        member_string_or_null(out, "error", s->error);
        buf_char(out, '}');
    }
    buf_char(out, '}');
}

/* 0, or -ENOMEM with `out` as long as it was. */
static int finish(struct buf *out, size_t before)
{
    if (!out->failed) {
        return 0;
    }
    out->len = before;
    return -ENOMEM;
}

int heartbeat_encode(struct buf *out, const struct heartbeat *h)
{
    size_t before = out->len;
    buf_str(out, "{\"v\":1");
    member_string(out, "node", h->node);
    member_string(out, "type", node_type_name(h->type));
    member_string(out, "session", h->session);
    member_int(out, "seq", h->seq);
    member_time(out, "at", h->at_ms);
    member_string(out, "version", h->version);
    member_int(out, "uptime_s", h->uptime_s);
    member_int(out, "interval_s", h->interval_s);
    member_string_or_null(out, "url", h->url);
    buf_json_key(out, "utc_offset_s");
    if (h->utc_offset_s == TIMESTAMP_OFFSET_UNKNOWN) {
        buf_str(out, "null");
    } else {
        buf_json_int(out, h->utc_offset_s);
    }
    encode_labels(out, h);
    encode_source(out, h);
    encode_snapshots(out, h);
    buf_char(out, '}');
    return finish(out, before);
}

int status_encode(struct buf *out, const struct status *status)
{
    size_t before = out->len;
    buf_str(out, "{\"state\":");
    buf_json_cstr(out, status->online ? "online" : "offline");
    member_string(out, "session", status->session);
    member_time(out, "at", status->at_ms);
    if (!status->online && status->stopped) {
        member_string(out, "reason", "stopped");
    }
    buf_char(out, '}');
    return finish(out, before);
}
