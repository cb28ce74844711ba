#include "telling.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define WALL_MS INT64_C(1795420800000) /* 2026-11-23T08:00:00Z */

static void a_burst_is_told_and_then_less_and_less(void **state)
{
    (void)state;
    struct telling t = {0};
    static const int64_t later_min[] = {1, 3, 7, 15, 25, 35, 45, 55};
    size_t told = 0, later = 0;
    for (int64_t now_ms = 0; now_ms < 3600 * 1000; now_ms += 500) {
        if (!telling_may(&t, true, now_ms, WALL_MS)) {
            continue;
        }
        if (told++ >= TELLING_BURST) {
            assert_int_equal((now_ms - (TELLING_BURST - 1) * 500) / 60000, later_min[later++]);
        }
    }
    assert_int_equal(later, sizeof later_min / sizeof *later_min);
    assert_int_equal(t.untold, 7200 - told);
}

static void after_a_rest_all_is_told_again(void **state)
{
    (void)state;
    struct telling t = {0};
    int64_t now_ms = 1000;
    for (int i = 0; i < 3 * TELLING_BURST; i++) {
        telling_may(&t, true, now_ms, WALL_MS);
    }
    now_ms += TELLING_REST_MS;
    assert_true(telling_may(&t, false, now_ms, WALL_MS)); /* what was left; no change */
    for (int i = 0; i < TELLING_BURST; i++) {
        assert_true(telling_may(&t, true, now_ms, WALL_MS));
    }
    assert_false(telling_may(&t, true, now_ms, WALL_MS));
}

static void who_changes_seldom_is_always_told(void **state)
{
    (void)state;
    struct telling t = {0};
    for (int64_t i = 0; i < 1000; i++) {
        assert_true(telling_may(&t, true, 1 + i * TELLING_REST_MS, WALL_MS));
    }
}

static void the_next_event_says_how_many_were_left_out(void **state)
{
    (void)state;
    struct telling t = {0};
    char reason[240] = "no heartbeat";
    telling_append(&t, reason, sizeof reason);
    assert_string_equal(reason, "no heartbeat");
    for (int i = 0; i < TELLING_BURST; i++) {
        assert_true(telling_may(&t, true, 1000, WALL_MS));
    }
    assert_false(telling_may(&t, true, 2000, WALL_MS + 1000));
    assert_false(telling_may(&t, true, 3000, WALL_MS + 2000));
    assert_false(telling_may(&t, false, 4000, WALL_MS + 3000));
    assert_true(telling_may(&t, false, 1000 + TELLING_MIN_MS, WALL_MS + 9000));
    telling_append(&t, reason, sizeof reason);
    assert_string_equal(reason,
                        "no heartbeat (2 changes since 2026-11-23T08:00:01Z were not told one by one)");
    assert_int_equal(t.untold, 0);
    assert_false(telling_may(&t, true, 1001 + TELLING_MIN_MS, WALL_MS));
}

static void a_long_reason_is_cut_for_it_at_a_characters_boundary(void **state)
{
    (void)state;
    struct telling t = {.untold = 4000000000u, .untold_since_wall_ms = WALL_MS};
    char reason[240];
    for (size_t i = 0; i + 2 < sizeof reason; i += 2) {
        memcpy(reason + i, "\xc3\xa4", 3);
    }
    telling_append(&t, reason, sizeof reason);
    assert_true(strlen(reason) < sizeof reason);
    assert_non_null(strstr(reason, "\xc3\xa4 (4000000000 changes since"));
    assert_string_equal(reason + strlen(reason) - 11, "one by one)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_is_told_and_then_less_and_less),
        cmocka_unit_test(after_a_rest_all_is_told_again),
        cmocka_unit_test(who_changes_seldom_is_always_told),
        cmocka_unit_test(the_next_event_says_how_many_were_left_out),
        cmocka_unit_test(a_long_reason_is_cut_for_it_at_a_characters_boundary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
