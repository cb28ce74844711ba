/*
 * telling: how often is one node's change of state worth an event? Pure.
 *
 * A node that changes all the time must not push everybody else's events out of the ring. After TELLING_BURST
 * events without an hour's rest, the next one comes a minute later, then after two, and so on up to
 * TELLING_MAX_MS. What is not told is counted; the next event tells the change since the last one that was
 * told, and how many there were in between. So a node's last event holds again soon after it has settled.
 */
#ifndef TELLING_H
#define TELLING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TELLING_BURST   60
#define TELLING_MIN_MS  (60 * 1000)
#define TELLING_MAX_MS  (10 * 60 * 1000)
#define TELLING_REST_MS (60 * 60 * 1000)

struct telling { /* embedded, zeroed; times are monotonic but for the last */
    uint32_t told;
    uint32_t untold; /* changes since the last event */
    int64_t changed_ms, told_ms, wait_ms;
    int64_t untold_since_wall_ms;
};

/* May an event be told now? If so, it is taken as told; else counted, if it is `news` (not merely asked
 * again). */
bool telling_may(struct telling *telling, bool news, int64_t now_ms, int64_t wall_ms);
/* Appends to the reason what was not told, and begins to count anew. */
void telling_append(struct telling *telling, char *reason, size_t size);

#endif
