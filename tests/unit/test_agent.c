#include "agent.h"

#include "json.h"
#include "timestamp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WALL 1795420000000 /* 2026-11-23 */

struct bench {
    struct agent *agent;
    struct now now;
    struct answer_verdict verdict;
};

static void pass(struct bench *b, int64_t ms)
{
    b->now.mono_ms += ms;
    b->now.wall_ms += ms;
}

static struct agent_options usual_options(void)
{
    return (struct agent_options){
        .node = "kitchen",
        .session = "s1",
        .source = SOURCE_SMOLLAMA,
        .interval_s =
            {[REPORT_READINGS] = 5, [REPORT_OBSERVATIONS] = 30, [REPORT_MEMORIES] = 60, [REPORT_STATS] = 30},
        .resend_s = 3600,
        .seed = 17,
    };
}

static struct bench *create_bench(const struct agent_options *options)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->now = (struct now){.mono_ms = 1000000, .wall_ms = WALL};
    b->agent = agent_create(options, b->now);
    assert_non_null(b->agent);
    return b;
}

static int set_up(void **state)
{
    struct agent_options options = usual_options();
    *state = create_bench(&options);
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;
    agent_destroy(b->agent);
    free(b);
    return 0;
}

/* Goes to the time of the next fetch and begins it. */
static enum report_kind begin(struct bench *b)
{
    enum report_kind kind;
    int64_t due = agent_next_fetch(b->agent);
    assert_true(due < INT64_MAX);
    if (due > b->now.mono_ms) {
        pass(b, due - b->now.mono_ms);
    }
    assert_true(agent_begin_fetch(b->agent, b->now, &kind));
    return kind;
}

static enum agent_result answer_with(struct bench *b, unsigned status, const char *body)
{
    struct answer answer = {.end = ANSWER_COMPLETE,
                            .connected = true,
                            .status = status,
                            .body = body,
                            .len = strlen(body),
                            .latency_ms = 3};
    return agent_answered(b->agent, b->now, 3600, &answer, &b->verdict);
}

static enum agent_result fail_with(struct bench *b, enum answer_end end)
{
    struct answer answer = {.end = end, .connected = end == ANSWER_TIMEOUT, .body = ""};
    return agent_answered(b->agent, b->now, 3600, &answer, &b->verdict);
}

static const char *good_body(enum report_kind kind)
{
    static const char *const bodies[REPORT_KINDS] = {
        [REPORT_READINGS] = "{\"readings\":[]}",
        [REPORT_OBSERVATIONS] = "{\"observations\":[]}",
        [REPORT_MEMORIES] = "{\"memories\":[]}",
        [REPORT_STATS] = "{\"node_name\":\"kitchen\",\"timestamp\":\"2026-11-23T07:56:41\"}",
    };
    return bodies[kind];
}

/* Answers fetches well until one of `kind` has begun. */
static void begin_kind(struct bench *b, enum report_kind kind)
{
    for (enum report_kind begun = begin(b); begun != kind; begun = begin(b)) {
        answer_with(b, 200, good_body(begun));
    }
}

static enum agent_result fetch(struct bench *b, enum report_kind kind, const char *body)
{
    begin_kind(b, kind);
    return answer_with(b, 200, body);
}

static struct report held(struct bench *b, enum report_kind kind)
{
    const char *payload;
    size_t len;
    struct report report;
    struct fault fault;
    assert_true(agent_report(b->agent, kind, &payload, &len));
    assert_int_equal(report_decode(payload, len, kind, &report, &fault), 0);
    return report;
}

static struct snapshot_state snapshot(struct bench *b, enum report_kind kind)
{
    struct heartbeat heartbeat;
    agent_heartbeat(b->agent, b->now, &heartbeat);
    return heartbeat.snapshots[kind];
}

/* --- what is due when --- */

static void everything_is_fetched_within_a_second_of_the_start(void **state)
{
    struct bench *b = *state;
    int64_t start = b->now.mono_ms;
    unsigned seen = 0;
    for (int i = 0; i < REPORT_KINDS; i++) {
        enum report_kind kind = begin(b);
        seen |= 1u << kind;
        answer_with(b, 200, good_body(kind));
    }
    assert_int_equal(seen, 15);
    assert_true(b->now.mono_ms - start <= 1000);
}

