/*
 * frame_internal: what snapshots and deltas have in common.
 */
#ifndef FRAME_INTERNAL_H
#define FRAME_INTERNAL_H

#include "api_internal.h"
#include "frame.h"

extern const char *const frame_keys[ITEM_KINDS]; /* "readings", … */

/* Opens the object: type, instance, revision, timestamp. */
void frame_open(struct buf *out, const struct frame_view *view, const char *type);
/* `"key":[`, with a comma if one is due. */
void frame_open_list(struct buf *out, const char *key);
/* Is the event one of a node that is watched? Those of the whole cluster concern every session. */
bool frame_watches_event(const struct frame_view *view, const struct event *event);

#endif
