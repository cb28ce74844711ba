/*
 * status: what llamad says of itself: the members of /api/health, and the families of /metrics, that only the
 * whole program knows.
 */
#ifndef STATUS_H
#define STATUS_H

#include "announce.h"
#include "broker.h"
#include "discovery.h"
#include "home_assistant.h"
#include "ingest.h"
#include "keeper.h"
#include "poller.h"
#include "server.h"
#include "states.h"

struct status_parts { /* borrowed */
    const struct cache *cache;
    const struct keeper *keeper; /* NULL: nothing is kept */
    const struct ingest *ingest;
    const struct announce *announce; /* NULL: nothing is published */
    const struct states *states;     /* likewise */
    const struct home_assistant *home_assistant;
    const struct poller *poller;
    const struct discovery *discovery; /* NULL if it is off */
    const struct server *server;
    const struct broker *broker; /* NULL unless llamad runs one */
    const char *host;            /* of the broker */
    uint16_t port;
    const struct loop *loop;
    int64_t started_wall_ms;
};

/* Appends "broker", "poller", "discovery", "store", "published", "home_assistant", "http", "mqtt_refused" and
 * "loop" to an object. */
void status_write_health(const struct status_parts *parts, struct buf *out);
/* Appends families in the form of exposition.h. */
void status_write_metrics(const struct status_parts *parts, struct buf *out);

#endif
