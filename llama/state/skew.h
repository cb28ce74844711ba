/*
 * skew: by how much is a node's clock off? Pure.
 *
 * A message that tells its time arrives late, never early: of the last few, the one that looks least late
 * tells best. So a single delayed one never makes a clock wrong. Messages that come all at once after a stall
 * count as one. When the clock is set, two messages that agree are enough to forget what was before.
 *
 * Values are milliseconds, the node's clock minus ours.
 */
#ifndef SKEW_H
#define SKEW_H

#include <stdbool.h>
#include <stdint.h>

#define SKEW_LIMIT_MS  30000 /* more is wrong, */
#define SKEW_RIGHT_MS  25000 /* until it is no more than this */
#define SKEW_STEADY_MS 10000 /* values no further apart are the same */
#define SKEW_SAMPLES   4

struct skew {                      /* embedded, zeroed */
    int64_t samples[SKEW_SAMPLES]; /* oldest first */
    unsigned count;
    int64_t last_ms; /* monotonic, of the newest sample */
    bool wrong;      /* as of the last skew_judge */
};

/* A message said `skew_ms` when it arrived at now_ms (monotonic); such come every interval_ms. */
void skew_add(struct skew *skew, int64_t skew_ms, int64_t now_ms, int64_t interval_ms);
/* An answer that cannot have been delayed by more than a moment: it replaces all there was. */
void skew_set(struct skew *skew, int64_t skew_ms, int64_t now_ms);
/* The best there is. Requires a sample. */
int64_t skew_best(const struct skew *skew);
/* Is the clock wrong? With some slack, so that one at the limit does not change all the time. False without
 * samples; unchanged while they contradict each other. */
bool skew_judge(struct skew *skew);

#endif
