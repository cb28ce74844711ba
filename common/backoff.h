/*
 * backoff: how long to wait before the next try; exponential with jitter, pure.
 *
 * Each wait is drawn evenly from [half, whole] of min * 2^attempt, capped at max, so that a thousand agents
 * that lost one broker do not come back in the same second.
 */
#ifndef BACKOFF_H
#define BACKOFF_H

#include <stdint.h>

struct backoff {
    uint32_t min_ms, max_ms;
    uint32_t attempt; /* tries since the last reset */
    uint64_t random;  /* xorshift state, never 0 */
};

/* Requires 0 < min_ms <= max_ms. `seed` should differ between processes; 0 is allowed. */
void backoff_init(struct backoff *b, uint32_t min_ms, uint32_t max_ms, uint64_t seed);
/* The next wait in milliseconds; each call counts as one failed attempt. */
uint32_t backoff_next_ms(struct backoff *b);
/* After a success: the next wait is short again. */
void backoff_reset(struct backoff *b);
/* An evenly drawn number in [0, range); range > 0. For jitter elsewhere. */
uint32_t backoff_random(struct backoff *b, uint32_t range);

#endif
