/*
 * file_watch: tells when files have changed. Looks at them every FILE_WATCH_MS, on a worker; a change counts
 * once the files stand still, so that two that belong together are seen together.
 */
#ifndef FILE_WATCH_H
#define FILE_WATCH_H

#include "loop.h"

#define FILE_WATCH_MS  1000
#define FILE_WATCH_MAX 4

struct file_watch;
/* Copies the paths; those that are NULL are left out. `changed` comes on the loop. NULL without memory. */
struct file_watch *file_watch_create(struct loop *loop, const char *const *paths, size_t count,
                                     void (*changed)(void *user), void *user);
/* No callback comes afterwards; what a worker still looks at is freed when it is done. */
void file_watch_destroy(struct file_watch *watch);

#endif
