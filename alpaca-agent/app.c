#include "app.h"

#include "agent.h"
#include "config.h"
#include "log.h"
#include "loop.h"
#include "publisher.h"
#include "smollama_source.h"
#include "system_source.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define STOP_MS       1200 /* for the goodbye; SIGTERM ends the program within 2 s */
#define RESEND_S      3600 /* what did not change is sent again so often */
#define SIGNALS       3
#define SESSION_BYTES 12

struct app {
    struct loop *loop;
    const char *config_file;
    struct config config;
    char session[SESSION_MAX + 1];
    struct agent *agent;
    struct smollama_source *smollama; /* NULL when the source is system */
    struct publisher *publisher;
    struct loop_timer *fetch;
    struct loop_signal *signals[SIGNALS];
    char last_error[REPORT_KINDS][SOURCE_ERROR_MAX + 1]; /* what the log said last of each kind */
    bool said_source_ok;
    bool stopping;
    struct conf *next;
};

/* --- fetching --- */

static void log_kind(struct app *app, enum report_kind kind, const struct answer_verdict *verdict)
{
    char *last = app->last_error[kind];
    if (strcmp(last, verdict->word) == 0) {
        return;
    }
    const char *name = report_kind_name(kind);
    if (verdict->worth == ANSWER_FAILED) {
        log_warning("%s: %s%s%s", name, verdict->word, verdict->detail[0] ? ": " : "", verdict->detail);
    } else if (verdict->worth == ANSWER_OFF) {
        log_info("%s: not in use on this node", name);
    } else {
        log_info("%s: usable again", name);
    }
    snprintf(last, sizeof app->last_error[kind], "%s", verdict->word);
}

static void log_source(struct app *app, const char *word)
{
    bool ok = agent_source_ok(app->agent);
    if (ok == app->said_source_ok) {
        return;
    }
    app->said_source_ok = ok;
    if (ok) {
        log_info("smollama: answers again");
    } else {
        log_warning("smollama: not usable (%s); heartbeats go on", word);
    }
}

static void plan_fetch(struct app *app);

static void on_answer(void *user, const struct answer *answer)
{
    struct app *app = user;
    struct answer_verdict verdict;
    struct now now = clock_now();
    enum report_kind kind = agent_fetched_kind(app->agent);
    int32_t offset_s = system_utc_offset_s((time_t)(now.wall_ms / 1000));
    enum agent_result result = agent_answered(app->agent, now, offset_s, answer, &verdict);
    log_kind(app, kind, &verdict);
    log_source(app, verdict.word);
    if (result == AGENT_PUBLISH) {
        publisher_report(app->publisher, kind);
    }
    plan_fetch(app);
}

/* The system's answer is there at once. */
static void fetch_system(struct app *app, enum report_kind kind)
{
    struct timespec wall;
    struct buf body = BUF_INIT;
    clock_gettime(CLOCK_REALTIME, &wall);
    int e =
        kind == REPORT_STATS ? system_stats(app->config.node, wall, &body) : system_readings("", wall, &body);
    struct answer answer = {
        .end = ANSWER_COMPLETE, .connected = true, .status = 200, .body = body.data, .len = body.len};
    if (e) {
        answer = (struct answer){.end = ANSWER_BROKEN, .body = ""};
    }
    on_answer(app, &answer);
    buf_finish(&body);
}

static void on_fetch_due(void *user)
{
    struct app *app = user;
    enum report_kind kind;
    if (!agent_begin_fetch(app->agent, clock_now(), &kind)) {
        plan_fetch(app);
    } else if (app->smollama) {
        smollama_source_fetch(app->smollama, kind);
    } else {
        fetch_system(app, kind);
    }
}

static void plan_fetch(struct app *app)
{
    int64_t due_ms = agent_next_fetch(app->agent);
    if (app->stopping || due_ms == INT64_MAX) {
        return;
    }
    int64_t wait_ms = due_ms - clock_now().mono_ms;
    loop_timer_start(app->fetch, wait_ms > 0 ? (uint64_t)wait_ms : 0, 0);
}

/* --- the end --- */

static void on_stopped(void *user)
{
    struct app *app = user;
    loop_stop(app->loop);
}

static void stop(struct app *app, bool say_offline)
{
    if (app->stopping) {
        return;
    }
    app->stopping = true;
    loop_timer_stop(app->fetch);
    publisher_stop(app->publisher, say_offline, STOP_MS, on_stopped, app);
}

/* The new configuration, checked; NULL if it has errors, which are logged. */
static struct conf *load_again(const char *config_file)
{
    struct conf *conf = conf_load(config_file, getenv);
    if (!conf) {
        log_error("reload: %s", strerror(errno));
        return NULL;
    }
    config_check(conf);
    for (size_t i = 0; i < conf_problem_count(conf); i++) {
        const struct conf_problem *problem = conf_problem(conf, i);
        log_write(problem->severity == CONF_ERROR ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, "%s", problem->text);
    }
    if (conf_has_errors(conf)) {
        log_error("reload: the configuration has errors; going on with the one before");
        conf_destroy(conf);
        return NULL;
    }
    return conf;
}

