/*
 * report: the payloads that alpaca-agent writes and llamad reads; encode and decode. Pure.
 *
 * Source: contract section 1 (docs/protocol.md). Decoders take bytes from the network: they check everything,
 * never write beyond their outputs, and borrow from the payload or copy into fixed-size fields.
 */
#ifndef REPORT_H
#define REPORT_H

#include "buf.h"
#include "json.h"
#include "topic.h"

#include <stdbool.h>
#include <stdint.h>

#define REPORT_MAX       1000000 /* bytes of one report payload */
#define HEARTBEAT_MAX    65536   /* bytes of one heartbeat or status payload */
#define SESSION_MAX      40      /* characters of a session id: [A-Za-z0-9_-] */
#define URL_MAX          512     /* bytes of an announced URL */
#define VERSION_MAX      32
#define LABELS_MAX       16 /* labels of a node */
#define LABEL_KEY_MAX    32 /* bytes */
#define LABEL_VALUE_MAX  64 /* bytes */
#define SOURCE_ERROR_MAX 64 /* bytes of an error word */
/* Bytes of an edge message rewritten, which grows: an empty item becomes forty times as long. */
#define EDGE_BODY_MAX (4 * REPORT_MAX)

enum report_kind { REPORT_READINGS, REPORT_OBSERVATIONS, REPORT_MEMORIES, REPORT_STATS };
const char *report_kind_name(enum report_kind kind); /* "readings", … */
enum topic_kind report_topic(enum report_kind kind);

/* ---- report ---- */
struct report {
    const char *node; /* encode: borrowed; decode: NULL (see node_slice) */
    struct json_slice node_slice;
    enum report_kind kind;
    char session[SESSION_MAX + 1];
    uint64_t seq;           /* ≥ 1 */
    int64_t captured_at_ms; /* Unix ms UTC */
    int32_t utc_offset_s;   /* TIMESTAMP_OFFSET_UNKNOWN if absent */
    struct json_slice body; /* the endpoint's answer, bytes unchanged */
};
/* Appends the payload to `out`. 0, or -E2BIG above REPORT_MAX, or -ENOMEM: then `out` is as it was. */
int report_encode(struct buf *out, const struct report *report);
/* 1–40 of [A-Za-z0-9_-]. */
bool session_valid(const char *session, size_t len);

enum reject {
    REJECT_NONE,
    REJECT_NOT_JSON,
    REJECT_NOT_UTF8,
    REJECT_TOO_DEEP,
    REJECT_TOO_LARGE,
    REJECT_BAD_TYPE,      /* a field is missing or of the wrong type */
    REJECT_TOO_MANY,      /* more items than a node may have */
    REJECT_OLD_SESSION,   /* of a superseded session */
    REJECT_FORBIDDEN_KEY, /* an item brings `node` or `at` */
    REJECT_BAD_TOPIC,
    REJECT_BAD_NAME,
    REJECT_WRONG_NODE,  /* the payload or answer says another node */
    REJECT_LIMIT_NODES, /* no room for a further node */
    REJECT_HTTP_REDIRECT,
    REJECT_BAD_BODY, /* an HTTP answer that is not the endpoint's */
    REJECT_TRUNCATED,
    REJECT_REASONS
};
const char *reject_name(enum reject reason); /* "not_json", … as in /api/health */

