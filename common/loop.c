#include "loop.h"

#include "log.h"
#include "loop_internal.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

struct loop_io {
    uv_poll_t uv;
    loop_io_fn *callback;
    void *user;
    unsigned watched; /* LOOP_READ, LOOP_WRITE */
};

struct loop_timer {
    uv_timer_t uv;
    loop_timer_fn *callback;
    void *user;
    uint64_t due_ms; /* on libuv's clock */
};

struct loop_signal {
    uv_signal_t uv;
    loop_signal_fn *callback;
    void *user;
};

struct loop_after {
    struct loop *loop;
    loop_after_fn *callback;
    void *user;
    struct after_list *list; /* where it is linked, or NULL */
    TAILQ_ENTRY(loop_after) link;
};

void loop_free_closed(uv_handle_t *handle)
{
    free(handle);
}

void *loop_failed(void *memory, int uv_error)
{
    free(memory);
    errno = -uv_error;
    return NULL;
}

/* --- the loop --- */

static const double lag_bounds_s[] = {0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5};

struct loop *loop_create(void)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (!loop) {
        return NULL;
    }
    int e = uv_loop_init(&loop->uv);
    if (e) {
        return loop_failed(loop, e);
    }
    uv_check_init(&loop->uv, &loop->check);
    uv_idle_init(&loop->uv, &loop->idle);
    loop->lag = HISTOGRAM_INIT(lag_bounds_s);
    TAILQ_INIT(&loop->armed);
    TAILQ_INIT(&loop->running);
    /* A peer that is gone is told by the write's error, not by the end of the program. */
    signal(SIGPIPE, SIG_IGN);
    return loop;
}

static void report_leftover(uv_handle_t *handle, void *user)
{
    unsigned *count = user;
    if (!uv_is_closing(handle)) {
        log_error("loop: a %s was not destroyed", uv_handle_type_name(uv_handle_get_type(handle)));
        ++*count;
    }
}

void loop_destroy(struct loop *loop)
{
    if (!loop) {
        return;
    }
    if (loop->work_pending) {
        /* Waiting could take minutes, and freeing what a worker will touch is worse than leaking it. */
        log_warning("loop: left with %u unfinished jobs off the loop", loop->work_pending);
        return;
    }
    uv_close((uv_handle_t *)&loop->check, NULL);
    uv_close((uv_handle_t *)&loop->idle, NULL);
    unsigned leftover = 0;
    uv_walk(&loop->uv, report_leftover, &leftover);
    assert(leftover == 0);
    if (leftover) {
        return; /* their memory belongs to owners that may still use it */
    }
    while (uv_run(&loop->uv, UV_RUN_NOWAIT)) {
    }
    int e = uv_loop_close(&loop->uv);
    assert(e == 0);
    if (e == 0) {
        free(loop);
    }
}

