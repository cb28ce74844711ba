#include "mqtt_accounts.h"

#include "buf.h"
#include "file.h"
#include "password_hash.h"
#include "secret_file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MODE 0600

static int fail(char error[MQTT_ACCOUNTS_ERROR_SIZE], int e, const char *what, const char *path)
{
    snprintf(error, MQTT_ACCOUNTS_ERROR_SIZE, "%s %.300s: %s", what, path, strerror(-e));
    return e;
}

bool mqtt_accounts_name_valid(const char *name, const char **ret_why)
{
    if (!node_name_valid(name, strlen(name), ret_why)) {
        return false;
    }
    if (strchr(name, ':')) {
        *ret_why = "contains ':', which mosquitto's password file cannot hold";
        return false;
    }
    return true;
}

/* --- lines --- */

struct line {
    const char *text;
    size_t len; /* without its end */
};

/* The next line from *ret_rest on; false at the end. */
static bool next_line(const char **ret_rest, struct line *ret)
{
    const char *rest = *ret_rest;
    if (!*rest) {
        return false;
    }
    size_t len = strcspn(rest, "\n");
    *ret = (struct line){.text = rest, .len = len};
    *ret_rest = rest + len + (rest[len] == '\n');
    return true;
}

static bool is_name(const char *text, size_t len, const char *name)
{
    return len == strlen(name) && memcmp(text, name, len) == 0;
}

/* "name:hash" */
static bool is_account(struct line line, const char *name)
{
    const char *colon = memchr(line.text, ':', line.len);
    return colon && is_name(line.text, (size_t)(colon - line.text), name);
}

/* "2026-01-02T03:04:05Z enrolled name": *ret's name is borrowed, not terminated. */
static bool parse_entry(struct line line, struct account *ret, struct line *ret_name)
{
    struct tm parts = {0};
    char when[21] = "";
    if (line.len < 31) {
        return false;
    }
    memcpy(when, line.text, 20);
    const char *end = strptime(when, "%Y-%m-%dT%H:%M:%SZ", &parts);
    bool enrolled = memcmp(line.text + 20, " enrolled ", 10) == 0;
    size_t head = enrolled ? 30 : 29;
    if (!end || *end || (!enrolled && memcmp(line.text + 20, " revoked ", 9) != 0)) {
        return false;
    }
    ret->state = enrolled ? ACCOUNT_ENROLLED : ACCOUNT_REVOKED;
    ret->since_s = (int64_t)timegm(&parts);
    *ret_name = (struct line){.text = line.text + head, .len = line.len - head};
    return true;
}

/* --- files --- */

static int lock(const char *file, char error[MQTT_ACCOUNTS_ERROR_SIZE])
{
    int fd = secret_file_lock(file, SECRET_LOCK_MS);
    return fd < 0 ? fail(error, fd, "cannot lock", file) : fd;
}

/* An absent file is an empty one. The caller frees *ret_text. */
static int read_text(const char *path, char **ret_text, char error[MQTT_ACCOUNTS_ERROR_SIZE])
{
    size_t len = 0;
    int e = secret_file_read_itself(path, ret_text, &len);
    if (e == -ENOENT) {
        *ret_text = calloc(1, 1);
        return *ret_text ? 0 : fail(error, -ENOMEM, "cannot read", path);
    }
    return e ? fail(error, e, "cannot read", path) : 0;
}

/* Whose the file was; a new one is whose its folder is. */
static int write_text(const char *path, const struct buf *text, char error[MQTT_ACCOUNTS_ERROR_SIZE])
{
    char folder[PATH_MAX];
    struct secret_owner owner;
    int e = secret_owner_of(path, &owner);
    e = e == -ENOENT ? secret_owner_of(file_folder(path, folder), &owner) : e;
    if (e == 0 && text->failed) {
        e = -ENOMEM;
    }
    e = e ? e : secret_file_write(path, text->data ? text->data : "", text->len, MODE, owner);
    return e ? fail(error, e, "cannot write", path) : 0;
}

/* The account's line anew (hash NULL: without it); *ret_was: it was there. */
static int change_account(const char *file, const char *name, const char *hash, bool *ret_was,
                          char error[MQTT_ACCOUNTS_ERROR_SIZE])
{
    char *text = NULL;
    struct buf out = BUF_INIT;
    struct line line;
    int e = read_text(file, &text, error);
    if (e != 0) {
        return e;
    }
    const char *rest = text;
    *ret_was = false;
    while (next_line(&rest, &line)) {
        if (is_account(line, name)) {
            *ret_was = true;
        } else if (line.len > 0) {
            buf_append(&out, line.text, line.len);
            buf_char(&out, '\n');
        }
    }
    if (hash) {
        buf_printf(&out, "%s:%s\n", name, hash);
    }
    e = hash || *ret_was ? write_text(file, &out, error) : -ENOENT;
    buf_finish(&out);
    free(text);
    return e;
}

