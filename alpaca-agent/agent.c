#include "agent.h"

#include "backoff.h"
#include "json.h"
#include "source_health.h"
#include "timestamp.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a report has around its body, at most: names, numbers and keys. */
#define ENVELOPE_MAX 1024

struct snapshot {
    uint32_t interval_s; /* 0 = off for ever */
    int64_t due_mono_ms;
    struct buf report;        /* the last one, encoded; len 0 = none yet */
    size_t body_at, body_len; /* where the body lies in it */
    uint64_t seq;
    int64_t fetched_wall_ms; /* last usable fetch, changed or not; TIMESTAMP_NONE = never */
    int64_t sent_mono_ms;    /* 0 = not sent yet */
    char error[SOURCE_ERROR_MAX + 1];
};

struct agent {
    char node[NODE_NAME_MAX + 1];
    char session[SESSION_MAX + 1];
    enum source_kind source;
    struct snapshot snapshots[REPORT_KINDS];
    struct source_health health;
    char source_name[NODE_NAME_MAX + 1]; /* what the last /api/stats called its node */
    bool fetching;
    enum report_kind fetched_kind;
    int64_t fetch_began_ms;
    size_t report_limit;
    int64_t resend_ms;
    bool refresh_asked;
    int64_t refresh_sent_ms; /* 0 = never */
};

static void copy_text(char *buffer, size_t size, const char *text)
{
    snprintf(buffer, size, "%s", text);
}

/* A tenth of the interval, but soon enough that a started node is complete within a second. */
static int64_t first_due(struct now now, uint32_t interval_s, struct backoff *random)
{
    uint32_t spread_ms = interval_s < 10 ? interval_s * 100 : 1000;
    return now.mono_ms + backoff_random(random, spread_ms);
}

struct agent *agent_create(const struct agent_options *options, struct now now)
{
    struct agent *agent = calloc(1, sizeof *agent);
    if (!agent) {
        return NULL;
    }
    copy_text(agent->node, sizeof agent->node, options->node);
    copy_text(agent->session, sizeof agent->session, options->session);
    agent->source = options->source;
    agent->report_limit = REPORT_MAX;
    agent->resend_ms = (int64_t)options->resend_s * 1000;
    source_health_init(&agent->health, now);
    struct backoff random;
    backoff_init(&random, 1, 1, options->seed);
    for (size_t i = 0; i < REPORT_KINDS; i++) {
        struct snapshot *s = &agent->snapshots[i];
        s->interval_s = options->interval_s[i];
        s->fetched_wall_ms = TIMESTAMP_NONE;
        s->due_mono_ms = s->interval_s ? first_due(now, s->interval_s, &random) : INT64_MAX;
        copy_text(s->error, sizeof s->error, s->interval_s ? "" : "off");
    }
    return agent;
}

void agent_destroy(struct agent *agent)
{
    if (!agent) {
        return;
    }
    for (size_t i = 0; i < REPORT_KINDS; i++) {
        buf_finish(&agent->snapshots[i].report);
    }
    free(agent);
}

void agent_set_intervals(struct agent *agent, const uint32_t interval_s[REPORT_KINDS], uint32_t resend_s,
                         struct now now)
{
    agent->resend_ms = (int64_t)resend_s * 1000;
    for (size_t i = 0; i < REPORT_KINDS; i++) {
        struct snapshot *s = &agent->snapshots[i];
        assert((s->interval_s == 0) == (interval_s[i] == 0));
        s->interval_s = interval_s[i];
        int64_t latest_ms = now.mono_ms + (int64_t)interval_s[i] * 1000;
        s->due_mono_ms = interval_s[i] && s->due_mono_ms > latest_ms ? latest_ms : s->due_mono_ms;
    }
}

/* --- fetching --- */

static enum report_kind longest_overdue(const struct agent *agent)
{
    size_t first = 0;
    for (size_t i = 1; i < REPORT_KINDS; i++) {
        if (agent->snapshots[i].due_mono_ms < agent->snapshots[first].due_mono_ms) {
            first = i;
        }
    }
    return (enum report_kind)first;
}

int64_t agent_next_fetch(const struct agent *agent)
{
    return agent->fetching ? INT64_MAX : agent->snapshots[longest_overdue(agent)].due_mono_ms;
}