void loop_run(struct loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

bool loop_turn(struct loop *loop, bool wait)
{
    return uv_run(&loop->uv, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT) != 0;
}

void loop_stop(struct loop *loop)
{
    uv_stop(&loop->uv);
}

const struct histogram *loop_lag(const struct loop *loop)
{
    return &loop->lag;
}

void *loop_native(struct loop *loop)
{
    return &loop->uv;
}

/* --- descriptors --- */

static int to_uv_events(unsigned events)
{
    return ((events & LOOP_READ) ? UV_READABLE : 0) | ((events & LOOP_WRITE) ? UV_WRITABLE : 0);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct loop_io *io = (struct loop_io *)handle;
    unsigned seen = 0;
    if (status < 0) {
        /* libuv stops the watch on POLLERR. Go on watching, as level-triggered says: the owner finds the
         * error by reading or writing, and then destroys the watch. */
        uv_poll_start(handle, to_uv_events(io->watched), on_poll);
        seen = io->watched;
    } else {
        seen |= (events & UV_READABLE) ? LOOP_READ : 0;
        seen |= (events & UV_WRITABLE) ? LOOP_WRITE : 0;
    }
    if (seen) {
        io->callback(io->user, seen);
    }
}

struct loop_io *loop_io_create(struct loop *loop, int fd, loop_io_fn *callback, void *user)
{
    if (fd < 0) {
        errno = EBADF;
        return NULL;
    }
    struct loop_io *io = calloc(1, sizeof *io);
    if (!io) {
        return NULL;
    }
    int e = uv_poll_init(&loop->uv, &io->uv, fd);
    if (e) {
        return loop_failed(io, e);
    }
    io->callback = callback;
    io->user = user;
    return io;
}

int loop_io_watch(struct loop_io *io, unsigned events)
{
    events &= LOOP_READ | LOOP_WRITE;
    if (events == io->watched) {
        return 0; /* libuv would leave and enter the epoll set for nothing */
    }
    int e = events ? uv_poll_start(&io->uv, to_uv_events(events), on_poll) : uv_poll_stop(&io->uv);
    if (e == 0) {
        io->watched = events;
    }
    return e;
}

void loop_io_destroy(struct loop_io *io)
{
    if (io) {
        uv_close((uv_handle_t *)&io->uv, loop_free_closed);
    }
}

/* --- timers --- */

static void on_timer(uv_timer_t *handle)
{
    struct loop_timer *timer = (struct loop_timer *)handle;
    struct loop *loop = (struct loop *)handle->loop;
    histogram_add(&loop->lag, ((double)uv_hrtime() / 1e6 - (double)timer->due_ms) / 1000);
    timer->due_ms = uv_now(handle->loop) + uv_timer_get_repeat(handle);
    timer->callback(timer->user);
}

struct loop_timer *loop_timer_create(struct loop *loop, loop_timer_fn *callback, void *user)
{
    struct loop_timer *timer = calloc(1, sizeof *timer);
    if (!timer) {
        return NULL;
    }
    uv_timer_init(&loop->uv, &timer->uv);
    timer->callback = callback;
    timer->user = user;
    return timer;
}

void loop_timer_start(struct loop_timer *timer, uint64_t after_ms, uint64_t repeat_ms)
{
    /* libuv counts from the start of the turn; add what the turn has taken so far, so that nothing fires
     * early after a long callback. (uv_update_time instead would let timers that restart themselves keep the
     * descriptors waiting.) */
    uint64_t turn_ms = uv_now(timer->uv.loop);
    uint64_t now_ms = uv_hrtime() / 1000000;
    uint64_t lag_ms = now_ms > turn_ms ? now_ms - turn_ms : 0;
    /* libuv 1.44 serves a timer of 0 ms that is started in its own callback again at once, for ever. */
    uint64_t due_ms = after_ms + lag_ms > 0 ? after_ms + lag_ms : 1;
    timer->due_ms = turn_ms + due_ms;
    int e = uv_timer_start(&timer->uv, on_timer, due_ms, repeat_ms);
    assert(e == 0); /* fails only for a destroyed timer or without a callback */
    (void)e;
}

void loop_timer_stop(struct loop_timer *timer)
{
    uv_timer_stop(&timer->uv);
}

bool loop_timer_active(const struct loop_timer *timer)
{
    return uv_is_active((const uv_handle_t *)&timer->uv);
}

void loop_timer_destroy(struct loop_timer *timer)
{
    if (timer) {
        uv_close((uv_handle_t *)&timer->uv, loop_free_closed);
    }
}

/* --- signals --- */

static void on_signal(uv_signal_t *handle, int signal_number)
{
    struct loop_signal *signal = (struct loop_signal *)handle;
    signal->callback(signal->user, signal_number);
}

struct loop_signal *loop_signal_create(struct loop *loop, int signal_number, loop_signal_fn *callback,
                                       void *user)
{
    struct loop_signal *signal = calloc(1, sizeof *signal);
    if (!signal) {
        return NULL;
    }
    int e = uv_signal_init(&loop->uv, &signal->uv);
    if (e) {
        return loop_failed(signal, e);
    }
    signal->callback = callback;
    signal->user = user;
    e = uv_signal_start(&signal->uv, on_signal, signal_number);
    if (e) {
        loop_signal_destroy(signal);
        errno = -e;
        return NULL;
    }
    return signal;
}

void loop_signal_destroy(struct loop_signal *signal)
{
    if (signal) {
        uv_close((uv_handle_t *)&signal->uv, loop_free_closed);
    }
}

/* --- the end of a turn --- */

static void after_unlink(struct loop_after *after)
{
    if (after->list) {
        TAILQ_REMOVE(after->list, after, link);
        after->list = NULL;
    }
}

static void on_idle(uv_idle_t *handle)
{
    (void)handle;
}

static void on_check(uv_check_t *handle)
{
    struct loop *loop = handle->data;
    struct loop_after *after;
    /* Those armed from now on belong to the next turn. */
    while ((after = TAILQ_FIRST(&loop->armed))) {
        after_unlink(after);
        TAILQ_INSERT_TAIL(&loop->running, after, link);
        after->list = &loop->running;
    }
    while ((after = TAILQ_FIRST(&loop->running))) {
        after_unlink(after);
        after->callback(after->user); /* may destroy it, or any other */
    }
    if (TAILQ_EMPTY(&loop->armed)) {
        uv_check_stop(&loop->check);
        uv_idle_stop(&loop->idle);
    }
}

struct loop_after *loop_after_create(struct loop *loop, loop_after_fn *callback, void *user)
{
    struct loop_after *after = calloc(1, sizeof *after);
    if (!after) {
        return NULL;
    }
    after->loop = loop;
    after->callback = callback;
    after->user = user;
    return after;
}

void loop_after_arm(struct loop_after *after)
{
    struct loop *loop = after->loop;
    if (after->list) {
        return;
    }
    TAILQ_INSERT_TAIL(&loop->armed, after, link);
    after->list = &loop->armed;
    loop->check.data = loop;
    uv_check_start(&loop->check, on_check);
    uv_idle_start(&loop->idle, on_idle);
}

void loop_after_destroy(struct loop_after *after)
{
    if (after) {
        after_unlink(after);
        free(after);
    }
}
