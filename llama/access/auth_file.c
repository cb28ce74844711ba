#include "auth_file.h"

#include "file.h"
#include "secret_file.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int auth_file_read(const char *path, char **ret_text, size_t *ret_len, bool *ret_open)
{
    struct stat st;
    char *text = NULL;
    size_t len = 0;
    int e = secret_file_read(path, &text, &len);
    if (e == 0 && len > AUTH_FILE_MAX) {
        e = -EFBIG;
    }
    if (e == 0 && stat(path, &st) != 0) {
        e = -errno;
    }
    if (e != 0) {
        free(text);
        return e;
    }
    *ret_text = text;
    *ret_len = len;
    *ret_open = (st.st_mode & (S_IROTH | S_IWOTH)) != 0;
    return 0;
}

/* Of a new file: as its folder is shared. */
static int owner_of_new(const char *path, struct secret_owner *ret_owner, mode_t *ret_mode)
{
    char folder[PATH_MAX];
    struct stat st;
    if (stat(file_folder(path, folder), &st) != 0) {
        return -errno;
    }
    *ret_owner = (struct secret_owner){.change = geteuid() == 0, .uid = st.st_uid, .gid = st.st_gid};
    bool shared = st.st_uid == 0 && st.st_gid != 0 && (st.st_mode & S_IRGRP) && !(st.st_mode & S_IROTH);
    *ret_mode = S_IRUSR | S_IWUSR | (ret_owner->change && shared ? S_IRGRP : 0);
    return 0;
}

int auth_file_write(const char *path, const char *text, size_t len)
{
    char target[PATH_MAX];
    struct stat st;
    struct secret_owner owner = {0};
    mode_t mode = S_IRUSR | S_IWUSR;
    if (strlen(path) >= sizeof target) {
        return -ENAMETOOLONG;
    }
    if (!realpath(path, target)) { /* what a symbolic link leads to is replaced, not the link */
        if (errno != ENOENT) {
            return -errno;
        }
        memcpy(target, path, strlen(path) + 1);
    }
    int e = 0;
    if (stat(target, &st) == 0) {
        owner = (struct secret_owner){.change = true, .uid = st.st_uid, .gid = st.st_gid};
        mode |= st.st_mode & S_IRGRP;
    } else {
        e = owner_of_new(target, &owner, &mode);
    }
    return e ? e : secret_file_write(target, text, len, mode, owner);
}
