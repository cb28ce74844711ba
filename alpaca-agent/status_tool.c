#include "status_tool.h"

#include "buf.h"
#include "config.h"
#include "enrol.h"
#include "json.h"
#include "log.h"
#include "status_socket.h"
#include "timestamp.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of the packaged service, which is what is asked about where there is one. */
#define SERVICE_CONFIG SYSCONFDIR "/alpaca-agent/config.yaml"
#define TIMEOUT_MS     3000
#define SHORT_OPTIONS  ":c:h"

enum { TROUBLE = 1, NOT_RUNNING = 3, UNKNOWN = 4, WRONG_USAGE = 64, WRONG_CONFIG = 78 };

static const char usage[] =
    "Usage: alpaca-agent status [-c FILE] [--json]\n"
    "Says how the running agent of this configuration's node is.\n"
    "\n"
    "  -c, --config FILE  configuration; it tells the node's name. Without it that of the service,\n"
    "                     /etc/alpaca-agent/config.yaml (who may not read it asks the only agent that "
    "runs),\n"
    "                     and without that one where the agent looks for it\n"
    "      --json         one JSON object instead of lines for people\n"
    "\n"
    "Exit status: 0 all is well, 1 something is not, 3 the agent does not run, 4 it cannot be told,\n"
    "64 wrong usage, 78 wrong configuration.\n";

/* --- reading the answer --- */

static struct json_slice member(struct json_slice object, const char *group, const char *name)
{
    return json_member(group ? json_member(object, group) : object, name);
}

static int64_t number(struct json_slice object, const char *group, const char *name)
{
    int64_t value = 0;
    return json_int(member(object, group, name), &value) == 0 ? value : 0;
}

static bool is_true(struct json_slice object, const char *group, const char *name)
{
    return json_type(member(object, group, name)) == JSON_TRUE;
}

/* A text that may stand on a terminal; "" for null. */
static const char *text(struct json_slice object, const char *group, const char *name, char buffer[LOG_TEXT])
{
    char raw[LOG_TEXT];
    size_t len = json_string_cut(member(object, group, name), raw, sizeof raw);
    return log_escape(buffer, LOG_TEXT, raw, len);
}

/* "off" is no error: a feature that is not in use. */
static bool is_failing(struct json_slice snapshot)
{
    struct json_slice error = json_member(snapshot, "error");
    return json_type(error) == JSON_STRING && !json_string_is(error, "off");
}

static bool is_well(struct json_slice status)
{
    struct json_iter it = json_iter(json_member(status, "snapshots"));
    bool well = is_true(status, "broker", "connected") && is_true(status, "source", "ok");
    while (json_next(&it)) {
        well = well && !is_failing(it.value);
    }
    return well;
}

/* --- telling people --- */

static void tell_snapshot(struct json_slice key, struct json_slice snapshot)
{
    char name[LOG_TEXT], age[TIMESTAMP_SIZE], error[LOG_TEXT];
    json_string_cut(key, name, sizeof name);
    bool ever = json_type(json_member(snapshot, "age_s")) == JSON_NUMBER;
    printf("%-12s ", name);
    if (json_string_is(json_member(snapshot, "error"), "off")) {
        puts("not in use here");
        return;
    }
    if (is_failing(snapshot)) {
        printf("FAILS (%s); ", text(snapshot, NULL, "error", error));
    }
    printf(ever ? "fetched %s ago" : "not fetched yet",
           timestamp_format_age(number(snapshot, NULL, "age_s") * 1000, age));
    printf(", every %" PRId64 " s; %" PRId64 " reports\n", number(snapshot, NULL, "interval_s"),
           number(snapshot, NULL, "seq"));
}

static void tell(struct json_slice status)
{
    char version[LOG_TEXT], node[LOG_TEXT], host[LOG_TEXT], kind[LOG_TEXT], error[LOG_TEXT],
        age[TIMESTAMP_SIZE];
    bool up = is_true(status, "broker", "connected");
    printf("alpaca-agent %s: up %s, node %s, process %" PRId64 "\n", text(status, NULL, "version", version),
           timestamp_format_age(number(status, NULL, "uptime_s") * 1000, age),
           text(status, NULL, "node", node), number(status, NULL, "pid"));
    printf("broker       %s %s:%" PRId64 "%s%s, for %s", up ? "connected to" : "NOT CONNECTED to",
           text(status, "broker", "host", host), number(status, "broker", "port"), up ? "" : ": ",
           up ? "" : text(status, "broker", "error", error),
           timestamp_format_age(number(status, "broker", "since_s") * 1000, age));
    printf("; %" PRId64 " heartbeats, %" PRId64 " refused\n", number(status, NULL, "heartbeats"),
           number(status, "broker", "refused"));
    printf("source       %s: ", text(status, "source", "kind", kind));
    if (is_true(status, "source", "ok")) {
        printf("ok, answers in %" PRId64 " ms\n", number(status, "source", "latency_ms"));
    } else {
        printf("NOT USABLE: %s\n", text(status, "source", "error", error));
    }
    struct json_iter it = json_iter(json_member(status, "snapshots"));
    while (json_next(&it)) {
        tell_snapshot(it.key, it.value);
    }
}

