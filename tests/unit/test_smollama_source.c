/* The client against a server of a few lines on the same loop, which sends what a test tells it to. */
#include "smollama_source.h"

#include "buf.h"
#include "log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define DEADLINE_MS 600

enum after_sending { CLOSE, KEEP_OPEN };

struct bench {
    struct loop *loop;
    int listener;
    uint16_t port;
    struct loop_io *accepting;
    int connection; /* -1 = none */
    struct loop_io *reading;
    char request[4096];
    size_t request_len;
    unsigned requests;
    const char *answer; /* sent when the request is complete; NULL = nothing */
    size_t answer_len, sent;
    enum after_sending after;

    struct smollama_source *source;
    bool answered;
    struct answer got;
    char body[256]; /* its beginning */
};

/* --- the server --- */

static void hang_up(struct bench *b)
{
    loop_io_destroy(b->reading);
    b->reading = NULL;
    if (b->connection >= 0) {
        close(b->connection);
    }
    b->connection = -1;
}

static void on_connection(void *user, unsigned events)
{
    struct bench *b = user;
    if (events & LOOP_READ) {
        ssize_t n = read(b->connection, b->request + b->request_len, sizeof b->request - 1 - b->request_len);
        if (n <= 0) {
            hang_up(b);
            return;
        }
        b->request_len += (size_t)n;
        b->request[b->request_len] = '\0';
    }
    if (!strstr(b->request, "\r\n\r\n") || !b->answer) {
        return;
    }
    b->requests += b->sent == 0;
    if (b->sent < b->answer_len) {
        ssize_t n =
            send(b->connection, b->answer + b->sent, b->answer_len - b->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        b->sent += n > 0 ? (size_t)n : 0;
        if (n < 0 && errno != EAGAIN) {
            hang_up(b);
            return;
        }
    }
    bool more = b->sent < b->answer_len;
    loop_io_watch(b->reading, more ? LOOP_READ | LOOP_WRITE : LOOP_READ);
    if (!more && b->after == CLOSE) {
        hang_up(b);
    }
}

static void on_accept(void *user, unsigned events)
{
    (void)events;
    struct bench *b = user;
    hang_up(b);
    b->connection = accept(b->listener, NULL, NULL);
    assert_true(b->connection >= 0);
    b->request_len = b->sent = 0;
    b->request[0] = '\0';
    b->reading = loop_io_create(b->loop, b->connection, on_connection, b);
    loop_io_watch(b->reading, LOOP_READ);
}

static void listen_on(struct bench *b, int family)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } bound = {.v6 = v6};
    socklen_t len = sizeof bound;
    b->listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int e = family == AF_INET ? bind(b->listener, (struct sockaddr *)&v4, sizeof v4)
                              : bind(b->listener, (struct sockaddr *)&v6, sizeof v6);
    assert_int_equal(e, 0);
    assert_int_equal(listen(b->listener, 5), 0);
    assert_int_equal(getsockname(b->listener, &bound.any, &len), 0);
    b->port = ntohs(family == AF_INET ? bound.v4.sin_port : bound.v6.sin6_port);
    b->accepting = loop_io_create(b->loop, b->listener, on_accept, b);
    loop_io_watch(b->accepting, LOOP_READ);
}

static void stop_listening(struct bench *b)
{
    loop_io_destroy(b->accepting);
    b->accepting = NULL;
    if (b->listener >= 0) {
        close(b->listener);
    }
    b->listener = -1;
}

/* --- the client --- */

static void on_answer(void *user, const struct answer *answer)
{
    struct bench *b = user;
    assert_false(b->answered);
    b->answered = true;
    b->got = *answer;
    snprintf(b->body, sizeof b->body, "%.*s", (int)(answer->len < 255 ? answer->len : 255), answer->body);
}

static void use_host(struct bench *b, const char *host)
{
    char text[128];
    struct url url;
    const char *why = NULL;
    snprintf(text, sizeof text, "http://%s:%u/base/", host, (unsigned)b->port);
    assert_int_equal(url_parse(text, &url, NULL), 0);
    struct smollama_source_options options = {.url = &url, .limit = 42, .deadline_ms = DEADLINE_MS};
    b->source = smollama_source_create(b->loop, &options, on_answer, b, &why);
    assert_non_null(b->source);
}

static int set_up(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    log_set_level(LOG_LEVEL_ERROR);
    b->loop = loop_create();
    assert_non_null(b->loop);
    b->connection = b->listener = -1;
    listen_on(b, AF_INET);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;
    bool idle = smollama_source_destroy(b->source);
    hang_up(b);
    stop_listening(b);
    loop_destroy(b->loop);
    free(b);
    return idle ? 0 : -1;
}

