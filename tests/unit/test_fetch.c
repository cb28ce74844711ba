/* fetch, against a server that misbehaves in every way that was seen. */
#include "fetch.h"

#include "http_stub.h"
#include "timestamp.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define DATE       "Mon, 23 Nov 2026 07:56:41 GMT"
#define DATE_MS    1795420601000
#define TIMEOUT_MS 2000
#define MAX_BYTES  100000

/* libcurl's threads look names up through this one: a dead DNS server is one that takes its time. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (node && strcmp(node, "dead-dns.test") == 0) {
        sleep(2);
        return EAI_AGAIN;
    }
    if (node && strcmp(node, "loopback.test") == 0) {
        return real("127.0.0.1", service, hints, result);
    }
    return real(node, service, hints, result);
}

struct world {
    struct loop *loop;
    struct fetch *fetch;
    struct http_stub *server;
    struct loop_timer *guard;
    unsigned done;
    char error[32];
    char body[512];
    struct fetch_answer answer;
    bool forbid; /* addresses from now on */
    unsigned asked;
};

/* --- the server --- */

static bool serve(int fd, const char *path, void *user)
{
    (void)user;
    static const char partial[] = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"cut\":";
    static const char moved[] = "HTTP/1.1 302 Found\r\nlocation: /good\r\ncontent-length: 0\r\n\r\n";
    if (strcmp(path, "/good") == 0) {
        return http_stub_answer(fd, 200, DATE, "{\"a\":1}", 7);
    }
    if (strcmp(path, "/500") == 0) {
        return http_stub_answer(fd, 500, DATE, "Internal Server Error", 21);
    }
    if (strcmp(path, "/truncated") == 0) {
        http_stub_write(fd, partial, sizeof partial - 1);
        return false;
    }
    if (strcmp(path, "/redirect") == 0) {
        return http_stub_write(fd, moved, sizeof moved - 1);
    }
    if (strcmp(path, "/hang") == 0) {
        return http_stub_hang(fd);
    }
    if (strcmp(path, "/half") == 0) {
        http_stub_write(fd, partial, sizeof partial - 1);
        return http_stub_hang(fd);
    }
    if (strcmp(path, "/close") == 0) {
        return false;
    }
    if (strcmp(path, "/large") == 0) {
        http_stub_write(fd, "HTTP/1.1 200 OK\r\ncontent-length: 100001\r\n\r\n", 43);
        return http_stub_hang(fd);
    }
    if (strcmp(path, "/garbage") == 0) {
        http_stub_write(fd, "SSH-2.0-OpenSSH_9.2\r\n", 21);
        return http_stub_hang(fd);
    }
    if (strcmp(path, "/endless") == 0 && http_stub_write(fd, "HTTP/1.1 200 OK\r\n\r\n", 19)) {
        while (http_stub_write(fd, "xxxxxxxxxxxxxxxx", 16)) {
        }
    }
    if (strcmp(path, "/headers") == 0 && http_stub_write(fd, "HTTP/1.1 200 OK\r\n", 17)) {
        while (
            http_stub_write(fd, "x-more: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", 66)) {
        }
    }
    if (strcmp(path, "/drip") == 0 && http_stub_write(fd, "HTTP/1.1 200 OK\r\n\r\n", 19)) {
        while (http_stub_write(fd, "x", 1)) {
            usleep(20000);
        }
    }
    return false;
}

/* --- the world --- */

static void on_guard(void *user)
{
    (void)user;
    fail_msg("no answer within 10 s");
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    world->loop = loop_create();
    world->fetch = fetch_create(world->loop);
    world->server = http_stub_start(serve, world);
    world->guard = loop_timer_create(world->loop, on_guard, world);
    loop_timer_start(world->guard, 10000, 0);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    fetch_destroy(world->fetch);
    loop_timer_destroy(world->guard);
    loop_destroy(world->loop);
    http_stub_stop(world->server);
    free(world);
    return 0;
}

static void on_done(void *user, const struct fetch_answer *answer)
{
    struct world *world = user;
    world->done++;
    world->answer = *answer;
    snprintf(world->error, sizeof world->error, "%s", answer->error ? answer->error : "");
    snprintf(world->body, sizeof world->body, "%.*s", (int)answer->body.len, answer->body.data);
    loop_stop(world->loop);
}

