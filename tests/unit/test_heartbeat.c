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

/* What is required, without the closing brace. */
#define REQUIRED                                                                 \
    "{\"v\":1,\"node\":\"pi\",\"type\":\"alpaca\",\"session\":\"s1\",\"seq\":3," \
    "\"at\":\"2026-11-23T07:56:41.898Z\",\"interval_s\":10"

static int decode(const char *payload, size_t len, struct heartbeat *ret_heartbeat, struct fault *ret_fault)
{
    char *copy = exact_copy(payload, len);
    int r = heartbeat_decode(copy, len, ret_heartbeat, ret_fault);
    free(copy);
    return r;
}

/* Decodes what must be taken: the required fields and `rest`. */
static struct heartbeat heartbeat_with(const char *rest)
{
    size_t size = strlen(REQUIRED) + strlen(rest) + 3;
    char *text = malloc(size);
    assert_non_null(text);
    snprintf(text, size, "%s%s%s}", REQUIRED, rest[0] ? "," : "", rest);
    struct heartbeat heartbeat;
    memset(&heartbeat, 0x5a, sizeof(heartbeat));
    struct fault fault;
    if (decode(text, strlen(text), &heartbeat, &fault) < 0)
        fail_msg("%s: %s", text, fault.detail);
    free(text);
    return heartbeat;
}

static struct heartbeat full_heartbeat(void)
{
    struct heartbeat h = {
        .node = "pi \"1\"",
        .type = NODE_LLAMA,
        .session = "s-1",
        .seq = 42,
        .at_ms = 1767323045678,
        .version = "0.1.0",
        .uptime_s = 99,
        .interval_s = 10,
        .url = "http://192.168.1.10:8080",
        .utc_offset_s = 3600,
        .labels = {{"room", "k\xc3\xbc"
                            "che"},
                   {"the \"floor\"", "1"}},
        .label_count = 2,
        .source = {.kind = SOURCE_SMOLLAMA,
                   .node_name = "kitchen",
                   .ok = false,
                   .error = "refused",
                   .since_ms = 1767323000000,
                   .latency_ms = 12},
    };
    h.snapshots[REPORT_READINGS] = (struct snapshot_state){
        .present = true, .seq = 5, .captured_at_ms = 1767323040000, .interval_s = 5, .error = ""};
    h.snapshots[REPORT_MEMORIES] = (struct snapshot_state){
        .present = true, .seq = 0, .captured_at_ms = TIMESTAMP_NONE, .interval_s = 60, .error = "off"};
    for (int kind = 0; kind < REPORT_KINDS; kind++) {
        if (!h.snapshots[kind].present)
            h.snapshots[kind] = (struct snapshot_state){.captured_at_ms = TIMESTAMP_NONE, .interval_s = 30};
    }
    return h;
}

static void a_heartbeat_is_written_as_the_contract_says(void **state)
{
    (void)state;
    struct heartbeat h = full_heartbeat();
    struct buf out = BUF_INIT;
    assert_int_equal(heartbeat_encode(&out, &h), 0);
    assert_string_equal(
        buf_terminate(&out),
        "{\"v\":1,\"node\":\"pi \\\"1\\\"\",\"type\":\"llama\",\"session\":\"s-1\",\"seq\":42,"
        "\"at\":\"2026-01-02T03:04:05.678Z\",\"version\":\"0.1.0\",\"uptime_s\":99,\"interval_s\":10,"
        "\"url\":\"http://192.168.1.10:8080\",\"utc_offset_s\":3600,"
        "\"labels\":{\"room\":\"k\xc3\xbc"
        "che\",\"the \\\"floor\\\"\":\"1\"},"
        "\"source\":{\"kind\":\"smollama\",\"node_name\":\"kitchen\",\"ok\":false,\"error\":\"refused\","
        "\"since\":\"2026-01-02T03:03:20.000Z\",\"latency_ms\":12},"
        "\"snapshots\":{\"readings\":{\"seq\":5,\"captured_at\":\"2026-01-02T03:04:00.000Z\",\"interval_s\":"
        "5,"
        "\"error\":null},\"memories\":{\"seq\":0,\"captured_at\":null,\"interval_s\":60,\"error\":\"off\"}}"
        "}");
    buf_finish(&out);
}

