#include "cache_world.h"
#include "names.h"
#include "node_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *state_of(struct world *w, const char *name, size_t limit, uint32_t *ret_left_out)
{
    static char text[16384];
    struct buf out = BUF_INIT;
    uint32_t left_out = node_state_write(&out, world_node(w, name), limit);
    assert_false(out.failed);
    assert_true(json_check(out.data, out.len, JSON_MAX_DEPTH, NULL));
    assert_true(out.len < sizeof text);
    memcpy(text, buf_terminate(&out), out.len + 1);
    buf_finish(&out);
    if (ret_left_out) {
        *ret_left_out = left_out;
    }
    return text;
}

static void report(struct world *w, const char *readings)
{
    static uint64_t seq;
    assert_int_equal(world_readings(w, "pi", "s", ++seq, readings), 0);
}

static void values_are_the_nodes_own_bytes(void **test)
{
    (void)test;
    struct world w;
    world_open_live(&w);
    assert_int_equal(world_beat(&w, "pi", "s", 1), 0);
    report(&w, "{\"full_id\":\"system:cpu_temp\",\"value\":45.30,\"unit\":\"celsius\"},"
               "{\"full_id\":\"a\\\"\\u0000é\",\"\\u0076alue\":{\"x\":[1,null]}},"
               "{\"full_id\":\"none\"},{\"full_id\":\"dup\",\"value\":1,\"value\":\"2\"}");
    assert_string_equal(
        state_of(&w, "pi", NODE_STATE_MAX, NULL),
        "{\"system:cpu_temp\":45.30,\"a\\\"\\u0000é\":{\"x\":[1,null]},\"none\":null,\"dup\":\"2\","
        "\"_node\":{\"state\":\"online\",\"cause\":null,\"via\":\"mqtt\",\"last_seen\":\"2026-11-23T09:00:00."
        "000Z\","
        "\"reason\":\"heartbeats every 10 s\",\"clock_skew_s\":0,\"version\":null,"
        "\"counts\":{\"readings\":4,\"observations\":null,\"memories\":null}}}");
    world_close(&w);
}

/* What orjson, which Home Assistant reads JSON with, refuses together with all that stands around it. */
static void what_strict_readers_refuse_does_not_get_through(void **test)
{
    (void)test;
    struct world w;
    struct buf out = BUF_INIT;
    world_open_live(&w);
    assert_int_equal(world_beat(&w, "pi", "s", 1), 0);
    report(&w, "{\"full_id\":\"a\",\"value\":\"x\\ud83e\\udd99y\\ud83ez\"},"
               "{\"full_id\":\"b\",\"value\":{\"\\udd99\":[1e999,-2.50,1e-999,\"\\\\ud800\",\"1e999\"]}},"
               "{\"full_id\":\"c\",\"value\":1e400},{\"full_id\":\"d\",\"value\":\"\\ud83e\\ud83e\\udd99\"},"
               "{\"full_id\":\"e\",\"value\":[-1e308,true,null]}");
    assert_non_null(strstr(state_of(&w, "pi", NODE_STATE_MAX, NULL),
                           "{\"a\":\"x\\ud83e\\udd99y\\ufffdz\","
                           "\"b\":{\"\\ufffd\":[null,-2.50,1e-999,\"\\\\ud800\",\"1e999\"]},"
                           "\"c\":null,\"d\":\"\\ufffd\\ud83e\\udd99\",\"e\":[-1e308,true,null],\"_node\""));
    assert_int_equal(
        world_report(&w, "pi", REPORT_OBSERVATIONS, "s", 1,
                     "{\"observations\":[{\"id\":1,\"text\":\"\\udc00\",\"confidence\":1e999}]}"),
        0);
    node_state_write_observation(&out, world_node(&w, "pi"));
    assert_string_equal(buf_terminate(&out), "{\"node\":\"pi\",\"at\":null,\"id\":1,\"text\":\"\\ufffd\","
                                             "\"confidence\":null}");
    buf_finish(&out);
    world_close(&w);
}

static void reading_cannot_speak_for_the_node(void **test)
{
    (void)test;
    struct world w;
    uint32_t left_out;
    world_open_live(&w);
    assert_int_equal(world_beat(&w, "pi", "s", 1), 0);
    report(&w,
           "{\"full_id\":\"_node\",\"value\":{\"state\":\"online\"}},{\"full_id\":\"_node:a\",\"value\":1}");
    const char *text = state_of(&w, "pi", NODE_STATE_MAX, &left_out);
    assert_int_equal(left_out, 1);
    assert_non_null(strstr(text, "{\"_node:a\":1,\"_node\":{\"state\":\"online\",\"cause\":null"));
    world_close(&w);
}

static void state_of_a_node_without_anything_is_whole(void **test)
{
    (void)test;
    struct world w;
    world_open(&w);
    world_node(&w, "pi");
    assert_non_null(strstr(state_of(&w, "pi", NODE_STATE_MAX, NULL), "{\"_node\":{\"state\":\"unknown\""));
    world_close(&w);
}

