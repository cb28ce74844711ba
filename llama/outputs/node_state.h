/*
 * node_state: what llamad publishes of a node for other programs, as MQTT payloads (contract, section 1).
 * Pure.
 *
 *   llama/<node>/state         {"system:cpu_temp":45.3,…,"_node":{"state","cause","via","last_seen",…}}
 *   llama/<node>/observation   the newest observation, as the API lists it
 *   llama/<node>/availability  "online" or "offline"
 *   llama/cluster              {"nodes":{"total",…},"broker","version"}
 *
 * The values are the node's own JSON: numbers keep their digits. What strict readers refuse, with all that
 * stands around it, does not get through (strict_json.h).
 */
#ifndef NODE_STATE_H
#define NODE_STATE_H

#include "buf.h"
#include "cache.h"

/* Where the states are: behind them come "<node>/state" and so on. */
#define NODE_STATE_ROOT    "llama/"
#define NODE_STATE_STATUS  "llama/status"
#define NODE_STATE_CLUSTER "llama/cluster"
#define NODE_STATE_MAX     1000000 /* bytes of a state: the room of a report */
#define NODE_STATE_LEAST   2048    /* bytes that any state may take */

/* The name under which a state tells of the node itself; a reading of that name is left out. */
#define NODE_STATE_SELF "_node"

/* The value and unit of a reading; JSON_ABSENT where it has none. */
struct reading {
    struct json_slice value, unit;
};
struct reading node_state_reading(const struct item *item);

/* Appends the state. Readings that would take it above `limit` bytes (NODE_STATE_LEAST … NODE_STATE_MAX) are
 * left out; how many. */
uint32_t node_state_write(struct buf *out, const struct node *node, size_t limit);
/* "online": its readings are of now, or were a moment ago. */
const char *node_state_availability(const struct node *node);
/* The newest by time; NULL = it has none. */
const struct item *node_state_observation(const struct node *node);
/* Appends that; nothing if it has none. */
void node_state_write_observation(struct buf *out, const struct node *node);
/* `broker`: where llamad is connected to, to be shown. */
void node_state_write_cluster(struct buf *out, const struct cache *cache, const char *broker,
                              const char *version);

#endif
