/* One reading's history by itself: order, thinning, gaps, memory. */
#include "history.h"

#include <float.h>
#include <malloc.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define START_MS INT64_C(100000000)
#define MINUTE   INT64_C(60000)

struct fixture {
    struct history *history;
    struct history_budget budget;
    int64_t now_ms;
    struct history_point points[HISTORY_POINTS];
    size_t count;
};

static int set_up(void **state)
{
    static struct fixture f;
    f = (struct fixture){.budget = {.limit = 1 << 20}, .now_ms = START_MS};
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    history_free(f->history, &f->budget);
    assert_int_equal(f->budget.bytes, 0);
    assert_int_equal(f->budget.count, 0);
    return 0;
}

/* A sample of now. */
static void sample(struct fixture *f, double value)
{
    history_add(&f->history, &f->budget, f->now_ms, value, f->now_ms);
}

/* A sample each five seconds, the last one now; value(i). */
static void samples(struct fixture *f, size_t count, double (*value)(size_t))
{
    for (size_t i = 0; i < count; i++) {
        f->now_ms += 5000;
        sample(f, value(i));
    }
}

static void check_order(const struct fixture *f)
{
    for (size_t i = 0; i < f->count; i++) {
        assert_true(f->points[i].at_ms <= f->now_ms);
        assert_true(i == 0 || f->points[i].at_ms > f->points[i - 1].at_ms);
        assert_false(i > 0 && isnan(f->points[i].value) && isnan(f->points[i - 1].value));
    }
    assert_false(f->count > 0 && isnan(f->points[0].value));
}

static void read_since(struct fixture *f, int64_t since_ms)
{
    f->count = history_read(f->history, since_ms, f->points);
    assert_true(f->count <= HISTORY_POINTS);
    check_order(f);
    for (size_t i = 0; i < f->count; i++) {
        assert_true(f->points[i].at_ms >= since_ms);
    }
}

static void read_all(struct fixture *f)
{
    read_since(f, f->now_ms - HISTORY_SPAN_MS);
}

#define assert_point(f, i, at, expected)                           \
    do {                                                           \
        assert_true((f)->count > (i));                             \
        assert_int_equal((f)->points[i].at_ms, at);                \
        if (isnan((double)(expected))) {                           \
            assert_true(isnan((f)->points[i].value));              \
        } else {                                                   \
            assert_float_equal((f)->points[i].value, expected, 0); \
        }                                                          \
    } while (0)

static double restless(size_t i)
{
    return (double)(i * 7919 % 1000);
}

static double steady(size_t i)
{
    (void)i;
    return 21.5;
}

static size_t gaps(const struct fixture *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->count; i++) {
        n += isnan(f->points[i].value) ? 1 : 0;
    }
    return n;
}

/* ---- order ---- */

static void nothing_known_is_no_point(void **state)
{
    struct fixture *f = *state;
    read_all(f);
    assert_int_equal(f->count, 0);
    sample(f, NAN);
    assert_null(f->history); /* what never was a number costs nothing */
    history_free(NULL, &f->budget);
}

static void samples_come_back_in_order(void **state)
{
    struct fixture *f = *state;
    samples(f, 4, restless);
    read_all(f);
    assert_int_equal(f->count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_point(f, i, START_MS + 5000 * (int64_t)(i + 1), restless(i));
    }
}

static void clock_set_back_keeps_the_order(void **state)
{
    struct fixture *f = *state;
    sample(f, 1);
    f->now_ms += 5000;
    history_add(&f->history, &f->budget, f->now_ms - 30 * MINUTE, 2, f->now_ms);
    f->now_ms += 5000;
    history_add(&f->history, &f->budget, f->now_ms + 30 * MINUTE, 3, f->now_ms);
    f->now_ms += 5000;
    sample(f, 4);
    read_all(f);
    assert_int_equal(f->count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_point(f, i, START_MS + 5000 * (int64_t)i, (double)i + 1);
    }
}

