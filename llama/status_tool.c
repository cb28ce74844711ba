#include "status_tool.h"

#include "config.h"
#include "fetch.h"
#include "log.h"
#include "timestamp.h"
#include "tool.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME          "status"
#define TIMEOUT_MS    3000
#define SHORT_OPTIONS ":c:h"
#define ANSWER_MAX    ((size_t)16 * 1024 * 1024)
#define NODES_SHOWN   20
#define URL_SIZE      128

enum { TROUBLE = 1, NOT_RUNNING = 3, UNKNOWN = 4 };

static const char usage[] =
    "Usage: llamad status [-c FILE] [--json] [--token-file FILE]\n"
    "Says how the running llamad of this configuration is, and which nodes are not online.\n"
    "\n"
    "  -c, --config FILE      configuration; it tells the address and the port. Without it that of the "
    "service,\n"
    "                         /etc/llamad/config.yaml, and without that one where llamad looks for it\n"
    "      --json             one JSON object instead of lines for people\n"
    "      --token-file FILE  its first line is a token that may read, where there are logins\n"
    "\n"
    "Exit status: 0 all is well, 1 something is not, 3 llamad does not run, 4 it cannot be told,\n"
    "64 wrong usage, 78 wrong configuration.\n";

struct answer {
    int status;      /* of HTTP */
    char error[64];  /* a word of fetch; "" = a whole answer came */
    struct buf body; /* checked to be JSON, else empty */
    bool is_json;
};

struct query {
    const char *config, *token_file;
    bool json;
    char url[URL_SIZE]; /* without a slash at the end */
    struct loop *loop;
    struct fetch *fetch;
    struct answer health, nodes;
    struct answer *awaited;
};

/* --- asking --- */

/* One that listens everywhere is asked on loopback. */
static void make_url(struct query *query, const struct conf *conf)
{
    const char *listen = config_http_address(conf);
    const char *reach = strcmp(listen, "0.0.0.0") == 0 ? "127.0.0.1"
                        : strcmp(listen, "::") == 0    ? "::1"
                                                       : listen;
    bool v6 = strchr(reach, ':') != NULL;
    snprintf(query->url, sizeof query->url, "%s://%s%s%s:%" PRId64,
             conf_is_set(conf, "http.tls.cert") ? "https" : "http", v6 ? "[" : "", reach, v6 ? "]" : "",
             conf_int(conf, "http.port"));
}

static void on_answer(void *user, const struct fetch_answer *answer)
{
    struct query *query = user;
    struct answer *awaited = query->awaited;
    awaited->status = answer->status;
    snprintf(awaited->error, sizeof awaited->error, "%s", answer->error ? answer->error : "");
    awaited->is_json =
        !answer->error && json_check(answer->body.data, answer->body.len, JSON_MAX_DEPTH, NULL);
    if (awaited->is_json) {
        buf_append(&awaited->body, answer->body.data, answer->body.len);
    }
    loop_stop(query->loop);
}

static int ask(struct query *query, const char *path, struct answer *answer)
{
    char url[URL_SIZE + 32];
    snprintf(url, sizeof url, "%s%s", query->url, path);
    query->awaited = answer;
    if (!fetch_start(query->fetch, url, TIMEOUT_MS, ANSWER_MAX, NULL, on_answer, query)) {
        return -errno;
    }
    loop_run(query->loop);
    return answer->body.failed ? -ENOMEM : 0;
}

/* The token goes to nobody but the server whose certificate stands in the configuration. */
static int prepare(struct query *query, const struct conf *conf)
{
    char *token = NULL;
    make_url(query, conf);
    query->loop = loop_create();
    query->fetch = query->loop ? fetch_create(query->loop) : NULL;
    if (!query->fetch) {
        return -errno;
    }
    if (query->token_file && !(token = conf_read_secret(query->token_file))) {
        int e = errno;
        tool_error(NAME, "%s: %s", query->token_file, strerror(e));
        return -e;
    }
    int e = fetch_use(query->fetch, token, conf_string(conf, "http.tls.cert"));
    if (token) {
        explicit_bzero(token, strlen(token));
    }
    free(token);
    return e;
}

/* --- judging --- */

static struct json_slice root(const struct answer *answer)
{
    return answer->is_json ? json_root(answer->body.data, answer->body.len) : (struct json_slice){0};
}

static struct json_slice member(struct json_slice object, const char *group, const char *name)
{
    return json_member(group ? json_member(object, group) : object, name);
}

