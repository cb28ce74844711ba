/*
 * ingest: what becomes of messages. The broker connection and its timer are replaced by the functions below,
 * so that each test says what arrives and sees what is sent.
 */
#include "ingest.h"

#include "fixtures.h"
#include "log_capture.h"
#include "timestamp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define SENT_MAX 128

static struct wire {
    const struct mqtt_callbacks *callbacks;
    void *user;
    bool up;
    char subscribed[16][64];
    size_t subscribed_count;
    char sent[SENT_MAX][TOPIC_SIZE];
    size_t sent_count;
    bool sent_retained;
    size_t sent_bytes;
    bool full; /* no room for a publish */
    loop_timer_fn *pass;
    void *pass_user;
    uint64_t pass_after_ms; /* 0 = the timer is not running */
    struct mqtt_stats stats;
} wire;

/* --- instead of mqtt and loop --- */

struct mqtt *mqtt_create(struct loop *loop, const struct mqtt_options *options,
                         const struct mqtt_callbacks *callbacks, void *user, const char **ret_error)
{
    (void)loop;
    (void)options;
    (void)ret_error;
    wire.callbacks = callbacks;
    wire.user = user;
    return (struct mqtt *)&wire;
}

void mqtt_start(struct mqtt *mqtt)
{
    (void)mqtt;
}

bool mqtt_is_v5(const struct mqtt *mqtt)
{
    (void)mqtt;
    return true;
}

int mqtt_subscribe(struct mqtt *mqtt, const char *filter, int qos)
{
    (void)mqtt;
    assert_int_equal(qos, 1);
    strcpy(wire.subscribed[wire.subscribed_count++], filter);
    return 0;
}

int mqtt_publish(struct mqtt *mqtt, const char *topic, const void *payload, size_t len, int qos, bool retain,
                 uint32_t expiry_s)
{
    (void)mqtt;
    (void)payload;
    (void)expiry_s;
    assert_int_equal(qos, 1);
    if (!wire.up) {
        return -ENOTCONN;
    }
    if (wire.full) {
        return -ENOBUFS;
    }
    assert_in_range(wire.sent_count, 0, SENT_MAX - 1);
    strcpy(wire.sent[wire.sent_count++], topic);
    wire.sent_retained = retain;
    wire.sent_bytes += len;
    return 0;
}

void mqtt_stop(struct mqtt *mqtt, uint32_t timeout_ms, void (*done)(void *user))
{
    (void)mqtt;
    (void)timeout_ms;
    done(wire.user);
}

bool mqtt_destroy(struct mqtt *mqtt)
{
    (void)mqtt;
    return true;
}

struct loop_timer *loop_timer_create(struct loop *loop, loop_timer_fn *callback, void *user)
{
    (void)loop;
    wire.pass = callback;
    wire.pass_user = user;
    return (struct loop_timer *)&wire;
}

void loop_timer_start(struct loop_timer *timer, uint64_t after_ms, uint64_t repeat_ms)
{
    (void)timer;
    assert_int_equal(repeat_ms, 0);
    wire.pass_after_ms = after_ms;
}

void loop_timer_stop(struct loop_timer *timer)
{
    (void)timer;
    wire.pass_after_ms = 0;
}

void loop_timer_destroy(struct loop_timer *timer)
{
    (void)timer;
}

/* --- the world --- */

struct world {
    struct cache *cache;
    struct ingest *ingest;
    unsigned changes;
    bool url_allowed;
    struct log_capture log;
};

static void on_changed(void *user)
{
    ((struct world *)user)->changes++;
}

static bool on_url(void *user, const char *url)
{
    assert_true(url[0]);
    return ((struct world *)user)->url_allowed;
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    const struct ingest_callbacks callbacks = {.changed = on_changed, .url_allowed = on_url, .user = world};
    const struct mqtt_options options = {.host = "broker.test", .port = 1883, .client_id = "llamad-test"};
    const char *error;
    wire = (struct wire){.up = true};
    world->url_allowed = true;
    log_capture_start(&world->log);
    world->cache = cache_create(clock_now());
    world->ingest = ingest_create(NULL, world->cache, "alpaca", &options, &callbacks, &error);
    assert_non_null(world->ingest);
    wire.callbacks->connected(wire.user);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    assert_true(ingest_destroy(world->ingest));
    cache_destroy(world->cache);
    log_capture_end(&world->log);
    free(world);
    return 0;
}

static unsigned logged(struct world *world, const char *text)
{
    return log_capture_count(&world->log, text);
}

