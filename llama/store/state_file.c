#include "state_file.h"

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_NAME "llamad.lock"
#define NAME_SIZE 64
#define MODE      0600 /* what the nodes say is nobody else's business */

int state_file_open_dir(const char *path)
{
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir < 0 ? -errno : dir;
}

int state_file_lock(int dir)
{
    int fd = openat(dir, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, MODE);
    if (fd < 0) {
        return -errno;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int e = -errno;
        close(fd);
        return e;
    }
    return fd;
}

/* ---- reading ---- */

int state_file_read(int dir, const char *name, size_t max, char **ret_data, size_t *ret_len)
{
    int e = file_read(dir, name, O_NOFOLLOW, max, ret_data, ret_len);
    return e == -ELOOP ? -EINVAL : e;
}

/* ---- writing ---- */

static int sync_dir(int dir)
{
    /* Some file systems have no such thing for folders; then there is nothing to wait for. */
    return fsync(dir) == 0 || errno == EINVAL ? 0 : -errno;
}

int state_file_replace(int dir, const char *name, const char *data, size_t len)
{
    char temporary[NAME_SIZE];
    snprintf(temporary, sizeof temporary, "%s.tmp", name);
    unlinkat(dir, temporary, 0); /* of a run that was killed; the room it takes may be what is missing */
    int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, MODE);
    if (fd < 0) {
        return -errno;
    }
    int e = file_write_all(fd, data, len);
    if (e == 0 && fsync(fd) != 0) {
        e = -errno;
    }
    if (close(fd) != 0 && e == 0) {
        e = -errno;
    }
    if (e == 0 && renameat(dir, temporary, dir, name) != 0) {
        e = -errno;
    }
    if (e != 0) {
        unlinkat(dir, temporary, 0);
        return e;
    }
    return sync_dir(dir);
}

int state_file_append(int dir, const char *name, size_t at, const char *data, size_t len)
{
    int fd = openat(dir, name, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return -errno;
    }
    struct stat stat;
    int e = fstat(fd, &stat) != 0                                     ? -errno
            : !S_ISREG(stat.st_mode) || (uintmax_t)stat.st_size != at ? -ESTALE
                                                                      : 0;
    if (e != 0) {
        close(fd);
        return e;
    }
    e = file_write_all(fd, data, len);
    if (e == 0 && fdatasync(fd) != 0) {
        e = -errno;
    }
    if (e != 0 && ftruncate(fd, (off_t)at) == 0) { /* half a line may stand there */
        fdatasync(fd);
    }
    if (close(fd) != 0 && e == 0) {
        e = -errno;
    }
    return e;
}

int state_file_cut(int dir, const char *name, size_t len)
{
    int fd = openat(dir, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return -errno;
    }
    int e = ftruncate(fd, (off_t)len) != 0 || fsync(fd) != 0 ? -errno : 0;
    close(fd);
    return e;
}

int state_file_set_aside(int dir, const char *name)
{
    char aside[NAME_SIZE];
    snprintf(aside, sizeof aside, "%s" STATE_FILE_DAMAGED, name);
    unlinkat(dir, aside, 0);
    /* Not every file system knows a second name, and no folder has one. */
    if (linkat(dir, name, dir, aside, 0) != 0 && renameat(dir, name, dir, aside) != 0) {
        return -errno;
    }
    return sync_dir(dir);
}