static void each_kind_keeps_its_interval(void **state)
{
    struct bench *b = *state;
    static const int64_t interval_ms[REPORT_KINDS] = {5000, 30000, 60000, 30000};
    int64_t last[REPORT_KINDS] = {0};
    unsigned counts[REPORT_KINDS] = {0};
    int64_t end = b->now.mono_ms + 121000;
    while (agent_next_fetch(b->agent) < end) {
        enum report_kind kind = begin(b);
        if (last[kind]) {
            assert_true(b->now.mono_ms - last[kind] >= interval_ms[kind]);
            assert_true(b->now.mono_ms - last[kind] < interval_ms[kind] + 200);
        }
        last[kind] = b->now.mono_ms;
        counts[kind]++;
        pass(b, 20);
        answer_with(b, 200, good_body(kind));
    }
    assert_in_range(counts[REPORT_READINGS], 24, 25);
    assert_in_range(counts[REPORT_OBSERVATIONS], 4, 5);
    assert_in_range(counts[REPORT_MEMORIES], 2, 3);
}

static void only_one_fetch_is_under_way(void **state)
{
    struct bench *b = *state;
    enum report_kind kind;
    begin(b);
    pass(b, 100000);
    assert_true(agent_next_fetch(b->agent) == INT64_MAX);
    assert_false(agent_begin_fetch(b->agent, b->now, &kind));
}

static void nothing_is_fetched_before_it_is_due(void **state)
{
    struct bench *b = *state;
    enum report_kind kind;
    for (int i = 0; i < REPORT_KINDS; i++) {
        kind = begin(b);
        answer_with(b, 200, good_body(kind));
    }
    int64_t due = agent_next_fetch(b->agent);
    assert_true(due > b->now.mono_ms + 3000);
    pass(b, due - b->now.mono_ms - 1);
    assert_false(agent_begin_fetch(b->agent, b->now, &kind));
    pass(b, 1);
    assert_true(agent_begin_fetch(b->agent, b->now, &kind));
}

static void a_hanging_endpoint_starves_nobody(void **state)
{
    struct bench *b = *state;
    unsigned counts[REPORT_KINDS] = {0};
    int64_t end = b->now.mono_ms + 120000;
    while (b->now.mono_ms < end) {
        enum report_kind kind = begin(b);
        counts[kind]++;
        if (kind == REPORT_READINGS) {
            pass(b, 5000); /* the deadline, as long as its interval */
            fail_with(b, ANSWER_TIMEOUT);
        } else {
            answer_with(b, 200, good_body(kind));
        }
    }
    assert_in_range(counts[REPORT_OBSERVATIONS], 4, 5);
    assert_in_range(counts[REPORT_STATS], 4, 5);
    assert_in_range(counts[REPORT_MEMORIES], 2, 3);
    assert_in_range(counts[REPORT_READINGS], 20, 24);
}

static void all_get_their_turn_when_all_hang(void **state)
{
    struct bench *b = *state;
    unsigned counts[REPORT_KINDS] = {0};
    for (int i = 0; i < 24; i++) {
        counts[begin(b)]++;
        pass(b, 5000);
        fail_with(b, ANSWER_TIMEOUT);
    }
    for (int kind = 0; kind < REPORT_KINDS; kind++) {
        assert_true(counts[kind] >= 2);
    }
}

static void a_kind_without_interval_is_off_and_never_fetched(void **state)
{
    (void)state;
    struct agent_options options = usual_options();
    options.interval_s[REPORT_OBSERVATIONS] = options.interval_s[REPORT_MEMORIES] = 0;
    struct bench *b = create_bench(&options);
    for (int i = 0; i < 50; i++) {
        enum report_kind kind = begin(b);
        assert_true(kind == REPORT_READINGS || kind == REPORT_STATS);
        answer_with(b, 200, good_body(kind));
    }
    assert_string_equal(snapshot(b, REPORT_MEMORIES).error, "off");
    assert_true(snapshot(b, REPORT_MEMORIES).present);
    agent_destroy(b->agent);
    free(b);
}

/* --- what is worth sending --- */

static void a_report_carries_the_body_unchanged(void **state)
{
    struct bench *b = *state;
    const char *body = "{\"query\":\"\",\"x\":1e400,\"observations\":[{\"text\":\"\\u0000\"}]}";
    assert_int_equal(fetch(b, REPORT_OBSERVATIONS, body), AGENT_PUBLISH);
    struct report report = held(b, REPORT_OBSERVATIONS);
    assert_int_equal(report.body.len, strlen(body));
    assert_memory_equal(report.body.data, body, report.body.len);
    assert_string_equal(report.session, "s1");
    assert_int_equal(report.seq, 1);
    assert_int_equal(report.captured_at_ms, b->now.wall_ms);
    assert_int_equal(report.utc_offset_s, 3600);
    assert_true(json_string_is(report.node_slice, "kitchen"));
}