struct fault {
    enum reject reason;
    /* One line, safe to show: "byte 12: unexpected character", "readings[3].full_id: not a string". */
    char detail[160];
};
/* The formatted text is escaped (utf8_escape) and cut, so peer text may stand in it. `fault` may be NULL. */
void fault_set(struct fault *fault, enum reject reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What json_check or json_parse found, as not_json, not_utf8 or too_deep. */
void fault_set_json(struct fault *fault, const struct json_error *error);

/* Checks and reads a report; node_slice is a string, body an object. 0, or -EBADMSG with *ret_fault. The
 * report borrows the payload. utc_offset_s is unknown unless it is an integer within ±14 hours. */
int report_decode(const char *payload, size_t len, enum report_kind expected, struct report *ret_report,
                  struct fault *ret_fault);
/* Does this body have what the endpoint answers: the array of that name, or for stats a node_name? `body`
 * must be checked JSON. */
bool report_body_usable(enum report_kind kind, struct json_slice body);

/* ---- heartbeat (health) ---- */
enum node_type { NODE_UNKNOWN, NODE_ALPACA, NODE_LLAMA, NODE_EDGE };
const char *node_type_name(enum node_type type);
enum source_kind { SOURCE_SMOLLAMA, SOURCE_SYSTEM };

struct snapshot_state {
    bool present;           /* named in the heartbeat */
    uint64_t seq;           /* of the last report; 0 = none yet */
    int64_t captured_at_ms; /* last successful fetch; TIMESTAMP_NONE = never */
    uint32_t interval_s;
    char error[SOURCE_ERROR_MAX + 1]; /* "" = none; "off" = the feature is not in use */
};

struct label {
    char key[LABEL_KEY_MAX + 1], value[LABEL_VALUE_MAX + 1];
};

struct heartbeat {
    char node[NODE_NAME_MAX + 1];
    enum node_type type;
    char session[SESSION_MAX + 1];
    uint64_t seq;
    int64_t at_ms;
    char version[VERSION_MAX + 1];
    uint64_t uptime_s;
    uint32_t interval_s;   /* decode clamps to 1–3600 */
    char url[URL_MAX + 1]; /* "" = none announced */
    int32_t utc_offset_s;
    struct label labels[LABELS_MAX];
    size_t label_count; /* further labels are dropped by decode */
    struct {
        enum source_kind kind;
        char node_name[NODE_NAME_MAX + 1]; /* "" = not known */
        bool ok;
        char error[SOURCE_ERROR_MAX + 1];
        int64_t since_ms; /* since when ok or not ok; TIMESTAMP_NONE */
        uint32_t latency_ms;
    } source;
    struct snapshot_state snapshots[REPORT_KINDS];
};
/* Appends the payload to `out`. 0, or -ENOMEM. Snapshots that are not present are left out. */
int heartbeat_encode(struct buf *out, const struct heartbeat *heartbeat);
/*
 * 0, or -EBADMSG with *ret_fault. v, node, type, session, seq, at and interval_s are required. All else is
 * optional: a heartbeat with a broken detail is still a sign of life, so what is absent or unusable takes its
 * default (source ok, unknown offset, no URL, the contract's intervals). Texts are cut to their limits
 * between two characters. Returns 0 with ret_fault->reason bad_type when one of those is of the wrong type:
 * to be counted.
 */
int heartbeat_decode(const char *payload, size_t len, struct heartbeat *ret_heartbeat,
                     struct fault *ret_fault);

/* ---- status ---- */
struct status {
    bool online;
    bool stopped; /* offline with reason "stopped" */
    char session[SESSION_MAX + 1];
    int64_t at_ms; /* of a will: the time of its connect, not of the death */
};
/* Appends the payload to `out`. 0, or -ENOMEM. */
int status_encode(struct buf *out, const struct status *status);
/* 0, or -EBADMSG with *ret_fault. state, session and at are required. */
int status_decode(const char *payload, size_t len, struct status *ret_status, struct fault *ret_fault);

/* ---- edge message (Smollama's own, smollama/<node>/readings) ---- */
/*
 * Checks an edge message and rewrites it as the body of /api/readings:
 * {"timestamp":…,"readings":[{"full_id","value","unit","timestamp","metadata":null}…]}, digits kept, bare
 * NaN and infinities → null, missing or unreadable ts → `received_wall_ms`. Items that are no objects are
 * left out. The body is appended to `out`. ret_claimed is the payload's own "node", cut to fit ("" if none):
 * the topic is what counts. *ret_at_ms is its "timestamp", or `received_wall_ms`. 0, or -EBADMSG with
 * *ret_fault, or -ENOMEM; `out` then holds what it held before.
 */
int edge_decode(const char *payload, size_t len, int64_t received_wall_ms, struct buf *out,
                char ret_claimed[NODE_NAME_MAX + 1], int64_t *ret_at_ms, struct fault *ret_fault);

#endif
