#include "node_state.h"

#include "api.h"
#include "ranking.h"
#include "strict_json.h"
#include "timestamp.h"

#include <math.h>
#include <string.h>

/* ---- readings ---- */

static bool key_is(struct json_slice key, const char *name, size_t len)
{
    if (memchr(key.data, '\\', key.len)) {
        return json_key_is(key, name);
    }
    return key.len == len + 2 && memcmp(key.data + 1, name, len) == 0;
}

struct reading node_state_reading(const struct item *item)
{
    struct reading reading = {{0}, {0}};
    for (struct json_iter it = json_iter(item_json(item)); json_next(&it);) {
        if (key_is(it.key, "value", 5)) {
            reading.value = it.value;
        } else if (key_is(it.key, "unit", 4)) {
            reading.unit = it.value;
        }
    }
    return reading;
}

/* ---- a node ---- */

static void write_text(struct buf *out, const char *key, const char *text) /* "" writes null */
{
    buf_json_key(out, key);
    buf_json_cstr(out, text && *text ? text : NULL);
}

static void write_count(struct buf *out, const char *key, int64_t count) /* below 0: never said */
{
    buf_json_key(out, key);
    if (count < 0) {
        buf_str(out, "null");
    } else {
        buf_json_int(out, count);
    }
}

static void write_self(struct buf *out, const struct node *node)
{
    buf_json_sep(out);
    buf_str(out, "\"" NODE_STATE_SELF "\":{");
    write_text(out, "state", state_name(node->verdict.state));
    write_text(out, "cause", cause_name(node->verdict.cause));
    write_text(out, "via", via_name(node->verdict.via));
    buf_json_key(out, "last_seen");
    buf_json_time(out, node->last_seen_wall_ms);
    write_text(out, "reason", node->reason);
    buf_json_key(out, "clock_skew_s");
    if (node->has_clock_skew) {
        buf_json_double(out, round((double)node->clock_skew_ms / 100) / 10 + 0.0); /* + 0.0: no "-0" */
    } else {
        buf_str(out, "null");
    }
    write_text(out, "version", node->has_heartbeat ? node->heartbeat.version : "");
    buf_json_key(out, "counts");
    buf_char(out, '{');
    write_count(out, "readings", node->item_count[ITEM_READING]);
    write_count(out, "observations", node->said_observations);
    write_count(out, "memories", node->said_memories);
    buf_str(out, "}}");
}

static bool is_self(const struct item *item)
{
    return item->id_len == strlen(NODE_STATE_SELF) && memcmp(item->id, NODE_STATE_SELF, item->id_len) == 0;
}

uint32_t node_state_write(struct buf *out, const struct node *node, size_t limit)
{
    uint32_t left_out = 0;
    size_t start = out->len, room = limit - NODE_STATE_LEAST;
    buf_char(out, '{');
    for (const struct item *item = node->items[ITEM_READING]; item; item = item->next) {
        if (is_self(item)) {
            left_out++;
            continue;
        }
        struct json_slice value = node_state_reading(item).value;
        size_t before = out->len;
        buf_json_sep(out);
        buf_json_string(out, item->id, item->id_len);
        buf_char(out, ':');
        if (value.data) {
            strict_json_write(out, value);
        } else {
            buf_str(out, "null");
        }
        if (!out->failed && out->len - start > room) {
            out->len = before;
            left_out++;
        }
    }
    write_self(out, node);
    buf_char(out, '}');
    return left_out;
}

const char *node_state_availability(const struct node *node)
{
    enum state state = node->verdict.state;
    return state == STATE_UNREACHABLE || state == STATE_UNKNOWN ? "offline" : "online";
}

const struct item *node_state_observation(const struct node *node)
{
    const struct item *newest = node->items[ITEM_OBSERVATION];
    for (const struct item *item = newest; item; item = item->next) {
        struct ranked a = {.item = item, .at_ms = item->at_ms};
        struct ranked b = {.item = newest, .at_ms = newest->at_ms}; /* of one clock, right or wrong */
        if (ranking_newest(&a, &b) < 0) {
            newest = item;
        }
    }
    return newest;
}

void node_state_write_observation(struct buf *out, const struct node *node)
{
    struct buf text = BUF_INIT;
    const struct item *newest = node_state_observation(node);
    if (newest) {
        api_write_item(&text, newest);
        strict_json_write(out, (struct json_slice){text.data, text.len});
    }
    out->failed = out->failed || text.failed;
    buf_finish(&text);
}

/* ---- the cluster ---- */

void node_state_write_cluster(struct buf *out, const struct cache *cache, const char *broker,
                              const char *version)
{
    static const enum state states[] = {STATE_ONLINE, STATE_DEGRADED, STATE_STALE, STATE_UNREACHABLE,
                                        STATE_UNKNOWN};
    buf_printf(out, "{\"nodes\":{\"total\":%zu", cache_node_count(cache));
    for (size_t i = 0; i < STATES; i++) {
        buf_json_key(out, state_name(states[i]));
        buf_json_int(out, cache_state_count(cache, states[i]));
    }
    buf_char(out, '}');
    write_text(out, "broker", broker);
    write_text(out, "version", version);
    buf_char(out, '}');
}
