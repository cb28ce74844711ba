#include "avahi_loop.h"

#include <stdlib.h>
#include <sys/time.h>

#define DAY_MS (24 * 3600 * INT64_C(1000))

/* ---- descriptors ---- */

struct AvahiWatch {
    const struct avahi_loop *adapter;
    struct loop_io *io;
    int fd;
    AvahiWatchEvent happened;
    AvahiWatchCallback callback;
    void *userdata;
};

static unsigned wanted(AvahiWatchEvent events)
{
    return (events & AVAHI_WATCH_IN ? LOOP_READ : 0u) | (events & AVAHI_WATCH_OUT ? LOOP_WRITE : 0u);
}

static void on_io(void *user, unsigned events)
{
    AvahiWatch *watch = user;
    bool readable = (events & LOOP_READ) != 0;
    int happened = (readable ? AVAHI_WATCH_IN : 0) | (events & LOOP_WRITE ? AVAHI_WATCH_OUT : 0);
    watch->happened = (AvahiWatchEvent)happened;
    if (watch->adapter->before(watch->adapter->user, readable ? watch->fd : -1)) {
        watch->callback(watch, watch->fd, watch->happened, watch->userdata); /* may free it */
    }
}

static AvahiWatch *watch_new(const AvahiPoll *api, int fd, AvahiWatchEvent events,
                             AvahiWatchCallback callback, void *userdata)
{
    const struct avahi_loop *adapter = api->userdata;
    AvahiWatch *watch = calloc(1, sizeof *watch);
    if (!watch) {
        return NULL;
    }
    *watch = (AvahiWatch){.adapter = adapter, .fd = fd, .callback = callback, .userdata = userdata};
    watch->io = loop_io_create(adapter->loop, fd, on_io, watch);
    if (!watch->io || loop_io_watch(watch->io, wanted(events)) != 0) {
        loop_io_destroy(watch->io);
        free(watch);
        return NULL;
    }
    return watch;
}

static void watch_update(AvahiWatch *watch, AvahiWatchEvent events)
{
    loop_io_watch(watch->io, wanted(events));
}

static AvahiWatchEvent watch_get_events(AvahiWatch *watch)
{
    return watch->happened;
}

static void watch_free(AvahiWatch *watch)
{
    loop_io_destroy(watch->io);
    free(watch);
}

/* ---- timeouts ---- */

struct AvahiTimeout {
    const struct avahi_loop *adapter;
    struct loop_timer *timer;
    AvahiTimeoutCallback callback;
    void *userdata;
};

static void on_timeout(void *user)
{
    AvahiTimeout *timeout = user;
    if (timeout->adapter->before(timeout->adapter->user, -1)) {
        timeout->callback(timeout, timeout->userdata); /* may free it */
    }
}

/* Avahi names a moment of the wall clock; the loop waits on the monotonic one. */
static void timeout_update(AvahiTimeout *timeout, const struct timeval *moment)
{
    if (!moment) {
        loop_timer_stop(timeout->timer);
        return;
    }
    struct timeval now;
    gettimeofday(&now, NULL);
    int64_t left_us = ((int64_t)moment->tv_sec - now.tv_sec) * 1000000 + moment->tv_usec - now.tv_usec;
    int64_t left_ms = left_us > 0 ? (left_us + 999) / 1000 : 0;
    loop_timer_start(timeout->timer, (uint64_t)(left_ms < DAY_MS ? left_ms : DAY_MS), 0);
}

static AvahiTimeout *timeout_new(const AvahiPoll *api, const struct timeval *moment,
                                 AvahiTimeoutCallback callback, void *userdata)
{
    const struct avahi_loop *adapter = api->userdata;
    AvahiTimeout *timeout = calloc(1, sizeof *timeout);
    if (!timeout) {
        return NULL;
    }
    *timeout = (AvahiTimeout){.adapter = adapter, .callback = callback, .userdata = userdata};
    timeout->timer = loop_timer_create(adapter->loop, on_timeout, timeout);
    if (!timeout->timer) {
        free(timeout);
        return NULL;
    }
    timeout_update(timeout, moment);
    return timeout;
}

static void timeout_free(AvahiTimeout *timeout)
{
    loop_timer_destroy(timeout->timer);
    free(timeout);
}

/* ---- interface ---- */

void avahi_loop_init(struct avahi_loop *adapter, struct loop *loop, bool (*before)(void *user, int fd),
                     void *user)
{
    *adapter = (struct avahi_loop){
        .api = {.userdata = adapter,
                .watch_new = watch_new,
                .watch_update = watch_update,
                .watch_get_events = watch_get_events,
                .watch_free = watch_free,
                .timeout_new = timeout_new,
                .timeout_update = timeout_update,
                .timeout_free = timeout_free},
        .loop = loop,
        .before = before,
        .user = user,
    };
}
