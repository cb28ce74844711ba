#include "timestamp.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define UNKNOWN TIMESTAMP_OFFSET_UNKNOWN

/* Parses from memory of exactly that size, so that a sanitizer sees whoever reads beyond. */
static int64_t parse(const char *text, int32_t offset_s)
{
    size_t len = strlen(text);
    char *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, text, len);
    int64_t ms = timestamp_parse(copy, len, offset_s);
    free(copy);
    return ms;
}

static void every_format_of_smollama_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int32_t offset_s;
        int64_t expected;
    } cases[] = {
        /* answers, readings, observations: naive local time */
        {"2026-11-23T07:56:41.898887", 0, 1795420601898},
        {"2026-11-23T07:56:41.898887", 3600, 1795417001898},
        {"2026-11-23T07:56:41.898887", -5 * 3600, 1795438601898},
        {"2026-11-23T07:56:41.898887", 20700, 1795399901898}, /* Nepal: 5 h 45 min */
        {"2026-11-23T07:56:41", 0, 1795420601000},            /* no fraction when it is 0 */
        /* readings that came by MQTT */
        {"2026-11-23T07:51:14.236778+00:00", UNKNOWN, 1795420274236},
        {"2026-11-23T08:51:14.236778+01:00", UNKNOWN, 1795420274236},
        {"2026-11-23T02:21:14.236778-05:30", 7200, 1795420274236}, /* its own zone counts */
        {"2026-11-23T08:51:14+0100", UNKNOWN, 1795420274000},
        /* memories: SQLite's CURRENT_TIMESTAMP in UTC, or local ISO after a reinforcement */
        {"2026-11-23 07:56:35", 0, 1795420595000},
        {"2026-11-23T07:56:35.123456", 3600, 1795416995123},
        /* ours */
        {"2026-01-02T03:04:05.678Z", UNKNOWN, 1767323045678},
        /* fractions of any length */
        {"2026-01-02T03:04:05.6Z", UNKNOWN, 1767323045600},
        {"2026-01-02T03:04:05.67Z", UNKNOWN, 1767323045670},
        {"2026-01-02T03:04:05.678999999999999999999999Z", UNKNOWN, 1767323045678},
        {"2026-01-02T03:04:05.0009Z", UNKNOWN, 1767323045000},
        /* the calendar's corners */
        {"1970-01-01T00:00:00Z", UNKNOWN, 0},
        {"1970-01-01T00:00:00+01:00", UNKNOWN, -3600000}, /* a Pi without a clock battery */
        {"2000-02-29T00:00:00Z", UNKNOWN, 951782400000},
        {"2024-02-29T23:59:59.999Z", UNKNOWN, 1709251199999},
        {"2100-03-01T00:00:00Z", UNKNOWN, 4107542400000},
        {"9999-12-31T23:59:59.999Z", UNKNOWN, 253402300799999},
        {"2016-12-31T23:59:60Z", UNKNOWN, 1483228799999},
        {"2016-12-31T23:59:60.5Z", UNKNOWN, 1483228799999},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t ms = parse(cases[i].text, cases[i].offset_s);
        if (ms != cases[i].expected)
            fail_msg("%s: %lld", cases[i].text, (long long)ms);
    }
}

static void what_is_no_time_is_none(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        " ",
        "2026",
        "2026-11-23",
        "now",
        "07:56:41",
        "2026-11-23T07:56",
        "2026-11-23T07:56:4",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-32T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:61Z",
        "1969-12-31T23:59:59Z",
        "0000-01-01T00:00:00Z",
        "20260101T000000Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00,5Z",
        "2026-01-01T00:00:00z",
        "2026-01-01t00:00:00Z",
        "2026-01-01T00:00:00Z ",
        " 2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00ZZ",
        "2026-01-01T00:00:00+",
        "2026-01-01T00:00:00+1",
        "2026-01-01T00:00:00+1:00",
        "2026-01-01T00:00:00+01:",
        "2026-01-01T00:00:00+01:0",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+01:60",
        "2026-01-01T00:00:00+01:00:00",
        "2026-01-01T00:00:00 +01:00",
        "2026-01-01  00:00:00",
        "+026-01-01T00:00:00Z",
        "2026-1-1T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-01:00",
        "2026-01-01T-1:00:00Z",
        "2026-01-01T00:00:00+-1:00",
        "1795420274",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (parse(bad[i], 0) != TIMESTAMP_NONE)
            fail_msg("taken: %s", bad[i]);
        assert_false(timestamp_is_naive(bad[i], strlen(bad[i])));
    }
    assert_int_equal(timestamp_parse("2026-01-01T00:00:00\0Z", 21, 0), TIMESTAMP_NONE);
    assert_int_equal(timestamp_parse(NULL, 0, 0), TIMESTAMP_NONE);
}

static void every_truncation_is_none_or_naive(void **state)
{
    (void)state;
    const char *text = "2026-11-23T07:51:14.236778+01:00";
    for (size_t len = 0; len < strlen(text); len++) {
        int64_t ms = timestamp_parse(text, len, UNKNOWN);
        assert_int_equal(ms, TIMESTAMP_NONE);
        assert_int_equal(timestamp_is_naive(text, len), len == 19 || (len > 20 && len <= 26));
    }
}

