#include "metrics.h"

#include "exposition.h"
#include "frozen.h"
#include "timestamp.h"

#include <math.h>
#include <string.h>

#define HEARTBEAT_S 10 /* of an agent that has not said */
#define READINGS_S  5
#define DIGITS_MAX  64  /* a number written longer than that is written anew */
#define UNIT_MAX    128 /* bytes; a longer one is cut */
#define BEGIN_SIZE                                                                                       \
    512              /* bytes of a reading's name and first label: the node's is at most a third of that \
                      */
#define NODE_COST 64 /* what looking at a node counts, in bytes */

struct page {
    struct buf *out;
    const struct cache *cache;
    struct now now;
};
struct family {
    const char *name, *type, *help;
    /* The samples of one node. */
    void (*write)(const struct page *page, const char *name, const struct node *node);
};

static void open_sample(struct buf *out, const char *name, const struct node *node)
{
    exposition_sample(out, name);
    exposition_word(out, "node", node->name);
}

/* ---- nodes ---- */

static bool is_alive(const struct node *node)
{
    return node->verdict.state == STATE_ONLINE || node->verdict.state == STATE_DEGRADED;
}

static void write_up(const struct page *page, const char *name, const struct node *node)
{
    open_sample(page->out, name, node);
    exposition_int(page->out, is_alive(node));
}

static void write_state(const struct page *page, const char *name, const struct node *node)
{
    for (int state = 0; state < STATES; state++) {
        open_sample(page->out, name, node);
        exposition_word(page->out, "state", state_name((enum state)state));
        exposition_int(page->out, (int)node->verdict.state == state);
    }
}

static void write_cause(const struct page *page, const char *name, const struct node *node)
{
    const char *cause = cause_name(node->verdict.cause);
    if (cause) {
        open_sample(page->out, name, node);
        exposition_word(page->out, "cause", cause);
        exposition_int(page->out, 1);
    }
}

static void write_info(const struct page *page, const char *name, const struct node *node)
{
    const char *via = via_name(node->verdict.via), *type = node_type_name(node->type);
    open_sample(page->out, name, node);
    exposition_word(page->out, "type", type ? type : "");
    exposition_word(page->out, "version", node->has_heartbeat ? node->heartbeat.version : "");
    exposition_word(page->out, "via", via ? via : "");
    exposition_int(page->out, 1);
}

static void write_moment(const struct page *page, const char *name, const struct node *node, int64_t wall_ms)
{
    if (wall_ms != TIMESTAMP_NONE) {
        open_sample(page->out, name, node);
        exposition_double(page->out, (double)wall_ms / 1000);
    }
}

static void write_last_seen(const struct page *page, const char *name, const struct node *node)
{
    write_moment(page, name, node, node->last_seen_wall_ms);
}

static void write_since(const struct page *page, const char *name, const struct node *node)
{
    write_moment(page, name, node, node->since_wall_ms);
}

static void write_skew(const struct page *page, const char *name, const struct node *node)
{
    if (node->has_clock_skew) {
        open_sample(page->out, name, node);
        exposition_double(page->out, (double)node->clock_skew_ms / 1000);
    }
}

static void write_latency(const struct page *page, const char *name, const struct node *node)
{
    if (node->latency_ms) {
        open_sample(page->out, name, node);
        exposition_double(page->out, (double)node->latency_ms / 1000);
    }
}

static void write_reading_count(const struct page *page, const char *name, const struct node *node)
{
    open_sample(page->out, name, node);
    exposition_int(page->out, node->item_count[ITEM_READING]);
}

static void write_said(const struct page *page, const char *name, const struct node *node, int64_t count)
{
    if (count >= 0) {
        open_sample(page->out, name, node);
        exposition_int(page->out, count);
    }
}

static void write_observation_count(const struct page *page, const char *name, const struct node *node)
{
    write_said(page, name, node, node->said_observations);
}

static void write_memory_count(const struct page *page, const char *name, const struct node *node)
{
    write_said(page, name, node, node->said_memories);
}

static void write_rejects(const struct page *page, const char *name, const struct node *node)
{
    uint64_t count = 0;
    for (int reason = REJECT_NONE + 1; reason < REJECT_REASONS; reason++) {
        count += node->rejects[reason];
    }
    open_sample(page->out, name, node);
    exposition_int(page->out, (int64_t)count);
}

/* ---- readings ---- */

/* Are the node's readings of now, as far as its pace tells? Who has no agent is judged by its state. */
static bool tells_readings(const struct node *node, struct now now)
{
    const struct snapshot *snapshot = &node->snapshots[REPORT_READINGS];
    if (!is_alive(node) || snapshot->origin != ORIGIN_AGENT) {
        return is_alive(node);
    }
    uint32_t readings_s = node->evidence.snapshots[REPORT_READINGS].interval_s;
    uint32_t heartbeat_s = node->evidence.agent.interval_s;
    int64_t interval_ms = (int64_t)(readings_s ? readings_s : READINGS_S) * 1000;
    int64_t beat_ms = (int64_t)(heartbeat_s ? heartbeat_s : HEARTBEAT_S) * 1000;
    /* a snapshot is confirmed by a heartbeat at the latest, which may be late by itself */
    return now.mono_ms - snapshot->captured_mono_ms <= 3 * interval_ms + 5 * beat_ms / 2;
}

