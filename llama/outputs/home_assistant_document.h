/*
 * home_assistant_document: the pieces that discovery messages are made of. Pure.
 */
#ifndef HOME_ASSISTANT_DOCUMENT_H
#define HOME_ASSISTANT_DOCUMENT_H

#include "home_assistant_components.h"
#include "home_assistant_config.h"

struct ha_document { /* being written; borrows all */
    struct buf *out;
    const struct ha_options *options;
    const struct node *node; /* NULL: the Llama's */
    char slug[HA_SLUG_SIZE];
    struct ha_components *after; /* what it announces; NULL: not of interest */
    size_t limit;                /* length of `out` that readings may take */
    int64_t now_ms, look_again_ms;
};
/* "device" and "origin": the document is begun. */
void ha_write_device(struct ha_document *document);

void ha_member(struct buf *out, const char *key, const char *text);
/* Begins a component: "platform", "unique_id", "default_entity_id" and "name". */
void ha_open_component(struct ha_document *document, const char *key, enum ha_kind kind, const char *name,
                       size_t name_len);
/* The node's topic, as a string. */
void ha_write_topic(struct ha_document *document, const char *leaf);
/* Of a reading, that of the node, too; of what tells how the node is, that of llamad alone. */
void ha_write_availability(struct ha_document *document, bool of_node);

struct ha_fixed { /* NULL: none */
    const char *key, *name, *device_class, *unit, *template;
    bool number;
};
/* A diagnostic component, but for the brace that closes it. */
void ha_write_fixed(struct ha_document *document, const struct ha_fixed *fixed);

#endif