static void naive_time_needs_an_offset(void **state)
{
    (void)state;
    assert_int_equal(parse("2026-11-23T07:56:41.898887", UNKNOWN), TIMESTAMP_NONE);
    assert_int_equal(parse("2026-11-23 07:56:35", UNKNOWN), TIMESTAMP_NONE);
    assert_true(timestamp_is_naive("2026-11-23 07:56:35", 19));
    assert_false(timestamp_is_naive("2026-11-23T07:56:35Z", 20));
    assert_false(timestamp_is_naive("2026-11-23T07:56:35+00:00", 25));
}

static void http_dates(void **state)
{
    (void)state;
    const char *text = "Mon, 23 Nov 2026 07:56:41 GMT";
    assert_int_equal(timestamp_parse_http(text, strlen(text)), 1795420601000);
    for (size_t len = 0; len < strlen(text); len++)
        assert_int_equal(timestamp_parse_http(text, len), TIMESTAMP_NONE);
    static const char *const bad[] = {
        "Mon, 23 Nov 2026 07:56:41 UTC",  "Mon, 23 nov 2026 07:56:41 GMT",   "Xyz, 23 Nov 2026 07:56:41 GMT",
        "Mon, 31 Nov 2026 07:56:41 GMT",  "Mon, 23 Nov 2026 07:56:41.5 GMT", "Mon, 23 Nov 26 07:56:41 GMT",
        "Monday, 23-Nov-26 07:56:41 GMT", "Mon Nov 23 07:56:41 2026",        "Mon, 23 Nov 2026 07:56:41 GMT ",
        "Mon, 23 Nov 2026 25:56:41 GMT",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(timestamp_parse_http(bad[i], strlen(bad[i])), TIMESTAMP_NONE);
    assert_int_equal(timestamp_parse_http(NULL, 0), TIMESTAMP_NONE);
}

static void epochs(void **state)
{
    (void)state;
    assert_int_equal(timestamp_from_epoch(1795420274.2374842), 1795420274237);
    assert_int_equal(timestamp_from_epoch(1795420274.237),
                     1795420274237); /* not 236, as cutting would give */
    assert_int_equal(timestamp_from_epoch(0), 0);
    assert_int_equal(timestamp_from_epoch(-1), TIMESTAMP_NONE);
    assert_int_equal(timestamp_from_epoch(1e300), TIMESTAMP_NONE);
    assert_int_equal(timestamp_from_epoch(NAN), TIMESTAMP_NONE);
    assert_int_equal(timestamp_from_epoch(INFINITY), TIMESTAMP_NONE);
    assert_int_equal(timestamp_from_epoch(1795420274237.0), TIMESTAMP_NONE); /* milliseconds by mistake */
}

static void format_agrees_with_the_c_library(void **state)
{
    (void)state;
    char text[TIMESTAMP_SIZE], expected[64];
    for (int64_t ms = -62135596800000; ms <= 253402300799999; ms += 86400000 * INT64_C(37) + 12345677) {
        int64_t floor_s = ms / 1000 - (ms % 1000 < 0);
        time_t seconds = (time_t)floor_s;
        struct tm tm;
        assert_non_null(gmtime_r(&seconds, &tm));
        snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
                 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(ms - floor_s * 1000));
        assert_string_equal(timestamp_format(ms, text), expected);
        if (ms >= 0)
            assert_int_equal(timestamp_parse(text, strlen(text), UNKNOWN), ms);
    }
}

static void every_day_of_four_centuries_reads_back(void **state)
{
    (void)state;
    for (int64_t day = 0; day < 146097 + 366; day++) {
        char text[TIMESTAMP_SIZE];
        timestamp_format(day * 86400000 + 1, text);
        if (timestamp_parse(text, strlen(text), UNKNOWN) != day * 86400000 + 1)
            fail_msg("%s", text);
    }
}

static void unknown_time_is_a_dash(void **state)
{
    (void)state;
    char text[TIMESTAMP_SIZE];
    assert_string_equal(timestamp_format(TIMESTAMP_NONE, text), "-");
    assert_string_equal(timestamp_format(INT64_MAX, text), "-");
    assert_string_equal(timestamp_format(253402300800000, text), "-");
    assert_string_equal(timestamp_format(0, text), "1970-01-01T00:00:00.000Z");
    assert_string_equal(timestamp_format(-1, text), "1969-12-31T23:59:59.999Z");
}

static void ages_are_for_people(void **state)
{
    (void)state;
    static const struct {
        int64_t age_ms;
        const char *expected;
    } cases[] = {
        {-5, "0 s"},
        {0, "0 s"},
        {999, "0 s"},
        {8400, "8 s"},
        {119999, "119 s"},
        {120000, "2 min"},
        {300000, "5 min"},
        {7199999, "119 min"},
        {7200000, "2 h"},
        {10800000, "3 h"},
        {172799999, "47 h"},
        {172800000, "2 days"},
        {864000000, "10 days"},
        {INT64_MAX, "106751991167 days"},
        {INT64_MIN, "0 s"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[TIMESTAMP_SIZE];
        assert_string_equal(timestamp_format_age(cases[i].age_ms, text), cases[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_of_smollama_is_read),
        cmocka_unit_test(what_is_no_time_is_none),
        cmocka_unit_test(every_truncation_is_none_or_naive),
        cmocka_unit_test(naive_time_needs_an_offset),
        cmocka_unit_test(http_dates),
        cmocka_unit_test(epochs),
        cmocka_unit_test(format_agrees_with_the_c_library),
        cmocka_unit_test(every_day_of_four_centuries_reads_back),
        cmocka_unit_test(unknown_time_is_a_dash),
        cmocka_unit_test(ages_are_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