static int64_t number(struct json_slice object, const char *group, const char *name)
{
    int64_t value = 0;
    return json_int(member(object, group, name), &value) == 0 ? value : 0;
}

/* Without a token, where logins exist, the word alone is told. */
static bool is_brief(const struct query *query)
{
    return json_type(json_member(root(&query->health), "instance")) == JSON_ABSENT;
}

static bool is_llamad(const struct query *query)
{
    const struct answer *health = &query->health;
    return health->is_json && health->status == 200 &&
           json_type(json_member(root(health), "status")) == JSON_STRING;
}

/* A text of the answer that may stand on a terminal. */
static const char *text(struct json_slice object, const char *group, const char *name, char buffer[LOG_TEXT])
{
    char raw[LOG_TEXT];
    size_t len = json_string_cut(member(object, group, name), raw, sizeof raw);
    return log_escape(buffer, LOG_TEXT, raw, len);
}

static int judge(const struct query *query, const char **ret_why)
{
    const struct answer *health = &query->health;
    *ret_why = NULL;
    if (strcmp(health->error, "refused") == 0) {
        *ret_why = "does not run";
        return NOT_RUNNING;
    }
    if (!is_llamad(query)) {
        *ret_why = health->status == 401   ? "wants another token"
                   : health->status == 429 ? "lets nobody try tokens for a while, after wrong ones"
                   : strcmp(health->error, "timeout") == 0 ? "does not answer in time"
                   : health->error[0]                      ? "gives no answer"
                                                           : "is another program";
        return UNKNOWN;
    }
    int64_t total = number(root(health), "nodes", "total"), online = number(root(health), "nodes", "online");
    bool ok = json_string_is(json_member(root(health), "status"), "ok");
    return ok && online == total ? 0 : TROUBLE;
}

/* --- telling people --- */

static void tell_broker(struct json_slice health)
{
    char host[LOG_TEXT], protocol[LOG_TEXT];
    bool up = json_string_is(member(health, "broker", "state"), "connected");
    printf("broker    %s %s:%" PRId64, up ? "connected to" : "NOT CONNECTED to",
           text(health, "broker", "host", host), number(health, "broker", "port"));
    if (up) {
        printf(" (MQTT %s), %" PRId64 " messages in, %" PRId64 " out",
               text(health, "broker", "protocol", protocol), number(health, "broker", "messages_in"),
               number(health, "broker", "messages_out"));
    }
    printf(", %" PRId64 " reconnects\n", number(health, "broker", "reconnects"));
}

static void tell_incidents(struct json_slice health)
{
    struct json_iter it = json_iter(json_member(health, "incidents"));
    while (json_next(&it)) {
        char cause[LOG_TEXT], reason[LOG_TEXT];
        printf("incident  %s: %s\n", text(it.value, NULL, "cause", cause),
               text(it.value, NULL, "reason", reason));
    }
}

static void tell_counts(struct json_slice health)
{
    static const char *const states[] = {"online", "degraded", "stale", "unreachable", "unknown"};
    printf("nodes     %" PRId64 "", number(health, "nodes", "total"));
    const char *glue = ": ";
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        int64_t count = number(health, "nodes", states[i]);
        if (count > 0) {
            printf("%s%" PRId64 " %s", glue, count, states[i]);
            glue = ", ";
        }
    }
    printf("\nstore     ");
    bool kept = json_type(json_member(health, "store")) == JSON_OBJECT;
    if (!kept) {
        printf("nothing is kept over a restart\n");
    } else {
        bool ok = json_type(member(health, "store", "ok")) == JSON_TRUE;
        printf("%s, %" PRId64 " KB\n", ok ? "ok" : "FAILS",
               (number(health, "store", "events_bytes") + number(health, "store", "nodes_bytes") + 1023) /
                   1024);
    }
    printf("http      %" PRId64 " live clients, %" PRId64 " requests\n",
           number(health, "http", "live_clients"), number(health, "http", "requests"));
}

static void tell_nodes(struct json_slice nodes)
{
    size_t shown = 0, left_out = 0;
    struct json_iter it = json_iter(json_member(nodes, "nodes"));
    while (json_next(&it)) {
        char name[LOG_TEXT], state[LOG_TEXT], cause[LOG_TEXT], reason[LOG_TEXT];
        if (json_string_is(json_member(it.value, "status"), "online")) {
            continue;
        }
        if (shown == NODES_SHOWN) {
            left_out++;
            continue;
        }
        shown++;
        text(it.value, NULL, "cause", cause);
        printf("  %s: %s%s%s%s: %s\n", text(it.value, NULL, "name", name),
               text(it.value, NULL, "status", state), cause[0] ? " (" : "", cause, cause[0] ? ")" : "",
               text(it.value, NULL, "reason", reason));
    }
    if (left_out > 0) {
        printf("  and %zu more\n", left_out);
    }
}

