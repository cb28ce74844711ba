#include "states_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TOPIC_MAX   (sizeof NODE_STATE_ROOT + NODE_NAME_MAX + 16)
#define PACKET_ROOM 256 /* topic and head of a packet */

static const char *const part_names[PARTS] = {
    [PART_STATE] = "state", [PART_OBSERVATION] = "observation", [PART_AVAILABILITY] = "availability"};

static void topic_of(const struct record *record, enum part part, char topic[TOPIC_MAX])
{
    snprintf(topic, TOPIC_MAX, NODE_STATE_ROOT "%s/%s", record->entry.name, part_names[part]);
}

/* What is in `text` (empty: to be cleared), unless the broker has it. */
static int publish_part(struct states *states, struct record *record, enum part part)
{
    const struct buf *text = &states->text;
    char topic[TOPIC_MAX];
    if (text->failed) {
        return -ENOMEM;
    }
    uint64_t hash = text->len ? outlet_hash(text->data, text->len) : 0;
    if (hash == record->sent[part]) {
        return 0;
    }
    topic_of(record, part, topic);
    int e = outlet_publish(&states->outlet, topic, text->data, text->len);
    if (e == 0) {
        record->sent[part] = hash;
    }
    return e;
}

static int publish_state(struct states *states, struct record *record, const struct node *node)
{
    size_t limit = outlet_room(&states->outlet, PACKET_ROOM, NODE_STATE_LEAST, NODE_STATE_MAX);
    uint64_t before = record->sent[PART_STATE];
    buf_reset(&states->text);
    uint32_t left_out = node_state_write(&states->text, node, limit);
    int e = publish_part(states, record, PART_STATE);
    if (e == 0 && before != record->sent[PART_STATE]) {
        outlet_leave_out(&states->outlet, left_out, node->name,
                         "its readings are more than fit into one message");
    }
    return e;
}

static int publish_node(struct states *states, struct record *record, const struct node *node)
{
    int e = publish_state(states, record, node);
    if (e == 0) {
        buf_reset(&states->text);
        buf_str(&states->text, node_state_availability(node));
        e = publish_part(states, record, PART_AVAILABILITY);
    }
    if (e == 0) {
        buf_reset(&states->text);
        node_state_write_observation(&states->text, node);
        e = publish_part(states, record, PART_OBSERVATION);
    }
    return e;
}

static int clear_node(struct states *states, struct record *record)
{
    for (int part = 0; part < PARTS; part++) {
        char topic[TOPIC_MAX];
        topic_of(record, (enum part)part, topic);
        int e = mqtt_retains(states->outlet.mqtt) ? outlet_publish(&states->outlet, topic, NULL, 0) : 0;
        if (e != 0) {
            return e;
        }
    }
    states->cleared++;
    return 0;
}

static void rest(struct states *states, struct record *record, int64_t now_ms)
{
    names_take(&states->ready);
    record->rest_until_ms = now_ms + STATES_PAUSE_MS;
    names_put(&states->resting, &record->entry);
}

/* Whoever reads its topics goes first: an empty message is no state. */
static int publish_gone(struct states *states, struct record *record, int64_t now_ms)
{
    states_mark_gone(states, record);
    if (states->watch.gone && !states->watch.gone(states->watch.user, record->entry.name)) {
        rest(states, record, now_ms);
        return 0;
    }
    int e = clear_node(states, record);
    if (e == 0) {
        names_take(&states->ready);
        names_remove(&states->names, &record->entry);
    }
    return e;
}

int states_publish_next(struct states *states, int64_t now_ms)
{
    struct record *record = (struct record *)states->ready.first;
    const struct node *node = states_node_of(states, record);
    if (!node) {
        return publish_gone(states, record, now_ms);
    }
    int e = publish_node(states, record, node);
    if (e != 0) {
        return e;
    }
    record->dirty = record->gone = false;
    rest(states, record, now_ms);
    if (states->watch.published) {
        states->watch.published(states->watch.user, node);
    }
    return 0;
}

/* ---- llamad itself ---- */

int states_publish_status(struct states *states, int64_t now_ms)
{
    if (states->status_sent || now_ms < states->status_ms + STATES_PAUSE_MS) {
        return 0;
    }
    int e = outlet_publish(&states->outlet, NODE_STATE_STATUS, "online", strlen("online"));
    if (e == 0) {
        states->status_sent = true;
        states->status_ms = now_ms;
    }
    return e;
}

bool states_cluster_moved(const struct states *states)
{
    return states->cluster_sent == 0 || states->cluster_seen != cache_stats_revision(states->cache);
}

int states_publish_cluster(struct states *states, int64_t now_ms)
{
    if (!states_cluster_moved(states) || now_ms < states->cluster_ms + STATES_PAUSE_MS) {
        return 0;
    }
    uint64_t seen = cache_stats_revision(states->cache);
    struct buf *text = &states->text;
    buf_reset(text);
    node_state_write_cluster(text, states->cache, states->broker, states->version);
    uint64_t hash = text->failed ? states->cluster_sent : outlet_hash(text->data, text->len);
    int e = hash == states->cluster_sent
                ? 0
                : outlet_publish(&states->outlet, NODE_STATE_CLUSTER, text->data, text->len);
    if (e == 0) {
        states->cluster_sent = hash;
        states->cluster_ms = now_ms;
        states->cluster_seen = seen;
    }
    return e;
}
