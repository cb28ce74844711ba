#include "enrol.h"

#include "conf.h"
#include "conf_check.h"
#include "config.h"
#include "enrol_check.h"
#include "enrol_files.h"
#include "file.h"
#include "log.h"

#include <errno.h>
#include <getopt.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_USAGE = 64, EXIT_CONFIG = 78 };

#define INSTALLED     SYSCONFDIR "/alpaca-agent/config.yaml"
#define SHORT_OPTIONS ":c:h"

static const char usage[] =
    "Usage: alpaca-agent enrol [-c FILE] [--no-check] WORD|-\n"
    "Takes the WORD that 'llamad enrol' printed (- reads it from standard input): tries the account, and "
    "writes\n"
    "name, broker, account and authority into a layer of their own over the configuration, FILE up to its "
    "first\n"
    "dot + .enrolled.yaml; everything else stays as it is.\n"
    "\n"
    "  -c, --config FILE  configuration (default: the service's, " INSTALLED ")\n"
    "      --no-check     write it even though the broker cannot be reached now\n"
    "\n"
    "Exit status: 0 done, 1 failed and nothing was written, 64 wrong usage or no such word, 78 the "
    "configuration has\n"
    "other errors.\n";

static int error_line(const char *what, const char *which)
{
    fprintf(stderr, "alpaca-agent enrol: %s%s%s\n", what, which ? " " : "", which ? which : "");
    return EXIT_FAILURE;
}

struct wish {
    const char *config, *word;
    bool no_check;
    bool hung; /* out: a look-up is unfinished */
};

/* --- the word --- */

static char *read_input(void)
{
    char *word = calloc(1, ENROLMENT_WORD_MAX + 2);
    if (word) {
        word[fread(word, 1, ENROLMENT_WORD_MAX + 1, stdin)] = '\0';
    }
    return word;
}

static int read_word(const struct wish *wish, struct enrolment *ret)
{
    const char *why = NULL;
    char *input = strcmp(wish->word, "-") == 0 ? read_input() : NULL;
    int e = enrolment_decode(input ? input : wish->word, ret, &why);
    free(input);
    if (e != 0) {
        fprintf(stderr, "alpaca-agent enrol: the word %s\n", why);
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < ret->host_count; i++) { /* or no agent would start with what is written of it */
        if (conf_check_host(ret->hosts[i])) {
            return error_line("the word holds a host that none can be:", ret->hosts[i]), EXIT_USAGE;
        }
    }
    return 0;
}

/* --- trying and writing --- */

static int try_account(struct wish *wish, const struct enrolment *enrolment, size_t *ret_host)
{
    static char reasons[ENROL_CHECK_TEXT];
    *ret_host = 0;
    if (wish->no_check) {
        return 0;
    }
    int e = enrol_check(enrolment, ret_host, reasons, &wish->hung);
    if (e == 0) {
        return 0;
    }
    if (e != -ECONNREFUSED) {
        return error_line("cannot try the account:", strerror(-e));
    }
    fprintf(stderr, "alpaca-agent enrol: the broker does not let us in (port %u):\n", enrolment->port);
    for (char *line = reasons; *line;) {
        size_t len = strcspn(line, "\n");
        fprintf(stderr, "  %.*s\n", (int)len, line);
        line += len + 1;
    }
    fprintf(stderr, "Nothing was written; --no-check writes it all the same.\n");
    return EXIT_FAILURE;
}

/* What else is wrong would keep the agent from starting. */
static int check_config(const char *config)
{
    struct conf *conf = conf_load_with(config, ENROL_LAYER, getenv);
    if (!conf) {
        return error_line(strerror(errno), NULL);
    }
    config_check(conf);
    for (size_t i = 0; i < conf_problem_count(conf); i++) {
        const struct conf_problem *problem = conf_problem(conf, i);
        fprintf(stderr, "%s: %s\n", problem->severity == CONF_ERROR ? "error" : "warning", problem->text);
    }
    int status = conf_has_errors(conf) ? EXIT_CONFIG : 0;
    conf_destroy(conf);
    return status;
}

/* --- the service --- */

