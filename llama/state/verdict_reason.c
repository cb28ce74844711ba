/*
 * The sentence of a verdict: for people, with times instead of ages.
 */
#include "timestamp.h"
#include "utf8.h"
#include "verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct text {
    char *data;
    size_t size, len;
};

static void append(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void append(struct text *t, const char *format, ...)
{
    char piece[512];
    va_list args;
    va_start(args, format);
    vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    size_t len = utf8_cut(piece, strlen(piece), t->size - 1 - t->len);
    memcpy(t->data + t->len, piece, len);
    t->len += len;
    t->data[t->len] = '\0';
}

/* "2026-01-02T03:04:05Z": whole seconds are enough for people. */
static const char *wall_text(int64_t wall_ms, char buffer[TIMESTAMP_SIZE])
{
    timestamp_format(wall_ms, buffer);
    char *fraction = strchr(buffer, '.');
    if (fraction) {
        fraction[0] = 'Z';
        fraction[1] = '\0';
    }
    return buffer;
}

static void append_since(struct text *t, struct now now, int64_t mono_ms)
{
    char time[TIMESTAMP_SIZE];
    append(t, " since %s", wall_text(clock_wall_of(now, mono_ms), time));
}

static void append_duration(struct text *t, int64_t ms)
{
    char duration[TIMESTAMP_SIZE];
    append(t, "%s", timestamp_format_age(ms, duration));
}

/* An error word, as people say it. */
static void append_error(struct text *t, const char *error)
{
    static const struct {
        const char *word, *text;
    } known[] = {
        {"", "no answer"},
        {"refused", "connection refused"},
        {"timeout", "no answer in time"},
        {"no_route", "no route to the host"},
        {"dns", "its name is not found"},
        {"bad_body", "unusable body"},
        {"too_large", "answer too large"},
        {"truncated", "answer cut off"},
        {"redirect", "redirected elsewhere"},
        {"forbidden_address", "address not in cluster.poll_allow"},
        {"wrong_node", "another node answers there"},
        {"closed", "connection closed without an answer"},
        {"tls", "no trusted TLS connection"},
        {"not_http", "what answers does not speak HTTP"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(error, known[i].word) == 0) {
            append(t, "%s", known[i].text);
            return;
        }
    }
    char safe[2 * SOURCE_ERROR_MAX];
    if (strncmp(error, "http_", 5) == 0) {
        append(t, "status %s", utf8_escape(safe, sizeof safe, error + 5, strlen(error + 5)));
    } else {
        append(t, "%s", utf8_escape(safe, sizeof safe, error, strlen(error)));
    }
}

/* "; HTTP: connection refused" when it was asked since it turned silent. */
static void append_probe(struct text *t, const struct evidence *e, struct now now)
{
    if (verdict_probe_outdated(e, now)) {
        append(t, "; HTTP: not asked");
        append_since(t, now, e->probe.at_ms);
    } else if (e->probe.outcome == PROBE_OK) {
        append(t, "; HTTP answers");
    } else if (e->probe.outcome == PROBE_UNUSABLE || e->probe.outcome == PROBE_FAILED) {
        append(t, "; HTTP: ");
        append_error(t, e->probe.error);
    }
}

static int64_t interval_ms(const struct evidence *e)
{
    return 1000 * (int64_t)(e->agent.interval_s ? e->agent.interval_s : 10);
}

static int64_t awaited_since(const struct link_evidence *link, int64_t known_ms)
{
    int64_t since_ms = link->up_ms > link->started_ms ? link->up_ms : link->started_ms;
    return known_ms > since_ms ? known_ms : since_ms;
}

/* Why the agent is taken for silent. */
static void append_silence(struct text *t, const struct evidence *e, const struct link_evidence *link,
                           struct now now)
{
    bool overridden = e->agent.heartbeat_ms != 0 && e->agent.presence_ms < e->agent.heartbeat_ms;
    enum presence presence = overridden ? PRESENCE_ONLINE : e->agent.presence;
    if (presence == PRESENCE_STOPPED) {
        append(t, "its agent was stopped");
    } else if (presence == PRESENCE_WILL) {
        append(t, "its agent lost its connection");
    }
    if (presence == PRESENCE_STOPPED || presence == PRESENCE_WILL) {
        if (!e->agent.presence_replayed) {
            char time[TIMESTAMP_SIZE];
            append(t, " at %s", wall_text(clock_wall_of(now, e->agent.presence_ms), time));
        } else {
            append(t, " while llamad was not listening");
        }
        return;
    }
    append(t, "no heartbeat");
    int64_t since_ms = e->agent.heartbeat_ms;
    if (since_ms == 0) {
        since_ms = awaited_since(link, e->agent.first_ms);
    }
    append_since(t, now, since_ms);
    append(t, " (announced every ");
    append_duration(t, interval_ms(e));
    append(t, ")");
}

static void append_source(struct text *t, const struct evidence *e)
{
    append(t, e->source.answers ? "its agent lives, but Smollama gives no usable answer"
                                : "its agent lives, but Smollama does not answer");
    if (e->source.since_wall_ms != TIMESTAMP_NONE) {
        char time[TIMESTAMP_SIZE];
        append(t, " (since %s)", wall_text(e->source.since_wall_ms, time));
    }
    append(t, ": ");
    append_error(t, e->source.error);
}

static void append_endpoints(struct text *t, const struct evidence *e, struct now now)
{
    const char *separator = "";
    for (int i = 0; i < REPORT_KINDS; i++) {
        enum report_kind kind = (enum report_kind)i;
        if (!verdict_endpoint_fails(e, kind)) {
            continue;
        }
        append(t, "%s/api/%s: ", separator, report_kind_name(kind));
        if (e->snapshots[i].error[0]) {
            append_error(t, e->snapshots[i].error);
            append_since(t, now, e->snapshots[i].error_since_ms);
        } else {
            append(t, "nothing new");
            append_since(t, now, e->snapshots[i].age_from_ms);
        }
        separator = "; ";
    }
}

static void append_broker(struct text *t, const struct evidence *e, const struct link_evidence *link,
                          struct now now)
{
    if (link->up) {
        append(t, "the broker is back");
        append_since(t, now, link->up_ms);
        append(t, ", nothing heard from the node yet");
    } else if (link->down_ms) {
        append(t, "no connection to the broker");
        append_since(t, now, link->down_ms);
    } else {
        append(t, "no connection to the broker yet, tried");
        append_since(t, now, link->started_ms);
    }
    append_probe(t, e, now);
}

static void append_starting(struct text *t, const struct evidence *e, const struct link_evidence *link,
                            struct now now)
{
    char time[TIMESTAMP_SIZE];
    append(t, "%s; llamad started at %s",
           e->has_url && !e->agent.ever ? "not asked yet" : "nothing heard of it yet",
           wall_text(clock_wall_of(now, link->started_ms), time));
}

static void append_edge_silence(struct text *t, const struct evidence *e, struct now now)
{
    append(t, "no message");
    append_since(t, now, e->edge.message_ms);
    append(t, " (usually every ");
    append_duration(t, e->edge.interval_ms ? e->edge.interval_ms : 30000);
    append(t, ")");
    append_probe(t, e, now);
}

static void append_online(struct text *t, enum via via, const struct evidence *e)
{
    if (via == VIA_MQTT) {
        append(t, "heartbeats every ");
        append_duration(t, interval_ms(e));
    } else if (via == VIA_EDGE) {
        append(t, "its own MQTT messages come");
        if (e->edge.interval_ms >= 1000) {
            append(t, " about every ");
            append_duration(t, e->edge.interval_ms);
        }
    } else {
        append(t, "HTTP answers");
    }
}

static void append_detail(struct text *t, const char *what, const char *detail)
{
    append(t, "%s%s%s", what, detail && detail[0] ? ": " : "", detail ? detail : "");
}

static void append_skew(struct text *t, int64_t skew_ms)
{
    append(t, "its clock is wrong: ");
    append_duration(t, skew_ms < 0 ? -skew_ms : skew_ms);
    append(t, skew_ms < 0 ? " behind llamad's" : " ahead of llamad's");
}

static void append_outdated(struct text *t, const struct evidence *e, struct now now)
{
    append(t, "not asked");
    append_since(t, now, e->probe.at_ms);
    append(t, ": other nodes keep llamad waiting");
}

/* A node that never had an agent. */
static void append_no_answer(struct text *t, const struct evidence *e, const struct link_evidence *link,
                             struct now now)
{
    if (e->probe.outcome == PROBE_NONE) {
        append(t, "nothing heard of it");
        append_since(t, now, awaited_since(link, e->added_ms));
        return;
    }
    if (verdict_probe_outdated(e, now)) {
        append_outdated(t, e, now);
        return;
    }
    if (e->probe.ok_ms) {
        append(t, "no usable answer");
        append_since(t, now, e->probe.ok_ms);
        append(t, "; HTTP: ");
    } else {
        append(t, e->probe.ever_answered ? "HTTP: " : "never answered; HTTP: ");
    }
    append_error(t, e->probe.error);
}

/* What is missing, and what HTTP said instead. */
static void append_absence(struct text *t, enum cause cause, const struct evidence *e,
                           const struct link_evidence *link, struct now now)
{
    if (e->agent.ever) {
        append_silence(t, e, link, now);
        append_probe(t, e, now);
    } else if (cause == CAUSE_NO_ANSWER || cause == CAUSE_NEVER_SEEN) {
        append_no_answer(t, e, link, now);
    } else if (!e->edge.ever) {
        append_outdated(t, e, now);
    } else {
        append_edge_silence(t, e, now);
    }
}

/* Alive, but something is broken. */
static void append_trouble(struct text *t, struct verdict verdict, const struct evidence *e, struct now now)
{
    if (verdict.cause == CAUSE_DUPLICATE_NAME) {
        append_detail(t, "two agents use this name", e->duplicate_detail);
    } else if (verdict.cause == CAUSE_FROZEN) {
        append_detail(t, "readings have not moved", e->frozen_detail);
    } else if (verdict.cause == CAUSE_CLOCK_SKEW) {
        append_skew(t, e->clock_skew_ms);
    } else if (verdict.cause == CAUSE_ENDPOINT_ERROR) {
        append_endpoints(t, e, now);
    } else if (verdict.via == VIA_MQTT) {
        append_source(t, e);
    } else {
        append(t, "it answers over HTTP, but nothing usable: ");
        append_error(t, e->probe.error);
    }
}

void verdict_reason(struct verdict verdict, const struct evidence *evidence, const struct link_evidence *link,
                    struct now now, char *buffer, size_t size)
{
    struct text text = {.data = buffer, .size = size};
    buffer[0] = '\0';
    if (verdict.cause == CAUSE_NONE) {
        append_online(&text, verdict.via, evidence);
    } else if (verdict.cause == CAUSE_BROKER_DOWN) {
        append_broker(&text, evidence, link, now);
    } else if (verdict.cause == CAUSE_STARTING) {
        append_starting(&text, evidence, link, now);
    } else if (verdict.state == STATE_DEGRADED) {
        append_trouble(&text, verdict, evidence, now);
    } else {
        append_absence(&text, verdict.cause, evidence, link, now);
    }
}
