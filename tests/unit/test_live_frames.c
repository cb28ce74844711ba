#include "cache_world.h"
#include "live_frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The frames of one cache, and what they are asked for. */
struct desk {
    struct world w;
    struct live_frames frames;
    uint64_t seq;
    bool parts; /* those who ask take snapshots in parts */
};

static void report(struct desk *desk, const char *node, const char *readings)
{
    assert_int_equal(world_report(&desk->w, node, REPORT_READINGS, "s", ++desk->seq, readings), 0);
}

static void report_value(struct desk *desk, const char *node, int value)
{
    char readings[100];
    snprintf(readings, sizeof readings, "{\"readings\":[{\"full_id\":\"a:b\",\"value\":%d}]}", value);
    report(desk, node, readings);
}

/* So many readings that a snapshot is large. */
static void fill(struct desk *desk)
{
    enum { READINGS = 600, ROOM = READINGS * 700 };
    char *text = malloc(ROOM);
    size_t len = (size_t)snprintf(text, ROOM, "{\"readings\":[");
    for (int i = 0; i < READINGS; i++) {
        len += (size_t)snprintf(text + len, ROOM - len, "%s{\"full_id\":\"s:%d\",\"value\":\"%0500d\"}",
                                i ? "," : "", i, 0);
    }
    snprintf(text + len, ROOM - len, "]}");
    assert_int_equal(world_beat(&desk->w, "big", "s", ++desk->seq), 0);
    report(desk, "big", text);
    free(text);
}

static const struct live_frame *ask(struct desk *desk, bool fresh, uint64_t seen, const char *node)
{
    char name[NODE_NAME_MAX + 1] = "";
    strcpy(name, node);
    return live_frames_get(&desk->frames, fresh, seen, name, desk->parts, desk->w.now);
}

static void small_snapshot_is_rendered_for_each_revision(void **state)
{
    struct desk *desk = *state;
    const struct live_frame *frame = ask(desk, true, 0, "");
    assert_ptr_equal(ask(desk, true, 0, ""), frame);
    report_value(desk, "pi", 2);
    assert_int_equal(ask(desk, true, 0, "")->to, cache_revision(desk->w.cache));
}

static void large_snapshot_is_shared_while_values_move(void **state)
{
    struct desk *desk = *state;
    fill(desk);
    const struct body *body = ask(desk, true, 0, "")->body;
    assert_true(body->len >= LIVE_LARGE_SNAPSHOT);
    uint64_t to = cache_revision(desk->w.cache);
    for (int i = 0; i < 20; i++) {
        desk->w.now.mono_ms += 200;
        report_value(desk, "pi", 100 + i);
        live_frames_forget(&desk->frames, desk->w.now.mono_ms);
        const struct live_frame *frame = ask(desk, true, 0, "");
        assert_ptr_equal(frame->body, body);
        assert_int_equal(frame->to, to);
        const struct live_frame *rest = ask(desk, false, to, "");
        assert_int_equal(rest->to, cache_revision(desk->w.cache));
        assert_true(rest->body->len < 10000);
    }
    desk->w.now.mono_ms += 1001;
    const struct live_frame *frame = ask(desk, true, 0, "");
    assert_int_equal(frame->to, cache_revision(desk->w.cache)); /* a snapshot of its own after 5 s */
}

static void snapshot_that_no_delta_can_follow_is_not_shared(void **state)
{
    struct desk *desk = *state;
    fill(desk);
    uint64_t to = ask(desk, true, 0, "")->to;
    /* tombstones push each other out: the floor rises above the snapshot */
    for (int i = 0; cache_delta_floor(desk->w.cache) <= to; i++) {
        assert_true(i < 4 * LIMIT_TOMBSTONES);
        report(desk, "pi", "{\"readings\":[]}");
        report_value(desk, "pi", i);
    }
    assert_int_equal(ask(desk, true, 0, "")->to, cache_revision(desk->w.cache));
}

