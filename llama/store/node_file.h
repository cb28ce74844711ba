/*
 * node_file: what was last known of polled and edge nodes, in <state_dir>/nodes.jsonl.
 *
 * It is replaced as a whole: soon after the first change, then at most once a minute, for large ones a minute
 * for each MiB (flash wears out), and at the end; a write that failed is tried again sooner. Rendered on the
 * loop in slices, written off it.
 */
#ifndef NODE_FILE_H
#define NODE_FILE_H

#include "cache.h"
#include "loop.h"
#include "trouble.h"

#define NODE_FILE_NAME "nodes.jsonl"
#define NODE_FILE_MAX  (64 * 1024 * 1024) /* bytes; nodes that do not fit are left out */

struct node_file;
/* Borrows all. NULL without memory. */
struct node_file *node_file_create(struct loop *loop, struct cache *cache, int dir, struct trouble *trouble);
void node_file_destroy(struct node_file *file);
/* Once, when the manual nodes are known and nothing else is. A damaged file is set aside, and what is good of
 * it taken over; the log says so. */
void node_file_restore(struct node_file *file, bool (*url_allowed)(void *user, const char *url), void *user);
/* Saves if it is time. Call it every second. */
void node_file_tick(struct node_file *file, struct now now);
/* What it holds should not be found by the next start: it is time. */
void node_file_hurry(struct node_file *file);
/* The end: saves what is not saved yet, as soon as the disk is free. */
void node_file_stop(struct node_file *file);
bool node_file_is_idle(const struct node_file *file);
size_t node_file_bytes(const struct node_file *file);

#endif
