/*
 * frame: live frames (snapshot, delta) rendered from the cache. Pure. Source: contract section 4,
 * `/api/cluster/live`.
 */
#ifndef FRAME_H
#define FRAME_H

#include "api.h"

/* Everything: nodes, readings, stats, the last 50 events, the newest 200 observations and memories. `only`
 * NULL = all nodes. */
struct body *frame_snapshot(const struct cache *cache, const char *instance, const struct node *only,
                            const char *only_name, struct now now);
/* What is newer than `since`, each changed thing once with its latest value, and what is gone. Requires since
 * >= cache_delta_floor(). NULL with *ret_empty = true when there is nothing (for that node). When a node is
 * gone and back, the frame is a snapshot. */
struct body *frame_delta(const struct cache *cache, const char *instance, uint64_t since,
                         const struct node *only, const char *only_name, struct now now, bool *ret_empty);

#endif
