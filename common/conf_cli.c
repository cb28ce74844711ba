/* The command line of both programs, `--check`, and what it says of the log. */
#include "conf.h"

#include "conf_internal.h"
#include "log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_USAGE = 64, EXIT_CONFIG = 78 };

#define SECRET_MAX 4096

/* --- the command line --- */

/* Ends the buffer. The exit status. */
static int write_out(const struct conf_program *program, struct buf *out)
{
    bool written = !out->failed && fwrite(out->data, 1, out->len, stdout) == out->len && fflush(stdout) == 0;
    buf_finish(out);
    if (!written) {
        fprintf(stderr, "%s: cannot write to standard output\n", program->name);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

struct arguments {
    const char *file;
    bool check;
    struct conf_log_options log;
};

static int usage_error(const struct conf_program *program, const char *what, const char *which)
{
    fprintf(stderr, "%s: %s %s; try '%s --help'\n", program->name, what, which, program->name);
    return EXIT_USAGE;
}

/* -D mqtt,http: -1 to go on, else the exit status. */
static int parse_topics(const struct conf_program *program, const char *list, unsigned *topics)
{
    for (const char *name = list;; name++) {
        size_t len = strcspn(name, ",");
        unsigned found = log_topic_find(name, len, program->topics);
        if (!found) {
            char known[LOG_TOPICS_TEXT], shown[LOG_TEXT];
            fprintf(stderr, "%s: no debug topic \"%s\"; there are %s, and all\n", program->name,
                    log_escape(shown, sizeof shown, name, len),
                    log_topics_list(program->topics, known, sizeof known));
            return EXIT_USAGE;
        }
        *topics |= found;
        name += len;
        if (*name == '\0') {
            return -1;
        }
    }
}

static int parse_format(const struct conf_program *program, const char *name, const char **ret_format)
{
    static const char *const formats[] = {"text", "json"};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(name, formats[i]) == 0) {
            *ret_format = formats[i];
            return -1;
        }
    }
    return usage_error(program, "the log's format is text or json, not", name);
}

static int print_reference(const struct conf_program *program)
{
    struct buf out = BUF_INIT;
    conf_print_reference(&out);
    return write_out(program, &out);
}

#define SHORT_OPTIONS ":c:D:vh"
enum { OPTION_CHECK = 256, OPTION_FORMAT, OPTION_REFERENCE, OPTION_VERSION, OPTION_FLAG };

/* Of several behind one dash getopt names none: it may not even have gone on to the next argument. */
const char *conf_wrong_option(char **argv, const char *known, char typed[CONF_OPTION_SIZE])
{
    if (optopt <= ' ' || optopt > '~' || strchr(known, optopt)) {
        return argv[optind - 1];
    }
    snprintf(typed, CONF_OPTION_SIZE, "-%c", optopt);
    return typed;
}

/* -1 to go on, else the exit status. */
static int take_option(int option, char **argv, const struct conf_program *program, struct arguments *ret)
{
    switch (option) {
    case 'c':
        ret->file = optarg;
        return -1;
    case 'D':
        return parse_topics(program, optarg, &ret->log.topics);
    case 'v':
        ret->log.topics = LOG_TOPICS_ALL;
        return -1;
    case OPTION_CHECK:
        ret->check = true;
        return -1;
    case OPTION_FORMAT:
        return parse_format(program, optarg, &ret->log.format);
    case OPTION_REFERENCE:
        return print_reference(program);
    case OPTION_VERSION:
        printf("%s %s\n", program->name, PROJECT_VERSION);
        return 0;
    case 'h':
        fputs(program->help, stdout);
        return 0;
    case ':':
        return usage_error(program, "an argument is missing behind", argv[optind - 1]);
    default: {
        char typed[CONF_OPTION_SIZE];
        return usage_error(program, "unknown option", conf_wrong_option(argv, SHORT_OPTIONS, typed));
    }
    }
}

