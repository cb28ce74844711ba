#include "frame_internal.h"
#include "ranking.h"

#include <stdlib.h>

#define SNAPSHOT_EVENTS 50
#define SNAPSHOT_TEXTS  200

/* What a snapshot consists of, in its order. */
enum section { NODES, READINGS, STATS, EVENTS, OBSERVATIONS, MEMORIES, SECTIONS };

struct writer {
    const struct frame_view *view;
    struct selection nodes; /* those that are watched */
    struct buf out;
    size_t begin;         /* of the message that is being written */
    struct buf ends;      /* size_t: of the messages before it */
    enum section section; /* that is being written */
    bool open;            /* its list is, in this message */
};

/* The first message names every section; the others only those that they have something of. */
static bool is_first(const struct writer *w)
{
    return w->begin == 0;
}

/* ---- sections and messages ---- */

static void open_section(struct writer *w, enum section section)
{
    static const char *const keys[SECTIONS] = {"nodes",  "readings",     NULL /* an object */,
                                               "events", "observations", "memories"};
    if (section != STATS) {
        frame_open_list(&w->out, keys[section]);
        return;
    }
    buf_json_key(&w->out, "stats");
    buf_char(&w->out, '{');
    api_write_sums(&w->out, &w->nodes);
    buf_json_key(&w->out, "by_node");
    buf_char(&w->out, '{');
}

static void close_section(struct writer *w, enum section section)
{
    buf_str(&w->out, section == STATS ? "}}" : "]");
}

static void write_events(struct writer *w)
{
    const struct events *events = cache_events(w->view->cache);
    size_t count = 0;
    for (const struct event *event = NULL;
         count < SNAPSHOT_EVENTS && (event = events_older(events, event));) {
        if (frame_watches_event(w->view, event)) {
            buf_json_sep(&w->out);
            api_write_event(&w->out, event);
            count++;
        }
    }
}

/* Ends the message: `more` tells whether another one follows. */
static void end_message(struct writer *w, bool more)
{
    if (w->view->parts) {
        buf_str(&w->out, more ? ",\"more\":true}" : ",\"more\":false}");
        buf_append(&w->ends, &w->out.len, sizeof w->out.len);
    } else {
        buf_char(&w->out, '}');
    }
}

/* Goes on with a further message, in the midst of a section. */
static void next_message(struct writer *w)
{
    if (w->open) {
        close_section(w, w->section);
        w->open = false;
    }
    for (unsigned later = w->section + 1; is_first(w) && later < SECTIONS; later++) {
        open_section(w, (enum section)later);
        if (later == EVENTS) {
            write_events(w);
        }
        close_section(w, (enum section)later);
    }
    end_message(w, true);
    w->begin = w->out.len;
    frame_open(&w->out, w->view, "part");
}

static void begin_section(struct writer *w, enum section section)
{
    w->section = section;
    w->open = is_first(w);
    if (w->open) {
        open_section(w, section);
    }
}

/* Before each element of a section. */
static void begin_element(struct writer *w)
{
    if (w->view->parts && w->out.len - w->begin >= FRAME_PART) {
        next_message(w);
    }
    if (!w->open) {
        open_section(w, w->section);
        w->open = true;
    }
    buf_json_sep(&w->out);
}

static void end_section(struct writer *w)
{
    if (w->open) {
        close_section(w, w->section);
    }
}

/* ---- what is in them ---- */

static void write_nodes(struct writer *w)
{
    begin_section(w, NODES);
    for (size_t i = 0; i < w->nodes.count; i++) {
        begin_element(w);
        api_write_node(&w->out, w->nodes.nodes[i], w->view->now, false);
    }
    end_section(w);
}

static void write_readings(struct writer *w)
{
    begin_section(w, READINGS);
    for (size_t i = 0; i < w->nodes.count; i++) {
        for (const struct item *item = w->nodes.nodes[i]->items[ITEM_READING]; item; item = item->next) {
            begin_element(w);
            api_write_item(&w->out, item);
        }
    }
    end_section(w);
}

static void write_stats(struct writer *w)
{
    begin_section(w, STATS);
    for (size_t i = 0; i < w->nodes.count; i++) {
        begin_element(w);
        api_write_node_stats(&w->out, w->nodes.nodes[i]);
    }
    end_section(w);
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
    begin_section(w, section);
    for (size_t i = 0; i < ranking.count; i++) {
        begin_element(w);
        api_write_item(&w->out, ranking.items[i].item);
    }
    end_section(w);
    ranking_finish(&ranking);
}

static void write_snapshot(struct writer *w)
{
    frame_open(&w->out, w->view, "snapshot");
    api_write_broker(&w->out, w->view->cache, w->view->now);
    write_nodes(w);
    write_readings(w);
    write_stats(w);
    if (is_first(w)) { /* else they are in the first message */
        begin_section(w, EVENTS);
        write_events(w);
        end_section(w);
    }
    write_newest(w, OBSERVATIONS, ITEM_OBSERVATION);
    write_newest(w, MEMORIES, ITEM_MEMORY);
    end_message(w, false);
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
    buf_finish(&w.ends);
    buf_finish(&w.out);
    free(w.nodes.nodes);
    return body;
}
