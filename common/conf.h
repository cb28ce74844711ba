/*
 * conf: the one YAML file of both programs, which may be Smollama's own config.yaml, read against one table.
 *
 * conf_table.c lists every key with type, default, range, who uses it and one sentence of help; messages,
 * `--check` and the reference in docs/ come from it. Reading collects every problem instead of stopping at
 * the first. Source: contract section 5; Smollama's search order, `.local.yaml` overlay and SMOLLAMA_*
 * variables (facts).
 */
#ifndef CONF_H
#define CONF_H

#include "buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf;

enum conf_severity { CONF_WARNING, CONF_ERROR };
struct conf_problem {
    enum conf_severity severity;
    char *text; /* "config.yaml:12: mqtt.prot: unknown key; did you mean port?" */
};

/*
 * Reads `path`, or with NULL the first of Smollama's search order (none found: defaults, and a warning).
 * Never fails on bad content: see conf_problems. NULL with errno only when memory ran out. `environment` is
 * getenv unless a test passes its own.
 */
struct conf *conf_load(const char *path, char *(*environment)(const char *name));
/* The same, and last `<name up to its first dot>.<layer>.yaml` beside it is laid over it, if it is there. */
struct conf *conf_load_with(const char *path, const char *layer, char *(*environment)(const char *name));
/* For tests: from a text, with a made-up file name in its messages. */
struct conf *conf_load_text(const char *file_name, const char *text, char *(*environment)(const char *name));
void conf_destroy(struct conf *conf);

const char *conf_path(const struct conf *conf); /* the file read; NULL if none */
size_t conf_problem_count(const struct conf *conf);
const struct conf_problem *conf_problem(const struct conf *conf, size_t i);
bool conf_has_errors(const struct conf *conf);
void conf_log_problems(const struct conf *conf); /* each by its severity */
/* For checks that span keys (made by the programs): names the file and line of `key`. */
void conf_report(struct conf *conf, enum conf_severity severity, const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Values by dotted key ("mqtt.port"). A key that is not in the table, or of another type, is a bug: assert.
 * Strings are borrowed from conf; NULL = not set and no default. Durations are in the unit that the table
 * says (seconds). */
const char *conf_string(const struct conf *conf, const char *key);
int64_t conf_int(const struct conf *conf, const char *key);
double conf_double(const struct conf *conf, const char *key);
bool conf_bool(const struct conf *conf, const char *key);
bool conf_is_set(const struct conf *conf, const char *key); /* by file or environment, not by default */
/* Where the value comes from: "config.yaml:12", "SMOLLAMA_MQTT_PORT", "default". */
const char *conf_origin(const struct conf *conf, const char *key);
/* Lists of strings, lists of maps (field names given), and maps of strings (field NULL: value; key by
 * conf_list_key). */
size_t conf_list_len(const struct conf *conf, const char *key);
const char *conf_list_get(const struct conf *conf, const char *key, size_t i, const char *field);
const char *conf_list_key(const struct conf *conf, const char *key, size_t i);

/* ---- the files that it names: what is wrong with them is reported; nothing for a key that is not set ----
 */

/* A password's: readable, not empty. A warning if others can read it, as below. */
void conf_check_secret(struct conf *conf, const char *key);
/* A warning if a password for the broker is set and no user name. */
void conf_check_username(struct conf *conf);
/* Certificates in PEM. That one has ended, or will within two weeks, is a warning: the clock may be wrong. */
void conf_check_authority(struct conf *conf, const char *key);
/* A certificate (with its chain), and the key that belongs to it, without passphrase. */
void conf_check_key_pair(struct conf *conf, const char *certificate_key, const char *key_key);

/* ---- texts ---- */

/* Effective values with origin, one "key = value  # origin" a line, for `--check`; passwords as "(set)". */
void conf_print(const struct conf *conf, struct buf *out);

/* ---- the command line ---- */

/* An option without argument that only one of the programs has. */
struct conf_flag {
    const char *name; /* "once" for --once */
    bool *given;      /* set to true */
};

struct conf_program {
    const char *name, *help;
    unsigned topics;                  /* debug topics (log.h) that it knows */
    void (*check)(struct conf *conf); /* adds its own problems by conf_report; may be NULL */
    const struct conf_flag *flags;    /* up to one without a name; NULL = none */
    const char *layer;                /* as for conf_load_with, static; NULL = none */
};
#define CONF_FLAGS_MAX 4

/*
 * Common command line of both programs: -c FILE, --check, -D TOPICS, -v, --log-format F, --help-config,
 * --version,
 * --help. Returns -1 to go on (with *ret_conf loaded and checked, the log set up by it, problems logged), or
 * the exit status (0, 64 usage, 78 config).
 */
int conf_main(int argc, char **argv, const struct conf_program *program, struct conf **ret_conf);
/* Reads the file of `running` again, by the same command line: its options still overrule the file. Not
 * checked yet. NULL with errno when memory ran out. */
struct conf *conf_reload(const struct conf *running);
/* After getopt_long, told of the short options `known`, returned '?': the option as it was typed. Returns
 * `typed` or one of argv. */
#define CONF_OPTION_SIZE 3
const char *conf_wrong_option(char **argv, const char *known, char typed[CONF_OPTION_SIZE]);
enum conf_who { CONF_AGENT, CONF_LLAMAD };
struct conf_changes {
    bool live, reconnect, restart; /* a key changed that this is said of in the table */
};
/*
 * What a reload does, logged with a line for each key that changed: that it is in force, that the program
 * connects anew, or that it takes effect with the next start. `started` is the configuration of the start,
 * with which such keys are compared; `before` was read last.
 */
struct conf_changes conf_log_changes(const struct conf *started, const struct conf *before,
                                     const struct conf *fresh, enum conf_who who);
bool conf_same(const struct conf *a, const struct conf *b, const char *key); /* the same value? */
/* Level, form and debug topics of the log, from the file and what the command line said. */
void conf_apply_log(const struct conf *conf);
/* The keys as a table in Markdown, for docs/configuration.md. */
void conf_print_reference(struct buf *out);

/* A secret's file: first line without its end. NULL with errno; malloc'ed. */
char *conf_read_secret(const char *path);

#endif
