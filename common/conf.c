#include "conf.h"

#include "conf_internal.h"
#include "log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- one file over what is there --- */

struct pass {
    struct conf *conf;
    const char *file;
};

static const char *where(const struct pass *pass, unsigned line, char buffer[PATH_MAX + 16])
{
    snprintf(buffer, PATH_MAX + 16, "%s:%u", pass->file, line);
    return buffer;
}

static void report_unknown(struct pass *pass, const struct yaml_node *entry, const char *group, bool ours)
{
    char place[PATH_MAX + 16], shown[LOG_TEXT], nearest[64];
    unsigned distance;
    conf_key_nearest(group, entry->key, nearest, sizeof nearest, &distance);
    bool near = distance <= 2 || distance * 3 <= strlen(entry->key);
    conf_problem_add(pass->conf, ours ? CONF_ERROR : CONF_WARNING, where(pass, entry->key_line, place),
                     near ? "%s.%s: unknown key; did you mean %s?"
                          : "%s.%s: unknown key; the nearest known one is %s",
                     group, log_escape(shown, sizeof shown, entry->key, strlen(entry->key)), nearest);
}

/* What YAML or our own pages know, and would be missed here: an error, whosever the section is. `group` is ""
 * at the root. True if it was reported. */
static bool report_misplaced(struct pass *pass, const struct yaml_node *entry, const char *group)
{
    char place[PATH_MAX + 16], name[128];
    int n = snprintf(name, sizeof name, "%s%s%s", group, *group ? "." : "", entry->key);
    const char *dot = strchr(entry->key, '.');
    if (n < 0 || (size_t)n >= sizeof name) {
        return false;
    }
    if (strcmp(entry->key, "<<") == 0) {
        conf_problem_add(pass->conf, CONF_ERROR, where(pass, entry->key_line, place),
                         "%s: merge keys are not followed here; write out what it stands for", name);
        return true;
    }
    if (dot && (conf_key_find(name) >= 0 || conf_is_group(name))) {
        conf_problem_add(pass->conf, CONF_ERROR, where(pass, entry->key_line, place),
                         "%s: the dot stands for nesting: write %.*s: {%s: …}", name, (int)(dot - entry->key),
                         entry->key, dot + 1);
        return true;
    }
    return false;
}

/* YAML lets the last one count, as Smollama does; two are never meant. True if `i` is not the last one of its
 * name: then it is not read. */
static bool is_overruled(struct pass *pass, const struct yaml_node *parent, size_t i, const char *name,
                         bool ours)
{
    const struct yaml_node *entry = &parent->children[i];
    for (size_t j = i + 1; j < parent->count; j++) {
        if (strcmp(parent->children[j].key, entry->key) == 0) {
            char place[PATH_MAX + 16];
            conf_problem_add(pass->conf, ours ? CONF_ERROR : CONF_WARNING,
                             where(pass, entry->key_line, place),
                             "%s: stands here again in line %u, and only the last one is read", name,
                             parent->children[j].key_line);
            return true;
        }
    }
    return false;
}

/* The keys below `group`. Its depth is bounded by the table: "mqtt.tls" is the deepest group. */
static void apply_group(struct pass *pass, const struct yaml_node *node, const char *group, bool ours)
{
    char place[PATH_MAX + 16];
    if (yaml_is_null(node)) {
        return;
    }
    if (node->kind == YAML_ALIAS) {
        conf_problem_add(pass->conf, CONF_ERROR, where(pass, node->line, place),
                         "%s: aliases (*name) are not followed here", group);
        return;
    }
    if (node->kind != YAML_MAP) {
        conf_problem_add(pass->conf, CONF_ERROR, where(pass, node->key_line, place),
                         "%s: expected keys with values (key: value)", group);
        return;
    }
    for (size_t i = 0; i < node->count && !pass->conf->no_memory; i++) {
        const struct yaml_node *entry = &node->children[i];
        char name[128];
        int n = snprintf(name, sizeof name, "%s.%s", group, entry->key);
        bool fits = n > 0 && (size_t)n < sizeof name && !strchr(entry->key, '.');
        int key = fits ? conf_key_find(name) : -1;
        bool is_group = key < 0 && fits && conf_is_group(name);
        if (key < 0 && !is_group) {
            if (!report_misplaced(pass, entry, group)) {
                report_unknown(pass, entry, group, ours);
            }
        } else if (is_overruled(pass, node, i, name, ours)) {
            continue;
        } else if (is_group) {
            apply_group(pass, entry, name, ours);
        } else {
            conf_set_node(pass->conf, (size_t)key, pass->file, entry);
        }
    }
}

