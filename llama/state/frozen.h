/*
 * frozen: does a sensor stand still? Pure.
 *
 * A reading is frozen when its own timestamp has not moved for FROZEN_MIN_MS, or for FROZEN_INTERVALS of the
 * interval at which readings are fetched if that is longer, while snapshots kept coming. What counts is what
 * was seen to stand still: after a gap in the snapshots the time begins anew, and so it does when llamad
 * starts. Whose timestamp cannot be read is never frozen.
 *
 * Times are monotonic milliseconds, those of the snapshots; 0 = never.
 */
#ifndef FROZEN_H
#define FROZEN_H

#include <stdbool.h>
#include <stdint.h>

#define FROZEN_MIN_MS    (5 * 60 * 1000)
#define FROZEN_INTERVALS 10

struct frozen_stream { /* embedded, zeroed: the snapshots of one node, as they come */
    int64_t since_ms;  /* without a gap since then */
    int64_t last_ms;
};

/* How long may a timestamp stand? interval_s: 0 = not known. */
int64_t frozen_after_ms(uint32_t interval_s);
/* A snapshot was made at at_ms. One that is not after the last changes nothing. */
void frozen_note(struct frozen_stream *stream, int64_t at_ms, uint32_t interval_s);
/* Do they come no more? */
bool frozen_ended(const struct frozen_stream *stream, int64_t now_ms, uint32_t interval_s);
/* As of the last snapshot: has a timestamp that moved last at moved_ms stood for too long? */
bool frozen_is(const struct frozen_stream *stream, int64_t moved_ms, uint32_t interval_s);

#endif
