/* The authority in its folder; certificate.c makes what is written there. */
#include "authority.h"

#include "certificate.h"
#include "secret_file.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_MODE         0600
#define CERTIFICATE_MODE 0644
#define DAY_S            86400
#define COMMON_NAME_MAX  64 /* RFC 5280, ub-common-name */

static int fail(char error[AUTHORITY_ERROR_SIZE], int e, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Returns `e`, whose text is put behind. */
static int fail(char error[AUTHORITY_ERROR_SIZE], int e, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(error, AUTHORITY_ERROR_SIZE, format, arguments);
    va_end(arguments);
    if (len >= 0 && len < AUTHORITY_ERROR_SIZE) {
        snprintf(error + len, (size_t)(AUTHORITY_ERROR_SIZE - len), ": %s",
                 e == -EBADMSG ? certificate_error() : strerror(-e));
    }
    return e;
}

static void path_of(char path[PATH_MAX], const char *folder, const char *name, const char *ending)
{
    snprintf(path, PATH_MAX, "%s/%s.%s", folder, name, ending);
}

/* --- reading --- */

/* *ret_certificate or *ret_key is the caller's to free; pass NULL for what is not wanted. */
static int load_path(const char *path, X509 **ret_certificate, EVP_PKEY **ret_key,
                     char error[AUTHORITY_ERROR_SIZE])
{
    char *text = NULL;
    size_t len = 0;
    int e = secret_file_read(path, &text, &len);
    if (e != 0) {
        return fail(error, e, "cannot read %.300s", path);
    }
    e = ret_certificate ? certificate_from_pem(text, len, ret_certificate)
                        : certificate_key_from_pem(text, len, ret_key);
    explicit_bzero(text, len);
    free(text);
    return e ? fail(error, e, "%.300s is not what it should be", path) : 0;
}

static int load(const char *folder, const char *name, X509 **ret_certificate, EVP_PKEY **ret_key,
                char error[AUTHORITY_ERROR_SIZE])
{
    char path[PATH_MAX];
    path_of(path, folder, name, ret_certificate ? "crt" : "key");
    return load_path(path, ret_certificate, ret_key, error);
}

int authority_read_file(const char *path, struct authority_certificate *ret_certificate,
                        char error[AUTHORITY_ERROR_SIZE])
{
    X509 *certificate = NULL;
    int e = load_path(path, &certificate, NULL, error);
    if (e == 0) {
        certificate_describe(certificate, ret_certificate);
        X509_free(certificate);
    }
    return e;
}

int authority_read(const char *folder, const char *name, struct authority_certificate *ret_certificate,
                   char error[AUTHORITY_ERROR_SIZE])
{
    char path[PATH_MAX];
    path_of(path, folder, name, "crt");
    return authority_read_file(path, ret_certificate, error);
}

bool authority_is_due(const struct authority_certificate *certificate, int64_t now_s)
{
    return (certificate->until_s - now_s) * 3 < certificate->until_s - certificate->from_s;
}

int authority_der(const char *ca_file, unsigned char **ret_der, size_t *ret_len,
                  char error[AUTHORITY_ERROR_SIZE])
{
    char *text = NULL;
    size_t len = 0;
    int e = secret_file_read(ca_file, &text, &len);
    e = e ? e : certificate_pem_to_der(text, len, ret_der, ret_len);
    free(text);
    return e ? fail(error, e, "the authority's certificate %.300s cannot be used", ca_file) : 0;
}

/* --- writing --- */

/* The key first: a server that reads in between finds a pair that does not fit and keeps what it has, rather
 * than a certificate that everybody sees and nobody can use. */
static int store(const char *folder, const char *name, const EVP_PKEY *key, const X509 *certificate,
                 char error[AUTHORITY_ERROR_SIZE])
{
    char path[PATH_MAX];
    char *text = NULL;
    size_t len = 0;
    struct secret_owner owner; /* of a key that is there already: the server's user, perhaps */
    path_of(path, folder, name, "key");
    int e = secret_owner_of(path, &owner);
    e = e == -ENOENT ? secret_owner_of(folder, &owner) : e;
    if (e == 0 && key) {
        e = certificate_key_to_pem(key, &text, &len);
        e = e ? e : secret_file_write(path, text, len, KEY_MODE, owner);
        if (text) {
            explicit_bzero(text, len);
        }
        free(text);
        text = NULL;
        if (e != 0) {
            return fail(error, e, "cannot write %.300s", path);
        }
    }
    path_of(path, folder, name, "crt");
    e = e ? e : certificate_to_pem(certificate, &text, &len);
    e = e ? e : secret_file_write(path, text, len, CERTIFICATE_MODE, owner);
    free(text);
    return e ? fail(error, e, "cannot write %.300s", path) : 0;
}

static int make_folder(const char *folder, char error[AUTHORITY_ERROR_SIZE])
{
    char parent[PATH_MAX];
    struct secret_owner owner;
    const char *slash = strrchr(folder, '/');
    snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - folder) : 0, folder);
    if (mkdir(folder, 0755) != 0) {
        return errno == EEXIST ? 0 : fail(error, -errno, "cannot make %.300s", folder);
    }
    int e = secret_owner_of(parent[0] ? parent : slash ? "/" : ".", &owner);
    if (e == 0 && owner.change && chown(folder, owner.uid, owner.gid) != 0) {
        e = -errno;
    }
    return e ? fail(error, e, "cannot change the owner of %.300s", folder) : 0;
}

