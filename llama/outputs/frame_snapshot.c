#include "frame_internal.h"
#include "ranking.h"

#include <stdlib.h>
#include <string.h>

#define SNAPSHOT_EVENTS 50
#define SNAPSHOT_TEXTS  200

/* What a snapshot consists of, in its order. */
enum section { NODES, READINGS, STATS, EVENTS, OBSERVATIONS, MEMORIES, SECTIONS };

struct writer {
    const struct frame_view *view;
    struct selection nodes;        /* those that are watched */
    struct buf elements[SECTIONS]; /* of the message that is being written */
    struct buf out;                /* the messages before it */
    struct buf ends;               /* size_t: of those */
};

/* ---- messages ---- */

static void write_section(struct writer *w, enum section section, bool first)
{
    static const char *const keys[SECTIONS] = {"nodes",  "readings",     NULL /* an object */,
                                               "events", "observations", "memories"};
    const struct buf *elements = &w->elements[section];
    if (section == STATS) {
        buf_json_key(&w->out, "stats");
        buf_char(&w->out, '{');
        if (first) {
            api_write_sums(&w->out, &w->nodes);
        }
        buf_json_key(&w->out, "by_node");
        buf_char(&w->out, '{');
    } else {
        frame_open_list(&w->out, keys[section]);
    }
    buf_append(&w->out, elements->data, elements->len);
    buf_str(&w->out, section == STATS ? "}}" : "]");
}

/* The first message names every section; the others only those that they have something of. */
static void write_message(struct writer *w, bool more)
{
    bool first = w->out.len == 0;
    frame_open(&w->out, w->view, first ? "snapshot" : "part");
    if (first) {
        api_write_broker(&w->out, w->view->cache, w->view->now);
    }
    for (unsigned i = 0; i < SECTIONS; i++) {
        w->out.failed = w->out.failed || w->elements[i].failed;
        if (first || w->elements[i].len > 0) {
            write_section(w, (enum section)i, first);
        }
        buf_reset(&w->elements[i]);
    }
    if (w->view->parts) {
        buf_str(&w->out, more ? ",\"more\":true}" : ",\"more\":false}");
        buf_append(&w->ends, &w->out.len, sizeof w->out.len);
    } else {
        buf_char(&w->out, '}');
    }
}

/* Where the next element of a section goes; a message that is full goes out before. */
static struct buf *begin_element(struct writer *w, enum section section)
{
    size_t len = 0;
    for (unsigned i = 0; w->view->parts && i < SECTIONS; i++) {
        len += w->elements[i].len;
    }
    if (len >= FRAME_PART) {
        write_message(w, true);
    }
    struct buf *elements = &w->elements[section];
    if (elements->len > 0) {
        buf_char(elements, ',');
    }
    return elements;
}

/* ---- what is in them ---- */

/* All of them in the first message. */
static void write_events(struct writer *w)
{
    const struct events *events = cache_events(w->view->cache);
    size_t count = 0;
    for (const struct event *event = NULL;
         count < SNAPSHOT_EVENTS && (event = events_older(events, event));) {
        if (frame_watches_event(w->view, event)) {
            api_write_event(begin_element(w, EVENTS), event);
            count++;
        }
    }
}

/* Each node with its readings, so that whoever has the first message has something to show. */
static void write_nodes(struct writer *w)
{
    for (size_t i = 0; i < w->nodes.count; i++) {
        const struct node *node = w->nodes.nodes[i];
        api_write_node(begin_element(w, NODES), node, w->view->now, false);
        api_write_node_stats(begin_element(w, STATS), node);
        for (const struct item *item = node->items[ITEM_READING]; item; item = item->next) {
            api_write_item(begin_element(w, READINGS), item);
        }
    }
}

static void write_newest(struct writer *w, enum section section, enum item_kind kind)
{
    struct ranking ranking;
    if (ranking_init(&ranking, SNAPSHOT_TEXTS, ranking_newest) != 0) {
        w->out.failed = true;
        return;
    }
    for (size_t i = 0; i < w->nodes.count; i++) {
        for (const struct item *item = w->nodes.nodes[i]->items[kind]; item; item = item->next) {
            ranking_offer(&ranking, item, w->nodes.nodes[i]);
        }
    }
    ranking_sort(&ranking);
    for (size_t i = 0; i < ranking.count; i++) {
        api_write_item(begin_element(w, section), ranking.items[i].item);
    }
    ranking_finish(&ranking);
}

static void write_snapshot(struct writer *w)
{
    write_events(w);
    write_nodes(w);
    write_newest(w, OBSERVATIONS, ITEM_OBSERVATION);
    write_newest(w, MEMORIES, ITEM_MEMORY);
    write_message(w, false);
}

/* ---- the nodes ---- */

/* Whoever needs somebody first; people look for those. */
static int compare_need(const void *a, const void *b)
{
    static const int rank[STATES] = {[STATE_UNREACHABLE] = 0,
                                     [STATE_DEGRADED] = 1,
                                     [STATE_STALE] = 2,
                                     [STATE_UNKNOWN] = 3,
                                     [STATE_ONLINE] = 4};
    const struct node *x = *(const struct node *const *)a;
    const struct node *y = *(const struct node *const *)b;
    int order = rank[x->verdict.state] - rank[y->verdict.state];
    return order ? order : strcmp(x->name, y->name);
}

/* The node that is watched, or all. False without memory. */
static bool select_nodes(struct writer *w)
{
    const struct frame_view *view = w->view;
    size_t room = view->name ? 1 : cache_node_count(view->cache);
    w->nodes.nodes = malloc((room + 1) * sizeof(const struct node *));
    if (!w->nodes.nodes) {
        return false;
    }
    const struct node *node = view->name ? view->only : cache_first_node(view->cache);
    while (node && w->nodes.count < room) {
        w->nodes.nodes[w->nodes.count++] = node;
        node = node->next;
    }
    qsort(w->nodes.nodes, w->nodes.count, sizeof(const struct node *), compare_need);
    return true;
}

static struct body *take_body(struct writer *w)
{
    size_t len, ends_len;
    char *ends = w->view->parts ? buf_take(&w->ends, &ends_len) : NULL;
    char *data = w->view->parts && !ends ? NULL : buf_take(&w->out, &len);
    struct body *body = data ? body_take(data, len) : NULL;
    if (body) {
        body->ends = (size_t *)(void *)ends;
    } else {
        free(ends);
    }
    return body;
}

struct body *frame_snapshot(const struct frame_view *view)
{
    struct writer w = {.view = view};
    struct body *body = NULL;
    if (select_nodes(&w)) {
        write_snapshot(&w);
        body = take_body(&w);
    }
    for (unsigned i = 0; i < SECTIONS; i++) {
        buf_finish(&w.elements[i]);
    }
    buf_finish(&w.ends);
    buf_finish(&w.out);
    free(w.nodes.nodes);
    return body;
}
