/*
 * Heartbeat and status as they come from the network. Declared in report.h.
 */
#include "report.h"
#include "timestamp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HEARTBEAT_INTERVAL_MAX 3600
#define SNAPSHOT_INTERVAL_MAX  86400
#define EXACT_MAX              ((int64_t)JSON_EXACT_MAX)

/* ---- decoding: what must be there ---- */

/* Of a text that is known to fit, because its check says so. */
static void copy_text(char *buffer, size_t size, const char *text)
{
    snprintf(buffer, size, "%s", text);
}

static int bad_field(struct fault *fault, const struct cJSON *object, const char *name, const char *what)
{
    fault_set(fault, REJECT_BAD_TYPE, "%s: %s", name, json_get(object, name) ? what : "missing");
    return -EBADMSG;
}

static int64_t get_time(const struct cJSON *object, const char *name)
{
    const char *text = json_get_string(object, name);
    return text ? timestamp_parse(text, strlen(text), TIMESTAMP_OFFSET_UNKNOWN) : TIMESTAMP_NONE;
}

static int require_session(const struct cJSON *object, char session[SESSION_MAX + 1], struct fault *fault)
{
    const char *text = json_get_string(object, "session");
    if (!text || !session_valid(text, strlen(text))) {
        return bad_field(fault, object, "session", "not 1 to 40 of A-Z a-z 0-9 _ -");
    }
    copy_text(session, SESSION_MAX + 1, text);
    return 0;
}

static int require_time(const struct cJSON *object, int64_t *ret_ms, struct fault *fault)
{
    *ret_ms = get_time(object, "at");
    return *ret_ms == TIMESTAMP_NONE ? bad_field(fault, object, "at", "not a time with zone") : 0;
}

static int require_name(const struct cJSON *object, struct heartbeat *h, struct fault *fault)
{
    const char *name = json_get_string(object, "node");
    if (!name) {
        return bad_field(fault, object, "node", "not a string");
    }
    const char *why;
    if (!node_name_valid(name, strlen(name), &why)) {
        fault_set(fault, REJECT_BAD_NAME, "node: the name \"%.80s\" %s", name, why);
        return -EBADMSG;
    }
    copy_text(h->node, sizeof h->node, name);
    return 0;
}

static int require_type(const struct cJSON *object, struct heartbeat *h, struct fault *fault)
{
    const char *name = json_get_string(object, "type");
    if (name && strcmp(name, "alpaca") == 0) {
        h->type = NODE_ALPACA;
    } else if (name && strcmp(name, "llama") == 0) {
        h->type = NODE_LLAMA;
    } else {
        return bad_field(fault, object, "type", "neither \"alpaca\" nor \"llama\"");
    }
    return 0;
}

/* A number of seconds, made to lie in 1 … max. */
static bool get_interval(const struct cJSON *object, uint32_t max, uint32_t *ret_s)
{
    double seconds;
    if (!json_get_double(object, "interval_s", &seconds)) {
        return false;
    }
    *ret_s = seconds < 1 ? 1 : seconds > max ? max : (uint32_t)seconds;
    return true;
}

static int decode_required(const struct cJSON *object, struct heartbeat *h, struct fault *fault)
{
    int64_t version, seq;
    int r;
    if (!json_get_int(object, "v", 1, 1, &version)) {
        return bad_field(fault, object, "v", "not 1");
    }
    if ((r = require_name(object, h, fault)) < 0 || (r = require_type(object, h, fault)) < 0 ||
        (r = require_session(object, h->session, fault)) < 0) {
        return r;
    }
    if (!json_get_int(object, "seq", 1, EXACT_MAX, &seq)) {
        return bad_field(fault, object, "seq", "not a positive integer");
    }
    h->seq = (uint64_t)seq;
    if ((r = require_time(object, &h->at_ms, fault)) < 0) {
        return r;
    }
    if (!get_interval(object, HEARTBEAT_INTERVAL_MAX, &h->interval_s)) {
        return bad_field(fault, object, "interval_s", "not a number");
    }
    return 0;
}

