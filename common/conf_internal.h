/*
 * conf_internal: what the files of conf share. conf_yaml.c makes a tree of a file, conf_table.c says what may
 * stand in it, conf_value.c turns its nodes into values, conf_problem.c says what is wrong with them, conf.c
 * puts file, overlay and environment together, conf_get.c answers the programs, conf_print.c and conf_cli.c
 * people, and conf_files.c looks into the files that are named.
 */
#ifndef CONF_INTERNAL_H
#define CONF_INTERNAL_H

#include "conf.h"

/* --- the tree (conf_yaml.c) --- */

enum yaml_kind { YAML_TEXT, YAML_LIST, YAML_MAP, YAML_ALIAS };

struct yaml_node {
    enum yaml_kind kind;
    unsigned line; /* from 1 */
    char *key;     /* of a map's entry, else NULL */
    unsigned key_line;
    /* YAML_TEXT */
    char *text;
    size_t text_len; /* more than strlen(text) when there is a NUL inside */
    bool plain;      /* not quoted: may mean null */
    /* YAML_LIST, YAML_MAP */
    struct yaml_node *children; /* owned array, in the file's order, doubles included */
    size_t count, capacity;
};

#define CONF_FILE_MAX  (1024 * 1024) /* bytes of one file */
#define CONF_DEPTH_MAX 32            /* nested lists and maps */
#define CONF_NODES_MAX 100000        /* lists, maps, texts and keys in one file */

/*
 * 0 with *ret_root (kind YAML_MAP without children for an empty file; end it by yaml_node_finish); -ENOMEM;
 * or -EINVAL with *ret_message: "12:3: did not find expected key", malloc'ed.
 */
int yaml_parse(const char *text, size_t len, struct yaml_node *ret_root, char **ret_message);
void yaml_node_finish(struct yaml_node *node);
bool yaml_is_null(const struct yaml_node *node); /* empty, ~ or null, not quoted */

/* --- the table (conf_table.c), its sections and names (conf_section.c) --- */

enum conf_type {
    CONF_STRING,
    CONF_INT,
    CONF_DURATION, /* whole seconds: 90, 90s, 5m, 2h, 7d */
    CONF_SECONDS,  /* the same, with decimals */
    CONF_BOOL,
    CONF_LIST,    /* of strings */
    CONF_RECORDS, /* list of maps with given fields, all required, the first one unique */
    CONF_MAP,     /* of strings */
    CONF_IGNORED, /* Smollama's own: accepted whatever it holds */
};

/* NULL if the value is right, else a static text that completes "the value …". */
typedef const char *conf_check_fn(const char *value);

struct conf_field {
    const char *name;
    conf_check_fn *check;
};
#define CONF_FIELDS_MAX 2

/* What a reload (SIGHUP) does with a key; CONF_UNUSED: the program does not look at it. */
enum conf_use { CONF_UNUSED, CONF_LIVE, CONF_RECONNECT, CONF_RESTART };

struct conf_key {
    const char *name; /* dotted */
    enum conf_use agent, llamad;
    enum conf_type type;
    bool secret;
    const char *fallback;            /* as in a file; of a list: with commas; NULL = none */
    double min, max;                 /* of numbers and durations */
    conf_check_fn *check;            /* of the string, or of each one in a list or map */
    const char *const *choices;      /* NULL-terminated, or NULL */
    const struct conf_field *fields; /* CONF_FIELDS_MAX of them */
    const char *variable;            /* environment, or NULL */
    const char *help;
};

extern const struct conf_key conf_keys[];
extern const size_t conf_key_count;

enum conf_section { SECTION_UNKNOWN, SECTION_OURS, SECTION_SHARED, SECTION_SMOLLAMA };
enum conf_section conf_section_kind(const char *name);
/* The section of ours or shared that is spelled most like `name`, and how many edits lie between. */
const char *conf_section_nearest(const char *name, unsigned *ret_distance);
/* The same among ours only. */
unsigned conf_section_distance_to_ours(const char *name);

/* What docs/ say of a section or group of ours or shared in front of its keys; NULL = nothing. */
const char *conf_section_text(const char *name);

/* The key of that full name; its index, or -1. */
int conf_key_find(const char *name);
/* True if keys with the prefix "name." exist. */
bool conf_is_group(const char *name);
/* The last part of the name spelled most like `part` among the keys directly below `group` ("mqtt" or
 * "mqtt.tls"). */
void conf_key_nearest(const char *group, const char *part, char *buffer, size_t size, unsigned *ret_distance);
unsigned edit_distance(const char *a, const char *b);

/* --- values (conf_value.c) --- */

struct conf_value {
    char *text;    /* CONF_STRING */
    double number; /* CONF_INT, CONF_DURATION, CONF_SECONDS, CONF_BOOL (0 or 1) */
    char **items;  /* lists: `count` × width strings; owned */
    size_t count;
    bool set;     /* not the default */
    char *origin; /* "config.yaml:12", "SMOLLAMA_MQTT_PORT"; NULL = default */
};

/* What the command line says of the log, which overrules the file. */
struct conf_log_options {
    unsigned topics;    /* debug topics to be added to those of the file */
    const char *format; /* static; NULL = as the file says */
};

struct conf {
    char *path;
    char *overlay;     /* what was laid over it, with commas; NULL = nothing */
    const char *layer; /* static */
    struct conf_log_options log;
    struct conf_value *values; /* one for each row of the table */
    struct conf_problem *problems;
    size_t problem_count, problem_capacity;
    bool no_memory;
};

#define CONF_PROBLEMS_MAX 200 /* then one last line says that there are more */

/* Both return false when memory ran out or the value was not acceptable; the former is remembered in conf,
 * the latter reported. The old value stays then. */
bool conf_set_node(struct conf *conf, size_t key, const char *file, const struct yaml_node *node);
bool conf_set_text(struct conf *conf, size_t key, const char *origin, const char *text);
bool conf_set_default(struct conf *conf, size_t key);
void conf_value_finish(struct conf_value *value, const struct conf_key *key);
char *conf_copy(struct conf *conf, const char *text); /* NULL sets no_memory */

/* --- texts (conf_print.c) --- */

/* The effective value, as in a file; a secret as "(set)". */
void conf_print_value(const struct conf_key *key, const struct conf_value *value, struct buf *out);

/* --- problems (conf_problem.c) --- */

/* "where: what", both copied; where is "file:12" or a variable's name. */
void conf_problem_add(struct conf *conf, enum conf_severity severity, const char *where, const char *format,
                      ...) __attribute__((format(printf, 4, 5)));

/* Where a value came from while it is being read. */
struct conf_place {
    struct conf *conf;
    const struct conf_key *key;
    char where[512]; /* "config.yaml:12" or "SMOLLAMA_MQTT_PORT" */
};

void conf_place_node(struct conf_place *place, const char *file, unsigned line);
/* "…: mqtt.port: expected a number from 1 to 65535, not "abc"". `value` may be NULL; secrets are not shown.
 */
void conf_report_unexpected(struct conf_place *place, const char *expected, const char *value);
/* True if `value` passes, else it is reported; `part` names which one of a list it is, or is NULL. */
bool conf_passes(struct conf_place *place, conf_check_fn *check, const char *part, const char *value);

#endif