static void receive_bytes(const char *topic, const char *payload, size_t len, bool retain)
{
    char *copy = exact_copy(payload, len);
    const struct mqtt_message message = {
        .topic = topic, .payload = len ? copy : NULL, .len = len, .qos = 1, .retain = retain};
    wire.callbacks->message(wire.user, &message);
    free(copy);
}

static void receive(const char *topic, const char *payload)
{
    receive_bytes(topic, payload, strlen(payload), false);
}

#define HEARTBEAT(node, session, seq, extra)                                                                 \
    "{\"v\":1,\"node\":\"" node "\",\"type\":\"alpaca\",\"session\":\"" session "\",\"seq\":" seq            \
    ",\"at\":\"2026-11-23T08:00:00.000Z\",\"version\":\"0.1.0\",\"uptime_s\":5,\"interval_s\":10," extra     \
    "\"source\":{\"kind\":\"smollama\",\"node_name\":\"" node                                                \
    "\",\"ok\":true,\"error\":null,\"since\":null,"                                                          \
    "\"latency_ms\":3},\"snapshots\":{\"readings\":{\"seq\":1,\"captured_at\":\"2026-11-23T08:00:00.000Z\"," \
    "\"interval_s\":5,\"error\":null}}}"
#define REPORT(node, seq)                                                                              \
    "{\"v\":1,\"node\":\"" node "\",\"kind\":\"readings\",\"session\":\"s1\",\"seq\":" seq             \
    ",\"captured_at\":\"2026-11-23T08:00:00.000Z\",\"utc_offset_s\":0,\"body\":{\"timestamp\":"        \
    "\"2026-11-23T08:00:00\",\"readings\":[{\"full_id\":\"system:cpu_temp\",\"value\":45.30,\"unit\":" \
    "\"celsius\","                                                                                     \
    "\"timestamp\":\"2026-11-23T08:00:00\",\"metadata\":null}]}}"

static struct node *find(struct world *world, const char *name)
{
    return cache_find(world->cache, name, strlen(name));
}

static uint64_t rejects(struct world *world, enum reject reason)
{
    return cache_rejects(world->cache)[reason];
}

/* --- tests --- */

static void subscribes_to_what_nodes_send_after_each_connect(void **state)
{
    (void)state;
    static const char *const filters[] = {"alpaca/+/status",       "alpaca/+/health",   "alpaca/+/readings",
                                          "alpaca/+/observations", "alpaca/+/memories", "alpaca/+/stats",
                                          "smollama/+/readings"};
    size_t count = sizeof filters / sizeof *filters;
    wire.callbacks->disconnected(wire.user, true, "closed", 1000);
    wire.callbacks->connected(wire.user);
    assert_int_equal(wire.subscribed_count, 2 * count);
    for (size_t i = 0; i < 2 * count; i++) {
        assert_string_equal(wire.subscribed[i], filters[i % count]);
    }
}

static void link_is_told_to_the_cache(void **state)
{
    struct world *world = *state;
    assert_true(cache_link_evidence(world->cache).up);
    wire.callbacks->disconnected(wire.user, true, "closed", 1000);
    assert_false(cache_link_evidence(world->cache).up);
    assert_int_equal(logged(world, "lost the broker broker.test:1883: closed"), 1);
}

static void failed_attempts_are_logged_once_a_minute(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 20; i++) {
        wire.callbacks->disconnected(wire.user, false, "connection refused", 1000);
    }
    assert_int_equal(logged(world, "cannot connect"), 1);
}

static void heartbeat_and_report_make_a_node(void **state)
{
    struct world *world = *state;
    receive("alpaca/pi/health", HEARTBEAT("pi", "s1", "1", "\"url\":\"http://192.168.1.9:8080\","));
    receive("alpaca/pi/readings", REPORT("pi", "1"));
    wire.callbacks->drained(wire.user);
    struct node *node = find(world, "pi");
    assert_non_null(node);
    assert_int_equal(node->verdict.state, STATE_ONLINE);
    assert_int_equal(node->item_count[ITEM_READING], 1);
    assert_non_null(strstr(node->items[ITEM_READING]->json, "45.30"));
    assert_string_equal(node->url, "http://192.168.1.9:8080");
    assert_true(world->changes >= 2);
    assert_int_equal(logged(world, " warning "), 0);
}

static void url_that_may_not_be_polled_is_not_taken(void **state)
{
    struct world *world = *state;
    world->url_allowed = false;
    receive("alpaca/pi/health", HEARTBEAT("pi", "s1", "1", "\"url\":\"http://127.0.0.1:22\","));
    assert_false(find(world, "pi")->evidence.has_url);
}

