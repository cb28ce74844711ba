#include "own_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define S INT64_C(1000)

static bool judge(struct own_clock *own, size_t known, size_t count, const int64_t *skews_s)
{
    int64_t skews[16];
    for (size_t i = 0; i < count; i++) {
        skews[i] = skews_s[i] * S;
    }
    return own_clock_judge(own, skews, count, known);
}
#define JUDGE(own, known, ...) \
    judge(own, known, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[]){__VA_ARGS__})

static void three_of_the_same_amount_and_a_majority(void **state)
{
    (void)state;
    struct own_clock own = {0};
    assert_true(JUDGE(&own, 5, 3601, 3600, 3599));
    assert_int_equal(own.skew_ms, 3600 * S);
    assert_int_equal(own.nodes, 3);
    assert_false(JUDGE(&own, 6, 3600, 3601, 3602)); /* half is not more than half */
    assert_int_equal(own.nodes, 0);
    assert_false(JUDGE(&own, 2, 3600, 3600));
    assert_false(judge(&own, 0, 0, NULL));
    assert_true(JUDGE(&own, 3, -7200, -7201, -7203));
    assert_int_equal(own.skew_ms, -7201 * S);
}

static void different_amounts_are_the_nodes_own(void **state)
{
    (void)state;
    struct own_clock own = {0};
    assert_false(JUDGE(&own, 5, 100, 200, -300, 400, -500));
    assert_false(JUDGE(&own, 4, 3600, 3600, -3600, -3600));
    assert_false(JUDGE(&own, 3, 60, 70, 81));
    assert_true(JUDGE(&own, 5, 86400, 60, 70, -900, 65));
    assert_int_equal(own.skew_ms, 65 * S);
    assert_int_equal(own.nodes, 3);
}

static void at_the_limit_it_does_not_change_all_the_time(void **state)
{
    (void)state;
    struct own_clock own = {0};
    assert_false(JUDGE(&own, 3, 29, 29, 30));
    assert_true(JUDGE(&own, 3, 31, 31, 31));
    assert_true(JUDGE(&own, 3, 29, 29, 29)); /* callers leave those out that are within SKEW_RIGHT_MS */
    assert_false(judge(&own, 3, 0, NULL));
}

static void it_is_possible_while_enough_are_not_known(void **state)
{
    (void)state;
    assert_false(own_clock_possible(1, 1, 0));
    assert_false(own_clock_possible(1, 1, 1));
    assert_true(own_clock_possible(1, 1, 2));
    assert_false(own_clock_possible(1, 10, 3));
    assert_true(own_clock_possible(1, 2, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_of_the_same_amount_and_a_majority),
        cmocka_unit_test(different_amounts_are_the_nodes_own),
        cmocka_unit_test(at_the_limit_it_does_not_change_all_the_time),
        cmocka_unit_test(it_is_possible_while_enough_are_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
