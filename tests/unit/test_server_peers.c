/* Addresses and networks, cookies, and refusals told once a minute. */
#include "peer.h"
#include "server_cookie.h"
#include "server_crowd.h"
#include "server_peers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct peer at(const char *text)
{
    struct peer peer;
    assert_true(peer_parse(text, &peer));
    return peer;
}

static void addresses_are_read_and_written(void **state)
{
    (void)state;
    static const char *const texts[][2] = {{"192.0.2.1", "192.0.2.1"},
                                           {"::ffff:192.0.2.1", "192.0.2.1"},
                                           {"2001:DB8::1", "2001:db8::1"},
                                           {"::1", "::1"}};
    char text[PEER_TEXT];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct peer peer = at(texts[i][0]);
        peer_format(&peer, text);
        assert_string_equal(text, texts[i][1]);
    }
    struct peer peer;
    static const char *const bad[] = {"",      "192.0.2", "192.0.2.1.2", "192.0.2.1:80",
                                      "[::1]", "x",       "unknown",     "::g"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(peer_parse(bad[i], &peer));
    }
}

static bool is_in(const char *address, const char *network)
{
    struct peer_network parsed;
    struct peer peer = at(address);
    assert_true(peer_network_parse(network, &parsed));
    return peer_in(&peer, &parsed, 1);
}

static void networks_hold_their_addresses_alone(void **state)
{
    (void)state;
    assert_true(is_in("192.168.7.9", "192.168.0.0/16"));
    assert_true(is_in("::ffff:192.168.7.9", "192.168.0.0/16"));
    assert_false(is_in("192.169.0.0", "192.168.0.0/16"));
    assert_true(is_in("10.1.2.127", "10.1.2.0/25"));
    assert_false(is_in("10.1.2.128", "10.1.2.0/25"));
    assert_true(is_in("127.0.0.1", "127.0.0.1"));
    assert_false(is_in("127.0.0.2", "127.0.0.1"));
    assert_true(is_in("fd12::1", "fc00::/7"));
    assert_false(is_in("fe80::1", "fc00::/7"));
    assert_false(is_in("2001:db8::1", "0.0.0.0/0"));
    assert_true(is_in("10.0.0.1", "0.0.0.0/0"));
    assert_false(is_in("::2", "::1"));
    struct peer_network network;
    static const char *const bad[] = {"10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/x", "10/8", "", "/8"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(peer_network_parse(bad[i], &network));
    }
}