static void another_word_for_the_same_moment_counts(void **state)
{
    struct fixture *f = *state;
    sample(f, 1);
    sample(f, 2);
    f->now_ms += 5000;
    sample(f, NAN);
    sample(f, 3);
    read_all(f);
    assert_int_equal(f->count, 2);
    assert_point(f, 0, START_MS, 2);
    assert_point(f, 1, START_MS + 5000, 3);
    sample(f, NAN);
    sample(f, NAN);
    read_all(f);
    assert_int_equal(f->count, 2);
    assert_int_equal(gaps(f), 1);
}

static void too_old_is_left_out(void **state)
{
    struct fixture *f = *state;
    history_add(&f->history, &f->budget, START_MS - HISTORY_SPAN_MS - 1, 1, START_MS);
    assert_null(f->history);
    history_add(&f->history, &f->budget, START_MS - HISTORY_SPAN_MS, 1, START_MS);
    read_all(f);
    assert_int_equal(f->count, 1);
    history_add(&f->history, &f->budget, INT64_MIN / 2, 2, START_MS);
    read_all(f);
    assert_int_equal(f->count, 1);
}

static void times_before_the_machine_started_are_times(void **state)
{
    struct fixture *f = *state;
    f->now_ms = -40 * MINUTE;
    samples(f, 600, restless);
    assert_true(f->now_ms > 0);
    read_all(f);
    assert_true(f->count > 120 && f->count < HISTORY_POINTS);
    assert_int_equal(gaps(f), 0);
    assert_true(f->points[0].at_ms < -39 * MINUTE);
}

static void order_survives_49_days(void **state)
{
    struct fixture *f = *state;
    samples(f, 100, restless);
    for (int week = 0; week < 60; week++) {
        f->now_ms += 7 * 24 * 60 * MINUTE;
        samples(f, 3, restless);
        read_all(f);
        assert_int_equal(f->count, 3);
        assert_point(f, 2, f->now_ms, restless(2));
    }
    /* one that stands still all the time never gets another point */
    for (int hour = 0; hour < 60 * 24; hour++) {
        for (int i = 0; i < 60; i++) {
            f->now_ms += MINUTE;
            sample(f, 7);
        }
    }
    read_all(f);
    assert_int_equal(f->count, 2);
    assert_point(f, 0, f->now_ms - HISTORY_SPAN_MS, 7);
    assert_point(f, 1, f->now_ms, 7);
}

/* ---- thinning ---- */

static void value_that_stands_still_is_two_points(void **state)
{
    struct fixture *f = *state;
    samples(f, 500, steady);
    assert_int_equal(f->budget.bytes, 48);
    read_all(f);
    assert_int_equal(f->count, 2);
    assert_point(f, 0, START_MS + 5000, 21.5);
    assert_point(f, 1, f->now_ms, 21.5);
    f->now_ms += 5000;
    sample(f, 22);
    read_all(f);
    assert_int_equal(f->count, 3);
    assert_point(f, 1, f->now_ms - 5000, 21.5); /* a step, no slope */
    assert_point(f, 2, f->now_ms, 22);
}

static void window_begins_inside_of_what_stood_still(void **state)
{
    struct fixture *f = *state;
    samples(f, 500, steady);
    read_since(f, f->now_ms - 5 * MINUTE);
    assert_int_equal(f->count, 2);
    assert_point(f, 0, f->now_ms - 5 * MINUTE, 21.5);
    f->now_ms += 5000;
    sample(f, 22);
    read_since(f, f->now_ms - 2000);
    assert_int_equal(f->count, 1); /* nothing is made up between two different values */
}

static double spiky(size_t i)
{
    return i == 300 ? 99 : i == 400 ? -99 : (double)(i % 10);
}

static void spikes_stay(void **state)
{
    struct fixture *f = *state;
    samples(f, 719, spiky);
    read_all(f);
    assert_true(f->count < 200);
    bool high = false, low = false;
    for (size_t i = 0; i < f->count; i++) {
        high = high || (f->points[i].value > 90 && f->points[i].at_ms == START_MS + 5000 * 301);
        low = low || (f->points[i].value < -90 && f->points[i].at_ms == START_MS + 5000 * 401);
    }
    assert_true(high && low);
}

