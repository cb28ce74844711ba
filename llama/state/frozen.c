#include "frozen.h"

#define GAP_INTERVALS 3     /* snapshots further apart do not "keep coming", */
#define GAP_MIN_MS    60000 /* unless it is for so short: networks hiccup */

static int64_t max_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

int64_t frozen_after_ms(uint32_t interval_s)
{
    return max_of(FROZEN_MIN_MS, FROZEN_INTERVALS * (int64_t)interval_s * 1000);
}

static bool is_gap(int64_t distance_ms, uint32_t interval_s)
{
    return distance_ms > max_of(GAP_MIN_MS, GAP_INTERVALS * (int64_t)interval_s * 1000);
}

void frozen_note(struct frozen_stream *stream, int64_t at_ms, uint32_t interval_s)
{
    if (stream->last_ms != 0 && at_ms <= stream->last_ms) {
        return;
    }
    if (stream->last_ms == 0 || is_gap(at_ms - stream->last_ms, interval_s)) {
        stream->since_ms = at_ms;
    }
    stream->last_ms = at_ms;
}

bool frozen_ended(const struct frozen_stream *stream, int64_t now_ms, uint32_t interval_s)
{
    return stream->last_ms == 0 || is_gap(now_ms - stream->last_ms, interval_s);
}

bool frozen_is(const struct frozen_stream *stream, int64_t moved_ms, uint32_t interval_s)
{
    return moved_ms != 0 && stream->last_ms != 0 &&
           stream->last_ms - max_of(moved_ms, stream->since_ms) >= frozen_after_ms(interval_s);
}
