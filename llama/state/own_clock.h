/*
 * own_clock: whose clock is wrong? Pure.
 *
 * When three nodes or more are off by the same amount, and they are more than half of all, it is ours.
 */
#ifndef OWN_CLOCK_H
#define OWN_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OWN_CLOCK_NODES 3

struct own_clock { /* embedded, zeroed */
    bool wrong;
    int64_t skew_ms; /* while wrong: what the nodes' clocks show minus what ours does */
    size_t nodes;    /* how many agree on that */
};

/* `skews` (changed: sorted): of those among the `known` nodes that are off by more than SKEW_RIGHT_MS. */
bool own_clock_judge(struct own_clock *own, int64_t *skews, size_t count, size_t known);
/* Might it be ours that is wrong, if the `pending` nodes, whose clocks are not known yet, were off too? */
bool own_clock_possible(size_t count, size_t known, size_t pending);

#endif
