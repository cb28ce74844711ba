#include "skew.h"

#include <stdlib.h>
#include <string.h>

static int64_t lowest(const struct skew *skew)
{
    int64_t lowest_ms = skew->samples[0];
    for (unsigned i = 1; i < skew->count; i++) {
        lowest_ms = skew->samples[i] < lowest_ms ? skew->samples[i] : lowest_ms;
    }
    return lowest_ms;
}

int64_t skew_best(const struct skew *skew)
{
    int64_t best_ms = skew->samples[0];
    for (unsigned i = 1; i < skew->count; i++) {
        best_ms = skew->samples[i] > best_ms ? skew->samples[i] : best_ms;
    }
    return best_ms;
}

/* Was the clock set back? What looks like a delay of two messages by the same time is none. */
static void forget_before_step(struct skew *skew)
{
    if (skew->count < 3) {
        return;
    }
    int64_t last_ms = skew->samples[skew->count - 1], before_ms = skew->samples[skew->count - 2];
    int64_t newer_ms = last_ms > before_ms ? last_ms : before_ms;
    if (llabs(last_ms - before_ms) <= SKEW_STEADY_MS && newer_ms < skew_best(skew) - SKEW_RIGHT_MS) {
        skew->samples[0] = before_ms;
        skew->samples[1] = last_ms;
        skew->count = 2;
    }
}

void skew_add(struct skew *skew, int64_t skew_ms, int64_t now_ms, int64_t interval_ms)
{
    bool at_once = skew->count > 0 && now_ms - skew->last_ms < interval_ms / 2;
    skew->last_ms = now_ms;
    if (at_once) {
        int64_t *newest = &skew->samples[skew->count - 1];
        *newest = skew_ms > *newest ? skew_ms : *newest;
        return;
    }
    if (skew->count == SKEW_SAMPLES) {
        memmove(skew->samples, skew->samples + 1, (SKEW_SAMPLES - 1) * sizeof *skew->samples);
        skew->count--;
    }
    skew->samples[skew->count++] = skew_ms;
    forget_before_step(skew);
}

void skew_set(struct skew *skew, int64_t skew_ms, int64_t now_ms)
{
    skew->samples[0] = skew_ms;
    skew->count = 1;
    skew->last_ms = now_ms;
}

bool skew_judge(struct skew *skew)
{
    if (skew->count == 0) {
        return skew->wrong = false;
    }
    int64_t best_ms = skew_best(skew);
    if (llabs(best_ms) <= SKEW_RIGHT_MS) {
        skew->wrong = false;
    } else if (llabs(best_ms) > SKEW_LIMIT_MS && (best_ms > 0 || best_ms - lowest(skew) <= SKEW_STEADY_MS)) {
        skew->wrong = true;
    }
    return skew->wrong;
}
