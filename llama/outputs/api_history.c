#include "api_internal.h"
#include "history.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define MINUTES_DEFAULT 60
#define MINUTES_MAX     1440
#define MINUTES_KEPT    (HISTORY_SPAN_MS / 60000)
#define OFFSET_SLACK_MS 20

static int bad(struct api_fault *fault, const char *message)
{
    return api_fault(fault, 400, "bad_request", "%s", message);
}

/* What is asked for: one node, one reading of it, and how far back. */
static int read_question(const struct call *call, const struct item **ret_item, uint64_t *ret_minutes,
                         struct api_fault *fault)
{
    const struct query_param *source = query_find(call->query, "source");
    if (call->nodes.all || call->nodes.count != 1) {
        return bad(fault, "node must name one node");
    }
    if (!source) {
        return bad(fault, "source must name a reading, such as system:cpu_temp");
    }
    if (!query_uint(call->query, "minutes", ret_minutes) || *ret_minutes < 1 || *ret_minutes > MINUTES_MAX) {
        return bad(fault, "minutes must be a whole number from 1 to 1440");
    }
    *ret_item = cache_find_item(call->api->cache, call->nodes.nodes[0], ITEM_READING, source->value,
                                source->value_len);
    if (!*ret_item) {
        return api_fault(fault, 404, "not_found", "the node has no reading of that source");
    }
    return 0;
}

/* The shortest number that reads back as this float. */
static void write_value(struct buf *out, float value)
{
    char text[32];
    int precision = 6;
    if (isnan(value)) {
        buf_str(out, "null");
        return;
    }
    do {
        snprintf(text, sizeof text, "%.*g", precision, (double)value);
    } while (strtof(text, NULL) != value && ++precision <= 9);
    buf_str(out, text);
}

/* From monotonic to wall-clock time. The two clocks tick apart by a millisecond now and then: a point that
 * was answered before is not to move by that. */
static int64_t offset_of(struct api *api, struct now now)
{
    int64_t offset_ms = now.wall_ms - now.mono_ms, moved_ms = offset_ms - api->history_offset_ms;
    if (moved_ms > OFFSET_SLACK_MS || moved_ms < -OFFSET_SLACK_MS) {
        api->history_offset_ms = offset_ms;
    }
    return api->history_offset_ms;
}

static void write_points(struct buf *out, const struct call *call, const struct item *item, int64_t minutes)
{
    int64_t offset_ms = offset_of(call->api, call->now);
    struct history_point points[HISTORY_POINTS];
    size_t count = history_read(item->history, call->now.mono_ms - minutes * 60000, points);
    for (size_t i = 0; i < count; i++) {
        buf_str(out, i > 0 ? ",[" : "[");
        buf_json_int(out, points[i].at_ms + offset_ms);
        buf_char(out, ',');
        write_value(out, points[i].value);
        buf_char(out, ']');
    }
}

int api_render_history(const struct call *call, struct buf *out, struct api_fault *ret_fault)
{
    const struct item *item = NULL;
    uint64_t minutes = MINUTES_DEFAULT;
    int status = read_question(call, &item, &minutes, ret_fault);
    if (status != 0 || !item) {
        return status;
    }
    minutes = minutes < MINUTES_KEPT ? minutes : MINUTES_KEPT;
    struct json_slice unit = json_member(item_json(item), "unit");
    buf_str(out, "{\"timestamp\":");
    buf_json_time(out, call->now.wall_ms);
    buf_str(out, ",\"node\":");
    buf_json_cstr(out, item->node->name);
    buf_str(out, ",\"source\":");
    buf_json_string(out, item->id, item->id_len);
    buf_str(out, ",\"unit\":");
    buf_append(out, unit.data ? unit.data : "null", unit.data ? unit.len : 4);
    buf_printf(out, ",\"minutes\":%llu,\"points\":[", (unsigned long long)minutes);
    write_points(out, call, item, (int64_t)minutes);
    buf_str(out, "]}");
    return 0;
}
