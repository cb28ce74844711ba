#include "keeper.h"

#include "event_file.h"
#include "node_file.h"
#include "state_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TICK_MS 1000

struct keeper {
    char *path;
    int dir, lock; /* descriptors; -1 = none */
    struct trouble events_trouble, nodes_trouble;
    struct event_file *events;
    struct node_file *nodes;
    struct loop_timer *timer;
};

static void on_tick(void *user)
{
    struct keeper *keeper = user;
    struct now now = clock_now();
    event_file_save(keeper->events, now);
    node_file_tick(keeper->nodes, now);
}

/* 0, or -errno, logged. */
static int open_folder(struct keeper *keeper)
{
    keeper->dir = state_file_open_dir(keeper->path);
    keeper->lock = keeper->dir < 0 ? keeper->dir : state_file_lock(keeper->dir);
    if (keeper->lock == -EWOULDBLOCK) {
        log_warning("store: another llamad keeps its state in %s: this one keeps nothing over a restart",
                    keeper->path);
    } else if (keeper->lock < 0) {
        log_warning("store: cannot use %s: %s; nothing is kept over a restart", keeper->path,
                    strerror(-keeper->lock));
    }
    return keeper->lock < 0 ? keeper->lock : 0;
}

struct keeper *keeper_create(struct loop *loop, struct cache *cache, const char *path)
{
    struct keeper *keeper = calloc(1, sizeof *keeper);
    if (!keeper || !(keeper->path = strdup(path))) {
        log_error("store: out of memory");
        free(keeper);
        return NULL;
    }
    keeper->dir = keeper->lock = -1;
    keeper->events_trouble.path = keeper->nodes_trouble.path = keeper->path;
    if (open_folder(keeper) != 0) {
        keeper_destroy(keeper);
        return NULL;
    }
    keeper->timer = loop_timer_create(loop, on_tick, keeper);
    keeper->nodes = node_file_create(loop, cache, keeper->dir, &keeper->nodes_trouble);
    if (keeper->timer && keeper->nodes) {
        keeper->events = event_file_create(loop, cache, keeper->dir, &keeper->events_trouble);
    }
    if (!keeper->events) {
        log_error("store: out of memory");
        keeper_destroy(keeper);
        return NULL;
    }
    loop_timer_start(keeper->timer, TICK_MS, TICK_MS);
    return keeper;
}

void keeper_restore_nodes(struct keeper *keeper, bool (*url_allowed)(void *user, const char *url), void *user)
{
    if (keeper) {
        node_file_restore(keeper->nodes, url_allowed, user);
    }
}

void keeper_changed(struct keeper *keeper, struct now now)
{
    if (keeper) {
        event_file_save(keeper->events, now);
    }
}

void keeper_forgot(struct keeper *keeper)
{
    if (keeper) {
        node_file_hurry(keeper->nodes);
    }
}

void keeper_stop(struct keeper *keeper)
{
    if (keeper) {
        loop_timer_stop(keeper->timer);
        event_file_save(keeper->events, clock_now());
        node_file_stop(keeper->nodes);
    }
}

bool keeper_is_idle(const struct keeper *keeper)
{
    return !keeper || (event_file_is_idle(keeper->events) && node_file_is_idle(keeper->nodes));
}

struct keeper_stats keeper_stats(const struct keeper *keeper)
{
    return (struct keeper_stats){
        .errors = keeper->events_trouble.errors + keeper->nodes_trouble.errors,
        .failing = keeper->events_trouble.failing || keeper->nodes_trouble.failing,
        .events_bytes = event_file_bytes(keeper->events),
        .nodes_bytes = node_file_bytes(keeper->nodes),
    };
}

void keeper_destroy(struct keeper *keeper)
{
    if (!keeper) {
        return;
    }
    event_file_destroy(keeper->events);
    node_file_destroy(keeper->nodes);
    loop_timer_destroy(keeper->timer);
    if (keeper->lock >= 0) {
        close(keeper->lock);
    }
    if (keeper->dir >= 0) {
        close(keeper->dir);
    }
    free(keeper->path);
    free(keeper);
}