bool agent_begin_fetch(struct agent *agent, struct now now, enum report_kind *ret_kind)
{
    if (agent->fetching || agent_next_fetch(agent) > now.mono_ms) {
        return false;
    }
    agent->fetching = true;
    agent->fetched_kind = longest_overdue(agent);
    agent->fetch_began_ms = now.mono_ms;
    *ret_kind = agent->fetched_kind;
    return true;
}

enum report_kind agent_fetched_kind(const struct agent *agent)
{
    assert(agent->fetching);
    return agent->fetched_kind;
}

/* The body of the last report. */
static struct json_slice last_body(const struct snapshot *s)
{
    return (struct json_slice){.data = s->report.data + s->body_at, .len = s->body_len};
}

static bool next_but_timestamp(struct json_iter *it)
{
    while (json_next(it)) {
        if (!json_key_is(it->key, "timestamp")) {
            return true;
        }
    }
    return false;
}

/* /api/stats carries the time of the answer, which is no change. */
static bool same_stats(struct json_slice a, struct json_slice b)
{
    struct json_iter x = json_iter(a), y = json_iter(b);
    for (;;) {
        bool more = next_but_timestamp(&x);
        if (more != next_but_timestamp(&y)) {
            return false;
        }
        if (!more) {
            return true;
        }
        if (!json_equal(x.key, y.key) || !json_equal(x.value, y.value)) {
            return false;
        }
    }
}

static bool is_held(const struct agent *agent, enum report_kind kind)
{
    const struct snapshot *s = &agent->snapshots[kind];
    return s->report.len > 0 && s->report.len <= agent->report_limit;
}

/* Readings are new each time: somebody measured. */
static bool is_unchanged(const struct agent *agent, enum report_kind kind, struct json_slice body)
{
    const struct snapshot *s = &agent->snapshots[kind];
    if (!is_held(agent, kind) || kind == REPORT_READINGS) {
        return false;
    }
    return kind == REPORT_STATS ? same_stats(last_body(s), body) : json_equal(last_body(s), body);
}

/* Replaces the last report. 0, -E2BIG or -ENOMEM; then the last one stands. */
static int take_report(struct agent *agent, struct snapshot *s, struct now now, int32_t utc_offset_s,
                       struct json_slice body)
{
    if (body.len > agent->report_limit) {
        return -E2BIG;
    }
    struct report report = {
        .node = agent->node,
        .kind = (enum report_kind)(s - agent->snapshots),
        .seq = s->seq + 1,
        .captured_at_ms = now.wall_ms,
        .utc_offset_s = utc_offset_s,
        .body = body,
    };
    copy_text(report.session, sizeof report.session, agent->session);
    struct buf encoded = BUF_INIT;
    int e = buf_reserve(&encoded, body.len + ENVELOPE_MAX) ? report_encode(&encoded, &report) : -ENOMEM;
    if (e == 0 && encoded.len > agent->report_limit) {
        e = -E2BIG;
    }
    if (e) {
        buf_finish(&encoded);
        return e;
    }
    struct json_slice kept = json_member(json_root(encoded.data, encoded.len), "body");
    buf_finish(&s->report);
    s->report = encoded;
    s->body_at = (size_t)(kept.data - encoded.data);
    s->body_len = kept.len;
    s->seq++;
    return 0;
}

static void take_source_name(struct agent *agent, struct json_slice stats)
{
    char name[NODE_NAME_MAX + 1];
    size_t len = 0;
    if (json_string(json_member(stats, "node_name"), name, sizeof name, &len) == 0 &&
        node_name_valid(name, len, NULL)) {
        copy_text(agent->source_name, sizeof agent->source_name, name);
    } else {
        agent->source_name[0] = '\0';
    }
}

static enum agent_result take_usable(struct agent *agent, struct now now, int32_t utc_offset_s,
                                     const struct answer *answer, struct answer_verdict *verdict)
{
    enum report_kind kind = agent->fetched_kind;
    struct snapshot *s = &agent->snapshots[kind];
    struct json_slice body = json_root(answer->body, answer->len);
    if (kind == REPORT_STATS) {
        take_source_name(agent, body);
    }
    if (is_unchanged(agent, kind, body)) {
        s->fetched_wall_ms = now.wall_ms;
        return AGENT_UNCHANGED;
    }
    int e = take_report(agent, s, now, utc_offset_s, body);
    if (e) {
        verdict->worth = ANSWER_FAILED;
        copy_text(verdict->word, sizeof verdict->word, "too_large");
        if (e == -E2BIG) {
            snprintf(verdict->detail, sizeof verdict->detail, "a body of %zu bytes, and reports may have %zu",
                     body.len, agent->report_limit);
        } else {
            copy_text(verdict->detail, sizeof verdict->detail, "no memory for it");
        }
        return AGENT_FAILED;
    }
    s->fetched_wall_ms = now.wall_ms;
    return AGENT_PUBLISH;
}

