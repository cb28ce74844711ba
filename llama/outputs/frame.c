#include "frame_internal.h"

#include <stdlib.h>
#include <string.h>

#define USUAL_DELTA 2048 /* bytes: one node and a few readings */

const char *const frame_keys[ITEM_KINDS] = {
    [ITEM_READING] = "readings", [ITEM_OBSERVATION] = "observations", [ITEM_MEMORY] = "memories"};

static bool watches(const struct frame_view *view, const char *name)
{
    return !view->name || strcmp(view->name, name) == 0;
}

bool frame_watches_event(const struct frame_view *view, const struct event *event)
{
    return event->node[0] == '\0' || watches(view, event->node);
}

void frame_open(struct buf *out, const struct frame_view *view, const char *type)
{
    buf_str(out, "{\"type\":");
    buf_json_cstr(out, type);
    buf_str(out, ",\"instance\":");
    buf_json_cstr(out, view->instance);
    buf_str(out, ",\"revision\":");
    buf_json_int(out, (int64_t)cache_revision(view->cache));
    buf_str(out, ",\"timestamp\":");
    buf_json_time(out, view->now.wall_ms);
}

void frame_open_list(struct buf *out, const char *key)
{
    buf_json_key(out, key);
    buf_char(out, '[');
}

/* The list appears with its first element. */
static void open_element(struct buf *out, const char *key, bool *is_open)
{
    if (*is_open) {
        buf_char(out, ',');
    } else {
        frame_open_list(out, key);
        *is_open = true;
    }
}

static void close_list(struct buf *out, bool is_open)
{
    if (is_open) {
        buf_char(out, ']');
    }
}

static bool write_changed_nodes(struct buf *out, const struct frame_view *view, uint64_t since)
{
    bool any = false;
    for (const struct node *node = cache_newest_node(view->cache); node && node->revision > since;
         node = node->older) {
        if (watches(view, node->name)) {
            open_element(out, "nodes", &any);
            api_write_node(out, node, view->now, false);
        }
    }
    close_list(out, any);
    return any;
}

static bool write_changed_items(struct buf *out, const struct frame_view *view, uint64_t since,
                                enum item_kind kind)
{
    bool any = false;
    for (const struct item *item = cache_newest_item(view->cache, kind); item && item->revision > since;
         item = item->older) {
        if (watches(view, item->node->name)) {
            open_element(out, frame_keys[kind], &any);
            api_write_item(out, item);
        }
    }
    close_list(out, any);
    return any;
}

static bool write_new_events(struct buf *out, const struct frame_view *view, uint64_t since)
{
    bool any = false;
    const struct events *events = cache_events(view->cache);
    for (const struct event *event = events_older(events, NULL); event && event->revision > since;
         event = events_older(events, event)) {
        if (frame_watches_event(view, event)) {
            open_element(out, "events", &any);
            api_write_event(out, event);
        }
    }
    close_list(out, any);
    return any;
}

/* ---- what was removed ---- */

/* Nodes first, then items by kind, node and id: as they are written. */
static int compare_tombstones(const void *a, const void *b)
{
    const struct tombstone *x = *(const struct tombstone *const *)a;
    const struct tombstone *y = *(const struct tombstone *const *)b;
    if (x->is_node != y->is_node) {
        return x->is_node ? -1 : 1;
    }
    if (!x->is_node && x->kind != y->kind) {
        return x->kind < y->kind ? -1 : 1;
    }
    int order = strcmp(x->node, y->node);
    if (order || x->is_node) {
        return order;
    }
    order = memcmp(x->id, y->id, x->id_len < y->id_len ? x->id_len : y->id_len);
    return order ? order : (x->id_len > y->id_len) - (x->id_len < y->id_len);
}

/* Gone, and not come back since. */
static bool still_gone(const struct cache *cache, const struct tombstone *tombstone)
{
    const struct node *node = cache_get(cache, tombstone->node, strlen(tombstone->node));
    if (!node || strcmp(node->name, tombstone->node) != 0) {
        return true;
    }
    return !tombstone->is_node &&
           !cache_find_item(cache, node, tombstone->kind, tombstone->id, tombstone->id_len);
}

/* A node was removed and is back: what a client holds of the former one cannot be told by a delta. */
bool frame_needs_snapshot(const struct frame_view *view, uint64_t since)
{
    const struct tombstone *tombstone = cache_newest_tombstone(view->cache);
    for (; tombstone && tombstone->revision > since;
         tombstone = cache_older_tombstone(view->cache, tombstone)) {
        if (tombstone->is_node && watches(view, tombstone->node) && !still_gone(view->cache, tombstone)) {
            return true;
        }
    }
    return false;
}