static int note(const char *file, const char *name, bool enrolled, int64_t now_s,
                char error[MQTT_ACCOUNTS_ERROR_SIZE])
{
    char path[PATH_MAX], when[32];
    char *text = NULL;
    struct buf out = BUF_INIT;
    struct line line, who;
    struct account entry;
    struct tm parts;
    time_t now = (time_t)now_s;
    snprintf(path, sizeof path, "%s.journal", file);
    int e = read_text(path, &text, error);
    if (e != 0) {
        return e;
    }
    const char *rest = text;
    while (next_line(&rest, &line)) {
        if (parse_entry(line, &entry, &who) && !is_name(who.text, who.len, name)) {
            buf_append(&out, line.text, line.len);
            buf_char(&out, '\n');
        }
    }
    gmtime_r(&now, &parts);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &parts);
    buf_printf(&out, "%s %s %s\n", when, enrolled ? "enrolled" : "revoked", name);
    e = write_text(path, &out, error);
    buf_finish(&out);
    free(text);
    return e;
}

/* --- interface --- */

int mqtt_accounts_set(const char *file, const char *name, int64_t now_s,
                      char ret_password[MQTT_ACCOUNTS_PASSWORD_SIZE], bool *ret_new,
                      char error[MQTT_ACCOUNTS_ERROR_SIZE])
{
    char hash[PASSWORD_HASH_SIZE];
    bool was = false;
    if (password_make(ret_password) != 0 || password_hash(ret_password, hash) != 0) {
        snprintf(error, MQTT_ACCOUNTS_ERROR_SIZE, "OpenSSL gives no random numbers");
        return -EIO;
    }
    int fd = lock(file, error);
    if (fd < 0) {
        return fd;
    }
    int e = change_account(file, name, hash, &was, error);
    e = e ? e : note(file, name, true, now_s, error);
    close(fd);
    *ret_new = !was;
    return e;
}

int mqtt_accounts_revoke(const char *file, const char *name, int64_t now_s,
                         char error[MQTT_ACCOUNTS_ERROR_SIZE])
{
    bool was = false;
    int fd = lock(file, error);
    if (fd < 0) {
        return fd;
    }
    int e = change_account(file, name, NULL, &was, error);
    e = e ? e : note(file, name, false, now_s, error);
    close(fd);
    return e;
}

static int by_name(const void *a, const void *b)
{
    const struct account *first = a, *second = b;
    return strcmp(first->name, second->name);
}

static struct account *find(struct account *list, size_t count, const char *name, size_t len)
{
    for (size_t i = 0; i < count; i++) {
        if (is_name(name, len, list[i].name)) {
            return &list[i];
        }
    }
    return NULL;
}

/* NULL if it is too long or too many. */
static struct account *add(struct account *list, size_t *count, const char *name, size_t len)
{
    if (len == 0 || len > NODE_NAME_MAX || *count == MQTT_ACCOUNTS_MAX) {
        return NULL;
    }
    struct account *account = &list[(*count)++];
    memcpy(account->name, name, len);
    account->name[len] = '\0';
    return account;
}

int mqtt_accounts_list(const char *file, struct account **ret_list, size_t *ret_count,
                       char error[MQTT_ACCOUNTS_ERROR_SIZE])
{
    char path[PATH_MAX];
    char *text = NULL, *journal = NULL;
    struct line line, who;
    struct account *list = calloc(MQTT_ACCOUNTS_MAX, sizeof *list);
    size_t count = 0;
    snprintf(path, sizeof path, "%s.journal", file);
    int e = list ? read_text(file, &text, error) : fail(error, -ENOMEM, "cannot read", file);
    e = e ? e : read_text(path, &journal, error);
    for (const char *rest = text; e == 0 && next_line(&rest, &line);) {
        const char *colon = memchr(line.text, ':', line.len);
        if (colon) {
            add(list, &count, line.text, (size_t)(colon - line.text));
        }
    }
    for (const char *rest = journal; e == 0 && next_line(&rest, &line);) {
        struct account entry;
        if (!parse_entry(line, &entry, &who)) {
            continue;
        }
        struct account *there = find(list, count, who.text, who.len);
        if (there && entry.state == ACCOUNT_REVOKED) {
            continue; /* made again by another tool since */
        }
        if (!there && entry.state == ACCOUNT_REVOKED) {
            there = add(list, &count, who.text, who.len);
        }
        if (there) {
            there->state = entry.state;
            there->since_s = entry.since_s;
        }
    }
    free(text);
    free(journal);
    if (e != 0) {
        free(list);
        return e;
    }
    qsort(list, count, sizeof *list, by_name);
    *ret_list = list;
    *ret_count = count;
    return 0;
}