static bool on_address(void *user, const struct sockaddr *address)
{
    struct world *world = user;
    struct sockaddr_in v4;
    memcpy(&v4, address, sizeof v4);
    assert_int_equal(address->sa_family, AF_INET);
    assert_int_equal(ntohl(v4.sin_addr.s_addr), INADDR_LOOPBACK);
    world->asked++;
    return !world->forbid;
}

static const char *url_of(struct world *world, const char *path)
{
    static char url[128];
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", http_stub_port(world->server), path);
    return url;
}

static const char *get_url(struct world *world, const char *url, uint32_t timeout_ms)
{
    unsigned before = world->done;
    assert_non_null(fetch_start(world->fetch, url, timeout_ms, MAX_BYTES, on_address, on_done, world));
    assert_int_equal(world->done, before); /* never before fetch_start returns */
    loop_run(world->loop);
    assert_int_equal(world->done, before + 1);
    return world->error;
}

static const char *get(struct world *world, const char *path)
{
    return get_url(world, url_of(world, path), TIMEOUT_MS);
}

/* --- tests --- */

static void whole_answer_comes_with_status_date_and_peer(void **state)
{
    struct world *world = *state;
    assert_string_equal(get(world, "/good"), "");
    assert_int_equal(world->answer.status, 200);
    assert_string_equal(world->body, "{\"a\":1}");
    assert_true(world->answer.date_ms == DATE_MS);
    assert_string_equal(world->answer.peer, "127.0.0.1");
    assert_true(world->answer.answered);
}

static void error_status_is_an_answer(void **state)
{
    struct world *world = *state;
    assert_string_equal(get(world, "/500"), "");
    assert_int_equal(world->answer.status, 500);
    assert_string_equal(world->body, "Internal Server Error");
}

static void broken_answers_are_told_apart(void **state)
{
    static const struct {
        const char *path, *error;
        bool answered;
    } cases[] = {
        {"/truncated", "truncated", true}, {"/redirect", "redirect", true}, {"/close", "closed", false},
        {"/large", "too_large", true},     {"/endless", "too_large", true}, {"/headers", "too_large", true},
        {"/garbage", "not_http", false},
    };
    struct world *world = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_string_equal(get(world, cases[i].path), cases[i].error);
        assert_int_equal(world->answer.answered, cases[i].answered);
        assert_true(world->answer.body.len <= MAX_BYTES);
    }
    assert_null(strstr(http_stub_paths(world->server), "/good")); /* the redirect's target */
}

static void slow_answers_end_at_the_time_limit(void **state)
{
    static const char *const paths[] = {"/hang", "/half", "/drip"};
    struct world *world = *state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        int64_t before_ms = clock_now().mono_ms;
        assert_string_equal(get_url(world, url_of(world, paths[i]), 200), "timeout");
        int64_t took_ms = clock_now().mono_ms - before_ms;
        assert_in_range(took_ms, 190, 900);
        assert_int_equal(world->answer.answered, i > 0);
    }
}

static void refused_connection_says_so(void **state)
{
    struct world *world = *state;
    int fd = socket(AF_INET, SOCK_STREAM, 0); /* bound, not listening: nobody else can take the port */
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", ntohs(address.sin_port));
    assert_string_equal(get_url(world, url, TIMEOUT_MS), "refused");
    assert_int_equal(world->answer.status, 0);
    assert_false(world->answer.answered);
    close(fd);
}

static void unknown_name_is_dns(void **state)
{
    assert_string_equal(get_url(*state, "http://no-such-host.invalid/", TIMEOUT_MS), "dns");
}

static void on_count(void *user)
{
    ++*(unsigned *)user;
}

static void dead_dns_stops_neither_the_loop_nor_the_time_limit(void **state)
{
    struct world *world = *state;
    unsigned turns = 0;
    struct loop_timer *ticker = loop_timer_create(world->loop, on_count, &turns);
    loop_timer_start(ticker, 10, 10);
    int64_t before_ms = clock_now().mono_ms;
    assert_string_equal(get_url(world, "http://dead-dns.test/", 300), "timeout");
    assert_in_range(clock_now().mono_ms - before_ms, 290, 900);
    assert_in_range(turns, 15, 90);
    loop_timer_destroy(ticker);
    sleep(2); /* the look-up ends on its own thread: leave nothing to the leak checkers */
}

