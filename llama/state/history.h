/*
 * history: the last hour of one numeric reading, thinned, for a sparkline. Pure.
 *
 * Times are monotonic milliseconds (whoever shows them turns them into wall-clock time then, so that a clock
 * that is set moves no point), and strictly rising. Values are floats: 7 digits.
 *
 * - Thinning: of each HISTORY_BUCKET_MS at most four values stay, as they came: the first, the last, the
 *   lowest and the highest. A value that stands still is its first and its last sample, however long.
 * - Gaps: a point without a value (NAN) stands 1 ms behind the last sample before a gap, which is a distance
 *   of more than three usual ones (learnt per reading; at least 15 s), and where the value stopped to be a
 *   number. Nothing stands in between, and nothing at the end: who is silent now has no newer points.
 * - Memory: it begins with room for two points (48 bytes) and grows with what there is to keep, up to
 *   HISTORY_POINTS (2 KB, malloc's part included). All histories together stay within their budget: small
 *   ones may use all of it, larger ones may grow within three quarters. Where one may not grow, it thins
 *   itself by twice as wide buckets, so that it still tells of the whole hour.
 */
#ifndef HISTORY_H
#define HISTORY_H

#include <stddef.h>
#include <stdint.h>

#define HISTORY_SPAN_MS   (60 * 60 * 1000)
#define HISTORY_BUCKET_MS (HISTORY_SPAN_MS / 48)
#define HISTORY_POINTS    252
#define HISTORY_BYTES     2048 /* the most that one takes of the budget */

struct history;

struct history_budget { /* embedded; set the limit, leave the rest to the functions below */
    size_t bytes;       /* in use, malloc's part included */
    size_t limit;
    size_t count; /* of histories */
};

struct history_point {
    int64_t at_ms;
    float value; /* NAN: a gap begins */
};

/*
 * Takes a sample: `*history` held `value` at `at_ms`. The first number creates the history; one that finds no
 * memory is not kept. A time that is not after the last one's becomes `now_ms`, unless it is the same, which
 * replaces that value. What is older than HISTORY_SPAN_MS is left out. A value that is not finite, or beyond
 * float, is none: a gap begins.
 */
void history_add(struct history **history, struct history_budget *budget, int64_t at_ms, double value,
                 int64_t now_ms);
/* A sample will come at once: fetches where it will go. Accepts NULL. */
void history_expect(const struct history *history);
/* The points not before `since_ms`, oldest first, the first one a number; how many. Accepts NULL: 0. */
size_t history_read(const struct history *history, int64_t since_ms,
                    struct history_point ret_points[HISTORY_POINTS]);
/*
 * Thins what was read, in place, to at most `most` numbers (never below four), and returns how many points
 * are left. The time between the first and the last is cut into equal parts: of each its lowest and its
 * highest stay, and of all the first and the last. Gaps stay gaps: between two numbers that had one between
 * them, and at the end, there is a marker, the first one that was there.
 */
size_t history_thin(struct history_point points[HISTORY_POINTS], size_t count, size_t most);
void history_free(struct history *history, struct history_budget *budget); /* accepts NULL */

#endif
