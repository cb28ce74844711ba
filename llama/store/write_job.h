/*
 * write_job: one write to a state file on a worker, since disks may take seconds.
 */
#ifndef WRITE_JOB_H
#define WRITE_JOB_H

#include "loop.h"

#include <stddef.h>

struct write_job;
enum write_how { WRITE_REPLACE, WRITE_APPEND };
/* `result` is what state_file_replace or _append said. The job has ended. */
typedef void write_done_fn(void *user, int result);

/* Borrows `name`, which must be constant; takes `data` (malloc'ed), also when it fails. `at`: how long the
 * file is now, for WRITE_APPEND. NULL with errno. */
struct write_job *write_job_start(struct loop *loop, int dir, const char *name, enum write_how how, size_t at,
                                  char *data, size_t len, write_done_fn *done, void *user);
/* Nobody waits for it any more: it ends by itself, if the loop still turns. NULL is fine. */
void write_job_abandon(struct write_job *job);

#endif
