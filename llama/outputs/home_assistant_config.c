#include "home_assistant_config.h"

#include "topic.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what was announced ---- */

void ha_components_finish(struct ha_components *components)
{
    free(components->list);
    *components = (struct ha_components){0};
}

static int add_component(struct ha_components *components, const char *key, enum ha_kind kind, bool removed)
{
    if (components->count == components->cap) {
        size_t cap = components->cap ? 2 * components->cap : 32;
        struct ha_component *list = realloc(components->list, cap * sizeof *list);
        if (!list) {
            return -ENOMEM;
        }
        components->list = list;
        components->cap = cap;
    }
    struct ha_component *component = &components->list[components->count++];
    *component = (struct ha_component){.kind = kind, .removed = removed};
    memcpy(component->key, key, strnlen(key, sizeof component->key - 1));
    return 0;
}

static int by_key(const void *a, const void *b)
{
    const struct ha_component *x = a, *y = b;
    return strcmp(x->key, y->key);
}

static const struct ha_component *find_component(const struct ha_components *components, const char *key)
{
    struct ha_component wanted = {.kind = HA_NONE};
    memcpy(wanted.key, key, strnlen(key, sizeof wanted.key - 1));
    return components->count ? bsearch(&wanted, components->list, components->count, sizeof wanted, by_key)
                             : NULL;
}

int ha_components_read(const char *payload, size_t len, struct ha_components *ret_components)
{
    if (!json_check(payload, len, JSON_MAX_DEPTH, NULL)) {
        return -EBADMSG;
    }
    struct json_slice root = json_root(payload, len);
    if (!json_string_is(json_member(json_member(root, "origin"), "name"), HA_ORIGIN)) {
        return -EPERM;
    }
    struct ha_components components = {0};
    for (struct json_iter it = json_iter(json_member(root, "components")); json_next(&it);) {
        char key[HA_KEY_SIZE];
        bool binary = json_string_is(json_member(it.value, "platform"), "binary_sensor");
        bool number = json_member(it.value, "state_class").data != NULL;
        if (json_string(it.key, key, sizeof key, NULL) != 0) {
            continue;
        }
        int e = add_component(&components, key,
                              binary   ? HA_BINARY
                              : number ? HA_NUMBER
                                       : HA_TEXT,
                              json_count(it.value) == 1);
        if (e != 0) {
            ha_components_finish(&components);
            return e;
        }
    }
    if (components.count > 0) {
        qsort(components.list, components.count, sizeof *components.list, by_key);
    }
    *ret_components = components;
    return 0;
}

/* ---- writing ---- */

struct document {
    struct buf *out;
    const struct ha_options *options;
    const struct node *node; /* NULL: the Llama's */
    char slug[HA_SLUG_SIZE];
    struct ha_components *after; /* NULL: not of interest */
    size_t limit;
};

static void member(struct buf *out, const char *key, const char *text)
{
    buf_json_key(out, key);
    buf_json_cstr(out, text);
}

/* "platform", "unique_id", "default_entity_id" and "name". */
static void open_component(struct document *document, const char *key, enum ha_kind kind, const char *name,
                           size_t name_len)
{
    struct buf *out = document->out;
    const char *platform = kind == HA_BINARY ? "binary_sensor" : "sensor";
    buf_json_key(out, key);
    buf_char(out, '{');
    member(out, "platform", platform);
    buf_json_key(out, "unique_id");
    buf_printf(out, "\"%s:%s:%s\"", document->options->base_topic, document->slug, key);
    buf_json_key(out, "default_entity_id");
    ha_write_entity_id(out, platform, document->node ? document->node->name : "llama", name, name_len);
    buf_json_key(out, "name");
    ha_write_label(out, name, name_len);
    if (document->after && add_component(document->after, key, kind, false) != 0) {
        out->failed = true;
    }
}

static void write_node_topic(struct document *document, const char *leaf)
{
    struct buf topic = BUF_INIT;
    buf_printf(&topic, NODE_STATE_ROOT "%s/%s", document->node->name, leaf);
    buf_json_string(document->out, topic.data ? topic.data : "", topic.len);
    document->out->failed = document->out->failed || topic.failed;
    buf_finish(&topic);
}

/* Of a reading, that of the node, too; of what tells how the node is, that of llamad alone. */
static void write_availability(struct document *document, bool of_node)
{
    struct buf *out = document->out;
    buf_json_key(out, "availability");
    buf_char(out, '[');
    if (of_node) {
        buf_str(out, "{\"topic\":");
        write_node_topic(document, "availability");
        buf_str(out, "},");
    }
    buf_str(out, "{\"topic\":\"" NODE_STATE_STATUS "\"}]");
    if (of_node) {
        member(out, "availability_mode", "all");
    }
}

