#include "fixtures.h"
#include "json.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *json, *text;
    size_t len;
} strings[] = {
    {"\"\"", "", 0},
    {"\"plain\"", "plain", 5},
    {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8},
    {"\"a\\u0000b\"", "a\0b", 3},
    {"\"\\u0000\"", "\0", 1},
    {"\"\\u00e4\\u20AC\"", "\xc3\xa4\xe2\x82\xac", 5},
    {"\"\\ud83e\\udd99\"", "\xf0\x9f\xa6\x99", 4},
    {"\"\\uDBFF\\uDFFF\"", "\xf4\x8f\xbf\xbf", 4},
    {"\"\xc3\xa4\xf0\x9f\xa6\x99\"", "\xc3\xa4\xf0\x9f\xa6\x99", 6},
    {"\"\\ud800\"", "\xef\xbf\xbd", 3}, /* halves of a pair */
    {"\"\\udc00x\"", "\xef\xbf\xbdx", 4},
    {"\"\\ud800\\u0041\"",
     "\xef\xbf\xbd"
     "A",
     4},
    {"\"\\ud800\\ud83e\\udd99\"", "\xef\xbf\xbd\xf0\x9f\xa6\x99", 7},
    {"\"\\udd99\\ud83e\"", "\xef\xbf\xbd\xef\xbf\xbd", 6},
    {"\"\\ud83e\\n\\udd99\"", "\xef\xbf\xbd\n\xef\xbf\xbd", 7},
    {"\"\\ud83exudd99\"", "\xef\xbf\xbdxudd99", 9},
    {"\"\\\\u0041\"", "\\u0041", 6},
    {"\"\\u6e29\\u5ea6 21\\u00b0C\"",
     "\xe6\xb8\xa9\xe5\xba\xa6 21\xc2\xb0"
     "C",
     12},
};

static void strings_are_decoded(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
        struct json_slice string = value_of(strings[i].json);
        size_t len = strings[i].len, got = 77;
        char *buffer = malloc(len + 1);
        assert_non_null(buffer);
        assert_int_equal(json_string_len(string), len);
        for (size_t size = 0; size <= len; size++)
            assert_int_equal(json_string(string, buffer, size, &got), -E2BIG);
        assert_int_equal(got, 77);
        assert_int_equal(json_string(string, buffer, len + 1, &got), 0);
        assert_int_equal(got, len);
        assert_memory_equal(buffer, strings[i].text, len + 1);
        assert_int_equal(json_string(string, buffer, len + 1, NULL), 0);
        if (strlen(strings[i].text) == len)
            assert_true(json_string_is(string, strings[i].text));
        free(buffer);
    }
}

static void what_is_no_string_is_said(void **state)
{
    (void)state;
    static const char *const others[] = {"null", "1", "true", "[\"a\"]", "{\"a\":\"a\"}"};
    char buffer[8] = "before";
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_int_equal(json_string(value_of(others[i]), buffer, sizeof(buffer), NULL), -EINVAL);
        assert_string_equal(buffer, "before");
        assert_int_equal(json_string_len(value_of(others[i])), 0);
        assert_false(json_string_is(value_of(others[i]), "a"));
        assert_false(json_string_contains(value_of(others[i]), "a", 1));
        assert_false(json_string_contains(value_of(others[i]), "", 0));
    }
    assert_int_equal(json_string((struct json_slice){0}, buffer, sizeof(buffer), NULL), -EINVAL);
    assert_false(json_string_is((struct json_slice){0}, ""));
    assert_int_equal(json_string_cut(value_of("1"), buffer, sizeof(buffer)), 0);
    assert_string_equal(buffer, "");
}

static void comparison_is_exact(void **state)
{
    (void)state;
    assert_false(json_string_is(value_of("\"abc\""), "ab"));
    assert_false(json_string_is(value_of("\"ab\""), "abc"));
    assert_false(json_string_is(value_of("\"a\\u0062\""), "abc"));
    assert_false(json_string_is(value_of("\"a\\u0062c\""), "ab"));
    assert_false(json_string_is(value_of("\"a\\u0000b\""), "a"));
    assert_false(json_string_is(value_of("\"Abc\""), "abc"));
    assert_true(json_string_is(value_of("\"\""), ""));
}

