#include "once.h"

#include "agent.h"
#include "config.h"
#include "log.h"
#include "messages.h"
#include "smollama_source.h"
#include "system_source.h"
#include "topic.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SESSION "print" /* of no real run */

struct once {
    struct loop *loop;
    struct config config;
    struct agent *agent;
    struct smollama_source *smollama; /* NULL when the source is system */
    struct loop_timer *timer;
    bool done[REPORT_KINDS];
    bool failed;
};

/* --- printing --- */

static void print_message(const struct once *once, enum topic_kind kind, const char *payload, size_t len)
{
    char topic[TOPIC_SIZE];
    topic_format(once->config.base_topic, once->config.node, kind, topic, sizeof topic);
    printf("%s ", topic);
    fwrite(payload, 1, len, stdout);
    putchar('\n');
}

static void print_all(struct once *once)
{
    struct now now = clock_now();
    struct buf status = BUF_INIT, heartbeat = BUF_INIT;
    message_status(SESSION, true, false, now.wall_ms, &status);
    print_message(once, TOPIC_STATUS, status.data, status.len);
    for (unsigned kind = 0; kind < REPORT_KINDS; kind++) {
        const char *payload;
        size_t len;
        if (agent_report(once->agent, (enum report_kind)kind, &payload, &len)) {
            print_message(once, report_topic((enum report_kind)kind), payload, len);
        }
    }
    if (message_heartbeat(&once->config, once->agent, 1, NULL, now, &heartbeat) == 0) {
        print_message(once, TOPIC_HEALTH, heartbeat.data, heartbeat.len);
    }
    if (once->config.announce == ANNOUNCE_AUTO) {
        log_info("url: with alpaca.announce_url: auto it is this machine's address towards the broker, known "
                 "only when "
                 "connected");
    }
    buf_finish(&status);
    buf_finish(&heartbeat);
}

/* --- fetching --- */

static bool all_done(const struct once *once)
{
    for (unsigned kind = 0; kind < REPORT_KINDS; kind++) {
        if (once->config.interval_s[kind] && !once->done[kind]) {
            return false;
        }
    }
    return true;
}

static void plan(struct once *once)
{
    int64_t wait_ms = agent_next_fetch(once->agent) - clock_now().mono_ms;
    loop_timer_start(once->timer, wait_ms > 0 ? (uint64_t)wait_ms : 0, 0);
}

static void on_answer(void *user, const struct answer *answer)
{
    struct once *once = user;
    struct answer_verdict verdict;
    struct now now = clock_now();
    enum report_kind kind = agent_fetched_kind(once->agent);
    int32_t offset_s = system_utc_offset_s((time_t)(now.wall_ms / 1000));
    enum agent_result result = agent_answered(once->agent, now, offset_s, answer, &verdict);
    if (result == AGENT_FAILED) {
        log_error("%s: %s%s%s", report_kind_name(kind), verdict.word, verdict.detail[0] ? ": " : "",
                  verdict.detail);
        once->failed = true;
    } else if (result == AGENT_OFF) {
        log_info("%s: not in use on this node", report_kind_name(kind));
    }
    once->done[kind] = true;
    if (all_done(once)) {
        loop_stop(once->loop);
    } else {
        plan(once);
    }
}

static void on_due(void *user)
{
    struct once *once = user;
    enum report_kind kind;
    if (!agent_begin_fetch(once->agent, clock_now(), &kind)) {
        plan(once);
    } else if (once->smollama) {
        smollama_source_fetch(once->smollama, kind);
    } else {
        system_fetch(once->config.node, kind, on_answer, once);
    }
}

/* --- put together --- */

static int prepare(struct once *once, const struct conf *conf)
{
    const char *why = NULL;
    int e = config_read(conf, &once->config);
    if (e != 0) {
        log_error("configuration: %s", strerror(-e));
        return e;
    }
    struct agent_options options = {
        .node = once->config.node, .session = SESSION, .source = once->config.source, .resend_s = 1};
    memcpy(options.interval_s, once->config.interval_s, sizeof options.interval_s);
    once->agent = agent_create(&options, clock_now());
    once->timer = loop_timer_create(once->loop, on_due, once);
    if (!once->agent || !once->timer) {
        log_error("no memory");
        return -ENOMEM;
    }
    struct smollama_source_options source = {.url = &once->config.url, .limit = once->config.limit};
    if (once->config.source == SOURCE_SMOLLAMA &&
        !(once->smollama = smollama_source_create(once->loop, &source, on_answer, once, &why))) {
        log_error("smollama: %s", why);
        return -EIO;
    }
    return 0;
}

struct app_end once_print(struct conf *conf)
{
    struct once once = {.loop = loop_create(), .failed = true};
    if (!once.loop) {
        log_error("no event loop: %s", strerror(errno));
    } else if (prepare(&once, conf) == 0) {
        once.failed = false;
        plan(&once);
        loop_run(once.loop);
        print_all(&once);
        once.failed = fflush(stdout) != 0 || once.failed;
    }
    smollama_source_destroy(once.smollama);
    agent_destroy(once.agent);
    loop_timer_destroy(once.timer);
    config_finish(&once.config);
    bool hung = once.loop && loop_work_pending(once.loop) > 0;
    if (!hung) {
        loop_destroy(once.loop);
    }
    conf_destroy(conf);
    return (struct app_end){.status = once.failed ? EXIT_FAILURE : EXIT_SUCCESS, .hung = hung};
}
