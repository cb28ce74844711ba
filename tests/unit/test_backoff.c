#include "backoff.h"
#include "clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

static void waits_double_up_to_the_cap(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct backoff b;
        backoff_init(&b, 1000, 60000, seed);
        uint64_t whole = 1000;
        for (int i = 0; i < 100; i++) {
            uint32_t wait = backoff_next_ms(&b);
            assert_in_range(wait, whole / 2, whole);
            whole = whole * 2 < 60000 ? whole * 2 : 60000;
        }
    }
}

static void reset_makes_it_short_again(void **state)
{
    (void)state;
    struct backoff b;
    backoff_init(&b, 100, 100000, 7);
    for (int i = 0; i < 20; i++)
        backoff_next_ms(&b);
    assert_true(backoff_next_ms(&b) >= 50000);
    backoff_reset(&b);
    assert_in_range(backoff_next_ms(&b), 50, 100);
}

static void extremes_do_not_overflow(void **state)
{
    (void)state;
    struct backoff b;
    backoff_init(&b, 1, UINT32_MAX, 1);
    for (int i = 0; i < 100; i++)
        backoff_next_ms(&b);
    for (int i = 0; i < 100; i++)
        assert_true(backoff_next_ms(&b) >= UINT32_MAX / 2);
    b.attempt = UINT32_MAX;
    assert_true(backoff_next_ms(&b) >= UINT32_MAX / 2);
    assert_int_equal(b.attempt, UINT32_MAX);
    backoff_init(&b, UINT32_MAX, UINT32_MAX, 1);
    assert_true(backoff_next_ms(&b) >= UINT32_MAX / 2);
    backoff_init(&b, 1, 1, 1);
    assert_in_range(backoff_next_ms(&b), 0, 1);
}

static void neighbouring_seeds_spread(void **state)
{
    (void)state;
    unsigned buckets[10] = {0};
    for (uint64_t seed = 0; seed < 10000; seed++) {
        struct backoff b;
        backoff_init(&b, 20000, 20000, seed);
        uint32_t bucket = (backoff_next_ms(&b) - 10000) / 1000;
        buckets[bucket < 10 ? bucket : 9]++;
    }
    for (size_t i = 0; i < 10; i++)
        assert_in_range(buckets[i], 800, 1200);
}

static void random_is_even(void **state)
{
    (void)state;
    struct backoff b;
    backoff_init(&b, 1, 1, 42);
    unsigned counts[7] = {0};
    for (int i = 0; i < 70000; i++) {
        uint32_t n = backoff_random(&b, 7);
        assert_in_range(n, 0, 6);
        counts[n]++;
    }
    for (size_t i = 0; i < 7; i++)
        assert_in_range(counts[i], 9500, 10500);
    assert_int_equal(backoff_random(&b, 1), 0);
    unsigned upper = 0; /* a range that does not divide 2^32: a plain remainder would favour the lower half */
    for (int i = 0; i < 30000; i++)
        upper += backoff_random(&b, 3000000000u) >= 1500000000u;
    assert_in_range(upper, 14400, 15600);
}

static void clocks_run_and_translate(void **state)
{
    (void)state;
    struct now first = clock_now(), second = clock_now();
    assert_true(first.mono_ms > 0);
    assert_true(second.mono_ms >= first.mono_ms);
    assert_true(first.wall_ms > 1700000000000); /* 2023 */
    struct now now = {.mono_ms = 50000, .wall_ms = 1795420000000};
    assert_int_equal(clock_wall_of(now, 50000), 1795420000000);
    assert_int_equal(clock_wall_of(now, 20000), 1795419970000);
    assert_int_equal(clock_wall_of(now, 60000), 1795420010000);
    assert_int_equal(clock_wall_of(now, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_double_up_to_the_cap),
        cmocka_unit_test(reset_makes_it_short_again),
        cmocka_unit_test(extremes_do_not_overflow),
        cmocka_unit_test(neighbouring_seeds_spread),
        cmocka_unit_test(random_is_even),
        cmocka_unit_test(clocks_run_and_translate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