static void bucket_keeps_first_last_lowest_highest(void **state)
{
    struct fixture *f = *state;
    static const double values[] = {5, 6, 9, 4, 7, 1, 5, 3, 2, 5, 4, 8};
    f->now_ms = START_MS - START_MS % HISTORY_BUCKET_MS;
    int64_t begin_ms = f->now_ms;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++, f->now_ms += 5000) {
        sample(f, values[i]);
    }
    f->now_ms -= 5000;
    read_all(f);
    assert_int_equal(f->count, 4);
    assert_point(f, 0, begin_ms, 5);
    assert_point(f, 1, begin_ms + 10000, 9);
    assert_point(f, 2, begin_ms + 25000, 1);
    assert_point(f, 3, f->now_ms, 8);
}

/* Held against all samples: each bucket's four, and nothing that was not said. */
static void thinning_agrees_with_a_model(void **state)
{
    struct fixture *f = *state;
    enum { COUNT = 700 };
    static double said[COUNT];
    srand(7);
    for (size_t i = 0; i < COUNT; i++) {
        said[i] = rand() % 50 == 0 ? 1000 + rand() % 1000 : rand() % 100;
        f->now_ms += 5000;
        sample(f, said[i]);
    }
    read_all(f);
    assert_int_equal(gaps(f), 0);
    size_t at = 0;
    for (size_t begin = 0, end; begin < COUNT; begin = end) {
        int64_t bucket = (START_MS + 5000 * (int64_t)(begin + 1)) / HISTORY_BUCKET_MS;
        double low = said[begin], high = said[begin], got_low = INFINITY, got_high = -INFINITY;
        for (end = begin; end < COUNT && (START_MS + 5000 * (int64_t)(end + 1)) / HISTORY_BUCKET_MS == bucket;
             end++) {
            low = fmin(low, said[end]);
            high = fmax(high, said[end]);
        }
        assert_point(f, at, START_MS + 5000 * (int64_t)(begin + 1), said[begin]);
        size_t kept = 0;
        for (; at < f->count && f->points[at].at_ms / HISTORY_BUCKET_MS == bucket; at++, kept++) {
            size_t i = (size_t)((f->points[at].at_ms - START_MS) / 5000 - 1);
            assert_float_equal(f->points[at].value, said[i], 0);
            got_low = fmin(got_low, f->points[at].value);
            got_high = fmax(got_high, f->points[at].value);
        }
        assert_true(kept <= 4);
        assert_point(f, at - 1, START_MS + 5000 * (int64_t)end, said[end - 1]);
        assert_float_equal(got_low, low, 0);
        assert_float_equal(got_high, high, 0);
    }
    assert_int_equal(at, f->count);
}

/* ---- gaps ---- */

static void silence_is_a_gap(void **state)
{
    struct fixture *f = *state;
    samples(f, 20, restless);
    int64_t last_ms = f->now_ms;
    f->now_ms += 10 * MINUTE;
    read_all(f);
    assert_int_equal(gaps(f), 0); /* nothing comes from being silent */
    assert_int_equal(f->points[f->count - 1].at_ms, last_ms);
    sample(f, 5);
    read_all(f);
    assert_int_equal(gaps(f), 1);
    assert_point(f, f->count - 3, last_ms, restless(19));
    assert_point(f, f->count - 2, last_ms + 1, NAN);
    assert_point(f, f->count - 1, f->now_ms, 5);
}

static void gap_parts_what_stands_still(void **state)
{
    struct fixture *f = *state;
    samples(f, 20, steady);
    f->now_ms += 10 * MINUTE;
    samples(f, 20, steady);
    read_all(f);
    assert_int_equal(f->count, 5);
    assert_point(f, 2, START_MS + 20 * 5000 + 1, NAN);
    assert_point(f, 3, START_MS + 21 * 5000 + 10 * MINUTE, 21.5);
}

