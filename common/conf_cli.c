/* What people see of the configuration: the command line of both programs, and `--check`. */
#include "conf.h"

#include "conf_internal.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_USAGE = 64, EXIT_CONFIG = 78 };

#define SECRET_MAX 4096

static void print_list(const struct conf_key *key, const struct conf_value *value, struct buf *out)
{
    buf_char(out, key->type == CONF_MAP ? '{' : '[');
    for (size_t i = 0; i < value->count; i++) {
        buf_str(out, i ? ", " : "");
        if (key->type == CONF_LIST) {
            buf_json_cstr(out, value->items[i]);
        } else if (key->type == CONF_MAP) {
            buf_json_cstr(out, value->items[2 * i]);
            buf_str(out, ": ");
            buf_json_cstr(out, value->items[2 * i + 1]);
        } else {
            for (size_t f = 0; f < CONF_FIELDS_MAX; f++) {
                buf_printf(out, "%s%s: ", f ? ", " : "{", key->fields[f].name);
                buf_json_cstr(out, value->items[2 * i + f]);
            }
            buf_char(out, '}');
        }
    }
    buf_char(out, key->type == CONF_MAP ? '}' : ']');
}

static void print_value(const struct conf_key *key, const struct conf_value *value, struct buf *out)
{
    switch (key->type) {
    case CONF_STRING:
        if (!value->text) {
            buf_str(out, "(not set)");
        } else if (key->secret) {
            buf_str(out, "(set)");
        } else {
            buf_json_cstr(out, value->text);
        }
        break;
    case CONF_BOOL:
        buf_str(out, value->number > 0 ? "true" : "false");
        break;
    case CONF_INT:
        buf_printf(out, "%.15g", value->number);
        break;
    case CONF_DURATION:
    case CONF_SECONDS:
        buf_printf(out, "%.15gs", value->number);
        break;
    default:
        print_list(key, value, out);
    }
}

void conf_print(const struct conf *conf, struct buf *out)
{
    for (size_t i = 0; i < conf_key_count; i++) {
        const struct conf_key *key = &conf_keys[i];
        const struct conf_value *value = &conf->values[i];
        if (key->type == CONF_IGNORED) {
            continue;
        }
        buf_printf(out, "%s = ", key->name);
        print_value(key, value, out);
        buf_printf(out, "  # %s\n", value->origin ? value->origin : "default");
    }
}

/* --- the command line --- */

struct arguments {
    const char *file;
    bool check, verbose;
};

static int usage_error(const char *program, const char *what, const char *which)
{
    fprintf(stderr, "%s: %s %s; try '%s --help'\n", program, what, which, program);
    return EXIT_USAGE;
}

/* -1 to go on, else the exit status. */
static int parse_arguments(int argc, char **argv, const char *program, const char *help,
                           struct arguments *ret)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"check", no_argument, NULL, 'k'},
        {"verbose", no_argument, NULL, 'v'},      {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    int option;
    opterr = 0; /* our own messages */
    optind = 0; /* glibc: start anew, so that tests can call this twice */
    while ((option = getopt_long(argc, argv, ":c:vh", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            ret->file = optarg;
            break;
        case 'k':
            ret->check = true;
            break;
        case 'v':
            ret->verbose = true;
            break;
        case 'V':
            printf("%s %s\n", program, PROJECT_VERSION);
            return 0;
        case 'h':
            fputs(help, stdout);
            return 0;
        case ':':
            return usage_error(program, "a file name is missing behind", argv[optind - 1]);
        default:
            return usage_error(program, "unknown option", argv[optind - 1]);
        }
    }
    if (optind < argc) {
        return usage_error(program, "unexpected argument", argv[optind]);
    }
    return -1;
}

static int print_check(const struct conf *conf, const char *program)
{
    for (size_t i = 0; i < conf_problem_count(conf); i++) {
        const struct conf_problem *problem = conf_problem(conf, i);
        fprintf(stderr, "%s: %s\n", problem->severity == CONF_ERROR ? "error" : "warning", problem->text);
    }
    struct buf out = BUF_INIT;
    conf_print(conf, &out);
    bool written = !out.failed && fwrite(out.data, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
    buf_finish(&out);
    if (!written) {
        fprintf(stderr, "%s: cannot write to standard output\n", program);
        return EXIT_FAILURE;
    }
    return conf_has_errors(conf) ? EXIT_CONFIG : EXIT_SUCCESS;
}

void conf_log_problems(const struct conf *conf)
{
    for (size_t i = 0; i < conf_problem_count(conf); i++) {
        const struct conf_problem *problem = conf_problem(conf, i);
        log_write(problem->severity == CONF_ERROR ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, "config: %s",
                  problem->text);
    }
}

int conf_main(int argc, char **argv, const char *program, const char *help, void (*check)(struct conf *conf),
              struct conf **ret_conf)
{
    struct arguments arguments = {0};
    int status = parse_arguments(argc, argv, program, help, &arguments);
    if (status >= 0) {
        return status;
    }
    if (arguments.verbose) {
        log_set_level(LOG_LEVEL_DEBUG);
    }
    struct conf *conf = conf_load(arguments.file, getenv);
    if (!conf) {
        log_error("config: %s", strerror(errno));
        return EXIT_FAILURE;
    }
    if (check) {
        check(conf);
    }
    if (arguments.check) {
        status = print_check(conf, program);
    } else {
        conf_log_problems(conf);
        status = conf_has_errors(conf) ? EXIT_CONFIG : -1;
    }
    if (status >= 0) {
        conf_destroy(conf);
        return status;
    }
    *ret_conf = conf;
    return -1;
}

/* --- secrets --- */

char *conf_read_secret(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return NULL;
    }
    char text[SECRET_MAX + 1];
    size_t len = 0;
    int e = 0;
    while (len < sizeof text) {
        ssize_t n = read(fd, text + len, sizeof text - len);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            e = n < 0 ? errno : 0;
            break;
        }
        len += n > 0 ? (size_t)n : 0;
    }
    close(fd);
    char *secret = NULL;
    const char *end = memchr(text, '\n', len);
    size_t line = end ? (size_t)(end - text) : len;
    if (line > 0 && text[line - 1] == '\r') {
        line--;
    }
    if (e == 0 && (line > SECRET_MAX || memchr(text, '\0', line))) {
        e = EINVAL;
    }
    if (e == 0) {
        secret = strndup(text, line);
        e = errno;
    }
    explicit_bzero(text, sizeof text);
    if (!secret) {
        errno = e;
    }
    return secret;
}
