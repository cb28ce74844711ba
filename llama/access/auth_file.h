/*
 * auth_file: the files of users and tokens on the disk. Blocks: at start, on a change, and in subcommands
 * only.
 */
#ifndef AUTH_FILE_H
#define AUTH_FILE_H

#include <stdbool.h>
#include <stddef.h>

#define AUTH_FILE_MAX ((size_t)256 * 1024) /* bytes of such a file */

/* The whole file, malloc'ed, terminated. *ret_open: others than owner and group may read or write it. 0;
 * -EFBIG, -EINVAL for what is no regular file, -errno. */
int auth_file_read(const char *path, char **ret_text, size_t *ret_len, bool *ret_open);
/*
 * Replaces the file at once (secret_file.h). Mode 0600; the group may go on reading one that it could read
 * before. The owner stays; a new file made by root belongs to whom its folder belongs to, and may be read by
 * the group of a folder that root shares with that group alone: so a service can read it. 0 or -errno.
 */
int auth_file_write(const char *path, const char *text, size_t len);

#endif
