/*
 * ingest: MQTT → cache. Subscribes, decodes, limits, and hands what is good to the cache; counts and logs
 * what is not.
 *
 * After each connect it also checks what the broker replayed: a node whose snapshots are missing is asked to
 * send them again. Nothing is ever published under smollama/.
 */
#ifndef INGEST_H
#define INGEST_H

#include "cache.h"
#include "mqtt.h"

struct ingest;
struct ingest_callbacks {
    void (*changed)(void *user);       /* the cache may have changed: after each batch */
    void (*link)(void *user, bool up); /* the broker link went up or down; may be NULL */
    /* May this announced URL be polled, as far as its text tells (scheme, numeric address in poll_allow;
     * names are checked at connect)? */
    bool (*url_allowed)(void *user, const char *url);
    /* A message on a topic that is none of the agents': true if somebody else subscribed to it; may be NULL.
     */
    bool (*other)(void *user, const struct mqtt_message *message);
    void *user;
};
/* Copies the options; their client id must be unique per instance, and keepalive set. Borrows loop and cache.
 * NULL with *ret_error (static text). */
struct ingest *ingest_create(struct loop *loop, struct cache *cache, const char *base_topic,
                             const struct mqtt_options *options, const struct ingest_callbacks *callbacks,
                             const char **ret_error);
void ingest_start(struct ingest *ingest);
/* Publishes an empty message on the node's refresh topic. 0 or -errno. */
int ingest_refresh(struct ingest *ingest, const char *node);
/* Publishes empty retained payloads on all the node's topics. 0 or -errno. */
int ingest_clear(struct ingest *ingest, const char *node);
/* The connection, for whoever else publishes on it. */
struct mqtt *ingest_mqtt(const struct ingest *ingest);
void ingest_stop(struct ingest *ingest, uint32_t timeout_ms, void (*done)(void *user), void *user);
bool ingest_destroy(struct ingest *ingest); /* as mqtt_destroy; accepts NULL */

#endif
