#include "home_assistant_config.h"

#include "home_assistant_document.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESERVE     4096 /* bytes behind the readings, for removals and the end */
#define REMOVAL_MAX 128  /* bytes that one removal takes */

/* ---- readings ---- */

/* Values that are not of the entity's kind make it unknown. */
static void write_value_template(struct ha_document *document, const struct item *item, enum ha_kind kind)
{
    static const char *const tails[] = {
        [HA_BINARY] = "'ON' if v == 1 else 'OFF' if v == 0 else none",
        [HA_NUMBER] = "v if v is number and v is not boolean else none",
        [HA_TEXT] = "(v if v is string else v | to_json)[:255] if v is not none and v != '' else none"};
    struct buf *out = document->out;
    buf_json_key(out, "value_template");
    buf_str(out, "\"{% set v = value_json.get(");
    ha_write_literal(out, item->id, item->id_len);
    buf_printf(out, ") %%}{{ %s }}\"", tails[kind]);
}

static void write_reading(struct ha_document *document, const struct item *item, const char *key,
                          enum ha_kind kind)
{
    struct buf *out = document->out;
    ha_open_component(document, key, kind, item->id, item->id_len);
    if (kind == HA_NUMBER) {
        char unit[HA_UNIT_SIZE];
        const char *device_class = ha_unit(item, unit);
        if (device_class) {
            ha_member(out, "device_class", device_class);
        }
        if (*unit) {
            ha_member(out, "unit_of_measurement", unit);
        }
        ha_member(out, "state_class", "measurement");
    }
    write_value_template(document, item, kind);
    ha_write_availability(document, true);
    buf_char(out, '}');
}

/* NULL: the reading was not announced. */
static const struct ha_component *announced(const struct ha_components *before, const char *slug)
{
    char key[HA_KEY_SIZE];
    static const char prefixes[] = "rb";
    for (size_t i = 0; i < 2; i++) {
        snprintf(key, sizeof key, "%c_%s", prefixes[i], slug);
        const struct ha_component *component = ha_components_find(before, key);
        if (component && !component->removed) {
            return component;
        }
    }
    return NULL;
}

/* Its kind now; since when its values have been of a wider one, 0 if they are not. */
static enum ha_kind kind_now(struct ha_document *document, const struct item *item,
                             const struct ha_component *was, int64_t *ret_odd_since_ms)
{
    enum ha_kind kind = ha_kind_of(node_state_reading(item));
    *ret_odd_since_ms = 0;
    if (!was || kind <= was->kind) {
        return was ? was->kind : kind;
    }
    int64_t since_ms = was->odd_since_ms ? was->odd_since_ms : document->now_ms;
    int64_t until_ms = since_ms + HA_PATIENCE_MS;
    if (document->now_ms >= until_ms) {
        return kind;
    }
    *ret_odd_since_ms = since_ms;
    if (!document->look_again_ms || until_ms < document->look_again_ms) {
        document->look_again_ms = until_ms;
    }
    return was->kind;
}

/* False: it has no room. */
static bool write_one(struct ha_document *document, const struct item *item,
                      const struct ha_components *before)
{
    char slug[HA_SLUG_SIZE], key[HA_KEY_SIZE];
    struct ha_components *after = document->after;
    int64_t odd_since_ms;
    ha_slug(item->id, item->id_len, slug);
    enum ha_kind kind = kind_now(document, item, announced(before, slug), &odd_since_ms);
    if (kind == HA_NONE) {
        return true; /* it comes with its first value */
    }
    size_t len = document->out->len, count = after->count;
    snprintf(key, sizeof key, "%c_%s", kind == HA_BINARY ? 'b' : 'r', slug);
    write_reading(document, item, key, kind);
    if (document->out->len > document->limit) {
        document->out->len = len;
        after->count = count;
        return false;
    }
    if (after->count > count) {
        after->list[count].odd_since_ms = odd_since_ms;
    }
    return true;
}

static int by_id(const void *a, const void *b)
{
    const struct item *x = *(const struct item *const *)a, *y = *(const struct item *const *)b;
    size_t shorter = x->id_len < y->id_len ? x->id_len : y->id_len;
    int order = memcmp(x->id, y->id, shorter);
    return order ? order : (x->id_len > y->id_len) - (x->id_len < y->id_len);
}

