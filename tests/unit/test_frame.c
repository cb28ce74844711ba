#include "cache_world.h"
#include "frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A frame as checked JSON; `body` NULL = there was none. */
struct seen {
    struct body *body;
    struct json_slice root;
    bool empty;
};

static struct seen seen_of(struct body *body, bool empty)
{
    struct seen seen = {.body = body, .empty = empty};
    struct json_error error;
    if (body) {
        assert_true(json_check(body->data, body->len, JSON_MAX_DEPTH, &error));
        seen.root = json_root(body->data, body->len);
    }
    return seen;
}

static struct frame_view view_of(const struct world *w, const char *name)
{
    return (struct frame_view){.cache = w->cache,
                               .instance = "inst",
                               .only = name ? cache_get(w->cache, name, strlen(name)) : NULL,
                               .name = name,
                               .now = w->now};
}

static struct seen snapshot(struct world *w, const char *name)
{
    const struct frame_view view = view_of(w, name);
    return seen_of(frame_snapshot(&view), false);
}

static struct seen delta(struct world *w, uint64_t since, const char *name)
{
    const struct frame_view view = view_of(w, name);
    bool empty = false;
    assert_false(frame_needs_snapshot(&view, since));
    struct body *body = frame_delta(&view, since, &empty);
    assert_int_equal(empty, body == NULL);
    return seen_of(body, empty);
}

static void drop(struct seen *seen)
{
    body_unref(seen->body);
    *seen = (struct seen){0};
}

static bool is(struct json_slice value, const char *expected)
{
    return value.len == strlen(expected) && memcmp(value.data, expected, value.len) == 0;
}

#define assert_member(seen, key, expected)                                 \
    do {                                                                   \
        struct json_slice value_ = json_member((seen).root, key);          \
        if (!is(value_, expected)) {                                       \
            fail_msg("%s is %.*s", key, value_.data ? (int)value_.len : 4, \
                     value_.data ? value_.data : "none");                  \
        }                                                                  \
    } while (0)

static bool has(const struct seen *seen, const char *key)
{
    return json_member(seen->root, key).data != NULL;
}

static void assert_down_since(const struct seen *seen, int64_t wall_ms)
{
    char text[TIMESTAMP_SIZE], quoted[TIMESTAMP_SIZE + 2];
    snprintf(quoted, sizeof quoted, "\"%s\"", timestamp_format(wall_ms, text));
    assert_member(*seen, "broker_down_since", quoted);
}

static size_t count(const struct seen *seen, const char *key)
{
    return json_count(json_member(seen->root, key));
}

#define READING(id, value) "{\"full_id\":\"" id "\",\"value\":" value ",\"unit\":null}"
#define READINGS(list)     "{\"readings\":[" list "]}"

static void furnish(struct world *w)
{
    world_open_live(w);
    assert_int_equal(world_beat(w, "a", "s", 1), 0);
    assert_int_equal(world_beat(w, "b", "s", 1), 0);
    assert_int_equal(
        world_report(w, "a", REPORT_READINGS, "s", 1, READINGS(READING("x:1", "1") "," READING("x:2", "2"))),
        0);
    assert_int_equal(world_report(w, "b", REPORT_READINGS, "s", 1, READINGS(READING("x:1", "3"))), 0);
}

