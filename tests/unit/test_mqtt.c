/* mqtt against a broker that misbehaves on demand; what a real one does is in test_mqtt_broker.c. */
#include "clock.h"
#include "mqtt.h"
#include "mqtt_inflight.h"
#include "mqtt_world.h"
#include "stub_broker.h"

#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/*
 * Stands before the system's getaddrinfo, for mqtt and libmosquitto alike: "slow.test" takes 400 ms and
 * fails, "two.test" has an address where nobody listens before the good one.
 */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **list)
{
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (!real) {
        *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    }
    if (node && strcmp(node, "slow.test") == 0) {
        usleep(400000);
        return EAI_AGAIN;
    }
    if (node && strcmp(node, "two.test") == 0) {
        struct addrinfo *second = NULL;
        int e = real("127.0.0.2", service, hints, list);
        e = e ? e : real("127.0.0.1", service, hints, &second);
        if (e == 0) {
            (*list)->ai_next = second;
        }
        return e;
    }
    return real(node, service, hints, list);
}

struct stage {
    struct world world;
    struct stub_broker *stub;
};

static void stage_start(struct stage *stage, const enum stub_action *script, size_t len)
{
    world_init(&stage->world, 1);
    stage->stub = stub_create(stage->world.loop, script, len);
    stage->world.options.port = stub_port(stage->stub);
}

static void stage_finish(struct stage *stage)
{
    stub_destroy(stage->stub);
    world_finish(&stage->world);
}

static bool holds(const uint8_t *bytes, size_t len, const void *part, size_t part_len)
{
    return memmem(bytes, len, part, part_len) != NULL;
}

/* --- what a CONNECT says --- */

static void connect_is_mqtt_5_with_will_and_limits(void **state)
{
    (void)state;
    static const enum stub_action script[] = {STUB_ACCEPT};
    struct stage s;
    stage_start(&s, script, COUNT(script));
    s.world.options.username = "u";
    s.world.options.password = "p";
    s.world.options.keepalive_s = 20;
    s.world.options.will_topic = "alpaca/n/status";
    s.world.options.will_payload = "gone";
    s.world.options.will_len = 4;
    s.world.options.will_expiry_s = 604800;
    world_start(&s.world);
    world_until(&s.world, 3000, s.world.connects == 1);
    assert_true(mqtt_is_up(s.world.mqtt));
    assert_true(mqtt_is_v5(s.world.mqtt));

    size_t len;
    const uint8_t *bytes = stub_connect_bytes(s.stub, 0, &len);
    /* level 5; user, password, retained will of QoS 1, clean start; keepalive 20 */
    assert_true(holds(bytes, len, "\x00\x04MQTT\x05\xee\x00\x14", 10));
    assert_true(holds(bytes, len, "\x27\x00\x10\x00\x00", 5)); /* Maximum Packet Size 1,048,576 */
    assert_true(holds(bytes, len, "\x21\x03\xe8", 3));         /* Receive Maximum 1,000 */
    assert_true(holds(bytes, len, "\x02\x00\x09\x3a\x80", 5)); /* Message Expiry 604,800 */
    assert_true(holds(bytes, len,
                      "\x26\x00\x06"
                      "expiry\x00\x06"
                      "604800",
                      17));
    assert_true(holds(bytes, len,
                      "\x00\x0f"
                      "alpaca/n/status\x00\x04gone\x00\x01u\x00\x01p",
                      29));
    stage_finish(&s);
}

static void connect_after_fall_back_has_no_properties(void **state)
{
    (void)state;
    static const enum stub_action script[] = {STUB_VERSION_5_FORM, STUB_ACCEPT};
    struct stage s;
    stage_start(&s, script, COUNT(script));
    s.world.options.will_topic = "a/b";
    s.world.options.will_payload = "gone";
    s.world.options.will_len = 4;
    s.world.options.will_expiry_s = 60;
    world_start(&s.world);
    world_until(&s.world, 3000, s.world.connects == 1);
    assert_false(mqtt_is_v5(s.world.mqtt));
    size_t len;
    const uint8_t *bytes = stub_connect_bytes(s.stub, 1, &len);
    static const char expected[] = "\x10\x22\x00\x04MQTT\x04\x2e\x00\x0a\x00\x0b"
                                   "alpaca-test"
                                   "\x00\x03"
                                   "a/b"
                                   "\x00\x04gone";
    assert_int_equal(len, sizeof expected - 1);
    assert_memory_equal(bytes, expected, len);
    assert_int_equal(mqtt_publish(s.world.mqtt, "a/b", "x", 1, 1, true, 60), 0);
    world_until(&s.world, 1000, mqtt_is_flushed(s.world.mqtt));
    assert_int_equal(stub_publishes(s.stub), 1);
    stage_finish(&s);
}