static void readings_are_new_each_time(void **state)
{
    struct bench *b = *state;
    for (uint64_t seq = 1; seq <= 3; seq++) {
        assert_int_equal(fetch(b, REPORT_READINGS, "{\"readings\":[]}"), AGENT_PUBLISH);
        assert_int_equal(held(b, REPORT_READINGS).seq, seq);
    }
}

static void unchanged_content_keeps_seq_and_captured_at(void **state)
{
    struct bench *b = *state;
    static const enum report_kind kinds[] = {REPORT_OBSERVATIONS, REPORT_MEMORIES, REPORT_STATS};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        fetch(b, kinds[i], good_body(kinds[i]));
        struct report first = held(b, kinds[i]);
        assert_int_equal(fetch(b, kinds[i], good_body(kinds[i])), AGENT_UNCHANGED);
        struct report second = held(b, kinds[i]);
        assert_int_equal(second.seq, first.seq);
        assert_int_equal(second.captured_at_ms, first.captured_at_ms);
        /* The heartbeat tells of the fetch all the same. */
        assert_int_equal(snapshot(b, kinds[i]).captured_at_ms, b->now.wall_ms);
        assert_int_equal(snapshot(b, kinds[i]).seq, first.seq);
    }
}

static void changed_content_is_the_next_seq(void **state)
{
    struct bench *b = *state;
    fetch(b, REPORT_MEMORIES, "{\"memories\":[1]}");
    assert_int_equal(fetch(b, REPORT_MEMORIES, "{\"memories\":[2]}"), AGENT_PUBLISH);
    assert_int_equal(held(b, REPORT_MEMORIES).seq, 2);
    assert_int_equal(held(b, REPORT_MEMORIES).captured_at_ms, b->now.wall_ms);
    assert_int_equal(fetch(b, REPORT_MEMORIES, "{\"memories\":[1]}"), AGENT_PUBLISH);
}

static void stats_are_compared_without_their_timestamp(void **state)
{
    struct bench *b = *state;
    fetch(b, REPORT_STATS, "{\"node_name\":\"k\",\"timestamp\":\"1\",\"source_count\":7}");
    assert_int_equal(fetch(b, REPORT_STATS, "{\"node_name\":\"k\",\"timestamp\":\"22\",\"source_count\":7}"),
                     AGENT_UNCHANGED);
    assert_int_equal(fetch(b, REPORT_STATS, "{\"node_name\":\"k\",\"source_count\":7}"), AGENT_UNCHANGED);
    assert_int_equal(fetch(b, REPORT_STATS, "{\"node_name\":\"k\",\"timestamp\":\"3\",\"source_count\":8}"),
                     AGENT_PUBLISH);
    assert_int_equal(fetch(b, REPORT_STATS, "{\"node_name\":\"k\",\"timestamp\":\"3\"}"), AGENT_PUBLISH);
    assert_int_equal(fetch(b, REPORT_STATS, "{\"node_name\":\"k\",\"timestamp\":\"3\",\"db_size_mb\":1}"),
                     AGENT_PUBLISH);
}

static void the_last_good_report_stands_through_failures(void **state)
{
    struct bench *b = *state;
    fetch(b, REPORT_MEMORIES, "{\"memories\":[1]}");
    int64_t captured = b->now.wall_ms;
    begin_kind(b, REPORT_MEMORIES);
    assert_int_equal(answer_with(b, 500, "Internal Server Error"), AGENT_FAILED);
    assert_string_equal(snapshot(b, REPORT_MEMORIES).error, "http_500");
    assert_int_equal(snapshot(b, REPORT_MEMORIES).captured_at_ms, captured);
    assert_int_equal(held(b, REPORT_MEMORIES).seq, 1);
    begin_kind(b, REPORT_MEMORIES);
    assert_int_equal(answer_with(b, 503, "{\"error\":\"No memory store available\"}"), AGENT_OFF);
    assert_string_equal(snapshot(b, REPORT_MEMORIES).error, "off");
    assert_int_equal(fetch(b, REPORT_MEMORIES, "{\"memories\":[1]}"), AGENT_UNCHANGED);
    assert_string_equal(snapshot(b, REPORT_MEMORIES).error, "");
}

