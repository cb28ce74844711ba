#include "buf.h"
#include "timestamp.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_bytes(struct buf *b, const char *expected)
{
    assert_false(b->failed);
    assert_string_equal(buf_terminate(b), expected);
    assert_int_equal(b->len, strlen(expected));
    buf_reset(b);
}

static void appends_and_grows(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    for (int i = 0; i < 10000; i++)
        buf_printf(&b, "%d,", i % 10);
    buf_char(&b, 'x');
    buf_str(&b, "yz");
    buf_append(&b, "\0!", 2);
    buf_append(&b, NULL, 0);
    assert_int_equal(b.len, 20005);
    assert_memory_equal(b.data, "0,1,2,3,", 8);
    assert_memory_equal(b.data + 20000, "xyz\0!", 5);
    buf_finish(&b);
    assert_null(b.data);
    assert_int_equal(b.len + b.cap, 0);
    buf_str(&b, "again");
    assert_bytes(&b, "again");
    buf_finish(&b);
}

static void printf_writes_more_than_one_block(void **state)
{
    (void)state;
    char long_text[3000];
    memset(long_text, 'a', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    struct buf b = BUF_INIT;
    buf_printf(&b, "<%s>", long_text);
    assert_int_equal(b.len, 3001);
    assert_int_equal(b.data[0], '<');
    assert_int_equal(b.data[3000], '>');
    buf_finish(&b);
}

static void limit_is_exact_and_failure_sticks(void **state)
{
    (void)state;
    struct buf b = {.limit = 5};
    buf_str(&b, "12345");
    assert_bytes(&b, "12345"); /* the NUL is not counted */
    buf_str(&b, "1234");
    buf_str(&b, "56");
    assert_true(b.failed);
    assert_int_equal(b.len, 4);
    buf_str(&b, "5");
    buf_printf(&b, "%d", 5);
    buf_json_int(&b, 5);
    buf_json_sep(&b);
    assert_int_equal(b.len, 4);
    assert_null(buf_reserve(&b, 0));
    assert_null(buf_terminate(&b));
    size_t len = 77;
    assert_null(buf_take(&b, &len));
    assert_int_equal(len, 77);
    buf_reset(&b);
    buf_str(&b, "ok");
    assert_bytes(&b, "ok");
    buf_finish(&b);
    assert_int_equal(b.limit, 5);
}

static void impossible_sizes_fail(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    buf_str(&b, "abc");
    assert_null(buf_reserve(&b, SIZE_MAX));
    assert_true(b.failed);
    buf_reset(&b);
    buf_str(&b, "abc");
    assert_null(buf_reserve(&b, SIZE_MAX - 3));
    assert_true(b.failed);
    buf_finish(&b);
}

static void reserved_room_can_be_written(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    buf_str(&b, "ab");
    char *to = buf_reserve(&b, 1000);
    assert_ptr_equal(to, b.data + 2);
    memset(to, 'c', 1000);
    b.len += 1000;
    assert_int_equal(strlen(buf_terminate(&b)), 1002);
    buf_finish(&b);
}

static void take_hands_over(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    buf_str(&b, "mine");
    size_t len;
    char *mine = buf_take(&b, &len);
    assert_int_equal(len, 4);
    assert_memory_equal(mine, "mine", 4);
    assert_null(b.data);
    char *empty = buf_take(&b, &len);
    assert_non_null(empty);
    assert_int_equal(len, 0);
    free(mine);
    free(empty);
}

static void json_strings_are_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len;
        const char *expected;
    } cases[] = {
        {"", 0, "\"\""},
        {"plain", 5, "\"plain\""},
        {"a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\""},
        {"\b\t\n\v\f\r", 6, "\"\\b\\t\\n\\u000b\\f\\r\""},
        {"a\0b\x1f\x7f", 5, "\"a\\u0000b\\u001f\x7f\""},
        {"\xc3\xa4\xe2\x80\xa8\xf0\x9f\xa6\x99", 9, "\"\xc3\xa4\xe2\x80\xa8\xf0\x9f\xa6\x99\""},
        {"a\xff"
         "b",
         3,
         "\"a\xef\xbf\xbd"
         "b\""},
        {"\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"ab\xe2\x82", 4, "\"ab\xef\xbf\xbd\xef\xbf\xbd\""}, /* cut off at the end */
        {"\xc0\xaf", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\""},     /* overlong */
    };
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buf_json_string(&b, cases[i].text, cases[i].len);
        assert_bytes(&b, cases[i].expected);
    }
    buf_json_cstr(&b, NULL);
    assert_bytes(&b, "null");
    buf_json_cstr(&b, "x");
    assert_bytes(&b, "\"x\"");
    buf_finish(&b);
}

