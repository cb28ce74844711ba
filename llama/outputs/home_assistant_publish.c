#include "home_assistant_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_MAX 1000000
#define PACKET_ROOM 512
#define TOPIC_MAX   512

static int publish(struct home_assistant *ha, const char *slug, const char *data, size_t len)
{
    char topic[TOPIC_MAX];
    snprintf(topic, sizeof topic, "%s/device/%s/%s/config", ha->prefix, ha->base_topic, slug);
    return outlet_publish(&ha->outlet, topic, data, len);
}

/* What is in `text`, unless the broker has it. */
static int publish_text(struct home_assistant *ha, const char *slug, uint64_t *sent)
{
    if (ha->text.failed) {
        return -ENOMEM;
    }
    uint64_t hash = outlet_hash(ha->text.data, ha->text.len);
    if (hash == *sent) {
        ha->stats.unchanged++;
        return 0;
    }
    int e = publish(ha, slug, ha->text.data, ha->text.len);
    if (e == 0) {
        *sent = hash;
        ha->stats.configs++;
    }
    return e;
}

/* It waits no more. */
static void take(struct home_assistant *ha, struct record *record)
{
    names_take(&ha->waiting);
    if (record->reborn) {
        record->reborn = false;
        ha->reborn--;
    }
}

/* Of an earlier run, whose readings may still be on their way to us: nothing is removed yet. */
static void put_off(struct home_assistant *ha, struct record *record, int64_t now_ms)
{
    take(ha, record);
    home_assistant_schedule(ha, record, now_ms, 0);
    record->due_ms = ha->orphans_ms;
}

static void note_published(struct home_assistant *ha, const struct node *node,
                           const struct ha_message *message)
{
    outlet_leave_out(&ha->outlet, message->left_out, node->name,
                     "its readings are more than fit into one message");
    if (!mqtt_retains(ha->outlet.mqtt)) {
        ha->options.repeat(ha->options.user, node->name);
    }
}

static int publish_node(struct home_assistant *ha, struct record *record, const struct node *node,
                        int64_t now_ms)
{
    struct ha_message message;
    size_t limit = outlet_room(&ha->outlet, PACKET_ROOM, HA_LEAST, MESSAGE_MAX);
    buf_reset(&ha->text);
    ha_write_node(&ha->text, &ha->config, node, &record->announced, limit, now_ms, &message);
    if (message.removes && record->inherited && !ha->orphans_done) {
        ha_components_finish(&message.after);
        put_off(ha, record, now_ms);
        return 0;
    }
    uint64_t before = record->sent;
    int e = publish_text(ha, record->entry.name, &record->sent);
    if (e != 0) {
        ha_components_finish(&message.after);
        return e;
    }
    home_assistant_set_announced(ha, record, &message.after);
    record->inherited = false;
    record->look_again_ms = message.look_again_ms;
    take(ha, record); /* before others hear of it, who may have it wait again */
    if (before != record->sent) {
        note_published(ha, node, &message);
    }
    if (message.removes) {
        home_assistant_schedule(ha, record, now_ms, HA_DEBOUNCE_MS); /* again, without what is removed now */
    }
    return 0;
}

static int clear_node(struct home_assistant *ha, struct record *record)
{
    int e = publish(ha, record->entry.name, NULL, 0);
    if (e == 0) {
        struct ha_components none = {0};
        ha->stats.cleared++;
        take(ha, record);
        home_assistant_set_announced(ha, record, &none);
        names_remove(&ha->records, &record->entry);
    }
    return e;
}

int home_assistant_publish_first(struct home_assistant *ha, int64_t now_ms)
{
    struct record *record = (struct record *)ha->waiting.first;
    const struct node *node = cache_get(ha->cache, record->name, strlen(record->name));
    if (record->due_ms > now_ms) {
        names_put(&ha->waiting, names_take(&ha->waiting));
        return 0;
    }
    if (!node || strcmp(node->name, record->name) != 0 || record->gone || !ha->options.enabled) {
        return clear_node(ha, record);
    }
    return publish_node(ha, record, node, now_ms);
}

int home_assistant_publish_llama(struct home_assistant *ha)
{
    if (!ha->options.enabled || ha->llama_sent) {
        return 0;
    }
    buf_reset(&ha->text);
    ha_write_llama(&ha->text, &ha->config);
    return publish_text(ha, HA_LLAMA_SLUG, &ha->llama_sent);
}
