#include "broker_files.h"

#include "buf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BROKER_USER "mosquitto"
#define FILE_MAX    ((size_t)1024 * 1024) /* of a file in broker-config/ */

static int fail(char error[BROKER_ERROR_SIZE], const char *what, const char *path)
{
    snprintf(error, BROKER_ERROR_SIZE, "%s %.400s: %s", what, path, strerror(errno));
    return -1;
}

/* --- the user --- */

static int find_user(struct broker_user *ret_user, char error[BROKER_ERROR_SIZE])
{
    *ret_user = (struct broker_user){.change = false};
    if (geteuid() != 0) {
        return 0;
    }
    errno = 0;
    const struct passwd *entry = getpwnam(BROKER_USER);
    if (!entry) {
        snprintf(error, BROKER_ERROR_SIZE,
                 "the user \"" BROKER_USER "\" does not exist; install the package mosquitto");
        return -1;
    }
    *ret_user = (struct broker_user){.change = true, .uid = entry->pw_uid, .gid = entry->pw_gid};
    return 0;
}

/* --- files --- */

static int open_folder(const char *state_dir, const struct broker_user *user, char error[BROKER_ERROR_SIZE])
{
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s/broker", state_dir) >= sizeof path) {
        errno = ENAMETOOLONG;
        return fail(error, "cannot use", state_dir);
    }
    if (mkdir(path, 0750) != 0 && errno != EEXIST) {
        return fail(error, "cannot make", path);
    }
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0) {
        return fail(error, "cannot open", path);
    }
    if (user->change && (fchown(dir, user->uid, user->gid) != 0 || fchmod(dir, 0750) != 0)) {
        fail(error, "cannot change the owner of", path);
        close(dir);
        return -1;
    }
    if (!user->change && faccessat(dir, ".", W_OK, 0) != 0) {
        fail(error, "cannot write to", path);
        close(dir);
        return -1;
    }
    return dir;
}

static int read_file(const char *folder, const char *name, struct buf *out, char error[BROKER_ERROR_SIZE])
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    if (!file) {
        return fail(error, "cannot read", path);
    }
    char chunk[4096];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, file)) > 0 && out->len <= FILE_MAX) {
        buf_append(out, chunk, n);
    }
    bool bad = ferror(file) || out->failed || out->len > FILE_MAX;
    fclose(file);
    if (bad) {
        errno = out->failed ? ENOMEM : out->len > FILE_MAX ? EFBIG : EIO;
        return fail(error, "cannot read", path);
    }
    return 0;
}

/* Written beside and renamed, so that a broker never reads half a file; never through somebody's symbolic
 * link. */
