#include "home_assistant_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TOPIC_MAX      512
#define CONFIGS_MAX    (2 * LIMIT_NODES)
#define COMPONENTS_MAX 1000000 /* of all messages that the broker had */
#define CONFIG_FILTER  "%s/device/%s/+/config"
/* Where Home Assistant says that it has started, unless told otherwise; whatever the discovery prefix is. */
#define STATUS_TOPIC "homeassistant/status"

/* ---- subscriptions ---- */

static void subscribe(struct home_assistant *ha, const char *filter, bool on)
{
    int e = on ? mqtt_subscribe(ha->outlet.mqtt, filter, 1) : mqtt_unsubscribe(ha->outlet.mqtt, filter);
    if (e != 0) {
        log_warning("home assistant: cannot subscribe to %s: %s", filter, strerror(-e));
    }
}

static void status_topic(const struct home_assistant *ha, char topic[TOPIC_MAX])
{
    snprintf(topic, TOPIC_MAX, "%s/status", ha->prefix);
}

void home_assistant_subscribe(struct home_assistant *ha)
{
    char topic[TOPIC_MAX];
    snprintf(topic, sizeof topic, CONFIG_FILTER, ha->prefix, ha->base_topic);
    subscribe(ha, topic, true);
    if (ha->options.enabled) {
        status_topic(ha, topic);
        subscribe(ha, topic, true);
        if (strcmp(topic, STATUS_TOPIC) != 0) {
            subscribe(ha, STATUS_TOPIC, true);
        }
    }
}

void home_assistant_end_reading(struct home_assistant *ha)
{
    char topic[TOPIC_MAX];
    ha->read_until_ms = 0;
    snprintf(topic, sizeof topic, CONFIG_FILTER, ha->prefix, ha->base_topic);
    subscribe(ha, topic, false);
}

/* ---- what the broker has ---- */

static void on_foreign(struct home_assistant *ha, const char *topic, const char *why)
{
    uint64_t before;
    char shown[LOG_TEXT];
    ha->stats.foreign++;
    if (log_limit_pass(&ha->foreign_limit, clock_now().mono_ms, &before)) {
        log_warning("home assistant: a message of somebody else's (%s) on %s", why,
                    log_escape(shown, sizeof shown, topic, strlen(topic)));
    }
}

static const char *why_foreign(int e)
{
    switch (e) {
    case -EPERM:
        return "of another origin";
    case -ENOMEM:
        return "no memory";
    case -E2BIG:
        return "with more components than any node has";
    default:
        return "not JSON";
    }
}

/* Is it what we would say? */
static void on_llama(struct home_assistant *ha, uint64_t hash)
{
    buf_reset(&ha->text);
    ha_write_llama(&ha->text, &ha->config);
    ha->llama_sent = !ha->text.failed && outlet_hash(ha->text.data, ha->text.len) == hash ? hash : 0;
}

static void on_config(struct home_assistant *ha, const struct mqtt_message *message, const char *slug)
{
    struct ha_components components = {0};
    if (!message->retain || message->len == 0) {
        return; /* ours come back, too, as long as we listen */
    }
    int e = ha_components_read(message->payload, message->len, &components);
    e = e == 0 && ha->components + components.count > COMPONENTS_MAX ? -E2BIG : e;
    if (e != 0) {
        ha_components_finish(&components);
        on_foreign(ha, message->topic, why_foreign(e));
        return;
    }
    ha->read_until_ms = clock_now().mono_ms + HA_READ_MS;
    uint64_t hash = outlet_hash(message->payload, message->len);
    if (strcmp(slug, HA_LLAMA_SLUG) == 0 && ha->options.enabled) {
        ha_components_finish(&components);
        on_llama(ha, hash);
        return;
    }
    struct names_entry *known = names_find(&ha->records, slug);
    struct record *record = (struct record *)known;
    if (!known && ha->records.count < CONFIGS_MAX) {
        record = (struct record *)names_add(&ha->records, slug, sizeof *record);
    }
    if (!record) {
        ha_components_finish(&components);
        return;
    }
    record->sent = hash;
    home_assistant_set_announced(ha, record, &components);
    record->inherited = !ha->orphans_done;
}

/* The part of the topic that names the node; false if it is none of ours. */
static bool read_slug(const struct home_assistant *ha, const char *topic, const char **ret_slug,
                      size_t *ret_len)
{
    static const char tail[] = "/config";
    char start[TOPIC_MAX];
    snprintf(start, sizeof start, "%s/device/%s/", ha->prefix, ha->base_topic);
    size_t start_len = strlen(start), len = strlen(topic), tail_len = sizeof tail - 1;
    if (strncmp(topic, start, start_len) != 0 || len <= start_len + tail_len ||
        strcmp(topic + len - tail_len, tail) != 0) {
        return false;
    }
    *ret_slug = topic + start_len;
    *ret_len = len - start_len - tail_len;
    return true;
}

/* ---- what Home Assistant says ---- */

static void on_status(struct home_assistant *ha, const struct mqtt_message *message)
{
    bool born = message->len == 6 && memcmp(message->payload, "online", 6) == 0 && !message->retain;
    if (born && ha->options.enabled && !ha->birth_ms) {
        struct now now = clock_now();
        uint64_t random = outlet_hash((const char *)&now, sizeof now);
        ha->stats.births++;
        ha->birth_ms = now.mono_ms + (int64_t)(random % HA_BIRTH_MS) + 1;
    }
}

bool home_assistant_message(struct home_assistant *ha, const struct mqtt_message *message)
{
    char status[TOPIC_MAX], slug[HA_SLUG_SIZE];
    const char *begin;
    size_t len;
    if (!ha) {
        return false;
    }
    status_topic(ha, status);
    if (strcmp(message->topic, status) == 0 || strcmp(message->topic, STATUS_TOPIC) == 0) {
        on_status(ha, message);
        return true;
    }
    if (!read_slug(ha, message->topic, &begin, &len)) {
        return false;
    }
    if (len > HA_SLUG_MAX) {
        on_foreign(ha, message->topic, "no name of ours");
        return true;
    }
    memcpy(slug, begin, len);
    slug[len] = '\0';
    on_config(ha, message, slug);
    return true;
}
