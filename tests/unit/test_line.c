#include "line.h"

#include "timestamp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct buf sealed(const char *object_without_brace)
{
    struct buf out = BUF_INIT;
    buf_str(&out, object_without_brace);
    line_seal(&out, 0);
    assert_false(out.failed);
    return out;
}

static enum line_kind read_one(const char *text, size_t len, struct json_slice *ret_object)
{
    struct line_reader reader = {.text = text, .len = len};
    size_t offset;
    return line_next(&reader, 4, ret_object, &offset);
}

static void checksum_is_the_one_of_zip(void **state)
{
    (void)state;
    assert_int_equal(line_checksum("123456789", 9), 0xcbf43926);
    assert_int_equal(line_checksum("", 0), 0);
}

/* Long texts go another way. */
static void checksum_of_any_length_is_the_one_by_definition(void **state)
{
    (void)state;
    static const size_t lengths[] = {1, 7, 255, 4095, 4096, 4097, 4103, 4104, 9999};
    static char text[10000];
    uint32_t seed = 1;
    for (size_t i = 0; i < sizeof text; i++) {
        seed = seed * 1664525 + 1013904223;
        text[i] = (char)(seed >> 24);
    }
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        uint32_t crc = UINT32_MAX;
        for (size_t bit = 0; bit < 8 * lengths[i]; bit++) {
            uint32_t in = (unsigned char)text[bit / 8] >> bit % 8 & 1;
            crc = crc >> 1 ^ ((crc ^ in) & 1 ? 0xedb88320 : 0);
        }
        assert_int_equal(line_checksum(text, lengths[i]), ~crc);
    }
}

static void sealed_line_is_json_with_its_checksum_last(void **state)
{
    (void)state;
    struct buf out = sealed("{\"a\":[1,\n2],\r\"b\":\"x\"");
    struct json_slice object;
    assert_int_equal(read_one(out.data, out.len, &object), LINE_GOOD);
    assert_memory_equal(object.data, "{\"a\":[1, 2], \"b\":\"x\",\"crc\":\"", 28);
    assert_int_equal(object.len, out.len - 1);
    assert_true(json_string_is(json_member(object, "b"), "x"));
    buf_finish(&out);
}

static void every_cut_is_torn(void **state)
{
    (void)state;
    struct buf out = sealed("{\"a\":1");
    struct json_slice object;
    assert_int_equal(read_one(out.data, 0, &object), LINE_END);
    for (size_t len = 1; len < out.len; len++) {
        assert_int_equal(read_one(out.data, len, &object), LINE_TORN);
    }
    buf_finish(&out);
}

static void every_flipped_bit_is_seen(void **state)
{
    (void)state;
    struct buf out = sealed("{\"a\":\"some text, and more\",\"b\":[1,2,3]");
    struct json_slice object;
    for (size_t bit = 0; bit < 8 * out.len; bit++) {
        out.data[bit / 8] = (char)(out.data[bit / 8] ^ 1 << bit % 8);
        assert_int_not_equal(read_one(out.data, out.len, &object), LINE_GOOD);
        out.data[bit / 8] = (char)(out.data[bit / 8] ^ 1 << bit % 8);
    }
    assert_int_equal(read_one(out.data, out.len, &object), LINE_GOOD);
    buf_finish(&out);
}

static void hostile_lines_with_a_good_checksum_are_bad(void **state)
{
    (void)state;
    static const char *const texts[] = {"[1",
                                        "\"a\"",
                                        "{\"a\":01",
                                        "{\"a\":\"\xff\"",
                                        "{\"a\":NaN",
                                        "{\"a\":\"\t\"",
                                        "{\"a\":[[[[1]]]]",
                                        "{",
                                        "{\"a\":1}{\"b\":2"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct buf out = sealed(texts[i]);
        struct json_slice object;
        assert_int_equal(read_one(out.data, out.len, &object), LINE_BAD);
        buf_finish(&out);
    }
}

static void lines_are_walked_with_their_offsets(void **state)
{
    (void)state;
    struct buf out = BUF_INIT;
    line_write_header(&out, "things", 3);
    size_t second = out.len;
    buf_str(&out, "rubbish\n");
    size_t third = out.len;
    buf_str(&out, "{\"a\":1");
    line_seal(&out, third);
    size_t fourth = out.len;
    buf_append(&out, "\0\0\0", 3);
    struct line_reader reader = {.text = out.data, .len = out.len};
    struct json_slice object;
    size_t offset;
    assert_int_equal(line_next(&reader, 4, &object, &offset), LINE_GOOD);
    assert_true(line_is_header(object, "things", 3));
    assert_false(line_is_header(object, "things", 2));
    assert_false(line_is_header(object, "thing", 3));
    assert_int_equal(line_next(&reader, 4, &object, &offset), LINE_BAD);
    assert_int_equal(offset, second);
    assert_int_equal(line_next(&reader, 4, &object, &offset), LINE_GOOD);
    assert_int_equal(offset, third);
    assert_int_equal(line_next(&reader, 4, &object, &offset), LINE_TORN);
    assert_int_equal(offset, fourth);
    assert_int_equal(line_next(&reader, 4, &object, &offset), LINE_END);
    buf_finish(&out);
}

static void members_are_taken_as_they_should_be_or_not_at_all(void **state)
{
    (void)state;
    static const char text[] =
        "{\"t\":\"abc\",\"nul\":\"a\\u0000b\",\"n\":1,\"at\":\"2026-11-23T08:00:00.123Z\","
        "\"naive\":\"2026-11-23T08:00:00\",\"null\":null}";
    struct json_slice object = json_root(text, sizeof text - 1);
    char buffer[4];
    int64_t ms;
    assert_true(line_text(json_member(object, "t"), buffer, sizeof buffer));
    assert_string_equal(buffer, "abc");
    assert_false(line_text(json_member(object, "t"), buffer, 3));
    assert_false(line_text(json_member(object, "nul"), buffer, sizeof buffer));
    assert_false(line_text(json_member(object, "n"), buffer, sizeof buffer));
    assert_false(line_text(json_member(object, "absent"), buffer, sizeof buffer));
    assert_true(line_time(json_member(object, "at"), &ms));
    assert_int_equal(ms, INT64_C(1795420800123));
    assert_true(line_time(json_member(object, "null"), &ms));
    assert_int_equal(ms, TIMESTAMP_NONE);
    assert_false(line_time(json_member(object, "naive"), &ms));
    assert_false(line_time(json_member(object, "absent"), &ms));
    assert_false(line_time(json_member(object, "n"), &ms));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksum_is_the_one_of_zip),
        cmocka_unit_test(checksum_of_any_length_is_the_one_by_definition),
        cmocka_unit_test(sealed_line_is_json_with_its_checksum_last),
        cmocka_unit_test(every_cut_is_torn),
        cmocka_unit_test(every_flipped_bit_is_seen),
        cmocka_unit_test(hostile_lines_with_a_good_checksum_are_bad),
        cmocka_unit_test(lines_are_walked_with_their_offsets),
        cmocka_unit_test(members_are_taken_as_they_should_be_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
