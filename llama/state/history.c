#include "history.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define POINTS_FIRST  2
#define POINTS_SMALL  30 /* up to here it may grow within the whole budget */
#define NUMBERS_MAX   4  /* in a bucket: first, last, lowest, highest */
#define WIDER_MAX     6  /* doublings of a bucket: then it is as long as the span */
#define MALLOC_OWN    sizeof(size_t)
#define GAP_INTERVALS 3
#define GAP_MIN_MS    15000
#define INTERVAL_MS   60000 /* the usual distance, as long as none is known */

struct point {
    uint32_t offset_ms; /* since base_ms */
    float value;        /* NAN: no value from here on */
};

/* malloc hands out 16 n + 8 bytes: with this head and an even number of points none is wasted. */
struct history {
    int64_t base_ms;
    uint32_t interval_ms; /* the usual distance of samples; 0 = not known */
    uint16_t count, cap;
    uint8_t wider;  /* doublings of the bucket */
    bool after_gap; /* the last distance was one */
    struct point points[];
};

static size_t bytes_of(size_t cap)
{
    return sizeof(struct history) + cap * sizeof(struct point) + MALLOC_OWN;
}

_Static_assert(sizeof(struct history) + HISTORY_POINTS * sizeof(struct point) + MALLOC_OWN <= HISTORY_BYTES,
               "a history has its size");
_Static_assert((HISTORY_BUCKET_MS << WIDER_MAX) >= HISTORY_SPAN_MS, "the widest bucket holds the span");

static int64_t time_of(const struct history *history, size_t i)
{
    return history->base_ms + history->points[i].offset_ms;
}

/* ---- thinning ---- */

static void take_out(struct history *history, size_t i)
{
    struct point *points = history->points;
    memmove(points + i, points + i + 1, (history->count - i - 1) * sizeof *points);
    history->count--;
}

/* Where the bucket of the newest point begins. */
static size_t bucket_begin(const struct history *history)
{
    int64_t width_ms = (int64_t)HISTORY_BUCKET_MS << history->wider;
    int64_t newest_ms = time_of(history, history->count - 1u), into_ms = newest_ms % width_ms;
    int64_t from_ms = newest_ms - (into_ms < 0 ? into_ms + width_ms : into_ms);
    size_t i = history->count - 1u;
    while (i > 0 && time_of(history, i - 1) >= from_ms) {
        i--;
    }
    return i;
}

/* One number more than allowed came into the bucket: one goes that is neither its first, nor its last, nor an
 * extreme. Of two gaps that then touch, the first stays. */
static void thin_bucket(struct history *history, size_t begin)
{
    const struct point *points = history->points;
    size_t first = history->count, last = 0, low = 0, high = 0, numbers = 0;
    for (size_t i = begin; i < history->count; i++) {
        if (isnan(points[i].value)) {
            continue;
        }
        if (numbers++ == 0) {
            first = low = high = i;
        }
        low = points[i].value < points[low].value ? i : low;
        high = points[i].value > points[high].value ? i : high;
        last = i;
    }
    if (numbers <= NUMBERS_MAX) {
        return;
    }
    size_t i = first + 1;
    while (i < last && (isnan(points[i].value) || i == low || i == high)) {
        i++;
    }
    assert(i < last); /* of five numbers at least one ends this before the last */
    take_out(history, i);
    if (isnan(points[i - 1].value) && isnan(points[i].value)) {
        take_out(history, i);
    }
}

static void thin_again(struct history *history)
{
    size_t count = history->count;
    history->wider++;
    history->count = 0;
    for (size_t i = 0; i < count; i++) {
        history->points[history->count++] = history->points[i];
        thin_bucket(history, bucket_begin(history));
    }
}

/* ---- room ---- */

/* Where those not before `since_ms` begin. *ret_clip: what stood still into them began earlier. */
static size_t first_since(const struct history *history, int64_t since_ms, bool *ret_clip)
{
    size_t i = 0;
    while (i < history->count && time_of(history, i) < since_ms) {
        i++;
    }
    *ret_clip = i > 0 && i < history->count && time_of(history, i) > since_ms &&
                history->points[i - 1].value == history->points[i].value;
    return i;
}

