/*
 * Smollama's own edge message, rewritten as the body of /api/readings. Declared in report.h.
 */
#include "report.h"
#include "timestamp.h"

#include <errno.h>
#include <stdlib.h>

/* The fields of an item as they came; absent ones have no data. */
struct item {
    struct json_slice source, value, unit, ts;
};

static struct item read_item(struct json_slice object)
{
    struct item item = {0};
    for (struct json_iter it = json_iter(object); json_next(&it);) {
        if (json_key_is(it.key, "source")) {
            item.source = it.value;
        } else if (json_key_is(it.key, "value")) {
            item.value = it.value;
        } else if (json_key_is(it.key, "unit")) {
            item.unit = it.value;
        } else if (json_key_is(it.key, "ts")) {
            item.ts = it.value;
        }
    }
    return item;
}

static void append_or(struct buf *out, struct json_slice value, const char *otherwise)
{
    if (value.data) {
        buf_append(out, value.data, value.len);
    } else {
        buf_str(out, otherwise);
    }
}

static bool is_time(struct json_slice string)
{
    char text[64];
    size_t len;
    return json_string(string, text, sizeof(text), &len) == 0 &&
           timestamp_parse(text, len, TIMESTAMP_OFFSET_UNKNOWN) != TIMESTAMP_NONE;
}

static struct json_slice only_string(struct json_slice value)
{
    return json_type(value) == JSON_STRING ? value : (struct json_slice){0};
}

static void write_item(struct buf *out, struct json_slice object, int64_t received_wall_ms)
{
    struct item item = read_item(object);
    buf_json_sep(out);
    buf_str(out, "{\"full_id\":");
    append_or(out, only_string(item.source), "\"unknown\"");
    buf_str(out, ",\"value\":");
    append_or(out, item.value, "null");
    buf_str(out, ",\"unit\":");
    append_or(out, only_string(item.unit), "null");
    buf_str(out, ",\"timestamp\":");
    if (is_time(item.ts)) {
        buf_append(out, item.ts.data, item.ts.len);
    } else {
        buf_json_time(out, received_wall_ms);
    }
    buf_str(out, ",\"metadata\":null}");
}

static int64_t message_time(struct json_slice epoch, int64_t received_wall_ms)
{
    double seconds;
    if (json_double(epoch, &seconds) < 0) {
        return received_wall_ms;
    }
    int64_t at_ms = timestamp_from_epoch(seconds);
    return at_ms == TIMESTAMP_NONE ? received_wall_ms : at_ms;
}

/* `root` is checked. */
static int rewrite(struct json_slice root, int64_t received_wall_ms, struct buf *out,
                   char ret_claimed[NODE_NAME_MAX + 1], int64_t *ret_at_ms, struct fault *fault)
{
    struct json_slice readings = json_member(root, "readings");
    if (json_type(readings) != JSON_ARRAY) {
        const char *what = json_type(root) != JSON_OBJECT ? "not an object"
                           : readings.data                ? "readings: not an array"
                                                          : "readings: missing";
        fault_set(fault, REJECT_BAD_TYPE, "%s", what);
        return -EBADMSG;
    }
    int64_t at_ms = message_time(json_member(root, "timestamp"), received_wall_ms);
    size_t before = out->len;
    buf_str(out, "{\"timestamp\":");
    buf_json_time(out, at_ms);
    buf_str(out, ",\"readings\":[");
    struct json_iter it = json_iter(readings);
    while (out->len - before <= EDGE_BODY_MAX && json_next(&it)) {
        if (json_type(it.value) == JSON_OBJECT) {
            write_item(out, it.value, received_wall_ms);
        }
    }
    buf_str(out, "]}");
    if (out->failed || out->len - before > EDGE_BODY_MAX) {
        out->len = before;
        if (out->failed) {
            return -ENOMEM;
        }
        fault_set(fault, REJECT_TOO_LARGE, "more than %d bytes of readings", EDGE_BODY_MAX);
        return -EBADMSG;
    }
    json_string_cut(json_member(root, "node"), ret_claimed, NODE_NAME_MAX + 1);
    *ret_at_ms = at_ms;
    return 0;
}

int edge_decode(const char *payload, size_t len, int64_t received_wall_ms, struct buf *out,
                char ret_claimed[NODE_NAME_MAX + 1], int64_t *ret_at_ms, struct fault *ret_fault)
{
    if (len > REPORT_MAX) {
        fault_set(ret_fault, REJECT_TOO_LARGE, "%zu bytes; the limit is %d", len, REPORT_MAX);
        return -EBADMSG;
    }
    char *repaired = NULL;
    struct json_error error;
    int r = -EBADMSG;
    bool valid = json_check(payload, len, JSON_MAX_DEPTH, &error);
    if (!valid && error.fault == JSON_NOT_JSON) {
        size_t repaired_len;
        repaired = json_replace_nonfinite(payload, len, &repaired_len);
        if (!repaired && repaired_len == SIZE_MAX) {
            return -ENOMEM;
        }
        if (repaired) {
            payload = repaired;
            len = repaired_len;
            valid = json_check(payload, len, JSON_MAX_DEPTH, &error);
        }
    }
    if (valid) {
        r = rewrite(json_root(payload, len), received_wall_ms, out, ret_claimed, ret_at_ms, ret_fault);
    } else {
        fault_set_json(ret_fault, &error);
    }
    free(repaired);
    return r;
}
