/*
 * home_assistant_name: names of ours as Home Assistant takes them. Pure.
 *
 * A slug has [a-z0-9_-] only, and depends on nothing but the name, so that ids stay the same in whatever
 * order things appear. A name that is no slug itself (or could be taken for the slug of another) gets its
 * hash behind: two that look alike stay apart.
 */
#ifndef HOME_ASSISTANT_NAME_H
#define HOME_ASSISTANT_NAME_H

#include "buf.h"

#define HA_SLUG_MAX  60 /* bytes */
#define HA_SLUG_SIZE (HA_SLUG_MAX + 1)

void ha_slug(const char *name, size_t len, char slug[HA_SLUG_SIZE]);
/* "sensor.pi_kitchen_system_cpu_temp": what an entity is called if that is free. */
void ha_write_entity_id(struct buf *out, const char *domain, const char *node, const char *name, size_t len);
/* For people: "system cpu temp"; without control characters, and not without end. As a JSON string. */
void ha_write_label(struct buf *out, const char *name, size_t len);
/* The inside of a JSON string whose content is a string literal of a template: 'system:cpu_temp'. */
void ha_write_literal(struct buf *out, const char *text, size_t len);

#endif