static const struct answer *ask(struct bench *b, enum report_kind kind)
{
    b->answered = false;
    smollama_source_fetch(b->source, kind);
    assert_false(b->answered); /* never inside the call */
    while (!b->answered) {
        loop_turn(b->loop, true);
    }
    return &b->got;
}

static void will_send(struct bench *b, const char *answer, enum after_sending after)
{
    b->answer = answer;
    b->answer_len = strlen(answer);
    b->after = after;
}

#define OK_4 "HTTP/1.1 200 OK\r\nserver: uvicorn\r\nContent-Length: 4\r\n\r\nabcd"

static void expect_end(struct bench *b, const char *answer, enum after_sending after, enum answer_end end,
                       unsigned status)
{
    will_send(b, answer, after);
    const struct answer *got = ask(b, REPORT_READINGS);
    if (got->end != end || got->status != status) {
        fail_msg("end %d status %u for: %.60s", (int)got->end, got->status, answer);
    }
    assert_true(got->connected);
}

static void a_whole_answer_is_handed_over(void **state)
{
    struct bench *b = *state;
    use_host(b, "127.0.0.1");
    expect_end(b, OK_4, KEEP_OPEN, ANSWER_COMPLETE, 200);
    assert_string_equal(b->body, "abcd");
    assert_int_equal(b->got.len, 4);
    assert_true(b->got.latency_ms < DEADLINE_MS);
}

static void requests_are_those_that_smollama_understands(void **state)
{
    struct bench *b = *state;
    static const char *const targets[REPORT_KINDS] = {
        [REPORT_READINGS] = "GET /base/api/readings HTTP/1.1\r\n",
        [REPORT_OBSERVATIONS] = "GET /base/api/observations?limit=42&hours=0 HTTP/1.1\r\n",
        [REPORT_MEMORIES] = "GET /base/api/memories?limit=42 HTTP/1.1\r\n",
        [REPORT_STATS] = "GET /base/api/stats HTTP/1.1\r\n",
    };
    char host[64];
    use_host(b, "localhost");
    snprintf(host, sizeof host, "\r\nHost: localhost:%u\r\n", (unsigned)b->port);
    will_send(b, OK_4, CLOSE);
    for (int kind = 0; kind < REPORT_KINDS; kind++) {
        assert_int_equal(ask(b, (enum report_kind)kind)->end, ANSWER_COMPLETE);
        assert_memory_equal(b->request, targets[kind], strlen(targets[kind]));
        assert_non_null(strstr(b->request, host));
    }
    assert_int_equal(b->requests, REPORT_KINDS);
}

static void chunked_and_close_delimited_bodies_are_whole(void **state)
{
    struct bench *b = *state;
    use_host(b, "127.0.0.1");
    expect_end(b, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n",
               KEEP_OPEN, ANSWER_COMPLETE, 200);
    assert_string_equal(b->body, "abcde");
    expect_end(b, "HTTP/1.0 200 OK\r\n\r\nuntil the end", CLOSE, ANSWER_COMPLETE, 200);
    assert_string_equal(b->body, "until the end");
    expect_end(b, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", KEEP_OPEN, ANSWER_COMPLETE,
               503);
    assert_int_equal(b->got.len, 0);
}

static void redirects_are_not_followed(void **state)
{
    struct bench *b = *state;
    use_host(b, "127.0.0.1");
    expect_end(
        b, "HTTP/1.1 307 Temporary Redirect\r\nLocation: /base/api/readings/\r\nContent-Length: 0\r\n\r\n",
        KEEP_OPEN, ANSWER_COMPLETE, 307);
    assert_int_equal(b->requests, 1);
}

