#include "histogram.h"

void histogram_add(struct histogram *histogram, double seconds)
{
    size_t bucket = 0;
    if (seconds < 0) {
        seconds = 0;
    }
    while (bucket < histogram->bound_count && seconds > histogram->bounds_s[bucket]) {
        bucket++;
    }
    histogram->counts[bucket]++;
    histogram->sum_s += seconds;
    if (seconds > histogram->max_s) {
        histogram->max_s = seconds;
    }
}

uint64_t histogram_count(const struct histogram *histogram)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= histogram->bound_count; i++) {
        count += histogram->counts[i];
    }
    return count;
}
