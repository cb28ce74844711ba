/*
 * complaint: one log line for what a peer did wrong, at most once a minute for each thing complained about.
 *
 * The memory is a table of fixed size, so that a peer that invents topics costs neither memory nor log lines
 * without bound: two subjects that meet in one slot share its minute.
 */
#ifndef COMPLAINT_H
#define COMPLAINT_H

#include "log.h"
#include "report.h"

#define COMPLAINT_SLOTS 256

struct complaints { /* embedded; start zeroed */
    struct log_limit slots[COMPLAINT_SLOTS];
};

/* "<source>: <subject>: <reason>: <detail>" as a warning; `subject` (a topic, a node) is escaped here. */
void complain(struct complaints *complaints, const char *source, const char *subject, size_t subject_len,
              const struct fault *fault, int64_t mono_ms);

#endif