/* ---- decoding: what may be there ---- */

static uint64_t get_count(const struct cJSON *object, const char *name, int64_t max)
{
    int64_t value;
    return json_get_int(object, name, 0, max, &value) ? (uint64_t)value : 0;
}

/* A string cut to fit into `size` bytes, or "". */
static void get_text(const struct cJSON *object, const char *name, char *buffer, size_t size)
{
    const char *text = json_get_string(object, name);
    size_t len = text ? utf8_cut(text, strlen(text), size - 1) : 0;
    if (len > 0) {
        memcpy(buffer, text, len);
    }
    buffer[len] = '\0';
}

/* http or https, something behind, and nothing in it that is not seen. */
static bool url_usable(const char *url)
{
    size_t len = strlen(url);
    size_t scheme = strncasecmp(url, "http://", 7) == 0 ? 7 : strncasecmp(url, "https://", 8) == 0 ? 8 : 0;
    if (scheme == 0 || len == scheme || len > URL_MAX || url[scheme] == '/') {
        return false;
    }
    for (size_t i = 0; i < len;) {
        uint32_t code_point;
        unsigned n = utf8_decode(url + i, len - i, &code_point);
        if (n == 0 || code_point == ' ' || utf8_is_invisible(code_point)) {
            return false;
        }
        i += n;
    }
    return true;
}

/* Labels are walked in the payload itself, which json_parse has checked. */
static void decode_labels(struct json_slice labels, struct heartbeat *h)
{
    struct json_iter it = json_iter(labels);
    while (it.object && h->label_count < LABELS_MAX && json_next(&it)) {
        struct label *label = &h->labels[h->label_count];
        if (json_type(it.value) != JSON_STRING ||
            json_string_cut(it.key, label->key, sizeof(label->key)) == 0) {
            continue;
        }
        json_string_cut(it.value, label->value, sizeof(label->value));
        h->label_count++;
    }
}

static void decode_source(const struct cJSON *source, struct heartbeat *h)
{
    const char *kind = json_get_string(source, "kind");
    h->source.kind = kind && strcmp(kind, "system") == 0 ? SOURCE_SYSTEM : SOURCE_SMOLLAMA;
    const char *name = json_get_string(source, "node_name");
    if (name && strlen(name) <= NODE_NAME_MAX) { /* cut, it would be another name */
        copy_text(h->source.node_name, sizeof h->source.node_name, name);
    }
    if (!json_get_bool(source, "ok", &h->source.ok)) {
        h->source.ok = true;
    }
    get_text(source, "error", h->source.error, sizeof(h->source.error));
    h->source.since_ms = get_time(source, "since");
    h->source.latency_ms = (uint32_t)get_count(source, "latency_ms", UINT32_MAX);
}

static void decode_snapshots(const struct cJSON *snapshots, struct heartbeat *h)
{
    static const uint32_t usual_s[REPORT_KINDS] = {
        [REPORT_READINGS] = 5, [REPORT_OBSERVATIONS] = 30, [REPORT_MEMORIES] = 60, [REPORT_STATS] = 30};
    for (int kind = 0; kind < REPORT_KINDS; kind++) {
        const struct cJSON *snapshot = json_get(snapshots, report_kind_name((enum report_kind)kind));
        struct snapshot_state *s = &h->snapshots[kind];
        s->present = json_is_object(snapshot);
        s->seq = get_count(snapshot, "seq", EXACT_MAX);
        s->captured_at_ms = get_time(snapshot, "captured_at");
        if (!get_interval(snapshot, SNAPSHOT_INTERVAL_MAX, &s->interval_s)) {
            s->interval_s = usual_s[kind];
        }
        get_text(snapshot, "error", s->error, sizeof(s->error));
    }
}

