/*
 * agent: what is due when, what is worth sending, and how the source is. Pure: time comes in, decisions come
 * out.
 *
 * It keeps the last report of each kind, encoded, because that is what is sent again after each connect. The
 * caller asks for the next fetch, does it, and hands the answer in; it never fetches two at once, for
 * Smollama is single-threaded. Source: contract section 1 (docs/protocol.md).
 */
#ifndef AGENT_H
#define AGENT_H

#include "answer.h"
#include "clock.h"
#include "report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct agent;

struct agent_options {
    const char *node;    /* copied */
    const char *session; /* copied */
    enum source_kind source;
    uint32_t interval_s[REPORT_KINDS]; /* 0 = this kind does not exist here: its error is "off" for ever */
    uint32_t resend_s;                 /* a report not sent for so long is sent again */
    uint64_t seed;                     /* spreads the first fetches */
};

#define AGENT_REFRESH_GAP_MS 5000 /* all reports are sent again at most once in this time */

/* NULL when memory ran out. */
struct agent *agent_create(const struct agent_options *options, struct now now);
void agent_destroy(struct agent *agent);

/* Other intervals (of kinds that exist: both 0 or neither) and resend time, from now on. */
void agent_set_intervals(struct agent *agent, const uint32_t interval_s[REPORT_KINDS], uint32_t resend_s,
                         struct now now);

/* ---- fetching ---- */
/* The monotonic time of the next fetch; INT64_MAX while one is under way or if nothing is ever fetched. */
int64_t agent_next_fetch(const struct agent *agent);
/* True if a fetch is due: the caller starts it and must call agent_answered for it. The longest overdue comes
 * first, so an endpoint that hangs for the whole deadline each time does not keep the others waiting for
 * good. */
bool agent_begin_fetch(struct agent *agent, struct now now, enum report_kind *ret_kind);

/* What is being fetched. Requires a fetch under way. */
enum report_kind agent_fetched_kind(const struct agent *agent);

enum agent_result {
    AGENT_PUBLISH,   /* a new report */
    AGENT_UNCHANGED, /* usable, and the same as the last one */
    AGENT_OFF,       /* a feature that is not in use */
    AGENT_FAILED,    /* the last good report stands */
};
/* Takes the answer to the fetch begun last. *ret_verdict says what it was worth; its `word` is "too_large" as
 * well when the finished report does not fit. */
enum agent_result agent_answered(struct agent *agent, struct now now, int32_t utc_offset_s,
                                 const struct answer *answer, struct answer_verdict *ret_verdict);

/* ---- sending ---- */
/* The last report's payload, borrowed until the next agent_answered of its kind; false if there is none, or
 * it is above the limit. */
bool agent_report(const struct agent *agent, enum report_kind kind, const char **ret_payload,
                  size_t *ret_len);
/* The largest payload that the broker takes; capped at REPORT_MAX. A report above it becomes "too_large". */
void agent_set_report_limit(struct agent *agent, size_t bytes);
void agent_note_sent(struct agent *agent, enum report_kind kind, struct now now);
/* Is there a report that has not been sent for `resend_s`? */
bool agent_resend_due(const struct agent *agent, enum report_kind kind, struct now now);
int64_t agent_resend_ms(const struct agent *agent);

/* Somebody asked for all reports, or all have just been sent for another reason. */
void agent_refresh_asked(struct agent *agent);
void agent_refresh_sent(struct agent *agent, struct now now);
/* The monotonic time at which the asked refresh may be answered; INT64_MAX if none was asked for. */
int64_t agent_next_refresh(const struct agent *agent);

/* ---- the heartbeat ---- */
/* Fills node, session, at, source and snapshots, and clears the rest, which the caller knows (seq, type,
 * version, url, …). */
void agent_heartbeat(const struct agent *agent, struct now now, struct heartbeat *ret_heartbeat);
bool agent_source_ok(const struct agent *agent);

#endif
