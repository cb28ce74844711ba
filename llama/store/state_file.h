/*
 * state_file: files in the folder for state: read whole, replaced at once or appended to so that power loss
 * leaves the old content or the new one. Blocking.
 *
 * `dir` is an open descriptor of the folder, `name` a file in it. Symbolic links are not followed, and only
 * regular files are read. Nothing here logs.
 */
#ifndef STATE_FILE_H
#define STATE_FILE_H

#include <stddef.h>

#define STATE_FILE_DAMAGED ".damaged" /* what is appended to the name of a file that was set aside */

/* An open descriptor, or -errno. */
int state_file_open_dir(const char *path);
/* Takes the folder for this process, as long as the descriptor that it returns stays open. -EWOULDBLOCK:
 * another one has it. */
int state_file_lock(int dir);
/* 0 with malloc'ed bytes; -ENOENT, -EFBIG (above `max`), -EINVAL (no regular file), -errno. */
int state_file_read(int dir, const char *name, size_t max, char **ret_data, size_t *ret_len);
/* Writes another file beside it (name + ".tmp"), and gives it this name when all of it is on the disk. */
int state_file_replace(int dir, const char *name, const char *data, size_t len);
/* The file must be `at` bytes long, else -ESTALE. On failure it is that long again, as far as possible. */
int state_file_append(int dir, const char *name, size_t at, const char *data, size_t len);
int state_file_cut(int dir, const char *name, size_t len);
/* Keeps it as name + ".damaged"; one that is there already goes. Where the file system can, it stays under
 * its own name too, until it is replaced: power loss before that does not cost what is good in it. */
int state_file_set_aside(int dir, const char *name);

#endif