static void what_is_no_whole_http_answer_is_broken(void **state)
{
    struct bench *b = *state;
    use_host(b, "127.0.0.1");
    expect_end(b, "", CLOSE, ANSWER_BROKEN, 0);
    expect_end(b, "SSH-2.0-OpenSSH_9.2p1\r\n\r\n", CLOSE, ANSWER_BROKEN, 0);
    expect_end(b, "HTTP/1.1 200 OK\r\nContent-Le", CLOSE, ANSWER_BROKEN, 0);
    expect_end(b, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabcd", CLOSE, ANSWER_BROKEN, 200);
    expect_end(b, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", CLOSE, ANSWER_BROKEN, 200);
    expect_end(b, OK_4, CLOSE, ANSWER_COMPLETE, 200); /* and it still works */
}

static void silence_ends_at_the_deadline(void **state)
{
    struct bench *b = *state;
    static const char *const beginnings[] = {"", "HTTP/1.1 200 OK\r\nConte",
                                             "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabcd"};
    use_host(b, "127.0.0.1");
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        int64_t start = clock_now().mono_ms;
        expect_end(b, beginnings[i], KEEP_OPEN, ANSWER_TIMEOUT, i == 2 ? 200 : 0);
        int64_t took = clock_now().mono_ms - start;
        assert_in_range(took, DEADLINE_MS - 5, DEADLINE_MS + 400);
        assert_in_range(b->got.latency_ms, DEADLINE_MS - 5, DEADLINE_MS + 400);
    }
    expect_end(b, OK_4, CLOSE, ANSWER_COMPLETE, 200);
}

static void bodies_above_a_million_bytes_are_cut_off(void **state)
{
    struct bench *b = *state;
    use_host(b, "127.0.0.1");
    expect_end(b, "HTTP/1.1 200 OK\r\nContent-Length: 1000001\r\n\r\n", KEEP_OPEN, ANSWER_TOO_LARGE, 200);
    assert_null(b->got.detail); /* it was ended here: the library knows no reason */
    expect_end(b, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff0\r\nabcdefghijklmnopq",
               KEEP_OPEN, ANSWER_TOO_LARGE, 200);
    static char endless[1100100] = "HTTP/1.0 200 OK\r\n\r\n";
    memset(endless + 19, 'x', sizeof endless - 20);
    expect_end(b, endless, KEEP_OPEN, ANSWER_TOO_LARGE, 200);
    endless[19 + REPORT_MAX] = '\0';
    expect_end(b, endless, CLOSE, ANSWER_COMPLETE, 200);
    assert_int_equal(b->got.len, REPORT_MAX);
}

static void a_closed_port_is_refused(void **state)
{
    struct bench *b = *state;
    use_host(b, "127.0.0.1");
    stop_listening(b);
    for (int i = 0; i < 3; i++) {
        const struct answer *got = ask(b, REPORT_STATS);
        assert_int_equal(got->end, ANSWER_REFUSED);
        assert_false(got->connected);
        assert_true(got->latency_ms < DEADLINE_MS);
    }
}

static void a_name_is_tried_at_all_its_addresses(void **state)
{
    struct bench *b = *state;
    /* localhost is ::1 and 127.0.0.1, or one of them; nothing listens on the other. */
    use_host(b, "localhost");
    will_send(b, OK_4, CLOSE);
    assert_int_equal(ask(b, REPORT_STATS)->end, ANSWER_COMPLETE);
    stop_listening(b);
    assert_int_equal(ask(b, REPORT_STATS)->end, ANSWER_REFUSED);
}

static void ipv6_numbers_work(void **state)
{
    struct bench *b = *state;
    char host[64];
    int probe = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    if (probe < 0 || bind(probe, (struct sockaddr *)&v6, sizeof v6) != 0) {
        close(probe);
        skip(); /* no IPv6 here */
    }
    close(probe);
    stop_listening(b);
    listen_on(b, AF_INET6);
    use_host(b, "[::1]");
    expect_end(b, OK_4, CLOSE, ANSWER_COMPLETE, 200);
    snprintf(host, sizeof host, "\r\nHost: [::1]:%u\r\n", (unsigned)b->port);
    assert_non_null(strstr(b->request, host));
}

static void an_unknown_name_is_dns(void **state)
{
    struct bench *b = *state;
    use_host(b, "no-such-host.invalid");
    const struct answer *got = ask(b, REPORT_STATS);
    assert_int_equal(got->end, ANSWER_DNS);
    assert_false(got->connected);
    /* The resolver may take longer than the deadline; it must be through before the end. */
    while (loop_work_pending(b->loop)) {
        loop_turn(b->loop, true);
    }
}

static void proxies_are_not_asked(void **state)
{
    struct bench *b = *state;
    setenv("http_proxy", "http://127.0.0.1:9", 1);
    use_host(b, "127.0.0.1");
    expect_end(b, OK_4, CLOSE, ANSWER_COMPLETE, 200);
}

static void a_fetch_can_be_left_unfinished(void **state)
{
    struct bench *b = *state;
    use_host(b, "127.0.0.1");
    will_send(b, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabcd", KEEP_OPEN);
    b->answered = false;
    smollama_source_fetch(b->source, REPORT_READINGS);
    while (b->sent < b->answer_len) {
        loop_turn(b->loop, true);
    }
    assert_true(smollama_source_destroy(b->source));
    b->source = NULL;
    assert_false(b->answered);
}

#define BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH(a_whole_answer_is_handed_over),
        BENCH(requests_are_those_that_smollama_understands),
        BENCH(chunked_and_close_delimited_bodies_are_whole),
        BENCH(redirects_are_not_followed),
        BENCH(what_is_no_whole_http_answer_is_broken),
        BENCH(silence_ends_at_the_deadline),
        BENCH(bodies_above_a_million_bytes_are_cut_off),
        BENCH(a_closed_port_is_refused),
        BENCH(a_name_is_tried_at_all_its_addresses),
        BENCH(ipv6_numbers_work),
        BENCH(an_unknown_name_is_dns),
        BENCH(proxies_are_not_asked),
        BENCH(a_fetch_can_be_left_unfinished),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
