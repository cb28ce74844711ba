#include "complaint.h"

#include <inttypes.h>

static uint32_t hash(const char *text, size_t len, uint32_t seed)
{
    uint32_t h = 2166136261u ^ seed; /* FNV-1a */
    for (size_t i = 0; i < len; i++) {
        h = (h ^ (unsigned char)text[i]) * 16777619u;
    }
    return h ^ (h >> 16);
}

void complain(struct complaints *complaints, const char *source, const char *subject, size_t subject_len,
              const struct fault *fault, int64_t mono_ms)
{
    uint32_t slot = hash(subject, subject_len, (uint32_t)fault->reason) % COMPLAINT_SLOTS;
    uint64_t suppressed = 0;
    if (!log_limit_pass(&complaints->slots[slot], mono_ms, &suppressed)) {
        return;
    }
    char text[LOG_TEXT];
    log_escape(text, sizeof text, subject, subject_len);
    if (suppressed > 0) {
        log_warning("%s: %s: %s: %s (and %" PRIu64 " more since the last such line)", source, text,
                    reject_name(fault->reason), fault->detail, suppressed);
    } else {
        log_warning("%s: %s: %s: %s", source, text, reject_name(fault->reason), fault->detail);
    }
}
