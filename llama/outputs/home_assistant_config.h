/*
 * home_assistant_config: discovery messages of Home Assistant's MQTT integration: one per node, and one for
 * the Llama. Pure. Source: home-assistant/core, components/mqtt; docs/home-assistant.md lists the entities.
 *
 * An entity that was announced keeps its kind as long as it can take what comes (`before`), so that a value
 * whose type changes all the time does not make it another one all the time. What was announced and is no
 * more stands once as {"platform": …} alone, which removes it; the next message leaves it out.
 */
#ifndef HOME_ASSISTANT_CONFIG_H
#define HOME_ASSISTANT_CONFIG_H

#include "home_assistant_name.h"
#include "home_assistant_unit.h"

#define HA_ORIGIN     "smollama-cluster"
#define HA_LLAMA_SLUG "_llamad" /* no slug of a node begins so */
#define HA_KEY_SIZE   (HA_SLUG_SIZE + 2)
#define HA_LEAST      16384 /* bytes that a message without readings may take */

struct ha_component {
    char key[HA_KEY_SIZE];
    enum ha_kind kind;
    bool removed; /* stands in the message to be removed */
};
struct ha_components { /* sorted by key; start with zeroed memory */
    struct ha_component *list;
    size_t count, cap;
};
void ha_components_finish(struct ha_components *components);
/* What a message of ours announces. 0, -EBADMSG (not JSON), -EPERM (not of ours), -ENOMEM. */
int ha_components_read(const char *payload, size_t len, struct ha_components *ret_components);

struct ha_options { /* borrowed */
    const char *base_topic;
    const char *url; /* of the dashboard; "" = not known */
    const char *version;
};
/* Changes with whatever the message depends on, but for the options; not with values. */
uint64_t ha_shape(const struct node *node);
/* Appends the node's message, at most `limit` bytes (HA_LEAST or more): *ret_left_out readings did not fit.
 * *ret_after is what it announces; true if something in it is there to be removed. A failure shows in `out`.
 */
bool ha_write_node(struct buf *out, const struct ha_options *options, const struct node *node,
                   const struct ha_components *before, size_t limit, struct ha_components *ret_after,
                   uint32_t *ret_left_out);
void ha_write_llama(struct buf *out, const struct ha_options *options);

#endif
