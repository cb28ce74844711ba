#include "history.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#define NUMBERS_LEAST 4 /* first, last, lowest, highest */

static size_t count_numbers(const struct history_point *points, size_t count)
{
    size_t numbers = 0;
    for (size_t i = 0; i < count; i++) {
        numbers += isnan(points[i].value) ? 0 : 1;
    }
    return numbers;
}

/* Of each of `parts` equal parts of the time its lowest and its highest; the first and the last of all. */
static void choose(const struct history_point *points, size_t count, size_t parts,
                   bool ret_kept[HISTORY_POINTS])
{
    int64_t begin_ms = points[0].at_ms, span_ms = points[count - 1].at_ms - begin_ms + 1;
    size_t part = SIZE_MAX, low = 0, high = 0, last = 0;
    memset(ret_kept, 0, HISTORY_POINTS * sizeof *ret_kept);
    for (size_t i = 0; i < count; i++) {
        if (isnan(points[i].value)) {
            continue;
        }
        size_t of = (size_t)((points[i].at_ms - begin_ms) * (int64_t)parts / span_ms);
        if (of != part) {
            ret_kept[low] = ret_kept[high] = true;
            part = of;
            low = high = i;
        }
        low = points[i].value < points[low].value ? i : low;
        high = points[i].value > points[high].value ? i : high;
        last = i;
    }
    ret_kept[low] = ret_kept[high] = ret_kept[last] = true;
}

size_t history_thin(struct history_point points[HISTORY_POINTS], size_t count, size_t most)
{
    bool kept[HISTORY_POINTS];
    assert(count <= HISTORY_POINTS);
    most = most > NUMBERS_LEAST ? most : NUMBERS_LEAST;
    if (count_numbers(points, count) <= most) {
        return count;
    }
    choose(points, count, (most - 2) / 2, kept);
    struct history_point gap = {.value = 0}; /* NAN: met since the last number that stays */
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        if (isnan(points[i].value)) {
            gap = isnan(gap.value) ? gap : points[i];
        } else if (kept[i]) {
            struct history_point number = points[i];
            if (isnan(gap.value)) {
                points[left++] = gap;
                gap.value = 0;
            }
            points[left++] = number;
        }
    }
    if (isnan(gap.value)) {
        points[left++] = gap;
    }
    return left;
}
