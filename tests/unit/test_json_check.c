#include "fixtures.h"
#include "json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Checks memory of exactly that size, so that a sanitizer sees whoever reads beyond. */
static bool check(const char *text, size_t len, unsigned max_depth, struct json_error *ret_error)
{
    char *copy = exact_copy(text, len);
    bool valid = json_check(copy, len, max_depth, ret_error);
    assert_int_equal(json_check(copy, len, max_depth, NULL), valid);
    free(copy);
    return valid;
}

static void json_is_accepted(void **state)
{
    (void)state;
    static const char *const good[] = {
        "null",
        "true",
        "false",
        "0",
        "-0",
        "-0.0",
        "1",
        "-1",
        "10",
        "123456789012345678901234567890",
        "0.5",
        "1.25",
        "1e5",
        "1E5",
        "1e+5",
        "1e-5",
        "1.5E+300",
        "0e0",
        "0E+01",
        "-1.5e-400",
        "1e999",
        "\"\"",
        "\"a\"",
        "[]",
        "{}",
        " [ ] ",
        "\t{\r}\n",
        "[[]]",
        "[{}]",
        "{\"a\":{}}",
        "[1,2 ,3]",
        "[ 1 , \"a\" , null ]",
        "{\"\":0}",
        "{\"a\":1,\"a\":2}",
        "{ \"a\" : [ 1 ] , \"b\" : { } }",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\\u0000\"",
        "\"\\u00e4\\uD83E\\udd99\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\xa6\x99\"",
        "\"\x7f\"",
        "\"\xe2\x80\xa8\"",
        "\"\xef\xbb\xbf\"",
        "\"\xf4\x8f\xbf\xbf\"",
        "\"01234567\"",
        "\"0123456\\n89abcdef\"",
        "\"/\"",
        "[0,-1.0e1,true,false,null,\"x\"]",
        "\"[{]}:,\"",
        "{\"\\u0061\":1}",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct json_error error;
        if (!check(good[i], strlen(good[i]), JSON_MAX_DEPTH, &error))
            fail_msg("%s: %s at %zu", good[i], error.message, error.offset);
    }
}

