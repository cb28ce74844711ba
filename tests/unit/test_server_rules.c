#include "server_rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const hosts[] = {"dash.example", "other.example:8443"};
static const struct rules rules = {.machine = "kitchen.home.arpa",
                                   .hosts = hosts,
                                   .host_count = 2,
                                   .public_url = "https://smoll.example/cluster"};

/* A request that passes, to be spoiled by each test. */
static struct rules_request good(void)
{
    return (struct rules_request){.method = API_GET,
                                  .version = "HTTP/1.1",
                                  .host = "127.0.0.1:8090",
                                  .path = "/api/cluster/nodes",
                                  .path_len = 18,
                                  .url_len = 18};
}

static int status_of(const struct rules_request *request)
{
    struct refusal refusal = {0};
    if (rules_check(&rules, request, &refusal)) {
        return 200;
    }
    assert_non_null(refusal.code);
    assert_non_null(refusal.message);
    return refusal.status;
}

static void hosts_that_are_ours_are_accepted(void **state)
{
    (void)state;
    static const char *const ours[] = {"127.0.0.1",         "192.168.1.7:8090",  "[::1]",
                                       "[2001:db8::1]:443", "localhost",         "LocalHost:1",
                                       "localhost.",        "kitchen.home.arpa", "KITCHEN",
                                       "kitchen.local",     "kitchen.local.",    "dash.example",
                                       "Dash.Example:443",  "other.example",     "smoll.example"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        struct rules_request request = good();
        request.host = ours[i];
        assert_int_equal(status_of(&request), 200);
    }
}

static void other_hosts_are_misdirected(void **state)
{
    (void)state;
    static const char *const others[] = {"evil.example",
                                         "",
                                         "?",
                                         "localhost.evil.example",
                                         "xlocalhost",
                                         "127.0.0.1.evil.example",
                                         "1.2.3.4.5",
                                         "256.1.1.1",
                                         "dash.example@evil",
                                         "dash.example.evil",
                                         "kitchen.evil",
                                         "kitch",
                                         "::1",
                                         "[::1",
                                         "[::1]x",
                                         "[127.0.0.1]",
                                         "[localhost]",
                                         "localhost:",
                                         "localhost:0",
                                         "localhost:65536",
                                         "localhost:8090x",
                                         "localhost,evil.example",
                                         "local host",
                                         ".",
                                         ".local"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct rules_request request = good();
        request.host = others[i];
        assert_int_equal(status_of(&request), 421);
    }
    struct rules_request request = good();
    request.host = NULL;
    assert_int_equal(status_of(&request), 421);
}

static void line_that_ends_early_is_refused(void **state)
{
    (void)state;
    static const char *const others[] = {NULL, "", "?", "HTTP/9.9", "HTTP/1.1 x", "http/1.1"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct rules_request request = good();
        request.version = others[i];
        assert_int_equal(status_of(&request), 400);
    }
    struct rules_request request = good();
    request.version = "HTTP/1.0";
    assert_int_equal(status_of(&request), 200);
}

static void two_hosts_are_ambiguous(void **state)
{
    (void)state;
    struct rules_request request = good();
    request.many_hosts = true;
    assert_int_equal(status_of(&request), 400);
}

static void machine_without_a_name_accepts_no_empty_label(void **state)
{
    (void)state;
    const struct rules nameless = {.machine = ""};
    assert_false(rules_host_allowed(&nameless, ".local"));
    assert_false(rules_host_allowed(&nameless, "kitchen"));
    assert_true(rules_host_allowed(&nameless, "localhost"));
}

static void own_origin_may_ask(void **state)
{
    (void)state;
    assert_true(rules_origin_allowed(&rules, "http://127.0.0.1:8090", "127.0.0.1:8090"));
    assert_true(rules_origin_allowed(&rules, "http://LOCALHOST", "localhost:80"));
    assert_true(rules_origin_allowed(&rules, "http://localhost:80", "localhost"));
    assert_true(rules_origin_allowed(&rules, "http://[::1]:8090", "[::1]:8090"));
    /* public_url, whatever Host the proxy sends on */
    assert_true(rules_origin_allowed(&rules, "https://smoll.example", "127.0.0.1:8090"));
    assert_true(rules_origin_allowed(&rules, "https://smoll.example:443", "127.0.0.1:8090"));
}

static void foreign_origins_are_forbidden(void **state)
{
    (void)state;
    static const char *const foreign[] = {"null",
                                          "",
                                          "x",
                                          "http://evil.example",
                                          "http://127.0.0.1",
                                          "http://127.0.0.1:1",
                                          "https://127.0.0.1:8090",
                                          "http://127.0.0.1:8090/",
                                          "http://127.0.0.1:8090,http://evil.example",
                                          "http://smoll.example",
                                          "https://smoll.example:444",
                                          "https://smoll.example.evil",
                                          "https://dash.example",
                                          "ftp://127.0.0.1:8090",
                                          "http://user@127.0.0.1:8090"};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        struct rules_request request = good();
        request.origin = foreign[i];
        assert_int_equal(status_of(&request), 403);
    }
}

