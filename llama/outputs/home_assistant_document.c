#include "home_assistant_document.h"

#include "topic.h"

#include <string.h>

void ha_member(struct buf *out, const char *key, const char *text)
{
    buf_json_key(out, key);
    buf_json_cstr(out, text);
}

/* "platform", "unique_id", "default_entity_id" and "name". */
void ha_open_component(struct ha_document *document, const char *key, enum ha_kind kind, const char *name,
                       size_t name_len)
{
    struct buf *out = document->out;
    const char *platform = kind == HA_BINARY ? "binary_sensor" : "sensor";
    buf_json_key(out, key);
    buf_char(out, '{');
    ha_member(out, "platform", platform);
    buf_json_key(out, "unique_id");
    buf_printf(out, "\"%s:%s:%s\"", document->options->base_topic, document->slug, key);
    buf_json_key(out, "default_entity_id");
    ha_write_entity_id(out, platform, document->node ? document->node->name : "llama", name, name_len);
    buf_json_key(out, "name");
    ha_write_label(out, name, name_len);
    if (document->after && !ha_components_add(document->after, key, kind, false)) {
        out->failed = true;
    }
}

void ha_write_topic(struct ha_document *document, const char *leaf)
{
    struct buf topic = BUF_INIT;
    buf_printf(&topic, NODE_STATE_ROOT "%s/%s", document->node->name, leaf);
    buf_json_string(document->out, topic.data ? topic.data : "", topic.len);
    document->out->failed = document->out->failed || topic.failed;
    buf_finish(&topic);
}

/* Of a reading, that of the node, too; of what tells how the node is, that of llamad alone. */
void ha_write_availability(struct ha_document *document, bool of_node)
{
    struct buf *out = document->out;
    buf_json_key(out, "availability");
    buf_char(out, '[');
    if (of_node) {
        buf_str(out, "{\"topic\":");
        ha_write_topic(document, "availability");
        buf_str(out, "},");
    }
    buf_str(out, "{\"topic\":\"" NODE_STATE_STATUS "\"}]");
    if (of_node) {
        ha_member(out, "availability_mode", "all");
    }
}

static void write_origin(struct ha_document *document)
{
    struct buf *out = document->out;
    buf_json_key(out, "origin");
    buf_str(out, "{\"name\":\"" HA_ORIGIN "\"");
    ha_member(out, "sw_version", document->options->version);
    buf_char(out, '}');
}

void ha_write_device(struct ha_document *document)
{
    struct buf *out = document->out;
    const struct node *node = document->node;
    const char *base = document->options->base_topic, *url = document->options->url;
    buf_printf(out, "{\"device\":{\"identifiers\":[\"%s:%s\"]", base, document->slug);
    ha_member(out, "name", node ? node->name : "Llama");
    ha_member(out, "manufacturer", "Smollama");
    ha_member(out, "model",
              !node                        ? "llamad"
              : node->type == NODE_UNKNOWN ? "node"
                                           : node_type_name(node->type));
    const char *version = !node                 ? document->options->version
                          : node->has_heartbeat ? node->heartbeat.version
                                                : "";
    if (*version) {
        ha_member(out, "sw_version", version);
    }
    if (*url && node) {
        char encoded[3 * NODE_NAME_MAX + 1];
        percent_encode(node->name, strlen(node->name), encoded);
        buf_json_key(out, "configuration_url");
        buf_char(out, '"');
        buf_printf(out, "%s#/readings?node=%s\"", url, encoded);
    } else if (*url) {
        ha_member(out, "configuration_url", url);
    }
    if (node) {
        buf_json_key(out, "via_device");
        buf_printf(out, "\"%s:" HA_LLAMA_SLUG "\"", base);
    }
    buf_char(out, '}');
    write_origin(document);
}

void ha_write_fixed(struct ha_document *document, const struct ha_fixed *fixed)
{
    struct buf *out = document->out;
    ha_open_component(document, fixed->key, fixed->number ? HA_NUMBER : HA_TEXT, fixed->name,
                      strlen(fixed->name));
    if (fixed->device_class) {
        ha_member(out, "device_class", fixed->device_class);
    }
    if (fixed->unit) {
        ha_member(out, "unit_of_measurement", fixed->unit);
    }
    if (fixed->number) {
        ha_member(out, "state_class", "measurement");
    }
    ha_member(out, "value_template", fixed->template);
    ha_member(out, "entity_category", "diagnostic");
    ha_write_availability(document, false);
}