static void what_is_not_json_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t offset;
        const char *message;
    } bad[] = {
        {"", 0, "truncated"},
        {" ", 1, "truncated"},
        {"[", 1, "truncated"},
        {"{", 1, "truncated"},
        {"\"", 1, "truncated"},
        {"\"\\", 2, "truncated"},
        {"\"\\u12", 5, "truncated"},
        {"-", 1, "truncated"},
        {"tru", 3, "truncated"},
        {"[1", 2, "truncated"},
        {"[1,", 3, "truncated"},
        {"{\"a\"", 4, "truncated"},
        {"{\"a\":", 5, "truncated"},
        {"{\"a\":1", 6, "truncated"},
        {"{\"a\":1,", 7, "truncated"},
        {"1.", 2, "truncated"},
        {"1e", 2, "truncated"},
        {"1e+", 3, "truncated"},
        {"01", 1, "number with a leading zero"},
        {"-01", 2, "number with a leading zero"},
        {"[00]", 2, "number with a leading zero"},
        {"[1.]", 3, "digit expected"},
        {"[1.e5]", 3, "digit expected"},
        {"[1e]", 3, "digit expected"},
        {"[-]", 2, "digit expected"},
        {"[-a]", 2, "digit expected"},
        {"--1", 1, "digit expected"},
        {"1e+-1", 3, "digit expected"},
        {"-Infinity", 1, "digit expected"},
        {"+1", 0, "unexpected character"},
        {".5", 0, "unexpected character"},
        {"NaN", 0, "unexpected character"},
        {"Infinity", 0, "unexpected character"},
        {"nul1", 3, "unexpected character"},
        {"True", 0, "unexpected character"},
        {"None", 0, "unexpected character"},
        {"undefined", 0, "unexpected character"},
        {"'a'", 0, "unexpected character"},
        {"]", 0, "unexpected character"},
        {",", 0, "unexpected character"},
        {"[,1]", 1, "unexpected character"},
        {"[1,]", 3, "unexpected character"},
        {"[1,,2]", 3, "unexpected character"},
        {"{\"a\":}", 5, "unexpected character"},
        {"// x\n1", 0, "unexpected character"},
        {"/**/1", 0, "unexpected character"},
        {"\xef\xbb\xbf{}", 0, "unexpected character"},
        {"\xc2\xa0"
         "1",
         0, "unexpected character"},
        {"\f1", 0, "unexpected character"},
        {"<html>", 0, "unexpected character"},
        {"{a:1}", 1, "key expected"},
        {"{'a':1}", 1, "key expected"},
        {"{1:1}", 1, "key expected"},
        {"{,}", 1, "key expected"},
        {"{\"a\":1,}", 7, "key expected"},
        {"{null:1}", 1, "key expected"},
        {"{]", 1, "key expected"},
        {"{\"a\" 1}", 5, "colon expected"},
        {"{\"a\",1}", 4, "colon expected"},
        {"{\"a\"}", 4, "colon expected"},
        {"[1 2]", 3, "comma or ] expected"},
        {"[1}", 2, "comma or ] expected"},
        {"[1x]", 2, "comma or ] expected"},
        {"[0x10]", 2, "comma or ] expected"},
        {"[1_0]", 2, "comma or ] expected"},
        {"[truee]", 5, "comma or ] expected"},
        {"[\"a\"b]", 4, "comma or ] expected"},
        {"{\"a\":1]", 6, "comma or } expected"},
        {"{\"a\":1 \"b\":2}", 7, "comma or } expected"},
        {"{\"a\":1:2}", 6, "comma or } expected"},
        {"1 2", 2, "text after the value"},
        {"{}x", 2, "text after the value"},
        {"[]]", 2, "text after the value"},
        {"nullnull", 4, "text after the value"},
        {"\"a\"\"b\"", 3, "text after the value"},
        {"{}\n{}", 3, "text after the value"},
        {"\"a\nb\"", 2, "control character in a string"},
        {"\"\t\"", 1, "control character in a string"},
        {"\"01234567\x1f\"", 9, "control character in a string"},
        {"{\"a\x01\":1}", 3, "control character in a string"},
        {"\"\\x41\"", 2, "unknown escape"},
        {"\"\\'\"", 2, "unknown escape"},
        {"\"\\U0041\"", 2, "unknown escape"},
        {"\"\\\n\"", 2, "unknown escape"},
        {"\"\\\xc3\xa4\"", 2, "unknown escape"},
        {"\"\\u123g\"", 6, "\\u without four hexadecimal digits"},
        {"\"\\u\"", 3, "\\u without four hexadecimal digits"},
        {"\"\\u+123\"", 3, "\\u without four hexadecimal digits"},
        {"\"\\u 123\"", 3, "\\u without four hexadecimal digits"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct json_error error = {0};
        if (check(bad[i].text, strlen(bad[i].text), JSON_MAX_DEPTH, &error))
            fail_msg("taken: %s", bad[i].text);
        if (error.offset != bad[i].offset || strcmp(error.message, bad[i].message) != 0)
            fail_msg("%s: %s at %zu", bad[i].text, error.message, error.offset);
        assert_int_equal(error.fault, JSON_NOT_JSON);
    }
}

static void raw_nul_is_refused_everywhere(void **state)
{
    (void)state;
    static const char texts[][8] = {"\0{}", "{\0}", "{}\0", "[1\0]", "\"\0\"", "\"\\\0\"", "1\0"};
    static const size_t lens[] = {3, 3, 3, 4, 3, 4, 2};
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        struct json_error error;
        assert_false(check(texts[i], lens[i], JSON_MAX_DEPTH, &error));
        assert_int_equal(error.fault, JSON_NOT_JSON);
        assert_int_equal(texts[i][error.offset], '\0');
    }
}

