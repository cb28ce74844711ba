#include "report.h"

#include "timestamp.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum topic_kind report_topic(enum report_kind kind)
{
    assert((unsigned)kind < REPORT_KINDS);
    return (enum topic_kind)(TOPIC_READINGS + (int)kind);
}

const char *report_kind_name(enum report_kind kind)
{
    return topic_kind_name(report_topic(kind));
}

const char *reject_name(enum reject reason)
{
    static const char *const names[REJECT_REASONS] = {
        [REJECT_NONE] = "none",
        [REJECT_NOT_JSON] = "not_json",
        [REJECT_NOT_UTF8] = "not_utf8",
        [REJECT_TOO_DEEP] = "too_deep",
        [REJECT_TOO_LARGE] = "too_large",
        [REJECT_BAD_TYPE] = "bad_type",
        [REJECT_TOO_MANY] = "too_many",
        [REJECT_OLD_SESSION] = "old_session",
        [REJECT_FORBIDDEN_KEY] = "forbidden_key",
        [REJECT_BAD_TOPIC] = "bad_topic",
        [REJECT_BAD_NAME] = "bad_name",
        [REJECT_WRONG_NODE] = "wrong_node",
        [REJECT_LIMIT_NODES] = "limit_nodes",
        [REJECT_HTTP_REDIRECT] = "http_redirect",
        [REJECT_BAD_BODY] = "bad_body",
        [REJECT_TRUNCATED] = "truncated",
    };
    assert((unsigned)reason < REJECT_REASONS);
    return names[reason];
}

void fault_set(struct fault *fault, enum reject reason, const char *format, ...)
{
    if (!fault) {
        return;
    }
    char text[2 * sizeof(fault->detail)];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    size_t len = n < 0 ? 0 : strlen(text);
    if ((size_t)n >= sizeof(text)) {
        len = utf8_cut(text, len, len - 4); /* the last character may have been halved */
    }
    fault->reason = reason;
    utf8_escape(fault->detail, sizeof(fault->detail), text, len);
}

void fault_set_json(struct fault *fault, const struct json_error *error)
{
    static const enum reject reasons[] = {
        [JSON_OK] = REJECT_NONE,
        [JSON_NOT_JSON] = REJECT_NOT_JSON,
        [JSON_NOT_UTF8] = REJECT_NOT_UTF8,
        [JSON_TOO_DEEP] = REJECT_TOO_DEEP,
    };
    fault_set(fault, reasons[error->fault], "byte %zu: %s", error->offset, error->message);
}

bool session_valid(const char *session, size_t len)
{
    if (len == 0 || len > SESSION_MAX) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = session[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '_' && c != '-') {
            return false;
        }
    }
    return true;
}

int report_encode(struct buf *out, const struct report *report)
{
    size_t before = out->len;
    buf_str(out, "{\"v\":1,\"node\":");
    buf_json_cstr(out, report->node);
    buf_json_key(out, "kind");
    buf_json_cstr(out, report_kind_name(report->kind));
    buf_json_key(out, "session");
    buf_json_cstr(out, report->session);
    buf_json_key(out, "seq");
    buf_json_int(out, (int64_t)report->seq);
    buf_json_key(out, "captured_at");
    buf_json_time(out, report->captured_at_ms);
    buf_json_key(out, "utc_offset_s");
    if (report->utc_offset_s == TIMESTAMP_OFFSET_UNKNOWN) {
        buf_str(out, "null");
    } else {
        buf_json_int(out, report->utc_offset_s);
    }
    buf_json_key(out, "body");
    buf_append(out, report->body.data, report->body.len);
    buf_char(out, '}');
    if (!out->failed && out->len - before <= REPORT_MAX) {
        return 0;
    }
    out->len = before;
    return out->failed ? -ENOMEM : -E2BIG;
}

/* ---- decoding ---- */

enum field {
    FIELD_V,
    FIELD_NODE,
    FIELD_KIND,
    FIELD_SESSION,
    FIELD_SEQ,
    FIELD_CAPTURED_AT,
    FIELD_OFFSET,
    FIELD_BODY
};
#define FIELDS (FIELD_BODY + 1)

static const char *const field_names[FIELDS] = {
    "v", "node", "kind", "session", "seq", "captured_at", "utc_offset_s", "body",
};

struct envelope {
    const char *payload;
    struct json_slice fields[FIELDS];
    struct fault *fault;
};

/* One walk over the envelope. Agents write the fields in our order, so the next one is tried first. */
static void find_fields(struct envelope *e, struct json_slice root)
{
    size_t guess = 0;
    for (struct json_iter it = json_iter(root); json_next(&it);) {
        for (size_t tried = 0; tried < FIELDS; tried++) {
            size_t field = (guess + tried) % FIELDS;
            if (json_key_is(it.key, field_names[field])) {
                e->fields[field] = it.value;
                guess = field + 1;
                break;
            }
        }
    }
}