static void before_the_first_fetch_there_is_no_report_and_no_error(void **state)
{
    struct bench *b = *state;
    const char *payload;
    size_t len;
    assert_false(agent_report(b->agent, REPORT_STATS, &payload, &len));
    assert_false(agent_resend_due(b->agent, REPORT_STATS, b->now));
    assert_int_equal(snapshot(b, REPORT_STATS).seq, 0);
    assert_true(snapshot(b, REPORT_STATS).captured_at_ms == TIMESTAMP_NONE);
    assert_string_equal(snapshot(b, REPORT_STATS).error, "");
    assert_true(agent_source_ok(b->agent));
}

/* {"memories":["000…"]} of exactly `len` bytes. */
static char *body_of(size_t len)
{
    char *body = malloc(len + 1);
    assert_non_null(body);
    snprintf(body, len + 1, "{\"memories\":[\"%0*d\"]}", (int)(len - strlen("{\"memories\":[\"\"]}")), 0);
    assert_int_equal(strlen(body), len);
    return body;
}

static void a_report_above_the_limit_is_too_large(void **state)
{
    struct bench *b = *state;
    char *body = body_of(REPORT_MAX); /* the report around it makes it too much */
    assert_int_equal(fetch(b, REPORT_MEMORIES, body), AGENT_FAILED);
    assert_string_equal(snapshot(b, REPORT_MEMORIES).error, "too_large");
    assert_int_equal(snapshot(b, REPORT_MEMORIES).seq, 0);
    free(body);
    body = body_of(REPORT_MAX - 1000);
    assert_int_equal(fetch(b, REPORT_MEMORIES, body), AGENT_PUBLISH);
    assert_int_equal(held(b, REPORT_MEMORIES).seq, 1);
    free(body);
}

static void a_report_may_be_as_large_as_the_limit(void **state)
{
    struct bench *b = *state;
    const char *payload;
    size_t len;
    char *body = body_of(5000);
    fetch(b, REPORT_MEMORIES, body);
    assert_true(agent_report(b->agent, REPORT_MEMORIES, &payload, &len));
    agent_set_report_limit(b->agent, len);
    assert_true(agent_report(b->agent, REPORT_MEMORIES, &payload, &len));
    assert_string_equal(snapshot(b, REPORT_MEMORIES).error, "");
    body[5000 - 4] = '1'; /* another report of the same length */
    assert_int_equal(fetch(b, REPORT_MEMORIES, body), AGENT_PUBLISH);
    agent_set_report_limit(b->agent, len - 1);
    assert_false(agent_report(b->agent, REPORT_MEMORIES, &payload, &len));
    body[5000 - 4] = '2'; /* its body alone would fit */
    assert_int_equal(fetch(b, REPORT_MEMORIES, body), AGENT_FAILED);
    assert_non_null(strstr(b->verdict.detail, "5000 bytes"));
    free(body);
}

static void a_broker_with_a_smaller_limit_gets_no_larger_report(void **state)
{
    struct bench *b = *state;
    const char *payload;
    size_t len;
    char *body = body_of(5000);
    fetch(b, REPORT_MEMORIES, body);
    agent_set_report_limit(b->agent, 4000);
    assert_false(agent_report(b->agent, REPORT_MEMORIES, &payload, &len));
    assert_string_equal(snapshot(b, REPORT_MEMORIES).error, "too_large");
    /* Fetched again and unchanged: still too large, not suddenly fine. */
    assert_int_equal(fetch(b, REPORT_MEMORIES, body), AGENT_FAILED);
    assert_string_equal(snapshot(b, REPORT_MEMORIES).error, "too_large");
    /* The next broker takes it: the same content is the same seq. */
    agent_set_report_limit(b->agent, UINT32_MAX);
    assert_int_equal(fetch(b, REPORT_MEMORIES, body), AGENT_UNCHANGED);
    assert_int_equal(held(b, REPORT_MEMORIES).seq, 1);
    assert_string_equal(snapshot(b, REPORT_MEMORIES).error, "");
    free(body);
}