static void decode_optional(const struct cJSON *object, struct heartbeat *h)
{
    get_text(object, "version", h->version, sizeof(h->version));
    h->uptime_s = get_count(object, "uptime_s", EXACT_MAX);
    const char *url = json_get_string(object, "url");
    if (url && url_usable(url)) {
        copy_text(h->url, sizeof h->url, url);
    }
    int64_t offset_s;
    h->utc_offset_s =
        json_get_int(object, "utc_offset_s", -TIMESTAMP_OFFSET_MAX, TIMESTAMP_OFFSET_MAX, &offset_s)
            ? (int32_t)offset_s
            : TIMESTAMP_OFFSET_UNKNOWN;
    decode_source(json_get(object, "source"), h);
    decode_snapshots(json_get(object, "snapshots"), h);
}

/* A heartbeat whose extras are of the wrong type is a sign of life all the same: they count as absent, and
 * the first such field is named in the fault. */
static void note_wrong_types(struct json_slice object, struct fault *fault)
{
    static const struct {
        const char *name;
        enum json_type type;
        const char *what;
    } optional[] = {
        {"version", JSON_STRING, "not a string"},    {"uptime_s", JSON_NUMBER, "not a number"},
        {"url", JSON_STRING, "not a string"},        {"utc_offset_s", JSON_NUMBER, "not a number"},
        {"labels", JSON_OBJECT, "not an object"},    {"source", JSON_OBJECT, "not an object"},
        {"snapshots", JSON_OBJECT, "not an object"},
    };
    for (struct json_iter it = json_iter(object); json_next(&it);) {
        enum json_type type = json_type(it.value);
        for (size_t i = 0; i < sizeof(optional) / sizeof(optional[0]); i++) {
            if (type != JSON_NULL && type != optional[i].type && json_key_is(it.key, optional[i].name)) {
                fault_set(fault, REJECT_BAD_TYPE, "%s: %s; taken as absent", optional[i].name,
                          optional[i].what);
                return;
            }
        }
    }
}

/* The common start of the two decoders below: an object, to be freed with json_free. */
static int parse_object(const char *payload, size_t len, struct cJSON **ret_object, struct fault *fault)
{
    if (len > HEARTBEAT_MAX) {
        fault_set(fault, REJECT_TOO_LARGE, "%zu bytes; the limit is %d", len, HEARTBEAT_MAX);
        return -EBADMSG;
    }
    struct json_error error;
    struct cJSON *document = json_parse(payload, len, &error);
    if (!document) {
        fault_set_json(fault, &error);
        return -EBADMSG;
    }
    if (!json_is_object(document)) {
        fault_set(fault, REJECT_BAD_TYPE, "not an object");
        json_free(document);
        return -EBADMSG;
    }
    *ret_object = document;
    return 0;
}

int heartbeat_decode(const char *payload, size_t len, struct heartbeat *ret_heartbeat,
                     struct fault *ret_fault)
{
    struct cJSON *object;
    int r = parse_object(payload, len, &object, ret_fault);
    if (r < 0) {
        return r;
    }
    struct heartbeat heartbeat = {0};
    r = decode_required(object, &heartbeat, ret_fault);
    if (r == 0) {
        decode_optional(object, &heartbeat);
        decode_labels(json_member(json_root(payload, len), "labels"), &heartbeat);
        note_wrong_types(json_root(payload, len), ret_fault);
        *ret_heartbeat = heartbeat;
    }
    json_free(object);
    return r;
}

int status_decode(const char *payload, size_t len, struct status *ret_status, struct fault *ret_fault)
{
    struct cJSON *object;
    int r = parse_object(payload, len, &object, ret_fault);
    if (r < 0) {
        return r;
    }
    struct status status = {0};
    const char *state = json_get_string(object, "state");
    const char *reason = json_get_string(object, "reason");
    status.online = state && strcmp(state, "online") == 0;
    if (!status.online && (!state || strcmp(state, "offline") != 0)) {
        r = bad_field(ret_fault, object, "state", "neither \"online\" nor \"offline\"");
    } else if ((r = require_session(object, status.session, ret_fault)) == 0) {
        r = require_time(object, &status.at_ms, ret_fault);
    }
    status.stopped = !status.online && reason && strcmp(reason, "stopped") == 0;
    if (r == 0) {
        *ret_status = status;
    }
    json_free(object);
    return r;
}
