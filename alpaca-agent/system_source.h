/*
 * system_source: this machine's own readings from /proc and /sys, in the form of Smollama's API, for machines
 * without one.
 *
 * The ids, units and sources are those of Smollama's system readings, so both kinds of node compare:
 * cpu_temp, cpu_freq, mem_percent, mem_available_mb, load_avg. What a machine does not have is 0.0, as there.
 */
#ifndef SYSTEM_SOURCE_H
#define SYSTEM_SOURCE_H

#include "answer.h"
#include "buf.h"

#include <stdint.h>
#include <time.h>

/* `root` stands in front of /proc and /sys: "" but in tests. `wall` is the time that the bodies carry, as
 * local time. */

/* Appends what /api/readings would answer. 0 or -ENOMEM. */
int system_readings(const char *root, struct timespec wall, struct buf *out);
/* Appends what /api/stats would answer. 0 or -ENOMEM. */
int system_stats(const char *node_name, struct timespec wall, struct buf *out);
/* Stands in for a fetch: calls `answered` at once with the readings or the stats. */
void system_fetch(const char *node_name, enum report_kind kind,
                  void (*answered)(void *user, const struct answer *answer), void *user);

/* Seconds since the machine started; 0 if unknown. */
uint64_t system_uptime_s(const char *root);
/* What to add to UTC for this machine's local time at `wall_s`, in seconds. The zone file is looked at anew
 * each time. */
int32_t system_utc_offset_s(time_t wall_s);

#endif