/* By id, so that the message does not depend on their order. How many had no room. */
static uint32_t write_readings(struct ha_document *document, const struct ha_components *before)
{
    const struct node *node = document->node;
    uint32_t count = 0, left_out = 0;
    if (node->item_count[ITEM_READING] == 0) {
        return 0;
    }
    const struct item **items = malloc(node->item_count[ITEM_READING] * sizeof(const struct item *));
    if (!items) {
        document->out->failed = true;
        return 0;
    }
    for (const struct item *item = node->items[ITEM_READING]; item; item = item->next) {
        items[count++] = item;
    }
    qsort(items, count, sizeof(const struct item *), by_id);
    for (uint32_t i = 0; i < count; i++) {
        bool is_self = items[i]->id_len == strlen(NODE_STATE_SELF) &&
                       memcmp(items[i]->id, NODE_STATE_SELF, items[i]->id_len) == 0;
        left_out += !is_self && !write_one(document, items[i], before);
    }
    free(items);
    return left_out;
}

/* ---- the rest of a node ---- */

static void write_diagnostics(struct ha_document *document)
{
    static const struct ha_fixed list[] = {
        {"d_cause", "cause", NULL, NULL, "{{ value_json['_node'].cause or 'ok' }}", false},
        {"d_via", "via", NULL, NULL, "{{ value_json['_node'].via }}", false},
        {"d_last_seen", "last seen", "timestamp", NULL, "{{ value_json['_node'].last_seen }}", false},
        {"d_clock_skew", "clock skew", "duration", "s", "{{ value_json['_node'].clock_skew_s }}", true},
        {"d_version", "agent version", NULL, NULL, "{{ value_json['_node'].version }}", false},
        {"d_readings", "readings", NULL, NULL, "{{ value_json['_node'].counts.readings }}", true},
        {"d_observations", "observations", NULL, NULL, "{{ value_json['_node'].counts.observations }}", true},
        {"d_memories", "memories", NULL, NULL, "{{ value_json['_node'].counts.memories }}", true},
    };
    static const struct ha_fixed state = {"d_state", "state", NULL, NULL, "{{ value_json['_node'].state }}",
                                          false};
    struct buf *out = document->out;
    ha_write_fixed(document, &state);
    buf_json_key(out, "json_attributes_topic");
    ha_write_topic(document, "state");
    ha_member(out, "json_attributes_template", "{{ {'reason': value_json['_node'].reason} | to_json }}");
    buf_char(out, '}');
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        ha_write_fixed(document, &list[i]);
        buf_char(out, '}');
    }
}

/* Its text may be longer than a state can be, and attributes above 16,384 bytes are not recorded: a character
 * takes up to six in JSON. The topic is emptied when the last observation goes. */
static void write_observation(struct ha_document *document)
{
    static const char attributes[] =
        "{% if value_json is defined %}"
        "{{ {'text': ((value_json.get('text') or '') | string)[:2600],"
        " 'type': ((value_json.get('type') or '') | string)[:64],"
        " 'confidence': value_json.get('confidence') if value_json.get('confidence') is number else none}"
        " | to_json }}{% else %}{}{% endif %}";
    static const char name[] = "last observation";
    struct buf *out = document->out;
    if (!document->node->items[ITEM_OBSERVATION]) {
        return;
    }
    ha_open_component(document, "o_last", HA_TEXT, name, strlen(name));
    ha_member(out, "device_class", "timestamp");
    buf_json_key(out, "state_topic");
    ha_write_topic(document, "observation");
    ha_member(out, "value_template", "{{ value_json.get('at') if value_json is defined else none }}");
    buf_json_key(out, "json_attributes_topic");
    ha_write_topic(document, "observation");
    ha_member(out, "json_attributes_template", attributes);
    ha_write_availability(document, true);
    buf_char(out, '}');
}

static void write_removal(struct ha_document *document, const struct ha_component *gone)
{
    struct buf *out = document->out;
    buf_json_sep(out);
    buf_json_cstr(out, gone->key); /* as the broker had it */
    buf_printf(out, ":{\"platform\":\"%s\"}", gone->kind == HA_BINARY ? "binary_sensor" : "sensor");
}

/* True if there were any. Those that have no room count as announced still: they come with the next message.
 */
