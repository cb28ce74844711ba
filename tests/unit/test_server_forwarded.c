/* What of a proxy's words is believed, and of whose. */
#include "server_forwarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct forwarded read_from(const char *peer, struct forwarded_headers headers)
{
    struct peer_network trusted[2];
    struct forwarded how = {.path = "/"};
    assert_true(peer_network_parse("127.0.0.1", &trusted[0]));
    assert_true(peer_network_parse("10.0.0.0/8", &trusted[1]));
    assert_true(peer_parse(peer, &how.peer));
    forwarded_read(&headers, trusted, 2, &how);
    return how;
}

static void assert_client(const char *peer, const char *x_for, const char *expected)
{
    struct forwarded how = read_from(peer, (struct forwarded_headers){.x_for = x_for});
    char text[PEER_TEXT];
    peer_format(&how.peer, text);
    assert_string_equal(text, expected);
}

static void the_last_address_that_is_no_proxy_is_who_asks(void **state)
{
    (void)state;
    assert_client("127.0.0.1", "192.0.2.1", "192.0.2.1");
    assert_client("127.0.0.1", "1.2.3.4, 192.0.2.1",
                  "192.0.2.1"); /* the first one is what the client claimed */
    assert_client("127.0.0.1", "1.2.3.4,192.0.2.1 ,\t10.1.1.1", "192.0.2.1");
    assert_client("127.0.0.1", "10.2.2.2, 10.1.1.1", "10.2.2.2"); /* all of them ours: the outermost */
    assert_client("127.0.0.1", "2001:db8::7", "2001:db8::7");
}

static void what_cannot_be_read_ends_the_search(void **state)
{
    (void)state;
    assert_client("127.0.0.1", "192.0.2.1, unknown", "127.0.0.1");
    assert_client("127.0.0.1", "192.0.2.1, nonsense, 10.1.1.1", "10.1.1.1");
    assert_client("127.0.0.1", "", "127.0.0.1");
    assert_client("127.0.0.1", ",,,", "127.0.0.1");
    assert_client("127.0.0.1", "?", "127.0.0.1");
    assert_client("127.0.0.1", "192.0.2.1:1234", "127.0.0.1");
}

static void strangers_are_not_believed(void **state)
{
    (void)state;
    struct forwarded how = read_from("192.0.2.66", (struct forwarded_headers){"127.0.0.1", "https", "/evil"});
    char text[PEER_TEXT];
    peer_format(&how.peer, text);
    assert_string_equal(text, "192.0.2.66");
    assert_false(how.https);
    assert_string_equal(how.path, "/");
}

static void scheme_and_prefix_are_taken_over(void **state)
{
    (void)state;
    assert_true(read_from("127.0.0.1", (struct forwarded_headers){.x_proto = "https"}).https);
    assert_true(read_from("127.0.0.1", (struct forwarded_headers){.x_proto = "http, HTTPS"}).https);
    assert_false(read_from("127.0.0.1", (struct forwarded_headers){.x_proto = "https, http"}).https);
    assert_false(read_from("127.0.0.1", (struct forwarded_headers){.x_proto = "httpsx"}).https);
    static const char *const prefixes[][2] = {{"/cluster", "/cluster/"},
                                              {"/cluster/", "/cluster/"},
                                              {"", "/"},
                                              {"/", "/"},
                                              {"/a/b", "/a/b/"},
                                              {"evil", "/"},
                                              {"/a;Domain=x", "/"},
                                              {"/a\r\nX: y", "/"},
                                              {"//evil", "/"}};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        struct forwarded how = read_from("127.0.0.1", (struct forwarded_headers){.x_prefix = prefixes[i][0]});
        assert_string_equal(how.path, prefixes[i][1]);
    }
}

static void path_of_the_public_url(void **state)
{
    (void)state;
    char path[COOKIE_PATH_MAX + 1];
    static const char *const urls[][2] = {{"https://dash.example", "/"},
                                          {"https://dash.example/", "/"},
                                          {"https://dash.example:8443/cluster", "/cluster/"},
                                          {"http://[::1]:80/a/b/", "/a/b/"}};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        assert_true(forwarded_public_path(urls[i][0], path));
        assert_string_equal(path, urls[i][1]);
    }
    assert_false(forwarded_public_path("https://x/a%20b", path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_address_that_is_no_proxy_is_who_asks),
        cmocka_unit_test(what_cannot_be_read_ends_the_search),
        cmocka_unit_test(strangers_are_not_believed),
        cmocka_unit_test(scheme_and_prefix_are_taken_over),
        cmocka_unit_test(path_of_the_public_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
