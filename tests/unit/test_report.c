#include "fixtures.h"
#include "report.h"
#include "timestamp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GOOD_HEAD "{\"v\":1,\"node\":\"pi\",\"kind\":\"readings\",\"session\":\"s-1_A\",\"seq\":7,"
#define GOOD_TIME "\"captured_at\":\"2026-11-23T07:56:41.898Z\","
#define GOOD      GOOD_HEAD GOOD_TIME "\"utc_offset_s\":3600,\"body\":{\"readings\":[]}}"

static int decode(const char *payload, size_t len, struct report *ret_report, struct fault *ret_fault)
{
    char *copy = exact_copy(payload, len);
    int r = report_decode(copy, len, REPORT_READINGS, ret_report, ret_fault);
    ret_report->node_slice = ret_report->body = (struct json_slice){0}; /* they die with the copy */
    free(copy);
    return r;
}

static void names_are_those_of_the_contract(void **state)
{
    (void)state;
    static const char *const kinds[] = {"readings", "observations", "memories", "stats"};
    for (int kind = 0; kind < REPORT_KINDS; kind++) {
        assert_string_equal(report_kind_name((enum report_kind)kind), kinds[kind]);
        assert_string_equal(topic_kind_name(report_topic((enum report_kind)kind)), kinds[kind]);
    }
    for (int reason = 0; reason < REJECT_REASONS; reason++)
        assert_non_null(reject_name((enum reject)reason));
    assert_string_equal(reject_name(REJECT_NOT_JSON), "not_json");
    assert_string_equal(reject_name(REJECT_TRUNCATED), "truncated");
    assert_string_equal(reject_name(REJECT_HTTP_REDIRECT), "http_redirect");
}

static void a_report_is_written_as_the_contract_says(void **state)
{
    (void)state;
    struct report report = {
        .node = "k\xc3\xbc"
                "che \"1\"",
        .kind = REPORT_STATS,
        .session = "abc",
        .seq = 12,
        .captured_at_ms = 1767323045678,
        .utc_offset_s = -18000,
        .body = value_of("{\"n\":1.50, \"x\":\"\\u0000\"}"),
    };
    struct buf out = BUF_INIT;
    buf_str(&out, "before");
    assert_int_equal(report_encode(&out, &report), 0);
    assert_string_equal(buf_terminate(&out),
                        "before{\"v\":1,\"node\":\"k\xc3\xbc"
                        "che \\\"1\\\"\",\"kind\":\"stats\",\"session\":\"abc\",\"seq\":12,"
                        "\"captured_at\":\"2026-01-02T03:04:05.678Z\",\"utc_offset_s\":-18000,"
                        "\"body\":{\"n\":1.50, \"x\":\"\\u0000\"}}");
    buf_reset(&out);
    report.utc_offset_s = TIMESTAMP_OFFSET_UNKNOWN;
    assert_int_equal(report_encode(&out, &report), 0);
    assert_non_null(strstr(buf_terminate(&out), "\"utc_offset_s\":null,\"body\""));
    buf_finish(&out);
}

static void too_large_a_report_is_not_written(void **state)
{
    (void)state;
    char *body = malloc(REPORT_MAX);
    assert_non_null(body);
    memset(body, ' ', REPORT_MAX);
    body[0] = '{';
    struct report report = {
        .node = "pi", .session = "s", .seq = 1, .utc_offset_s = 0, .body = {.data = body}};
    struct buf out = BUF_INIT;
    assert_int_equal(report_encode(&out, &report), 0);
    size_t envelope = out.len;
    buf_reset(&out);
    report.body.len = REPORT_MAX - envelope;
    assert_int_equal(report_encode(&out, &report), 0);
    assert_int_equal(out.len, REPORT_MAX);
    buf_reset(&out);
    buf_str(&out, "before");
    report.body.len++;
    assert_int_equal(report_encode(&out, &report), -E2BIG);
    assert_string_equal(buf_terminate(&out), "before");
    buf_finish(&out);
    struct buf small = {.limit = 50};
    assert_int_equal(report_encode(&small, &report), -ENOMEM);
    assert_int_equal(small.len, 0);
    buf_finish(&small);
    free(body);
}

static void what_was_written_is_read(const char *path, const char *text, size_t len)
{
    struct report report = {
        .node = "pi", .session = "s", .seq = 1, .captured_at_ms = 1, .utc_offset_s = 50400};
    report.body = json_root(text, len);
    struct buf out = BUF_INIT;
    for (int kind = 0; kind < REPORT_KINDS; kind++) {
        report.kind = (enum report_kind)kind;
        buf_reset(&out);
        assert_int_equal(report_encode(&out, &report), 0);
        struct report back;
        struct fault fault;
        if (report_decode(out.data, out.len, report.kind, &back, &fault) < 0)
            fail_msg("%s: %s", path, fault.detail);
        assert_null(back.node);
        assert_true(json_string_is(back.node_slice, "pi"));
        assert_int_equal(back.kind, kind);
        assert_string_equal(back.session, "s");
        assert_int_equal(back.seq, 1);
        assert_int_equal(back.captured_at_ms, 1);
        assert_int_equal(back.utc_offset_s, 50400);
        assert_true(json_equal(back.body, report.body)); /* bytes unchanged */
        assert_true(back.body.data > out.data && back.body.data < out.data + out.len);
    }
    buf_finish(&out);
}

