#include "events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void events_are_numbered_without_gaps(void **state)
{
    (void)state;
    struct events *events = events_create();
    assert_int_equal(events_last_id(events), 0);
    assert_null(events_older(events, NULL));
    for (uint64_t i = 1; i <= 3; i++) {
        struct event event = {.id = 77, .revision = 10 * i, .node = "kitchen", .to = STATE_STALE};
        assert_int_equal(events_add(events, &event), i);
    }
    uint64_t expected = 3;
    for (const struct event *e = events_older(events, NULL); e; e = events_older(events, e)) {
        assert_int_equal(e->id, expected);
        assert_int_equal(e->revision, 10 * expected);
        assert_string_equal(e->node, "kitchen");
        expected--;
    }
    assert_int_equal(expected, 0);
    events_destroy(events);
}

static void oldest_events_are_dropped(void **state)
{
    (void)state;
    struct events *events = events_create();
    uint64_t added = 2 * EVENTS_MAX + 17;
    for (uint64_t i = 1; i <= added; i++) {
        struct event event = {.at_wall_ms = (int64_t)i};
        snprintf(event.reason, sizeof event.reason, "number %d", (int)i);
        events_add(events, &event);
        size_t count = 0;
        if (i % 333 == 0 || i == added) {
            uint64_t id = i;
            for (const struct event *e = events_older(events, NULL); e;
                 e = events_older(events, e), id--, count++) {
                char reason[REASON_MAX];
                snprintf(reason, sizeof reason, "number %d", (int)id);
                assert_int_equal(e->id, id);
                assert_string_equal(e->reason, reason);
            }
            assert_int_equal(count, i < EVENTS_MAX ? i : EVENTS_MAX);
        }
    }
    assert_int_equal(events_last_id(events), added);
    events_destroy(events);
}

/* Forwards from any id, with ids missing and the oldest dropped. */
static void those_after_an_id_are_found(void **state)
{
    (void)state;
    struct events *events = events_create();
    assert_null(events_after(events, 0));
    for (uint64_t id = 10; id <= 30; id += 10) {
        struct event event = {.id = id};
        assert_int_equal(events_restore(events, &event), 0);
    }
    assert_int_equal(events_skip(events, 100), 0);
    for (int i = 0; i < EVENTS_MAX - 3; i++) {
        struct event event = {.id = 0};
        events_add(events, &event);
    }
    static const struct {
        uint64_t id, next;
    } held[] = {{0, 10}, {9, 10}, {10, 20}, {29, 30}, {30, 101}, {100, 101}, {101, 102}};
    for (size_t i = 0; i < sizeof held / sizeof *held; i++) {
        assert_int_equal(events_after(events, held[i].id)->id, held[i].next);
    }
    uint64_t last = events_last_id(events);
    assert_int_equal(events_after(events, last - 1)->id, last);
    assert_null(events_after(events, last));
    assert_null(events_after(events, UINT64_MAX));
    struct event event = {.id = 0};
    events_add(events, &event); /* takes the place of 10 */
    assert_int_equal(events_after(events, 0)->id, 20);
    size_t count = 0;
    uint64_t id = 0;
    for (const struct event *e = events_after(events, 0); e; e = events_after(events, e->id), count++) {
        assert_true(e->id > id);
        id = e->id;
    }
    assert_int_equal(count, EVENTS_MAX);
    for (const struct event *e = events_older(events, NULL); e; e = events_older(events, e), count--) {
        assert_int_equal(e->id, id);
        id = id == 101 ? 30 : id == 30 ? 20 : id - 1;
    }
    assert_int_equal(count, 0);
    events_destroy(events);
}

static void nothing_is_destroyed_twice(void **state)
{
    (void)state;
    events_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_numbered_without_gaps),
        cmocka_unit_test(oldest_events_are_dropped),
        cmocka_unit_test(those_after_an_id_are_found),
        cmocka_unit_test(nothing_is_destroyed_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