/* --- the command --- */

struct wish {
    const char *config;
    bool json;
};

static int bad_usage(const char *what, const char *which)
{
    fprintf(stderr, "alpaca-agent status: %s %s; try 'alpaca-agent status --help'\n", what, which);
    return WRONG_USAGE;
}

static int parse(int argc, char **argv, struct wish *wish)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"json", no_argument, NULL, 'j'},
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
        case 'j':
            wish->json = true;
            break;
        case 'h':
            fputs(usage, stdout);
            return 0;
        case ':':
            return bad_usage("a file name is missing behind", argv[optind - 1]);
        default:
            return bad_usage("unknown option", conf_wrong_option(argv, SHORT_OPTIONS, typed));
        }
    }
    return optind < argc ? bad_usage("unexpected argument", argv[optind]) : -1;
}

/* False after telling what is wrong. */
static bool read_node(const char *file, char node[NODE_NAME_MAX + 1])
{
    struct conf *conf = conf_load_with(file, ENROL_LAYER, getenv);
    for (size_t i = 0; conf && i < conf_problem_count(conf); i++) {
        if (conf_problem(conf, i)->severity == CONF_ERROR) {
            fprintf(stderr, "alpaca-agent status: %s\n", conf_problem(conf, i)->text);
        }
    }
    bool good = conf && !conf_has_errors(conf);
    if (good) {
        config_node_name(conf, node);
    }
    conf_destroy(conf);
    return good;
}

/* What there is to say without an answer. `node` is "" if its name is not known. */
static int tell_silence(const struct wish *wish, const char *node, int e)
{
    char shown[LOG_TEXT];
    bool dead = e == -ECONNREFUSED;
    const char *why = dead              ? "does not run"
                      : e == -ETIMEDOUT ? "runs, but does not answer"
                      : e == -ENOTUNIQ
                          ? "several run, and you may not read which one is the service's: try sudo"
                          : strerror(-e);
    struct buf name = BUF_INIT;
    if (wish->json) {
        buf_json_cstr(&name, node[0] ? node : NULL);
        const char *json_name = buf_terminate(&name);
        printf("{\"running\":%s,\"ok\":false,\"node\":%s,\"error\":\"%s\",\"status\":null}\n",
               dead ? "false" : "null", json_name ? json_name : "null", why);
        buf_finish(&name);
    } else {
        printf("alpaca-agent%s%s: %s\n", node[0] ? " of node " : "",
               log_escape(shown, sizeof shown, node, strlen(node)), why);
    }
    return dead ? NOT_RUNNING : UNKNOWN;
}

int status_tool_main(int argc, char **argv)
{
    struct wish wish = {0};
    char node[NODE_NAME_MAX + 1] = "";
    char *answer = NULL;
    size_t len = 0;
    int status = parse(argc, argv, &wish);
    if (status >= 0) {
        return status;
    }
    bool found = !wish.config && access(SERVICE_CONFIG, R_OK) == 0;
    bool hidden = !wish.config && !found && errno == EACCES;
    if (!hidden && !read_node(found ? SERVICE_CONFIG : wish.config, node)) {
        return WRONG_CONFIG;
    }
    int e = status_socket_ask(hidden ? NULL : node, TIMEOUT_MS, &answer, &len);
    if (e == 0 && !json_check(answer, len, JSON_MAX_DEPTH, NULL)) {
        free(answer);
        e = -EPROTO;
    }
    if (e != 0) {
        return tell_silence(&wish, node, e);
    }
    struct json_slice told = json_root(answer, len);
    bool well = is_well(told);
    if (wish.json) {
        printf("{\"running\":true,\"ok\":%s,\"node\":%.*s,\"error\":null,\"status\":%.*s}\n",
               well ? "true" : "false", (int)json_member(told, "node").len, json_member(told, "node").data,
               (int)told.len, told.data);
    } else {
        tell(told);
    }
    free(answer);
    return fflush(stdout) == 0 ? (well ? 0 : TROUBLE) : UNKNOWN;
}
