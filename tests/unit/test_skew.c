#include "skew.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define S     INT64_C(1000)
#define EVERY (10 * S)

/* Heartbeats, one per interval; the last one's judgement. */
struct beats {
    struct skew skew;
    int64_t now_ms;
};

static bool beat(struct beats *beats, int64_t skew_ms)
{
    beats->now_ms += EVERY;
    skew_add(&beats->skew, skew_ms, beats->now_ms, EVERY);
    return skew_judge(&beats->skew);
}

static void thirty_seconds_either_way_are_the_limit(void **state)
{
    (void)state;
    struct beats ahead = {0}, behind = {0};
    assert_false(skew_judge(&ahead.skew));
    assert_false(beat(&ahead, 30 * S));
    assert_true(beat(&ahead, 30 * S + 1));
    assert_false(beat(&behind, -30 * S));
    assert_true(beat(&(struct beats){0}, -30 * S - 1));
    assert_int_equal(skew_best(&behind.skew), -30 * S);
}

static void a_single_delay_makes_no_clock_wrong(void **state)
{
    (void)state;
    struct beats beats = {0};
    beat(&beats, -200);
    for (int i = 0; i < 20; i++) {
        assert_false(beat(&beats, i % 3 == 1 ? -45 * S : -100));
        assert_in_range(skew_best(&beats.skew) + 200, 0, 100);
    }
}

static void delays_that_differ_are_no_wrong_clock(void **state)
{
    (void)state;
    struct beats beats = {0};
    beat(&beats, -100);
    static const int64_t late_s[] = {40, 75, 33, 90, 61, 120, 35, 70};
    for (size_t i = 0; i < sizeof late_s / sizeof *late_s; i++) {
        assert_false(beat(&beats, -late_s[i] * S));
    }
}

static void what_comes_all_at_once_counts_as_one(void **state)
{
    (void)state;
    struct beats beats = {0};
    beat(&beats, -100);
    beats.now_ms += 100 * S;
    for (int64_t late_s = 100; late_s >= 0; late_s -= 2) {
        skew_add(&beats.skew, -late_s * S, beats.now_ms, EVERY);
        assert_false(skew_judge(&beats.skew));
    }
    assert_int_equal(skew_best(&beats.skew), 0);
    assert_int_equal(beats.skew.count, 2);
}

static void a_clock_that_is_set_right_is_right_soon(void **state)
{
    (void)state;
    struct beats ahead = {0}, behind = {0};
    for (int i = 0; i < 10; i++) {
        assert_true(beat(&ahead, 3600 * S - i));
        assert_true(beat(&behind, -3600 * S - i));
    }
    assert_false(beat(&behind, -50)); /* no message is early */
    assert_true(beat(&ahead, -50));   /* may be an hour late */
    assert_false(beat(&ahead, -60));  /* twice the same hour is no delay */
    assert_int_equal(skew_best(&ahead.skew), -50);
}

static void a_clock_that_goes_wrong_is_seen(void **state)
{
    (void)state;
    struct beats beats = {0};
    for (int i = 0; i < 10; i++) {
        assert_false(beat(&beats, -80));
    }
    assert_false(beat(&beats, -300 * S));
    assert_true(beat(&beats, -300 * S));
    assert_true(beat(&beats, 300 * S));
}

static void at_the_limit_it_does_not_change_all_the_time(void **state)
{
    (void)state;
    struct beats beats = {0};
    int changes = 0;
    bool wrong = false;
    for (int i = 0; i < 100; i++) {
        bool now_wrong = beat(&beats, i % 10 < 5 ? 29 * S : 31 * S);
        changes += now_wrong != wrong;
        wrong = now_wrong;
    }
    assert_int_equal(changes, 1);
    for (int i = 0; i < SKEW_SAMPLES; i++) {
        wrong = beat(&beats, SKEW_RIGHT_MS);
    }
    assert_false(wrong);
}

static void an_exact_answer_replaces_the_rest(void **state)
{
    (void)state;
    struct beats beats = {0};
    beat(&beats, 3600 * S);
    skew_set(&beats.skew, -2 * S, beats.now_ms);
    assert_int_equal(skew_best(&beats.skew), -2 * S);
    assert_false(skew_judge(&beats.skew));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thirty_seconds_either_way_are_the_limit),
        cmocka_unit_test(a_single_delay_makes_no_clock_wrong),
        cmocka_unit_test(delays_that_differ_are_no_wrong_clock),
        cmocka_unit_test(what_comes_all_at_once_counts_as_one),
        cmocka_unit_test(a_clock_that_is_set_right_is_right_soon),
        cmocka_unit_test(a_clock_that_goes_wrong_is_seen),
        cmocka_unit_test(at_the_limit_it_does_not_change_all_the_time),
        cmocka_unit_test(an_exact_answer_replaces_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