static void json_numbers_and_words(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    buf_json_int(&b, 0);
    assert_bytes(&b, "0");
    buf_json_int(&b, -42);
    assert_bytes(&b, "-42");
    buf_json_int(&b, INT64_MAX);
    assert_bytes(&b, "9223372036854775807");
    buf_json_int(&b, INT64_MIN);
    assert_bytes(&b, "-9223372036854775808");
    buf_json_bool(&b, true);
    assert_bytes(&b, "true");
    buf_json_bool(&b, false);
    assert_bytes(&b, "false");
    buf_json_double(&b, 45.3);
    assert_bytes(&b, "45.3");
    buf_json_double(&b, 0.1 + 0.2);
    assert_bytes(&b, "0.30000000000000004");
    buf_json_double(&b, 1e300);
    assert_bytes(&b, "1e+300");
    buf_json_double(&b, NAN);
    assert_bytes(&b, "null");
    buf_json_double(&b, -INFINITY);
    assert_bytes(&b, "null");
    buf_finish(&b);
}

static void doubles_read_back(void **state)
{
    (void)state;
    static const double values[] = {0,
                                    -0.0,
                                    1.0 / 3,
                                    5e-324,
                                    1.7976931348623157e308,
                                    9007199254740993.0,
                                    1e21,
                                    2.5e-10,
                                    123456789.123456789};
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        buf_json_double(&b, values[i]);
        double back = strtod(buf_terminate(&b), NULL);
        assert_memory_equal(&back, &values[i], sizeof(back));
        buf_reset(&b);
    }
    buf_finish(&b);
}

static void json_times(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    buf_json_time(&b, 1767323045678);
    assert_bytes(&b, "\"2026-01-02T03:04:05.678Z\"");
    buf_json_time(&b, TIMESTAMP_NONE);
    assert_bytes(&b, "null");
    buf_json_time(&b, INT64_MAX);
    assert_bytes(&b, "null");
    buf_finish(&b);
}

static void separators_stand_where_needed(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    buf_char(&b, '{');
    buf_json_key(&b, "a");
    buf_char(&b, '[');
    for (int i = 0; i < 3; i++) {
        buf_json_sep(&b);
        buf_json_int(&b, i);
    }
    buf_char(&b, ']');
    buf_json_key(&b, "b");
    buf_char(&b, '{');
    buf_json_key(&b, "c");
    buf_json_sep(&b); /* after a colon: nothing */
    buf_json_bool(&b, true);
    buf_str(&b, "}");
    buf_json_key(&b, "d");
    buf_json_cstr(&b, "x");
    buf_char(&b, '}');
    buf_json_sep(&b);
    buf_json_sep(&b);
    assert_bytes(&b, "{\"a\":[0,1,2],\"b\":{\"c\":true},\"d\":\"x\"},");
    buf_json_sep(&b); /* at the start: nothing */
    assert_bytes(&b, "");
    buf_finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_and_grows),
        cmocka_unit_test(printf_writes_more_than_one_block),
        cmocka_unit_test(limit_is_exact_and_failure_sticks),
        cmocka_unit_test(impossible_sizes_fail),
        cmocka_unit_test(reserved_room_can_be_written),
        cmocka_unit_test(take_hands_over),
        cmocka_unit_test(json_strings_are_escaped),
        cmocka_unit_test(json_numbers_and_words),
        cmocka_unit_test(doubles_read_back),
        cmocka_unit_test(json_times),
        cmocka_unit_test(separators_stand_where_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
