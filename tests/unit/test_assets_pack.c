/* Packing of files, and who gets them packed. */
#include "assets_pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void what_repeats_is_packed(void **state)
{
    (void)state;
    char text[10000];
    size_t len = 0;
    memset(text, 'x', sizeof text);
    char *packed = assets_pack(text, sizeof text, &len);
    assert_non_null(packed);
    assert_in_range(len, 20, 200);
    assert_memory_equal(packed, "\x1f\x8b\x08", 3); /* RFC 1952 */
    free(packed);
}

static void what_gains_nothing_is_left(void **state)
{
    (void)state;
    char noise[4096];
    size_t len = 0;
    unsigned seed = 1;
    for (size_t i = 0; i < sizeof noise; i++) {
        seed = seed * 1103515245u + 12345u;
        noise[i] = (char)(seed >> 16);
    }
    assert_null(assets_pack(noise, sizeof noise, &len));
    assert_null(assets_pack("short", 5, &len));
    assert_null(assets_pack("", 0, &len));
}

static void whoever_names_gzip_gets_it(void **state)
{
    (void)state;
    static const char *const yes[] = {"gzip",        "GZIP",      "deflate, gzip;q=0.5, br",
                                      "*",           "br , gzip", "identity;q=0, *",
                                      "gzip;q=0.01", "gzip; q=1"};
    static const char *const no[] = {
        "",      "br",       "gzipx", "x-gzip", "gzip;q=0", "gzip;q=0.000", "*, gzip;q=0",
        "*;q=0", "identity", "?",     ",,,"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        if (!assets_takes_gzip(yes[i])) {
            fail_msg("\"%s\" takes gzip", yes[i]);
        }
    }
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
        if (assets_takes_gzip(no[i])) {
            fail_msg("\"%s\" does not take gzip", no[i]);
        }
    }
    assert_false(assets_takes_gzip(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_repeats_is_packed),
        cmocka_unit_test(what_gains_nothing_is_left),
        cmocka_unit_test(whoever_names_gzip_gets_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
