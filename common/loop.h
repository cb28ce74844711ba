/*
 * loop: the event loop of a program (libuv): descriptors, timers, signals, wake-ups, and work off the loop.
 *
 * One loop per program, all callbacks on its thread. Every handle is created by x_create(loop, callback,
 * user) and ended by x_destroy(), which may be called inside any callback, the handle's own included: it
 * marks, and frees after the turn. No callback comes after destroy. Handles borrow the loop and must be
 * destroyed before loop_destroy().
 */
#ifndef LOOP_H
#define LOOP_H

#include "clock.h"
#include "histogram.h"

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop *loop_create(void);       /* NULL with errno; SIGPIPE is ignored from here on */
void loop_destroy(struct loop *loop); /* runs what is still closing, then frees */
/* Until loop_stop() or nothing is left to wait for. */
void loop_run(struct loop *loop);
/* One turn; waits at most until the next event when `wait`. For draining at exit. True while handles are
 * active. */
bool loop_turn(struct loop *loop, bool wait);
void loop_stop(struct loop *loop);
/* How late timers were served, after the moment they were due: each one, since the start. What comes in on
 * descriptors waits as long. Exact to a millisecond or so. */
const struct histogram *loop_lag(const struct loop *loop);
/* The uv_loop_t, for a library that runs on it as a foreign loop. */
void *loop_native(struct loop *loop);

#define LOOP_READ  1u
#define LOOP_WRITE 2u

/* Watching a descriptor. Level-triggered; wake-ups may be spurious. Errors and hang-ups come as LOOP_READ |
 * LOOP_WRITE of what is watched. One watch per descriptor; destroy it before closing the descriptor. */
struct loop_io;
typedef void loop_io_fn(void *user, unsigned events);
struct loop_io *loop_io_create(struct loop *loop, int fd, loop_io_fn *callback, void *user);
int loop_io_watch(struct loop_io *io, unsigned events); /* 0 = pause */
void loop_io_destroy(struct loop_io *io);

/* One-shot or repeating timers, milliseconds on the monotonic clock; a running one can be started anew. */
struct loop_timer;
typedef void loop_timer_fn(void *user);
struct loop_timer *loop_timer_create(struct loop *loop, loop_timer_fn *callback, void *user);
void loop_timer_start(struct loop_timer *timer, uint64_t after_ms, uint64_t repeat_ms /* 0 = once */);
void loop_timer_stop(struct loop_timer *timer);
bool loop_timer_active(const struct loop_timer *timer);
void loop_timer_destroy(struct loop_timer *timer);

struct loop_signal;
typedef void loop_signal_fn(void *user, int signal_number);
struct loop_signal *loop_signal_create(struct loop *loop, int signal_number, loop_signal_fn *callback,
                                       void *user);
void loop_signal_destroy(struct loop_signal *signal);

/* Runs once at the end of the current (or next) turn after all descriptors were served: for coalescing.
 * Re-arming inside the callback means the next turn. */
struct loop_after;
typedef void loop_after_fn(void *user);
struct loop_after *loop_after_create(struct loop *loop, loop_after_fn *callback, void *user);
void loop_after_arm(struct loop_after *after);
void loop_after_destroy(struct loop_after *after);

/* A wake-up from any thread: loop_wakeup_send is the only function of this header that another thread may
 * call. */
struct loop_wakeup;
typedef void loop_wakeup_fn(void *user);
struct loop_wakeup *loop_wakeup_create(struct loop *loop, loop_wakeup_fn *callback, void *user);
void loop_wakeup_send(struct loop_wakeup *wakeup);
void loop_wakeup_destroy(struct loop_wakeup *wakeup);

/*
 * `work` runs on a worker thread, then `done` on the loop. `work` must touch nothing but `user`. 0 or -errno
 * (then neither is called). There is no cancelling: see loop_work_pending. `user` must live until `done`.
 */
typedef void loop_work_fn(void *user);
int loop_work(struct loop *loop, loop_work_fn *work, loop_work_fn *done, void *user);
unsigned loop_work_pending(const struct loop *loop);

#endif
