/*
 * complaint: one log line for what a peer did wrong, at most once a minute for each subject and reason.
 *
 * Memory and lines are bounded, whatever peers invent: the table forgets the subject longest not complained
 * about, and all subjects together have so many lines a second, and some more at once.
 */
#ifndef COMPLAINT_H
#define COMPLAINT_H

#include "log.h"
#include "report.h"

#define COMPLAINT_SLOTS      256
#define COMPLAINT_BURST      200 /* lines at once */
#define COMPLAINT_PER_SECOND 2   /* and then */

struct complaints { /* embedded; start zeroed */
    struct complaint_slot {
        uint64_t subject; /* hash; 0 = free */
        struct log_limit limit;
    } slots[COMPLAINT_SLOTS];
    int64_t lines_from_ms; /* the time up to which lines were used up, on the monotonic clock */
    uint64_t swallowed;    /* lines, since the last that was written */
};

/* "<source>: <subject>: <reason>: <detail>" as a warning; `subject` (a topic, a node) is escaped here. */
void complain(struct complaints *complaints, const char *source, const char *subject, size_t subject_len,
              const struct fault *fault, int64_t mono_ms);
/* For complaints of another wording: may there be a line now for this subject and `kind`? *ret_again: how
 * many were swallowed since its last. */
bool complaint_passes(struct complaints *complaints, const char *subject, size_t subject_len, unsigned kind,
                      int64_t mono_ms, uint64_t *ret_again);

#endif