static void write_origin(struct document *document)
{
    struct buf *out = document->out;
    buf_json_key(out, "origin");
    buf_str(out, "{\"name\":\"" HA_ORIGIN "\"");
    member(out, "sw_version", document->options->version);
    buf_char(out, '}');
}

/* ---- readings ---- */

/* Values that are not of the entity's kind make it unknown. */
static void write_value_template(struct document *document, const struct item *item, enum ha_kind kind)
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

static void write_reading(struct document *document, const struct item *item, const char *key,
                          enum ha_kind kind)
{
    struct buf *out = document->out;
    open_component(document, key, kind, item->id, item->id_len);
    if (kind == HA_NUMBER) {
        char unit[HA_UNIT_SIZE];
        const char *device_class = ha_unit(item, unit);
        if (device_class) {
            member(out, "device_class", device_class);
        }
        if (*unit) {
            member(out, "unit_of_measurement", unit);
        }
        member(out, "state_class", "measurement");
    }
    write_value_template(document, item, kind);
    write_availability(document, true);
    buf_char(out, '}');
}

static enum ha_kind announced_kind(const struct ha_components *before, const char *slug)
{
    char key[HA_KEY_SIZE];
    static const char prefixes[] = "rb";
    for (size_t i = 0; i < 2; i++) {
        snprintf(key, sizeof key, "%c_%s", prefixes[i], slug);
        const struct ha_component *component = find_component(before, key);
        if (component && !component->removed) {
            return component->kind;
        }
    }
    return HA_NONE;
}

