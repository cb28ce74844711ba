#include "utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void every_code_point_survives(void **state)
{
    (void)state;
    for (uint32_t code_point = 0; code_point <= 0x10ffff; code_point++) {
        if (code_point >= 0xd800 && code_point <= 0xdfff)
            continue;
        char bytes[4];
        uint32_t back = UINT32_MAX;
        unsigned n = utf8_encode(code_point, bytes);
        if (utf8_decode(bytes, n, &back) != n || back != code_point || !utf8_valid(bytes, n))
            fail_msg("U+%04X", (unsigned)code_point);
        if (n > 1 && (utf8_decode(bytes, n - 1, &back) != 0 || utf8_valid(bytes, n - 1)))
            fail_msg("U+%04X cut off", (unsigned)code_point);
    }
}

static void what_is_no_code_point_becomes_the_replacement(void **state)
{
    (void)state;
    static const uint32_t bad[] = {0xd800, 0xdbff, 0xdc00, 0xdfff, 0x110000, UINT32_MAX};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char bytes[4];
        assert_int_equal(utf8_encode(bad[i], bytes), 3);
        assert_memory_equal(bytes, UTF8_REPLACEMENT, 3);
    }
}

static void invalid_sequences_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc2",
        "\xc2\x41",
        "\xe0\x80\x80",
        "\xe0\x9f\xbf",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xe2\x82",
        "\xe2\x28\xa1",
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80",
        "\xf0\x9f\xa6",
        "\xf8\x88\x80\x80",
        "\xfe",
        "\xff",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint32_t code_point = 77;
        assert_int_equal(utf8_decode(bad[i], strlen(bad[i]), &code_point), 0);
        assert_int_equal(code_point, 77);
        assert_false(utf8_valid(bad[i], strlen(bad[i])));
        char longer[32] = "0123456789abcdef"; /* behind the eight-byte steps */
        strcat(longer, bad[i]);
        assert_false(utf8_valid(longer, strlen(longer)));
    }
    uint32_t code_point;
    assert_int_equal(utf8_decode("", 0, &code_point), 0);
    assert_true(utf8_valid("", 0));
    assert_true(utf8_valid("a\0b", 3));
}

static void cuts_between_characters(void **state)
{
    (void)state;
    const char *text = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\xa6\x99"; /* aä€🦙: 1 + 2 + 3 + 4 bytes */
    static const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
    for (size_t max = 0; max < sizeof(expected) / sizeof(expected[0]); max++)
        assert_int_equal(utf8_cut(text, 10, max), expected[max]);
}

static void invisible_characters_are_known(void **state)
{
    (void)state;
    static const uint32_t invisible[] = {0,      0x1f,   0x7f,   0x9f,    0xad,    0x61c,  0x200b,
                                         0x200e, 0x200f, 0x2028, 0x2029,  0x202a,  0x202e, 0x2066,
                                         0x2069, 0xfeff, 0xfff9, 0x110bd, 0xe0001, 0xe007f};
    static const uint32_t visible[] = {' ',    'a',    '~',    0xa0,    0xe4,    0x3000,  0x2027,
                                       0x202f, 0x2070, 0xfffd, 0x1f999, 0xe0100, 0x10ffff};
    for (size_t i = 0; i < sizeof(invisible) / sizeof(invisible[0]); i++)
        assert_true(utf8_is_invisible(invisible[i]));
    for (size_t i = 0; i < sizeof(visible) / sizeof(visible[0]); i++)
        assert_false(utf8_is_invisible(visible[i]));
}

static void assert_escaped(const char *text, size_t len, size_t size, const char *expected)
{
    char *buffer = malloc(size);
    assert_non_null(buffer);
    assert_ptr_equal(utf8_escape(buffer, size, text, len), buffer);
    assert_string_equal(buffer, expected);
    free(buffer);
}

static void peer_text_is_made_safe(void **state)
{
    (void)state;
    assert_escaped("pi kitchen \xc3\xa4", 13, 64, "pi kitchen \xc3\xa4");
    assert_escaped("a\nb\x1b[31m\x7f", 9, 64, "a\\x0ab\\x1b[31m\\x7f");
    assert_escaped("a\0b", 3, 64, "a\\x00b");
    assert_escaped("\\n", 2, 64, "\\x5cn");
    assert_escaped("\xe2\x80\xae"
                   "evil\xc2\x9b",
                   9, 64, "\\u{202e}evil\\u{9b}");
    assert_escaped("a\xff\xc3", 3, 64, "a\\xff\\xc3");
    assert_escaped("", 0, 8, "");
}

static void too_long_text_ends_with_an_ellipsis(void **state)
{
    (void)state;
    assert_escaped("1234567", 7, 8, "1234567");
    assert_escaped("12345678", 8, 8, "1234\xe2\x80\xa6");
    assert_escaped("123\xc3\xa4xyz", 8, 8, "123\xe2\x80\xa6");
    assert_escaped("\n\n\n", 3, 8, "\\x0a\xe2\x80\xa6");
    assert_escaped("1\xe2\x80\xae"
                   "2",
                   5, 8, "1\xe2\x80\xa6");
    for (size_t size = 8; size < 40; size++) { /* never beyond, never half a character */
        char buffer[40];
        utf8_escape(buffer, size, "\xf0\x9f\xa6\x99\xc3\xa4\n\xe2\x80\xaeplain text \xff\xf0\x9f\xa6\x99",
                    28);
        assert_true(strlen(buffer) < size);
        assert_true(utf8_valid(buffer, strlen(buffer)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_survives),
        cmocka_unit_test(what_is_no_code_point_becomes_the_replacement),
        cmocka_unit_test(invalid_sequences_are_refused),
        cmocka_unit_test(cuts_between_characters),
        cmocka_unit_test(invisible_characters_are_known),
        cmocka_unit_test(peer_text_is_made_safe),
        cmocka_unit_test(too_long_text_ends_with_an_ellipsis),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
