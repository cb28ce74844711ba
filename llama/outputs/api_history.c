#include "api_internal.h"
#include "history.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTES_DEFAULT 60
#define MINUTES_MAX     1440
#define MINUTES_KEPT    (HISTORY_SPAN_MS / 60000)
#define POINTS_LEAST    2
#define POINTS_MOST     1000
#define OFFSET_SLACK_MS 20

/* How much of each reading is asked for. */
struct extent {
    uint64_t minutes;
    uint64_t points; /* numbers; UINT64_MAX = all */
};

/* A reading that is asked for by name, which may not exist. */
struct named {
    struct json_slice node, source;
};

static int bad(struct api_fault *fault, const char *message)
{
    return api_fault(fault, 400, "bad_request", "%s", message);
}

static int read_extent(const struct query *query, struct extent *ret, struct api_fault *fault)
{
    *ret = (struct extent){MINUTES_DEFAULT, UINT64_MAX};
    if (!query_uint(query, "minutes", &ret->minutes) || ret->minutes < 1 || ret->minutes > MINUTES_MAX) {
        return bad(fault, "minutes must be a whole number from 1 to 1440");
    }
    if (!query_uint(query, "points", &ret->points) ||
        (query_find(query, "points") && (ret->points < POINTS_LEAST || ret->points > POINTS_MOST))) {
        return bad(fault, "points must be a whole number from 2 to 1000");
    }
    ret->minutes = ret->minutes < MINUTES_KEPT ? ret->minutes : MINUTES_KEPT;
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

static void write_points(struct buf *out, const struct call *call, const struct item *item,
                         const struct extent *extent)
{
    int64_t offset_ms = offset_of(call->api, call->now);
    struct history_point points[HISTORY_POINTS];
    size_t count = history_read(item->history, call->now.mono_ms - (int64_t)extent->minutes * 60000, points);
    if (extent->points < count) {
        count = history_thin(points, count, (size_t)extent->points);
    }
    buf_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        buf_str(out, i > 0 ? ",[" : "[");
        buf_json_int(out, points[i].at_ms + offset_ms);
        buf_char(out, ',');
        write_value(out, points[i].value);
        buf_char(out, ']');
    }
    buf_char(out, ']');
}

/* ---- one reading ---- */

static void write_name(struct buf *out, const struct item *item)
{
    struct json_slice unit = json_member(item_json(item), "unit");
    buf_str(out, "\"node\":");
    buf_json_cstr(out, item->node->name);
    buf_str(out, ",\"source\":");
    buf_json_string(out, item->id, item->id_len);
    buf_str(out, ",\"unit\":");
    buf_append(out, unit.data ? unit.data : "null", unit.data ? unit.len : 4);
}

static int render_one(const struct call *call, const struct query_param *source, const struct extent *extent,
                      struct buf *out, struct api_fault *fault)
{
    const struct item *item = cache_find_item(call->api->cache, call->nodes.nodes[0], ITEM_READING,
                                              source->value, source->value_len);
    if (!item) {
        return api_fault(fault, 404, "not_found", "the node has no reading of that source");
    }
    api_open_body(out, call->now);
    buf_char(out, ',');
    write_name(out, item);
    buf_printf(out, ",\"minutes\":%llu,\"points\":", (unsigned long long)extent->minutes);
    write_points(out, call, item, extent);
    buf_char(out, '}');
    return 0;
}

/* ---- many readings ---- */

static void open_series(struct buf *out, const struct call *call, const struct extent *extent)
{
    api_open_body(out, call->now);
    buf_printf(out, ",\"minutes\":%llu,\"series\":[", (unsigned long long)extent->minutes);
}

static void write_series(struct buf *out, const struct call *call, const struct item *item,
                         const struct extent *extent)
{
    buf_json_sep(out);
    buf_char(out, '{');
    write_name(out, item);
    buf_str(out, ",\"points\":");
    write_points(out, call, item, extent);
    buf_char(out, '}');
}

