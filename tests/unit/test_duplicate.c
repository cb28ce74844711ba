#include "duplicate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MIN INT64_C(60000)

static void who_was_superseded_and_speaks_again_is_another(void **state)
{
    (void)state;
    struct duplicate d = {0};
    duplicate_current(&d, 1 * MIN);
    assert_false(d.stands);
    duplicate_other(&d, 1 * MIN, 11 * MIN);
    assert_true(d.stands);
    assert_false(duplicate_ends(&d, 21 * MIN));
    assert_true(duplicate_ends(&d, 21 * MIN + 1));
    assert_false(d.stands);
    assert_false(duplicate_ends(&d, 22 * MIN));
}

static void after_ten_minutes_of_silence_once_is_not_enough(void **state)
{
    (void)state;
    struct duplicate d = {0};
    duplicate_other(&d, 1 * MIN, 11 * MIN + 1);
    assert_false(d.stands);
    duplicate_other(&d, 11 * MIN + 1, 12 * MIN);
    assert_true(d.stands);
}

static void it_lasts_as_long_as_they_alternate(void **state)
{
    (void)state;
    struct duplicate d = {0};
    int64_t now_ms = 10 * MIN;
    for (int i = 0; i < 50; i++, now_ms += MIN) {
        duplicate_other(&d, now_ms - MIN, now_ms);
        duplicate_current(&d, now_ms);
        assert_false(duplicate_ends(&d, now_ms + 10 * MIN));
    }
}

static void one_that_is_left_alone_is_one(void **state)
{
    (void)state;
    for (int other = 0; other < 2; other++) {
        struct duplicate d = {0};
        duplicate_other(&d, 1 * MIN, 2 * MIN);
        duplicate_current(&d, 3 * MIN);
        duplicate_other(&d, 2 * MIN, 4 * MIN);
        int64_t last_ms = other ? 4 * MIN : 5 * MIN; /* the last time that another spoke than before */
        for (int64_t now_ms = 5 * MIN; now_ms <= last_ms + 10 * MIN; now_ms += MIN) {
            if (other) {
                duplicate_other(&d, now_ms - MIN, now_ms);
            } else {
                duplicate_current(&d, now_ms);
            }
            assert_false(duplicate_ends(&d, now_ms));
        }
        assert_true(duplicate_ends(&d, last_ms + 10 * MIN + 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_was_superseded_and_speaks_again_is_another),
        cmocka_unit_test(after_ten_minutes_of_silence_once_is_not_enough),
        cmocka_unit_test(it_lasts_as_long_as_they_alternate),
        cmocka_unit_test(one_that_is_left_alone_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
