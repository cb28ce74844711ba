#include "fixtures.h"
#include "report.h"
#include "timestamp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RECEIVED      1795420300500 /* 2026-11-23T07:51:40.500Z */
#define RECEIVED_TEXT "2026-11-23T07:51:40.500Z"

struct decoded {
    struct buf body;
    char claimed[NODE_NAME_MAX + 1];
    int64_t at_ms;
    struct fault fault;
};

static int decode(const char *payload, size_t len, struct decoded *d)
{
    char *copy = exact_copy(payload, len);
    buf_reset(&d->body);
    int r = edge_decode(copy, len, RECEIVED, &d->body, d->claimed, &d->at_ms, &d->fault);
    free(copy);
    return r;
}

static void assert_body(const char *payload, const char *expected)
{
    struct decoded d = {0};
    if (decode(payload, strlen(payload), &d) < 0)
        fail_msg("%s: %s", payload, d.fault.detail);
    assert_string_equal(buf_terminate(&d.body), expected);
    buf_finish(&d.body);
}

static void a_message_becomes_an_answer_of_readings(void **state)
{
    (void)state;
    struct decoded d = {0};
    const char *payload =
        "{\"node\": \"edge-01\", \"timestamp\": 1795420274.2374842, \"readings\": ["
        "{\"source\": \"system:cpu_temp\", \"value\": 45.30, \"unit\": \"celsius\","
        " \"ts\": \"2026-11-23T07:51:14.236778+00:00\"}, "
        "{\"ts\": \"2026-11-23T08:51:14+01:00\", \"unit\": null, \"value\": [1, {\"a\": -0.0}],"
        " \"source\": \"x:\\u00e4\\u0000\"}]}";
    assert_int_equal(decode(payload, strlen(payload), &d), 0);
    assert_string_equal(buf_terminate(&d.body),
                        "{\"timestamp\":\"2026-11-23T07:51:14.237Z\",\"readings\":["
                        "{\"full_id\":\"system:cpu_temp\",\"value\":45.30,\"unit\":\"celsius\","
                        "\"timestamp\":\"2026-11-23T07:51:14.236778+00:00\",\"metadata\":null},"
                        "{\"full_id\":\"x:\\u00e4\\u0000\",\"value\":[1, {\"a\": -0.0}],\"unit\":null,"
                        "\"timestamp\":\"2026-11-23T08:51:14+01:00\",\"metadata\":null}]}");
    assert_string_equal(d.claimed, "edge-01");
    assert_int_equal(d.at_ms, 1795420274237);
    buf_finish(&d.body);
}

static void all_fields_are_optional(void **state)
{
    (void)state;
#define DEFAULTS                                                                           \
    "{\"full_id\":\"unknown\",\"value\":null,\"unit\":null,\"timestamp\":\"" RECEIVED_TEXT \
    "\",\"metadata\":null}"
#define HEAD "{\"timestamp\":\"" RECEIVED_TEXT "\",\"readings\":["
    assert_body("{\"readings\":[]}", HEAD "]}");
    assert_body("{\"readings\":[{}]}", HEAD DEFAULTS "]}");
    assert_body("{\"readings\":[{\"source\":7,\"unit\":5,\"ts\":1795420274},{\"source\":null,\"unit\":{},"
                "\"ts\":null}]}",
                HEAD DEFAULTS "," DEFAULTS "]}");
    assert_body("{\"readings\":[{\"ts\":\"yesterday\"},{\"ts\":\"2026-11-23T07:51:14\"},{\"other\":1}]}",
                HEAD DEFAULTS "," DEFAULTS "," DEFAULTS "]}"); /* a naive time is nobody's */
}

static void items_that_are_no_objects_are_left_out(void **state)
{
    (void)state;
    assert_body("{\"readings\":[1,null,{},\"x\",[{}],{},true]}", HEAD DEFAULTS "," DEFAULTS "]}");
    assert_body("{\"readings\":[1,2]}", HEAD "]}");
}

static void of_repeated_fields_the_last_counts(void **state)
{
    (void)state;
    assert_body(
        "{\"readings\":[{\"value\":1}],\"readings\":[{\"value\":2,\"source\":\"a\",\"\\u0073ource\":\"b\"}]}",
        HEAD "{\"full_id\":\"b\",\"value\":2,\"unit\":null,\"timestamp\":\"" RECEIVED_TEXT
             "\",\"metadata\":null}]}");
}

