/*
 * secret_file: small files with keys, passwords and certificates, read whole and replaced at once, so that
 * neither power loss nor a reader at the wrong moment finds half of one. Blocking; nothing here logs.
 */
#ifndef SECRET_FILE_H
#define SECRET_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SECRET_FILE_MAX ((size_t)1024 * 1024)
#define SECRET_LOCK_MS  5000

/* Whose a file is to be. Without `change`: the one who writes it. */
struct secret_owner {
    bool change;
    uid_t uid;
    gid_t gid;
};

/* The owner of this file or folder, for what root writes there; nothing to change for anybody else. 0 or
 * -errno. */
int secret_owner_of(const char *path, struct secret_owner *ret_owner);
/* Writes path + ".new" and gives it this name when all of it is on the disk. Symbolic links are replaced,
 * never followed. 0 or -errno. */
int secret_file_write(const char *path, const void *data, size_t len, mode_t mode, struct secret_owner owner);
/* For who reads a file, changes it and writes it again: nobody else does meanwhile. By path + ".lock", which
 * stays and belongs to whom the folder belongs to. Waits `wait_ms` at most: SECRET_LOCK_MS where there is
 * time, 0 on a loop. A descriptor, whose close unlocks; -EBUSY, -errno. */
int secret_file_lock(const char *path, unsigned wait_ms);
/* At most SECRET_FILE_MAX bytes of a regular file; a NUL stands behind them. The caller frees *ret_data,
 * after explicit_bzero where it matters. 0, -EFBIG, -EINVAL (no regular file), -errno. */
int secret_file_read(const char *path, char **ret_data, size_t *ret_len);
/* The same, and -ELOOP for a symbolic link: for root in a folder where somebody else could put one. */
int secret_file_read_itself(const char *path, char **ret_data, size_t *ret_len);

#endif
