/*
 * Lines of a file become nodes of the cache. All in it is untrusted.
 */
#include "line.h"
#include "node_line_internal.h"
#include "timestamp.h"

#include <string.h>

#define MAX_DEPTH (JSON_MAX_DEPTH + 1) /* a body stands one deeper than where it came from */

struct reading {
    struct cache *cache;
    struct now now;
    struct node *node; /* of the last node line; NULL = not to be restored */
    char name[NODE_NAME_MAX + 1];
    bool (*url_allowed)(void *user, const char *url);
    void *user;
    size_t lines;
    bool ended;
    struct node_lines found;
};

static bool read_bool(struct json_slice value, bool *ret_value)
{
    *ret_value = json_type(value) == JSON_TRUE;
    return *ret_value || json_type(value) == JSON_FALSE;
}

static bool read_found(struct json_slice value, unsigned *ret_found)
{
    *ret_found = 0;
    for (struct json_iter it = json_iter(value); json_next(&it);) {
        for (size_t i = 0; i < FOUND_NAMES; i++) {
            if (json_string_is(it.value, found_names[i].name)) {
                *ret_found |= found_names[i].bit;
            }
        }
    }
    return json_type(value) == JSON_ARRAY;
}

static bool read_type(struct json_slice value, enum node_type *ret_type)
{
    *ret_type = NODE_UNKNOWN;
    for (int type = NODE_UNKNOWN; type <= NODE_EDGE; type++) {
        const char *name = node_type_name((enum node_type)type);
        if (name ? json_string_is(value, name) : json_type(value) == JSON_NULL) {
            *ret_type = (enum node_type)type;
            return true;
        }
    }
    return json_type(value) == JSON_NULL;
}

static bool read_offset(struct json_slice value, int32_t *ret_offset_s)
{
    int64_t offset_s;
    *ret_offset_s = TIMESTAMP_OFFSET_UNKNOWN;
    if (json_type(value) == JSON_NULL) {
        return true;
    }
    if (json_int(value, &offset_s) != 0 || offset_s < -TIMESTAMP_OFFSET_MAX ||
        offset_s > TIMESTAMP_OFFSET_MAX) {
        return false;
    }
    *ret_offset_s = (int32_t)offset_s;
    return true;
}

static bool take_node(struct reading *reading, struct json_slice line)
{
    struct kept_node kept;
    char url[SIGHTING_URL_MAX + 1];
    int64_t interval_ms;
    struct fault fault;
    reading->node = NULL;
    reading->name[0] = '\0';
    if (!line_text(json_member(line, "node"), reading->name, sizeof reading->name) ||
        !node_name_valid(reading->name, strlen(reading->name), NULL) ||
        !read_found(json_member(line, "found"), &kept.found) ||
        !read_type(json_member(line, "type"), &kept.type) ||
        !read_bool(json_member(line, "agent"), &kept.agent) ||
        !read_bool(json_member(line, "answered"), &kept.answered) ||
        json_int(json_member(line, "edge_interval_ms"), &interval_ms) != 0 || interval_ms < 0 ||
        interval_ms > UINT32_MAX || !read_offset(json_member(line, "utc_offset_s"), &kept.utc_offset_s) ||
        !line_time(json_member(line, "seen"), &kept.seen_wall_ms) ||
        !line_text(json_member(line, "mdns_url"), url, sizeof url)) {
        reading->name[0] = '\0';
        return false;
    }
    kept.edge_interval_ms = (uint32_t)interval_ms;
    kept.mdns_url = url;
    kept.mdns_allowed = url[0] && reading->url_allowed(reading->user, url);
    reading->node =
        cache_restore_node(reading->cache, reading->name, strlen(reading->name), &kept, reading->now, &fault);
    reading->found.nodes += reading->node != NULL;
    return reading->node || fault.reason == REJECT_NONE;
}

/* All members in one pass: a body may be long. */
struct body_line {
    struct json_slice node, kind, origin, captured_at, received_at, body;
};

static struct body_line cut_body_line(struct json_slice line)
{
    struct body_line cut = {0};
    const struct {
        const char *name;
        struct json_slice *slice;
    } members[] = {{"node", &cut.node},
                   {"kind", &cut.kind},
                   {"origin", &cut.origin},
                   {"captured_at", &cut.captured_at},
                   {"received_at", &cut.received_at},
                   {"body", &cut.body}};
    for (struct json_iter it = json_iter(line); json_next(&it);) {
        for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
            if (json_key_is(it.key, members[i].name)) {
                *members[i].slice = it.value;
            }
        }
    }
    return cut;
}

static bool take_body(struct reading *reading, struct json_slice line)
{
    struct body_line cut = cut_body_line(line);
    int64_t captured_ms, received_ms;
    int kind = 0;
    enum origin origin = json_string_is(cut.origin, origin_name(ORIGIN_EDGE)) ? ORIGIN_EDGE : ORIGIN_POLL;
    while (kind < REPORT_KINDS && !json_string_is(cut.kind, report_kind_name((enum report_kind)kind))) {
        kind++;
    }
    if (kind == REPORT_KINDS || !reading->name[0] || !json_string_is(cut.node, reading->name) ||
        !json_string_is(cut.origin, origin_name(origin)) || json_type(cut.body) != JSON_OBJECT ||
        !line_time(cut.captured_at, &captured_ms) || !line_time(cut.received_at, &received_ms)) {
        return false;
    }
    if (!reading->node) {
        return true; /* nobody knows that node any more */
    }
    return cache_restore_body(reading->cache, reading->node, (enum report_kind)kind, origin, cut.body,
                              captured_ms, received_ms, reading->now, NULL) == 0;
}

static bool take_last(struct reading *reading, struct json_slice line)
{
    int64_t lines;
    reading->ended = true;
    return json_int(json_member(line, "lines"), &lines) == 0 && lines == (int64_t)reading->lines;
}

static bool take_line(struct reading *reading, struct json_slice line)
{
    struct json_iter it = json_iter(line);
    bool is_last = json_next(&it) && json_key_is(it.key, "end");
    bool is_body = !is_last && json_next(&it) && json_key_is(it.key, "kind");
    if (reading->ended) {
        return false;
    }
    return is_last ? take_last(reading, line) : is_body ? take_body(reading, line) : take_node(reading, line);
}

static void note_bad(struct reading *reading, size_t offset)
{
    if (reading->found.bad++ == 0) {
        reading->found.bad_offset = offset;
    }
}

struct node_lines node_lines_read(const char *text, size_t len, struct cache *cache, struct now now,
                                  bool (*url_allowed)(void *user, const char *url), void *user)
{
    struct line_reader reader = {.text = text, .len = len};
    struct reading reading = {.cache = cache, .now = now, .url_allowed = url_allowed, .user = user};
    struct json_slice line;
    size_t offset;
    enum line_kind kind = line_next(&reader, MAX_DEPTH, &line, &offset);
    if (kind != LINE_GOOD || !line_is_header(line, NODE_LINE_CONTENT, NODE_LINE_VERSION)) {
        reading.found.wrong_version = true;
        return reading.found;
    }
    reading.lines = 1;
    while ((kind = line_next(&reader, MAX_DEPTH, &line, &offset)) != LINE_END) {
        if (kind != LINE_GOOD) {
            reading.name[0] = '\0'; /* bodies that follow are whose? */
            reading.node = NULL;
        }
        if (kind != LINE_GOOD || !take_line(&reading, line)) {
            note_bad(&reading, offset);
        }
        reading.lines++;
    }
    if (!reading.ended) {
        note_bad(&reading, offset);
    }
    return reading.found;
}
