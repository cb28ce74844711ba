#include "url.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void parts_are_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host, *path;
        unsigned port;
        bool https, ipv6;
    } cases[] = {
        {"http://127.0.0.1:8080", "127.0.0.1", "", 8080, false, false},
        {"http://pi-kitchen", "pi-kitchen", "", 80, false, false},
        {"HTTPS://pi.example/", "pi.example", "", 443, true, false},
        {"https://pi.example:8443/smollama//", "pi.example", "/smollama", 8443, true, false},
        {"http://[::1]:8080/a/b", "::1", "/a/b", 8080, false, true},
        {"http://h:9/!~", "h", "/!~", 9, false, false},
        {"http://h:65535", "h", "", 65535, false, false},
        {"http://[fd00::17]", "fd00::17", "", 80, false, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct url url;
        assert_int_equal(url_parse(cases[i].text, &url, NULL), 0);
        assert_string_equal(url.host, cases[i].host);
        assert_string_equal(url.path, cases[i].path);
        assert_int_equal(url.port, cases[i].port);
        assert_int_equal(url.https, cases[i].https);
        assert_int_equal(url.ipv6, cases[i].ipv6);
    }
}

static void what_is_no_base_address_is_refused_with_a_reason(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "127.0.0.1:8080",
        "ftp://host",
        "http://",
        "http:///path",
        "http://:8080",
        "http://host:",
        "http://host:0",
        "http://host:65536",
        "http://host:99999999999999999999",
        "http://host:80x",
        "http://ho st",
        "http://host\r\nX: y",
        "http://h\xc3\xbcte",
        "http://user:secret@host",
        "http://host/?q=1",
        "http://host/#top",
        "http://[::1",
        "http://[::1]8080",
        "http://[pi]:8080",
        "http://[::1%25eth0]:80",
        "http://ho<st",
        "http://host/a b",
        "http://host/a\r\nX: y",
        "http://host/a\x7f",
        "http://host/<a>",
        "http://host/\xc3\xbc",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct url url = {.port = 7};
        const char *why = NULL;
        assert_int_equal(url_parse(cases[i], &url, &why), -EINVAL);
        assert_non_null(why);
        assert_int_equal(url.port, 7); /* untouched */
    }
}

static void lengths_are_limited(void **state)
{
    (void)state;
    struct url url;
    char text[512] = "http://";
    memset(text + 7, 'h', URL_HOST_MAX);
    assert_int_equal(url_parse(text, &url, NULL), 0);
    text[7 + URL_HOST_MAX] = 'h';
    assert_int_equal(url_parse(text, &url, NULL), -EINVAL);
    memset(text, 0, sizeof text);
    strcpy(text, "http://h/");
    memset(text + 9, 'p', URL_PATH_MAX - 1);
    assert_int_equal(url_parse(text, &url, NULL), 0);
    assert_int_equal(strlen(url.path), URL_PATH_MAX);
    text[9 + URL_PATH_MAX - 1] = 'p';
    assert_int_equal(url_parse(text, &url, NULL), -EINVAL);
}

static void authority_leaves_the_usual_port_out(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"http://pi:80", "pi"},     {"http://pi:443", "pi:443"}, {"https://pi", "pi"},
        {"https://pi:80", "pi:80"}, {"http://[::1]", "[::1]"},   {"http://[::1]:8080/x", "[::1]:8080"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct url url;
        char buffer[URL_AUTHORITY_SIZE];
        assert_int_equal(url_parse(cases[i][0], &url, NULL), 0);
        assert_string_equal(url_authority(&url, buffer), cases[i][1]);
    }
}

static void address_replaces_the_host(void **state)
{
    (void)state;
    struct url url;
    char buffer[128];
    assert_int_equal(url_parse("http://127.0.0.1:8080/base", &url, NULL), 0);
    assert_int_equal(url_at_address(&url, "192.168.1.10", buffer, sizeof buffer), 0);
    assert_string_equal(buffer, "http://192.168.1.10:8080/base");
    assert_int_equal(url_at_address(&url, "fd00::1", buffer, sizeof buffer), 0);
    assert_string_equal(buffer, "http://[fd00::1]:8080/base");
    size_t size = sizeof "http://192.168.1.10:8080/base";
    assert_int_equal(url_at_address(&url, "192.168.1.10", buffer, size), 0);
    assert_int_equal(url_at_address(&url, "192.168.1.10", buffer, size - 1), -E2BIG);
}

static void only_addresses_that_others_can_use_are_reachable(void **state)
{
    (void)state;
    static const char *const yes[] = {"192.168.1.10", "10.0.0.1",    "100.64.0.1",         "8.8.8.8",
                                      "fd00::1",      "2001:db8::1", "::ffff:192.168.1.10"};
    static const char *const no[] = {
        "127.0.0.1", "127.0.1.1", "0.0.0.0",  "169.254.3.4",      "224.0.0.251", "255.255.255.255", "::1",
        "::",        "fe80::1",   "ff02::fb", "::ffff:127.0.0.1", "pi-kitchen",  "fe80::1%eth0",    ""};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        assert_true(address_is_reachable(yes[i]));
    }
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
        assert_false(address_is_reachable(no[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_taken_apart),
        cmocka_unit_test(what_is_no_base_address_is_refused_with_a_reason),
        cmocka_unit_test(lengths_are_limited),
        cmocka_unit_test(authority_leaves_the_usual_port_out),
        cmocka_unit_test(address_replaces_the_host),
        cmocka_unit_test(only_addresses_that_others_can_use_are_reachable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