static void will_set_later_is_in_the_next_connect(void **state)
{
    (void)state;
    static const enum stub_action script[] = {STUB_ACCEPT_AND_CLOSE, STUB_ACCEPT};
    struct stage s;
    stage_start(&s, script, COUNT(script));
    world_start(&s.world);
    assert_int_equal(mqtt_set_will(s.world.mqtt, "w/#", "x", 1, 0), -EINVAL);
    assert_int_equal(mqtt_set_will(s.world.mqtt, "w/late", "second", 6, 0), 0);
    world_until(&s.world, 3000, s.world.connects == 2);
    size_t len;
    const uint8_t *bytes = stub_connect_bytes(s.stub, 1, &len);
    assert_true(holds(bytes, len, "\x00\x06w/late\x00\x06second", 16));
    stage_finish(&s);
}

/* --- versions --- */

static void check_levels(const enum stub_action *script, size_t len, const uint8_t *levels, size_t count)
{
    struct stage s;
    stage_start(&s, script, len);
    world_start(&s.world);
    world_until(&s.world, 5000, stub_connects(s.stub) >= count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(stub_level(s.stub, i), levels[i]);
    }
    stage_finish(&s);
}

static void version_refused_in_form_of_5_falls_back(void **state)
{
    (void)state;
    static const enum stub_action script[] = {STUB_VERSION_5_FORM, STUB_ACCEPT};
    check_levels(script, COUNT(script), (const uint8_t[]){5, 4}, 2);
}

static void version_refused_in_form_of_3_falls_back(void **state)
{
    (void)state;
    static const enum stub_action script[] = {STUB_VERSION_3_FORM, STUB_ACCEPT};
    check_levels(script, COUNT(script), (const uint8_t[]){5, 4}, 2);
}

static void two_closes_before_connack_fall_back(void **state)
{
    (void)state;
    static const enum stub_action script[] = {STUB_CLOSE, STUB_CLOSE, STUB_ACCEPT};
    check_levels(script, COUNT(script), (const uint8_t[]){5, 5, 4}, 3);
}

static void every_tenth_reconnect_tries_5_again(void **state)
{
    (void)state;
    static const enum stub_action script[] = {STUB_VERSION_5_FORM, STUB_CLOSE};
    check_levels(script, COUNT(script), (const uint8_t[]){5, 4, 4, 4, 4, 4, 4, 4, 4, 4, 5, 4, 4}, 13);
}

static void broker_that_learned_5_is_spoken_to_in_5(void **state)
{
    (void)state;
    static const enum stub_action script[] = {STUB_VERSION_5_FORM,
                                              STUB_CLOSE,
                                              STUB_CLOSE,
                                              STUB_CLOSE,
                                              STUB_CLOSE,
                                              STUB_CLOSE,
                                              STUB_CLOSE,
                                              STUB_CLOSE,
                                              STUB_CLOSE,
                                              STUB_CLOSE,
                                              STUB_ACCEPT_AND_CLOSE,
                                              STUB_ACCEPT};
    check_levels(script, COUNT(script), (const uint8_t[]){5, 4, 4, 4, 4, 4, 4, 4, 4, 4, 5, 5}, 12);
}

static void one_close_and_refused_credentials_do_not_fall_back(void **state)
{
    (void)state;
    static const enum stub_action script[] = {STUB_CLOSE, STUB_NOT_AUTHORIZED, STUB_NOT_AUTHORIZED,
                                              STUB_ACCEPT};
    struct stage s;
    stage_start(&s, script, COUNT(script));
    world_start(&s.world);
    world_until(&s.world, 5000, s.world.connects == 1);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(stub_level(s.stub, i), 5);
    }
    assert_string_equal(s.world.reasons[0], "closed by the broker before it answered");
    assert_memory_equal(s.world.reasons[1], "Not authorized: ", 16);
    assert_int_equal(mqtt_stats(s.world.mqtt)->failed_attempts, 3);
    stage_finish(&s);
}