static int parse_arguments(int argc, char **argv, const struct conf_program *program, struct arguments *ret)
{
    struct option options[8 + CONF_FLAGS_MAX + 1] = {
        {"config", required_argument, NULL, 'c'},
        {"check", no_argument, NULL, OPTION_CHECK},
        {"debug", required_argument, NULL, 'D'},
        {"verbose", no_argument, NULL, 'v'},
        {"log-format", required_argument, NULL, OPTION_FORMAT},
        {"help-config", no_argument, NULL, OPTION_REFERENCE},
        {"version", no_argument, NULL, OPTION_VERSION},
        {"help", no_argument, NULL, 'h'},
    };
    size_t known = 8;
    for (size_t i = 0; program->flags && program->flags[i].name; i++) {
        assert(i < CONF_FLAGS_MAX);
        options[known++] = (struct option){program->flags[i].name, no_argument, NULL, OPTION_FLAG + (int)i};
    }
    int option, status = -1;
    opterr = 0; /* our own messages */
    optind = 0; /* glibc: start anew, so that tests can call this twice */
    while (status < 0 && (option = getopt_long(argc, argv, SHORT_OPTIONS, options, NULL)) != -1) {
        if (program->flags && option >= OPTION_FLAG) {
            *program->flags[option - OPTION_FLAG].given = true;
        } else {
            status = take_option(option, argv, program, ret);
        }
    }
    if (status < 0 && optind < argc) {
        return usage_error(program, "unexpected argument", argv[optind]);
    }
    return status;
}

static int print_check(const struct conf *conf, const struct conf_program *program)
{
    for (size_t i = 0; i < conf_problem_count(conf); i++) {
        const struct conf_problem *problem = conf_problem(conf, i);
        fprintf(stderr, "%s: %s\n", problem->severity == CONF_ERROR ? "error" : "warning", problem->text);
    }
    struct buf out = BUF_INIT;
    buf_printf(&out, "# %s%s%s\n", conf->path ? conf->path : "no file", conf->overlay ? ", " : "",
               conf->overlay ? conf->overlay : "");
    conf_print(conf, &out);
    int status = write_out(program, &out);
    return status == EXIT_SUCCESS && conf_has_errors(conf) ? EXIT_CONFIG : status;
}

void conf_log_problems(const struct conf *conf)
{
    for (size_t i = 0; i < conf_problem_count(conf); i++) {
        const struct conf_problem *problem = conf_problem(conf, i);
        log_write(problem->severity == CONF_ERROR ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, "config: %s",
                  problem->text);
    }
}

/* The programs' file names both: unknown ones were reported when it was read. */
void conf_apply_log(const struct conf *conf)
{
    static const char *const levels[] = {"error", "warning", "info"};
    unsigned topics = conf->log.topics;
    for (size_t i = 0; i < conf_list_len(conf, "logging.debug"); i++) {
        const char *name = conf_list_get(conf, "logging.debug", i, NULL);
        topics |= log_topic_find(name, strlen(name), LOG_TOPICS_ALL);
    }
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        if (strcmp(conf_string(conf, "logging.level"), levels[i]) == 0) {
            log_set_level((enum log_level)i);
        }
    }
    const char *format = conf->log.format ? conf->log.format : conf_string(conf, "logging.format");
    log_set_format(strcmp(format, "json") == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
    log_set_topics(topics);
}

int conf_main(int argc, char **argv, const struct conf_program *program, struct conf **ret_conf)
{
    struct arguments arguments = {0};
    int status = parse_arguments(argc, argv, program, &arguments);
    if (status >= 0) {
        return status;
    }
    log_set_journal(log_stderr_is_journal());
    struct conf *conf = conf_load_with(arguments.file, program->layer, getenv);
    if (!conf) {
        log_error("config: %s", strerror(errno));
        return EXIT_FAILURE;
    }
    conf->log = arguments.log;
    if (program->check) {
        program->check(conf);
    }
    if (arguments.check) {
        status = print_check(conf, program);
    } else {
        conf_apply_log(conf);
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
