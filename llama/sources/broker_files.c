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
#define FILE_MAX    ((size_t)1024 * 1024) /* of a file that is copied */
/* In the folder: */
#define ACCOUNTS      "passwd"
#define TLS_CERT      "tls.crt"
#define TLS_KEY       "tls.key"
#define TLS_CLIENT_CA "client-ca.crt"

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

static int read_path(const char *path, struct buf *out, char error[BROKER_ERROR_SIZE])
{
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

static int read_file(const char *folder, const char *name, struct buf *out, char error[BROKER_ERROR_SIZE])
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return read_path(path, out, error);
}

/* Written beside and renamed, so that a broker never reads half a file; never through somebody's symbolic
 * link. */
static int write_file(int dir, const char *name, const struct buf *content, const struct broker_user *user,
                      char error[BROKER_ERROR_SIZE])
{
    char fresh[64];
    snprintf(fresh, sizeof fresh, "%s.new", name);
    unlinkat(dir, fresh, 0);
    int fd = openat(dir, fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return fail(error, "cannot write broker file", name);
    }
    bool written = !content->failed &&
                   (content->len == 0 || write(fd, content->data, content->len) == (ssize_t)content->len);
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

static bool needs_accounts(const struct broker_options *options)
{
    return options->tls_listen || !broker_is_loopback(options->listen);
}

/* A client id cannot be somebody else's when it is the user name: otherwise who has an account could throw
 * others out by connecting under their ids. */
static void write_accounts(struct buf *out)
{
    buf_str(out,
            "allow_anonymous false\npassword_file passwd\nacl_file acl\nuse_username_as_clientid true\n");
}

/* What depends on this installation; the rest is broker-config/mosquitto.conf as it stands. Paths are
 * relative to the folder, which is mosquitto's working directory. */
static void write_head(struct buf *out, const struct broker_options *options)
{
    buf_str(
        out,
        "# Written by llamad at each start; changes are lost. Lasting ones belong into mosquitto.conf of\n"
        "# broker-config, which follows below.\n"
        "per_listener_settings true\n");
    buf_printf(out, "listener %u %s\n", options->port, options->listen);
    if (broker_is_loopback(options->listen)) {
        buf_str(out, "allow_anonymous true\n");
    } else {
        write_accounts(out);
    }
    if (options->tls_listen) {
        buf_printf(out, "listener %u %s\n", options->tls_port, options->tls_listen);
        write_accounts(out);
        buf_str(out, "certfile " TLS_CERT "\nkeyfile " TLS_KEY "\ntls_version tlsv1.2\n");
        if (options->client_ca) {
            buf_str(out, "cafile " TLS_CLIENT_CA "\nrequire_certificate true\n");
        }
    }
    buf_str(out, "persistence true\npersistence_location ./\n"
                 "log_dest stderr\nlog_timestamp false\nlog_type error\nlog_type warning\nlog_type notice\n"
                 "connection_messages true\n\n");
}

/* Replaces the topic level `from` wherever it stands between one of `before` and a slash. `text` and `out`
 * are not the same. */
static void put_in(struct buf *out, const struct buf *text, const char *before, const char *from,
                   const char *to)
{
    size_t from_len = strlen(from);
    for (size_t i = 0; i < text->len; i++) {
        const char *at = text->data + i;
        bool found = i > 0 && strchr(before, at[-1]) && text->len - i > from_len &&
                     memcmp(at, from, from_len) == 0 && at[from_len] == '/';
        if (found) {
            buf_str(out, to);
            i += from_len - 1;
        } else {
            buf_char(out, *at);
        }
    }
}

static int write_rules(const struct broker_options *options, int dir, const struct broker_user *user,
                       char error[BROKER_ERROR_SIZE])
{
    struct buf raw = BUF_INIT, based = BUF_INIT, rules = BUF_INIT;
    int e = read_file(options->config_dir, "acl", &raw, error);
    if (e == 0) {
        put_in(&based, &raw, " /", "alpaca", options->base_topic ? options->base_topic : "alpaca");
        put_in(&rules, &based, " ", "homeassistant",
               options->ha_prefix ? options->ha_prefix : "homeassistant");
        buf_char(&rules, '\n');
    }
    if (e == 0 && options->acl_file) {
        e = read_path(options->acl_file, &rules, error);
    }
    e = e ? e : write_file(dir, "acl", &rules, user, error);
    buf_finish(&raw);
    buf_finish(&based);
    buf_finish(&rules);
    return e;
}

/* --- accounts and certificates --- */

/* Without any there is an empty file: mosquitto does not start without, and there may be accounts later. Only
 * made where there is none, never put in the place of one: `llamad enrol` may write the first account right
 * now. */
static int prepare_accounts(int dir, const struct broker_user *user, char error[BROKER_ERROR_SIZE])
{
    int fd = openat(dir, ACCOUNTS, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST) {
        return fail(error, "cannot write broker file", ACCOUNTS);
    }
    if (fd >= 0) {
        close(fd);
    }
    if (user->change && fchownat(dir, ACCOUNTS, user->uid, user->gid, AT_SYMLINK_NOFOLLOW) != 0) {
        return fail(error, "cannot change the owner of", ACCOUNTS);
    }
    return 0;
}

static int copy_file(const char *path, int dir, const char *name, const struct broker_user *user,
                     char error[BROKER_ERROR_SIZE])
{
    struct buf content = BUF_INIT;
    int e = read_path(path, &content, error);
    e = e ? e : write_file(dir, name, &content, user, error);
    if (content.data) {
        explicit_bzero(content.data, content.len);
    }
    buf_finish(&content);
    return e;
}

static int copy_certificates(const struct broker_options *options, int dir, const struct broker_user *user,
                             char error[BROKER_ERROR_SIZE])
{
    int e = copy_file(options->tls_key, dir, TLS_KEY, user, error);
    e = e ? e : copy_file(options->tls_cert, dir, TLS_CERT, user, error);
    if (e == 0 && options->client_ca) {
        e = copy_file(options->client_ca, dir, TLS_CLIENT_CA, user, error);
    }
    return e;
}

int broker_files_renew(const struct broker_options *options, int dir, const struct broker_user *user,
                       char error[BROKER_ERROR_SIZE])
{
    if (!needs_accounts(options)) {
        return 0;
    }
    int e = prepare_accounts(dir, user, error);
    e = e ? e : write_rules(options, dir, user, error);
    return e || !options->tls_listen ? e : copy_certificates(options, dir, user, error);
}

static uint64_t stamp_of(int dir, const char *path, uint64_t before)
{
    struct stat status;
    if (!path || fstatat(dir, path, &status, 0) != 0) {
        return before;
    }
    const uint64_t parts[] = {(uint64_t)status.st_ino, (uint64_t)status.st_size,
                              (uint64_t)status.st_mtim.tv_sec, (uint64_t)status.st_mtim.tv_nsec};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        before = (before ^ parts[i]) * UINT64_C(1099511628211); /* FNV-1a, in larger steps */
    }
    return before;
}

uint64_t broker_files_stamp(const struct broker_options *options, int dir)
{
    const char *const files[] = {options->tls_cert, options->tls_key, options->client_ca, options->acl_file};
    uint64_t stamp = UINT64_C(14695981039346656037);
    if (!needs_accounts(options)) {
        return stamp;
    }
    stamp = stamp_of(dir, ACCOUNTS, stamp);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        stamp = stamp_of(AT_FDCWD, files[i], stamp);
    }
    return stamp;
}

static int write_files(const struct broker_options *options, int dir, const struct broker_user *user,
                       char error[BROKER_ERROR_SIZE])
{
    struct buf config = BUF_INIT;
    write_head(&config, options);
    int e = read_file(options->config_dir, "mosquitto.conf", &config, error);
    e = e ? e : broker_files_renew(options, dir, user, error);
    e = e ? e : write_file(dir, "mosquitto.conf", &config, user, error);
    buf_finish(&config);
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