static void report_section(struct pass *pass, const struct yaml_node *entry)
{
    char place[PATH_MAX + 16], shown[LOG_TEXT];
    unsigned distance;
    const char *nearest = conf_section_nearest(entry->key, &distance);
    bool error = conf_section_distance_to_ours(entry->key) <= 2;
    conf_problem_add(pass->conf, error ? CONF_ERROR : CONF_WARNING, where(pass, entry->key_line, place),
                     distance <= 2 ? "%s: unknown section; did you mean %s?"
                                   : "%s: unknown section, not read; the nearest known one is %s",
                     log_escape(shown, sizeof shown, entry->key, strlen(entry->key)), nearest);
}

static void apply_root(struct pass *pass, const struct yaml_node *root)
{
    for (size_t i = 0; i < root->count && !pass->conf->no_memory; i++) {
        const struct yaml_node *entry = &root->children[i];
        enum conf_section kind = conf_section_kind(entry->key);
        if (kind == SECTION_UNKNOWN) {
            if (!report_misplaced(pass, entry, "")) {
                report_section(pass, entry);
            }
        } else if (kind != SECTION_SMOLLAMA &&
                   !is_overruled(pass, root, i, entry->key, kind == SECTION_OURS)) {
            apply_group(pass, entry, entry->key, kind == SECTION_OURS);
        }
    }
}

static void apply_text(struct conf *conf, const char *file, const char *text, size_t len)
{
    struct yaml_node root;
    char *message = NULL;
    int e = yaml_parse(text, len, &root, &message);
    if (e == 0) {
        struct pass pass = {.conf = conf, .file = file};
        apply_root(&pass, &root);
        yaml_node_finish(&root);
    } else if (e == -EINVAL) {
        /* "12:3: …" becomes "config.yaml:12:3: …" */
        char place[PATH_MAX + 32];
        const char *what = strstr(message, ": ");
        snprintf(place, sizeof place, "%s:%.*s", file, (int)(what - message), message);
        conf_problem_add(conf, CONF_ERROR, place, "%s", what + 2);
    } else {
        conf->no_memory = true;
    }
    free(message);
}

/* --- files --- */

/* The whole file, at most one byte more than allowed. 0 or -errno. */
static int read_file(const char *path, char **ret_text, size_t *ret_len)
{
    int result = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    size_t len = 0;
    char *text = malloc(CONF_FILE_MAX + 1);
    if (!text) {
        result = -ENOMEM;
    }
    while (result == 0 && len < CONF_FILE_MAX + 1) {
        ssize_t n = read(fd, text + len, CONF_FILE_MAX + 1 - len);
        if (n == 0) {
            break;
        }
        if (n > 0) {
            len += (size_t)n;
        } else if (errno != EINTR) {
            result = -errno;
        }
    }
    close(fd);
    if (result < 0) {
        free(text);
        return result;
    }
    *ret_text = text;
    *ret_len = len;
    return 0;
}

/* 0, or -errno after which nothing was applied. */
static int apply_file(struct conf *conf, const char *path)
{
    char *text = NULL;
    size_t len = 0;
    int e = read_file(path, &text, &len);
    if (e == 0) {
        apply_text(conf, path, text, len);
        free(text);
    } else if (e == -ENOMEM) {
        conf->no_memory = true;
    }
    return e;
}

static void add_overlay(struct conf *conf, const char *path)
{
    char *all = NULL;
    if (asprintf(&all, "%s%s%s", conf->overlay ? conf->overlay : "", conf->overlay ? ", " : "", path) < 0) {
        conf->no_memory = true;
        return;
    }
    free(conf->overlay);
    conf->overlay = all;
}

