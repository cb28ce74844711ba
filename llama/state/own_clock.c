#include "own_clock.h"

#include "skew.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static bool is_majority(size_t count, size_t known)
{
    return count >= OWN_CLOCK_NODES && 2 * count > known;
}

bool own_clock_possible(size_t count, size_t known, size_t pending)
{
    return pending > 0 && is_majority(count + pending, known + pending);
}

bool own_clock_judge(struct own_clock *own, int64_t *skews, size_t count, size_t known)
{
    size_t most = 0, at = 0;
    if (is_majority(count, known)) {
        qsort(skews, count, sizeof *skews, compare);
    } else {
        count = 0;
    }
    for (size_t first = 0, end = 0; first < count; first++) {
        while (end < count && skews[end] - skews[first] <= SKEW_STEADY_MS) {
            end++;
        }
        if (end - first > most) {
            most = end - first;
            at = first;
        }
    }
    bool wrong = is_majority(most, known);
    int64_t skew_ms = wrong ? skews[at + most / 2] : 0;
    own->wrong = wrong && (own->wrong || llabs(skew_ms) > SKEW_LIMIT_MS);
    own->skew_ms = own->wrong ? skew_ms : 0;
    own->nodes = own->wrong ? most : 0;
    return own->wrong;
}
