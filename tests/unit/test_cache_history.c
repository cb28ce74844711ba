/* What of the readings becomes history: which samples, of when, and what they cost. */
#include "buf.h"
#include "cache_world.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NODE   "kitchen"
#define SENSOR "system:cpu_temp"

struct read {
    struct history_point points[HISTORY_POINTS];
    size_t count;
};

static uint64_t seq;

static int set_up(void **state)
{
    static struct world w;
    world_open_live(&w);
    world_beat(&w, NODE, "s1", 1);
    seq = 0;
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    world_close(*state);
    return 0;
}

/* One reading; a time of NULL is none. */
static const char *body_of(const char *id, const char *value, const char *time, const char *metadata)
{
    static char body[512];
    snprintf(body, sizeof body,
             "{\"timestamp\":\"x\",\"readings\":[{\"full_id\":\"%s\",\"value\":%s,\"unit\":null,%s%s%s"
             "\"metadata\":%s}]}",
             id, value, time ? "\"timestamp\":\"" : "", time ? time : "", time ? "\"," : "", metadata);
    return body;
}

/* UTC, `offset_ms` after now. */
static const char *time_at(const struct world *w, int64_t offset_ms)
{
    static char text[TIMESTAMP_SIZE];
    return timestamp_format(w->now.wall_ms + offset_ms, text);
}

static void report(struct world *w, const char *value, const char *time)
{
    assert_int_equal(
        world_report(w, NODE, REPORT_READINGS, "s1", ++seq, body_of(SENSOR, value, time, "null")), 0);
}

static struct read *read_of(struct world *w, const char *node)
{
    static struct read r;
    const struct item *item = world_item(w, node, ITEM_READING, SENSOR);
    assert_non_null(item);
    r.count = history_read(item->history, w->now.mono_ms - HISTORY_SPAN_MS, r.points);
    return &r;
}

static void wait_ms(struct world *w, int64_t ms)
{
    w->now.mono_ms += ms;
    w->now.wall_ms += ms;
}

static void each_report_is_a_sample(void **state)
{
    struct world *w = *state;
    static const char *const values[] = {"45.3", "45.3", "45.4", "45"};
    int64_t first_ms = w->now.mono_ms - 200;
    for (size_t i = 0; i < 4; i++) {
        report(w, values[i], time_at(w, -200));
        wait_ms(w, 5000);
    }
    struct read *r = read_of(w, NODE);
    assert_int_equal(r->count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(r->points[i].at_ms, first_ms + 5000 * (int64_t)i);
        assert_float_equal(r->points[i].value, strtof(values[i], NULL), 0);
    }
}

static void same_time_is_the_same_sample(void **state)
{
    struct world *w = *state;
    char frozen[TIMESTAMP_SIZE];
    strcpy(frozen, time_at(w, 0));
    for (int i = 0; i < 10; i++) {
        report(w, "7", frozen);
        wait_ms(w, 5000);
    }
    assert_int_equal(read_of(w, NODE)->count, 1);
    report(w, "8", frozen); /* but another value is another sample, of now since its time is taken */
    struct read *r = read_of(w, NODE);
    assert_float_equal(r->points[r->count - 1].value, 8, 0);
}

static void without_a_time_it_is_that_of_the_report(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 3; i++) {
        report(w, "7", NULL);
        wait_ms(w, 5000);
    }
    struct read *r = read_of(w, NODE);
    assert_int_equal(r->count, 2); /* it stands still */
    assert_int_equal(r->points[1].at_ms - r->points[0].at_ms, 10000);
}

static void implausible_time_is_that_of_the_report(void **state)
{
    struct world *w = *state;
    static const int64_t offsets[] = {-3 * 3600 * 1000, 60 * 1000, -INT64_C(1000000000000),
                                      INT64_C(40000000000)};
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        char value[8];
        snprintf(value, sizeof value, "%zu", i);
        report(w, value, time_at(w, offsets[i]));
        struct read *r = read_of(w, NODE);
        assert_int_equal(r->count, i + 1);
        assert_int_equal(r->points[i].at_ms, w->now.mono_ms);
        wait_ms(w, 5000);
    }
}

