#include "run.h"

#include "agent.h"
#include "log.h"
#include "publisher.h"
#include "smollama_source.h"
#include "status_socket.h"
#include "system_source.h"
#include "timestamp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

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
    char link_fault[LOG_TEXT]; /* why there is no link to the broker; "" = it stands */
    int64_t link_ms;           /* since when it does, or does not; monotonic */
    struct now started;
    struct status_socket *status; /* NULL: nobody can ask */
};

/* --- for the service manager --- */

static void tell_manager(struct run *run)
{
    bool up = run->link_fault[0] == '\0';
    notify_status(run->notify, "node %s; broker %s:%u %s%s%s", run->config.node, run->config.broker,
                  (unsigned)run->config.broker_port, up ? "connected" : "not connected: ", run->link_fault,
                  run->said_source_ok ? "" : "; Smollama is not usable");
}

/* Further attempts that fail, and other reasons, do not make an outage begin anew. */
static void on_link(void *user, const char *why)
{
    struct run *run = user;
    bool was_up = run->link_fault[0] == '\0';
    snprintf(run->link_fault, sizeof run->link_fault, "%s", why ? why : "");
    if (was_up == (why != NULL)) {
        run->link_ms = clock_now().mono_ms;
    }
    tell_manager(run);
}

/* --- for `alpaca-agent status` --- */

static void write_age(struct buf *out, const char *key, int64_t since_ms, int64_t now_ms)
{
    buf_json_key(out, key);
    buf_json_int(out, now_ms > since_ms ? (now_ms - since_ms) / 1000 : 0);
}

static void write_text(struct buf *out, const char *key, const char *text)
{
    buf_json_key(out, key);
    buf_json_cstr(out, text[0] ? text : NULL);
}

static void write_number(struct buf *out, const char *key, int64_t value)
{
    buf_json_key(out, key);
    buf_json_int(out, value);
}

static void write_snapshots(const struct heartbeat *heartbeat, struct now now, struct buf *out)
{
    buf_json_key(out, "snapshots");
    buf_char(out, '{');
    for (unsigned kind = 0; kind < REPORT_KINDS; kind++) {
        int64_t captured_ms = heartbeat->snapshots[kind].captured_at_ms;
        buf_json_key(out, report_kind_name((enum report_kind)kind));
        buf_char(out, '{');
        write_number(out, "seq", (int64_t)heartbeat->snapshots[kind].seq);
        write_number(out, "interval_s", heartbeat->snapshots[kind].interval_s);
        buf_json_key(out, "captured_at");
        buf_json_time(out, captured_ms);
        if (captured_ms != TIMESTAMP_NONE) {
            write_age(out, "age_s", captured_ms, now.wall_ms);
        }
        write_text(out, "error", heartbeat->snapshots[kind].error);
        buf_char(out, '}');
    }
    buf_char(out, '}');
}

static void write_source(const struct run *run, const struct heartbeat *heartbeat, struct buf *out)
{
    char authority[URL_AUTHORITY_SIZE] = "";
    buf_json_key(out, "source");
    buf_char(out, '{');
    write_text(out, "kind", run->config.source == SOURCE_SYSTEM ? "system" : "smollama");
    write_text(out, "at", run->smollama ? url_authority(&run->config.url, authority) : "");
    buf_json_key(out, "ok");
    buf_json_bool(out, heartbeat->source.ok);
    write_text(out, "error", heartbeat->source.error);
    buf_json_key(out, "since");
    buf_json_time(out, heartbeat->source.since_ms);
    write_number(out, "latency_ms", heartbeat->source.latency_ms);
    buf_char(out, '}');
}

static void write_status(void *user, struct buf *out)
{
    const struct run *run = user;
    struct now now = clock_now();
    struct heartbeat heartbeat;
    agent_heartbeat(run->agent, now, &heartbeat);
    buf_char(out, '{');
    write_text(out, "version", PROJECT_VERSION);
    write_number(out, "pid", getpid());
    write_text(out, "node", run->config.node);
    write_text(out, "session", run->session);
    buf_json_key(out, "started_at");
    buf_json_time(out, run->started.wall_ms);
    write_age(out, "uptime_s", run->started.mono_ms, now.mono_ms);
    write_number(out, "heartbeats", (int64_t)publisher_heartbeats(run->publisher));
    buf_json_key(out, "broker");
    buf_char(out, '{');
    write_text(out, "host", run->config.broker);
    write_number(out, "port", run->config.broker_port);
    write_text(out, "error", run->link_fault);
    write_age(out, "since_s", run->link_ms, now.mono_ms);
    publisher_write_status(run->publisher, out);
    buf_char(out, '}');
    write_source(run, &heartbeat, out);
    write_snapshots(&heartbeat, now, out);
    buf_char(out, '}');
}

/* Without it the agent does its work all the same. */
static void open_status(struct run *run)
{
    int e = status_socket_create(run->loop, run->config.node, write_status, run, &run->status);
    if (e == -EADDRINUSE) {
        log_warning("status: another agent of this name runs on this machine; `alpaca-agent status` tells of "
                    "that one");
    } else if (e != 0) {
        log_info("status: no folder for a socket (/run/alpaca-agent), so `alpaca-agent status` cannot tell "
                 "of this "
                 "agent");
    }
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

static void on_fetch_due(void *user)
{
    struct run *run = user;
    enum report_kind kind;
    if (!agent_begin_fetch(run->agent, clock_now(), &kind)) {
        plan_fetch(run);
    } else if (run->smollama) {
        smollama_source_fetch(run->smollama, kind);
    } else {
        system_fetch(run->config.node, kind, on_answer, run);
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

/* Before the broker forgets it. */
static uint32_t resend_s(const struct config *config)
{
    return config->retain_for_s / 2 < RESEND_S ? config->retain_for_s / 2 : RESEND_S;
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
        .resend_s = resend_s(&run->config),
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
    run->started = clock_now();
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
    on_link(run, "no answer yet");
    open_status(run);
    publisher_start(run->publisher);
    plan_fetch(run);
}

void run_reconfigure(struct run *run, struct config *config)
{
    config_finish(&run->config);
    run->config = *config;
    agent_set_intervals(run->agent, run->config.interval_s, resend_s(&run->config), clock_now());
    if (run->smollama) {
        smollama_source_set_limit(run->smollama, run->config.limit);
    }
    publisher_config_changed(run->publisher);
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
    status_socket_destroy(run->status);
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
