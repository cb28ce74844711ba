#include "event_line.h"

#include "line.h"
#include "timestamp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONTENT    "events"
#define ID_CONTENT "last event"
#define VERSION    1
#define MAX_DEPTH  1

/* ---- writing ---- */

void event_line_header(struct buf *out)
{
    line_write_header(out, CONTENT, VERSION);
}

void event_line_write(struct buf *out, const struct event *event)
{
    size_t from = out->len;
    buf_char(out, '{');
    buf_json_key(out, "id");
    buf_json_int(out, (int64_t)event->id);
    buf_json_key(out, "at");
    buf_json_time(out, event->at_wall_ms);
    buf_json_key(out, "node");
    buf_json_cstr(out, event->node[0] ? event->node : NULL);
    buf_json_key(out, "from");
    buf_json_cstr(out, state_name(event->from));
    buf_json_key(out, "to");
    buf_json_cstr(out, state_name(event->to));
    buf_json_key(out, "cause");
    buf_json_cstr(out, cause_name(event->cause));
    buf_json_key(out, "reason");
    buf_json_cstr(out, event->reason);
    line_seal(out, from);
}

/* ---- reading ---- */

static bool read_state(struct json_slice value, enum state *ret_state)
{
    for (int state = 0; state < STATES; state++) {
        if (json_string_is(value, state_name((enum state)state))) {
            *ret_state = (enum state)state;
            return true;
        }
    }
    return false;
}

static bool read_cause(struct json_slice value, enum cause *ret_cause)
{
    for (int cause = 0; cause < CAUSES; cause++) {
        const char *name = cause_name((enum cause)cause);
        if (name ? json_string_is(value, name) : json_type(value) == JSON_NULL) {
            *ret_cause = (enum cause)cause;
            return true;
        }
    }
    return false;
}

static bool read_node(struct json_slice value, char node[NODE_NAME_MAX + 1])
{
    if (json_type(value) == JSON_NULL) {
        node[0] = '\0';
        return true;
    }
    return line_text(value, node, NODE_NAME_MAX + 1) && node_name_valid(node, strlen(node), NULL);
}

static bool read_id(struct json_slice value, uint64_t *ret_id)
{
    int64_t id;
    if (json_int(value, &id) != 0 || id < 1 || id > (int64_t)EVENT_ID_MAX) {
        return false;
    }
    *ret_id = (uint64_t)id;
    return true;
}

static bool read_event(struct json_slice object, struct event *ret_event)
{
    struct event event = {.id = 0};
    if (!read_id(json_member(object, "id"), &event.id) ||
        !line_time(json_member(object, "at"), &event.at_wall_ms) ||
        !read_node(json_member(object, "node"), event.node) ||
        !read_state(json_member(object, "from"), &event.from) ||
        !read_state(json_member(object, "to"), &event.to) ||
        !read_cause(json_member(object, "cause"), &event.cause) ||
        !line_text(json_member(object, "reason"), event.reason, sizeof event.reason)) {
        return false;
    }
    *ret_event = event;
    return event.at_wall_ms != TIMESTAMP_NONE;
}

static int add(struct event_lines *lines, size_t *cap, const struct event *event)
{
    if (lines->count == *cap) {
        size_t more = *cap ? 2 * *cap : 64;
        struct event *events = realloc(lines->events, more * sizeof *events);
        if (!events) {
            return -ENOMEM;
        }
        lines->events = events;
        *cap = more;
    }
    lines->events[lines->count++] = *event;
    return 0;
}

static void note_bad(struct event_lines *lines, size_t offset)
{
    if (lines->bad++ == 0) {
        lines->bad_offset = offset;
    }
}

static bool reads_header(struct line_reader *reader, const char *content, size_t *offset)
{
    struct json_slice object;
    return line_next(reader, MAX_DEPTH, &object, offset) == LINE_GOOD &&
           line_is_header(object, content, VERSION);
}

int event_lines_read(const char *text, size_t len, struct event_lines *ret_lines)
{
    struct line_reader reader = {.text = text, .len = len};
    struct event_lines lines = {.lines = 1};
    size_t cap = 0, offset;
    if (!reads_header(&reader, CONTENT, &offset)) {
        return -EBADMSG;
    }
    for (;;) {
        struct json_slice object;
        lines.whole_len = reader.offset;
        enum line_kind kind = line_next(&reader, MAX_DEPTH, &object, &offset);
        if (kind == LINE_END || kind == LINE_TORN) {
            lines.torn = kind == LINE_TORN;
            break;
        }
        struct event event;
        bool good = kind == LINE_GOOD && read_event(object, &event) &&
                    (lines.count == 0 || event.id > lines.events[lines.count - 1].id);
        if (!good) {
            note_bad(&lines, offset);
        }
        lines.lines += good;
        if (good && add(&lines, &cap, &event) < 0) {
            event_lines_finish(&lines);
            return -ENOMEM;
        }
    }
    *ret_lines = lines;
    return 0;
}

void event_lines_finish(struct event_lines *lines)
{
    free(lines->events);
    *lines = (struct event_lines){0};
}

/* ---- the last id ---- */

void event_id_write(struct buf *out, uint64_t id)
{
    line_write_header(out, ID_CONTENT, VERSION);
    size_t from = out->len;
    buf_char(out, '{');
    buf_json_key(out, "id");
    buf_json_int(out, (int64_t)id);
    line_seal(out, from);
}

int event_id_read(const char *text, size_t len, uint64_t *ret_id)
{
    struct line_reader reader = {.text = text, .len = len};
    struct json_slice object;
    size_t offset;
    bool good = reads_header(&reader, ID_CONTENT, &offset) &&
                line_next(&reader, MAX_DEPTH, &object, &offset) == LINE_GOOD &&
                read_id(json_member(object, "id"), ret_id);
    return good ? 0 : -EBADMSG;
}