static void message_time_falls_back_to_reception(void **state)
{
    (void)state;
    static const struct {
        const char *payload;
        int64_t at_ms;
    } cases[] = {
        {"{\"readings\":[]}", RECEIVED},
        {"{\"readings\":[],\"timestamp\":1795420274}", 1795420274000},
        {"{\"readings\":[],\"timestamp\":0}", 0},
        {"{\"readings\":[],\"timestamp\":-1}", RECEIVED},
        {"{\"readings\":[],\"timestamp\":1e300}", RECEIVED},
        {"{\"readings\":[],\"timestamp\":1e999}", RECEIVED},
        {"{\"readings\":[],\"timestamp\":NaN}", RECEIVED},
        {"{\"readings\":[],\"timestamp\":null}", RECEIVED},
        {"{\"readings\":[],\"timestamp\":\"2026-11-23T07:51:14Z\"}", RECEIVED},
    };
    struct decoded d = {0};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(decode(cases[i].payload, strlen(cases[i].payload), &d), 0);
        assert_int_equal(d.at_ms, cases[i].at_ms);
    }
    buf_finish(&d.body);
}

static void the_claimed_name_is_kept_for_show(void **state)
{
    (void)state;
    static const struct {
        const char *payload, *claimed;
    } cases[] = {
        {"{\"readings\":[]}", ""},
        {"{\"readings\":[],\"node\":7}", ""},
        {"{\"readings\":[],\"node\":\"\"}", ""},
        {"{\"readings\":[],\"node\":\"k\\u00fcche\"}", "k\xc3\xbc"
                                                       "che"},
        {"{\"readings\":[],\"node\":\"a\\u0000b\"}", "a\xef\xbf\xbd"
                                                     "b"},
        {"{\"readings\":[],\"node\":"
         "\"012345678901234567890123456789012345678901234567890123456789012\xc3\xa4\"}",
         "012345678901234567890123456789012345678901234567890123456789012"},
    };
    struct decoded d = {0};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        strcpy(d.claimed, "left over");
        assert_int_equal(decode(cases[i].payload, strlen(cases[i].payload), &d), 0);
        assert_string_equal(d.claimed, cases[i].claimed);
    }
    buf_finish(&d.body);
}

static void bad_messages_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *payload;
        enum reject reason;
        const char *detail;
    } bad[] = {
        {"", REJECT_NOT_JSON, "byte 0: truncated"},
        {"21.5", REJECT_BAD_TYPE, "not an object"},
        {"[{\"readings\":[]}]", REJECT_BAD_TYPE, "not an object"},
        {"NaN", REJECT_BAD_TYPE, "not an object"},
        {"{}", REJECT_BAD_TYPE, "readings: missing"},
        {"{\"readings\":{}}", REJECT_BAD_TYPE, "readings: not an array"},
        {"{\"readings\":null}", REJECT_BAD_TYPE, "readings: not an array"},
        {"{\"readings\":NaN}", REJECT_BAD_TYPE, "readings: not an array"},
        {"{\"readings\":[NaN,nan]}", REJECT_NOT_JSON,
         "byte 19: unexpected character"}, /* of the repaired text */
        {"{\"readings\":[{\"value\":01}]}", REJECT_NOT_JSON, "byte 23: number with a leading zero"},
        {"{\"readings\":[\"\xff\"]}", REJECT_NOT_UTF8, "byte 14: invalid UTF-8"},
        {"{\"readings\":[NaN,\"\xff\"]}", REJECT_NOT_UTF8, "byte 19: invalid UTF-8"},
        {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", REJECT_TOO_DEEP, "byte 32: nested too deeply"},
    };
    struct decoded d = {0};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        d.at_ms = 77;
        if (decode(bad[i].payload, strlen(bad[i].payload), &d) != -EBADMSG)
            fail_msg("taken: %s", bad[i].payload);
        if (d.fault.reason != bad[i].reason || strcmp(d.fault.detail, bad[i].detail) != 0)
            fail_msg("%s: %s, %s", bad[i].payload, reject_name(d.fault.reason), d.fault.detail);
        assert_int_equal(d.at_ms, 77);
        assert_int_equal(d.body.len, 0);
        assert_false(d.body.failed);
    }
    buf_finish(&d.body);
}

