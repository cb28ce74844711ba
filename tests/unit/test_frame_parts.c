/* Snapshots in parts: several messages that add up to the one that everybody else gets. */
#include "cache_world.h"
#include "frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SLACK ((size_t)8 * 1024) /* of a message above FRAME_PART: a small element, short forms, the end */

static const char *const lists[] = {"nodes", "readings", "events", "observations", "memories"};
#define LISTS (sizeof lists / sizeof *lists)

/* A snapshot both ways: whole, and as it comes in parts. */
struct pair {
    struct body *whole, *parted;
    size_t messages;
};

static struct pair render(struct world *w, const char *name)
{
    struct frame_view view = {.cache = w->cache,
                              .instance = "inst",
                              .only = name ? cache_get(w->cache, name, strlen(name)) : NULL,
                              .name = name,
                              .now = w->now};
    struct pair pair = {.whole = frame_snapshot(&view)};
    view.parts = true;
    pair.parted = frame_snapshot(&view);
    assert_non_null(pair.whole);
    assert_null(pair.whole->ends);
    assert_non_null(pair.parted);
    while (pair.parted->ends[pair.messages++] != pair.parted->len) {
    }
    return pair;
}

static void drop(struct pair *pair)
{
    body_unref(pair->whole);
    body_unref(pair->parted);
}

static size_t size_of(const struct pair *pair, size_t i)
{
    return pair->parted->ends[i] - (i > 0 ? pair->parted->ends[i - 1] : 0);
}

static struct json_slice message(const struct pair *pair, size_t i)
{
    struct json_error error;
    const char *data = pair->parted->data + pair->parted->ends[i] - size_of(pair, i);
    assert_true(json_check(data, size_of(pair, i), JSON_MAX_DEPTH, &error));
    return json_root(data, size_of(pair, i));
}

static bool same(struct json_slice a, struct json_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static bool is(struct json_slice value, const char *expected)
{
    return same(value, (struct json_slice){expected, strlen(expected)});
}

/* The elements of a list or the members of an object, as they stand there. */
static void append_inside(struct buf *out, struct json_slice value)
{
    if (value.len > 2) {
        buf_json_sep(out);
        buf_append(out, value.data + 1, value.len - 2);
    }
}

static void check_inside(const struct buf *out, struct json_slice whole)
{
    assert_int_equal(out->len, whole.len - 2);
    assert_memory_equal(out->data, whole.data + 1, out->len);
}

static void check_list(const struct pair *pair, const char *key)
{
    struct buf all = BUF_INIT;
    buf_reserve(&all, 1);
    buf_char(&all, '['); /* so that no comma comes first */
    for (size_t i = 0; i < pair->messages; i++) {
        append_inside(&all, json_member(message(pair, i), key));
    }
    struct buf inside = {.data = all.data + 1, .len = all.len - 1};
    check_inside(&inside, json_member(json_root(pair->whole->data, pair->whole->len), key));
    buf_finish(&all);
}

static void check_stats(const struct pair *pair)
{
    struct json_slice stats = json_member(json_root(pair->whole->data, pair->whole->len), "stats");
    struct buf all = BUF_INIT;
    buf_char(&all, '{');
    for (size_t i = 0; i < pair->messages; i++) {
        struct json_slice some = json_member(message(pair, i), "stats");
        if (some.data) {
            assert_int_equal(json_member(some, "nodes").data != NULL, i == 0);
            assert_true(i > 0 || same(json_member(some, "nodes"), json_member(stats, "nodes")));
            assert_true(i > 0 || same(json_member(some, "totals"), json_member(stats, "totals")));
            append_inside(&all, json_member(some, "by_node"));
        }
    }
    struct buf inside = {.data = all.data + 1, .len = all.len - 1};
    check_inside(&inside, json_member(stats, "by_node"));
    buf_finish(&all);
}

static void check_heads(const struct pair *pair)
{
    struct json_slice whole = json_root(pair->whole->data, pair->whole->len);
    static const char *const always[] = {"instance", "revision", "timestamp"};
    for (size_t i = 0; i < pair->messages; i++) {
        struct json_slice root = message(pair, i);
        assert_true(is(json_member(root, "type"), i == 0 ? "\"snapshot\"" : "\"part\""));
        assert_true(is(json_member(root, "more"), i + 1 < pair->messages ? "true" : "false"));
        for (size_t k = 0; k < 3; k++) {
            assert_true(same(json_member(root, always[k]), json_member(whole, always[k])));
        }
        assert_int_equal(json_member(root, "incidents").data != NULL, i == 0);
        for (size_t k = 0; k < LISTS; k++) {
            struct json_slice list = json_member(root, lists[k]);
            assert_true(i == 0 ? list.data != NULL
                               : list.len != 2); /* the first names all, the others what they have */
        }
    }
}

/* Of which node an element tells. */
static struct json_slice node_of(struct json_slice element)
{
    struct json_slice node = json_member(element, "node");
    return node.data ? node : json_member(element, "name");
}

/* A node comes no later than its readings and its stats, and no node comes before the readings of the one
 * before it are complete. */
static void check_order(const struct pair *pair)
{
    struct json_slice newest = {0};
    for (size_t i = 0; i < pair->messages; i++) {
        struct json_iter nodes = json_iter(json_member(message(pair, i), "nodes"));
        struct json_iter readings = json_iter(json_member(message(pair, i), "readings"));
        bool more = json_next(&readings);
        do {
            while (more && newest.data && same(node_of(readings.value), newest)) {
                more = json_next(&readings);
            }
        } while (json_next(&nodes) && (newest = node_of(nodes.value)).data);
        assert_false(more);
    }
}

static void check(const struct pair *pair)
{
    check_heads(pair);
    check_order(pair);
    check_stats(pair);
    for (size_t i = 0; i < LISTS; i++) {
        check_list(pair, lists[i]);
    }
}

static void check_sizes(const struct pair *pair)
{
    for (size_t i = 0; i < pair->messages; i++) {
        assert_true(size_of(pair, i) <= FRAME_PART + SLACK);
        assert_true(i + 1 == pair->messages || size_of(pair, i) >= FRAME_PART);
    }
}

/* ---- worlds ---- */

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    world_open_live(w);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    world_close(*state);
    free(*state);
    return 0;
}