static bool exists(const char *folder, const char *name, const char *ending)
{
    char path[PATH_MAX];
    path_of(path, folder, name, ending);
    return access(path, F_OK) == 0;
}

/* All that follows is done by one at a time: two that make an authority would leave the key of one beside the
 * certificate of the other. A descriptor to close, or -errno. */
static int lock(const char *folder, unsigned wait_ms, char error[AUTHORITY_ERROR_SIZE])
{
    char path[PATH_MAX];
    int e = make_folder(folder, error);
    if (e != 0) {
        return e;
    }
    snprintf(path, sizeof path, "%s/ca", folder);
    int fd = secret_file_lock(path, wait_ms);
    return fd < 0 ? fail(error, fd, "cannot lock %.300s", path) : fd;
}

static int make(const char *folder, bool renew, int64_t now_s, bool *ret_made,
                char error[AUTHORITY_ERROR_SIZE])
{
    int e = 0;
    bool have_key = exists(folder, "ca", "key"), have_certificate = exists(folder, "ca", "crt");
    if (have_certificate && !renew) {
        return 0; /* without its key: one that is kept elsewhere, and signs there */
    }
    EVP_PKEY *key = NULL;
    X509 *certificate = NULL;
    if (have_key || have_certificate) {
        e = load(folder, "ca", NULL, &key, error);
    } else if (!(key = certificate_make_key())) {
        e = fail(error, -EBADMSG, "cannot make a key");
    }
    if (e == 0) {
        e = certificate_make_authority(key, now_s - DAY_S, now_s + (int64_t)AUTHORITY_CA_DAYS * DAY_S,
                                       &certificate);
        e = e ? fail(error, e, "cannot make the authority's certificate") : 0;
    }
    e = e ? e : store(folder, "ca", have_key ? NULL : key, certificate, error);
    EVP_PKEY_free(key);
    X509_free(certificate);
    *ret_made = e == 0;
    return e;
}

int authority_make(const char *folder, bool renew, int64_t now_s, bool *ret_made,
                   char error[AUTHORITY_ERROR_SIZE])
{
    *ret_made = false;
    int fd = lock(folder, SECRET_LOCK_MS, error);
    if (fd < 0) {
        return fd;
    }
    int e = make(folder, renew, now_s, ret_made, error);
    close(fd);
    return e;
}