static void write_tombstone(struct buf *out, const struct tombstone *tombstone)
{
    if (tombstone->is_node) {
        buf_json_cstr(out, tombstone->node);
        return;
    }
    buf_char(out, '[');
    buf_json_cstr(out, tombstone->node);
    buf_char(out, ',');
    if (tombstone->kind == ITEM_READING) {
        buf_json_string(out, tombstone->id, tombstone->id_len);
    } else {
        buf_append(out, tombstone->id, tombstone->id_len);
    }
    buf_char(out, ']');
}

/* Those that count for the session, sorted. NULL with *ret_count = 0 when there are none; SIZE_MAX without
 * memory. */
static const struct tombstone **collect_tombstones(const struct frame_view *view, uint64_t since,
                                                   size_t *ret_count)
{
    size_t count = 0, room = 0;
    const struct tombstone *tombstone = cache_newest_tombstone(view->cache);
    for (; tombstone && tombstone->revision > since;
         tombstone = cache_older_tombstone(view->cache, tombstone)) {
        room++;
    }
    *ret_count = 0;
    if (room == 0) {
        return NULL;
    }
    const struct tombstone **list = malloc(room * sizeof(const struct tombstone *));
    if (!list) {
        *ret_count = SIZE_MAX;
        return NULL;
    }
    tombstone = cache_newest_tombstone(view->cache);
    for (; count < room && tombstone && tombstone->revision > since;
         tombstone = cache_older_tombstone(view->cache, tombstone)) {
        if (watches(view, tombstone->node) && still_gone(view->cache, tombstone)) {
            list[count++] = tombstone;
        }
    }
    qsort(list, count, sizeof(const struct tombstone *), compare_tombstones);
    *ret_count = count;
    return list;
}

static bool write_removed(struct buf *out, const struct frame_view *view, uint64_t since)
{
    size_t count;
    const struct tombstone **list = collect_tombstones(view, since, &count);
    if (count == SIZE_MAX) {
        out->failed = true;
        return false;
    }
    if (count > 0) {
        buf_json_key(out, "removed");
        buf_char(out, '{');
        const char *key = NULL;
        for (size_t i = 0; i < count; i++) {
            const char *wanted = list[i]->is_node ? "nodes" : frame_keys[list[i]->kind];
            if (i > 0 && compare_tombstones(&list[i - 1], &list[i]) == 0) {
                continue; /* removed, came, and was removed again */
            }
            if (key != wanted) {
                buf_str(out, key ? "]" : "");
                frame_open_list(out, wanted);
                key = wanted;
            }
            buf_json_sep(out);
            write_tombstone(out, list[i]);
        }
        buf_str(out, "]}");
    }
    free(list);
    return count > 0;
}

static void write_stats(struct buf *out, const struct frame_view *view, uint64_t since)
{
    buf_json_key(out, "stats");
    if (view->name && !view->only) {
        const struct selection none = {0};
        buf_char(out, '{');
        api_write_stats_of(out, &none, 0);
        buf_char(out, '}');
    } else {
        api_write_stats(out, view->cache, since, view->only);
    }
}

struct body *frame_delta(const struct frame_view *view, uint64_t since, bool *ret_empty)
{
    struct buf out = BUF_INIT;
    buf_reserve(&out, USUAL_DELTA);
    frame_open(&out, view, "delta");
    api_write_broker(&out, view->cache, view->now);
    bool nodes = write_changed_nodes(&out, view, since);
    bool any = nodes || cache_link_revision(view->cache) > since;
    for (int kind = 0; kind < ITEM_KINDS; kind++) {
        any = write_changed_items(&out, view, since, (enum item_kind)kind) || any;
    }
    any = write_new_events(&out, view, since) || any;
    bool removed = write_removed(&out, view, since);
    if (view->name ? nodes || removed : removed || cache_stats_revision(view->cache) > since) {
        write_stats(&out, view, since);
        any = true;
    }
    buf_char(&out, '}');
    *ret_empty = !any && !out.failed;
    size_t len;
    char *data = *ret_empty ? NULL : buf_take(&out, &len);
    buf_finish(&out);
    return data ? body_take(data, len) : NULL;
}