static void what_is_not_known_is_written_as_null(void **state)
{
    (void)state;
    struct heartbeat h = {.node = "pi",
                          .type = NODE_ALPACA,
                          .session = "s",
                          .seq = 1,
                          .interval_s = 10,
                          .utc_offset_s = TIMESTAMP_OFFSET_UNKNOWN};
    h.source.kind = SOURCE_SYSTEM;
    h.source.ok = true;
    h.source.since_ms = TIMESTAMP_NONE;
    struct buf out = BUF_INIT;
    assert_int_equal(heartbeat_encode(&out, &h), 0);
    assert_string_equal(
        buf_terminate(&out),
        "{\"v\":1,\"node\":\"pi\",\"type\":\"alpaca\",\"session\":\"s\",\"seq\":1,\"at\":\"1970-01-01T00:00:"
        "00.000Z\","
        "\"version\":\"\",\"uptime_s\":0,\"interval_s\":10,\"url\":null,\"utc_offset_s\":null,\"labels\":{},"
        "\"source\":{\"kind\":\"system\",\"node_name\":null,\"ok\":true,\"error\":null,\"since\":null,"
        "\"latency_ms\":0},"
        "\"snapshots\":{}}");
    buf_finish(&out);
    struct buf small = {.limit = 20};
    buf_str(&small, "before");
    assert_int_equal(heartbeat_encode(&small, &h), -ENOMEM);
    assert_int_equal(small.len, 6);
    buf_finish(&small);
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    struct heartbeat h = full_heartbeat(), back;
    struct buf out = BUF_INIT, again = BUF_INIT;
    assert_int_equal(heartbeat_encode(&out, &h), 0);
    struct fault fault;
    if (decode(out.data, out.len, &back, &fault) < 0)
        fail_msg("%s", fault.detail);
    assert_int_equal(heartbeat_encode(&again, &back), 0);
    assert_string_equal(buf_terminate(&again), buf_terminate(&out));
    assert_int_equal(back.label_count, 2);
    assert_string_equal(back.labels[1].key, "the \"floor\"");
    assert_false(back.snapshots[REPORT_STATS].present);
    assert_int_equal(back.snapshots[REPORT_MEMORIES].captured_at_ms, TIMESTAMP_NONE);
    for (size_t cut = 0; cut < out.len; cut++) {
        assert_int_equal(decode(out.data, cut, &back, &fault), -EBADMSG);
        bool within_character = ((unsigned char)out.data[cut] & 0xc0) == 0x80;
        assert_int_equal(fault.reason, within_character ? REJECT_NOT_UTF8 : REJECT_NOT_JSON);
    }
    buf_finish(&out);
    buf_finish(&again);
}

static void assert_defaults(const struct heartbeat *h)
{
    static const uint32_t intervals[REPORT_KINDS] = {5, 30, 60, 30};
    assert_string_equal(h->node, "pi");
    assert_int_equal(h->type, NODE_ALPACA);
    assert_string_equal(h->session, "s1");
    assert_int_equal(h->seq, 3);
    assert_int_equal(h->at_ms, 1795420601898);
    assert_int_equal(h->interval_s, 10);
    assert_string_equal(h->version, "");
    assert_int_equal(h->uptime_s, 0);
    assert_string_equal(h->url, "");
    assert_int_equal(h->utc_offset_s, TIMESTAMP_OFFSET_UNKNOWN);
    assert_int_equal(h->label_count, 0);
    assert_int_equal(h->source.kind, SOURCE_SMOLLAMA);
    assert_string_equal(h->source.node_name, "");
    assert_true(h->source.ok);
    assert_string_equal(h->source.error, "");
    assert_int_equal(h->source.since_ms, TIMESTAMP_NONE);
    assert_int_equal(h->source.latency_ms, 0);
    for (int kind = 0; kind < REPORT_KINDS; kind++) {
        assert_int_equal(h->snapshots[kind].seq, 0);
        assert_int_equal(h->snapshots[kind].captured_at_ms, TIMESTAMP_NONE);
        assert_int_equal(h->snapshots[kind].interval_s, intervals[kind]);
        assert_string_equal(h->snapshots[kind].error, "");
    }
}

