/*
 * disk_log: loaded into a program by LD_PRELOAD, it writes down what that does to the files of one folder, in
 * the order in which it was done. For tests/support/power_loss.py, which works out what a power cut leaves.
 *
 * DISK_LOG_DIR is the folder, DISK_LOG the file to write to: a line for each call that succeeded.
 *
 *     open FD NAME FLAGS, write FD HEX, cut FD LEN, sync FD, close FD,
 *     rename FROM TO, link FROM TO, unlink NAME, syncdir
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define FDS 4096

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* what is logged first was done first */
static bool watched[FDS];
static FILE *out;

#define REAL(name, type) ((type)dlsym(RTLD_NEXT, #name))

static void begin(void)
{
    pthread_mutex_lock(&lock);
    if (!out) {
        out = fopen(getenv("DISK_LOG"), "ae");
    }
}

static void end(void)
{
    fflush(out);
    pthread_mutex_unlock(&lock);
}

/* Is it a descriptor of the folder? */
static bool is_dir(int fd)
{
    struct stat a, b;
    return fstat(fd, &a) == 0 && stat(getenv("DISK_LOG_DIR"), &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

static bool is_watched(int fd)
{
    return fd >= 0 && fd < FDS && watched[fd];
}

int openat(int dir, const char *name, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    begin();
    int fd = REAL(openat, int (*)(int, const char *, int, ...))(dir, name, flags, mode);
    bool writes = (flags & O_ACCMODE) != O_RDONLY;
    if (fd >= 0 && fd < FDS && writes && is_dir(dir) && strcmp(name, "llamad.lock") != 0) {
        watched[fd] = true;
        fprintf(out, "open %d %s %s%s\n", fd, name, flags & O_CREAT ? "c" : "-", flags & O_TRUNC ? "t" : "-");
    }
    end();
    return fd;
}

int openat64(int dir, const char *name, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return openat(dir, name, flags, mode);
}

ssize_t write(int fd, const void *data, size_t len)
{
    ssize_t (*real)(int, const void *, size_t) = REAL(write, ssize_t(*)(int, const void *, size_t));
    if (!is_watched(fd)) {
        return real(fd, data, len);
    }
    begin();
    ssize_t n = real(fd, data, len);
    if (n > 0) {
        fprintf(out, "write %d ", fd);
        for (ssize_t i = 0; i < n; i++) {
            fprintf(out, "%02x", ((const unsigned char *)data)[i]);
        }
        fprintf(out, "\n");
    }
    end();
    return n;
}

static int sync_by(int (*real)(int), int fd)
{
    bool dir = is_dir(fd);
    if (!dir && !is_watched(fd)) {
        return real(fd);
    }
    begin();
    int result = real(fd);
    if (result == 0 && dir) {
        fprintf(out, "syncdir\n");
    } else if (result == 0) {
        fprintf(out, "sync %d\n", fd);
    }
    end();
    return result;
}

int fsync(int fd)
{
    return sync_by(REAL(fsync, int (*)(int)), fd);
}

int fdatasync(int fd)
{
    return sync_by(REAL(fdatasync, int (*)(int)), fd);
}

int ftruncate(int fd, off_t len)
{
    begin();
    int result = REAL(ftruncate, int (*)(int, off_t))(fd, len);
    if (result == 0 && is_watched(fd)) {
        fprintf(out, "cut %d %lld\n", fd, (long long)len);
    }
    end();
    return result;
}

int close(int fd)
{
    int (*real)(int) = REAL(close, int (*)(int));
    if (!is_watched(fd)) {
        return real(fd);
    }
    begin();
    watched[fd] = false;
    fprintf(out, "close %d\n", fd);
    int result = real(fd);
    end();
    return result;
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    begin();
    int result = REAL(renameat, int (*)(int, const char *, int, const char *))(from_dir, from, to_dir, to);
    if (result == 0 && is_dir(to_dir)) {
        fprintf(out, "rename %s %s\n", from, to);
    }
    end();
    return result;
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    begin();
    int result =
        REAL(linkat, int (*)(int, const char *, int, const char *, int))(from_dir, from, to_dir, to, flags);
    if (result == 0 && is_dir(to_dir)) {
        fprintf(out, "link %s %s\n", from, to);
    }
    end();
    return result;
}

int unlinkat(int dir, const char *name, int flags)
{
    begin();
    int result = REAL(unlinkat, int (*)(int, const char *, int))(dir, name, flags);
    if (result == 0 && is_dir(dir)) {
        fprintf(out, "unlink %s\n", name);
    }
    end();
    return result;
}
