#include "api_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void api_open_body(struct buf *out, struct now now)
{
    buf_str(out, "{\"timestamp\":");
    buf_json_time(out, now.wall_ms);
}

int api_bad_limit(struct api_fault *fault)
{
    return api_fault(fault, 400, "bad_request", "limit must be a whole number from 1 to %d", QUERY_LIMIT_MAX);
}

int api_no_memory(struct api_fault *fault)
{
    return api_fault(fault, 503, "unavailable", "out of memory");
}

/* ---- nodes, stats, events ---- */

int api_render_nodes(const struct call *call, struct buf *out, struct api_fault *ret_fault)
{
    size_t limit = call->nodes.count;
    if (!query_limit(call->query, &limit)) {
        return api_bad_limit(ret_fault);
    }
    size_t count = call->nodes.count < limit ? call->nodes.count : limit;
    api_open_body(out, call->now);
    buf_printf(out, ",\"count\":%zu,\"nodes\":[", count);
    for (size_t i = 0; i < count; i++) {
        buf_json_sep(out);
        api_write_node(out, call->nodes.nodes[i], call->now, true);
    }
    buf_char(out, ']');
    size_t incidents;
    cache_incidents(call->api->cache, &incidents);
    if (incidents > 0) {
        api_write_incidents(out, call->api->cache);
    }
    buf_char(out, '}');
    return 0;
}

int api_render_stats(const struct call *call, struct buf *out, struct api_fault *ret_fault)
{
    (void)ret_fault;
    api_open_body(out, call->now);
    api_write_stats_of(out, &call->nodes, 0);
    buf_char(out, '}');
    return 0;
}

static bool selects_name(const struct selection *nodes, const char *name)
{
    for (size_t i = 0; i < nodes->count; i++) {
        if (strcmp(nodes->nodes[i]->name, name) == 0) {
            return true;
        }
    }
    return false;
}

int api_render_events(const struct call *call, struct buf *out, struct api_fault *ret_fault)
{
    size_t limit = EVENTS_MAX, count = 0;
    uint64_t since = 0;
    if (!query_limit(call->query, &limit)) {
        return api_bad_limit(ret_fault);
    }
    if (!query_uint(call->query, "since", &since)) {
        return api_fault(ret_fault, 400, "bad_request", "since must be the id of an event");
    }
    struct buf list = BUF_INIT;
    const struct events *events = cache_events(call->api->cache);
    for (const struct event *event = events_older(events, NULL); event && event->id > since && count < limit;
         event = events_older(events, event)) {
        if (call->nodes.all || selects_name(&call->nodes, event->node)) {
            if (count++ > 0) {
                buf_char(&list, ',');
            }
            api_write_event(&list, event);
        }
    }
    api_open_body(out, call->now);
    buf_printf(out, ",\"count\":%zu,\"events\":[", count);
    buf_append(out, list.data, list.len);
    buf_str(out, "]}");
    out->failed = out->failed || list.failed;
    buf_finish(&list);
    return 0;
}

/* ---- readings ---- */

struct readings_filter {
    const struct query_param *source, *type, *text;
};

static bool reading_fits(const struct readings_filter *filter, const struct item *item)
{
    if (filter->source && (item->id_len != filter->source->value_len ||
                           memcmp(item->id, filter->source->value, item->id_len) != 0)) {
        return false;
    }
    if (filter->type && (item->type_len != filter->type->value_len ||
                         memcmp(item->id, filter->type->value, item->type_len) != 0)) {
        return false;
    }
    return !filter->text ||
           api_text_contains(item->id, item->id_len, filter->text->value, filter->text->value_len) ||
           api_text_contains(item->node->name, strlen(item->node->name), filter->text->value,
                             filter->text->value_len);
}

/* Collects what fits, in the order of nodes and of their last bodies. NULL without memory; free() it. */
static const struct item **collect_readings(const struct call *call, size_t limit, size_t *ret_count)
{
    const struct readings_filter filter = {.source = query_find(call->query, "source"),
                                           .type = query_find(call->query, "source_type"),
                                           .text = query_find(call->query, "q")};
    size_t room = 1, count = 0;
    for (size_t i = 0; i < call->nodes.count; i++) {
        room += call->nodes.nodes[i]->item_count[ITEM_READING];
    }
    const struct item **items = malloc(room * sizeof(const struct item *));
    if (!items) {
        return NULL;
    }
    for (size_t i = 0; i < call->nodes.count; i++) {
        const struct item *item = call->nodes.nodes[i]->items[ITEM_READING];
        for (; item && count < limit; item = item->next) {
            if (reading_fits(&filter, item)) {
                items[count++] = item;
            }
        }
    }
    *ret_count = count;
    return items;
}

