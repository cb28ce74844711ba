#include "secret_file.h"

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_RETRY_MS 10

int secret_owner_of(const char *path, struct secret_owner *ret_owner)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        return -errno;
    }
    *ret_owner = (struct secret_owner){.change = geteuid() == 0, .uid = status.st_uid, .gid = status.st_gid};
    return 0;
}

/* --- reading --- */

int secret_file_read(const char *path, char **ret_data, size_t *ret_len)
{
    return file_read(AT_FDCWD, path, 0, SECRET_FILE_MAX, ret_data, ret_len);
}

int secret_file_read_itself(const char *path, char **ret_data, size_t *ret_len)
{
    return file_read(AT_FDCWD, path, O_NOFOLLOW, SECRET_FILE_MAX, ret_data, ret_len);
}

/* --- writing --- */

static int fill(int fd, const void *data, size_t len, mode_t mode, struct secret_owner owner)
{
    int e = file_write_all(fd, data, len);
    if (e == 0 && owner.change && fchown(fd, owner.uid, owner.gid) != 0) {
        e = -errno;
    }
    /* After the change of owner, which may clear bits; and whatever the umask says. */
    if (e == 0 && (fchmod(fd, mode) != 0 || fsync(fd) != 0)) {
        e = -errno;
    }
    return e;
}

int secret_file_write(const char *path, const void *data, size_t len, mode_t mode, struct secret_owner owner)
{
    char fresh[PATH_MAX];
    if ((size_t)snprintf(fresh, sizeof fresh, "%s.new", path) >= sizeof fresh) {
        return -ENAMETOOLONG;
    }
    unlink(fresh); /* of a run that was killed */
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -errno;
    }
    int e = fill(fd, data, len, mode, owner);
    if (close(fd) != 0 && e == 0) {
        e = -errno;
    }
    if (e == 0 && rename(fresh, path) != 0) {
        e = -errno;
    }
    if (e != 0) {
        unlink(fresh);
        return e;
    }
    file_sync_folder(path);
    return 0;
}

/* --- locking --- */

/* The folder's owner may lock as well, after root has. */
static int share_lock(int fd, const char *path)
{
    char folder[PATH_MAX];
    struct secret_owner owner = {.change = false};
    struct stat status;
    int e = secret_owner_of(file_folder(path, folder), &owner);
    if (e != 0 || !owner.change) {
        return e;
    }
    bool made_by_root = fstat(fd, &status) == 0 && status.st_uid == 0 && status.st_nlink == 1;
    return !made_by_root || fchown(fd, owner.uid, owner.gid) == 0 ? 0 : -errno;
}

/* A holder that was stopped must not stop us for good. */
static int wait_for(int fd, unsigned wait_ms)
{
    for (unsigned waited_ms = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; waited_ms += LOCK_RETRY_MS) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            return -errno;
        }
        if (waited_ms >= wait_ms) {
            return -EBUSY;
        }
        usleep(LOCK_RETRY_MS * 1000);
    }
    return 0;
}

int secret_file_lock(const char *path, unsigned wait_ms)
{
    char name[PATH_MAX];
    if ((size_t)snprintf(name, sizeof name, "%s.lock", path) >= sizeof name) {
        return -ENAMETOOLONG;
    }
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int e = fd < 0 ? -errno : share_lock(fd, path);
    e = e ? e : wait_for(fd, wait_ms);
    if (e != 0 && fd >= 0) {
        close(fd);
    }
    return e ? e : fd;
}
