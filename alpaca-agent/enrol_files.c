#include "enrol_files.h"

#include "enrol_check.h"
#include "secret_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(char error[ENROL_FILES_ERROR], int e, const char *what, const char *path)
{
    snprintf(error, ENROL_FILES_ERROR, "%s %.300s: %s", what, path, strerror(-e));
    return e;
}

int enrol_files_of(const char *config, struct enrol_files *ret_files, char error[ENROL_FILES_ERROR])
{
    char folder[PATH_MAX], whole[PATH_MAX];
    const char *slash = strrchr(config, '/');
    const char *base = slash ? slash + 1 : config;
    int stem = (int)strcspn(base, ".");
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - config) + 1 : 1, slash ? config : ".");
    if (!realpath(folder, whole)) {
        return fail(error, -errno, "cannot use the folder", folder);
    }
    const char *between = strcmp(whole, "/") == 0 ? "" : "/";
    const struct {
        char *path;
        const char *ending;
    } all[] = {{ret_files->layer, "yaml"}, {ret_files->password, "password"}, {ret_files->ca, "ca.crt"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int len = snprintf(all[i].path, PATH_MAX, "%s%s%.*s.enrolled.%s", whole, between, stem, base,
                           all[i].ending);
        if (len < 0 || len >= PATH_MAX) {
            return fail(error, -ENAMETOOLONG, "cannot use the folder", folder);
        }
    }
    return 0;
}

/* Who may read them: see enrol_files_write. */
static int find_owner(const char *path, struct secret_owner *ret_owner, mode_t *ret_mode)
{
    char folder[PATH_MAX];
    struct stat status;
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path) + 1, path);
    int e = secret_owner_of(folder, ret_owner);
    if (e == 0 && stat(folder, &status) != 0) {
        e = -errno;
    }
    bool group = e == 0 && status.st_uid == 0 && status.st_gid != 0 && (status.st_mode & S_IXGRP);
    *ret_mode = group ? 0640 : 0600;
    return e;
}

void enrol_files_write_layer(const struct enrol_files *files, const struct enrolment *enrolment,
                             const char *host, struct buf *out)
{
    const char *ca = enrolment->tls == ENROLMENT_CA       ? files->ca
                     : enrolment->tls == ENROLMENT_PUBLIC ? ENROL_PUBLIC_CA
                                                          : NULL;
    buf_str(out, "# Written by 'alpaca-agent enrol', which writes it anew; what you change belongs into the "
                 "files that "
                 "this one\n# is laid over. To undo the enrolment, remove it.\nnode:\n  name: ");
    buf_json_cstr(out, enrolment->node);
    buf_str(out, "\nmqtt:\n  broker: ");
    buf_json_cstr(out, host);
    buf_printf(out, "\n  port: %u\n  base_topic: ", enrolment->port);
    buf_json_cstr(out, enrolment->base_topic);
    buf_str(out, "\n  username: ");
    buf_json_cstr(out, enrolment->node);
    buf_str(out, "\n  password:\n  password_file: ");
    buf_json_cstr(out, files->password);
    buf_str(out, "\n  tls:\n    ca:");
    if (ca) {
        buf_char(out, ' ');
        buf_json_cstr(out, ca);
    }
    buf_char(out, '\n');
}

static int make_config(const char *config, struct secret_owner owner, mode_t mode,
                       char error[ENROL_FILES_ERROR])
{
    static const char text[] =
        "# The configuration of alpaca-agent; docs/configuration.md describes its keys.\n";
    if (access(config, F_OK) == 0) {
        return 0;
    }
    int e = errno == ENOENT ? secret_file_write(config, text, strlen(text), mode, owner) : -errno;
    return e ? fail(error, e, "cannot make", config) : 0;
}

static int write_one(const char *path, const struct buf *text, mode_t mode, struct secret_owner owner,
                     char error[ENROL_FILES_ERROR])
{
    int e = text->failed ? -ENOMEM : secret_file_write(path, text->data, text->len, mode, owner);
    return e ? fail(error, e, "cannot write", path) : 0;
}

int enrol_files_write(const char *config, const struct enrol_files *files, const struct enrolment *enrolment,
                      const char *host, char error[ENROL_FILES_ERROR])
{
    struct buf password = BUF_INIT, ca = BUF_INIT, layer = BUF_INIT;
    struct secret_owner owner;
    mode_t mode;
    int e = find_owner(files->layer, &owner, &mode);
    if (e != 0) {
        return fail(error, e, "cannot look at the folder of", files->layer);
    }
    buf_printf(&password, "%s\n", enrolment->password);
    enrolment_write_ca(enrolment, &ca);
    enrol_files_write_layer(files, enrolment, host, &layer);
    e = make_config(config, owner, mode, error);
    if (e == 0 && enrolment->tls == ENROLMENT_CA) {
        e = write_one(files->ca, &ca, mode, owner, error);
    }
    e = e ? e : write_one(files->password, &password, mode, owner, error);
    e = e ? e : write_one(files->layer, &layer, mode, owner, error);
    if (password.data) {
        explicit_bzero(password.data, password.len);
    }
    buf_finish(&password);
    buf_finish(&ca);
    buf_finish(&layer);
    return e;
}