static void what_does_not_fit_is_left_out_and_counted(void **test)
{
    (void)test;
    struct world w;
    uint32_t left_out;
    char readings[4000], *end = readings;
    world_open_live(&w);
    assert_int_equal(world_beat(&w, "pi", "s", 1), 0);
    end += sprintf(end, "{\"full_id\":\"long\",\"value\":\"");
    memset(end, 'x', 500);
    sprintf(end + 500, "\"},{\"full_id\":\"a\",\"value\":1}");
    report(&w, readings);
    const char *text = state_of(&w, "pi", NODE_STATE_LEAST + 100, &left_out);
    assert_int_equal(left_out, 1);
    assert_null(strstr(text, "long"));
    assert_non_null(strstr(text, "{\"a\":1,\"_node\":{\"state\":\"online\""));
    world_close(&w);
}

static void availability_follows_the_state(void **test)
{
    (void)test;
    static const struct {
        enum state state;
        const char *expected;
    } rows[] = {{STATE_ONLINE, "online"},
                {STATE_DEGRADED, "online"},
                {STATE_STALE, "online"},
                {STATE_UNREACHABLE, "offline"},
                {STATE_UNKNOWN, "offline"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct node node = {.verdict = {.state = rows[i].state}};
        assert_string_equal(node_state_availability(&node), rows[i].expected);
    }
}

static void observation_is_the_newest_by_time(void **test)
{
    (void)test;
    struct world w;
    world_open_live(&w);
    assert_int_equal(world_beat(&w, "pi", "s", 1), 0);
    assert_null(node_state_observation(world_node(&w, "pi")));
    assert_int_equal(world_report(&w, "pi", REPORT_OBSERVATIONS, "s", 1,
                                  "{\"observations\":[{\"id\":1,\"timestamp\":\"?\"},"
                                  "{\"id\":2,\"timestamp\":\"2026-11-23T07:00:00\"},"
                                  "{\"id\":3,\"timestamp\":\"2026-11-23T08:00:00\"},"
                                  "{\"id\":4,\"timestamp\":\"2026-11-23T06:00:00\"}]}"),
                     0);
    const struct item *newest = node_state_observation(world_node(&w, "pi"));
    assert_non_null(newest);
    assert_string_equal(newest->id, "3");
    world_close(&w);
}

static void cluster_counts_nodes_by_state(void **test)
{
    (void)test;
    struct world w;
    struct buf out = BUF_INIT;
    world_open_live(&w);
    assert_int_equal(world_beat(&w, "pi", "s", 1), 0);
    node_state_write_cluster(&out, w.cache, "broker:1883", "1.2.3");
    assert_string_equal(buf_terminate(&out),
                        "{\"nodes\":{\"total\":1,\"online\":1,\"degraded\":0,\"stale\":0,\"unreachable\":0,"
                        "\"unknown\":0},\"broker\":\"broker:1883\",\"version\":\"1.2.3\"}");
    buf_finish(&out);
    world_close(&w);
}

static void names_are_found_until_removed(void **test)
{
    (void)test;
    enum { COUNT = 10000 };
    static struct names names;
    static struct names_entry *entries[COUNT];
    static bool met[COUNT];
    char name[16];
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "pi-%d", i);
        assert_null(names_find(&names, name));
        entries[i] = names_add(&names, name, sizeof *entries[i]);
        assert_ptr_equal(names_add(&names, name, sizeof *entries[i]), entries[i]);
    }
    for (int i = 0; i < COUNT; i += 2) {
        names_remove(&names, entries[i]);
    }
    size_t count = 0;
    for (struct names_entry *e = names_next(&names, NULL); e; e = names_next(&names, e), count++) {
        met[atoi(e->name + 3)] = true;
    }
    assert_int_equal(count, names.count);
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "pi-%d", i);
        assert_ptr_equal(names_find(&names, name), i % 2 ? entries[i] : NULL);
        assert_int_equal(met[i], i % 2);
    }
    names_finish(&names);
    assert_null(names_next(&names, NULL));
}

static void who_waits_is_taken_in_its_order(void **test)
{
    (void)test;
    struct names names = {0};
    struct names_list list = {0};
    struct names_entry *a = names_add(&names, "a", sizeof *a), *b = names_add(&names, "b", sizeof *b);
    names_put(&list, a);
    names_put(&list, b);
    assert_int_equal(list.count, 2);
    assert_ptr_equal(names_take(&list), a);
    assert_false(a->listed);
    names_put(&list, a);
    assert_ptr_equal(names_take(&list), b);
    assert_ptr_equal(names_take(&list), a);
    assert_null(list.first);
    names_put(&list, b);
    assert_ptr_equal(list.first, b);
    names_finish(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_the_nodes_own_bytes),
        cmocka_unit_test(what_strict_readers_refuse_does_not_get_through),
        cmocka_unit_test(reading_cannot_speak_for_the_node),
        cmocka_unit_test(state_of_a_node_without_anything_is_whole),
        cmocka_unit_test(what_does_not_fit_is_left_out_and_counted),
        cmocka_unit_test(availability_follows_the_state),
        cmocka_unit_test(observation_is_the_newest_by_time),
        cmocka_unit_test(cluster_counts_nodes_by_state),
        cmocka_unit_test(names_are_found_until_removed),
        cmocka_unit_test(who_waits_is_taken_in_its_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