static void snapshots_are_shared_by_those_who_take_them_alike(void **state)
{
    struct desk *desk = *state;
    fill(desk);
    const struct body *whole = ask(desk, true, 0, "")->body;
    desk->parts = true;
    const struct body *parted = ask(desk, true, 0, "")->body;
    assert_null(whole->ends);
    assert_non_null(parted->ends);
    assert_true(parted->ends[0] < parted->len);
    assert_int_equal(desk->frames.bytes, whole->len + parted->len);
    report_value(desk, "pi", 100);
    assert_ptr_equal(ask(desk, true, 0, "")->body, parted); /* both are large, and shared for a while */
    desk->parts = false;
    assert_ptr_equal(ask(desk, true, 0, "")->body, whole);
}

static void deltas_are_shared_by_all(void **state)
{
    struct desk *desk = *state;
    uint64_t since = cache_revision(desk->w.cache);
    report_value(desk, "pi", 100);
    const struct body *body = ask(desk, false, since, "")->body;
    desk->parts = true;
    assert_ptr_equal(ask(desk, false, since, "")->body, body);
    assert_null(body->ends);
}

static void snapshot_instead_of_a_delta_comes_as_wanted(void **state)
{
    struct desk *desk = *state;
    uint64_t since = cache_revision(desk->w.cache);
    assert_int_equal(cache_forget(desk->w.cache, world_node(&desk->w, "pi")), 0);
    fill(desk);
    assert_int_equal(world_beat(&desk->w, "pi", "s", ++desk->seq), 0);
    assert_null(ask(desk, false, since, "")->body->ends);
    desk->parts = true;
    const struct body *parted = ask(desk, false, since, "")->body;
    assert_true(parted->ends && parted->ends[0] < parted->len);
    assert_ptr_equal(ask(desk, false, since, "")->body, parted);
    desk->parts = false;
    assert_null(ask(desk, false, since, "")->body->ends);
    report_value(desk, "pi", 100);
    assert_int_equal(ask(desk, false, since, "")->to, cache_revision(desk->w.cache)); /* it leads up to now */
}

static void what_many_share_outlives_what_single_ones_ask(void **state)
{
    struct desk *desk = *state;
    char name[20];
    uint64_t since = cache_revision(desk->w.cache);
    report_value(desk, "pi", 2);
    const struct body *body = ask(desk, false, since, "")->body;
    for (int i = 0; i < 3 * LIVE_FRAMES_SHARED; i++) {
        snprintf(name, sizeof name, "other-%d", i);
        assert_true(ask(desk, false, since, name)->empty);
        assert_ptr_equal(ask(desk, false, since, "")->body, body);
    }
}

static void bytes_count_all_that_are_alive(void **state)
{
    struct desk *desk = *state;
    struct body *body = body_ref(ask(desk, true, 0, "")->body);
    assert_int_equal(desk->frames.bytes, body->len);
    desk->w.now.mono_ms += 1001;
    live_frames_forget(&desk->frames, desk->w.now.mono_ms);
    assert_int_equal(desk->frames.bytes, body->len); /* a session still writes it */
    live_frames_release(&desk->frames, body);
    assert_int_equal(desk->frames.bytes, 0);
}

static int setup(void **state)
{
    struct desk *desk = calloc(1, sizeof *desk);
    world_open_live(&desk->w);
    desk->frames = (struct live_frames){.cache = desk->w.cache, .instance = "i"};
    assert_int_equal(world_beat(&desk->w, "pi", "s", ++desk->seq), 0);
    report_value(desk, "pi", 1);
    *state = desk;
    return 0;
}

static int teardown(void **state)
{
    struct desk *desk = *state;
    live_frames_finish(&desk->frames);
    assert_int_equal(desk->frames.bytes, 0);
    world_close(&desk->w);
    free(desk);
    return 0;
}

#define at_desk(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        at_desk(small_snapshot_is_rendered_for_each_revision),
        at_desk(large_snapshot_is_shared_while_values_move),
        at_desk(snapshot_that_no_delta_can_follow_is_not_shared),
        at_desk(snapshots_are_shared_by_those_who_take_them_alike),
        at_desk(deltas_are_shared_by_all),
        at_desk(snapshot_instead_of_a_delta_comes_as_wanted),
        at_desk(what_many_share_outlives_what_single_ones_ask),
        at_desk(bytes_count_all_that_are_alive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