static bool run_systemctl(void)
{
    char *const arguments[] = {(char[]){"systemctl"}, (char[]){"restart"}, (char[]){"alpaca-agent.service"},
                               NULL};
    pid_t pid;
    int status = -1;
    if (posix_spawnp(&pid, arguments[0], NULL, NULL, arguments, environ) != 0) {
        return false;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void begin_using(const char *config)
{
    if (strcmp(config, INSTALLED) != 0 || access("/run/systemd/system", F_OK) != 0) {
        printf("It is used from the agent's next start, or when it gets SIGHUP.\n");
    } else if (run_systemctl()) {
        printf("alpaca-agent.service was restarted, and uses it.\n");
    } else {
        printf("alpaca-agent.service could not be restarted; it uses this from its next start.\n");
    }
}

/* --- all of it --- */

/* The caller frees it. */
static char *find_config(const struct wish *wish)
{
    if (wish->config || file_may_exist(INSTALLED)) {
        return strdup(wish->config ? wish->config : INSTALLED);
    }
    struct conf *conf = conf_load(NULL, getenv);
    char *path = conf && conf_path(conf) ? strdup(conf_path(conf)) : NULL;
    conf_destroy(conf);
    if (!path) {
        error_line("there is no configuration here; -c FILE says where it is, or is to be", NULL);
    }
    return path;
}

static int take(struct wish *wish, const char *config)
{
    static struct enrolment enrolment;
    struct enrol_files files;
    char error[ENROL_FILES_ERROR];
    size_t host = 0;
    int status = read_word(wish, &enrolment);
    if (status == 0 && enrol_files_of(config, &files, error) != 0) {
        status = error_line(error, NULL);
    }
    if (status == 0 && access(files.layer, F_OK) != 0 && errno == EACCES) {
        status = error_line(strerror(EACCES), files.layer);
    }
    status = status ? status : try_account(wish, &enrolment, &host);
    if (status == 0 && enrol_files_write(config, &files, &enrolment, enrolment.hosts[host], error) != 0) {
        status = error_line(error, NULL);
    }
    explicit_bzero(enrolment.password, sizeof enrolment.password);
    if (status != 0) {
        return status;
    }
    char name[LOG_TEXT];
    printf("This is %s%s %s:%u%s. Written: %s\n",
           log_escape(name, sizeof name, enrolment.node, strlen(enrolment.node)),
           wish->no_check ? "; not tried yet: the broker" : ", and gets in at the broker",
           enrolment.hosts[host], enrolment.port, enrolment.tls == ENROLMENT_PLAIN ? " (without TLS)" : "",
           files.layer);
    status = check_config(config);
    if (status == 0) {
        begin_using(config);
    }
    return status;
}

static int bad_usage(const char *what, const char *which)
{
    fprintf(stderr, "alpaca-agent enrol: %s%s%s; try 'alpaca-agent enrol --help'\n", what, which ? " " : "",
            which ? which : "");
    return EXIT_USAGE;
}

/* -1 to go on, else the exit status. */
static int parse(int argc, char **argv, struct wish *wish)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"no-check", no_argument, NULL, 'n'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    char typed[CONF_OPTION_SIZE];
    int option;
    opterr = 0;
    optind = 0;
    while ((option = getopt_long(argc, argv, SHORT_OPTIONS, options, NULL)) != -1) {
        switch (option) {
        case 'c':
            wish->config = optarg;
            break;
        case 'n':
            wish->no_check = true;
            break;
        case 'h':
            fputs(usage, stdout);
            return EXIT_SUCCESS;
        case ':':
            return bad_usage("a file name is missing behind", argv[optind - 1]);
        default:
            return bad_usage("unknown option", conf_wrong_option(argv, SHORT_OPTIONS, typed));
        }
    }
    if (optind + 1 != argc) {
        return optind == argc ? bad_usage("the word of 'llamad enrol' is missing", NULL)
                              : bad_usage("unexpected argument", argv[optind + 1]);
    }
    wish->word = argv[optind];
    return -1;
}

int enrol_main(int argc, char **argv)
{
    struct wish wish = {0};
    int status = parse(argc, argv, &wish);
    if (status >= 0) {
        return status;
    }
    log_set_level(LOG_LEVEL_ERROR);
    char *config = find_config(&wish);
    if (!config) {
        return EXIT_CONFIG;
    }
    status = take(&wish, config);
    free(config);
    if (wish.hung) {
        fflush(stdout);
        _exit(status); /* libuv would wait for it */
    }
    return status;
}
