#include "duplicate.h"

void duplicate_other(struct duplicate *duplicate, int64_t heard_ms, int64_t now_ms)
{
    if (!duplicate->stands && now_ms - heard_ms > DUPLICATE_MS) {
        return; /* its first sign after long: once more, and it is one */
    }
    if (!duplicate->stands || !duplicate->other_spoke) {
        duplicate->alternated_ms = now_ms;
    }
    duplicate->stands = true;
    duplicate->other_spoke = true;
}

void duplicate_current(struct duplicate *duplicate, int64_t now_ms)
{
    if (duplicate->stands && duplicate->other_spoke) {
        duplicate->alternated_ms = now_ms;
    }
    duplicate->other_spoke = false;
}

bool duplicate_ends(struct duplicate *duplicate, int64_t now_ms)
{
    if (!duplicate->stands || now_ms - duplicate->alternated_ms <= DUPLICATE_MS) {
        return false;
    }
    *duplicate = (struct duplicate){0};
    return true;
}