/* --- deadlines --- */

static void silent_broker_is_given_up_at_the_deadline(void **state)
{
    (void)state;
    static const enum stub_action script[] = {STUB_SILENT, STUB_ACCEPT};
    struct stage s;
    stage_start(&s, script, COUNT(script));
    s.world.options.connack_timeout_ms = 200;
    world_start(&s.world);
    int64_t start = clock_now().mono_ms;
    world_until(&s.world, 3000, s.world.failures == 1);
    int64_t took = clock_now().mono_ms - start;
    assert_in_range(took, 190, 1500);
    assert_string_equal(s.world.reasons[0], "the broker does not answer");
    world_until(&s.world, 3000, s.world.connects == 1);
    assert_int_equal(stub_level(s.stub, 1), 5); /* silence is no close */
    stage_finish(&s);
}

static void silent_tls_server_costs_no_cpu_and_is_given_up(void **state)
{
    (void)state;
    static const enum stub_action script[] = {STUB_SILENT};
    struct stage s;
    stage_start(&s, script, COUNT(script));
    char ca[] = "/tmp/test_mqtt_XXXXXX";
    char command[256];
    int fd = mkstemp(ca);
    assert_true(fd >= 0);
    close(fd);
    snprintf(
        command, sizeof command,
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -keyout /dev/null "
        "-out %s 2>/dev/null",
        ca);
    assert_int_equal(system(command), 0);
    s.world.options.tls_ca = ca;
    s.world.options.connack_timeout_ms = 400;
    world_start(&s.world);
    world_until(&s.world, 3000, s.world.failures == 1);
    assert_string_equal(s.world.reasons[0], "the broker does not answer");
    assert_in_range(s.world.turns, 1,
                    300); /* the pulse alone makes 80; a spinning loop makes tens of thousands */
    unlink(ca);
    stage_finish(&s);
}

static void unreachable_host_never_blocks_the_loop(void **state)
{
    (void)state;
    struct world world;
    world_init(&world, 1883);
    world.options.host = "10.255.255.1";
    world.options.connack_timeout_ms = 300;
    world_start(&world);
    world_until(&world, 5000, world.failures >= 2);
    assert_in_range(world.longest_gap_ms, 0, 300);
    world_finish(&world);
}

static void nobody_listening_is_said_so(void **state)
{
    (void)state;
    struct world world;
    world_init(&world, free_port());
    world_start(&world);
    world_until(&world, 5000, world.failures >= 3);
    assert_string_equal(world.reasons[0], "connection refused");
    assert_in_range(world.waits[0], 2, 4);
    assert_in_range(world.waits[2], 8, 16); /* twice doubled, half of it is jitter */
    world_finish(&world);
}

static void slow_name_server_never_blocks_the_loop(void **state)
{
    (void)state;
    struct world world;
    world_init(&world, 1883);
    world.options.host = "slow.test";
    world_start(&world);
    world_until(&world, 5000, world.failures == 1);
    assert_string_equal(world.reasons[0], "the broker's name cannot be resolved");
    assert_in_range(world.longest_gap_ms, 0, 300);
    assert_in_range(world.turns, 8, 100000);
    world_finish(&world);
}

static void destroy_during_a_look_up_does_not_wait(void **state)
{
    (void)state;
    struct world world;
    world_init(&world, 1883);
    world.options.host = "slow.test";
    world_start(&world);
    world_run_for(&world, 30);
    int64_t start = clock_now().mono_ms;
    assert_false(mqtt_destroy(world.mqtt));
    assert_in_range(clock_now().mono_ms - start, 0, 100);
    /* here a program would _exit; if it goes on, the worker's return frees what was left */
    while (loop_work_pending(world.loop)) {
        world_turn(&world);
    }
    assert_int_equal(world.failures, 0);
    loop_timer_destroy(world.pulse);
    loop_destroy(world.loop);
}

static void count_stop(void *user)
{
    struct world *world = user;
    world->stops++;
}