static void recorded_bodies_travel_unchanged(void **state)
{
    (void)state;
    assert_true(fixture_each_body(what_was_written_is_read) >= 30);
}

static void a_report_is_read_in_any_order_and_form(void **state)
{
    (void)state;
    static const char *const good[] = {
        GOOD,
        " \n" GOOD "\n ",
        "{\"body\":{\"seq\":99,\"v\":2},\"seq\":7,\"session\":\"s-1_A\",\"kind\":\"readings\",\"node\":"
        "\"pi\","
        "\"utc_offset_s\":3600," GOOD_TIME "\"v\":1.0}",
        "{\"unknown\":{\"v\":3},\"seq\":\"x\",\"v\":2," /* of repeated keys the last counts */
        "\"v\":1,\"node\":\"pi\",\"kind\":\"r\\u0065adings\",\"session\":\"s-1_A\",\"\\u0073eq\":7,\"later\":"
        "[],"
        "\"captured_at\":\"2026-11-23T08:56:41.898+01:00\",\"utc_offset_s\":3600,\"body\":{}}",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct report report;
        struct fault fault = {.detail = "no fault"};
        if (decode(good[i], strlen(good[i]), &report, &fault) != 0)
            fail_msg("%s: %s", good[i], fault.detail);
        assert_int_equal(report.kind, REPORT_READINGS);
        assert_string_equal(report.session, "s-1_A");
        assert_int_equal(report.seq, 7);
        assert_int_equal(report.captured_at_ms, 1795420601898);
        assert_int_equal(report.utc_offset_s, 3600);
        assert_string_equal(fault.detail, "no fault");
    }
}

static void an_unusable_offset_is_unknown(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int32_t expected;
    } cases[] = {
        {"\"utc_offset_s\":50400,", 50400},
        {"\"utc_offset_s\":-50400,", -50400},
        {"\"utc_offset_s\":0,", 0},
        {"\"utc_offset_s\":50401,", TIMESTAMP_OFFSET_UNKNOWN},
        {"\"utc_offset_s\":-50401,", TIMESTAMP_OFFSET_UNKNOWN},
        {"\"utc_offset_s\":1e300,", TIMESTAMP_OFFSET_UNKNOWN},
        {"\"utc_offset_s\":null,", TIMESTAMP_OFFSET_UNKNOWN},
        {"\"utc_offset_s\":\"3600\",", TIMESTAMP_OFFSET_UNKNOWN},
        {"", TIMESTAMP_OFFSET_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[512];
        snprintf(text, sizeof(text), GOOD_HEAD GOOD_TIME "%s\"body\":{}}", cases[i].text);
        struct report report;
        assert_int_equal(decode(text, strlen(text), &report, NULL), 0);
        assert_int_equal(report.utc_offset_s, cases[i].expected);
    }
}

