/*
 * announce: what llamad itself says over MQTT, for other programs (contract, section 1): each event on
 * llama/events, QoS 1, not retained, as the API gives it.
 *
 * While there is no connection nothing is queued: the events themselves wait in their ring, and are published
 * in their order after the next connect. Those of earlier runs are not told again. One that was under way
 * when a connection broke may come twice; its id tells.
 */
#ifndef ANNOUNCE_H
#define ANNOUNCE_H

#include "cache.h"
#include "mqtt.h"

#define ANNOUNCE_EVENTS "llama/events"

struct announce;
/* Borrows both. What the cache holds by now counts as told. NULL without memory. */
struct announce *announce_create(const struct cache *cache, struct mqtt *mqtt);
/* Publishes what is new, if the connection stands. Call it after changes, at each tick and when connected. */
void announce_changed(struct announce *announce); /* accepts NULL */
void announce_destroy(struct announce *announce); /* accepts NULL */

struct announce_stats {
    uint64_t events;   /* published */
    uint64_t left_out; /* pushed out of the ring before they could be, or refused by the broker's limits */
};
struct announce_stats announce_stats(const struct announce *announce);

#endif