static void bad_payloads_are_counted_logged_and_change_nothing(void **state)
{
    static const struct {
        const char *topic, *payload;
        enum reject reason;
    } cases[] = {
        {"alpaca/pi/readings", "{\"v\":1,", REJECT_NOT_JSON},
        {"alpaca/pi/health", "[]", REJECT_BAD_TYPE},
        {"alpaca/pi/status", "\xFF\xFE", REJECT_NOT_UTF8},
        {"alpaca/pi/stats", "{}", REJECT_BAD_TYPE},
        {"alpaca/pi/memories", REPORT("pi", "2"), REJECT_BAD_TYPE}, /* of another kind */
        {"alpaca/pi/readings", REPORT("other", "3"), REJECT_WRONG_NODE},
    };
    struct world *world = *state;
    receive("alpaca/pi/health", HEARTBEAT("pi", "s1", "1", ""));
    receive("alpaca/pi/readings", REPORT("pi", "1"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t before = rejects(world, cases[i].reason);
        uint64_t before_node = find(world, "pi")->rejects[cases[i].reason];
        receive(cases[i].topic, cases[i].payload);
        assert_true(rejects(world, cases[i].reason) == before + 1);
        assert_true(find(world, "pi")->rejects[cases[i].reason] == before_node + 1);
        assert_true(logged(world, cases[i].topic) >= 1);
    }
    assert_int_equal(find(world, "pi")->item_count[ITEM_READING], 1);
    assert_int_equal(find(world, "pi")->verdict.state, STATE_ONLINE);
    assert_null(find(world, "other"));
}

static void garbage_makes_no_node(void **state)
{
    struct world *world = *state;
    receive("alpaca/nobody/readings", "garbage");
    receive("alpaca/nobody/health", "{}");
    receive("alpaca/nobody/status", "");
    receive("smollama/nobody/readings", "[1,2");
    assert_int_equal(cache_node_count(world->cache), 0);
    assert_true(rejects(world, REJECT_NOT_JSON) >= 2);
}

static void bad_names_are_refused_and_shown_escaped(void **state)
{
    struct world *world = *state;
    receive("alpaca/bad\x1b[31mname/health", HEARTBEAT("pi", "s1", "1", ""));
    receive("alpaca/ pi/health", HEARTBEAT("pi", "s1", "1", ""));
    receive("alpaca//health", HEARTBEAT("pi", "s1", "1", ""));
    receive("alpaca/\xE2\x80\xAEip/health", HEARTBEAT("pi", "s1", "1", ""));
    assert_int_equal(rejects(world, REJECT_BAD_NAME), 4);
    assert_int_equal(cache_node_count(world->cache), 0);
    assert_int_equal(logged(world, "bad\\x1b[31mname"), 1);
    assert_int_equal(logged(world, "\x1b"), 0);
}

static void repeated_fault_is_logged_once_a_minute(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 50; i++) {
        receive("alpaca/pi/readings", "garbage");
    }
    assert_int_equal(logged(world, "alpaca/pi/readings"), 1);
    assert_int_equal(rejects(world, REJECT_NOT_JSON), 50);
}

static void payload_over_its_limit_is_refused_unread(void **state)
{
    struct world *world = *state;
    size_t len = REPORT_MAX + 1;
    char *payload = malloc(len);
    memset(payload, ' ', len);
    receive_bytes("alpaca/pi/readings", payload, len, false);
    receive_bytes("alpaca/pi/health", payload, HEARTBEAT_MAX + 1, false);
    receive_bytes("alpaca/pi/status", payload, HEARTBEAT_MAX + 1, false);
    receive_bytes("smollama/pi/readings", payload, len, false);
    assert_int_equal(rejects(world, REJECT_TOO_LARGE), 4);
    free(payload);
}

static void empty_payload_deletes_the_item(void **state)
{
    struct world *world = *state;
    receive("alpaca/pi/health", HEARTBEAT("pi", "s1", "1", ""));
    receive("alpaca/pi/readings", REPORT("pi", "1"));
    receive("alpaca/pi/readings", "");
    assert_int_equal(find(world, "pi")->item_count[ITEM_READING], 0);
    assert_int_equal(rejects(world, REJECT_NOT_JSON), 0);
}