static int write_file(int dir, const char *name, const struct buf *content, const struct broker_user *user,
                      char error[BROKER_ERROR_SIZE])
{
    char fresh[64];
    snprintf(fresh, sizeof fresh, "%s.new", name);
    unlinkat(dir, fresh, 0);
    int fd = openat(dir, fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (fd < 0) {
        return fail(error, "cannot write broker file", name);
    }
    bool written = !content->failed && write(fd, content->data, content->len) == (ssize_t)content->len;
    bool owned = !user->change || fchown(fd, user->uid, user->gid) == 0;
    if (close(fd) != 0 || !written || !owned || renameat(dir, fresh, dir, name) != 0) {
        return fail(error, "cannot write broker file", name);
    }
    return 0;
}

/* --- content --- */

bool broker_is_loopback(const char *address)
{
    struct in_addr v4;
    if (inet_pton(AF_INET, address, &v4) == 1) {
        return ntohl(v4.s_addr) >> 24 == 127;
    }
    return strcmp(address, "::1") == 0 || strcmp(address, "localhost") == 0;
}

/* What depends on this installation; the rest is broker-config/mosquitto.conf as it stands. Paths are
 * relative to the folder, which is mosquitto's working directory. */
static void write_head(struct buf *out, const struct broker_options *options, bool loopback)
{
    buf_str(
        out,
        "# Written by llamad at each start; changes are lost. Lasting ones belong into mosquitto.conf of\n"
        "# broker-config, which follows below.\n");
    buf_printf(out, "listener %u %s\n", options->port, options->listen);
    buf_printf(out, "allow_anonymous %s\n", loopback ? "true" : "false");
    if (!loopback) {
        buf_str(out, "password_file passwd\nacl_file acl\n");
    }
    buf_str(out, "persistence true\npersistence_location ./\n"
                 "log_dest stderr\nlog_timestamp false\nlog_type error\nlog_type warning\nlog_type notice\n"
                 "connection_messages false\n\n");
}

static int check_passwords(const struct broker_options *options, int dir, const struct broker_user *user,
                           char error[BROKER_ERROR_SIZE])
{
    if (faccessat(dir, "passwd", R_OK, 0) != 0) {
        snprintf(error, BROKER_ERROR_SIZE,
                 "broker.listen %s is not loopback, so clients need passwords: make %s/broker/passwd with "
                 "mosquitto_passwd (broker-config/README.md)",
                 options->listen, options->state_dir);
        return -1;
    }
    if (user->change && fchownat(dir, "passwd", user->uid, user->gid, AT_SYMLINK_NOFOLLOW) != 0) {
        return fail(error, "cannot change the owner of", "passwd");
    }
    return 0;
}

static int write_files(const struct broker_options *options, int dir, const struct broker_user *user,
                       char error[BROKER_ERROR_SIZE])
{
    struct buf config = BUF_INIT;
    struct buf rules = BUF_INIT;
    bool loopback = broker_is_loopback(options->listen);
    write_head(&config, options, loopback);
    int e = read_file(options->config_dir, "mosquitto.conf", &config, error);
    if (e == 0 && !loopback) {
        e = check_passwords(options, dir, user, error);
    }
    if (e == 0 && !loopback) {
        e = read_file(options->config_dir, "acl", &rules, error);
    }
    if (e == 0 && !loopback) {
        e = write_file(dir, "acl", &rules, user, error);
    }
    if (e == 0) {
        e = write_file(dir, "mosquitto.conf", &config, user, error);
    }
    buf_finish(&config);
    buf_finish(&rules);
    return e;
}

int broker_files_write(const struct broker_options *options, struct broker_user *ret_user, int *ret_dir,
                       char error[BROKER_ERROR_SIZE])
{
    struct broker_user user;
    if (find_user(&user, error) != 0) {
        return -1;
    }
    int dir = open_folder(options->state_dir, &user, error);
    if (dir < 0) {
        return -1;
    }
    if (write_files(options, dir, &user, error) != 0) {
        close(dir);
        return -1;
    }
    *ret_user = user;
    *ret_dir = dir;
    return 0;
}

/* --- the program --- */

static bool is_program(const char *folder, size_t folder_len, const char *name, char *buffer, size_t size)
{
    int len = snprintf(buffer, size, "%.*s/%s", (int)folder_len, folder, name);
    return len > 0 && (size_t)len < size && access(buffer, X_OK) == 0;
}

int broker_find_program(const char *name, char *buffer, size_t size)
{
    static const char *const admin_folders[] = {"/usr/sbin", "/usr/local/sbin", "/sbin"};
    if (strchr(name, '/')) {
        return (size_t)snprintf(buffer, size, "%s", name) < size && access(buffer, X_OK) == 0 ? 0 : -ENOENT;
    }
    for (const char *path = getenv("PATH"); path && *path;) {
        size_t len = strcspn(path, ":");
        if (len > 0 && is_program(path, len, name, buffer, size)) {
            return 0;
        }
        path += len + (path[len] == ':');
    }
    for (size_t i = 0; i < sizeof admin_folders / sizeof *admin_folders; i++) {
        if (is_program(admin_folders[i], strlen(admin_folders[i]), name, buffer, size)) {
            return 0;
        }
    }
    return -ENOENT;
}
