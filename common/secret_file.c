#include "secret_file.h"

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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
