/*
 * mqtt_inflight: which topic a packet identifier stands for, until the broker has answered it. Pure.
 *
 * Embedded; start with zeroed memory. Identifiers come in sequence, so a table indexed by their low bits,
 * doubled when two collide, holds what is under way without searching.
 */
#ifndef MQTT_INFLIGHT_H
#define MQTT_INFLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mqtt_inflight_slot {
    char *topic; /* owned; NULL = free */
    size_t len;  /* of the payload */
    uint16_t mid;
};

struct mqtt_inflight {
    struct mqtt_inflight_slot *slots;
    size_t size; /* a power of two, or 0 */
    size_t count;
    size_t bytes; /* payloads under way */
};

/* Copies `topic`. 0 or -ENOMEM. */
int mqtt_inflight_add(struct mqtt_inflight *inflight, uint16_t mid, const char *topic, size_t len);
/* The topic of `mid`, now the caller's to free; NULL if it is not known. */
char *mqtt_inflight_take(struct mqtt_inflight *inflight, uint16_t mid);
bool mqtt_inflight_has(const struct mqtt_inflight *inflight, const char *topic);
/* Forgets all, and frees the memory. */
void mqtt_inflight_clear(struct mqtt_inflight *inflight);

#endif
