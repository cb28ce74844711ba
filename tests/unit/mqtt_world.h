/*
 * mqtt_world: a loop, one mqtt on it, and all that its owner was told. For the tests of mqtt.
 */
#ifndef MQTT_WORLD_H
#define MQTT_WORLD_H

#include "mqtt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORLD_EVENTS_MAX 64

struct world {
    struct loop *loop;
    struct loop_timer *pulse; /* each 5 ms, so that no turn waits longer */
    struct mqtt *mqtt;
    struct mqtt_options options;

    unsigned connects, losses, failures, refusals, stops, drains;
    char reasons[WORLD_EVENTS_MAX][96]; /* of losses and failures, in order */
    uint32_t waits[WORLD_EVENTS_MAX];
    char refused_topic[128];
    int refused_code;
    unsigned messages;
    struct mqtt_message last;
    char last_topic[128];
    char last_payload[64];
    bool in_order;          /* payloads were 0, 1, 2, … */
    int64_t longest_gap_ms; /* between two turns of the loop */
    unsigned turns;
    void (*on_connected)(struct world *world);
    void (*on_message)(struct world *world, const struct mqtt_message *message);
};

/* A loop and options for 127.0.0.1 with short back-off; no mqtt yet. */
void world_init(struct world *world, uint16_t port);
/* Creates the mqtt from world->options and starts it. */
void world_start(struct world *world);
/* Ends mqtt (must not hang in a look-up) and loop. */
void world_finish(struct world *world);
/* Turns the loop until `condition`, or fails the test after `timeout_ms`. */
#define world_until(world, timeout_ms, condition)                                \
    do {                                                                         \
        int64_t world_end = clock_now().mono_ms + (timeout_ms);                  \
        while (!(condition)) {                                                   \
            if (clock_now().mono_ms > world_end) {                               \
                fail_msg("not within %d ms: %s", (int)(timeout_ms), #condition); \
            }                                                                    \
            world_turn(world);                                                   \
        }                                                                        \
    } while (0)
void world_turn(struct world *world);
void world_run_for(struct world *world, int64_t ms);
/* A TCP port of loopback that nobody listens on. */
uint16_t free_port(void);

#endif