static void broken_details_do_not_stop_the_heart(void **state)
{
    (void)state;
    static const char *const rests[] = {
        "",
        "\"version\":1,\"uptime_s\":\"9\",\"url\":8080,\"utc_offset_s\":\"x\",\"labels\":[],\"source\":[],"
        "\"snapshots\":1",
        "\"version\":null,\"uptime_s\":-1,\"url\":null,\"utc_offset_s\":50401,\"labels\":null,\"source\":"
        "null,\"snapshots\":null",
        "\"uptime_s\":1e300,\"utc_offset_s\":0.5,\"labels\":{\"a\":1,\"b\":null,\"c\":{\"d\":\"e\"},\"\":"
        "\"no key\"}",
        "\"source\":{\"kind\":7,\"node_name\":[],\"ok\":\"no\",\"error\":{},\"since\":12,\"latency_ms\":-5}",
        "\"source\":{\"kind\":\"?\",\"node_name\":null,\"ok\":null,\"error\":null,\"since\":\"2026-01-01 "
        "00:00:00\",\"latency_ms\":1.5}",
        "\"snapshots\":{\"readings\":[],\"observations\":null,\"memories\":\"x\",\"stats\":1,\"other\":{"
        "\"seq\":4}}",
        "\"unknown\":{\"deep\":[1,2,{}]},\"V\":2,\"Node\":\"x\",\"url\":\"http://a\\u0009b\"",
    };
    for (size_t i = 0; i < sizeof(rests) / sizeof(rests[0]); i++) {
        struct heartbeat h = heartbeat_with(rests[i]);
        assert_defaults(&h);
        for (int kind = 0; kind < REPORT_KINDS; kind++)
            assert_false(h.snapshots[kind].present);
    }
    struct heartbeat h =
        heartbeat_with("\"snapshots\":{\"readings\":{},\"observations\":{\"seq\":-1,\"captured_at\":5,"
                       "\"interval_s\":\"1\",\"error\":0},"
                       "\"memories\":{\"seq\":null},\"stats\":{\"captured_at\":\"2026-11-23T07:56:41\"}}");
    assert_defaults(&h);
    for (int kind = 0; kind < REPORT_KINDS; kind++)
        assert_true(h.snapshots[kind].present);
}

