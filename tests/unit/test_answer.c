#include "answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct answer_verdict judge(enum report_kind kind, unsigned status, const char *body, size_t len)
{
    struct answer answer = {
        .end = ANSWER_COMPLETE, .connected = true, .status = status, .body = body, .len = len};
    struct answer_verdict verdict;
    answer_judge(kind, &answer, &verdict);
    return verdict;
}

static void expect(enum report_kind kind, unsigned status, const char *body, enum answer_worth worth,
                   const char *word)
{
    struct answer_verdict verdict = judge(kind, status, body, strlen(body));
    assert_string_equal(verdict.word, word);
    assert_int_equal(verdict.worth, worth);
}

static void a_200_with_the_expected_content_is_usable(void **state)
{
    (void)state;
    expect(REPORT_READINGS, 200, "{\"readings\":[]}", ANSWER_USABLE, "");
    expect(REPORT_OBSERVATIONS, 200, " {\"observations\":[1]} \n", ANSWER_USABLE, "");
    expect(REPORT_MEMORIES, 200, "{\"memories\":[]}", ANSWER_USABLE, "");
    expect(REPORT_STATS, 200, "{\"node_name\":\"kitchen\"}", ANSWER_USABLE, "");
}

static void a_200_with_anything_else_is_bad_body(void **state)
{
    (void)state;
    expect(REPORT_READINGS, 200, "", ANSWER_FAILED, "bad_body");
    expect(REPORT_READINGS, 200, "<html>", ANSWER_FAILED, "bad_body");
    expect(REPORT_READINGS, 200, "{\"readings\":[", ANSWER_FAILED, "bad_body");
    expect(REPORT_READINGS, 200, "{\"readings\":[NaN]}", ANSWER_FAILED, "bad_body");
    expect(REPORT_READINGS, 200, "{\"readings\":[]} x", ANSWER_FAILED, "bad_body");
    expect(REPORT_READINGS, 200, "{\"readings\":[\"\xff\"]}", ANSWER_FAILED, "bad_body");
    expect(REPORT_READINGS, 200, "{\"readings\":{}}", ANSWER_FAILED, "bad_body");
    expect(REPORT_READINGS, 200, "{\"memories\":[]}", ANSWER_FAILED, "bad_body");
    expect(REPORT_STATS, 200, "{\"node_name\":5}", ANSWER_FAILED, "bad_body");
    assert_string_equal(judge(REPORT_STATS, 200, "{}", 2).detail, "no node_name in it");
    assert_string_equal(judge(REPORT_MEMORIES, 200, "{}", 2).detail, "no memories in it");
}

static void other_statuses_are_named(void **state)
{
    (void)state;
    expect(REPORT_READINGS, 500, "Internal Server Error", ANSWER_FAILED, "http_500");
    expect(REPORT_READINGS, 307, "", ANSWER_FAILED, "http_307");
    expect(REPORT_READINGS, 204, "", ANSWER_FAILED, "http_204");
    expect(REPORT_READINGS, 404, "{\"readings\":[]}", ANSWER_FAILED, "http_404");
    expect(REPORT_READINGS, 100, "", ANSWER_FAILED, "http_100");
    expect(REPORT_READINGS, 999, "", ANSWER_FAILED, "http_999");
    expect(REPORT_READINGS, 99, "", ANSWER_FAILED, "bad_body");
    expect(REPORT_READINGS, 1000, "", ANSWER_FAILED, "bad_body");
    expect(REPORT_READINGS, 7, "{\"readings\":[]}", ANSWER_FAILED, "bad_body");
    expect(REPORT_READINGS, 4000000000u, "", ANSWER_FAILED, "bad_body");
}

static void a_missing_feature_is_off_and_no_error(void **state)
{
    (void)state;
    expect(REPORT_MEMORIES, 503, "{\"error\":\"No memory store available\",\"memories\":[]}", ANSWER_OFF,
           "off");
    expect(REPORT_OBSERVATIONS, 503, "{\"error\":\"No memory store available\",\"observations\":[]}",
           ANSWER_OFF, "off");
    expect(REPORT_READINGS, 503, "{\"error\":\"No reading manager available\",\"readings\":[]}", ANSWER_OFF,
           "off");
}

static void another_503_is_an_error(void **state)
{
    (void)state;
    expect(REPORT_READINGS, 503, "{\"error\":\"sensor on fire\",\"readings\":[]}", ANSWER_FAILED, "http_503");
    expect(REPORT_READINGS, 503, "No memory store available", ANSWER_FAILED, "http_503");
    expect(REPORT_READINGS, 503, "", ANSWER_FAILED, "http_503");
    expect(REPORT_READINGS, 503, "[\"No memory store available\"]", ANSWER_FAILED, "http_503");
}

static void the_ways_to_get_no_answer_have_words(void **state)
{
    (void)state;
    static const struct {
        enum answer_end end;
        const char *word;
    } cases[] = {{ANSWER_REFUSED, "refused"},
                 {ANSWER_DNS, "dns"},
                 {ANSWER_TIMEOUT, "timeout"},
                 {ANSWER_TOO_LARGE, "too_large"},
                 {ANSWER_BROKEN, "bad_body"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        /* What had arrived before the end does not matter, be it whole. */
        struct answer answer = {.end = cases[i].end, .status = 200, .body = "{\"readings\":[]}", .len = 15};
        struct answer_verdict verdict;
        answer_judge(REPORT_READINGS, &answer, &verdict);
        assert_int_equal(verdict.worth, ANSWER_FAILED);
        assert_string_equal(verdict.word, cases[i].word);
        assert_int_equal(strcmp(verdict.detail, "a body above 1000000 bytes") == 0,
                         cases[i].end == ANSWER_TOO_LARGE);
    }
}

static void any_status_is_an_http_answer(void **state)
{
    (void)state;
    assert_true(answer_is_http(&(struct answer){.end = ANSWER_COMPLETE, .status = 500}));
    assert_true(answer_is_http(&(struct answer){.end = ANSWER_TIMEOUT, .status = 200}));
    assert_false(answer_is_http(&(struct answer){.end = ANSWER_REFUSED}));
}

static void the_reason_of_a_failed_connection_is_passed_on(void **state)
{
    (void)state;
    struct answer answer = {.end = ANSWER_REFUSED, .body = "", .detail = "certificate expired"};
    struct answer_verdict verdict;
    answer_judge(REPORT_READINGS, &answer, &verdict);
    assert_string_equal(verdict.detail, "certificate expired");
    answer = (struct answer){.end = ANSWER_BROKEN, .connected = true, .body = ""};
    answer_judge(REPORT_READINGS, &answer, &verdict);
    assert_non_null(strstr(verdict.detail, "ended before"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_200_with_the_expected_content_is_usable),
        cmocka_unit_test(a_200_with_anything_else_is_bad_body),
        cmocka_unit_test(other_statuses_are_named),
        cmocka_unit_test(a_missing_feature_is_off_and_no_error),
        cmocka_unit_test(another_503_is_an_error),
        cmocka_unit_test(the_ways_to_get_no_answer_have_words),
        cmocka_unit_test(any_status_is_an_http_answer),
        cmocka_unit_test(the_reason_of_a_failed_connection_is_passed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