/* A report, captured just now by the node's clock. */
static void report_by_clock(struct world *w, const char *value, int64_t wall_ms)
{
    char text[TIMESTAMP_SIZE];
    struct report r = {
        .node_slice = {.data = "\"" NODE "\"", .len = strlen("\"" NODE "\"")},
        .kind = REPORT_READINGS,
        .session = "s1",
        .seq = ++seq,
        .captured_at_ms = wall_ms,
    };
    const char *body = body_of(SENSOR, value, timestamp_format(wall_ms, text), "null");
    r.body = json_root(body, strlen(body));
    assert_int_equal(cache_report(w->cache, world_node(w, NODE), &r, false, -1, w->now, &w->fault), 0);
}

/* The node's clock is ten minutes slow, then is set right; ours is set ahead and back, twice. A heartbeat
 * comes with every second report. */
static void wrong_clocks_move_nothing(void **state)
{
    struct world *w = *state;
    int64_t first_ms = w->now.mono_ms, utc_ms = w->now.wall_ms;
    for (int i = 0; i < 40; i++) {
        int64_t theirs_ms = utc_ms - (i < 5 ? 600000 : 0);
        w->now.wall_ms = utc_ms + (i / 9 % 2 ? 1800000 : 0);
        if (i % 2 == 0) {
            struct heartbeat h = heartbeat_of(w, NODE, "s1", (uint64_t)i + 2);
            h.at_ms = theirs_ms;
            assert_int_equal(world_heartbeat(w, &h, false, -1), 0);
        }
        char value[8];
        snprintf(value, sizeof value, "%d", i);
        report_by_clock(w, value, theirs_ms);
        w->now.mono_ms += 5000;
        utc_ms += 5000;
    }
    struct read *r = read_of(w, NODE);
    assert_true(r->count >= 8);
    for (size_t i = 0; i < r->count; i++) {
        assert_true(isfinite(r->points[i].value));
        assert_int_equal(r->points[i].at_ms, first_ms + 5000 * (int64_t)r->points[i].value);
    }
}

static void replayed_report_is_of_its_own_time(void **state)
{
    struct world *w = *state;
    struct report r = {
        .node_slice = {.data = "\"old\"", .len = 5},
        .kind = REPORT_READINGS,
        .session = "s1",
        .seq = 1,
        .captured_at_ms = w->now.wall_ms - 600000,
    };
    const char *body = body_of(SENSOR, "5", time_at(w, -600000), "null");
    r.body = json_root(body, strlen(body));
    assert_int_equal(cache_report(w->cache, world_node(w, "old"), &r, true, 600, w->now, &w->fault), 0);
    struct read *got = read_of(w, "old");
    assert_int_equal(got->count, 1);
    assert_int_equal(got->points[0].at_ms, w->now.mono_ms - 600000);
}

static void silent_node_leaves_a_gap(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 10; i++) {
        report(w, "7", time_at(w, 0));
        wait_ms(w, 5000);
    }
    wait_ms(w, 600000);
    assert_int_equal(read_of(w, NODE)->count, 2);
    report(w, "7", time_at(w, 0));
    struct read *r = read_of(w, NODE);
    assert_int_equal(r->count, 4);
    assert_true(isnan(r->points[2].value));
    assert_int_equal(r->points[2].at_ms, r->points[1].at_ms + 1);
}

static void what_is_no_number_has_no_history(void **state)
{
    struct world *w = *state;
    static const char *const values[] = {"null", "\"on\"", "true", "[1]", "1e400"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        report(w, values[i], time_at(w, 0));
        wait_ms(w, 5000);
    }
    assert_null(world_item(w, NODE, ITEM_READING, SENSOR)->history);
    report(w, "1", time_at(w, 0));
    wait_ms(w, 5000);
    report(w, "\"off\"", time_at(w, 0));
    struct read *r = read_of(w, NODE);
    assert_int_equal(r->count, 2);
    assert_true(isnan(r->points[1].value));
}

static void repeated_id_counts_once(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 3; i++) {
        char body[400];
        snprintf(body, sizeof body,
                 "{\"readings\":[{\"full_id\":\"" SENSOR "\",\"value\":1,\"timestamp\":\"%s\"},"
                 "{\"full_id\":\"" SENSOR "\",\"value\":2,\"timestamp\":\"%s\"}]}",
                 time_at(w, 0), time_at(w, 0));
        assert_int_equal(world_report(w, NODE, REPORT_READINGS, "s1", ++seq, body), 0);
        wait_ms(w, 5000);
    }
    struct read *r = read_of(w, NODE);
    for (size_t i = 0; i < r->count; i++) {
        assert_float_equal(r->points[i].value, 2, 0);
    }
}

