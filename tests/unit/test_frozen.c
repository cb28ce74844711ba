#include "frozen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define S     INT64_C(1000)
#define BEGIN (7 * S)

/* Snapshots every interval, from BEGIN until the last one at BEGIN + for_ms. */
static struct frozen_stream stream_of(int64_t for_ms, uint32_t interval_s)
{
    struct frozen_stream stream = {0};
    for (int64_t at_ms = 0; at_ms <= for_ms; at_ms += interval_s * S) {
        frozen_note(&stream, BEGIN + at_ms, interval_s);
    }
    return stream;
}

static void a_timestamp_may_stand_for_five_minutes(void **state)
{
    (void)state;
    struct frozen_stream stream = stream_of(295 * S, 5);
    assert_false(frozen_is(&stream, BEGIN, 5));
    frozen_note(&stream, BEGIN + 300 * S - 1, 5);
    assert_false(frozen_is(&stream, BEGIN, 5));
    frozen_note(&stream, BEGIN + 300 * S, 5);
    assert_true(frozen_is(&stream, BEGIN, 5));
    assert_false(frozen_is(&stream, BEGIN + 1, 5)); /* one that moved a moment later */
}

static void or_for_ten_intervals_where_those_are_longer(void **state)
{
    (void)state;
    assert_int_equal(frozen_after_ms(0), 300 * S);
    assert_int_equal(frozen_after_ms(30), 300 * S);
    assert_int_equal(frozen_after_ms(60), 600 * S);
    struct frozen_stream stream = stream_of(540 * S, 60);
    assert_false(frozen_is(&stream, BEGIN, 60));
    frozen_note(&stream, BEGIN + 600 * S, 60);
    assert_true(frozen_is(&stream, BEGIN, 60));
}

static void it_recovers_with_the_first_movement(void **state)
{
    (void)state;
    struct frozen_stream stream = stream_of(900 * S, 5);
    assert_true(frozen_is(&stream, BEGIN, 5));
    frozen_note(&stream, BEGIN + 905 * S, 5);
    assert_false(frozen_is(&stream, BEGIN + 905 * S, 5));
}

static void what_never_had_a_time_is_not_frozen(void **state)
{
    (void)state;
    struct frozen_stream stream = stream_of(900 * S, 5);
    assert_false(frozen_is(&stream, 0, 5));
    assert_false(frozen_is(&(struct frozen_stream){0}, BEGIN, 5));
}

static void time_without_snapshots_does_not_count(void **state)
{
    (void)state;
    struct frozen_stream stream = stream_of(200 * S, 5);
    frozen_note(&stream, BEGIN + 260 * S, 5); /* a hiccup */
    frozen_note(&stream, BEGIN + 300 * S, 5);
    assert_true(frozen_is(&stream, BEGIN, 5));
    frozen_note(&stream, BEGIN + 3600 * S, 5); /* it slept */
    assert_false(frozen_is(&stream, BEGIN, 5));
    for (int64_t at_ms = 3600 * S; at_ms <= 3900 * S; at_ms += 5 * S) {
        assert_false(frozen_is(&stream, BEGIN, 5));
        frozen_note(&stream, BEGIN + at_ms, 5);
    }
    assert_true(frozen_is(&stream, BEGIN, 5));
}

static void slow_snapshots_are_no_gap(void **state)
{
    (void)state;
    struct frozen_stream stream = stream_of(6000 * S, 600);
    assert_true(frozen_is(&stream, BEGIN, 600));
    assert_false(frozen_ended(&stream, BEGIN + 6000 * S + 1800 * S, 600));
    assert_true(frozen_ended(&stream, BEGIN + 6000 * S + 1801 * S, 600));
}

static void older_snapshots_change_nothing(void **state)
{
    (void)state;
    struct frozen_stream stream = stream_of(400 * S, 5);
    frozen_note(&stream, BEGIN - 3600 * S, 5);
    frozen_note(&stream, BEGIN + 400 * S, 5);
    assert_true(frozen_is(&stream, BEGIN, 5));
    assert_false(frozen_ended(&stream, BEGIN + 460 * S, 5));
    assert_true(frozen_ended(&stream, BEGIN + 461 * S, 5));
    assert_true(frozen_ended(&(struct frozen_stream){0}, BEGIN, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timestamp_may_stand_for_five_minutes),
        cmocka_unit_test(or_for_ten_intervals_where_those_are_longer),
        cmocka_unit_test(it_recovers_with_the_first_movement),
        cmocka_unit_test(what_never_had_a_time_is_not_frozen),
        cmocka_unit_test(time_without_snapshots_does_not_count),
        cmocka_unit_test(slow_snapshots_are_no_gap),
        cmocka_unit_test(older_snapshots_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