static void add_node(struct world *w, const char *name)
{
    assert_int_equal(world_beat(w, name, "s", 1), 0);
}

/* A report of `count` items; each has the members that `format` makes of its number. */
static void report(struct world *w, const char *name, enum report_kind kind, const char *key, int count,
                   const char *format)
{
    struct buf body = BUF_INIT;
    buf_printf(&body, "{\"%s\":[", key);
    for (int i = 0; i < count; i++) {
        buf_str(&body, i ? ",{" : "{");
        buf_printf(&body, format, i, i);
        buf_char(&body, '}');
    }
    buf_str(&body, "]}");
    assert_int_equal(world_report(w, name, kind, "s", 1, buf_terminate(&body)), 0);
    buf_finish(&body);
}

static void add_readings(struct world *w, const char *name, int count, const char *format)
{
    report(w, name, REPORT_READINGS, "readings", count, format);
}

/* ---- tests ---- */

static void small_snapshot_is_one_message(void **state)
{
    struct world *w = *state;
    struct pair pair = render(w, NULL);
    assert_int_equal(pair.messages, 1);
    check(&pair);
    drop(&pair);
    add_node(w, "a");
    add_readings(w, "a", 3, "\"full_id\":\"x:%d\",\"value\":%d");
    pair = render(w, NULL);
    assert_int_equal(pair.messages, 1);
    check(&pair);
    /* it is the other one, and a word more */
    assert_int_equal(pair.parted->len, pair.whole->len + strlen(",\"more\":false"));
    assert_memory_equal(pair.parted->data, pair.whole->data, pair.whole->len - 1);
    drop(&pair);
}

static void parts_add_up(void **state)
{
    struct world *w = *state;
    char name[20];
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "n%02d", i);
        add_node(w, name);
        add_readings(w, name, 200, "\"full_id\":\"x:%d\",\"value\":%d,\"unit\":\"celsius\"");
    }
    report(w, "n07", REPORT_OBSERVATIONS, "observations", 30, "\"id\":%d,\"text\":\"%d\"");
    report(w, "n08", REPORT_MEMORIES, "memories", 30, "\"id\":%d,\"text\":\"%d\"");
    struct pair pair = render(w, NULL);
    assert_true(pair.messages >= 6);
    check(&pair);
    check_sizes(&pair);
    assert_true(json_member(message(&pair, 0), "readings").len > 2); /* the nodes are few */
    drop(&pair);
}