static void write_missing(struct buf *out, const struct named *named)
{
    buf_json_sep(out);
    buf_str(out, "{\"node\":");
    buf_json_string(out, named->node.data, named->node.len);
    buf_str(out, ",\"source\":");
    buf_json_string(out, named->source.data, named->source.len);
    buf_str(out, ",\"unit\":null,\"points\":null}");
}

/* That reading of all selected nodes that have it. */
static int render_source(const struct call *call, const struct query_param *source,
                         const struct extent *extent, struct buf *out)
{
    size_t written = 0;
    bool cut = false;
    open_series(out, call, extent);
    for (size_t i = 0; i < call->nodes.count && !cut; i++) {
        const struct item *item = cache_find_item(call->api->cache, call->nodes.nodes[i], ITEM_READING,
                                                  source->value, source->value_len);
        cut = item && written == API_SERIES_LIMIT;
        if (item && !cut) {
            write_series(out, call, item, extent);
            written++;
        }
    }
    buf_str(out, "],\"cut\":");
    buf_json_bool(out, cut);
    buf_char(out, '}');
    return 0;
}

/* `<node>/<full_id>`: no node's name holds a slash, a full_id may. */
static bool read_named(const struct query_param *param, struct named *ret)
{
    const char *slash = memchr(param->value, '/', param->value_len);
    if (!slash) {
        return false;
    }
    size_t len = (size_t)(slash - param->value);
    ret->node = (struct json_slice){param->value, len};
    ret->source = (struct json_slice){slash + 1, param->value_len - len - 1};
    return ret->node.len > 0 && ret->source.len > 0;
}

/* The readings of all series= in their order. */
static int read_series(const struct query *query, struct named ret[API_SERIES_LIMIT], size_t *ret_count,
                       struct api_fault *fault)
{
    size_t count = 0;
    for (size_t i = 0; i < query->count; i++) {
        const struct query_param *param = &query->params[i];
        if (strcmp(param->name, "series") != 0 || param->value_len == 0) {
            continue;
        }
        if (count == API_SERIES_LIMIT) {
            return bad(fault, "series can be given 64 times at most");
        }
        if (!read_named(param, &ret[count++])) {
            return bad(fault, "series must be a node and a reading, such as pi-kitchen/system:cpu_temp");
        }
    }
    *ret_count = count;
    return 0;
}

static int render_series(const struct call *call, const struct named *named, size_t count,
                         const struct extent *extent, struct buf *out)
{
    open_series(out, call, extent);
    for (size_t i = 0; i < count; i++) {
        const struct node *node = cache_get(call->api->cache, named[i].node.data, named[i].node.len);
        const struct item *item = node ? cache_find_item(call->api->cache, node, ITEM_READING,
                                                         named[i].source.data, named[i].source.len)
                                       : NULL;
        if (item) {
            write_series(out, call, item, extent);
        } else {
            write_missing(out, &named[i]);
        }
    }
    buf_str(out, "]}");
    return 0;
}

int api_render_history(const struct call *call, struct buf *out, struct api_fault *ret_fault)
{
    const struct query_param *source = query_find(call->query, "source");
    struct named named[API_SERIES_LIMIT];
    size_t count = 0;
    struct extent extent;
    int status = read_series(call->query, named, &count, ret_fault);
    if (status != 0) {
        return status;
    }
    if (count > 0 && (source || !call->nodes.all)) {
        return bad(ret_fault, "series names its node and its source: give it without node and source");
    }
    if (count == 0 && !source) {
        return bad(ret_fault, "source must name a reading, such as system:cpu_temp");
    }
    status = read_extent(call->query, &extent, ret_fault);
    if (status != 0) {
        return status;
    }
    if (count > 0) {
        return render_series(call, named, count, &extent, out);
    }
    if (!call->nodes.all && call->nodes.count == 1) {
        return render_one(call, source, &extent, out, ret_fault);
    }
    return render_source(call, source, &extent, out);
}
