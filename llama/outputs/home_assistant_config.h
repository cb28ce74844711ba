/*
 * home_assistant_config: discovery messages of Home Assistant's MQTT integration: one per node, and one for
 * the Llama. Pure. Source: home-assistant/core, components/mqtt; docs/home-assistant.md lists the entities.
 *
 * An entity that was announced keeps its kind (`before`): a value that is none of its kind is unknown. So a
 * sensor that says "error" for a while keeps its unit and its statistics. Only when all values that were
 * looked at for HA_PATIENCE_MS needed a wider kind, it becomes of that one. What was announced and is no more
 * stands once as {"platform": …} alone, which removes it; the next message leaves it out.
 */
#ifndef HOME_ASSISTANT_CONFIG_H
#define HOME_ASSISTANT_CONFIG_H

#include "home_assistant_components.h"

#define HA_LLAMA_SLUG  "_llamad" /* no slug of a node begins so */
#define HA_LEAST       16384     /* bytes that a message without readings may take */
#define HA_PATIENCE_MS 300000

struct ha_options { /* borrowed */
    const char *base_topic;
    const char *url; /* of the dashboard; "" = not known */
    const char *version;
};
/* Changes with whatever the message depends on, but for the options and time; not with values. */
uint64_t ha_shape(const struct node *node);

struct ha_message {
    struct ha_components after; /* what it announces; finish it */
    uint32_t left_out;          /* readings that did not fit */
    bool removes;          /* something in it is there to be removed, or had no room: another one follows */
    int64_t look_again_ms; /* monotonic; an entity may be of another kind from then on; 0 = none */
};
/* Appends the node's message, at most `limit` bytes (HA_LEAST or more). now_ms is monotonic. A failure shows
 * in `out`. */
void ha_write_node(struct buf *out, const struct ha_options *options, const struct node *node,
                   const struct ha_components *before, size_t limit, int64_t now_ms,
                   struct ha_message *ret_message);
void ha_write_llama(struct buf *out, const struct ha_options *options);

#endif