/* False: it has no room. */
static bool write_one(struct document *document, const struct item *item, const struct ha_components *before)
{
    char slug[HA_SLUG_SIZE], key[HA_KEY_SIZE];
    ha_slug(item->id, item->id_len, slug);
    enum ha_kind kind = ha_kind_of(node_state_reading(item)), was = announced_kind(before, slug);
    kind = was > kind ? was : kind;
    if (kind == HA_NONE) {
        return true; /* it comes with its first value */
    }
    size_t len = document->out->len, count = document->after->count;
    snprintf(key, sizeof key, "%c_%s", kind == HA_BINARY ? 'b' : 'r', slug);
    write_reading(document, item, key, kind);
    if (document->out->len > document->limit) {
        document->out->len = len;
        document->after->count = count;
        return false;
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
static uint32_t write_readings(struct document *document, const struct ha_components *before)
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

struct fixed {
    const char *key, *name, *device_class, *unit, *template;
    bool number;
};

static void write_fixed(struct document *document, const struct fixed *fixed)
{
    struct buf *out = document->out;
    open_component(document, fixed->key, fixed->number ? HA_NUMBER : HA_TEXT, fixed->name,
                   strlen(fixed->name));
    if (fixed->device_class) {
        member(out, "device_class", fixed->device_class);
    }
    if (fixed->unit) {
        member(out, "unit_of_measurement", fixed->unit);
    }
    if (fixed->number) {
        member(out, "state_class", "measurement");
    }
    member(out, "value_template", fixed->template);
    member(out, "entity_category", "diagnostic");
    write_availability(document, false);
}

static void write_diagnostics(struct document *document)
{
    static const struct fixed list[] = {
        {"d_cause", "cause", NULL, NULL, "{{ value_json['_node'].cause or 'ok' }}", false},
        {"d_via", "via", NULL, NULL, "{{ value_json['_node'].via }}", false},
        {"d_last_seen", "last seen", "timestamp", NULL, "{{ value_json['_node'].last_seen }}", false},
        {"d_clock_skew", "clock skew", "duration", "s", "{{ value_json['_node'].clock_skew_s }}", true},
        {"d_version", "agent version", NULL, NULL, "{{ value_json['_node'].version }}", false},
        {"d_readings", "readings", NULL, NULL, "{{ value_json['_node'].counts.readings }}", true},
        {"d_observations", "observations", NULL, NULL, "{{ value_json['_node'].counts.observations }}", true},
        {"d_memories", "memories", NULL, NULL, "{{ value_json['_node'].counts.memories }}", true},
    };
    static const struct fixed state = {"d_state", "state", NULL, NULL, "{{ value_json['_node'].state }}",
                                       false};
    struct buf *out = document->out;
    write_fixed(document, &state);
    buf_json_key(out, "json_attributes_topic");
    write_node_topic(document, "state");
    member(out, "json_attributes_template", "{{ {'reason': value_json['_node'].reason} | to_json }}");
    buf_char(out, '}');
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        write_fixed(document, &list[i]);
        buf_char(out, '}');
    }
}

/* Its text may be longer than a state can be, and attributes above 16 KB are not recorded. */
static void write_observation(struct document *document)
{
    static const char attributes[] =
        "{{ {'text': ((value_json.get('text') or '') | string)[:3000],"
        " 'type': ((value_json.get('type') or '') | string)[:255],"
        " 'confidence': value_json.get('confidence') if value_json.get('confidence') is number else none}"
        " | to_json }}";
    static const char name[] = "last observation";
    struct buf *out = document->out;
    if (!document->node->items[ITEM_OBSERVATION]) {
        return;
    }
    open_component(document, "o_last", HA_TEXT, name, strlen(name));
    member(out, "device_class", "timestamp");
    buf_json_key(out, "state_topic");
    write_node_topic(document, "observation");
    member(out, "value_template", "{{ value_json.get('at') }}");
    buf_json_key(out, "json_attributes_topic");
    write_node_topic(document, "observation");
    member(out, "json_attributes_template", attributes);
    write_availability(document, true);
    buf_char(out, '}');
}

static bool write_removals(struct document *document, const struct ha_components *before)
{
    struct ha_components *after = document->after;
    bool any = false;
    if (after->count > 0) {
        qsort(after->list, after->count, sizeof *after->list, by_key);
    }
    size_t count = after->count;
    struct ha_components now = {.list = after->list, .count = count};
    for (size_t i = 0; i < before->count; i++) {
        const struct ha_component *gone = &before->list[i];
        if (gone->removed || find_component(&now, gone->key)) {
            continue;
        }
        any = true;
        buf_json_sep(document->out);
        buf_json_cstr(document->out, gone->key); /* as the broker had it */
        buf_printf(document->out, ":{\"platform\":\"%s\"}",
                   gone->kind == HA_BINARY ? "binary_sensor" : "sensor");
        if (add_component(after, gone->key, gone->kind, true) != 0) {
            document->out->failed = true;
            break;
        }
        now.list = after->list;
    }
    if (after->count > count) {
        qsort(after->list, after->count, sizeof *after->list, by_key);
    }
    return any;
}

static void write_device(struct document *document)
{
    struct buf *out = document->out;
    const struct node *node = document->node;
    const char *base = document->options->base_topic, *url = document->options->url;
    buf_printf(out, "{\"device\":{\"identifiers\":[\"%s:%s\"]", base, document->slug);
    member(out, "name", node ? node->name : "Llama");
    member(out, "manufacturer", "Smollama");
    member(out, "model", !node ? "llamad" : node->type == NODE_UNKNOWN ? "node" : node_type_name(node->type));
    const char *version = !node                 ? document->options->version
                          : node->has_heartbeat ? node->heartbeat.version
                                                : "";
    if (*version) {
        member(out, "sw_version", version);
    }
    if (*url && node) {
        char encoded[3 * NODE_NAME_MAX + 1];
        percent_encode(node->name, strlen(node->name), encoded);
        buf_json_key(out, "configuration_url");
        buf_char(out, '"');
        buf_printf(out, "%s#/readings?node=%s\"", url, encoded);
    } else if (*url) {
        member(out, "configuration_url", url);
    }
    if (node) {
        buf_json_key(out, "via_device");
        buf_printf(out, "\"%s:" HA_LLAMA_SLUG "\"", base);
    }
    buf_char(out, '}');
    write_origin(document);
}

bool ha_write_node(struct buf *out, const struct ha_options *options, const struct node *node,
                   const struct ha_components *before, size_t limit, struct ha_components *ret_after,
                   uint32_t *ret_left_out)
{
    struct ha_components after = {0};
    struct document document = {
        .out = out, .options = options, .node = node, .after = &after, .limit = out->len + limit - 4096};
    ha_slug(node->name, strlen(node->name), document.slug);
    write_device(&document);
    buf_json_key(out, "state_topic");
    write_node_topic(&document, "state");
    buf_json_key(out, "components");
    buf_char(out, '{');
    write_diagnostics(&document);
    write_observation(&document);
    *ret_left_out = write_readings(&document, before);
    bool removes = write_removals(&document, before);
    buf_str(out, "}}");
    *ret_after = after;
    return removes;
}

/* ---- the Llama ---- */

void ha_write_llama(struct buf *out, const struct ha_options *options)
{
    static const struct fixed list[] = {
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
    struct document document = {.out = out, .options = options, .slug = HA_LLAMA_SLUG};
    write_device(&document);
    member(out, "state_topic", NODE_STATE_CLUSTER);
    buf_json_key(out, "components");
    buf_char(out, '{');
    open_component(&document, "running", HA_BINARY, name, strlen(name));
    member(out, "device_class", "connectivity");
    member(out, "state_topic", NODE_STATE_STATUS);
    member(out, "payload_on", "online");
    member(out, "payload_off", "offline");
    member(out, "entity_category", "diagnostic");
    buf_char(out, '}');
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        write_fixed(&document, &list[i]);
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