static void write_readings_nodes(struct buf *out, const struct call *call)
{
    buf_str(out, ",\"nodes\":{");
    for (size_t i = 0; i < call->nodes.count; i++) {
        const struct node *node = call->nodes.nodes[i];
        const struct snapshot *snapshot = &node->snapshots[REPORT_READINGS];
        buf_json_sep(out);
        buf_json_cstr(out, node->name);
        buf_str(out, ":{\"status\":");
        buf_json_cstr(out, state_name(node->verdict.state));
        buf_str(out, ",\"captured_at\":");
        buf_json_time(out, snapshot->captured_wall_ms);
        buf_str(out, ",\"age_s\":");
        api_write_age(out, call->now, snapshot->captured_mono_ms);
        buf_char(out, '}');
    }
    buf_char(out, '}');
}

static struct json_slice unit_of(const struct item *item)
{
    static const struct json_slice null = {"null", 4};
    struct json_slice unit = json_member(item_json(item), "unit");
    return unit.data ? unit : null;
}

static int compare_bytes(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order ? order : (a_len > b_len) - (a_len < b_len);
}

/* A reading and its unit, which is looked up once: sorting asks for it often. */
struct measured {
    const struct item *item;
    struct json_slice unit;
};

/* By full_id, then unit. */
static int compare_sources(const struct measured *a, const struct measured *b)
{
    int order = compare_bytes(a->item->id, a->item->id_len, b->item->id, b->item->id_len);
    return order ? order : compare_bytes(a->unit.data, a->unit.len, b->unit.data, b->unit.len);
}

/* qsort order: rows, and within a row the nodes by name. */
static int compare_for_rows(const void *a, const void *b)
{
    const struct measured *x = a, *y = b;
    int order = compare_sources(x, y);
    return order ? order : strcmp(x->item->node->name, y->item->node->name);
}

/* One row: the same full_id and unit on `count` nodes. */
static void write_source_row(struct buf *out, const struct measured *row, size_t count)
{
    double min = NAN, max = NAN, mean = 0;
    size_t numbers = 0;
    for (size_t i = 0; i < count; i++) {
        double value = row[i].item->number;
        if (!isnan(value)) {
            min = numbers == 0 || value < min ? value : min;
            max = numbers == 0 || value > max ? value : max;
            numbers++;
            mean += (value - mean) / (double)numbers;
        }
    }
    buf_str(out, "{\"full_id\":");
    buf_json_string(out, row[0].item->id, row[0].item->id_len);
    buf_str(out, ",\"unit\":");
    buf_append(out, row[0].unit.data, row[0].unit.len);
    buf_printf(out, ",\"count\":%zu,\"min\":", count);
    buf_json_double(out, min);
    buf_str(out, ",\"max\":");
    buf_json_double(out, max);
    buf_str(out, ",\"mean\":");
    buf_json_double(out, numbers ? mean : NAN);
    buf_str(out, ",\"nodes\":{");
    for (size_t i = 0; i < count; i++) {
        struct json_slice value = json_member(item_json(row[i].item), "value");
        buf_json_sep(out);
        buf_json_cstr(out, row[i].item->node->name);
        buf_char(out, ':');
        buf_append(out, value.data ? value.data : "null", value.data ? value.len : 4);
    }
    buf_str(out, "}}");
}

/* The same source of all nodes side by side; units that differ make rows of their own. `limit` counts rows.
 */
static void write_sources(struct buf *out, const struct item **items, size_t count, size_t limit)
{
    struct measured *all = malloc((count + 1) * sizeof *all);
    if (!all) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        all[i] = (struct measured){items[i], unit_of(items[i])};
    }
    qsort(all, count, sizeof *all, compare_for_rows);
    struct buf rows = BUF_INIT;
    size_t written = 0;
    for (size_t begin = 0, end; begin < count && written < limit; begin = end) {
        for (end = begin + 1; end < count && compare_sources(&all[begin], &all[end]) == 0; end++) {
        }
        if (written++ > 0) {
            buf_char(&rows, ',');
        }
        write_source_row(&rows, all + begin, end - begin);
    }
    free(all);
    buf_printf(out, ",\"count\":%zu,\"sources\":[", written);
    buf_append(out, rows.data, rows.len);
    buf_str(out, "]}");
    out->failed = out->failed || rows.failed;
    buf_finish(&rows);
}

int api_render_readings(const struct call *call, struct buf *out, struct api_fault *ret_fault)
{
    bool grouped = query_is(call->query, "group", "source");
    size_t limit = SIZE_MAX, count = 0;
    if (!query_limit(call->query, &limit)) {
        return api_bad_limit(ret_fault);
    }
    if (!grouped && query_find(call->query, "group")) {
        return api_fault(ret_fault, 400, "bad_request", "group can only be source");
    }
    const struct item **items = collect_readings(call, grouped ? SIZE_MAX : limit, &count);
    if (!items) {
        return api_no_memory(ret_fault);
    }
    api_open_body(out, call->now);
    if (grouped) {
        write_sources(out, items, count, limit);
    } else {
        buf_printf(out, ",\"count\":%zu", count);
        write_readings_nodes(out, call);
        buf_str(out, ",\"readings\":[");
        for (size_t i = 0; i < count; i++) {
            buf_json_sep(out);
            api_write_item(out, items[i]);
        }
        buf_str(out, "]}");
    }
    free(items);
    return 0;
}