static void tell(const struct query *query, const char *why)
{
    char state[LOG_TEXT], version[LOG_TEXT], up[TIMESTAMP_SIZE];
    struct json_slice health = root(&query->health);
    if (why) {
        printf("llamad at %s/ %s%s%s%s\n", query->url, why, query->health.error[0] ? " (" : "",
               query->health.error, query->health.error[0] ? ")" : "");
        return;
    }
    if (is_brief(query)) {
        printf("llamad at %s/: %s; more is told for a token (--token-file)\n", query->url,
               text(health, NULL, "status", state));
        return;
    }
    printf("llamad %s at %s/: %s, up %s\n", text(health, NULL, "version", version), query->url,
           text(health, NULL, "status", state),
           timestamp_format_age(number(health, NULL, "uptime_s") * 1000, up));
    tell_broker(health);
    tell_incidents(health);
    tell_counts(health);
    tell_nodes(root(&query->nodes));
}

/* --- telling programs --- */

static void tell_json(const struct query *query, int status, const char *why)
{
    struct buf out = BUF_INIT;
    buf_str(&out, "{\"running\":");
    buf_str(&out, status == NOT_RUNNING ? "false" : status == UNKNOWN ? "null" : "true");
    buf_json_key(&out, "ok");
    buf_json_bool(&out, status == 0);
    buf_json_key(&out, "url");
    buf_json_cstr(&out, query->url);
    buf_json_key(&out, "error");
    buf_json_cstr(&out, why);
    buf_json_key(&out, "health");
    if (why) {
        buf_str(&out, "null");
    } else {
        buf_append(&out, root(&query->health).data, root(&query->health).len);
    }
    buf_json_key(&out, "not_online");
    buf_char(&out, '[');
    struct json_iter it = json_iter(json_member(root(&query->nodes), "nodes"));
    while (json_next(&it)) {
        if (!json_string_is(json_member(it.value, "status"), "online")) {
            buf_json_sep(&out);
            buf_append(&out, it.value.data, it.value.len);
        }
    }
    buf_str(&out, "]}\n");
    if (!out.failed) {
        fwrite(out.data, 1, out.len, stdout);
    }
    buf_finish(&out);
}

/* --- the command --- */

static int parse(int argc, char **argv, struct query *query)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"token-file", required_argument, NULL, 't'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    char typed[CONF_OPTION_SIZE];
    int option;
    opterr = 0;
    optind = 0;
    while ((option = getopt_long(argc, argv, SHORT_OPTIONS, options, NULL)) != -1) {
        switch (option) {
        case 'c':
            query->config = optarg;
            break;
        case 'j':
            query->json = true;
            break;
        case 't':
            query->token_file = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            return 0;
        case ':':
            return tool_usage(NAME, "something is missing behind", argv[optind - 1]);
        default:
            return tool_usage(NAME, "unknown option", conf_wrong_option(argv, SHORT_OPTIONS, typed));
        }
    }
    if (optind < argc) {
        return tool_usage(NAME, "unexpected argument", argv[optind]);
    }
    return -1;
}

static int run(struct query *query, const struct conf *conf)
{
    const char *why;
    int e = prepare(query, conf);
    e = e ? e : ask(query, "/api/health", &query->health);
    if (e == 0 && is_llamad(query) && !is_brief(query)) {
        e = ask(query, "/api/cluster/nodes", &query->nodes);
    }
    if (e != 0) {
        tool_error(NAME, "%s", strerror(-e));
        return UNKNOWN;
    }
    int status = judge(query, &why);
    if (query->json) {
        tell_json(query, status, why);
    } else {
        tell(query, why);
    }
    return fflush(stdout) == 0 ? status : UNKNOWN;
}

int status_tool_main(int argc, char **argv)
{
    struct query query = {0};
    int status = parse(argc, argv, &query);
    if (status >= 0) {
        return status;
    }
    struct conf *conf = tool_conf(NAME, query.config);
    if (!conf) {
        return TOOL_CONFIG;
    }
    status = run(&query, conf);
    fetch_destroy(query.fetch);
    if (query.loop) {
        loop_destroy(query.loop);
    }
    buf_finish(&query.health.body);
    buf_finish(&query.nodes.body);
    conf_destroy(conf);
    return status;
}
