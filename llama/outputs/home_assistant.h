/*
 * home_assistant: announces every node to Home Assistant: a discovery message for each on
 * <prefix>/device/<base topic>/<slug>/config, retained, and one for the Llama.
 *
 * A message goes when what it depends on has stood still for a moment, and only if the broker has another one
 * or none: after each connect llamad reads its own retained messages first. What these announce and nobody
 * has told of yet is removed HA_ORPHAN_MS after the first connect, not before. Those of nodes that nobody has
 * told of by HA_ORPHAN_MS after the first connect are cleared; messages of others under our topic are left
 * alone unless a node of ours needs their place. When Home Assistant starts (its birth message), everything
 * goes once more after a random delay, and the states after it.
 */
#ifndef HOME_ASSISTANT_H
#define HOME_ASSISTANT_H

#include "cache.h"
#include "loop.h"
#include "mqtt.h"

#define HA_ORPHAN_MS 30000
#define HA_BIRTH_MS  30000 /* the longest delay after a birth message */

struct home_assistant;
struct home_assistant_options { /* copied */
    const char *prefix, *base_topic, *version;
    const char *url; /* of the dashboard, http or https; NULL or another = not told */
    bool enabled;    /* false: what an earlier run announced is cleared */
    /* Publish the states of this node, of all nodes, once more. */
    void (*repeat)(void *user, const char *name);
    void (*repeat_all)(void *user);
    void *user;
};
/* Borrows the first three. NULL without memory. */
struct home_assistant *home_assistant_create(struct loop *loop, const struct cache *cache, struct mqtt *mqtt,
                                             const struct home_assistant_options *options);
/* The node may have other readings than before. Accepts NULL, as all of these. */
void home_assistant_node(struct home_assistant *ha, const struct node *node);
/* Nobody knows the node any more: true when its device is removed, and its topics may be emptied. */
bool home_assistant_gone(struct home_assistant *ha, const char *name);
/* At each tick and when connected. */
void home_assistant_tick(struct home_assistant *ha);
/* True if it was one of those that are subscribed to. */
bool home_assistant_message(struct home_assistant *ha, const struct mqtt_message *message);
void home_assistant_stop(struct home_assistant *ha); /* nothing is published after it */
void home_assistant_destroy(struct home_assistant *ha);

struct home_assistant_stats {
    uint64_t configs, unchanged, cleared; /* messages: published, not resent, removed */
    uint64_t foreign;                     /* of others, under our topic */
    uint64_t left_out;                    /* readings or messages above the limits */
    uint64_t births;
    size_t waiting;
};
struct home_assistant_stats home_assistant_stats(const struct home_assistant *ha);

#endif
