/*
 * loop_internal: what loop.c and loop_work.c share.
 *
 * Every handle struct starts with its uv handle, so one callback frees them all.
 */
#ifndef LOOP_INTERNAL_H
#define LOOP_INTERNAL_H

#include "loop.h"

#include <sys/queue.h>
#include <uv.h>

TAILQ_HEAD(after_list, loop_after);

struct loop {
    uv_loop_t uv; /* first, so that a handle leads here */
    /* Both run only while something is armed: the check serves, the idle keeps the turn from sleeping. */
    uv_check_t check;
    uv_idle_t idle;
    struct after_list armed;
    struct after_list running; /* those of this turn that are still to be called */
    unsigned work_pending;
    struct histogram lag;
};

/* For uv_close. */
void loop_free_closed(uv_handle_t *handle);
/* Frees what could not be set up. NULL, with errno for libuv's error. */
void *loop_failed(void *memory, int uv_error);

#endif