static void snapshot_holds_everything(void **state)
{
    (void)state;
    struct world w;
    furnish(&w);
    world_report(&w, "a", REPORT_OBSERVATIONS, "s", 1, "{\"observations\":[{\"id\":1,\"text\":\"o\"}]}");
    world_report(&w, "b", REPORT_MEMORIES, "s", 1, "{\"memories\":[{\"id\":2,\"text\":\"m\"}]}");
    world_report(&w, "a", REPORT_STATS, "s", 1, "{\"node_name\":\"a\"}");
    struct seen seen = snapshot(&w, NULL);
    char revision[24];
    snprintf(revision, sizeof revision, "%llu", (unsigned long long)cache_revision(w.cache));
    assert_member(seen, "type", "\"snapshot\"");
    assert_member(seen, "instance", "\"inst\"");
    assert_member(seen, "revision", revision);
    assert_member(seen, "timestamp", "\"2026-11-23T09:00:00.000Z\"");
    assert_int_equal(count(&seen, "nodes"), 2);
    assert_member(seen, "readings",
                  "[{\"node\":\"a\",\"at\":null,\"full_id\":\"x:1\",\"value\":1,\"unit\":null},"
                  "{\"node\":\"a\",\"at\":null,\"full_id\":\"x:2\",\"value\":2,\"unit\":null},"
                  "{\"node\":\"b\",\"at\":null,\"full_id\":\"x:1\",\"value\":3,\"unit\":null}]");
    assert_member(seen, "observations", "[{\"node\":\"a\",\"at\":null,\"id\":1,\"text\":\"o\"}]");
    assert_member(seen, "memories", "[{\"node\":\"b\",\"at\":null,\"id\":2,\"text\":\"m\"}]");
    assert_member(seen, "events", "[]");
    assert_true(is(json_member(json_member(seen.root, "stats"), "by_node"),
                   "{\"a\":{\"node_name\":\"a\"},\"b\":null}"));
    assert_false(has(&seen, "removed"));
    struct json_iter nodes = json_iter(json_member(seen.root, "nodes"));
    while (json_next(&nodes)) {
        assert_null(json_member(nodes.value, "age_s").data); /* would be old at once */
    }
    drop(&seen);
    world_close(&w);
}

static void snapshot_keeps_the_newest_texts_and_events(void **state)
{
    (void)state;
    struct world w;
    furnish(&w);
    struct buf body = BUF_INIT;
    buf_str(&body, "{\"observations\":[");
    for (int i = 0; i < 210; i++) {
        buf_printf(&body, "%s{\"id\":%d,\"timestamp\":\"2026-11-23T08:%02d:%02d\",\"text\":\"\"}",
                   i ? "," : "", i, i / 60, i % 60);
    }
    buf_str(&body, "]}");
    assert_int_equal(world_report(&w, "a", REPORT_OBSERVATIONS, "s", 1, buf_terminate(&body)), 0);
    buf_finish(&body);
    for (uint64_t i = 0; i < 30; i++) {
        world_status(&w, "a", "s", "stopped", false);
        world_wait(&w, 1000);
        assert_int_equal(world_beat(&w, "a", "s", 10 + i), 0);
    }
    assert_true(world_events(&w) >= 60);
    struct seen seen = snapshot(&w, NULL);
    assert_int_equal(count(&seen, "observations"), 200);
    struct json_iter it = json_iter(json_member(seen.root, "observations"));
    assert_true(json_next(&it) && is(json_member(it.value, "id"), "209"));
    assert_int_equal(count(&seen, "events"), 50);
    it = json_iter(json_member(seen.root, "events"));
    char id[24];
    snprintf(id, sizeof id, "%zu", world_events(&w));
    assert_true(json_next(&it) && is(json_member(it.value, "id"), id));
    drop(&seen);
    world_close(&w);
}

static void nothing_new_is_no_frame(void **state)
{
    (void)state;
    struct world w;
    furnish(&w);
    struct seen seen = delta(&w, cache_revision(w.cache), NULL);
    assert_true(seen.empty);
    world_close(&w);
}

static void delta_tells_each_change_once_with_its_last_value(void **state)
{
    (void)state;
    struct world w;
    furnish(&w);
    uint64_t since = cache_revision(w.cache);
    for (uint64_t i = 2; i < 6; i++) {
        char body[200];
        snprintf(body, sizeof body, READINGS(READING("x:1", "%llu") "," READING("x:2", "2")),
                 (unsigned long long)i * 10);
        assert_int_equal(world_report(&w, "a", REPORT_READINGS, "s", i, body), 0);
    }
    struct seen seen = delta(&w, since, NULL);
    assert_member(seen, "type", "\"delta\"");
    assert_member(seen, "readings",
                  "[{\"node\":\"a\",\"at\":null,\"full_id\":\"x:1\",\"value\":50,\"unit\":null}]");
    assert_false(has(&seen, "removed"));
    assert_false(has(&seen, "observations"));
    assert_false(has(&seen, "memories"));
    assert_false(has(&seen, "events"));
    drop(&seen);
    world_close(&w);
}