static void stop_during_a_look_up_ends_at_its_deadline_and_can_be_started_again(void **state)
{
    (void)state;
    struct world world;
    world_init(&world, 1883);
    world.options.host = "slow.test";
    world_start(&world);
    world_run_for(&world, 30);
    mqtt_stop(world.mqtt, 50, count_stop);
    assert_int_equal(world.stops, 0); /* never inside the call */
    world_until(&world, 300, world.stops == 1);
    assert_int_equal(loop_work_pending(world.loop), 1);
    mqtt_start(world.mqtt);
    world_until(&world, 2000,
                world.failures == 1); /* of the second look-up; the first one's end is nobody's */
    assert_int_equal(world.stops, 1);
    world_finish(&world);
}

static void all_addresses_of_a_name_are_tried(void **state)
{
    (void)state;
    static const enum stub_action script[] = {STUB_ACCEPT};
    struct stage s;
    stage_start(&s, script, COUNT(script));
    s.world.options.host = "two.test";
    world_start(&s.world);
    world_until(&s.world, 3000, s.world.connects == 1);
    assert_int_equal(s.world.failures, 0);
    char address[64];
    assert_true(mqtt_local_address(s.world.mqtt, address, sizeof address));
    assert_string_equal(address, "127.0.0.1");
    assert_false(mqtt_local_address(s.world.mqtt, address, 4));
    stage_finish(&s);
}

/* --- two with one name --- */

static void taken_over_waits_half_a_minute(void **state)
{
    (void)state;
    static const enum stub_action script[] = {STUB_TAKE_OVER};
    struct stage s;
    stage_start(&s, script, COUNT(script));
    world_start(&s.world);
    world_until(&s.world, 3000, s.world.losses == 1);
    assert_string_equal(s.world.reasons[0], MQTT_TAKEN_OVER);
    assert_in_range(s.world.waits[0], 30000, 45000);
    assert_int_equal(s.world.refusals, 1);
    assert_int_equal(s.world.refused_code, 0x8e);
    assert_string_equal(s.world.refused_topic, "(none)");
    assert_int_equal(mqtt_stats(s.world.mqtt)->refused, 1);
    stage_finish(&s);
}

static void three_short_lives_mean_taken_over(void **state)
{
    (void)state;
    static const enum stub_action script[] = {STUB_ACCEPT_AND_CLOSE};
    struct stage s;
    stage_start(&s, script, COUNT(script));
    world_start(&s.world);
    world_until(&s.world, 3000, s.world.losses == 3);
    assert_string_equal(s.world.reasons[0], "connection closed by the broker");
    assert_string_equal(s.world.reasons[1], "connection closed by the broker");
    assert_string_equal(s.world.reasons[2], MQTT_TAKEN_OVER);
    assert_in_range(s.world.waits[0], 2, 4);
    assert_in_range(s.world.waits[1], 4, 8);
    assert_in_range(s.world.waits[2], 30000, 45000);
    assert_int_equal(mqtt_stats(s.world.mqtt)->disconnects, 3);
    stage_finish(&s);
}

static void short_lives_of_a_unique_client_mean_nothing(void **state)
{
    (void)state;
    static const enum stub_action script[] = {STUB_ACCEPT_AND_CLOSE};
    struct stage s;
    stage_start(&s, script, COUNT(script));
    s.world.options.client_id_is_unique = true;
    world_start(&s.world);
    world_until(&s.world, 3000, s.world.losses == 4);
    assert_string_equal(s.world.reasons[2], "connection closed by the broker");
    assert_string_equal(s.world.reasons[3], "connection closed by the broker");
    assert_in_range(s.world.waits[3], 2, 1000);
    stage_finish(&s);
}

static void hold_off_puts_the_next_attempt_off(void **state)
{
    (void)state;
    struct world world;
    world_init(&world, free_port());
    world_start(&world);
    world_until(&world, 3000, world.failures == 1);
    mqtt_hold_off(world.mqtt, 300);
    unsigned failures = world.failures;
    world_run_for(&world, 200);
    assert_in_range(world.failures - failures, 0, 1); /* one may have been on its way */
    failures = world.failures;
    world_until(&world, 1000, world.failures > failures);
    world_finish(&world);
}

/* --- refusals and limits --- */

