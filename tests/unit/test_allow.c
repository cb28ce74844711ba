#include "allow.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bool passes(const struct allow *allow, const char *text)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address;
    memset(&address, 0, sizeof address);
    if (inet_pton(AF_INET, text, &address.v4.sin_addr) == 1) {
        address.v4.sin_family = AF_INET;
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &address.v6.sin6_addr), 1);
        address.v6.sin6_family = AF_INET6;
    }
    return allow_address(allow, &address.any);
}

static struct allow *list(const char *first, const char *second)
{
    const char *bad;
    const char *cidrs[] = {first, second};
    struct allow *allow = allow_create(first ? cidrs : NULL, second ? 2 : first ? 1 : 0, &bad);
    assert_non_null(allow);
    return allow;
}

static void default_list_is_private_networks_only(void **state)
{
    (void)state;
    static const char *const inside[] = {
        "10.0.0.1",   "10.255.255.255",  "172.16.0.1", "172.31.255.255", "192.168.1.10",
        "100.64.0.1", "100.127.255.255", "fc00::1",    "fdff:ffff::1",   "::ffff:10.1.2.3"};
    static const char *const outside[] = {
        "9.255.255.255", "11.0.0.0",    "172.15.255.255",  "172.32.0.0", "192.167.255.1",
        "100.63.0.1",    "100.128.0.0", "8.8.8.8",         "127.0.0.1",  "169.254.1.1",
        "224.0.0.251",   "0.0.0.0",     "255.255.255.255", "::1",        "::",
        "fe80::1",       "ff02::fb",    "2001:db8::1",     "fe00::1",    "::ffff:127.0.0.1",
        "::ffff:8.8.8.8"};
    struct allow *allow = list(NULL, NULL);
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        assert_true(passes(allow, inside[i]));
    }
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        assert_false(passes(allow, outside[i]));
    }
    allow_destroy(allow);
}

static void wide_entry_opens_no_special_range(void **state)
{
    (void)state;
    struct allow *allow = list("0.0.0.0/0", "::/0");
    static const char *const special[] = {"127.0.0.1", "169.254.169.254", "224.0.0.1", "0.0.0.0",
                                          "::1",       "fe80::1",         "ff02::1",   "255.255.255.255"};
    assert_true(passes(allow, "8.8.8.8"));
    assert_true(passes(allow, "2001:db8::1"));
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
        assert_false(passes(allow, special[i]));
    }
    allow_destroy(allow);
}

static void empty_list_allows_nothing(void **state)
{
    (void)state;
    const char *bad;
    const char *none[1] = {NULL};
    struct allow *allow = allow_create(none, 0, &bad);
    assert_non_null(allow);
    assert_false(passes(allow, "192.168.1.10"));
    assert_false(allow_url(allow, "http://192.168.1.10:8080"));
    allow_destroy(allow);
}

static void special_range_opens_when_listed_itself(void **state)
{
    (void)state;
    struct allow *allow = list("127.0.0.0/8", "fe80::/64");
    assert_true(passes(allow, "127.0.0.1"));
    assert_true(passes(allow, "::ffff:127.0.0.1"));
    assert_true(passes(allow, "fe80::5"));
    assert_false(passes(allow, "::1"));
    assert_false(passes(allow, "10.0.0.1")); /* a list replaces the default */
    allow_destroy(allow);
}

static void prefixes_end_at_any_bit(void **state)
{
    (void)state;
    struct allow *allow = list("192.168.4.0/22", "192.168.9.9");
    assert_true(passes(allow, "192.168.4.0"));
    assert_true(passes(allow, "192.168.7.255"));
    assert_false(passes(allow, "192.168.8.0"));
    assert_false(passes(allow, "192.168.3.255"));
    assert_true(passes(allow, "192.168.9.9"));
    assert_false(passes(allow, "192.168.9.8"));
    allow_destroy(allow);
}

static void bad_entries_are_named(void **state)
{
    (void)state;
    static const char *const entries[] = {"300.0.0.0/8", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/",
                                          "10.0.0.0/8x", "fc00::/129",  "home",        "",
                                          "10.0.0.0/ 8", "10/8"};
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        const char *bad = NULL;
        const char *cidrs[] = {"10.0.0.0/8", entries[i]};
        assert_null(allow_create(cidrs, 2, &bad));
        assert_ptr_equal(bad, entries[i]);
    }
}

static void url_is_judged_by_its_text(void **state)
{
    (void)state;
    struct allow *allow = list(NULL, NULL);
    static const char *const good[] = {"http://192.168.1.10:8080", "https://10.0.0.1/smollama/",
                                       "http://pi-kitchen.local:8080", "HTTP://10.1.2.3",
                                       "http://[fd00::1]:8080/x"};
    static const char *const bad[] = {"ftp://10.0.0.1",
                                      "file:///etc/passwd",
                                      "10.0.0.1:8080",
                                      "http://127.0.0.1:8080",
                                      "http://[::1]:8080",
                                      "http://8.8.8.8",
                                      "http://user:pw@10.0.0.1/",
                                      "http://10.0.0.1/?x=",
                                      "http://10.0.0.1/#",
                                      "http://",
                                      "http:///x",
                                      "http://[fd00::1",
                                      "http://[pi]/",
                                      "http://10.0.0.1\\@x/",
                                      "http://10.0.0.1/ x",
                                      "http://169.254.169.254/latest",
                                      "",
                                      "http://:8080/"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(allow_url(allow, good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(allow_url(allow, bad[i]));
    }
    allow_destroy(allow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(default_list_is_private_networks_only),
        cmocka_unit_test(wide_entry_opens_no_special_range),
        cmocka_unit_test(empty_list_allows_nothing),
        cmocka_unit_test(special_range_opens_when_listed_itself),
        cmocka_unit_test(prefixes_end_at_any_bit),
        cmocka_unit_test(bad_entries_are_named),
        cmocka_unit_test(url_is_judged_by_its_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