static void new_timestamp_alone_moves_no_reading(void **state)
{
    (void)state;
    struct world w;
    furnish(&w);
    world_report(
        &w, "a", REPORT_READINGS, "s", 2,
        READINGS("{\"full_id\":\"x:1\",\"value\":1,\"unit\":null,\"timestamp\":\"2026-11-23T08:00:00\"}"));
    uint64_t since = cache_revision(w.cache);
    world_wait(&w, 5000);
    world_report(
        &w, "a", REPORT_READINGS, "s", 3,
        READINGS("{\"full_id\":\"x:1\",\"value\":1,\"unit\":null,\"timestamp\":\"2026-11-23T08:00:05\"}"));
    struct seen seen = delta(&w, since, NULL);
    assert_false(has(&seen, "readings"));
    assert_int_equal(count(&seen, "nodes"), 1); /* its captured_at: the age of what did not change */
    drop(&seen);
    world_close(&w);
}

static void what_vanished_is_removed(void **state)
{
    (void)state;
    struct world w;
    furnish(&w);
    world_report(&w, "a", REPORT_OBSERVATIONS, "s", 1,
                 "{\"observations\":[{\"id\":\"q\\\"1\",\"text\":\"\"},{\"id\":2,\"text\":\"\"}]}");
    uint64_t since = cache_revision(w.cache);
    world_report(&w, "a", REPORT_READINGS, "s", 2, READINGS(READING("x:2", "2")));
    world_report(&w, "a", REPORT_OBSERVATIONS, "s", 2, "{\"observations\":[{\"id\":2,\"text\":\"\"}]}");
    struct seen seen = delta(&w, since, NULL);
    assert_member(seen, "removed", "{\"readings\":[[\"a\",\"x:1\"]],\"observations\":[[\"a\",\"q\\\"1\"]]}");
    drop(&seen);
    since = cache_revision(w.cache);
    assert_int_equal(cache_forget(w.cache, world_node(&w, "b")), 0);
    seen = delta(&w, since, NULL);
    assert_member(seen, "removed", "{\"nodes\":[\"b\"]}");
    assert_true(is(json_member(json_member(json_member(seen.root, "stats"), "nodes"), "total"), "1"));
    drop(&seen);
    world_close(&w);
}

static void what_came_back_is_not_removed(void **state)
{
    (void)state;
    struct world w;
    furnish(&w);
    uint64_t since = cache_revision(w.cache);
    world_report(&w, "a", REPORT_READINGS, "s", 2, READINGS(READING("x:2", "2")));
    world_report(&w, "a", REPORT_READINGS, "s", 3, READINGS(READING("x:1", "7") "," READING("x:2", "2")));
    struct seen seen = delta(&w, since, NULL);
    assert_false(has(&seen, "removed"));
    assert_member(seen, "readings",
                  "[{\"node\":\"a\",\"at\":null,\"full_id\":\"x:1\",\"value\":7,\"unit\":null}]");
    drop(&seen);
    /* removed twice is told once */
    world_report(&w, "a", REPORT_READINGS, "s", 4, READINGS(READING("x:2", "2")));
    seen = delta(&w, since, NULL);
    assert_member(seen, "removed", "{\"readings\":[[\"a\",\"x:1\"]]}");
    drop(&seen);
    world_close(&w);
}

static void node_that_came_back_needs_a_snapshot(void **state)
{
    (void)state;
    struct world w;
    furnish(&w);
    uint64_t since = cache_revision(w.cache);
    assert_int_equal(cache_forget(w.cache, world_node(&w, "a")), 0);
    assert_int_equal(world_beat(&w, "a", "t", 1), 0);
    const struct frame_view view = view_of(&w, NULL);
    assert_true(frame_needs_snapshot(&view, since));
    assert_false(frame_needs_snapshot(&view, cache_revision(w.cache)));
    struct seen seen = snapshot(&w, NULL);
    assert_int_equal(count(&seen, "readings"), 1); /* those of b; what a had is gone */
    drop(&seen);
    seen = delta(&w, since, "b");
    assert_true(seen.empty);
    world_close(&w);
}

