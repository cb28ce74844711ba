/*
 * states: publishes what is known of each node (node_state) over MQTT, retained, QoS 1, on change, at most
 * once a second per node; llama/cluster likewise; and llama/status, whose other half is the connection's
 * will.
 *
 * Work is spread: changes only mark a node, a timer publishes, and never has more than a few messages
 * unacknowledged. So a burst at the cache costs one message a node and second, whatever comes in. While there
 * is no connection nothing is queued; after each connect everything is published once. What a forgotten node
 * had is cleared, also of an earlier run: what the broker still holds of nodes that nobody has told of by
 * ORPHAN_MS after the first connect goes. Who says that llamad is offline (the will of an earlier run, which
 * the broker may send late; another llamad that stops) is contradicted.
 */
#ifndef STATES_H
#define STATES_H

#include "cache.h"
#include "loop.h"
#include "mqtt.h"

#define STATES_PAUSE_MS 1000  /* between two messages of one node */
#define ORPHAN_MS       30000 /* as long as an edge node may take to speak */

struct states;
/* What else follows the nodes. May be NULL each. */
struct states_watch {
    /* A node's state was published, or would have been if it were not the same as before. */
    void (*published)(void *user, const struct node *node);
    /* Nobody knows the node any more: true when nothing is left of what was made of its topics, which are
     * cleared then. Asked again every STATES_PAUSE_MS until it is. */
    bool (*gone)(void *user, const char *name);
    void *user;
};
/* Borrows loop, cache, mqtt; copies the rest; sets the will of `mqtt`, which is not started yet. `broker`:
 * what to call it. NULL without memory. */
struct states *states_create(struct loop *loop, const struct cache *cache, struct mqtt *mqtt,
                             const char *broker, const char *version, const struct states_watch *watch);
/* Call it after changes, at each tick and when connected. */
void states_changed(struct states *states); /* accepts NULL */
/* A message on a topic under llama/; true if it was one of ours (llama/status is subscribed to, and
 * llama/+/availability until the orphans are known). */
bool states_message(struct states *states, const struct mqtt_message *message); /* accepts NULL */
/* Publishes this node once more, though nothing changed. */
void states_repeat(struct states *states, const char *name);
/* All of them. */
void states_repeat_all(struct states *states);
/* Says offline; nothing is published after it. */
void states_stop(struct states *states);    /* accepts NULL */
void states_destroy(struct states *states); /* accepts NULL */

struct states_stats {
    uint64_t messages; /* published, all kinds */
    uint64_t left_out; /* readings or messages that would be above the limits */
    uint64_t cleared;  /* nodes */
    size_t waiting;    /* nodes to be published */
};
struct states_stats states_stats(const struct states *states);

#endif