/* Says that `field` is missing, or else what it is not. */
static int bad_field(const struct envelope *e, enum field field, const char *what)
{
    const char *at = e->fields[field].data;
    if (at) {
        fault_set(e->fault, REJECT_BAD_TYPE, "byte %zu: %s: %s", (size_t)(at - e->payload),
                  field_names[field], what);
    } else {
        fault_set(e->fault, REJECT_BAD_TYPE, "%s: missing", field_names[field]);
    }
    return -EBADMSG;
}

static int check_kind(const struct envelope *e, enum report_kind expected)
{
    int64_t version;
    if (json_int(e->fields[FIELD_V], &version) < 0 || version != 1) {
        return bad_field(e, FIELD_V, "not 1");
    }
    if (json_type(e->fields[FIELD_NODE]) != JSON_STRING) {
        return bad_field(e, FIELD_NODE, "not a string");
    }
    if (!json_string_is(e->fields[FIELD_KIND], report_kind_name(expected))) {
        char what[32];
        snprintf(what, sizeof(what), "not \"%s\"", report_kind_name(expected));
        return bad_field(e, FIELD_KIND, what);
    }
    return 0;
}

static int64_t time_of(struct json_slice string)
{
    char text[64];
    size_t len;
    if (json_string(string, text, sizeof(text), &len) < 0) {
        return TIMESTAMP_NONE;
    }
    return timestamp_parse(text, len, TIMESTAMP_OFFSET_UNKNOWN);
}

static int32_t offset_of(struct json_slice number)
{
    int64_t offset_s;
    if (json_int(number, &offset_s) < 0 || offset_s < -TIMESTAMP_OFFSET_MAX ||
        offset_s > TIMESTAMP_OFFSET_MAX) {
        return TIMESTAMP_OFFSET_UNKNOWN;
    }
    return (int32_t)offset_s;
}

static int read_report(const struct envelope *e, enum report_kind expected, struct report *ret_report)
{
    int r = check_kind(e, expected);
    if (r < 0) {
        return r;
    }
    struct report report = {
        .kind = expected, .node_slice = e->fields[FIELD_NODE], .body = e->fields[FIELD_BODY]};
    size_t len;
    if (json_string(e->fields[FIELD_SESSION], report.session, sizeof(report.session), &len) < 0 ||
        !session_valid(report.session, len)) {
        return bad_field(e, FIELD_SESSION, "not 1 to 40 of A-Z a-z 0-9 _ -");
    }
    int64_t seq;
    if (json_int(e->fields[FIELD_SEQ], &seq) < 0 || seq < 1) {
        return bad_field(e, FIELD_SEQ, "not a positive integer");
    }
    report.seq = (uint64_t)seq;
    report.captured_at_ms = time_of(e->fields[FIELD_CAPTURED_AT]);
    if (report.captured_at_ms == TIMESTAMP_NONE) {
        return bad_field(e, FIELD_CAPTURED_AT, "not a time with zone");
    }
    report.utc_offset_s = offset_of(e->fields[FIELD_OFFSET]);
    if (json_type(report.body) != JSON_OBJECT) {
        return bad_field(e, FIELD_BODY, "not an object");
    }
    *ret_report = report;
    return 0;
}

int report_decode(const char *payload, size_t len, enum report_kind expected, struct report *ret_report,
                  struct fault *ret_fault)
{
    if (len > REPORT_MAX) {
        fault_set(ret_fault, REJECT_TOO_LARGE, "%zu bytes; the limit is %d", len, REPORT_MAX);
        return -EBADMSG;
    }
    struct json_error error;
    if (!json_check(payload, len, JSON_MAX_DEPTH, &error)) {
        fault_set_json(ret_fault, &error);
        return -EBADMSG;
    }
    struct json_slice root = json_root(payload, len);
    if (json_type(root) != JSON_OBJECT) {
        fault_set(ret_fault, REJECT_BAD_TYPE, "byte %zu: not an object", (size_t)(root.data - payload));
        return -EBADMSG;
    }
    struct envelope envelope = {.payload = payload, .fault = ret_fault};
    find_fields(&envelope, root);
    return read_report(&envelope, expected, ret_report);
}

bool report_body_usable(enum report_kind kind, struct json_slice body)
{
    if (kind == REPORT_STATS) {
        return json_type(json_member(body, "node_name")) == JSON_STRING;
    }
    return json_type(json_member(body, report_kind_name(kind))) == JSON_ARRAY;
}
