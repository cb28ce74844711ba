/*
 * histogram: how often something took how long, counted in buckets. Pure.
 */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BOUNDS_MAX 12

/* Embedded; starts with HISTOGRAM_INIT of a static array of rising bounds, at most HISTOGRAM_BOUNDS_MAX. */
struct histogram {
    const double *bounds_s; /* a bucket holds what is not above its bound, and above the one before */
    size_t bound_count;
    uint64_t counts[HISTOGRAM_BOUNDS_MAX + 1]; /* each bucket's own; the last one is for all above */
    double sum_s, max_s;
};
#define HISTOGRAM_INIT(bounds) \
    ((struct histogram){.bounds_s = (bounds), .bound_count = sizeof(bounds) / sizeof *(bounds)})

/* Negative durations (a clock that was read twice in the wrong order) count as 0. */
void histogram_add(struct histogram *histogram, double seconds);
uint64_t histogram_count(const struct histogram *histogram);

#endif