static void every_section_may_go_over_several_messages(void **state)
{
    struct world *w = *state;
    char name[20];
    for (int i = 0; i < 700; i++) {
        snprintf(name, sizeof name, "n%03d", i);
        add_node(w, name);
        if (i % 50 == 0) {
            world_status(w, name, "s", "stopped", false);
        }
        char stats[700];
        snprintf(stats, sizeof stats, "{\"node_name\":\"%s\",\"note\":\"%0500d\"}", name, i);
        assert_int_equal(world_report(w, name, REPORT_STATS, "s", 1, stats), 0);
    }
    add_readings(w, "n001", 200, "\"full_id\":\"x:%d\",\"value\":\"%02000d\"");
    report(w, "n002", REPORT_OBSERVATIONS, "observations", 200, "\"id\":%d,\"text\":\"%02000d\"");
    report(w, "n003", REPORT_MEMORIES, "memories", 200, "\"id\":%d,\"text\":\"%02000d\"");
    struct pair pair = render(w, NULL);
    check(&pair);
    check_sizes(&pair);
    size_t with[6] = {0};
    static const char *const keys[] = {"nodes", "readings", "stats", "events", "observations", "memories"};
    for (size_t i = 0; i < pair.messages; i++) {
        for (size_t k = 0; k < 6; k++) {
            struct json_slice has = json_member(message(&pair, i), keys[k]);
            with[k] += has.data && (k == 2 || has.len > 2) ? 1 : 0;
        }
    }
    for (size_t k = 0; k < 6; k++) {
        assert_true(k == 3 ? with[k] == 1 : with[k] >= 3); /* all events are in the first */
    }
    drop(&pair);
}

static void nothing_said_by_nodes_is_taken_for_a_boundary(void **state)
{
    struct world *w = *state;
    add_node(w, "},{\"node\":\"");
    add_node(w, "\",\"more\":true}");
    add_readings(w, "},{\"node\":\"", 600,
                 "\"full_id\":\"}]},{[\\\"%d\",\"value\":{\"more\":false,\"readings\":[[{\"node\":\"},{"
                 "\\\"node\\\":\\\"%d\","
                 "\"type\":\"snapshot\"}]]},\"unit\":\"],\\\"more\\\":true}{\\\"type\\\":\\\"part\\\"\" ");
    add_readings(w, "\",\"more\":true}", 600,
                 " \"full_id\" :\n\"\\\\\\\"%d\" ,\t\"value\" : [ %d , \"\\u0000]}\" ]\n");
    struct pair pair = render(w, NULL);
    assert_true(pair.messages >= 2);
    check(&pair);
    check_sizes(&pair);
    drop(&pair);
}

static void large_elements_stay_whole(void **state)
{
    struct world *w = *state;
    add_node(w, "a");
    add_readings(w, "a", 7, "\"full_id\":\"x:%d\",\"value\":\"%065000d\"");
    struct pair pair = render(w, NULL);
    assert_int_equal(pair.messages, 4);
    check(&pair);
    for (size_t i = 0; i < pair.messages; i++) {
        assert_int_equal(json_count(json_member(message(&pair, i), "readings")), i < 3 ? 2 : 1);
        assert_true(size_of(&pair, i) <= FRAME_PART + LIMIT_ITEM + SLACK);
    }
    drop(&pair);
}

static void one_node_comes_in_parts_too(void **state)
{
    struct world *w = *state;
    add_node(w, "a");
    add_node(w, "b");
    add_readings(w, "a", 600, "\"full_id\":\"x:%d\",\"value\":\"%0500d\"");
    add_readings(w, "b", 3, "\"full_id\":\"x:%d\",\"value\":%d");
    struct pair pair = render(w, "a");
    assert_true(pair.messages >= 3);
    check(&pair);
    check_sizes(&pair);
    drop(&pair);
    pair = render(w, "b");
    assert_int_equal(pair.messages, 1);
    check(&pair);
    drop(&pair);
    pair = render(w, "nobody");
    assert_int_equal(pair.messages, 1);
    check(&pair);
    drop(&pair);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(small_snapshot_is_one_message),
        test(parts_add_up),
        test(every_section_may_go_over_several_messages),
        test(nothing_said_by_nodes_is_taken_for_a_boundary),
        test(large_elements_stay_whole),
        test(one_node_comes_in_parts_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
