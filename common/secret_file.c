#include "secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static int read_all(int fd, char *data, size_t size, size_t *ret_len)
{
    size_t len = 0;
    while (len < size) {
        ssize_t n = read(fd, data + len, size - len);
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        if (n == 0) {
            break;
        }
        len += n > 0 ? (size_t)n : 0;
    }
    *ret_len = len;
    return 0;
}

static int read_file(const char *path, int flags, char **ret_data, size_t *ret_len)
{
    /* Without O_NONBLOCK a FIFO of that name would hold us up. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags);
    if (fd < 0) {
        return -errno;
    }
    struct stat status;
    char *data = NULL;
    size_t len = 0;
    int e = fstat(fd, &status) != 0 ? -errno : !S_ISREG(status.st_mode) ? -EINVAL : 0;
    if (e == 0 && (uintmax_t)status.st_size > SECRET_FILE_MAX) {
        e = -EFBIG;
    }
    if (e == 0 && !(data = malloc((size_t)status.st_size + 1))) {
        e = -ENOMEM;
    }
    e = e ? e : read_all(fd, data, (size_t)status.st_size, &len);
    close(fd);
    if (e != 0) {
        free(data);
        return e;
    }
    data[len] = '\0';
    *ret_data = data;
    *ret_len = len;
    return 0;
}

int secret_file_read(const char *path, char **ret_data, size_t *ret_len)
{
    return read_file(path, 0, ret_data, ret_len);
}

int secret_file_read_itself(const char *path, char **ret_data, size_t *ret_len)
{
    return read_file(path, O_NOFOLLOW, ret_data, ret_len);
}

/* --- writing --- */

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

static int fill(int fd, const void *data, size_t len, mode_t mode, struct secret_owner owner)
{
    int e = write_all(fd, data, len);
    if (e == 0 && owner.change && fchown(fd, owner.uid, owner.gid) != 0) {
        e = -errno;
    }
    /* After the change of owner, which may clear bits; and whatever the umask says. */
    if (e == 0 && (fchmod(fd, mode) != 0 || fsync(fd) != 0)) {
        e = -errno;
    }
    return e;
}

/* So that the new name outlives power loss too; as far as the file system can. */
static void sync_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 0, path);
    int dir = open(folder[0] ? folder : slash ? "/" : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir >= 0) {
        fsync(dir);
        close(dir);
    }
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
    sync_folder(path);
    return 0;
}