static void replayed_message_is_as_old_as_its_expiry_says(void **state)
{
    struct world *world = *state;
    char *payload = exact_copy(HEARTBEAT("pi", "s1", "1", ""), strlen(HEARTBEAT("pi", "s1", "1", "")));
    const struct mqtt_message message = {.topic = "alpaca/pi/health",
                                         .payload = payload,
                                         .len = strlen(HEARTBEAT("pi", "s1", "1", "")),
                                         .retain = true,
                                         .has_expiry = true,
                                         .expiry_left_s = 604800 - 3600,
                                         .expiry_s = 604800};
    wire.callbacks->message(wire.user, &message);
    free(payload);
    int64_t age_ms = clock_now().wall_ms - find(world, "pi")->last_seen_wall_ms;
    assert_in_range(age_ms, 3599000, 3601000);
}

static void receive_recorded(const char *topic, const char *payload, size_t len)
{
    receive_bytes(topic, payload, len, false);
}

static void edge_messages_as_recorded_are_taken(void **state)
{
    struct world *world = *state;
    assert_true(fixture_each_message("smollama/edge/edge-01.readings.txt", receive_recorded) > 0);
    assert_true(fixture_each_message("smollama/edge/edge-nan.readings.txt", receive_recorded) > 0);
    assert_true(fixture_each_message("smollama/edge/edge-types.readings.txt", receive_recorded) > 0);
    assert_int_equal(cache_node_count(world->cache), 3);
    for (const struct node *node = cache_first_node(world->cache); node; node = node->next) {
        assert_int_equal(node->type, NODE_EDGE);
        assert_true(node->item_count[ITEM_READING] > 0);
    }
    assert_int_equal(logged(world, " warning "), 0);
}

static void edge_message_counts_for_its_topic_not_for_its_claim(void **state)
{
    struct world *world = *state;
    receive("smollama/edge-02/readings",
            "{\"node\":\"edge-01\",\"timestamp\":1795420274.5,\"readings\":[{\"source\":\"dht:temp\","
            "\"value\":NaN,"
            "\"unit\":\"celsius\",\"ts\":1795420274.5},{\"source\":\"dht:hum\",\"value\":40}]}");
    assert_non_null(find(world, "edge-02"));
    assert_int_equal(find(world, "edge-02")->item_count[ITEM_READING], 2);
    assert_null(find(world, "edge-01"));
    assert_int_equal(logged(world, "edge-01"), 1);
    assert_int_equal(find(world, "edge-02")->rejects[REJECT_WRONG_NODE], 1); /* seen at the node as well */
    assert_non_null(strstr(find(world, "edge-02")->last_reject, "edge-01"));
}

static void replayed_edge_message_is_no_sign_of_life(void **state)
{
    struct world *world = *state;
    static const char payload[] = "{\"node\":\"e\",\"timestamp\":1795420274.5,\"readings\":[]}";
    receive_bytes("smollama/e/readings", payload, sizeof payload - 1, true);
    assert_null(find(world, "e"));
}

static void refresh_and_clear_stay_on_the_nodes_topics(void **state)
{
    struct world *world = *state;
    assert_int_equal(ingest_refresh(world->ingest, "pi kitchen"), 0);
    assert_string_equal(wire.sent[0], "alpaca/pi kitchen/refresh");
    assert_false(wire.sent_retained);
    assert_int_equal(ingest_clear(world->ingest, "pi kitchen"), 0);
    assert_true(wire.sent_retained);
    assert_int_equal(wire.sent_count, 7);
    assert_int_equal(wire.sent_bytes, 0);
    for (size_t i = 1; i < wire.sent_count; i++) {
        assert_memory_equal(wire.sent[i], "alpaca/pi kitchen/", 18);
        assert_null(strstr(wire.sent[i], "refresh"));
    }
    wire.up = false;
    assert_int_equal(ingest_refresh(world->ingest, "pi"), -ENOTCONN);
    assert_int_equal(ingest_clear(world->ingest, "pi"), -ENOTCONN);
}

static void missing_snapshots_are_asked_for_a_few_nodes_at_a_time(void **state)
{
    struct world *world = *state;
    assert_int_equal(wire.pass_after_ms, 5000);
    for (int i = 0; i < 60; i++) { /* each says twice that it sent readings, which never came */
        char topic[64];
        char name[16];
        snprintf(name, sizeof name, "n%02d", i);
        snprintf(topic, sizeof topic, "alpaca/%s/health", name);
        for (int seq = 1; seq <= 2; seq++) {
            char *payload = NULL;
            assert_true(asprintf(&payload, HEARTBEAT("%s", "s1", "%d", ""), name, seq, name) > 0);
            receive(topic, payload);
            free(payload);
        }
    }
    wire.pass(wire.pass_user);
    assert_int_equal(wire.sent_count, 50);
    assert_string_equal(wire.sent[0], "alpaca/n00/refresh");
    assert_int_equal(wire.pass_after_ms, 1000);
    wire.pass(wire.pass_user);
    assert_int_equal(wire.sent_count, 60);
    assert_string_equal(wire.sent[59], "alpaca/n59/refresh");
    assert_int_equal(logged(world, "snapshots of 60 nodes"), 1);
    assert_int_equal(wire.pass_after_ms, 5000);
    receive("alpaca/late/health", HEARTBEAT("late", "s1", "1", ""));
    wire.pass(wire.pass_user);
    assert_int_equal(wire.sent_count, 61); /* who was asked has time to answer; that delays nobody else */
    assert_string_equal(wire.sent[60], "alpaca/late/refresh");
    wire.callbacks->disconnected(wire.user, true, "closed", 1000);
    assert_int_equal(wire.pass_after_ms, 0);
}

