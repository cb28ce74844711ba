#include "frame.h"

#include "api_internal.h"
#include "ranking.h"

#include <stdlib.h>
#include <string.h>

#define SNAPSHOT_EVENTS 50
#define SNAPSHOT_TEXTS  200
#define USUAL_DELTA     2048 /* bytes: one node and a few readings */

static const char *const kinds[ITEM_KINDS] = {
    [ITEM_READING] = "readings", [ITEM_OBSERVATION] = "observations", [ITEM_MEMORY] = "memories"};

/* What a session watches: one node (which may not be known yet), or all. */
struct scope {
    const struct node *only;
    const char *name; /* NULL = all */
};

static bool watches(const struct scope *scope, const char *name)
{
    return !scope->name || strcmp(scope->name, name) == 0;
}

/* What concerns the whole cluster concerns every session. */
static bool watches_event(const struct scope *scope, const struct event *event)
{
    return event->node[0] == '\0' || watches(scope, event->node);
}

static void open_frame(struct buf *out, const char *type, const struct cache *cache, const char *instance,
                       struct now now)
{
    buf_str(out, "{\"type\":");
    buf_json_cstr(out, type);
    buf_str(out, ",\"instance\":");
    buf_json_cstr(out, instance);
    buf_str(out, ",\"revision\":");
    buf_json_int(out, (int64_t)cache_revision(cache));
    buf_str(out, ",\"timestamp\":");
    buf_json_time(out, now.wall_ms);
    api_write_broker(out, cache, now);
}

static struct body *close_frame(struct buf *out)
{
    size_t len;
    buf_char(out, '}');
    char *data = buf_take(out, &len);
    buf_finish(out);
    return data ? body_take(data, len) : NULL;
}

static void open_list(struct buf *out, const char *key)
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
        open_list(out, key);
        *is_open = true;
    }
}

static void close_list(struct buf *out, bool is_open)
{
    if (is_open) {
        buf_char(out, ']');
    }
}

/* ---- snapshot ---- */

/* The node itself, or all nodes. The next one after `node`, or the first for NULL. */
static const struct node *next_node(const struct cache *cache, const struct scope *scope,
                                    const struct node *node)
{
    if (scope->name) {
        return node ? NULL : scope->only;
    }
    return node ? node->next : cache_first_node(cache);
}

static void write_newest(struct buf *out, const struct cache *cache, const struct scope *scope,
                         enum item_kind kind)
{
    struct ranking ranking;
    if (ranking_init(&ranking, SNAPSHOT_TEXTS, ranking_newest) != 0) {
        out->failed = true;
        return;
    }
    for (const struct node *node = NULL; (node = next_node(cache, scope, node));) {
        for (const struct item *item = node->items[kind]; item; item = item->next) {
            ranking_offer(&ranking, item, node);
        }
    }
    ranking_sort(&ranking);
    open_list(out, kinds[kind]);
    for (size_t i = 0; i < ranking.count; i++) {
        buf_json_sep(out);
        api_write_item(out, ranking.items[i].item);
    }
    buf_char(out, ']');
    ranking_finish(&ranking);
}

static void write_stats(struct buf *out, const struct cache *cache, const struct scope *scope, uint64_t since)
{
    buf_json_key(out, "stats");
    if (scope->name && !scope->only) {
        const struct selection none = {0};
        buf_char(out, '{');
        api_write_stats_of(out, &none, 0);
        buf_char(out, '}');
    } else {
        api_write_stats(out, cache, since, scope->only);
    }
}

static void write_last_events(struct buf *out, const struct cache *cache, const struct scope *scope)
{
    const struct events *events = cache_events(cache);
    size_t count = 0;
    open_list(out, "events");
    for (const struct event *event = NULL;
         count < SNAPSHOT_EVENTS && (event = events_older(events, event));) {
        if (watches_event(scope, event)) {
            buf_json_sep(out);
            api_write_event(out, event);
            count++;
        }
    }
    buf_char(out, ']');
}

struct body *frame_snapshot(const struct cache *cache, const char *instance, const struct node *only,
                            const char *only_name, struct now now)
{
    const struct scope scope = {only, only_name};
    struct buf out = BUF_INIT;
    open_frame(&out, "snapshot", cache, instance, now);
    open_list(&out, "nodes");
    for (const struct node *node = NULL; (node = next_node(cache, &scope, node));) {
        buf_json_sep(&out);
        api_write_node(&out, node, now, false);
    }
    buf_char(&out, ']');
    open_list(&out, kinds[ITEM_READING]);
    for (const struct node *node = NULL; (node = next_node(cache, &scope, node));) {
        for (const struct item *item = node->items[ITEM_READING]; item; item = item->next) {
            buf_json_sep(&out);
            api_write_item(&out, item);
        }
    }
    buf_char(&out, ']');
    write_stats(&out, cache, &scope, 0);
    write_last_events(&out, cache, &scope);
    write_newest(&out, cache, &scope, ITEM_OBSERVATION);
    write_newest(&out, cache, &scope, ITEM_MEMORY);
    return close_frame(&out);
}