static void cookies_tell_how_they_may_travel(void **state)
{
    (void)state;
    static const struct {
        struct cookie_form form;
        const char *text;
    } cases[] = {
        {{.port = 8090, .path = "/"}, "llamad-8090=v; Path=/; Max-Age=60; HttpOnly; SameSite=Strict"},
        {{.port = 443, .path = "/", .secure = true},
         "__Host-llamad-443=v; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure"},
        {{.port = 443, .path = "/cluster/", .secure = true},
         "__Secure-llamad-443=v; Path=/cluster/; Max-Age=60; HttpOnly; SameSite=Strict; Secure"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out = BUF_INIT;
        cookie_write(&out, &cases[i].form, "v", 60);
        assert_string_equal(buf_terminate(&out), cases[i].text);
        buf_finish(&out);
    }
}

static void cookies_are_found_among_others(void **state)
{
    (void)state;
    const char *header = "llamad-80=no; llamad-8=a; x; =; llamad-8 =no;llamad-8=b ; xllamad-8=no; llamad-8=";
    const char *value;
    char found[16] = "";
    size_t len;
    for (const char *at_ = header; cookie_next(&at_, "llamad-8", &value, &len);) {
        snprintf(found + strlen(found), sizeof found - strlen(found), "%.*s,", (int)len, value);
    }
    assert_string_equal(found, "a,b,,");
    const char *nothing = "";
    assert_false(cookie_next(&nothing, "llamad-8", &value, &len));
}

static void paths_of_cookies_hold_nothing_else(void **state)
{
    (void)state;
    static const char *const good[] = {"/", "/cluster/", "/a/b-c_d.e~f/"};
    static const char *const bad[] = {"",       "cluster/", "/cluster", "/a; Domain=x/",
                                      "/a//b/", "/a b/",    "/\r\n/",   "/%41/"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(cookie_path_valid(good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(cookie_path_valid(bad[i]));
    }
}

static void refusals_are_told_once_a_minute_by_source_and_reason(void **state)
{
    (void)state;
    static const char host[] = "host", login[] = "login";
    struct server_peers *peers = server_peers_create();
    struct peer a = at("192.0.2.1"), b = at("192.0.2.2");
    uint64_t before = 99;
    assert_true(server_peers_say(peers, &a, host, 1000, &before));
    assert_int_equal(before, 0);
    for (int i = 0; i < 7; i++) {
        assert_false(server_peers_say(peers, &a, host, 60999, &before));
    }
    assert_true(server_peers_say(peers, &b, host, 60999, &before));
    assert_true(server_peers_say(peers, &a, login, 60999, &before));
    assert_true(server_peers_say(peers, &a, host, 61000, &before));
    assert_int_equal(before, 7);
    server_peers_destroy(peers);
}

static void many_sources_do_not_flood_the_log(void **state)
{
    (void)state;
    static const char host[] = "host";
    struct server_peers *peers = server_peers_create();
    char text[32];
    int said = 0;
    uint64_t before;
    for (int i = 0; i < 5000; i++) {
        snprintf(text, sizeof text, "10.0.%d.%d", i / 250, i % 250);
        struct peer peer = at(text);
        said += server_peers_say(peers, &peer, host, 1000 + i, &before);
    }
    assert_int_equal(said, SERVER_PEERS_LINES);
    server_peers_destroy(peers);
}

static void no_source_has_more_than_its_share(void **state)
{
    (void)state;
    struct server_crowd *crowd = server_crowd_create(3);
    struct peer greedy = at("192.0.2.1"), other = at("192.0.2.2"), v6 = at("2001:db8::1"),
                same = at("2001:db8::2"), local = at("127.0.0.1");
    struct crowd_member *members[3], *member;
    for (int i = 0; i < 3; i++) {
        assert_true(server_crowd_enter(crowd, &greedy, &members[i]));
    }
    assert_false(server_crowd_enter(crowd, &greedy, &member));
    assert_true(server_crowd_enter(crowd, &other, &member));
    server_crowd_leave(crowd, member);
    server_crowd_leave(crowd, members[0]);
    assert_true(server_crowd_enter(crowd, &greedy, &members[0]));
    assert_false(server_crowd_enter(crowd, &greedy, &member));
    for (int i = 0; i < 3; i++) {
        server_crowd_leave(crowd, members[i]);
    }
    assert_true(server_crowd_enter(crowd, &v6, &members[0]));
    assert_true(server_crowd_enter(crowd, &same, &members[1]));
    assert_ptr_equal(members[0], members[1]); /* one /64 */
    server_crowd_leave(crowd, members[1]);
    server_crowd_leave(crowd, members[0]);
    for (int i = 0; i < 9; i++) {
        assert_true(server_crowd_enter(crowd, &local, &member));
        assert_null(member);
    }
    server_crowd_leave(crowd, NULL);
    server_crowd_destroy(crowd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_and_written),
        cmocka_unit_test(networks_hold_their_addresses_alone),
        cmocka_unit_test(cookies_tell_how_they_may_travel),
        cmocka_unit_test(cookies_are_found_among_others),
        cmocka_unit_test(paths_of_cookies_hold_nothing_else),
        cmocka_unit_test(refusals_are_told_once_a_minute_by_source_and_reason),
        cmocka_unit_test(many_sources_do_not_flood_the_log),
        cmocka_unit_test(no_source_has_more_than_its_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