static void sizes_are_limited_both_ways(void **state)
{
    (void)state;
    char *large = malloc(REPORT_MAX + 1);
    assert_non_null(large);
    memset(large, ' ', REPORT_MAX + 1);
    memcpy(large, "{\"readings\":[]}", 15);
    struct decoded d = {0};
    assert_int_equal(decode(large, REPORT_MAX, &d), 0);
    assert_int_equal(decode(large, REPORT_MAX + 1, &d), -EBADMSG);
    assert_int_equal(d.fault.reason, REJECT_TOO_LARGE);
    /* a message full of empty items would grow to 30 MB */
    memset(large, ' ', REPORT_MAX);
    memcpy(large, "{\"readings\":[{}", 15);
    for (size_t i = 15; i + 5 <= REPORT_MAX; i += 3)
        memcpy(large + i, ",{}", 3);
    memcpy(large + REPORT_MAX - 2, "]}", 2);
    assert_true(json_check(large, REPORT_MAX, JSON_MAX_DEPTH, NULL));
    assert_int_equal(decode(large, REPORT_MAX, &d), -EBADMSG);
    assert_int_equal(d.fault.reason, REJECT_TOO_LARGE);
    assert_string_equal(d.fault.detail, "more than 4000000 bytes of readings");
    assert_int_equal(d.body.len, 0);
    assert_true(d.body.cap <= 2 * EDGE_BODY_MAX + 4096);
    buf_finish(&d.body);
    struct buf small = {.limit = 60};
    buf_str(&small, "before");
    assert_int_equal(edge_decode("{\"readings\":[{}]}", 17, RECEIVED, &small, d.claimed, &d.at_ms, &d.fault),
                     -ENOMEM);
    assert_int_equal(small.len, 6);
    buf_finish(&small);
    free(large);
}

/* ---- recordings ---- */

static size_t items, nulls;

static void check_recording(const char *topic, const char *payload, size_t len)
{
    struct topic parsed;
    assert_true(topic_parse("alpaca", topic, &parsed));
    assert_int_equal(parsed.kind, TOPIC_EDGE_READINGS);
    struct decoded d = {0};
    if (decode(payload, len, &d) < 0)
        fail_msg("%s: %s", topic, d.fault.detail);
    assert_int_equal(strlen(d.claimed), parsed.node_len);
    assert_memory_equal(d.claimed, parsed.node, parsed.node_len);
    assert_true(d.at_ms > 1795420200000 && d.at_ms < 1795420400000);
    struct json_error error;
    if (!json_check(d.body.data, d.body.len, JSON_MAX_DEPTH, &error))
        fail_msg("%s at %zu", error.message, error.offset);
    struct json_slice body = json_root(d.body.data, d.body.len);
    assert_true(report_body_usable(REPORT_READINGS, body));
    size_t repaired_len;
    char *repaired = json_replace_nonfinite(payload, len, &repaired_len);
    struct json_slice before =
        json_member(json_root(repaired ? repaired : payload, repaired_len), "readings");
    struct json_iter old = json_iter(before), new = json_iter(json_member(body, "readings"));
    while (json_next(&old)) {
        assert_true(json_next(&new));
        assert_true(json_equal(json_member(new.value, "full_id"), json_member(old.value, "source")));
        assert_true(
            json_equal(json_member(new.value, "value"), json_member(old.value, "value"))); /* digits too */
        assert_true(json_equal(json_member(new.value, "unit"), json_member(old.value, "unit")));
        assert_true(json_equal(json_member(new.value, "timestamp"), json_member(old.value, "ts")));
        assert_int_equal(json_type(json_member(new.value, "metadata")), JSON_NULL);
        assert_int_equal(json_count(new.value), 5);
        nulls += json_type(json_member(new.value, "value")) == JSON_NULL;
        items++;
    }
    assert_false(json_next(&new));
    free(repaired);
    for (size_t cut = 0; cut < len; cut += 3)
        assert_int_equal(decode(payload, cut, &d), -EBADMSG);
    buf_finish(&d.body);
}

static void recorded_messages_keep_their_values(void **state)
{
    (void)state;
    assert_int_equal(fixture_each_message("smollama/edge/edge-01.readings.txt", check_recording), 3);
    assert_int_equal(items, 39);
    assert_int_equal(nulls, 0);
    assert_int_equal(fixture_each_message("smollama/edge/edge-types.readings.txt", check_recording), 2);
    assert_int_equal(items, 39 + 58);
    assert_int_equal(nulls, 2);
}

static void recorded_nan_costs_only_its_value(void **state)
{
    (void)state;
    items = nulls = 0;
    assert_int_equal(fixture_each_message("smollama/edge/edge-nan.readings.txt", check_recording), 1);
    assert_int_equal(items, 16);
    assert_int_equal(nulls, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_becomes_an_answer_of_readings),
        cmocka_unit_test(all_fields_are_optional),
        cmocka_unit_test(items_that_are_no_objects_are_left_out),
        cmocka_unit_test(of_repeated_fields_the_last_counts),
        cmocka_unit_test(message_time_falls_back_to_reception),
        cmocka_unit_test(the_claimed_name_is_kept_for_show),
        cmocka_unit_test(bad_messages_are_refused),
        cmocka_unit_test(sizes_are_limited_both_ways),
        cmocka_unit_test(recorded_messages_keep_their_values),
        cmocka_unit_test(recorded_nan_costs_only_its_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