static void refusals_are_named_with_their_topic(void **state)
{
    (void)state;
    static const enum stub_action script[] = {STUB_ACCEPT};
    struct stage s;
    stage_start(&s, script, COUNT(script));
    stub_set_codes(s.stub, 0x87, 0x8f);
    world_start(&s.world);
    world_until(&s.world, 3000, s.world.connects == 1);
    assert_int_equal(mqtt_publish(s.world.mqtt, "alpaca/n/stats", "{}", 2, 1, true, 0), 0);
    world_until(&s.world, 1000, s.world.refusals == 1);
    assert_string_equal(s.world.refused_topic, "alpaca/n/stats");
    assert_int_equal(s.world.refused_code, 0x87);
    assert_int_equal(mqtt_subscribe(s.world.mqtt, "alpaca/+/health", 1), 0);
    world_until(&s.world, 1000, s.world.refusals == 2);
    assert_string_equal(s.world.refused_topic, "alpaca/+/health");
    assert_int_equal(s.world.refused_code, 0x8f);
    assert_true(mqtt_is_up(s.world.mqtt));
    assert_true(mqtt_is_flushed(s.world.mqtt));
    assert_int_equal(mqtt_stats(s.world.mqtt)->refused, 2);
    stage_finish(&s);
}

static void listens_once_all_of_the_first_subscriptions_are_answered(void **state)
{
    (void)state;
    static const enum stub_action script[] = {STUB_ACCEPT};
    struct stage s;
    stage_start(&s, script, COUNT(script));
    world_start(&s.world);
    world_until(&s.world, 3000, s.world.connects == 1);
    assert_int_equal(mqtt_subscribe(s.world.mqtt, "a", 1), 0);
    assert_int_equal(mqtt_subscribe(s.world.mqtt, "b", 1), 0);
    assert_false(mqtt_is_listening(s.world.mqtt));
    world_until(&s.world, 1000, mqtt_is_listening(s.world.mqtt));
    assert_int_equal(mqtt_under_way(s.world.mqtt), 0);
    assert_int_equal(mqtt_subscribe(s.world.mqtt, "c", 1), 0);
    assert_true(mqtt_is_listening(s.world.mqtt)); /* to what it did before */
    stage_finish(&s);
}

static void packet_above_the_brokers_limit_is_not_sent(void **state)
{
    (void)state;
    static const enum stub_action script[] = {STUB_ACCEPT};
    static char payload[2000];
    struct stage s;
    stage_start(&s, script, COUNT(script));
    stub_set_max_packet(s.stub, 1000);
    world_start(&s.world);
    world_until(&s.world, 3000, s.world.connects == 1);
    assert_int_equal(mqtt_max_packet(s.world.mqtt), 1000);
    /* 1 + 2 of header, 2 + 3 of topic, 2 of identifier, 1 of no properties */
    assert_int_equal(mqtt_publish(s.world.mqtt, "a/b", payload, 1000 - 11, 1, false, 0), 0);
    assert_int_equal(mqtt_publish(s.world.mqtt, "a/b", payload, 1000 - 10, 1, false, 0), -E2BIG);
    assert_int_equal(mqtt_publish(s.world.mqtt, "a/b", payload, 1000 - 11 - 5 - 11 - 2, 1, false, 60), 0);
    assert_int_equal(mqtt_publish(s.world.mqtt, "a/b", payload, 1000 - 10 - 5 - 11 - 2, 1, false, 60),
                     -E2BIG);
    world_until(&s.world, 1000, mqtt_is_flushed(s.world.mqtt));
    assert_int_equal(stub_publishes(s.stub), 2);
    stage_finish(&s);
}

static void bad_topics_and_a_missing_connection_are_errors(void **state)
{
    (void)state;
    static const enum stub_action script[] = {STUB_ACCEPT};
    struct stage s;
    stage_start(&s, script, COUNT(script));
    world_start(&s.world);
    assert_int_equal(mqtt_publish(s.world.mqtt, "a", "x", 1, 1, false, 0), -ENOTCONN);
    assert_int_equal(mqtt_subscribe(s.world.mqtt, "a", 1), -ENOTCONN);
    world_until(&s.world, 3000, s.world.connects == 1);
    assert_int_equal(mqtt_publish(s.world.mqtt, "a/+", "x", 1, 1, false, 0), -EINVAL);
    assert_int_equal(mqtt_publish(s.world.mqtt, "", "x", 1, 1, false, 0), -EINVAL);
    assert_int_equal(mqtt_publish(s.world.mqtt, "a/\xff", "x", 1, 1, false, 0), -EINVAL);
    assert_int_equal(mqtt_subscribe(s.world.mqtt, "a/#/b", 1), -EINVAL);
    assert_true(mqtt_is_up(s.world.mqtt));
    stage_finish(&s);
}