static void jitter_is_no_gap(void **state)
{
    struct fixture *f = *state;
    srand(3);
    for (int i = 0; i < 300; i++) {
        f->now_ms += 20000 + rand() % 40000; /* as edge nodes and polls come */
        sample(f, i);
    }
    read_all(f);
    assert_int_equal(gaps(f), 0);
}

static void short_pause_is_no_gap(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 100; i++) {
        f->now_ms += i % 10 ? 1000 : 15000;
        sample(f, i);
    }
    read_all(f);
    assert_int_equal(gaps(f), 0);
    f->now_ms += 15001;
    sample(f, 1);
    read_all(f);
    assert_int_equal(gaps(f), 1);
}

static void another_interval_becomes_the_usual_one(void **state)
{
    struct fixture *f = *state;
    samples(f, 50, restless);
    for (int i = 0; i < 20; i++) {
        f->now_ms += MINUTE; /* the agent is gone, polls go on */
        sample(f, i);
    }
    read_all(f);
    assert_in_range(gaps(f), 1, 2);
    samples(f, 50, restless);
    f->now_ms += 2 * MINUTE;
    sample(f, 1);
    read_all(f);
    assert_true(isnan(f->points[f->count - 2].value)); /* five seconds are usual again */
}

static void no_number_is_a_gap(void **state)
{
    struct fixture *f = *state;
    samples(f, 3, restless);
    static const double none[] = {(double)NAN, (double)INFINITY, -(double)INFINITY, 1e300, -1e300, 4e38};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        f->now_ms += 5000;
        sample(f, none[i]);
    }
    f->now_ms += 5000;
    sample(f, 3e38);
    f->now_ms += 5000;
    sample(f, -1e-300);
    read_all(f);
    assert_int_equal(f->count, 6);
    assert_point(f, 3, START_MS + 4 * 5000, NAN);
    assert_point(f, 4, f->now_ms - 5000, (float)3e38);
    assert_point(f, 5, f->now_ms, 0);
}

/* ---- memory ---- */

static void growth_stays_below_its_size(void **state)
{
    struct fixture *f = *state;
    size_t before = 0;
    for (size_t i = 0; i < 5000; i++) {
        f->now_ms += 1000;
        sample(f, restless(i));
        assert_true(f->budget.bytes <= HISTORY_BYTES);
        assert_true(malloc_usable_size(f->history) + sizeof(size_t) <= HISTORY_BYTES);
        assert_true(i > 1 || f->budget.bytes == 48);
        before = f->budget.bytes;
    }
    assert_int_equal(before, HISTORY_BYTES);
    assert_int_equal(f->budget.count, 1);
    read_all(f);
    assert_true(f->count >= 48 * 4 - 4);
    assert_true(f->points[0].at_ms < f->now_ms - 58 * MINUTE);
}

static double flapping(size_t i)
{
    return i % 2 ? (double)NAN : restless(i);
}

static void flapping_one_keeps_its_hour(void **state)
{
    struct fixture *f = *state;
    samples(f, 3000, flapping);
    read_all(f);
    assert_true(f->count > 100 && gaps(f) > 40);
    assert_true(f->points[0].at_ms < f->now_ms - 50 * MINUTE);
    assert_int_equal(f->budget.bytes, HISTORY_BYTES);
    samples(f, 3000, restless); /* and has all its detail again when it rests */
    read_all(f);
    assert_int_equal(gaps(f), 0);
    assert_true(f->count >= 48 * 4 - 4);
}

