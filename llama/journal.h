/*
 * journal: what becomes of the nodes, in the log: who is new, who was forgotten, and every event.
 *
 * Lines are bounded whatever the nodes do: newcomers share a line a second, and a node that changes its state
 * all the time has so many lines a minute; the log says how many it left out.
 */
#ifndef JOURNAL_H
#define JOURNAL_H

#include "cache.h"

#define JOURNAL_LINES 8    /* for the events of one node in a minute */
#define JOURNAL_SLOTS 4096 /* nodes that are counted; two that share a slot share the lines */

struct journal {       /* embedded; start zeroed */
    uint64_t event;    /* the last one seen */
    uint64_t revision; /* of the newest removal seen */
    int64_t nodes_ms;  /* whoever was added before was seen, monotonic */
    int64_t minute_ms; /* when the counts below began, monotonic */
    uint64_t left_out; /* since then */
    unsigned char lines[JOURNAL_SLOTS];
};

/* Writes what is new since the last call. Call it after changes and at each tick. */
void journal_write(struct journal *journal, const struct cache *cache, struct now now);

#endif
