/*
 * missing: who has not got through with its snapshots is asked to send them again.
 *
 * A broker with a short queue cuts the replay of retained messages silently; the heartbeats then name reports
 * that never came. In passes by name, a few nodes at a time, so that their answers don't overflow the queue
 * again; with longer and longer pauses while it does not help.
 */
#ifndef MISSING_H
#define MISSING_H

#include "cache.h"
#include "loop.h"

struct missing;
/* Asks a node; 0, or -errno when the link is down. */
typedef int missing_ask_fn(void *user, const char *node);

/* Borrows loop and cache. NULL without memory. */
struct missing *missing_create(struct loop *loop, const struct cache *cache, missing_ask_fn *ask, void *user);
void missing_begin(struct missing *missing); /* the link is up: looks, first in 5 s, again and again */
void missing_end(struct missing *missing);   /* the link is down */
void missing_destroy(struct missing *missing);

#endif
