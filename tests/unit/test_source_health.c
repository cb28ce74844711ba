#include "source_health.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct source_health health;
static int64_t wall_ms;

static int set_up(void **state)
{
    (void)state;
    wall_ms = 1000;
    source_health_init(&health, (struct now){.mono_ms = 1, .wall_ms = wall_ms});
    return 0;
}

static void note(enum report_kind kind, enum answer_end end, bool connected, unsigned status,
                 const char *word)
{
    struct answer answer = {
        .end = end, .connected = connected, .status = status, .body = "", .latency_ms = status % 1000};
    struct answer_verdict verdict = {.worth = ANSWER_FAILED};
    snprintf(verdict.word, sizeof verdict.word, "%s", word);
    if (word[0] == '\0') {
        verdict.worth = ANSWER_USABLE;
    } else if (strcmp(word, "off") == 0) {
        verdict.worth = ANSWER_OFF;
    }
    wall_ms += 1000;
    source_health_note(&health, (struct now){.mono_ms = 1, .wall_ms = wall_ms}, kind, &answer, &verdict);
}

static void usable(enum report_kind kind)
{
    note(kind, ANSWER_COMPLETE, true, 200, "");
}
static void error500(enum report_kind kind)
{
    note(kind, ANSWER_COMPLETE, true, 500, "http_500");
}
static void refused(enum report_kind kind)
{
    note(kind, ANSWER_REFUSED, false, 0, "refused");
}
static void timed_out(enum report_kind kind)
{
    note(kind, ANSWER_TIMEOUT, true, 0, "timeout");
}

static void it_is_ok_until_two_fetches_fail_in_a_row(void **state)
{
    (void)state;
    assert_true(health.ok);
    usable(REPORT_STATS);
    refused(REPORT_READINGS);
    assert_true(health.ok);
    assert_string_equal(health.error, "");
    refused(REPORT_READINGS);
    assert_false(health.ok);
    assert_string_equal(health.error, "refused");
    assert_int_equal(health.since_wall_ms, wall_ms);
}

static void a_usable_answer_between_keeps_it_ok(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        error500(REPORT_READINGS);
        usable(REPORT_READINGS);
        refused(REPORT_STATS);
        usable(REPORT_STATS);
    }
    assert_true(health.ok);
}

static void since_stands_while_the_error_changes(void **state)
{
    (void)state;
    refused(REPORT_READINGS);
    refused(REPORT_STATS);
    int64_t since = health.since_wall_ms;
    error500(REPORT_READINGS);
    assert_false(health.ok);
    assert_string_equal(health.error, "http_500");
    assert_int_equal(health.since_wall_ms, since);
    usable(REPORT_STATS);
    assert_true(health.ok);
    assert_string_equal(health.error, "");
    assert_int_equal(health.since_wall_ms, wall_ms);
}

static void an_endpoint_known_to_fail_by_itself_says_nothing_about_the_source(void **state)
{
    (void)state;
    error500(REPORT_READINGS);
    usable(REPORT_STATS);
    for (int i = 0; i < 10; i++) {
        error500(REPORT_READINGS);
        assert_true(health.ok);
    }
    timed_out(REPORT_READINGS);
    timed_out(REPORT_READINGS);
    assert_true(health.ok);
    /* Others that begin to fail do count. */
    error500(REPORT_STATS);
    assert_true(health.ok);
    error500(REPORT_MEMORIES);
    assert_false(health.ok);
}

static void no_connection_counts_at_any_endpoint(void **state)
{
    (void)state;
    error500(REPORT_READINGS);
    usable(REPORT_STATS);
    refused(REPORT_READINGS);
    refused(REPORT_READINGS);
    assert_false(health.ok);
}

static void an_endpoint_that_recovered_counts_again(void **state)
{
    (void)state;
    error500(REPORT_READINGS);
    usable(REPORT_STATS);
    usable(REPORT_READINGS);
    error500(REPORT_READINGS);
    error500(REPORT_READINGS);
    assert_false(health.ok);
}

static void two_endpoints_may_fail_while_a_third_answers(void **state)
{
    (void)state;
    error500(REPORT_READINGS);
    error500(REPORT_MEMORIES);
    assert_false(health.ok);
    usable(REPORT_STATS);
    for (int i = 0; i < 4; i++) {
        error500(REPORT_READINGS);
        error500(REPORT_MEMORIES);
        assert_true(health.ok);
    }
}

static void a_feature_that_is_off_is_neither_failure_nor_proof(void **state)
{
    (void)state;
    refused(REPORT_READINGS);
    note(REPORT_MEMORIES, ANSWER_COMPLETE, true, 503, "off");
    note(REPORT_OBSERVATIONS, ANSWER_COMPLETE, true, 503, "off");
    assert_true(health.ok);
    refused(REPORT_READINGS);
    assert_false(health.ok);
    note(REPORT_MEMORIES, ANSWER_COMPLETE, true, 503, "off");
    assert_false(health.ok);
}

static void latency_is_that_of_the_last_http_answer(void **state)
{
    (void)state;
    usable(REPORT_READINGS);
    assert_int_equal(health.latency_ms, 200);
    refused(REPORT_READINGS);
    assert_int_equal(health.latency_ms, 200);
    error500(REPORT_READINGS);
    assert_int_equal(health.latency_ms, 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_is_ok_until_two_fetches_fail_in_a_row, set_up),
        cmocka_unit_test_setup(a_usable_answer_between_keeps_it_ok, set_up),
        cmocka_unit_test_setup(since_stands_while_the_error_changes, set_up),
        cmocka_unit_test_setup(an_endpoint_known_to_fail_by_itself_says_nothing_about_the_source, set_up),
        cmocka_unit_test_setup(no_connection_counts_at_any_endpoint, set_up),
        cmocka_unit_test_setup(an_endpoint_that_recovered_counts_again, set_up),
        cmocka_unit_test_setup(two_endpoints_may_fail_while_a_third_answers, set_up),
        cmocka_unit_test_setup(a_feature_that_is_off_is_neither_failure_nor_proof, set_up),
        cmocka_unit_test_setup(latency_is_that_of_the_last_http_answer, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
