#include "run.h"

#include "agent.h"
#include "log.h"
#include "publisher.h"
#include "smollama_source.h"
#include "system_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define STOP_MS       1200 /* for the goodbye; SIGTERM ends the program within 2 s */
#define RESEND_S      3600 /* what did not change is sent again so often */
#define SESSION_BYTES 12

struct run {
    struct loop *loop;
    struct notify *notify;
    struct config config;
    char session[SESSION_MAX + 1];
    struct agent *agent;
    struct smollama_source *smollama; /* NULL when the source is system */
    struct publisher *publisher;
    struct loop_timer *fetch;
    char last_error[REPORT_KINDS][SOURCE_ERROR_MAX + 1]; /* what the log said last of each kind */
    bool said_source_ok;
    bool stopping;
    char link[LOG_TEXT]; /* the link to the broker, in words */
};

/* --- for the service manager --- */

static void tell_manager(struct run *run)
{
    notify_status(run->notify, "node %s; broker %s%s", run->config.node, run->link,
                  run->said_source_ok ? "" : "; Smollama is not usable");
}

static void on_link(void *user, const char *text)
{
    struct run *run = user;
    snprintf(run->link, sizeof run->link, "%s", text);
    tell_manager(run);
}

/* --- fetching --- */

static void log_kind(struct run *run, enum report_kind kind, const struct answer_verdict *verdict)
{
    char *last = run->last_error[kind];
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
    snprintf(last, sizeof run->last_error[kind], "%s", verdict->word);
}

static void log_source(struct run *run, const char *word)
{
    bool ok = agent_source_ok(run->agent);
    if (ok == run->said_source_ok) {
        return;
    }
    run->said_source_ok = ok;
    tell_manager(run);
    if (ok) {
        log_info("smollama: answers again");
    } else {
        log_warning("smollama: not usable (%s); heartbeats go on", word);
    }
}

static void plan_fetch(struct run *run);

static void on_answer(void *user, const struct answer *answer)
{
    struct run *run = user;
    struct answer_verdict verdict;
    struct now now = clock_now();
    enum report_kind kind = agent_fetched_kind(run->agent);
    int32_t offset_s = system_utc_offset_s((time_t)(now.wall_ms / 1000));
    enum agent_result result = agent_answered(run->agent, now, offset_s, answer, &verdict);
    log_kind(run, kind, &verdict);
    log_source(run, verdict.word);
    if (result == AGENT_PUBLISH) {
        publisher_report(run->publisher, kind);
    }
    plan_fetch(run);
}

/* The system's answer is there at once. */
static void fetch_system(struct run *run, enum report_kind kind)
{
    struct timespec wall;
    struct buf body = BUF_INIT;
    clock_gettime(CLOCK_REALTIME, &wall);
    int e =
        kind == REPORT_STATS ? system_stats(run->config.node, wall, &body) : system_readings("", wall, &body);
    struct answer answer = {
        .end = ANSWER_COMPLETE, .connected = true, .status = 200, .body = body.data, .len = body.len};
    if (e) {
        answer = (struct answer){.end = ANSWER_BROKEN, .body = ""};
    }
    on_answer(run, &answer);
    buf_finish(&body);
}

static void on_fetch_due(void *user)
{
    struct run *run = user;
    enum report_kind kind;
    if (!agent_begin_fetch(run->agent, clock_now(), &kind)) {
        plan_fetch(run);
    } else if (run->smollama) {
        smollama_source_fetch(run->smollama, kind);
    } else {
        fetch_system(run, kind);
    }
}

static void plan_fetch(struct run *run)
{
    int64_t due_ms = agent_next_fetch(run->agent);
    if (run->stopping || due_ms == INT64_MAX) {
        return;
    }
    int64_t wait_ms = due_ms - clock_now().mono_ms;
    loop_timer_start(run->fetch, wait_ms > 0 ? (uint64_t)wait_ms : 0, 0);
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

static int create_agent(struct run *run)
{
    uint64_t seed = 0;
    int e = new_session(run->session, &seed);
    if (e) {
        log_error("no random numbers: %s", strerror(-e));
        return e;
    }
    struct agent_options options = {
        .node = run->config.node,
        .session = run->session,
        .source = run->config.source,
        .resend_s = run->config.retain_for_s / 2 < RESEND_S ? run->config.retain_for_s / 2 : RESEND_S,
        .seed = seed,
    };
    memcpy(options.interval_s, run->config.interval_s, sizeof options.interval_s);
    run->agent = agent_create(&options, clock_now());
    run->said_source_ok = true;
    return run->agent ? 0 : -ENOMEM;
}

static int create_source(struct run *run)
{
    if (run->config.source == SOURCE_SYSTEM) {
        log_info("source: this machine's /proc and /sys");
        return 0;
    }
    const char *why = NULL;
    char authority[URL_AUTHORITY_SIZE];
    struct smollama_source_options options = {.url = &run->config.url, .limit = run->config.limit};
    run->smollama = smollama_source_create(run->loop, &options, on_answer, run, &why);
    if (!run->smollama) {
        log_error("smollama: %s", why);
        return -errno;
    }
    log_info("source: %s://%s%s", run->config.url.https ? "https" : "http",
             url_authority(&run->config.url, authority), run->config.url.path);
    return 0;
}

static int create_publisher(struct run *run)
{
    const char *why = NULL;
    run->publisher = publisher_create(run->loop, &run->config, run->agent, run->session, on_link, run, &why);
    if (!run->publisher) {
        log_error("mqtt: %s", why ? why : strerror(errno));
        return -EIO;
    }
    return 0;
}

/* 0, or -errno with the reason logged. */
static int put_together(struct run *run, const struct conf *conf)
{
    int e = config_read(conf, &run->config);
    if (e) {
        log_error("configuration: %s", strerror(-e));
        return e;
    }
    run->fetch = loop_timer_create(run->loop, on_fetch_due, run);
    if (!run->fetch) {
        log_error("no timer: %s", strerror(errno));
        return -ENOMEM;
    }
    e = create_agent(run);
    if (e == 0) {
        e = create_source(run);
    }
    if (e == 0) {
        e = create_publisher(run);
    }
    return e;
}

struct run *run_create(struct loop *loop, const struct conf *conf, struct notify *notify)
{
    struct run *run = calloc(1, sizeof *run);
    if (!run) {
        log_error("no memory");
        return NULL;
    }
    run->loop = loop;
    run->notify = notify;
    if (put_together(run, conf) != 0) {
        run_destroy(run);
        return NULL;
    }
    return run;
}

void run_start(struct run *run)
{
    log_info("node %s%s, session %s, topics under %s/", run->config.node,
             run->config.node_is_host_name ? " (the host name; node.name is not set)" : "", run->session,
             run->config.base_topic);
    on_link(run, "not connected yet");
    publisher_start(run->publisher);
    plan_fetch(run);
}

void run_stop(struct run *run, bool say_offline, void (*done)(void *user), void *user)
{
    run->stopping = true;
    loop_timer_stop(run->fetch);
    publisher_stop(run->publisher, say_offline, STOP_MS, done, user);
}

void run_destroy(struct run *run)
{
    if (!run) {
        return;
    }
    run->stopping = true;
    publisher_destroy(run->publisher);
    smollama_source_destroy(run->smollama);
    agent_destroy(run->agent);
    loop_timer_destroy(run->fetch);
    config_finish(&run->config);
    free(run);
}

const struct config *run_config(const struct run *run)
{
    return &run->config;
}