static void a_bad_report_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *payload;
        enum reject reason;
        const char *detail;
    } bad[] = {
        {"", REJECT_NOT_JSON, "byte 0: truncated"},
        {"hello", REJECT_NOT_JSON, "byte 0: unexpected character"},
        {GOOD "x", REJECT_NOT_JSON, "byte 147: text after the value"},
        {GOOD_HEAD GOOD_TIME "\"body\":{\"a\":NaN}}", REJECT_NOT_JSON, "byte 116: unexpected character"},
        {"{\"v\":\"\xff\"}", REJECT_NOT_UTF8, "byte 6: invalid UTF-8"},
        {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", REJECT_TOO_DEEP, "byte 32: nested too deeply"},
        {" [1]", REJECT_BAD_TYPE, "byte 1: not an object"},
        {"null", REJECT_BAD_TYPE, "byte 0: not an object"},
        {"{}", REJECT_BAD_TYPE, "v: missing"},
        {"{\"v\":2}", REJECT_BAD_TYPE, "byte 5: v: not 1"},
        {"{\"v\":\"1\"}", REJECT_BAD_TYPE, "byte 5: v: not 1"},
        {"{\"v\":1}", REJECT_BAD_TYPE, "node: missing"},
        {"{\"v\":1,\"node\":7}", REJECT_BAD_TYPE, "byte 14: node: not a string"},
        {"{\"v\":1,\"node\":\"\"}", REJECT_BAD_TYPE, "kind: missing"},
        {"{\"v\":1,\"node\":\"\",\"kind\":\"stats\"}", REJECT_BAD_TYPE, "byte 24: kind: not \"readings\""},
        {"{\"v\":1,\"node\":\"\",\"kind\":null}", REJECT_BAD_TYPE, "byte 24: kind: not \"readings\""},
        {"{\"v\":1,\"node\":\"\",\"kind\":\"readings\"}", REJECT_BAD_TYPE, "session: missing"},
        {"{\"v\":1,\"node\":\"\",\"kind\":\"readings\",\"session\":\"\"}", REJECT_BAD_TYPE,
         "byte 45: session: not 1 to 40 of A-Z a-z 0-9 _ -"},
        {"{\"v\":1,\"node\":\"\",\"kind\":\"readings\",\"session\":\"a b\"}", REJECT_BAD_TYPE,
         "byte 45: session: not 1 to 40 of A-Z a-z 0-9 _ -"},
        {"{\"v\":1,\"node\":\"\",\"kind\":\"readings\",\"session\":\"a\\u0000\"}", REJECT_BAD_TYPE,
         "byte 45: session: not 1 to 40 of A-Z a-z 0-9 _ -"},
        {"{\"v\":1,\"node\":\"\",\"kind\":\"readings\",\"session\":"
         "\"01234567890123456789012345678901234567890\"}",
         REJECT_BAD_TYPE, "byte 45: session: not 1 to 40 of A-Z a-z 0-9 _ -"},
        {"{\"v\":1,\"node\":\"\",\"kind\":\"readings\",\"session\":\"s\"}", REJECT_BAD_TYPE, "seq: missing"},
        {"{\"v\":1,\"node\":\"\",\"kind\":\"readings\",\"session\":\"s\",\"seq\":0}", REJECT_BAD_TYPE,
         "byte 55: seq: not a positive integer"},
        {"{\"v\":1,\"node\":\"\",\"kind\":\"readings\",\"session\":\"s\",\"seq\":1.5}", REJECT_BAD_TYPE,
         "byte 55: seq: not a positive integer"},
        {"{\"v\":1,\"node\":\"\",\"kind\":\"readings\",\"session\":\"s\",\"seq\":18446744073709551616}",
         REJECT_BAD_TYPE, "byte 55: seq: not a positive integer"},
        {GOOD_HEAD "\"x\":1}", REJECT_BAD_TYPE, "captured_at: missing"},
        {GOOD_HEAD "\"captured_at\":1795420601}", REJECT_BAD_TYPE,
         "byte 77: captured_at: not a time with zone"},
        {GOOD_HEAD "\"captured_at\":\"2026-11-23T07:56:41\"}", REJECT_BAD_TYPE,
         "byte 77: captured_at: not a time with zone"},
        {GOOD_HEAD GOOD_TIME "\"x\":1}", REJECT_BAD_TYPE, "body: missing"},
        {GOOD_HEAD GOOD_TIME "\"body\":[]}", REJECT_BAD_TYPE, "byte 111: body: not an object"},
        {GOOD_HEAD GOOD_TIME "\"body\":null}", REJECT_BAD_TYPE, "byte 111: body: not an object"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct report report = {.seq = 77};
        struct fault fault = {0};
        if (decode(bad[i].payload, strlen(bad[i].payload), &report, &fault) != -EBADMSG)
            fail_msg("taken: %s", bad[i].payload);
        if (fault.reason != bad[i].reason || strcmp(fault.detail, bad[i].detail) != 0)
            fail_msg("%s: %s, %s", bad[i].payload, reject_name(fault.reason), fault.detail);
        assert_int_equal(report.seq, 77);
        assert_int_equal(decode(bad[i].payload, strlen(bad[i].payload), &report, NULL), -EBADMSG);
    }
}

static void no_part_of_a_report_is_one(void **state)
{
    (void)state;
    for (size_t cut = 0; cut < strlen(GOOD); cut++) {
        struct report report;
        struct fault fault;
        assert_int_equal(decode(GOOD, cut, &report, &fault), -EBADMSG);
        assert_int_equal(fault.reason, REJECT_NOT_JSON);
    }
}

static void depth_and_size_are_limited(void **state)
{
    (void)state;
    struct report report;
    struct fault fault;
    char text[1024];
    for (int depth = JSON_MAX_DEPTH - 3; depth <= JSON_MAX_DEPTH; depth++) {
        char open[64] = {0}, close[64] = {0};
        memset(open, '[', (size_t)depth);
        memset(close, ']', (size_t)depth);
        snprintf(text, sizeof(text), GOOD_HEAD GOOD_TIME "\"body\":{\"a\":%s%s}}", open, close);
        bool fits = depth + 2 <= JSON_MAX_DEPTH;
        assert_int_equal(decode(text, strlen(text), &report, &fault), fits ? 0 : -EBADMSG);
        if (!fits)
            assert_int_equal(fault.reason, REJECT_TOO_DEEP);
    }
    char *large = malloc(REPORT_MAX + 1);
    assert_non_null(large);
    memset(large, ' ', REPORT_MAX + 1);
    memcpy(large, GOOD, strlen(GOOD));
    assert_int_equal(report_decode(large, REPORT_MAX, REPORT_READINGS, &report, &fault), 0);
    assert_int_equal(report_decode(large, REPORT_MAX + 1, REPORT_READINGS, &report, &fault), -EBADMSG);
    assert_int_equal(fault.reason, REJECT_TOO_LARGE);
    assert_string_equal(fault.detail, "1000001 bytes; the limit is 1000000");
    free(large);
}

static void bodies_are_usable_by_what_the_endpoint_answers(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        bool usable[REPORT_KINDS]; /* readings, observations, memories, stats */
    } cases[] = {
        {"{\"readings\":[]}", {true, false, false, false}},
        {"{\"observations\":[{}]}", {false, true, false, false}},
        {"{\"memories\":[],\"error\":\"x\"}", {false, false, true, false}},
        {"{\"node_name\":\"pi\"}", {false, false, false, true}},
        {"{\"node_name\":\"\"}", {false, false, false, true}},
        {"{\"node_name\":null,\"readings\":{},\"observations\":null,\"memories\":\"[]\"}", {false}},
        {"{\"detail\":\"Not Found\"}", {false}},
        {"{\"x\":{\"readings\":[]}}", {false}},
        {"[{\"readings\":[]}]", {false}},
        {"\"readings\"", {false}},
        {"null", {false}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (int kind = 0; kind < REPORT_KINDS; kind++)
            assert_int_equal(report_body_usable((enum report_kind)kind, value_of(cases[i].body)),
                             cases[i].usable[kind]);
    }
    size_t len;
    char *text = fixture_read("smollama/kitchen/observations_all.json", &len);
    assert_true(report_body_usable(REPORT_OBSERVATIONS, json_root(text, len)));
    assert_false(report_body_usable(REPORT_MEMORIES, json_root(text, len)));
    free(text);
}

static void fault_details_are_one_safe_line(void **state)
{
    (void)state;
    struct fault fault;
    fault_set(&fault, REJECT_BAD_NAME, "%s \"%s\"", "the name", "a\n\x1b[31m\xe2\x80\xae\xff");
    assert_int_equal(fault.reason, REJECT_BAD_NAME);
    assert_string_equal(fault.detail, "the name \"a\\x0a\\x1b[31m\\u{202e}\\xff\"");
    char peer[4000];
    for (size_t i = 0; i + 4 < sizeof(peer); i += 4)
        memcpy(peer + i, "\xf0\x9f\xa6\x99", 5);
    for (int shift = 0; shift < 4; shift++) { /* wherever the cut falls, it is between two characters */
        fault_set(&fault, REJECT_BAD_NAME, "%.*s%s", shift, "xyz", peer);
        size_t len = strlen(fault.detail);
        assert_in_range(len, sizeof(fault.detail) - 8, sizeof(fault.detail) - 1);
        assert_string_equal(fault.detail + len - 3, "\xe2\x80\xa6");
        assert_null(strstr(fault.detail, "\\x"));
        assert_true(utf8_valid(fault.detail, len));
    }
    fault_set(NULL, REJECT_BAD_NAME, "nobody asks");
}

static void sessions(void **state)
{
    (void)state;
    assert_true(session_valid("aZ09_-", 6));
    assert_true(session_valid("0123456789012345678901234567890123456789", 40));
    assert_false(session_valid("01234567890123456789012345678901234567890", 41));
    assert_false(session_valid("", 0));
    assert_false(session_valid("a\0", 2));
    assert_false(session_valid("a.b", 3));
    assert_false(session_valid("\xc3\xa4", 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_those_of_the_contract),
        cmocka_unit_test(a_report_is_written_as_the_contract_says),
        cmocka_unit_test(too_large_a_report_is_not_written),
        cmocka_unit_test(recorded_bodies_travel_unchanged),
        cmocka_unit_test(a_report_is_read_in_any_order_and_form),
        cmocka_unit_test(an_unusable_offset_is_unknown),
        cmocka_unit_test(a_bad_report_is_refused_with_its_place),
        cmocka_unit_test(no_part_of_a_report_is_one),
        cmocka_unit_test(depth_and_size_are_limited),
        cmocka_unit_test(bodies_are_usable_by_what_the_endpoint_answers),
        cmocka_unit_test(fault_details_are_one_safe_line),
        cmocka_unit_test(sessions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