static void broker_that_never_acknowledges_is_not_fed_for_ever(void **state)
{
    (void)state;
    static const enum stub_action script[] = {STUB_ACCEPT};
    struct stage s;
    stage_start(&s, script, COUNT(script));
    stub_set_acknowledge(s.stub, 0);
    world_start(&s.world);
    world_until(&s.world, 3000, s.world.connects == 1);
    unsigned sent = 0;
    int e = 0;
    while (sent < 30000 && (e = mqtt_publish(s.world.mqtt, "a/b", "x", 1, 1, false, 0)) == 0) {
        sent++;
    }
    assert_int_equal(e, -ENOBUFS);
    assert_int_equal(sent, 20000);
    assert_false(mqtt_is_flushed(s.world.mqtt));
    stage_finish(&s);
}

static void publish_burst(struct world *world)
{
    for (int i = 0; i < 300; i++) {
        assert_int_equal(mqtt_publish(world->mqtt, "a/b", "x", 1, i % 2, false, 0), 0);
    }
}

static void stop_flushes_says_goodbye_and_tells_once(void **state)
{
    (void)state;
    static const enum stub_action script[] = {STUB_ACCEPT};
    struct stage s;
    stage_start(&s, script, COUNT(script));
    s.world.on_connected = publish_burst;
    world_start(&s.world);
    world_until(&s.world, 3000, s.world.connects == 1);
    mqtt_stop(s.world.mqtt, 3000, count_stop);
    assert_int_equal(mqtt_publish(s.world.mqtt, "a", "x", 1, 1, false, 0), -ENOTCONN);
    world_until(&s.world, 3000, s.world.stops == 1);
    world_until(&s.world, 1000, stub_disconnects(s.stub) == 1);
    assert_int_equal(stub_publishes(s.stub), 300);
    world_run_for(&s.world, 50);
    assert_int_equal(s.world.stops, 1);
    assert_int_equal(s.world.losses, 0); /* what was asked for is no loss */
    assert_int_equal(stub_connects(s.stub), 1);
    stage_finish(&s);
}

static void stop_does_not_wait_for_a_broker_that_is_silent(void **state)
{
    (void)state;
    static const enum stub_action script[] = {STUB_ACCEPT};
    struct stage s;
    stage_start(&s, script, COUNT(script));
    stub_set_acknowledge(s.stub, 0);
    s.world.on_connected = publish_burst;
    world_start(&s.world);
    world_until(&s.world, 3000, s.world.connects == 1);
    int64_t start = clock_now().mono_ms;
    mqtt_stop(s.world.mqtt, 150, count_stop);
    world_until(&s.world, 2000, s.world.stops == 1);
    assert_in_range(clock_now().mono_ms - start, 140, 1000);
    stage_finish(&s);
}

static void garbage_from_the_broker_ends_the_connection_only(void **state)
{
    (void)state;
    static const enum stub_action script[] = {STUB_ACCEPT};
    struct stage s;
    stage_start(&s, script, COUNT(script));
    world_start(&s.world);
    world_until(&s.world, 3000, s.world.connects == 1);
    stub_send(s.stub, "\xff\xff\xff\xff\xff\xff", 6);
    world_until(&s.world, 3000, s.world.losses == 1 && s.world.connects == 2);
    stage_finish(&s);
}

/* --- creating --- */

