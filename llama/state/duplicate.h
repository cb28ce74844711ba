/*
 * duplicate: do two agents speak under one name? Pure.
 *
 * Of an agent that was started again the former session is silent for good. One that was superseded and sends
 * new heartbeats within DUPLICATE_MS is another agent. That ends so long after the two alternated last.
 *
 * Times are monotonic milliseconds.
 */
#ifndef DUPLICATE_H
#define DUPLICATE_H

#include <stdbool.h>
#include <stdint.h>

#define DUPLICATE_MS (10 * 60 * 1000)

struct duplicate { /* embedded, zeroed */
    bool stands;
    bool other_spoke; /* the last heartbeat was not one of the current session */
    int64_t alternated_ms;
};

/* A new heartbeat of a superseded session, which was heard, or superseded, last at heard_ms. */
void duplicate_other(struct duplicate *duplicate, int64_t heard_ms, int64_t now_ms);
/* One of the current session. */
void duplicate_current(struct duplicate *duplicate, int64_t now_ms);
/* True when it ends now. */
bool duplicate_ends(struct duplicate *duplicate, int64_t now_ms);

#endif