static void what_was_not_sent_for_an_hour_is_due_again(void **state)
{
    struct bench *b = *state;
    fetch(b, REPORT_STATS, good_body(REPORT_STATS));
    agent_note_sent(b->agent, REPORT_STATS, b->now);
    pass(b, 3599999);
    assert_false(agent_resend_due(b->agent, REPORT_STATS, b->now));
    pass(b, 1);
    assert_true(agent_resend_due(b->agent, REPORT_STATS, b->now));
    agent_note_sent(b->agent, REPORT_STATS, b->now);
    assert_false(agent_resend_due(b->agent, REPORT_STATS, b->now));
}

/* --- refresh --- */

static void a_refresh_is_answered_once_in_five_seconds(void **state)
{
    struct bench *b = *state;
    assert_true(agent_next_refresh(b->agent) == INT64_MAX);
    agent_refresh_asked(b->agent);
    assert_true(agent_next_refresh(b->agent) <= b->now.mono_ms);
    agent_refresh_sent(b->agent, b->now);
    assert_true(agent_next_refresh(b->agent) == INT64_MAX);
    int64_t sent = b->now.mono_ms;
    pass(b, 2000);
    agent_refresh_asked(b->agent);
    agent_refresh_asked(b->agent);
    assert_int_equal(agent_next_refresh(b->agent), sent + AGENT_REFRESH_GAP_MS);
    pass(b, 3000);
    agent_refresh_sent(b->agent, b->now);
    assert_true(agent_next_refresh(b->agent) == INT64_MAX);
    pass(b, 60000);
    agent_refresh_asked(b->agent);
    assert_true(agent_next_refresh(b->agent) <= b->now.mono_ms);
}

/* --- the heartbeat --- */

static void heartbeat_tells_of_source_and_snapshots(void **state)
{
    struct bench *b = *state;
    struct heartbeat h;
    fetch(b, REPORT_STATS,
          "{\"node_name\":\"k\xc3\xbc"
          "che\",\"timestamp\":\"1\"}");
    int64_t captured = b->now.wall_ms;
    pass(b, 700);
    agent_heartbeat(b->agent, b->now, &h);
    assert_string_equal(h.node, "kitchen");
    assert_string_equal(h.session, "s1");
    assert_int_equal(h.at_ms, b->now.wall_ms);
    assert_true(h.source.ok);
    assert_string_equal(h.source.node_name, "k\xc3\xbc"
                                            "che");
    assert_int_equal(h.source.latency_ms, 3);
    assert_int_equal(h.snapshots[REPORT_STATS].seq, 1);
    assert_int_equal(h.snapshots[REPORT_STATS].captured_at_ms, captured);
    assert_int_equal(h.snapshots[REPORT_STATS].interval_s, 30);
    fetch(b, REPORT_STATS, "{\"node_name\":\"a/b\"}");
    agent_heartbeat(b->agent, b->now, &h);
    assert_string_equal(h.source.node_name, ""); /* no name that a node can have */
}

static void two_failures_turn_the_source(void **state)
{
    struct bench *b = *state;
    struct heartbeat h;
    begin(b);
    fail_with(b, ANSWER_REFUSED);
    assert_true(agent_source_ok(b->agent));
    begin(b);
    fail_with(b, ANSWER_REFUSED);
    agent_heartbeat(b->agent, b->now, &h);
    assert_false(h.source.ok);
    assert_string_equal(h.source.error, "refused");
    assert_int_equal(h.source.since_ms, b->now.wall_ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everything_is_fetched_within_a_second_of_the_start, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(each_kind_keeps_its_interval, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_one_fetch_is_under_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_fetched_before_it_is_due, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hanging_endpoint_starves_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_get_their_turn_when_all_hang, set_up, tear_down),
        cmocka_unit_test(a_kind_without_interval_is_off_and_never_fetched),
        cmocka_unit_test_setup_teardown(a_report_carries_the_body_unchanged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(readings_are_new_each_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unchanged_content_keeps_seq_and_captured_at, set_up, tear_down),
        cmocka_unit_test_setup_teardown(changed_content_is_the_next_seq, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stats_are_compared_without_their_timestamp, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_last_good_report_stands_through_failures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(before_the_first_fetch_there_is_no_report_and_no_error, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_report_above_the_limit_is_too_large, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_report_may_be_as_large_as_the_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_broker_with_a_smaller_limit_gets_no_larger_report, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_was_not_sent_for_an_hour_is_due_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refresh_is_answered_once_in_five_seconds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(heartbeat_tells_of_source_and_snapshots, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_failures_turn_the_source, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