static void wrong_types_of_extras_are_told(void **state)
{
    static const struct {
        const char *rest, *detail;
    } cases[] = {
        {"\"version\":1", "version: not a string; taken as absent"},
        {"\"uptime_s\":\"9\"", "uptime_s: not a number; taken as absent"},
        {"\"source\":[]", "source: not an object; taken as absent"},
        {"\"labels\":[1]", "labels: not an object; taken as absent"},
        {"\"snapshots\":3,\"url\":8080", "snapshots: not an object; taken as absent"},
        {"\"version\":null,\"url\":null,\"labels\":{},\"unknown\":3", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct heartbeat h;
        struct fault fault = {.reason = REJECT_NONE};
        char text[1024];
        int len = snprintf(text, sizeof(text),
                           "{\"v\":1,\"node\":\"pi\",\"type\":\"alpaca\",\"session\":\"s\",\"seq\":1,"
                           "\"at\":\"2026-11-23T07:56:41Z\",\"interval_s\":10,%s}",
                           cases[i].rest);
        assert_int_equal(heartbeat_decode(text, (size_t)len, &h, &fault), 0);
        assert_int_equal(fault.reason, cases[i].detail ? REJECT_BAD_TYPE : REJECT_NONE);
        if (cases[i].detail)
            assert_string_equal(fault.detail, cases[i].detail);
    }
}

static void intervals_are_clamped(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t heartbeat_s, snapshot_s;
    } cases[] = {
        {"10", 10, 10},         {"10.9", 10, 10},     {"0", 1, 1},          {"-5", 1, 1},
        {"0.2", 1, 1},          {"3600", 3600, 3600}, {"3601", 3600, 3601}, {"86401", 3600, 86400},
        {"1e300", 3600, 86400}, {"-1e300", 1, 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char rest[128];
        snprintf(rest, sizeof(rest), "\"interval_s\":%s,\"snapshots\":{\"readings\":{\"interval_s\":%s}}",
                 cases[i].text, cases[i].text);
        struct heartbeat h = heartbeat_with(rest);
        assert_int_equal(h.interval_s, cases[i].heartbeat_s);
        assert_int_equal(h.snapshots[REPORT_READINGS].interval_s, cases[i].snapshot_s);
    }
}

static void urls_are_http_and_visible(void **state)
{
    (void)state;
    static const char *const good[] = {"http://192.168.1.10:8080", "https://pi.local/", "HTTP://x",
                                       "http://[::1]:80/a?b#c",
                                       "http://k\xc3\xbc"
                                       "che.local:8080"};
    static const char *const bad[] = {
        "",
        "http",
        "http:",
        "http://",
        "https://",
        "http:///x",
        "ftp://x",
        "javascript:alert(1)",
        "//x",
        "192.168.1.10",
        " http://x",
        "http://x ",
        "http://a b",
        "http://a\\nb",
        "http://a\\u007fb",
        "http://a\\u202eb",
        "http://a\\u0085",
        "file:///etc/passwd",
        "httpx://a",
    };
    char rest[URL_MAX + 64];
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        snprintf(rest, sizeof(rest), "\"url\":\"%s\"", good[i]);
        struct heartbeat h = heartbeat_with(rest);
        assert_string_equal(h.url, good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(rest, sizeof(rest), "\"url\":\"%s\"", bad[i]);
        struct heartbeat h = heartbeat_with(rest);
        assert_string_equal(h.url, "");
    }
    for (int extra = 0; extra <= 1; extra++) { /* one byte too long: no URL rather than another one */
        char url[URL_MAX + 2];
        memset(url, 'x', sizeof(url));
        memcpy(url, "http://", 7);
        url[URL_MAX + extra] = '\0';
        snprintf(rest, sizeof(rest), "\"url\":\"%s\"", url);
        struct heartbeat h = heartbeat_with(rest);
        assert_string_equal(h.url, extra ? "" : url);
    }
}

static void texts_are_cut_between_characters(void **state)
{
    (void)state;
    struct heartbeat h = heartbeat_with(
        /* 31 bytes, then a character of two */
        "\"version\":\"0123456789012345678901234567890\xc3\xa4\","
        "\"labels\":{\"0123456789012345678901234567890\xc3\xa4\":"
        "\"012345678901234567890123456789012345678901234567890123456789012\xc3\xa4\","
        "\"\\u0061\":\"\\u0062\"},"
        "\"source\":{\"error\":\"012345678901234567890123456789012345678901234567890123456789012\xc3\xa4\","
        "\"node_name\":\"01234567890123456789012345678901234567890123456789012345678901234\"}");
    assert_string_equal(h.version, "0123456789012345678901234567890");
    assert_int_equal(h.label_count, 2);
    assert_string_equal(h.labels[0].key, "0123456789012345678901234567890");
    assert_string_equal(h.labels[0].value, "012345678901234567890123456789012345678901234567890123456789012");
    assert_string_equal(h.labels[1].key, "a");
    assert_string_equal(h.labels[1].value, "b");
    assert_string_equal(h.source.error, "012345678901234567890123456789012345678901234567890123456789012");
    assert_string_equal(h.source.node_name, ""); /* cut, it would be another name */
    h = heartbeat_with("\"version\":\"01234567890123456789012345678\xc3\xa4x\xc3\xa4\"");
    assert_string_equal(h.version, "01234567890123456789012345678\xc3\xa4x"); /* 32 bytes fit exactly */
}

static void further_labels_are_dropped(void **state)
{
    (void)state;
    char rest[1024] = "\"labels\":{\"first\":1";
    for (int i = 0; i < 20; i++)
        sprintf(rest + strlen(rest), ",\"k%d\":\"v%d\"", i, i);
    strcat(rest, "}");
    struct heartbeat h = heartbeat_with(rest);
    assert_int_equal(h.label_count, LABELS_MAX);
    assert_string_equal(h.labels[0].key, "k0");
    assert_string_equal(h.labels[15].value, "v15");
}

static void what_is_required_is_checked(void **state)
{
    (void)state;
    static const struct {
        const char *payload;
        enum reject reason;
        const char *detail;
    } bad[] = {
        {"", REJECT_NOT_JSON, "byte 0: truncated"},
        {"{\"v\":1,}", REJECT_NOT_JSON, "byte 7: key expected"},
        {REQUIRED ",\"version\":\"\xff\"}", REJECT_NOT_UTF8, "byte 117: invalid UTF-8"},
        {REQUIRED ",\"version\":\"\\u0000\"}", REJECT_NOT_JSON, "byte 117: U+0000 in a string"},
        {REQUIRED ",\"x\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}", REJECT_TOO_DEEP, "byte 125: nested too deeply"},
        {"[]", REJECT_BAD_TYPE, "not an object"},
        {"{}", REJECT_BAD_TYPE, "v: missing"},
        {REQUIRED ",\"v\":2}", REJECT_BAD_TYPE, "v: not 1"},
        {REQUIRED ",\"v\":true}", REJECT_BAD_TYPE, "v: not 1"},
        {"{\"v\":1}", REJECT_BAD_TYPE, "node: missing"},
        {REQUIRED ",\"node\":null}", REJECT_BAD_TYPE, "node: not a string"},
        {REQUIRED ",\"node\":\"\"}", REJECT_BAD_NAME, "node: the name \"\" is empty"},
        {REQUIRED ",\"node\":\"a/b\"}", REJECT_BAD_NAME, "node: the name \"a/b\" contains /, + or #"},
        {REQUIRED ",\"node\":\"a\\u202eb\"}", REJECT_BAD_NAME,
         "node: the name \"a\\u{202e}b\" contains a control or format character"},
        {"{\"v\":1,\"node\":\"pi\"}", REJECT_BAD_TYPE, "type: missing"},
        {REQUIRED ",\"type\":\"edge\"}", REJECT_BAD_TYPE, "type: neither \"alpaca\" nor \"llama\""},
        {REQUIRED ",\"type\":1}", REJECT_BAD_TYPE, "type: neither \"alpaca\" nor \"llama\""},
        {REQUIRED ",\"session\":\"a b\"}", REJECT_BAD_TYPE, "session: not 1 to 40 of A-Z a-z 0-9 _ -"},
        {REQUIRED ",\"session\":7}", REJECT_BAD_TYPE, "session: not 1 to 40 of A-Z a-z 0-9 _ -"},
        {REQUIRED ",\"session\":\"01234567890123456789012345678901234567890\"}", REJECT_BAD_TYPE,
         "session: not 1 to 40 of A-Z a-z 0-9 _ -"},
        {REQUIRED ",\"seq\":0}", REJECT_BAD_TYPE, "seq: not a positive integer"},
        {REQUIRED ",\"seq\":1e17}", REJECT_BAD_TYPE, "seq: not a positive integer"},
        {REQUIRED ",\"seq\":\"1\"}", REJECT_BAD_TYPE, "seq: not a positive integer"},
        {REQUIRED ",\"at\":1795420601}", REJECT_BAD_TYPE, "at: not a time with zone"},
        {REQUIRED ",\"at\":\"2026-11-23T07:56:41\"}", REJECT_BAD_TYPE, "at: not a time with zone"},
        {REQUIRED ",\"interval_s\":\"10\"}", REJECT_BAD_TYPE, "interval_s: not a number"},
        {REQUIRED ",\"interval_s\":1e999}", REJECT_BAD_TYPE, "interval_s: not a number"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct heartbeat h = {.seq = 77};
        struct fault fault = {0};
        if (decode(bad[i].payload, strlen(bad[i].payload), &h, &fault) != -EBADMSG)
            fail_msg("taken: %s", bad[i].payload);
        if (fault.reason != bad[i].reason || strcmp(fault.detail, bad[i].detail) != 0)
            fail_msg("%s: %s, %s", bad[i].payload, reject_name(fault.reason), fault.detail);
        assert_int_equal(h.seq, 77);
    }
}

static void size_is_limited(void **state)
{
    (void)state;
    char *large = malloc(HEARTBEAT_MAX + 1);
    assert_non_null(large);
    memset(large, ' ', HEARTBEAT_MAX + 1);
    memcpy(large, REQUIRED "}", strlen(REQUIRED) + 1);
    struct heartbeat h;
    struct fault fault;
    assert_int_equal(heartbeat_decode(large, HEARTBEAT_MAX, &h, &fault), 0);
    assert_int_equal(heartbeat_decode(large, HEARTBEAT_MAX + 1, &h, &fault), -EBADMSG);
    assert_int_equal(fault.reason, REJECT_TOO_LARGE);
    assert_string_equal(fault.detail, "65537 bytes; the limit is 65536");
    free(large);
}

static void node_types_have_names(void **state)
{
    (void)state;
    assert_string_equal(node_type_name(NODE_UNKNOWN), "unknown");
    assert_string_equal(node_type_name(NODE_ALPACA), "alpaca");
    assert_string_equal(node_type_name(NODE_LLAMA), "llama");
    assert_string_equal(node_type_name(NODE_EDGE), "edge");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_heartbeat_is_written_as_the_contract_says),
        cmocka_unit_test(what_is_not_known_is_written_as_null),
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(broken_details_do_not_stop_the_heart),
        cmocka_unit_test(wrong_types_of_extras_are_told),
        cmocka_unit_test(intervals_are_clamped),
        cmocka_unit_test(urls_are_http_and_visible),
        cmocka_unit_test(texts_are_cut_between_characters),
        cmocka_unit_test(further_labels_are_dropped),
        cmocka_unit_test(what_is_required_is_checked),
        cmocka_unit_test(size_is_limited),
        cmocka_unit_test(node_types_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