static void drop_old(struct history *history, int64_t since_ms)
{
    bool clip;
    size_t begin = first_since(history, since_ms, &clip);
    if (clip) {
        history->points[--begin].offset_ms = (uint32_t)(since_ms - history->base_ms);
    }
    history->count = (uint16_t)(history->count - begin);
    memmove(history->points, history->points + begin, history->count * sizeof *history->points);
}

static bool may_take(const struct history_budget *budget, size_t cap, size_t more)
{
    size_t limit = cap <= POINTS_SMALL ? budget->limit : budget->limit / 4 * 3;
    return budget->bytes <= limit && more <= limit - budget->bytes;
}

static bool grow(struct history **history, struct history_budget *budget)
{
    size_t old_cap = (*history)->cap, cap = 2 * old_cap + 2;
    if (cap > HISTORY_POINTS) {
        cap = HISTORY_POINTS;
    }
    size_t more = bytes_of(cap) - bytes_of(old_cap);
    if (cap == old_cap || !may_take(budget, cap, more)) {
        return false;
    }
    struct history *grown = realloc(*history, bytes_of(cap) - MALLOC_OWN);
    if (!grown) {
        return false;
    }
    grown->cap = (uint16_t)cap;
    grown->wider = 0;
    budget->bytes += more;
    *history = grown;
    return true;
}

static void make_room(struct history **history, struct history_budget *budget, int64_t now_ms)
{
    if ((*history)->count == (*history)->cap) {
        drop_old(*history, now_ms - HISTORY_SPAN_MS);
    }
    if ((*history)->count < (*history)->cap || grow(history, budget)) {
        return;
    }
    while ((*history)->count == (*history)->cap && (*history)->wider < WIDER_MAX) {
        thin_again(*history);
    }
    if ((*history)->count == (*history)->cap) {
        take_out(*history, 0);
    }
}

/* Offsets begin anew when the 49 days that they can tell are over. */
static void rebase(struct history *history, int64_t at_ms, int64_t now_ms)
{
    drop_old(history, now_ms - HISTORY_SPAN_MS);
    uint32_t moved_ms = history->count ? history->points[0].offset_ms : 0;
    for (size_t i = 0; i < history->count; i++) {
        history->points[i].offset_ms -= moved_ms;
    }
    history->base_ms = history->count ? history->base_ms + moved_ms : at_ms;
}

static struct history *create(struct history_budget *budget, int64_t at_ms)
{
    if (!may_take(budget, POINTS_FIRST, bytes_of(POINTS_FIRST))) {
        return NULL;
    }
    struct history *history = malloc(bytes_of(POINTS_FIRST) - MALLOC_OWN);
    if (history) {
        *history = (struct history){.base_ms = at_ms, .cap = POINTS_FIRST};
        budget->bytes += bytes_of(POINTS_FIRST);
        budget->count++;
    }
    return history;
}

void history_free(struct history *history, struct history_budget *budget)
{
    if (history) {
        budget->bytes -= bytes_of(history->cap);
        budget->count--;
        free(history);
    }
}

/* ---- samples ---- */

/* Is `distance_ms` a gap? Learns the usual distance; from gaps only if they become usual. */
static bool learn(struct history *history, int64_t distance_ms)
{
    int64_t known_ms = history->interval_ms ? history->interval_ms : INTERVAL_MS;
    bool gap = distance_ms > GAP_MIN_MS && distance_ms > GAP_INTERVALS * known_ms;
    if (!gap || history->after_gap) {
        int64_t most_ms = 8 * known_ms;
        distance_ms = distance_ms < most_ms ? distance_ms : most_ms;
        if (history->interval_ms) { /* quick to grow, slow to shrink */
            distance_ms =
                distance_ms > known_ms ? (known_ms + distance_ms) / 2 : (3 * known_ms + distance_ms) / 4;
        }
        history->interval_ms = (uint32_t)(distance_ms < HISTORY_SPAN_MS ? distance_ms : HISTORY_SPAN_MS);
    }
    history->after_gap = gap;
    return gap;
}

