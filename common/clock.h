/*
 * clock: the two times a program needs, injectable for tests.
 *
 * Deadlines and ages are measured on the monotonic clock, which never jumps; what people read is wall-clock
 * UTC. Modules that decide something take a `struct now` as an argument and read no clock themselves.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

struct now {
    int64_t mono_ms; /* CLOCK_MONOTONIC, milliseconds; > 0 */
    int64_t wall_ms; /* Unix time in UTC, milliseconds */
};

/* Both clocks, read now. */
struct now clock_now(void);

/* The wall-clock time of something that happened at `mono_ms`, seen from `now`. 0 stays 0 ("never"). */
int64_t clock_wall_of(struct now now, int64_t mono_ms);

#endif
