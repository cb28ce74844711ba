/*
 * missing: is all there that the broker retained? Who has not got through with its snapshots is asked to send
 * them again.
 *
 * A broker with a short queue cuts the replay of retained messages silently; the heartbeats then name reports
 * that never came. When the replay has ended, the log says how much was restored and what is missing. Nodes
 * are asked a few at a time, so that their answers don't overflow the queue again; one that does not deliver
 * is asked with longer and longer pauses, which delay nobody else.
 */
#ifndef MISSING_H
#define MISSING_H

#include "cache.h"
#include "loop.h"

struct missing;
/* Asks a node; 0, or -errno when it could not be asked now (the link is down, too much is under way). */
typedef int missing_ask_fn(void *user, const char *node);

/* Borrows loop and cache. NULL without memory. */
struct missing *missing_create(struct loop *loop, struct cache *cache, missing_ask_fn *ask, void *user);
void missing_begin(struct missing *missing); /* the link is up: looks, first in 5 s, again and again */
/* A retained message came: a heartbeat, or a snapshot, or something else. The first look waits for more. */
void missing_replayed(struct missing *missing, bool heartbeat, bool snapshot);
void missing_end(struct missing *missing); /* the link is down */
void missing_destroy(struct missing *missing);

#endif
