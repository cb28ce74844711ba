/*
 * answer: what came back when an endpoint was asked, and what that is worth. Pure.
 *
 * The words are those of `snapshots.<kind>.error` in the heartbeat (docs/protocol.md).
 */
#ifndef ANSWER_H
#define ANSWER_H

#include "report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum answer_end {
    ANSWER_COMPLETE,  /* status and the whole body are here */
    ANSWER_REFUSED,   /* no connection */
    ANSWER_DNS,       /* the host's name has no address */
    ANSWER_TIMEOUT,   /* not complete within the deadline */
    ANSWER_TOO_LARGE, /* the body passed the limit */
    ANSWER_BROKEN,    /* connected, but no whole HTTP answer came */
};

struct answer {
    enum answer_end end;
    bool connected;   /* a TCP (and TLS) connection stood */
    unsigned status;  /* HTTP status; 0 = none came */
    const char *body; /* borrowed; valid for the call it is passed to */
    size_t len;
    uint32_t latency_ms; /* from asking to the end, whatever the end */
    /* Why there is no answer, for the log: one escaped line, borrowed; NULL = nothing to add. */
    const char *detail;
};

enum answer_worth {
    ANSWER_USABLE,
    ANSWER_OFF, /* the endpoint's feature is not in use there: no error */
    ANSWER_FAILED,
};

struct answer_verdict {
    enum answer_worth worth;
    /* "" usable, "off", "refused", "timeout", "dns", "http_500", "bad_body", "too_large" */
    char word[SOURCE_ERROR_MAX + 1];
    char detail[160]; /* for the log: one line, peer text escaped; "" if the word says all */
};

void answer_judge(enum report_kind kind, const struct answer *answer, struct answer_verdict *ret_verdict);

/* Did Smollama say anything by HTTP, be it an error? */
bool answer_is_http(const struct answer *answer);

#endif