static void append(struct history **history, struct history_budget *budget, int64_t at_ms, float value,
                   int64_t now_ms)
{
    make_room(history, budget, now_ms);
    struct history *h = *history;
    h->points[h->count++] = (struct point){.offset_ms = (uint32_t)(at_ms - h->base_ms), .value = value};
    size_t begin = bucket_begin(h);
    if (h->count - begin > NUMBERS_MAX) {
        thin_bucket(h, begin);
    } else if (h->wider > 0 && h->count - begin == 1 && !grow(history, budget) && 2 * h->count < h->cap) {
        h->wider--; /* there is room for more detail again */
    }
}

/* Another word for the same moment: it counts. */
static void replace_last(struct history *history, float value)
{
    size_t last = history->count - 1u;
    history->points[last].value = value;
    if (isnan(value) && last > 0 && isnan(history->points[last - 1].value)) {
        history->count--;
    }
}

static bool stands_still(const struct history *history, float value)
{
    const struct point *end = history->points + history->count;
    return history->count >= 2 && end[-1].value == value && end[-2].value == value;
}

static float float_of(double value)
{
    return isfinite(value) && fabs(value) <= (double)FLT_MAX ? (float)value : NAN;
}

/* A sample after the last point. */
static void add_later(struct history **at, struct history_budget *budget, int64_t at_ms, float value,
                      int64_t now_ms)
{
    struct history *history = *at;
    const struct point *last = &history->points[history->count - 1u];
    bool was_number = !isnan(last->value);
    if (isnan(value)) {
        if (was_number) {
            append(at, budget, at_ms, NAN, now_ms);
        }
        return;
    }
    int64_t last_ms = time_of(history, history->count - 1u);
    if (was_number && learn(history, at_ms - last_ms)) {
        append(at, budget, last_ms + 1, NAN, now_ms);
    } else if (stands_still(history, value)) {
        history->points[history->count - 1u].offset_ms = (uint32_t)(at_ms - history->base_ms);
        return;
    }
    append(at, budget, at_ms, value, now_ms);
}

void history_add(struct history **history, struct history_budget *budget, int64_t at_ms, double value,
                 int64_t now_ms)
{
    float number = float_of(value);
    at_ms = at_ms < now_ms ? at_ms : now_ms;
    if (now_ms - at_ms > HISTORY_SPAN_MS) {
        return;
    }
    if (!*history) {
        *history = isnan(number) ? NULL : create(budget, at_ms);
        if (*history) {
            append(history, budget, at_ms, number, now_ms);
        }
        return;
    }
    int64_t last_ms = time_of(*history, (*history)->count - 1u);
    if (at_ms < last_ms) {
        at_ms = now_ms; /* a clock was set back, or the way was longer than usual */
    }
    if (at_ms - (*history)->base_ms > UINT32_MAX) {
        rebase(*history, at_ms, now_ms);
    }
    if ((*history)->count == 0) {
        append(history, budget, at_ms, number, now_ms);
    } else if (at_ms == last_ms) {
        replace_last(*history, number);
    } else if (at_ms > last_ms) {
        add_later(history, budget, at_ms, number, now_ms);
    }
}

void history_expect(const struct history *history)
{
    if (history) {
        __builtin_prefetch(history->points +
                           (history->count > NUMBERS_MAX ? history->count - NUMBERS_MAX : 0));
        __builtin_prefetch(history->points + history->count);
    }
}

size_t history_read(const struct history *history, int64_t since_ms,
                    struct history_point ret_points[HISTORY_POINTS])
{
    if (!history) {
        return 0;
    }
    bool clip;
    size_t count = 0, i = first_since(history, since_ms, &clip);
    if (clip) {
        ret_points[count++] = (struct history_point){.at_ms = since_ms, .value = history->points[i].value};
    }
    for (; i < history->count; i++) {
        if (count > 0 || !isnan(history->points[i].value)) {
            ret_points[count++] =
                (struct history_point){.at_ms = time_of(history, i), .value = history->points[i].value};
        }
    }
    return count;
}
