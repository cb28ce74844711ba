#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

int file_read(int dir, const char *name, int flags, size_t max, char **ret_data, size_t *ret_len)
{
    /* Without O_NONBLOCK a FIFO of that name would hold us up. */
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags);
    if (fd < 0) {
        return -errno;
    }
    struct stat status;
    char *data = NULL;
    size_t len = 0;
    int e = fstat(fd, &status) != 0 ? -errno : !S_ISREG(status.st_mode) ? -EINVAL : 0;
    if (e == 0 && (uintmax_t)status.st_size > max) {
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

int file_write_all(int fd, const char *data, size_t len)
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

bool file_may_exist(const char *path)
{
    return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

const char *file_folder(const char *path, char ret_folder[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    snprintf(ret_folder, PATH_MAX, "%.*s", slash ? (int)(slash - path) : 0, path);
    return ret_folder[0] ? ret_folder : slash ? "/" : ".";
}

void file_sync_folder(const char *path)
{
    char folder[PATH_MAX];
    int dir = open(file_folder(path, folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir >= 0) {
        fsync(dir);
        close(dir);
    }
}
