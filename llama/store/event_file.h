/*
 * event_file: the events in <state_dir>/events.jsonl.
 *
 * Each batch of new events is appended and on the disk (fdatasync) before the next one is begun; off the
 * loop. When the file has twice as many lines as the ring holds events, it is replaced by one with those of
 * the ring. The last id stands in a file of its own besides, written after each batch: whatever becomes of
 * one of the two files, no id is given twice.
 */
#ifndef EVENT_FILE_H
#define EVENT_FILE_H

#include "cache.h"
#include "loop.h"
#include "trouble.h"

#define EVENT_FILE_NAME    "events.jsonl"
#define EVENT_ID_FILE_NAME "events.last"
#define EVENT_FILE_LINES   (2 * EVENTS_MAX)
#define EVENT_FILE_MAX     (8 * 1024 * 1024) /* bytes; a longer one is not ours */

struct event_file;
/* Restores what the file holds, before the cache knows any event. A damaged one is set aside, and what is
 * good of it taken over; the log says so. Borrows all. NULL without memory. */
struct event_file *event_file_create(struct loop *loop, struct cache *cache, int dir,
                                     struct trouble *trouble);
void event_file_destroy(struct event_file *file);
/* Saves what is new, if nothing is being written. Call it after changes and every second. */
void event_file_save(struct event_file *file, struct now now);
/* Is all on the disk, as far as the disk lets? */
bool event_file_is_idle(const struct event_file *file);
size_t event_file_bytes(const struct event_file *file);

#endif
