/* What was read of a history, thinned for a small chart. */
#include "history.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GAP NAN

struct series {
    struct history_point points[HISTORY_POINTS];
    size_t count;
};

/* One point each second. */
static void add(struct series *series, float value)
{
    assert_true(series->count < HISTORY_POINTS);
    series->points[series->count] =
        (struct history_point){.at_ms = 7000 + 1000 * (int64_t)series->count, .value = value};
    series->count++;
}

static struct series thinned(const struct series *series, size_t most)
{
    struct series result = *series;
    result.count = history_thin(result.points, result.count, most);
    assert_true(result.count <= series->count);
    return result;
}

static size_t numbers(const struct series *series)
{
    size_t found = 0;
    for (size_t i = 0; i < series->count; i++) {
        found += isnan(series->points[i].value) ? 0 : 1;
    }
    return found;
}

static bool holds(const struct series *series, struct history_point point)
{
    for (size_t i = 0; i < series->count; i++) {
        if (series->points[i].at_ms == point.at_ms) {
            return isnan(point.value) ? isnan(series->points[i].value)
                                      : series->points[i].value == point.value;
        }
    }
    return false;
}

/* Is there a marker after `from_ms` and not after `to_ms`? */
static bool gap_between(const struct series *series, int64_t from_ms, int64_t to_ms)
{
    for (size_t i = 0; i < series->count; i++) {
        const struct history_point *point = &series->points[i];
        if (isnan(point->value) && point->at_ms > from_ms && point->at_ms <= to_ms) {
            return true;
        }
    }
    return false;
}

static void assert_values(const struct series *series, const float *values, size_t count)
{
    assert_int_equal(series->count, count);
    for (size_t i = 0; i < count; i++) {
        assert_true(isnan(values[i]) ? isnan(series->points[i].value) : series->points[i].value == values[i]);
    }
}

static void what_fits_stays_as_it_is(void **state)
{
    (void)state;
    struct series series = {.count = 0};
    assert_int_equal(history_thin(series.points, 0, 10), 0);
    static const float values[] = {1, 3, GAP, 2, 2};
    for (size_t i = 0; i < 5; i++) {
        add(&series, values[i]);
    }
    struct series result = thinned(&series, 4);
    assert_values(&result, values, 5);
}

static void few_points_are_first_lowest_highest_last(void **state)
{
    (void)state;
    struct series series = {.count = 0};
    static const float values[] = {5, 6, 1, 7, 9, 4, 3}, expected[] = {5, 1, 9, 3};
    for (size_t i = 0; i < 7; i++) {
        add(&series, values[i]);
    }
    for (size_t most = 2; most < 6; most++) {
        struct series result = thinned(&series, most);
        assert_values(&result, expected, 4);
    }
}

static void each_part_keeps_its_extremes(void **state)
{
    (void)state;
    struct series series = {.count = 0};
    for (size_t i = 0; i < 240; i++) {
        add(&series, i == 100 ? 99 : i == 101 ? -99 : (float)(i % 10));
    }
    struct series result = thinned(&series, 22); /* ten parts of 24 s, in each of them a 0 and a 9 */
    assert_true(numbers(&result) <= 22 && numbers(&result) >= 20);
    assert_true(holds(&result, series.points[0]) && holds(&result, series.points[239]));
    assert_true(holds(&result, series.points[100]) && holds(&result, series.points[101]));
    for (size_t part = 0; part < 10; part++) {
        size_t in = 0;
        for (size_t i = 0; i < result.count; i++) {
            in += (size_t)(result.points[i].at_ms - 7000) / 24000 == part ? 1 : 0;
        }
        assert_true(in >= 2);
    }
}

static void gaps_stay_gaps(void **state)
{
    (void)state;
    struct series series = {.count = 0};
    for (size_t i = 0; i < 200; i++) {
        add(&series, i == 66 ? GAP : (float)i);
    }
    struct series result = thinned(&series, 6);
    static const float expected[] = {0, GAP, 99, 100, 199};
    assert_values(&result, expected, 5);
    assert_true(holds(&result, series.points[66]));
}

static void of_gaps_that_touch_the_first_stays(void **state)
{
    (void)state;
    struct series series = {.count = 0};
    static const float values[] = {1, 2, GAP, 3, GAP, 2, 9, 0, 5}, expected[] = {1, GAP, 9, 0, 5};
    for (size_t i = 0; i < 9; i++) {
        add(&series, values[i]);
    }
    struct series result = thinned(&series, 4);
    assert_values(&result, expected, 5);
    assert_true(holds(&result, series.points[2]));
}

static void marker_at_the_end_stays(void **state)
{
    (void)state;
    struct series series = {.count = 0};
    static const float values[] = {1, 2, 3, 4, 5, 6, GAP}, expected[] = {1, 6, GAP};
    for (size_t i = 0; i < 7; i++) {
        add(&series, values[i]);
    }
    struct series result = thinned(&series, 2);
    assert_values(&result, expected, 3);
}

/* Whatever comes: order, size, first, last, lowest, highest, and a marker where one was. */
static void nothing_is_made_up_or_lost(void **state)
{
    (void)state;
    unsigned seed = 7;
    for (int turn = 0; turn < 20000; turn++) {
        struct series series = {.count = 0};
        size_t size = 1 + (size_t)rand_r(&seed) % HISTORY_POINTS, most = 2 + (size_t)rand_r(&seed) % 300;
        size_t low = 0, high = 0, last = 0;
        int64_t at_ms = 0;
        for (size_t i = 0; i < size; i++) {
            bool gap = i > 0 && !isnan(series.points[i - 1].value) && rand_r(&seed) % 5 == 0;
            add(&series, gap ? GAP : (float)(rand_r(&seed) % 50));
            at_ms += 1 + rand_r(&seed) % (turn % 3 ? 5000 : 500000);
            series.points[i].at_ms = at_ms;
            if (!gap) {
                last = i;
                low = series.points[i].value < series.points[low].value ? i : low;
                high = series.points[i].value > series.points[high].value ? i : high;
            }
        }
        struct series result = thinned(&series, most);
        assert_true(numbers(&result) <= (most > 4 ? most : 4));
        assert_true(holds(&result, series.points[0]) && holds(&result, series.points[last]));
        assert_true(holds(&result, series.points[low]) && holds(&result, series.points[high]));
        for (size_t i = 0; i < result.count; i++) {
            int64_t before_ms = i > 0 ? result.points[i - 1].at_ms : 0;
            assert_true(holds(&series, result.points[i]) && result.points[i].at_ms > before_ms);
            if (i > 0 && !isnan(result.points[i].value) && !isnan(result.points[i - 1].value)) {
                assert_false(gap_between(&series, before_ms, result.points[i].at_ms));
            }
            assert_false(i > 0 && isnan(result.points[i].value) && isnan(result.points[i - 1].value));
        }
        assert_int_equal(isnan(result.points[result.count - 1].value), isnan(series.points[size - 1].value));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fits_stays_as_it_is),
        cmocka_unit_test(few_points_are_first_lowest_highest_last),
        cmocka_unit_test(each_part_keeps_its_extremes),
        cmocka_unit_test(gaps_stay_gaps),
        cmocka_unit_test(of_gaps_that_touch_the_first_stays),
        cmocka_unit_test(marker_at_the_end_stays),
        cmocka_unit_test(nothing_is_made_up_or_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