/* One that stands still among others that move, where a sensor has died. */
static bool is_frozen(const struct node *node, const struct item *item)
{
    return node->evidence.frozen && item->moved_ms != 0 &&
           node->snapshots[REPORT_READINGS].captured_mono_ms - item->moved_ms >=
               frozen_after_ms(node->evidence.snapshots[REPORT_READINGS].interval_s);
}

/* What is a sample, as its digits. False for texts, and for numbers that a double cannot hold. */
static bool number_of(const struct item *item, struct json_slice value, char *buffer, size_t size,
                      struct json_slice *ret)
{
    enum json_type type = value.data ? json_type(value) : JSON_ABSENT;
    if (type == JSON_TRUE || type == JSON_FALSE) {
        *ret = (struct json_slice){type == JSON_TRUE ? "1" : "0", 1};
        return true;
    }
    if (type != JSON_NUMBER || !isfinite(item->number)) {
        return false;
    }
    *ret = value;
    if (value.len > DIGITS_MAX) {
        struct buf text = {.data = buffer, .cap = size, .limit = size - 1};
        buf_json_double(&text, item->number);
        *ret = (struct json_slice){text.data, text.len};
        return !text.failed;
    }
    return true;
}

/* `a` and `a:` are two readings, with the same labels. */
static bool has_double(const struct cache *cache, const struct item *item)
{
    return item->id_len == item->type_len + 1 &&
           cache_find_item(cache, item->node, ITEM_READING, item->id, item->type_len);
}

/* `begin`: the sample as far as it is the same for all readings of the node. */
static void write_reading(struct buf *out, const struct buf *begin, const struct cache *cache,
                          const struct item *item)
{
    char unit[UNIT_MAX], digits[DIGITS_MAX];
    struct json_slice value = {0}, unit_json = {0}, number;
    struct json_iter it = json_iter(item_json(item));
    while (json_next(&it)) {
        if (json_key_is(it.key, "value")) {
            value = it.value;
        } else if (json_key_is(it.key, "unit")) {
            unit_json = it.value;
        }
    }
    if (!number_of(item, value, digits, sizeof digits, &number) || memchr(item->id, '\0', item->id_len) ||
        has_double(cache, item)) {
        return;
    }
    size_t id_at = item->type_len < item->id_len ? item->type_len + 1U : item->id_len;
    size_t unit_len = unit_json.data ? json_string_cut(unit_json, unit, sizeof unit) : 0;
    buf_append(out, begin->data, begin->len);
    exposition_label(out, "source_type", item->id, item->type_len);
    exposition_label(out, "source_id", item->id + id_at, item->id_len - id_at);
    if (unit_len > 0) {
        exposition_label(out, "unit", unit, unit_len);
    }
    exposition_digits(out, number.data, number.len);
}

static void write_readings(const struct page *page, const char *name, const struct node *node)
{
    char space[BEGIN_SIZE];
    struct buf begin = {.data = space, .cap = sizeof space, .limit = sizeof space - 1};
    if (!tells_readings(node, page->now)) {
        return;
    }
    open_sample(&begin, name, node);
    for (const struct item *item = node->items[ITEM_READING]; item; item = item->next) {
        if (!is_frozen(node, item)) {
            write_reading(page->out, &begin, page->cache, item);
        }
    }
}

/* ---- what llamad holds ---- */

static void write_holdings(struct buf *out, const struct cache *cache)
{
    static const char *const kinds[ITEM_KINDS] = {
        [ITEM_READING] = "reading", [ITEM_OBSERVATION] = "observation", [ITEM_MEMORY] = "memory"};
    struct history_budget history = cache_history(cache);
    exposition_family(out, "llamad_nodes", "gauge", "Nodes known, by state.");
    for (int state = 0; state < STATES; state++) {
        exposition_sample(out, "llamad_nodes");
        exposition_word(out, "state", state_name((enum state)state));
        exposition_int(out, cache_state_count(cache, (enum state)state));
    }
    exposition_family(out, "llamad_cache_items", "gauge", "Items held, by kind.");
    for (int kind = 0; kind < ITEM_KINDS; kind++) {
        exposition_sample(out, "llamad_cache_items");
        exposition_word(out, "kind", kinds[kind]);
        exposition_int(out, (int64_t)cache_item_count(cache, (enum item_kind)kind));
    }
    exposition_one(out, "llamad_cache_revision", "gauge", "Changes so far; each one takes the next number.",
                   (double)cache_revision(cache));
    exposition_one(out, "llamad_history_series", "gauge", "Readings of which the last hour is kept.",
                   (double)history.count);
    exposition_one(out, "llamad_history_bytes", "gauge", "Memory that the histories take.",
                   (double)history.bytes);
    exposition_one(out, "llamad_history_limit_bytes", "gauge", "Memory that the histories may take.",
                   (double)history.limit);
}