static void origin_follows_the_scheme_of_the_server(void **state)
{
    (void)state;
    const struct rules tls = {.tls = true};
    assert_true(rules_origin_allowed(&tls, "https://localhost", "localhost"));
    assert_true(rules_origin_allowed(&tls, "https://localhost:443", "localhost"));
    assert_false(rules_origin_allowed(&tls, "http://localhost", "localhost"));
}

static void other_sites_change_nothing(void **state)
{
    (void)state;
    static const char *const sites[] = {"cross-site", "same-site", "none", "?", "Same-Origin"};
    for (size_t i = 0; i < sizeof sites / sizeof *sites; i++) {
        struct rules_request request = good();
        request.fetch_site = sites[i];
        assert_int_equal(status_of(&request), 200); /* reading is a matter of Origin */
        request.method = API_POST;
        assert_int_equal(status_of(&request), 403);
        request.method = API_DELETE;
        assert_int_equal(status_of(&request), 403);
        request.fetch_site = "same-origin";
        assert_int_equal(status_of(&request), 200);
        request.fetch_site = NULL;
        assert_int_equal(status_of(&request), 200);
    }
}

static void ambiguous_paths_are_bad(void **state)
{
    (void)state;
    struct rules_request request = good();
    request.path_cut = true;
    assert_int_equal(status_of(&request), 400);
    request = good();
    request.path = "/api/\0x";
    request.path_len = 7;
    assert_int_equal(status_of(&request), 400);
    request.path = "/api/\xff";
    request.path_len = 6;
    assert_int_equal(status_of(&request), 400);
    request.path = "/api/\xc3\xbc";
    request.path_len = 7;
    assert_int_equal(status_of(&request), 200);
}

static void bodies_are_bounded_and_of_known_length(void **state)
{
    (void)state;
    static const struct {
        const char *length;
        int status;
    } cases[] = {{"0", 200},
                 {"65536", 200},
                 {"65537", 413},
                 {"999999999999999999", 413},
                 {"9999999999999999999", 400},
                 {"-1", 400},
                 {"5,5", 400},
                 {"5 ", 400},
                 {"+5", 400},
                 {"0x10", 400},
                 {"", 400},
                 {"?", 400}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rules_request request = good();
        request.content_length = cases[i].length;
        assert_int_equal(status_of(&request), cases[i].status);
    }
    struct rules_request request = good();
    request.transfer_encoding = true;
    assert_int_equal(status_of(&request), 400);
}

static void long_urls_are_refused(void **state)
{
    (void)state;
    struct rules_request request = good();
    request.url_len = 8192;
    assert_int_equal(status_of(&request), 200);
    request.url_len = 8193;
    assert_int_equal(status_of(&request), 414);
}

static void assert_buf(struct buf *buf, const char *expected)
{
    assert_string_equal(buf_terminate(buf), expected);
    buf_finish(buf);
}

static void decoded_urls_are_encoded_again(void **state)
{
    (void)state;
    struct buf out = BUF_INIT;
    rules_encode_path(&out, "/api/cluster/nodes/pi b/\xc3\xbc?&;%", 30);
    assert_buf(&out, "/api/cluster/nodes/pi%20b/%C3%BC%3F%26%3B%25");
    rules_encode_path(&out, "/", 1);
    assert_buf(&out, "/");
    rules_encode_path(&out, "", 0);
    assert_buf(&out, "");
}

static void parameters_keep_what_stood_in_their_values(void **state)
{
    (void)state;
    struct buf out = BUF_INIT;
    rules_encode_param(&out, "query=a&b=c +%\0d", 16);
    rules_encode_param(&out, "node=pi b", 9);
    rules_encode_param(&out, "flag", 4);
    rules_encode_param(&out, "empty=", 6);
    assert_buf(&out, "query=a%26b%3Dc%20%2B%25%00d&node=pi%20b&flag&empty=");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_that_are_ours_are_accepted),
        cmocka_unit_test(other_hosts_are_misdirected),
        cmocka_unit_test(line_that_ends_early_is_refused),
        cmocka_unit_test(two_hosts_are_ambiguous),
        cmocka_unit_test(machine_without_a_name_accepts_no_empty_label),
        cmocka_unit_test(own_origin_may_ask),
        cmocka_unit_test(foreign_origins_are_forbidden),
        cmocka_unit_test(origin_follows_the_scheme_of_the_server),
        cmocka_unit_test(other_sites_change_nothing),
        cmocka_unit_test(ambiguous_paths_are_bad),
        cmocka_unit_test(bodies_are_bounded_and_of_known_length),
        cmocka_unit_test(long_urls_are_refused),
        cmocka_unit_test(decoded_urls_are_encoded_again),
        cmocka_unit_test(parameters_keep_what_stood_in_their_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