static void a_question_that_finds_no_room_is_put_later(void **state)
{
    struct world *world = *state;
    receive("alpaca/pi/health", HEARTBEAT("pi", "s1", "1", ""));
    receive("alpaca/pi/health", HEARTBEAT("pi", "s1", "2", ""));
    wire.full = true;
    wire.pass_after_ms = 0; /* it fires once */
    wire.pass(wire.pass_user);
    assert_int_equal(wire.sent_count, 0);
    assert_int_equal(wire.pass_after_ms, 5000);
    assert_int_equal(logged(world, "asked them to send again"), 0);
    wire.full = false;
    wire.pass(wire.pass_user);
    assert_int_equal(wire.sent_count, 1);
    assert_string_equal(wire.sent[0], "alpaca/pi/refresh");
}

static void the_log_says_what_was_restored_and_what_is_missing(void **state)
{
    struct world *world = *state;
    static const char *const retained[][2] = {{"alpaca/pi/health", HEARTBEAT("pi", "s1", "1", "")},
                                              {"alpaca/pi-2/health", HEARTBEAT("pi-2", "s1", "1", "")},
                                              {"alpaca/pi/readings", REPORT("pi", "1")}};
    for (size_t i = 0; i < sizeof retained / sizeof *retained; i++) {
        receive_bytes(retained[i][0], retained[i][1], strlen(retained[i][1]), true);
    }
    wire.pass(wire.pass_user);
    assert_int_equal(wire.pass_after_ms, 1000); /* something came just now: there may be more */
    assert_int_equal(logged(world, "restored"), 0);
    struct timespec moment = {.tv_sec = 1, .tv_nsec = 10000000};
    nanosleep(&moment, NULL);
    wire.pass(wire.pass_user);
    assert_int_equal(logged(world, "2 nodes and 1 snapshots were restored from retained messages; 1 are "
                                   "missing (of 1 nodes)"),
                     1);
    wire.pass(wire.pass_user);
    assert_int_equal(logged(world, "restored"), 1);
}

static void base_topic_that_is_anothers_is_refused(void **state)
{
    struct world *world = *state;
    static const char *const bases[] = {"smollama", "llama", "homeassistant", "a/b", "#", ""};
    const struct ingest_callbacks callbacks = {.changed = on_changed, .url_allowed = on_url, .user = world};
    const struct mqtt_options options = {.host = "h", .port = 1, .client_id = "c"};
    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
        const char *error = NULL;
        assert_null(ingest_create(NULL, world->cache, bases[i], &options, &callbacks, &error));
        assert_non_null(error);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(subscribes_to_what_nodes_send_after_each_connect),
        TEST(link_is_told_to_the_cache),
        TEST(failed_attempts_are_logged_once_a_minute),
        TEST(heartbeat_and_report_make_a_node),
        TEST(url_that_may_not_be_polled_is_not_taken),
        TEST(bad_payloads_are_counted_logged_and_change_nothing),
        TEST(garbage_makes_no_node),
        TEST(bad_names_are_refused_and_shown_escaped),
        TEST(repeated_fault_is_logged_once_a_minute),
        TEST(payload_over_its_limit_is_refused_unread),
        TEST(empty_payload_deletes_the_item),
        TEST(replayed_message_is_as_old_as_its_expiry_says),
        TEST(edge_messages_as_recorded_are_taken),
        TEST(edge_message_counts_for_its_topic_not_for_its_claim),
        TEST(replayed_edge_message_is_no_sign_of_life),
        TEST(refresh_and_clear_stay_on_the_nodes_topics),
        TEST(missing_snapshots_are_asked_for_a_few_nodes_at_a_time),
        TEST(a_question_that_finds_no_room_is_put_later),
        TEST(the_log_says_what_was_restored_and_what_is_missing),
        TEST(base_topic_that_is_anothers_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