static void filter_narrows_to_one_node(void **state)
{
    (void)state;
    struct world w;
    furnish(&w);
    struct seen seen = snapshot(&w, "b");
    assert_int_equal(count(&seen, "nodes"), 1);
    assert_member(seen, "readings",
                  "[{\"node\":\"b\",\"at\":null,\"full_id\":\"x:1\",\"value\":3,\"unit\":null}]");
    drop(&seen);
    uint64_t since = cache_revision(w.cache);
    world_status(&w, "a", "s", "stopped", false);
    world_report(&w, "a", REPORT_READINGS, "s", 2, READINGS(READING("x:9", "2")));
    seen = delta(&w, since, "b");
    assert_true(seen.empty);
    world_report(&w, "b", REPORT_READINGS, "s", 2, READINGS(READING("x:1", "4")));
    seen = delta(&w, since, "b");
    assert_int_equal(count(&seen, "nodes"), 1);
    assert_int_equal(count(&seen, "readings"), 1);
    assert_false(has(&seen, "events"));
    assert_false(has(&seen, "removed"));
    assert_true(is(json_member(json_member(json_member(seen.root, "stats"), "nodes"), "total"), "1"));
    drop(&seen);
    seen = delta(&w, since, "a");
    assert_int_equal(count(&seen, "events"), 1);
    drop(&seen);
    world_close(&w);
}

static void outage_concerns_every_filter(void **state)
{
    (void)state;
    struct world w;
    furnish(&w);
    uint64_t since = cache_revision(w.cache);
    cache_link(w.cache, false, w.now);
    world_wait(&w, 6000);
    struct seen seen = delta(&w, since, "b");
    struct json_iter it = json_iter(json_member(seen.root, "events"));
    assert_true(json_next(&it) && is(json_member(it.value, "node"), "null"));
    drop(&seen);
    world_close(&w);
}

static void every_frame_tells_since_when_the_broker_is_away(void **state)
{
    (void)state;
    struct world w;
    furnish(&w);
    struct seen seen = snapshot(&w, NULL);
    assert_member(seen, "broker_down_since", "null");
    drop(&seen);
    uint64_t since = cache_revision(w.cache);
    w.now.mono_ms += 1000;
    w.now.wall_ms += 1000;
    cache_link(w.cache, false, w.now);
    seen = delta(&w, since, "nobody");
    assert_down_since(&seen, w.now.wall_ms);
    drop(&seen);
    since = cache_revision(w.cache);
    cache_link(w.cache, true, w.now);
    seen = delta(&w, since, "nobody"); /* the return alone is news, too */
    assert_member(seen, "broker_down_since", "null");
    drop(&seen);
    world_close(&w);
}

static void node_not_known_yet_appears_when_it_comes(void **state)
{
    (void)state;
    struct world w;
    furnish(&w);
    struct seen seen = snapshot(&w, "c");
    assert_member(seen, "nodes", "[]");
    assert_member(seen, "readings", "[]");
    assert_true(is(json_member(json_member(json_member(seen.root, "stats"), "nodes"), "total"), "0"));
    drop(&seen);
    uint64_t since = cache_revision(w.cache);
    assert_int_equal(world_beat(&w, "c", "s", 1), 0);
    seen = delta(&w, since, "c");
    assert_int_equal(count(&seen, "nodes"), 1);
    drop(&seen);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snapshot_holds_everything),
        cmocka_unit_test(snapshot_keeps_the_newest_texts_and_events),
        cmocka_unit_test(nothing_new_is_no_frame),
        cmocka_unit_test(delta_tells_each_change_once_with_its_last_value),
        cmocka_unit_test(new_timestamp_alone_moves_no_reading),
        cmocka_unit_test(what_vanished_is_removed),
        cmocka_unit_test(what_came_back_is_not_removed),
        cmocka_unit_test(node_that_came_back_needs_a_snapshot),
        cmocka_unit_test(filter_narrows_to_one_node),
        cmocka_unit_test(outage_concerns_every_filter),
        cmocka_unit_test(every_frame_tells_since_when_the_broker_is_away),
        cmocka_unit_test(node_not_known_yet_appears_when_it_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