static void name_is_looked_up_and_its_address_asked_about(void **state)
{
    struct world *world = *state;
    char url[64];
    snprintf(url, sizeof url, "http://loopback.test:%u/good", http_stub_port(world->server));
    assert_string_equal(get_url(world, url, TIMEOUT_MS), "");
    assert_in_range(world->asked, 1, 2);
}

static void forbidden_address_is_never_connected_to(void **state)
{
    struct world *world = *state;
    world->forbid = true;
    assert_string_equal(get(world, "/good"), "forbidden_address");
    assert_int_equal(http_stub_connections(world->server), 0);
}

static void reused_connection_is_asked_about_too(void **state)
{
    struct world *world = *state;
    assert_string_equal(get(world, "/good"), "");
    assert_string_equal(get(world, "/good"), "");
    assert_int_equal(http_stub_connections(world->server), 1);
    world->forbid = true;
    assert_string_equal(get(world, "/good"), "forbidden_address");
    assert_int_equal(http_stub_requests(world->server), 2);
}

static void proxies_of_the_environment_are_not_used(void **state)
{
    struct world *world = *state;
    setenv("http_proxy", "http://127.0.0.1:9/", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:9/", 1);
    assert_string_equal(get(world, "/good"), "");
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
}

static void other_schemes_are_not_fetched(void **state)
{
    struct world *world = *state;
    static const char *const urls[] = {"file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/",
                                       "127.0.0.1", ""};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        assert_null(fetch_start(world->fetch, urls[i], TIMEOUT_MS, MAX_BYTES, NULL, on_done, world));
    }
}

static void cancelled_request_never_calls(void **state)
{
    struct world *world = *state;
    struct fetch_get *get_1 =
        fetch_start(world->fetch, url_of(world, "/hang"), 300, MAX_BYTES, on_address, on_done, world);
    assert_non_null(get_1);
    fetch_cancel(get_1);
    assert_string_equal(get_url(world, url_of(world, "/half"), 600), "timeout");
    assert_int_equal(world->done, 1);
}

static void destroy_cancels_what_is_under_way(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 5; i++) {
        assert_non_null(fetch_start(world->fetch, url_of(world, "/hang"), TIMEOUT_MS, MAX_BYTES, on_address,
                                    on_done, world));
    }
    get(world, "/good"); /* the others are connected by now; the teardown does the rest */
}

struct burst {
    struct world *world;
    unsigned good, timeouts, left;
};

static void on_burst(void *user, const struct fetch_answer *answer)
{
    struct burst *burst = user;
    if (answer->error) {
        burst->timeouts += strcmp(answer->error, "timeout") == 0;
    } else {
        burst->good += answer->status == 200;
    }
    if (--burst->left == 0) {
        loop_stop(burst->world->loop);
    }
}

static void hanging_requests_do_not_hold_up_others(void **state)
{
    struct world *world = *state;
    struct burst burst = {.world = world, .left = 40};
    for (unsigned i = 0; i < 40; i++) {
        const char *url = url_of(world, i % 2 ? "/good" : "/hang");
        assert_non_null(fetch_start(world->fetch, url, 2000, MAX_BYTES, NULL, on_burst, &burst));
    }
    loop_run(world->loop);
    assert_int_equal(burst.good, 20);
    assert_int_equal(burst.timeouts, 20);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(whole_answer_comes_with_status_date_and_peer),
        TEST(error_status_is_an_answer),
        TEST(broken_answers_are_told_apart),
        TEST(slow_answers_end_at_the_time_limit),
        TEST(refused_connection_says_so),
        TEST(unknown_name_is_dns),
        TEST(dead_dns_stops_neither_the_loop_nor_the_time_limit),
        TEST(name_is_looked_up_and_its_address_asked_about),
        TEST(forbidden_address_is_never_connected_to),
        TEST(reused_connection_is_asked_about_too),
        TEST(proxies_of_the_environment_are_not_used),
        TEST(other_schemes_are_not_fetched),
        TEST(cancelled_request_never_calls),
        TEST(destroy_cancels_what_is_under_way),
        TEST(hanging_requests_do_not_hold_up_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