static int issue(const char *folder, const char *name, const struct authority_names *names, int64_t now_s,
                 char error[AUTHORITY_ERROR_SIZE])
{
    EVP_PKEY *ca_key = NULL, *key = NULL;
    X509 *ca = NULL, *certificate = NULL;
    struct authority_certificate authority;
    int e = load(folder, "ca", &ca, NULL, error);
    e = e ? e : load(folder, "ca", NULL, &ca_key, error);
    if (e == 0) {
        certificate_describe(ca, &authority);
        if (authority.until_s <= now_s) {
            snprintf(error, AUTHORITY_ERROR_SIZE, "the authority itself has ended; renew it first");
            e = -ESTALE;
        }
    }
    if (e == 0) {
        int64_t until_s = now_s + (int64_t)AUTHORITY_DAYS * DAY_S - DAY_S;
        struct certificate_wish wish = {
            .name = names && strlen(names->list[0]) <= COMMON_NAME_MAX ? names->list[0] : name,
            .names = names,
            .from_s = now_s - DAY_S,
            .until_s = until_s < authority.until_s ? until_s : authority.until_s,
        };
        e = (key = certificate_make_key()) ? certificate_sign(&wish, key, ca, ca_key, &certificate)
                                           : -EBADMSG;
        e = e ? fail(error, e, "cannot make the certificate of %.200s", name) : 0;
    }
    e = e ? e : store(folder, name, key, certificate, error);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
    X509_free(ca);
    X509_free(certificate);
    return e;
}

int authority_issue(const char *folder, const char *name, const struct authority_names *names, int64_t now_s,
                    char error[AUTHORITY_ERROR_SIZE])
{
    int fd = lock(folder, SECRET_LOCK_MS, error);
    if (fd < 0) {
        return fd;
    }
    int e = issue(folder, name, names, now_s, error);
    close(fd);
    return e;
}

/* --- what a daemon wants --- */

/* Is the server's certificate of this authority, and its key there? Power loss between the two files leaves
 * others than were made together. Without the authority's key nothing could be mended, so nobody asks. */
static bool belongs_together(const char *folder)
{
    char error[AUTHORITY_ERROR_SIZE];
    X509 *ca = NULL, *certificate = NULL;
    EVP_PKEY *key = NULL;
    if (!exists(folder, "ca", "key")) {
        return true;
    }
    bool good = load(folder, "ca", &ca, NULL, error) == 0 &&
                load(folder, "server", &certificate, NULL, error) == 0 &&
                load(folder, "server", NULL, &key, error) == 0 && certificate_fits(certificate, key, ca);
    X509_free(ca);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return good;
}

/* Adds to `all` what the certificate has; true if it lacked nothing of it. */
static bool covers(const struct authority_certificate *certificate, struct authority_names *all)
{
    bool complete = true;
    for (size_t i = 0; i < all->count; i++) {
        complete = complete && authority_names_have(&certificate->names, all->list[i]);
    }
    for (size_t i = 0; i < certificate->names.count; i++) {
        authority_names_add(all, certificate->names.list[i]); /* without room, the newer names count */
    }
    return complete;
}

static int keep(const char *folder, struct authority_names *all, int64_t now_s, bool *ret_made,
                char error[AUTHORITY_ERROR_SIZE])
{
    struct authority_certificate server;
    bool authority_made = false;
    int e = make(folder, false, now_s, &authority_made, error);
    if (e != 0) {
        return e;
    }
    e = authority_made ? -ENOENT : authority_read(folder, "server", &server, error);
    if (e != 0 && e != -ENOENT) {
        return e;
    }
    bool good = e == 0 && covers(&server, all) && !authority_is_due(&server, now_s);
    if (good && belongs_together(folder)) {
        return 0;
    }
    e = issue(folder, "server", all, now_s, error);
    *ret_made = e == 0;
    return e;
}

int authority_keep(const char *folder, const struct authority_names *names, int64_t now_s, unsigned wait_ms,
                   bool *ret_made, char error[AUTHORITY_ERROR_SIZE])
{
    struct authority_names *all = malloc(sizeof *all);
    *ret_made = false;
    if (!all) {
        return fail(error, -ENOMEM, "cannot look after %.300s", folder);
    }
    *all = *names;
    int fd = lock(folder, wait_ms, error);
    int e = fd < 0 ? fd : keep(folder, all, now_s, ret_made, error);
    if (fd >= 0) {
        close(fd);
    }
    free(all);
    return e;
}