static void reload(struct app *app)
{
    struct config next;
    if (app->stopping) {
        return;
    }
    struct conf *conf = load_again(app->config_file);
    if (!conf) {
        return;
    }
    int e = config_read(conf, &next);
    if (e) {
        log_error("reload: %s; going on as before", strerror(-e));
        conf_destroy(conf);
        return;
    }
    log_info("reload: starting again with the new configuration");
    app->next = conf;
    /* Who comes back under the same name in a moment was not away. */
    stop(app, !config_same_node(&app->config, &next));
    config_finish(&next);
}

static void on_signal(void *user, int signal_number)
{
    struct app *app = user;
    if (signal_number == SIGHUP) {
        reload(app);
        return;
    }
    log_info("%s: stopping", signal_number == SIGTERM ? "SIGTERM" : "SIGINT");
    if (app->next) { /* a stop overrules a reload that is under way */
        conf_destroy(app->next);
        app->next = NULL;
    }
    stop(app, true);
}

/* --- set-up --- */

static int new_session(char session[SESSION_MAX + 1], uint64_t *ret_seed)
{
    unsigned char bytes[SESSION_BYTES];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes ||
        getrandom(ret_seed, sizeof *ret_seed, 0) != (ssize_t)sizeof *ret_seed) {
        return errno ? -errno : -EIO;
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        snprintf(session + 2 * i, 3, "%02x", bytes[i]);
    }
    return 0;
}

static int create_agent(struct app *app)
{
    uint64_t seed = 0;
    int e = new_session(app->session, &seed);
    if (e) {
        log_error("no random numbers: %s", strerror(-e));
        return e;
    }
    struct agent_options options = {
        .node = app->config.node,
        .session = app->session,
        .source = app->config.source,
        .resend_s = app->config.retain_for_s / 2 < RESEND_S ? app->config.retain_for_s / 2 : RESEND_S,
        .seed = seed,
    };
    memcpy(options.interval_s, app->config.interval_s, sizeof options.interval_s);
    app->agent = agent_create(&options, clock_now());
    app->said_source_ok = true;
    return app->agent ? 0 : -ENOMEM;
}

static int create_source(struct app *app)
{
    if (app->config.source == SOURCE_SYSTEM) {
        log_info("source: this machine's /proc and /sys");
        return 0;
    }
    const char *why = NULL;
    char authority[URL_AUTHORITY_SIZE];
    struct smollama_source_options options = {.url = &app->config.url, .limit = app->config.limit};
    app->smollama = smollama_source_create(app->loop, &options, on_answer, app, &why);
    if (!app->smollama) {
        log_error("smollama: %s", why);
        return -errno;
    }
    log_info("source: %s://%s%s", app->config.url.https ? "https" : "http",
             url_authority(&app->config.url, authority), app->config.url.path);
    return 0;
}

static int create_publisher(struct app *app)
{
    const char *why = NULL;
    app->publisher = publisher_create(app->loop, &app->config, app->agent, app->session, &why);
    if (!app->publisher) {
        log_error("mqtt: %s", why ? why : strerror(errno));
        return -EIO;
    }
    return 0;
}

static int start(struct app *app)
{
    static const int numbers[SIGNALS] = {SIGTERM, SIGINT, SIGHUP};
    app->loop = loop_create();
    if (!app->loop) {
        log_error("no event loop: %s", strerror(errno));
        return -errno;
    }
    for (size_t i = 0; i < SIGNALS; i++) {
        app->signals[i] = loop_signal_create(app->loop, numbers[i], on_signal, app);
        if (!app->signals[i]) {
            return -errno;
        }
    }
    app->fetch = loop_timer_create(app->loop, on_fetch_due, app);
    if (!app->fetch) {
        return -ENOMEM;
    }
    int e = create_agent(app);
    if (e == 0) {
        e = create_source(app);
    }
    if (e == 0) {
        e = create_publisher(app);
    }
    return e;
}

/* False if a worker hangs; then it keeps what it uses. */
static bool finish(struct app *app)
{
    bool idle = publisher_destroy(app->publisher);
    idle = smollama_source_destroy(app->smollama) && idle;
    agent_destroy(app->agent);
    loop_timer_destroy(app->fetch);
    for (size_t i = 0; i < SIGNALS; i++) {
        loop_signal_destroy(app->signals[i]);
    }
    loop_destroy(app->loop);
    config_finish(&app->config);
    return idle;
}

struct app_end app_run(const struct conf *conf, const char *config_file)
{
    struct app app = {.config_file = config_file};
    struct app_end end = {.status = 1};
    int e = config_read(conf, &app.config);
    if (e) {
        log_error("configuration: %s", strerror(-e));
        return end;
    }
    e = start(&app);
    if (e == 0) {
        log_info("node %s%s, session %s, topics under %s/", app.config.node,
                 app.config.node_is_host_name ? " (the host name; node.name is not set)" : "", app.session,
                 app.config.base_topic);
        publisher_start(app.publisher);
        plan_fetch(&app);
        loop_run(app.loop);
        end.status = 0;
        end.next = app.next;
    }
    end.hung = !finish(&app);
    return end;
}