/* <dir>/<name up to its first dot>.local.yaml, as Smollama has it; or of another layer. */
static void apply_overlay(struct conf *conf, const char *path, const char *layer)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    size_t stem = strcspn(base, ".");
    char overlay[PATH_MAX];
    int n = snprintf(overlay, sizeof overlay, "%.*s%.*s.%s.yaml", (int)(base - path), path, (int)stem, base,
                     layer);
    if (n < 0 || (size_t)n >= sizeof overlay || strcmp(overlay, path) == 0) {
        return;
    }
    int e = apply_file(conf, overlay);
    if (e == 0) {
        add_overlay(conf, overlay);
    } else if (e != -ENOENT && e != -ENOTDIR) {
        conf_problem_add(conf, CONF_ERROR, overlay, "cannot be read: %s", strerror(-e));
    }
}

/* Smollama's search order; false if there is none. */
static bool find_file(char *(*environment)(const char *), char path[PATH_MAX])
{
    static const char *const names[] = {"config.yaml", "config.yml"};
    const char *home = environment("HOME");
    for (size_t i = 0; i < 4; i++) {
        int n = -1;
        if (i < 2) {
            n = snprintf(path, PATH_MAX, "%s", names[i]);
        } else if (home && *home) {
            n = snprintf(path, PATH_MAX, "%s/.smollama/%s", home, names[i - 2]);
        }
        if (n > 0 && n < PATH_MAX && access(path, F_OK) == 0) {
            return true;
        }
    }
    return false;
}

/* An empty variable is no variable, as Smollama has it. */
static void apply_environment(struct conf *conf, char *(*environment)(const char *))
{
    for (size_t i = 0; i < conf_key_count; i++) {
        const char *text = conf_keys[i].variable ? environment(conf_keys[i].variable) : NULL;
        if (text && *text) {
            conf_set_text(conf, i, conf_keys[i].variable, text);
        }
    }
}

/* --- life --- */

static struct conf *conf_create(void)
{
    struct conf *conf = calloc(1, sizeof *conf);
    if (!conf) {
        return NULL;
    }
    conf->values = calloc(conf_key_count, sizeof *conf->values);
    if (!conf->values) {
        free(conf);
        return NULL;
    }
    for (size_t i = 0; i < conf_key_count; i++) {
        bool ok = conf_set_default(conf, i);
        assert(ok || conf->no_memory); /* a default that its own check refuses */
        (void)ok;
    }
    return conf;
}

static struct conf *finished(struct conf *conf)
{
    if (conf->no_memory) {
        conf_destroy(conf);
        errno = ENOMEM;
        return NULL;
    }
    return conf;
}

struct conf *conf_load(const char *path, char *(*environment)(const char *name))
{
    return conf_load_with(path, NULL, environment);
}

struct conf *conf_load_with(const char *path, const char *layer, char *(*environment)(const char *name))
{
    struct conf *conf = conf_create();
    if (!conf) {
        return NULL;
    }
    conf->layer = layer;
    char found[PATH_MAX];
    if (!path && find_file(environment, found)) {
        path = found;
    }
    if (path) {
        conf->path = conf_copy(conf, path);
        int e = apply_file(conf, path);
        if (e < 0) {
            conf_problem_add(conf, CONF_ERROR, path, "cannot be read: %s", strerror(-e));
        }
        apply_overlay(conf, path, "local");
        if (layer) {
            apply_overlay(conf, path, layer);
        }
    } else {
        conf_problem_add(conf, CONF_WARNING, "config.yaml",
                         "no configuration file found (./config.yaml, ./config.yml, ~/.smollama/config.yaml, "
                         "~/.smollama/config.yml); the defaults are used");
    }
    apply_environment(conf, environment);
    return finished(conf);
}

struct conf *conf_load_text(const char *file_name, const char *text, char *(*environment)(const char *name))
{
    struct conf *conf = conf_create();
    if (!conf) {
        return NULL;
    }
    conf->path = conf_copy(conf, file_name);
    apply_text(conf, file_name, text, strlen(text));
    apply_environment(conf, environment);
    return finished(conf);
}

void conf_destroy(struct conf *conf)
{
    if (!conf) {
        return;
    }
    for (size_t i = 0; i < conf_key_count; i++) {
        conf_value_finish(&conf->values[i], &conf_keys[i]);
    }
    for (size_t i = 0; i < conf->problem_count; i++) {
        free(conf->problems[i].text);
    }
    free(conf->values);
    free(conf->problems);
    free(conf->path);
    free(conf->overlay);
    free(conf);
}