static void budget_holds_for_all_together(void **state)
{
    struct fixture *f = *state;
    enum { MANY = 400 };
    static struct history *all[MANY];
    memset(all, 0, sizeof all);
    f->budget.limit = 100 * 1024;
    for (size_t i = 0; i < 720; i++) {
        f->now_ms += 5000;
        for (size_t k = 0; k < MANY; k++) {
            history_add(&all[k], &f->budget, f->now_ms, restless(i + k), f->now_ms);
            assert_true(f->budget.bytes <= f->budget.limit);
        }
    }
    assert_int_equal(f->budget.count, MANY); /* there is room for everybody's first points */
    for (size_t k = 0; k < MANY; k++) {
        f->count = history_read(all[k], f->now_ms - HISTORY_SPAN_MS, f->points);
        check_order(f);
        assert_true(f->count >= 10); /* in less detail, but the whole hour */
        assert_true(f->points[0].at_ms < f->now_ms - 40 * MINUTE);
        assert_float_equal(f->points[f->count - 1].value, restless(719 + k), 0);
        history_free(all[k], &f->budget);
    }
}

static void without_room_nothing_is_kept(void **state)
{
    struct fixture *f = *state;
    f->budget.limit = 47;
    samples(f, 10, restless);
    assert_null(f->history);
    f->budget.limit = 48; /* for two points */
    samples(f, 10, restless);
    read_all(f);
    assert_int_equal(f->count, 2);
    assert_point(f, 1, f->now_ms, restless(9));
    assert_int_equal(f->budget.bytes, 48);
}

static void large_ones_leave_room_for_new_ones(void **state)
{
    struct fixture *f = *state;
    struct history *large[10] = {0};
    f->budget.limit = 8192;
    for (size_t i = 0; i < 720; i++) {
        f->now_ms += 5000;
        for (size_t k = 0; k < 10; k++) {
            history_add(&large[k], &f->budget, f->now_ms, restless(i + k), f->now_ms);
        }
    }
    assert_true(f->budget.bytes <= 6144);
    assert_true(f->budget.bytes > 4096);
    samples(f, 720, restless);
    read_all(f);
    assert_true(f->count >= 10);
    for (size_t k = 0; k < 10; k++) {
        history_free(large[k], &f->budget);
    }
    samples(f, 1440, restless); /* now it may have its size */
    read_all(f);
    assert_true(f->count >= 48 * 4 - 4);
}

/* Whatever comes, at whatever times: order, bounds, and the newest sample is the last point. */
static void nothing_breaks_it(void **state)
{
    struct fixture *f = *state;
    srand(11);
    f->budget.limit = 3000;
    for (int i = 0; i < 200000; i++) {
        int dice = rand() % 1000;
        f->now_ms += dice < 2 ? rand() : dice < 10 ? rand() % (90 * (int)MINUTE) : rand() % 8000;
        double value = dice % 7 == 0 ? (double)NAN : dice % 11 == 0 ? 1e40 : rand() % 30;
        int64_t at_ms = f->now_ms - (rand() % 4 == 0 ? rand() % 20000 - 5000 : 0);
        f->budget.limit = i % 50000 < 25000 ? 3000 : 400;
        history_add(&f->history, &f->budget, at_ms, value, f->now_ms);
        assert_true(f->budget.bytes <= 3000);
        if (i % 16 == 0) {
            read_all(f);
            if (value < 1e38) {
                assert_float_equal(f->points[f->count - 1].value, value, 0);
            }
        }
    }
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(nothing_known_is_no_point),
        test(samples_come_back_in_order),
        test(clock_set_back_keeps_the_order),
        test(another_word_for_the_same_moment_counts),
        test(too_old_is_left_out),
        test(times_before_the_machine_started_are_times),
        test(order_survives_49_days),
        test(value_that_stands_still_is_two_points),
        test(window_begins_inside_of_what_stood_still),
        test(spikes_stay),
        test(bucket_keeps_first_last_lowest_highest),
        test(thinning_agrees_with_a_model),
        test(silence_is_a_gap),
        test(gap_parts_what_stands_still),
        test(jitter_is_no_gap),
        test(short_pause_is_no_gap),
        test(another_interval_becomes_the_usual_one),
        test(no_number_is_a_gap),
        test(growth_stays_below_its_size),
        test(flapping_one_keeps_its_hour),
        test(budget_holds_for_all_together),
        test(without_room_nothing_is_kept),
        test(large_ones_leave_room_for_new_ones),
        test(nothing_breaks_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
