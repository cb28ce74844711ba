#include "mqtt_world.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void on_connected(void *user)
{
    struct world *world = user;
    world->connects++;
    if (world->on_connected) {
        world->on_connected(world);
    }
}

static void on_disconnected(void *user, bool was_up, const char *reason, uint32_t next_try_ms)
{
    struct world *world = user;
    unsigned i = world->losses + world->failures;
    if (i < WORLD_EVENTS_MAX) {
        snprintf(world->reasons[i], sizeof world->reasons[i], "%s", reason);
        world->waits[i] = next_try_ms;
    }
    *(was_up ? &world->losses : &world->failures) += 1;
    assert_false(mqtt_is_up(world->mqtt));
}

static void on_message(void *user, const struct mqtt_message *message)
{
    struct world *world = user;
    world->last = *message;
    snprintf(world->last_topic, sizeof world->last_topic, "%s", message->topic);
    snprintf(world->last_payload, sizeof world->last_payload, "%.*s",
             (int)(message->len < 60 ? message->len : 60), message->payload ? message->payload : "");
    world->in_order = world->in_order && (unsigned)strtoul(world->last_payload, NULL, 10) == world->messages;
    world->messages++;
    if (world->on_message) {
        world->on_message(world, message);
    }
}

static void on_refused(void *user, const char *topic, int code, const char *name)
{
    struct world *world = user;
    world->refusals++;
    world->refused_code = code;
    snprintf(world->refused_topic, sizeof world->refused_topic, "%s", topic ? topic : "(none)");
    assert_non_null(name);
}

static void on_drained(void *user)
{
    struct world *world = user;
    world->drains++;
}

static void on_pulse(void *user)
{
    (void)user;
}

void world_init(struct world *world, uint16_t port)
{
    *world = (struct world){.in_order = true};
    world->loop = loop_create();
    assert_non_null(world->loop);
    world->pulse = loop_timer_create(world->loop, on_pulse, world);
    loop_timer_start(world->pulse, 5, 5);
    world->options = (struct mqtt_options){
        .host = "127.0.0.1",
        .port = port,
        .client_id = "alpaca-test",
        .keepalive_s = 10,
        .min_backoff_ms = 4,
        .max_backoff_ms = 20,
        .connack_timeout_ms = 5000,
    };
}

void world_start(struct world *world)
{
    static const struct mqtt_callbacks callbacks = {
        .connected = on_connected,
        .disconnected = on_disconnected,
        .message = on_message,
        .refused = on_refused,
        .drained = on_drained,
    };
    const char *error = NULL;
    world->mqtt = mqtt_create(world->loop, &world->options, &callbacks, world, &error);
    if (!world->mqtt) {
        fail_msg("mqtt_create: %s", error);
    }
    mqtt_start(world->mqtt);
}

void world_finish(struct world *world)
{
    int64_t end = clock_now().mono_ms + 5000;
    mqtt_stop(world->mqtt, 0, NULL);
    while (loop_work_pending(world->loop) && clock_now().mono_ms < end) {
        world_turn(world);
    }
    assert_true(mqtt_destroy(world->mqtt));
    loop_timer_destroy(world->pulse);
    loop_destroy(world->loop);
}

void world_turn(struct world *world)
{
    int64_t before = clock_now().mono_ms;
    loop_turn(world->loop, true);
    int64_t took = clock_now().mono_ms - before;
    world->longest_gap_ms = took > world->longest_gap_ms ? took : world->longest_gap_ms;
    world->turns++;
}

void world_run_for(struct world *world, int64_t ms)
{
    int64_t end = clock_now().mono_ms + ms;
    while (clock_now().mono_ms < end) {
        world_turn(world);
    }
}

uint16_t free_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}