static void what_cannot_work_is_refused_at_once(void **state)
{
    (void)state;
    static const struct mqtt_callbacks none = {0};
    struct loop *loop = loop_create();
    const char *error = NULL;
    struct mqtt_options o = {.host = "h", .port = 1, .client_id = "c", .tls_ca = "/nonexistent"};
    assert_null(mqtt_create(loop, &o, &none, NULL, &error));
    assert_int_equal(errno, EIO);
    assert_string_equal(error, "the TLS authority's file (ca) cannot be read");
    o.tls_ca = NULL;
    o.tls_cert = "/etc/hostname";
    assert_null(mqtt_create(loop, &o, &none, NULL, NULL));
    assert_int_equal(errno, EINVAL);
    o.tls_cert = NULL;
    o.will_topic = "a/+/b";
    assert_null(mqtt_create(loop, &o, &none, NULL, &error));
    assert_int_equal(errno, EINVAL);
    assert_string_equal(error, "the will's topic is none to publish under");
    o.will_topic = NULL;
    o.host = "";
    assert_null(mqtt_create(loop, &o, &none, NULL, &error));
    assert_true(mqtt_destroy(NULL));
    loop_destroy(loop);
}

static void table_of_identifiers_grows_and_comes_round(void **state)
{
    (void)state;
    struct mqtt_inflight table = {0};
    char name[16];
    assert_null(mqtt_inflight_take(&table, 7));
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "t%u", i);
        assert_int_equal(mqtt_inflight_add(&table, (uint16_t)(63000 + i), name, 10), 0);
    }
    assert_int_equal(table.count, 5000);
    assert_int_equal(table.bytes, 50000);
    assert_int_equal(mqtt_inflight_add(&table, 63000, "again", 1), 0);
    assert_int_equal(table.count, 5000);
    for (unsigned i = 1; i < 5000; i++) {
        snprintf(name, sizeof name, "t%u", i);
        char *topic = mqtt_inflight_take(&table, (uint16_t)(63000 + i));
        assert_string_equal(topic, name);
        free(topic);
    }
    assert_int_equal(table.bytes, 1);
    mqtt_inflight_clear(&table);
    assert_int_equal(table.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connect_is_mqtt_5_with_will_and_limits),
        cmocka_unit_test(connect_after_fall_back_has_no_properties),
        cmocka_unit_test(will_set_later_is_in_the_next_connect),
        cmocka_unit_test(version_refused_in_form_of_5_falls_back),
        cmocka_unit_test(version_refused_in_form_of_3_falls_back),
        cmocka_unit_test(two_closes_before_connack_fall_back),
        cmocka_unit_test(every_tenth_reconnect_tries_5_again),
        cmocka_unit_test(broker_that_learned_5_is_spoken_to_in_5),
        cmocka_unit_test(one_close_and_refused_credentials_do_not_fall_back),
        cmocka_unit_test(silent_broker_is_given_up_at_the_deadline),
        cmocka_unit_test(silent_tls_server_costs_no_cpu_and_is_given_up),
        cmocka_unit_test(unreachable_host_never_blocks_the_loop),
        cmocka_unit_test(nobody_listening_is_said_so),
        cmocka_unit_test(slow_name_server_never_blocks_the_loop),
        cmocka_unit_test(destroy_during_a_look_up_does_not_wait),
        cmocka_unit_test(stop_during_a_look_up_ends_at_its_deadline_and_can_be_started_again),
        cmocka_unit_test(all_addresses_of_a_name_are_tried),
        cmocka_unit_test(taken_over_waits_half_a_minute),
        cmocka_unit_test(three_short_lives_mean_taken_over),
        cmocka_unit_test(short_lives_of_a_unique_client_mean_nothing),
        cmocka_unit_test(hold_off_puts_the_next_attempt_off),
        cmocka_unit_test(refusals_are_named_with_their_topic),
        cmocka_unit_test(listens_once_all_of_the_first_subscriptions_are_answered),
        cmocka_unit_test(packet_above_the_brokers_limit_is_not_sent),
        cmocka_unit_test(bad_topics_and_a_missing_connection_are_errors),
        cmocka_unit_test(broker_that_never_acknowledges_is_not_fed_for_ever),
        cmocka_unit_test(stop_flushes_says_goodbye_and_tells_once),
        cmocka_unit_test(stop_does_not_wait_for_a_broker_that_is_silent),
        cmocka_unit_test(garbage_from_the_broker_ends_the_connection_only),
        cmocka_unit_test(what_cannot_work_is_refused_at_once),
        cmocka_unit_test(table_of_identifiers_grows_and_comes_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
