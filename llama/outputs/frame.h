/*
 * frame: live frames (snapshot, delta) rendered from the cache. Pure. Source: contract section 4,
 * `/api/cluster/live` (docs/api.md).
 *
 * A snapshot in parts is several messages in one body (body->ends): the snapshot itself, with all its keys,
 * and then parts with what did not fit. A message ends before the element that would come after FRAME_PART
 * bytes, so it is longer than that by one element at most, and by the short forms of what the first one has
 * to name.
 */
#ifndef FRAME_H
#define FRAME_H

#include "api.h"

#define FRAME_PART ((size_t)96 * 1024)

/* What a frame is of, and for whom. Borrows all. */
struct frame_view {
    const struct cache *cache;
    const char *instance;
    const struct node *only; /* the node that is watched, NULL while it is not known */
    const char *name;        /* its name; NULL = all nodes are watched */
    bool parts;              /* snapshots come in parts */
    struct now now;
};

/* Everything: nodes, readings, stats, the last 50 events, the newest 200 observations and memories. NULL
 * without memory. */
struct body *frame_snapshot(const struct frame_view *view);
/* Can't a delta tell what is newer than `since`? A node that is gone and back is too much for one. Requires
 * since >= cache_delta_floor(), as the next. */
bool frame_needs_snapshot(const struct frame_view *view, uint64_t since);
/* What is newer than `since`, each changed thing once with its latest value, and what is gone. NULL without
 * memory, or with *ret_empty = true when there is nothing (for that node). Requires !frame_needs_snapshot().
 */
struct body *frame_delta(const struct frame_view *view, uint64_t since, bool *ret_empty);

#endif