static void polled_and_edge_readings_have_one(void **state)
{
    struct world *w = *state;
    cache_add_manual(w->cache, "polled", "http://192.168.1.9:8080", w->now);
    for (int i = 0; i < 3; i++) {
        char value[8];
        snprintf(value, sizeof value, "%d", i);
        /* a clock that is ten minutes slow, which nobody knows: the time of the poll counts */
        assert_int_equal(world_poll_body(w, "polled", REPORT_READINGS,
                                         body_of(SENSOR, value, time_at(w, -600000), "null")),
                         0);
        assert_int_equal(world_edge(w, "edge", body_of(SENSOR, value, time_at(w, -1000), "null")), 0);
        assert_int_equal(world_report(w, NODE, REPORT_READINGS, "s1", ++seq,
                                      body_of("far:" SENSOR, value, time_at(w, -2000), "{\"node\":\"far\"}")),
                         0);
        wait_ms(w, 60000);
    }
    static const struct {
        const char *node;
        int64_t age_ms;
    } cases[] = {{"polled", 0}, {"edge", 1000}, {"far", 2000}};
    for (size_t i = 0; i < 3; i++) {
        struct read *r = read_of(w, cases[i].node);
        assert_int_equal(r->count, 3);
        assert_int_equal(r->points[2].at_ms, w->now.mono_ms - 60000 - cases[i].age_ms);
        assert_float_equal(r->points[2].value, 2, 0);
    }
}

static void polled_time_counts_where_the_clock_is_known(void **state)
{
    struct world *w = *state;
    struct heartbeat h = heartbeat_of(w, "skewed", "s1", 1);
    h.at_ms -= 600000;
    world_heartbeat(w, &h, false, -1);
    world_wait(w, 120000); /* gone */
    world_poll_body(w, "skewed", REPORT_READINGS, body_of(SENSOR, "1", time_at(w, -603000), "null"));
    struct read *r = read_of(w, "skewed");
    assert_int_equal(r->count, 1);
    assert_int_equal(r->points[0].at_ms, w->now.mono_ms - 3000);
}

static void history_goes_with_its_reading(void **state)
{
    struct world *w = *state;
    report(w, "1", time_at(w, 0));
    assert_int_equal(cache_history(w->cache).count, 1);
    assert_int_equal(cache_history(w->cache).limit, LIMIT_HISTORY);
    world_report(w, NODE, REPORT_READINGS, "s1", ++seq, "{\"readings\":[]}");
    assert_int_equal(cache_history(w->cache).count, 0);
    report(w, "1", time_at(w, 0));
    assert_int_equal(cache_forget(w->cache, world_node(w, NODE)), 0);
    assert_int_equal(cache_history(w->cache).count, 0);
    assert_int_equal(cache_history(w->cache).bytes, 0);
}

/* Twenty readings at the start: their histories are a small part of the 16 KB that a node may cost. */
static void first_points_cost_little(void **state)
{
    struct world *w = *state;
    for (int round = 0; round < 2; round++) {
        struct buf body = BUF_INIT;
        buf_str(&body, "{\"readings\":[");
        for (int i = 0; i < 20; i++) {
            buf_json_sep(&body);
            buf_printf(&body, "{\"full_id\":\"s:%d\",\"value\":%d,\"timestamp\":\"%s\"}", i, round,
                       time_at(w, 0));
        }
        buf_str(&body, "]}");
        assert_int_equal(world_report(w, NODE, REPORT_READINGS, "s1", ++seq, buf_terminate(&body)), 0);
        buf_finish(&body);
        wait_ms(w, 5000);
    }
    assert_int_equal(cache_history(w->cache).count, 20);
    assert_int_equal(cache_history(w->cache).bytes, 20 * 48);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(each_report_is_a_sample),
        test(same_time_is_the_same_sample),
        test(without_a_time_it_is_that_of_the_report),
        test(implausible_time_is_that_of_the_report),
        test(wrong_clocks_move_nothing),
        test(replayed_report_is_of_its_own_time),
        test(silent_node_leaves_a_gap),
        test(what_is_no_number_has_no_history),
        test(repeated_id_counts_once),
        test(polled_and_edge_readings_have_one),
        test(polled_time_counts_where_the_clock_is_known),
        test(history_goes_with_its_reading),
        test(first_points_cost_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