/* ---- delta ---- */

static bool write_changed_nodes(struct buf *out, const struct cache *cache, const struct scope *scope,
                                uint64_t since, struct now now)
{
    bool any = false;
    for (const struct node *node = cache_newest_node(cache); node && node->revision > since;
         node = node->older) {
        if (watches(scope, node->name)) {
            open_element(out, "nodes", &any);
            api_write_node(out, node, now, false);
        }
    }
    close_list(out, any);
    return any;
}

static bool write_changed_items(struct buf *out, const struct cache *cache, const struct scope *scope,
                                uint64_t since, enum item_kind kind)
{
    bool any = false;
    for (const struct item *item = cache_newest_item(cache, kind); item && item->revision > since;
         item = item->older) {
        if (watches(scope, item->node->name)) {
            open_element(out, kinds[kind], &any);
            api_write_item(out, item);
        }
    }
    close_list(out, any);
    return any;
}

static bool write_new_events(struct buf *out, const struct cache *cache, const struct scope *scope,
                             uint64_t since)
{
    bool any = false;
    const struct events *events = cache_events(cache);
    for (const struct event *event = events_older(events, NULL); event && event->revision > since;
         event = events_older(events, event)) {
        if (watches_event(scope, event)) {
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

/* A node that was removed and is back: what a client holds of the former one cannot be told by a delta. */
static bool node_came_back(const struct cache *cache, const struct scope *scope, uint64_t since)
{
    const struct tombstone *tombstone = cache_newest_tombstone(cache);
    for (; tombstone && tombstone->revision > since; tombstone = cache_older_tombstone(cache, tombstone)) {
        if (tombstone->is_node && watches(scope, tombstone->node) && !still_gone(cache, tombstone)) {
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
static const struct tombstone **collect_tombstones(const struct cache *cache, const struct scope *scope,
                                                   uint64_t since, size_t *ret_count)
{
    size_t count = 0, room = 0;
    const struct tombstone *tombstone = cache_newest_tombstone(cache);
    for (; tombstone && tombstone->revision > since; tombstone = cache_older_tombstone(cache, tombstone)) {
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
    tombstone = cache_newest_tombstone(cache);
    for (; count < room && tombstone && tombstone->revision > since;
         tombstone = cache_older_tombstone(cache, tombstone)) {
        if (watches(scope, tombstone->node) && still_gone(cache, tombstone)) {
            list[count++] = tombstone;
        }
    }
    qsort(list, count, sizeof(const struct tombstone *), compare_tombstones);
    *ret_count = count;
    return list;
}

static bool write_removed(struct buf *out, const struct cache *cache, const struct scope *scope,
                          uint64_t since)
{
    size_t count;
    const struct tombstone **list = collect_tombstones(cache, scope, since, &count);
    if (count == SIZE_MAX) {
        out->failed = true;
        return false;
    }
    if (count > 0) {
        buf_json_key(out, "removed");
        buf_char(out, '{');
        const char *key = NULL;
        for (size_t i = 0; i < count; i++) {
            const char *wanted = list[i]->is_node ? "nodes" : kinds[list[i]->kind];
            if (i > 0 && compare_tombstones(&list[i - 1], &list[i]) == 0) {
                continue; /* removed, came, and was removed again */
            }
            if (key != wanted) {
                buf_str(out, key ? "]" : "");
                open_list(out, wanted);
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

struct body *frame_delta(const struct cache *cache, const char *instance, uint64_t since,
                         const struct node *only, const char *only_name, struct now now, bool *ret_empty)
{
    const struct scope scope = {only, only_name};
    struct buf out = BUF_INIT;
    if (node_came_back(cache, &scope, since)) {
        *ret_empty = false;
        return frame_snapshot(cache, instance, only, only_name, now);
    }
    buf_reserve(&out, USUAL_DELTA);
    open_frame(&out, "delta", cache, instance, now);
    bool nodes = write_changed_nodes(&out, cache, &scope, since, now);
    bool any = nodes || cache_link_revision(cache) > since;
    for (int kind = 0; kind < ITEM_KINDS; kind++) {
        any = write_changed_items(&out, cache, &scope, since, (enum item_kind)kind) || any;
    }
    any = write_new_events(&out, cache, &scope, since) || any;
    bool removed = write_removed(&out, cache, &scope, since);
    if (scope.name ? nodes || removed : removed || cache_stats_revision(cache) > since) {
        write_stats(&out, cache, &scope, since);
        any = true;
    }
    *ret_empty = !any && !out.failed;
    if (*ret_empty) {
        buf_finish(&out);
        return NULL;
    }
    return close_frame(&out);
}