static bool write_removals(struct ha_document *document, const struct ha_components *before, size_t limit)
{
    struct ha_components *after = document->after;
    bool any = false;
    ha_components_sort(after);
    struct ha_components now = {.count = after->count};
    for (size_t i = 0; i < before->count; i++) {
        const struct ha_component *gone = &before->list[i];
        now.list = after->list;
        if (gone->removed || ha_components_find(&now, gone->key)) {
            continue;
        }
        bool fits = document->out->len + REMOVAL_MAX <= limit;
        any = true;
        if (fits) {
            write_removal(document, gone);
        }
        if (!ha_components_add(after, gone->key, gone->kind, fits)) {
            document->out->failed = true;
            break;
        }
    }
    ha_components_sort(after);
    return any;
}

void ha_write_node(struct buf *out, const struct ha_options *options, const struct node *node,
                   const struct ha_components *before, size_t limit, int64_t now_ms,
                   struct ha_message *ret_message)
{
    size_t end = out->len + limit;
    *ret_message = (struct ha_message){0};
    struct ha_document document = {.out = out,
                                   .options = options,
                                   .node = node,
                                   .after = &ret_message->after,
                                   .limit = end - RESERVE,
                                   .now_ms = now_ms};
    ha_slug(node->name, strlen(node->name), document.slug);
    ha_write_device(&document);
    buf_json_key(out, "state_topic");
    ha_write_topic(&document, "state");
    buf_json_key(out, "components");
    buf_char(out, '{');
    write_diagnostics(&document);
    write_observation(&document);
    ret_message->left_out = write_readings(&document, before);
    ret_message->removes = write_removals(&document, before, end - strlen("}}"));
    ret_message->look_again_ms = document.look_again_ms;
    buf_str(out, "}}");
}

/* ---- the Llama ---- */

void ha_write_llama(struct buf *out, const struct ha_options *options)
{
    static const struct ha_fixed list[] = {
        {"nodes", "nodes", NULL, NULL, "{{ value_json.nodes.total }}", true},
        {"nodes_online", "nodes online", NULL, NULL, "{{ value_json.nodes.online }}", true},
        {"nodes_degraded", "nodes degraded", NULL, NULL, "{{ value_json.nodes.degraded }}", true},
        {"nodes_stale", "nodes stale", NULL, NULL, "{{ value_json.nodes.stale }}", true},
        {"nodes_unreachable", "nodes unreachable", NULL, NULL, "{{ value_json.nodes.unreachable }}", true},
        {"nodes_unknown", "nodes unknown", NULL, NULL, "{{ value_json.nodes.unknown }}", true},
        {"broker", "broker", NULL, NULL, "{{ value_json.broker }}", false},
        {"version", "version", NULL, NULL, "{{ value_json.version }}", false},
    };
    static const char name[] = "llamad";
    struct ha_document document = {.out = out, .options = options, .slug = HA_LLAMA_SLUG};
    ha_write_device(&document);
    ha_member(out, "state_topic", NODE_STATE_CLUSTER);
    buf_json_key(out, "components");
    buf_char(out, '{');
    ha_open_component(&document, "running", HA_BINARY, name, strlen(name));
    ha_member(out, "device_class", "connectivity");
    ha_member(out, "state_topic", NODE_STATE_STATUS);
    ha_member(out, "payload_on", "online");
    ha_member(out, "payload_off", "offline");
    ha_member(out, "entity_category", "diagnostic");
    buf_char(out, '}');
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        ha_write_fixed(&document, &list[i]);
        buf_char(out, '}');
    }
    buf_str(out, "}}");
}

/* ---- what it depends on ---- */

static uint64_t mix(uint64_t hash, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ (unsigned char)data[i]) * UINT64_C(1099511628211);
    }
    return hash;
}

uint64_t ha_shape(const struct node *node)
{
    const char *version = node->has_heartbeat ? node->heartbeat.version : "";
    uint64_t shape = mix(UINT64_C(14695981039346656037), version, strlen(version));
    shape += (uint64_t)node->type * 1000003u + (node->items[ITEM_OBSERVATION] ? 17u : 0u) + 1;
    for (const struct item *item = node->items[ITEM_READING]; item; item = item->next) {
        struct reading reading = node_state_reading(item);
        char kind = (char)('0' + ha_kind_of(reading));
        uint64_t hash = mix(UINT64_C(14695981039346656037) ^ item->hash, &kind, 1);
        hash = reading.unit.data ? mix(hash, reading.unit.data, reading.unit.len) : hash;
        shape += (hash ^ hash >> 29) * UINT64_C(0x9E3779B97F4A7C15); /* a sum: the order is of no matter */
    }
    return shape;
}
