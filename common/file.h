/*
 * file: the few steps that reading and replacing a whole file consists of. Blocking; nothing here logs.
 */
#ifndef FILE_H
#define FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* All of the regular file `name` in the folder `dir` (AT_FDCWD: from where we are), at most `max` bytes, with
 * a NUL behind them. `flags` join those of open: O_NOFOLLOW. Nobody's FIFO holds it up. The caller frees
 * *ret_data. 0, -EFBIG, -EINVAL (no regular file), -ENOMEM or -errno. */
int file_read(int dir, const char *name, int flags, size_t max, char **ret_data, size_t *ret_len);
/* Every byte, however often it takes. 0 or -errno. */
int file_write_all(int fd, const char *data, size_t len);
/* False if there is certainly nothing of that name. What we may not look at counts: who forgot sudo is to be
 * told so, and not to work on some other file. */
bool file_may_exist(const char *path);
/* The folder that `path` stands in, as open takes it: "/", "." or a path. */
const char *file_folder(const char *path, char ret_folder[PATH_MAX]);
/* Has the name of `path` outlive power loss, as far as its file system can. */
void file_sync_folder(const char *path);

#endif