static void what_is_not_utf8_is_its_own_fault(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t offset;
    } bad[] = {
        {"\"\xff\"", 1},
        {"\"a\x80\"", 2},
        {"\"\xc0\xaf\"", 1},
        {"\"\xed\xa0\x80\"", 1},
        {"\"\xe2\x82\"", 1},
        {"\"\xf4\x90\x80\x80\"", 1},
        {"\"0123456789\xe4\"", 11},
        {"{\"\xe9t\xe9\":1}", 2},
        {"\xff\xfe{}", 0},
        {"[1,\x80]", 3},
        {"\"\xc3", 1},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct json_error error = {0};
        assert_false(check(bad[i].text, strlen(bad[i].text), JSON_MAX_DEPTH, &error));
        assert_int_equal(error.fault, JSON_NOT_UTF8);
        assert_int_equal(error.offset, bad[i].offset);
    }
}

/* `depth` containers in each other, arrays and objects in turn. Free it. */
static char *nested(unsigned depth, size_t *ret_len)
{
    char *text = malloc(12 * (size_t)depth + 2);
    assert_non_null(text);
    size_t len = 0;
    for (unsigned i = 0; i < depth; i++)
        len += (size_t)sprintf(text + len, i % 2 ? "{\"a\":" : "[1,");
    len += (size_t)sprintf(text + len, "0");
    for (unsigned i = depth; i-- > 0;)
        text[len++] = i % 2 ? '}' : ']';
    *ret_len = len;
    return text;
}

static void depth_is_limited_exactly(void **state)
{
    (void)state;
    for (unsigned depth = 0; depth <= JSON_DEPTH_LIMIT + 1; depth++) {
        size_t len;
        char *text = nested(depth, &len);
        for (unsigned max = 0; max <= JSON_DEPTH_LIMIT; max++) {
            struct json_error error;
            assert_int_equal(check(text, len, max, &error), depth <= max);
            if (depth > max)
                assert_int_equal(error.fault, JSON_TOO_DEEP);
        }
        free(text);
    }
    struct json_error error;
    assert_false(check("[[[]]]", 6, 2, &error)); /* an empty one counts as well */
    assert_int_equal(error.offset, 2);
    assert_true(check("[[],[],{\"a\":[]}]", 16, 3, NULL));
}

static void a_million_brackets_do_no_harm(void **state)
{
    (void)state;
    size_t len = 1000000;
    char *text = malloc(len);
    assert_non_null(text);
    memset(text, '[', len);
    struct json_error error;
    assert_false(json_check(text, len, JSON_MAX_DEPTH, &error));
    assert_int_equal(error.fault, JSON_TOO_DEEP);
    assert_int_equal(error.offset, JSON_MAX_DEPTH);
    free(text);
}

static void accept_body(const char *path, const char *text, size_t len)
{
    struct json_error error;
    if (!check(text, len, JSON_MAX_DEPTH, &error))
        fail_msg("%s: %s at %zu", path, error.message, error.offset);
    /* every body is an object: whatever is cut off, it is no longer whole */
    size_t step = len > 4000 ? 7 : 1;
    for (size_t cut = 0; cut < len; cut += step) {
        if (check(text, cut, JSON_MAX_DEPTH, &error))
            fail_msg("%s: taken with %zu of %zu bytes", path, cut, len);
        assert_true(error.offset <= cut);
    }
}

static void recordings_are_json_and_no_part_of_them_is(void **state)
{
    (void)state;
    assert_true(fixture_each_body(accept_body) >= 30);
}

static void assert_replaced(const char *text, const char *expected)
{
    size_t len = 77;
    char *copy = exact_copy(text, strlen(text));
    char *replaced = json_replace_nonfinite(copy, strlen(text), &len);
    free(copy);
    if (!expected) {
        if (replaced)
            fail_msg("changed: %s", text);
        assert_int_equal(len, strlen(text));
        return;
    }
    if (!replaced)
        fail_msg("not changed: %s", text);
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(replaced, expected, len);
    free(replaced);
}

