/*
 * keeper: what llamad keeps over a restart, in cluster.state_dir: the events, and the last values of polled
 * and edge nodes. A convenience: whatever happens to these files or their disk, llamad runs on.
 *
 * One llamad at a time uses a folder. Nothing is written on the loop's thread; nothing is read after the
 * start.
 */
#ifndef KEEPER_H
#define KEEPER_H

#include "cache.h"
#include "loop.h"

struct keeper;
/* Restores the events. Copies `path`, borrows the rest. NULL, logged: then nothing is kept. Before the cache
 * knows any node. */
struct keeper *keeper_create(struct loop *loop, struct cache *cache, const char *path);
/* When the manual nodes are known, and before any source writes. url_allowed: as in node_line.h. NULL is fine
 * here and below. */
void keeper_restore_nodes(struct keeper *keeper, bool (*url_allowed)(void *user, const char *url),
                          void *user);
/* The cache has changed. Cheap when there are no new events. */
void keeper_changed(struct keeper *keeper, struct now now);
/* A node was forgotten on request: the next start should not find it. */
void keeper_forgot(struct keeper *keeper);
/* Saves everything, as far as the disk lets; keeper_is_idle tells when. */
void keeper_stop(struct keeper *keeper);
bool keeper_is_idle(const struct keeper *keeper);
void keeper_destroy(struct keeper *keeper);

struct keeper_stats {
    uint64_t errors;                  /* writes that failed */
    bool failing;                     /* the last one of either file did */
    size_t events_bytes, nodes_bytes; /* of the files */
};
struct keeper_stats keeper_stats(const struct keeper *keeper);

#endif
