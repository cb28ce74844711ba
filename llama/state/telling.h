/*
 * telling: how often is one node's change of state worth an event? Pure.
 *
 * A node that changes all the time must not push everybody else's events out of the ring: it may have
 * TELLING_BURST events at once, and one more every TELLING_MS. What is not told is counted, and the next
 * event tells the change since the last one that was told, and how many there were in between. So the last
 * event of a node holds again TELLING_MS after it has settled, at the latest.
 */
#ifndef TELLING_H
#define TELLING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TELLING_BURST 10
#define TELLING_MS    (5 * 60 * 1000)

struct telling { /* embedded, zeroed */
    uint32_t spent;
    uint32_t untold; /* changes since the last event */
    int64_t refilled_ms, untold_since_wall_ms;
};

/* May an event be told at now_ms (monotonic)? If so, it is taken as told; else counted, if it is `news` (not
 * merely asked again). */
bool telling_may(struct telling *telling, bool news, int64_t now_ms, int64_t wall_ms);
/* Appends to the reason what was not told, and begins to count anew. */
void telling_append(struct telling *telling, char *reason, size_t size);

#endif