static void write_troubles(struct buf *out, const struct cache *cache)
{
    static const enum cause causes[INCIDENTS] = {CAUSE_BROKER_DOWN, CAUSE_OWN_CLOCK};
    const uint64_t *rejects = cache_rejects(cache);
    size_t count;
    const struct incident *incidents = cache_incidents(cache, &count);
    exposition_family(out, "llamad_rejects_total", "counter",
                      "Messages, answers and items that were refused, by reason.");
    for (int reason = REJECT_NONE + 1; reason < REJECT_REASONS; reason++) {
        exposition_sample(out, "llamad_rejects_total");
        exposition_word(out, "reason", reject_name((enum reject)reason));
        exposition_int(out, (int64_t)rejects[reason]);
    }
    exposition_family(out, "llamad_incident", "gauge",
                      "1 while something concerns the whole cluster, by cause.");
    for (int i = 0; i < INCIDENTS; i++) {
        bool stands = false;
        for (size_t k = 0; k < count; k++) {
            stands = stands || incidents[k].cause == causes[i];
        }
        exposition_sample(out, "llamad_incident");
        exposition_word(out, "cause", cause_name(causes[i]));
        exposition_int(out, stands);
    }
}

static const struct family families[] = {
    {"smollama_node_up", "gauge", "1 if the node is alive (online or degraded), else 0.", write_up},
    {"smollama_node_state", "gauge", "1 for the state that the node is in, 0 for the others.", write_state},
    {"smollama_node_cause", "gauge", "1 for the cause of the node's state; not there without one.",
     write_cause},
    {"smollama_node_info", "gauge", "1; the node's type, its agent's version, and how it is heard.",
     write_info},
    {"smollama_node_last_seen_timestamp_seconds", "gauge",
     "When anything last proved the node alive; not there if nothing ever did.", write_last_seen},
    {"smollama_node_state_since_timestamp_seconds", "gauge", "When the present state and cause began.",
     write_since},
    {"smollama_node_clock_skew_seconds", "gauge", "The node's clock minus llamad's, as far as known.",
     write_skew},
    {"smollama_node_latency_seconds", "gauge",
     "How long the node's Smollama took for its last answer, as far as known.", write_latency},
    {"smollama_node_readings", "gauge", "Readings that llamad holds of the node.", write_reading_count},
    {"smollama_node_observations", "gauge", "Observations, as the node counts them itself.",
     write_observation_count},
    {"smollama_node_memories", "gauge", "Memories, as the node counts them itself.", write_memory_count},
    {"smollama_node_rejects_total", "counter", "What was refused of the node.", write_rejects},
    {"smollama_reading", "gauge",
     "A node's reading, in the unit that the label names; booleans as 0 and 1. Not there while the node does "
     "not tell it anew.",
     write_readings},
};
#define FAMILIES (sizeof families / sizeof *families)

/* The first of the family, or the one behind the last that was written: that one may have gone since. */
static const struct node *next_node(const struct cache *cache, const struct metrics_place *place)
{
    if (!place->begun) {
        return cache_first_node(cache);
    }
    const struct node *node = cache_get(cache, place->node, strlen(place->node));
    if (node && strcmp(node->name, place->node) == 0) {
        return node->next;
    }
    for (node = cache_first_node(cache); node && strcmp(node->name, place->node) <= 0; node = node->next) {
    }
    return node;
}

/* What of the family `portion` has room for; how much of it is left. */
static size_t write_family(const struct page *page, struct metrics_place *place, size_t portion)
{
    const struct family *family = &families[place->family];
    const struct node *node = next_node(page->cache, place);
    size_t left = portion;
    if (!place->begun) {
        exposition_family(page->out, family->name, family->type, family->help);
        place->begun = true;
    }
    for (; node && left > 0; node = node->next) {
        size_t before = page->out->len;
        family->write(page, family->name, node);
        size_t cost = page->out->len - before + NODE_COST;
        left = cost < left ? left - cost : 0;
        memcpy(place->node, node->name, sizeof place->node);
    }
    if (!node) {
        *place = (struct metrics_place){.family = place->family + 1, .holdings = true};
    }
    return left;
}

bool metrics_write_some(struct buf *out, const struct cache *cache, struct now now,
                        struct metrics_place *place, size_t portion)
{
    const struct page page = {.out = out, .cache = cache, .now = now};
    if (!place->holdings) {
        write_holdings(out, cache);
        write_troubles(out, cache);
        place->holdings = true;
    }
    while (portion > 0 && place->family < FAMILIES && !out->failed) {
        portion = write_family(&page, place, portion);
    }
    return place->family == FAMILIES || out->failed;
}