static void cutting_keeps_characters_whole(void **state)
{
    (void)state;
    static const char *const forms[] = {"\"a\xc3\xa4\xe2\x82\xac\xf0\x9f\xa6\x99z\"",
                                        "\"a\\u00e4\\u20ac\\ud83e\\udd99z\"",
                                        "\"\\u0061\xc3\xa4\xe2\x82\xac\xf0\x9f\xa6\x99z\""};
    static const size_t lens[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
    for (size_t i = 0; i < 3; i++) {
        for (size_t room = 0; room < sizeof(lens) / sizeof(lens[0]); room++) {
            char *buffer = malloc(room + 1);
            assert_non_null(buffer);
            assert_int_equal(json_string_cut(value_of(forms[i]), buffer, room + 1), lens[room]);
            assert_int_equal(strlen(buffer), lens[room]);
            assert_memory_equal(buffer, "a\xc3\xa4\xe2\x82\xac\xf0\x9f\xa6\x99z", lens[room]);
            free(buffer);
        }
    }
    char buffer[8];
    assert_int_equal(json_string_cut(value_of("\"a\\u0000b\""), buffer, sizeof(buffer)), 5);
    assert_string_equal(buffer, "a\xef\xbf\xbd"
                                "b");
}

static void search_ignores_case_and_sees_through_escapes(void **state)
{
    (void)state;
    static const struct {
        const char *json, *needle;
        bool found;
    } cases[] = {
        {"\"The Door opened\"", "door", true},
        {"\"The Door opened\"", "DOOR O", true},
        {"\"The Door opened\"", "doors", false},
        {"\"door\"", "door", true},
        {"\"doo\"", "door", false},
        {"\"aaab\"", "aab", true},
        {"\"anything\"", "", true},
        {"\"\"", "", true},
        {"\"\"", "a", false},
        {"\"\\u0044oor\"", "dOOr", true},
        {"\"x\\ndoor\"", "\nD", true},
        {"\"x\\\"door\"", "\"door\"", false},
        {"\"C:\\\\temp\"", "\\TEMP", true},
        {"\"\\u6e29\\u5ea6\"", "\xe5\xba\xa6", true},
        {"\"\xe6\xb8\xa9\"", "\xe6\xb8\xa9", true},
        {"\"@[`{\"", "@{`[", false}, /* not letters: no case */
        {"\"@\\n\"", "`", false},
        {"\"\\\\n\"", "\n", false},
        {"\"line\\u0000two\"", "two", true},
        {"\"aa\\u0061b\"", "aab", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool found = json_string_contains(value_of(cases[i].json), cases[i].needle, strlen(cases[i].needle));
        if (found != cases[i].found)
            fail_msg("%s in %s", cases[i].needle, cases[i].json);
    }
    assert_true(json_string_contains(value_of("\"a\\u0000b\""), "a\0b", 3));
    assert_false(json_string_contains(value_of("\"a\\u0000b\""), "a\0c", 3));
}

static void doubles_are_those_of_strtod(void **state)
{
    (void)state;
    static const char *const numbers[] = {
        "0",
        "-0",
        "-0.0",
        "1",
        "45.3",
        "-12.75",
        "0.1",
        "0.3",
        "999999999999999",
        "9999999999999999",
        "0.000001",
        "123456789012.345",
        "1234567890.12345",
        "12345678901.23456",
        "9007199254740993",
        "1e5",
        "1E-5",
        "-1.5e+300",
        "5e-324",
        "2.2250738585072011e-308",
        "1.7976931348623157e308",
        "123456789012345678901234567890",
        "0.1000000000000000055511151231257827021181583404541015625",
        "1e-400",
        "23523",
        "100000000000000000000000000000000000000000000000000000000000000000000000000000000000000001e-70",
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        double expected = strtod(numbers[i], NULL), got = NAN;
        char *copy = exact_copy(numbers[i], strlen(numbers[i])); /* nothing ends the number but its length */
        assert_int_equal(json_double((struct json_slice){copy, strlen(numbers[i])}, &got), 0);
        assert_memory_equal(&got, &expected, sizeof(got));
        free(copy);
    }
}

static void readings_of_any_precision_are_exact(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        char text[64];
        int decimals = i % 17;
        snprintf(text, sizeof(text), "%.*f", decimals, (i - 10000) * 0.7310585786300049);
        double got, expected = strtod(text, NULL);
        assert_int_equal(json_double(value_of(text), &got), 0);
        assert_memory_equal(&got, &expected, sizeof(got));
    }
}

static void what_is_beyond_double_is_out_of_range(void **state)
{
    (void)state;
    double value = 77;
    assert_int_equal(json_double(value_of("1e309"), &value), -ERANGE);
    assert_int_equal(json_double(value_of("-1e999999999"), &value), -ERANGE);
    char huge[402] = "1";
    memset(huge + 1, '0', 400);
    assert_int_equal(json_double(value_of(huge), &value), -ERANGE);
    assert_int_equal(json_double(value_of("\"1\""), &value), -EINVAL);
    assert_int_equal(json_double(value_of("null"), &value), -EINVAL);
    assert_int_equal(json_double((struct json_slice){0}, &value), -EINVAL);
    assert_true(value == 77);
}

static void integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int error;
        int64_t value;
    } cases[] = {
        {"0", 0, 0},
        {"-0", 0, 0},
        {"3", 0, 3},
        {"-3", 0, -3},
        {"3.0", 0, 3},
        {"3.000", 0, 3},
        {"3e2", 0, 300},
        {"9007199254740993", 0, 9007199254740993},
        {"9223372036854775807", 0, INT64_MAX},
        {"-9223372036854775808", 0, INT64_MIN},
        {"9223372036854775808", -ERANGE, 0},
        {"-9223372036854775809", -ERANGE, 0},
        {"123456789012345678901234567890", -ERANGE, 0},
        {"1e300", -ERANGE, 0},
        {"9007199254740994.0", -ERANGE, 0},
        {"9007199254740992.0", 0, 9007199254740992},
        {"1e999", -ERANGE, 0},
        {"3.5", -EINVAL, 0},
        {"-0.1", -EINVAL, 0},
        {"\"3\"", -EINVAL, 0},
        {"null", -EINVAL, 0},
        {"true", -EINVAL, 0},
        {"[3]", -EINVAL, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t value = 77;
        if (json_int(value_of(cases[i].text), &value) != cases[i].error)
            fail_msg("%s", cases[i].text);
        assert_int_equal(value, cases[i].error ? 77 : cases[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_decoded),
        cmocka_unit_test(what_is_no_string_is_said),
        cmocka_unit_test(comparison_is_exact),
        cmocka_unit_test(cutting_keeps_characters_whole),
        cmocka_unit_test(search_ignores_case_and_sees_through_escapes),
        cmocka_unit_test(doubles_are_those_of_strtod),
        cmocka_unit_test(readings_of_any_precision_are_exact),
        cmocka_unit_test(what_is_beyond_double_is_out_of_range),
        cmocka_unit_test(integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
