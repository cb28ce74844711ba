#include "complaint.h"

#include <inttypes.h>
#include <stdio.h>

#define WAYS       4 /* slots that one subject may take */
#define LINE_MS    (1000 / COMPLAINT_PER_SECOND)
#define BURST_MS   ((int64_t)COMPLAINT_BURST * LINE_MS)
#define FNV_OFFSET UINT64_C(14695981039346656037)
#define FNV_PRIME  UINT64_C(1099511628211)

static uint64_t hash(const char *text, size_t len, unsigned kind)
{
    uint64_t h = (FNV_OFFSET ^ kind) * FNV_PRIME;
    for (size_t i = 0; i < len; i++) {
        h = (h ^ (unsigned char)text[i]) * FNV_PRIME;
    }
    h ^= h >> 32;
    return h ? h : 1;
}

/* The subject's own slot, or the one of its few whose last line is longest ago. */
static struct log_limit *limit_of(struct complaints *complaints, uint64_t subject)
{
    struct complaint_slot *first = &complaints->slots[subject % (COMPLAINT_SLOTS / WAYS) * WAYS];
    struct complaint_slot *oldest = first;
    for (struct complaint_slot *slot = first; slot < first + WAYS; slot++) {
        if (slot->subject == subject) {
            return &slot->limit;
        }
        if (slot->limit.next_mono_ms < oldest->limit.next_mono_ms) {
            oldest = slot;
        }
    }
    *oldest = (struct complaint_slot){.subject = subject};
    return &oldest->limit;
}

/* A bucket that refills with time. */
static bool line_left(struct complaints *complaints, int64_t mono_ms)
{
    if (complaints->lines_from_ms < mono_ms - BURST_MS) {
        complaints->lines_from_ms = mono_ms - BURST_MS;
    }
    if (complaints->lines_from_ms + LINE_MS > mono_ms) {
        complaints->swallowed++;
        return false;
    }
    complaints->lines_from_ms += LINE_MS;
    return true;
}

bool complaint_passes(struct complaints *complaints, const char *subject, size_t subject_len, unsigned kind,
                      int64_t mono_ms, uint64_t *ret_again)
{
    struct log_limit *limit = limit_of(complaints, hash(subject, subject_len, kind));
    return log_limit_pass(limit, mono_ms, ret_again) && line_left(complaints, mono_ms);
}

void complain(struct complaints *complaints, const char *source, const char *subject, size_t subject_len,
              const struct fault *fault, int64_t mono_ms)
{
    uint64_t again = 0;
    if (!complaint_passes(complaints, subject, subject_len, fault->reason, mono_ms, &again)) {
        return;
    }
    char text[LOG_TEXT];
    char more[96] = "";
    log_escape(text, sizeof text, subject, subject_len);
    if (again > 0) {
        snprintf(more, sizeof more, " (%" PRIu64 " more like this since the last such line)", again);
    }
    log_warning("%s: %s: %s: %s%s", source, text, reject_name(fault->reason), fault->detail, more);
    if (complaints->swallowed > 0) {
        log_warning("%s: %" PRIu64 " further complaints were not logged: too many at a time", source,
                    complaints->swallowed);
        complaints->swallowed = 0;
    }
}