static void nonfinite_numbers_become_null(void **state)
{
    (void)state;
    assert_replaced("NaN", "null");
    assert_replaced(" -Infinity ", " null      ");
    assert_replaced("[NaN]", "[null]");
    assert_replaced("[NaN,Infinity,-Infinity]", "[null,null    ,null     ]");
    assert_replaced("{\"a\": NaN, \"b\":[ Infinity ]}", "{\"a\": null, \"b\":[ null     ]}");
    assert_replaced("{\"NaN\":NaN}", "{\"NaN\":null}");
    assert_replaced("[NaN,\"NaN\",\"\\\"NaN\",1]", "[null,\"NaN\",\"\\\"NaN\",1]");
    assert_replaced("[\"a\\\\\",NaN]", "[\"a\\\\\",null]");
}

static void nothing_else_is_replaced(void **state)
{
    (void)state;
    static const char *const unchanged[] = {
        "",
        "{}",
        "\"NaN\"",
        "[\"Infinity\"]",
        "[\"a, NaN, b\"]",
        "{\"x\":\"-Infinity\"}",
        "{NaN:1}",
        "{\"a\":1,NaN:2}",
        "[1NaN]",
        "[NaNa]",
        "[NaN1]",
        "[-NaN]",
        "[+Infinity]",
        "[--Infinity]",
        "[Inf]",
        "[nan]",
        "[NaN NaN]",
        "[\"\\\",NaN,\\\"\"]",
        "\"NaN",
        "\"a\\",
        "N",
        "-",
        "[Infinit",
    };
    for (size_t i = 0; i < sizeof(unchanged) / sizeof(unchanged[0]); i++)
        assert_replaced(unchanged[i], NULL);
}

static size_t nan_messages;

static void repair_message(const char *topic, const char *payload, size_t len)
{
    struct json_error error;
    assert_string_equal(topic, "smollama/edge-nan/readings");
    assert_false(check(payload, len, JSON_MAX_DEPTH, &error));
    assert_memory_equal(payload + error.offset, "NaN", 3);
    size_t repaired_len;
    char *repaired = json_replace_nonfinite(payload, len, &repaired_len);
    assert_non_null(repaired);
    assert_int_equal(repaired_len, len + 1); /* one NaN, two infinities */
    assert_true(check(repaired, repaired_len, JSON_MAX_DEPTH, &error));
    struct json_slice readings = json_member(json_root(repaired, repaired_len), "readings");
    assert_int_equal(json_count(readings), 16);
    size_t nulls = 0;
    for (struct json_iter it = json_iter(readings); json_next(&it);)
        nulls += json_type(json_member(it.value, "value")) == JSON_NULL;
    assert_int_equal(nulls, 3);
    free(repaired);
    for (size_t cut = 0; cut < len; cut++) { /* unchecked text may end anywhere */
        char *part = exact_copy(payload, cut);
        free(json_replace_nonfinite(part, cut, &repaired_len));
        assert_true(repaired_len >= cut && repaired_len <= cut + 1);
        free(part);
    }
    nan_messages++;
}

static void recorded_nan_costs_nothing_but_its_value(void **state)
{
    (void)state;
    fixture_each_message("smollama/edge/edge-nan.readings.txt", repair_message);
    assert_int_equal(nan_messages, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_accepted),
        cmocka_unit_test(what_is_not_json_is_refused_with_its_place),
        cmocka_unit_test(raw_nul_is_refused_everywhere),
        cmocka_unit_test(what_is_not_utf8_is_its_own_fault),
        cmocka_unit_test(depth_is_limited_exactly),
        cmocka_unit_test(a_million_brackets_do_no_harm),
        cmocka_unit_test(recordings_are_json_and_no_part_of_them_is),
        cmocka_unit_test(nonfinite_numbers_become_null),
        cmocka_unit_test(nothing_else_is_replaced),
        cmocka_unit_test(recorded_nan_costs_nothing_but_its_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