enum agent_result agent_answered(struct agent *agent, struct now now, int32_t utc_offset_s,
                                 const struct answer *answer, struct answer_verdict *ret_verdict)
{
    assert(agent->fetching);
    enum report_kind kind = agent->fetched_kind;
    struct snapshot *s = &agent->snapshots[kind];
    agent->fetching = false;
    /* From the start of the fetch, not from when it was due: never more often than configured. */
    s->due_mono_ms = agent->fetch_began_ms + (int64_t)s->interval_s * 1000;
    if (s->due_mono_ms < now.mono_ms) {
        s->due_mono_ms = now.mono_ms;
    }

    answer_judge(kind, answer, ret_verdict);
    enum agent_result result = ret_verdict->worth == ANSWER_OFF ? AGENT_OFF : AGENT_FAILED;
    if (ret_verdict->worth == ANSWER_USABLE) {
        result = take_usable(agent, now, utc_offset_s, answer, ret_verdict);
    }
    copy_text(s->error, sizeof s->error, ret_verdict->word);
    source_health_note(&agent->health, now, kind, answer, ret_verdict);
    return result;
}

/* --- sending --- */

bool agent_report(const struct agent *agent, enum report_kind kind, const char **ret_payload, size_t *ret_len)
{
    if (!is_held(agent, kind)) {
        return false;
    }
    *ret_payload = agent->snapshots[kind].report.data;
    *ret_len = agent->snapshots[kind].report.len;
    return true;
}

void agent_set_report_limit(struct agent *agent, size_t bytes)
{
    agent->report_limit = bytes < REPORT_MAX ? bytes : REPORT_MAX;
    for (size_t i = 0; i < REPORT_KINDS; i++) {
        struct snapshot *s = &agent->snapshots[i];
        if (s->report.len > agent->report_limit) {
            copy_text(s->error, sizeof s->error, "too_large");
        }
    }
}

void agent_note_sent(struct agent *agent, enum report_kind kind, struct now now)
{
    agent->snapshots[kind].sent_mono_ms = now.mono_ms;
}

bool agent_resend_due(const struct agent *agent, enum report_kind kind, struct now now)
{
    return is_held(agent, kind) && now.mono_ms - agent->snapshots[kind].sent_mono_ms >= agent->resend_ms;
}

int64_t agent_resend_ms(const struct agent *agent)
{
    return agent->resend_ms;
}

void agent_refresh_asked(struct agent *agent)
{
    agent->refresh_asked = true;
}

void agent_refresh_sent(struct agent *agent, struct now now)
{
    agent->refresh_asked = false;
    agent->refresh_sent_ms = now.mono_ms;
}

int64_t agent_next_refresh(const struct agent *agent)
{
    if (!agent->refresh_asked) {
        return INT64_MAX;
    }
    return agent->refresh_sent_ms ? agent->refresh_sent_ms + AGENT_REFRESH_GAP_MS : 0;
}

/* --- the heartbeat --- */

bool agent_source_ok(const struct agent *agent)
{
    return agent->health.ok;
}

void agent_heartbeat(const struct agent *agent, struct now now, struct heartbeat *ret_heartbeat)
{
    struct heartbeat *h = ret_heartbeat;
    memset(h, 0, sizeof *h);
    copy_text(h->node, sizeof h->node, agent->node);
    copy_text(h->session, sizeof h->session, agent->session);
    h->at_ms = now.wall_ms;
    h->source.kind = agent->source;
    copy_text(h->source.node_name, sizeof h->source.node_name, agent->source_name);
    h->source.ok = agent->health.ok;
    copy_text(h->source.error, sizeof h->source.error, agent->health.error);
    h->source.since_ms = agent->health.since_wall_ms;
    h->source.latency_ms = agent->health.latency_ms;
    for (size_t i = 0; i < REPORT_KINDS; i++) {
        const struct snapshot *s = &agent->snapshots[i];
        h->snapshots[i].present = true;
        h->snapshots[i].seq = s->seq;
        h->snapshots[i].captured_at_ms = s->fetched_wall_ms;
        h->snapshots[i].interval_s = s->interval_s;
        copy_text(h->snapshots[i].error, sizeof h->snapshots[i].error, s->error);
    }
}
