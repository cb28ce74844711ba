#include "states.h"

#include "api.h"
#include "log.h"
#include "names.h"
#include "node_state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WALK_MS       100 /* between two looks at what changed in the cache */
#define TURN_MS       10  /* between two portions */
#define SETTLE_MS     500 /* after a connect: what the broker replays comes first */
#define TURN_NODES    64  /* looked at in one portion, so that browsers get their turn */
#define WINDOW        64  /* messages that the broker has still to acknowledge: no queue of it may overflow */
#define ORPHANS_MAX   (2 * LIMIT_NODES)
#define ORPHAN_FILTER NODE_STATE_ROOT "+/availability"
#define TOPIC_MAX     (sizeof NODE_STATE_ROOT + NODE_NAME_MAX + 16)
#define PACKET_ROOM   256 /* topic and head of a packet */

enum part { PART_STATE, PART_AVAILABILITY, PART_OBSERVATION };
#define PARTS 3
static const char *const part_names[PARTS] = {"state", "availability", "observation"};

struct record {
    struct names_entry entry; /* first */
    struct record *next;      /* of the list it is in */
    uint64_t sent[PARTS];     /* hash of what the broker has; 0 = nothing, or not known */
    int64_t rest_until_ms;    /* monotonic; it is in the list `resting` until then */
    bool dirty;               /* to be looked at */
    bool listed;              /* in one of the lists */
    bool gone;                /* nobody knows it any more: to be cleared */
    bool orphan;              /* all that is known of it is what the broker had at the start */
};

struct list { /* first in, first out; owner: states */
    struct record *first, *last;
    size_t count;
};

struct states {
    const struct cache *cache;
    struct mqtt *mqtt;
    struct states_watch watch;
    struct loop_timer *timer;
    char broker[256], version[32];
    struct names names;
    struct list ready;   /* to be looked at */
    struct list resting; /* published less than STATES_PAUSE_MS ago */
    uint64_t seen;       /* revision of the cache */
    uint64_t connection; /* which one this is */
    int64_t walked_ms, orphans_ms, settled_ms;
    bool status_sent, stopped, orphans_done;
    uint64_t cluster_sent, cluster_seen; /* hash; revision of the cache's stats */
    int64_t cluster_ms;
    struct buf text;
    struct states_stats stats;
    struct log_limit limit;
};

/* ---- records ---- */

static void put(struct list *list, struct record *record)
{
    record->next = NULL;
    record->listed = true;
    if (list->last) {
        list->last->next = record;
    } else {
        list->first = record;
    }
    list->last = record;
    list->count++;
}

static struct record *take(struct list *list)
{
    struct record *record = list->first;
    list->first = record->next;
    if (!list->first) {
        list->last = NULL;
    }
    list->count--;
    record->listed = false;
    return record;
}

static void mark(struct states *states, struct record *record)
{
    record->dirty = true;
    if (!record->listed) {
        put(&states->ready, record);
    }
}

static struct record *find(const struct states *states, const char *name)
{
    return (struct record *)names_find(&states->names, name);
}

/* NULL without memory: it comes with its next change. */
static struct record *add(struct states *states, const char *name)
{
    struct record *record = find(states, name);
    if (!record && (record = calloc(1, sizeof *record))) {
        names_add(&states->names, &record->entry, name);
    }
    return record;
}

static void mark_node(struct states *states, const struct node *node)
{
    struct record *record = add(states, node->name);
    if (record) {
        record->gone = record->orphan = false;
        mark(states, record);
    }
}

static const struct node *node_of(const struct states *states, const struct record *record)
{
    const char *name = record->entry.name;
    const struct node *node = cache_get(states->cache, name, strlen(name));
    return node && strcmp(node->name, name) == 0 ? node : NULL; /* not one that has it for an alias */
}

static void mark_gone(struct states *states, struct record *record)
{
    if (!record->gone) {
        record->gone = true;
        mark(states, record);
        if (states->watch.gone) {
            states->watch.gone(states->watch.user, record->entry.name);
        }
    }
}

/* ---- what changed ---- */

static void mark_all(struct states *states)
{
    for (const struct node *node = cache_first_node(states->cache); node; node = node->next) {
        mark_node(states, node);
    }
    for (struct names_entry *e = names_next(&states->names, NULL); e; e = names_next(&states->names, e)) {
        struct record *record = (struct record *)e;
        if (!record->orphan && !node_of(states, record)) {
            mark_gone(states, record);
        }
    }
}

static void mark_items(struct states *states, enum item_kind kind)
{
    const struct node *last = NULL;
    for (const struct item *item = cache_newest_item(states->cache, kind);
         item && item->revision > states->seen; item = item->older) {
        if (item->node != last) {
            last = item->node;
            mark_node(states, last);
        }
    }
}

static void mark_removed(struct states *states)
{
    for (const struct tombstone *stone = cache_newest_tombstone(states->cache);
         stone && stone->revision > states->seen; stone = cache_older_tombstone(states->cache, stone)) {
        struct record *record = find(states, stone->node);
        if (record && node_of(states, record)) {
            mark(states, record);
        } else if (record) {
            mark_gone(states, record);
        }
    }
}

static void walk(struct states *states, int64_t now_ms)
{
    states->walked_ms = now_ms;
    if (states->seen == cache_revision(states->cache)) {
        return;
    }
    if (states->seen < cache_delta_floor(states->cache)) {
        mark_all(states);
    } else {
        mark_removed(states);
        for (const struct node *node = cache_newest_node(states->cache);
             node && node->revision > states->seen; node = node->older) {
            mark_node(states, node);
        }
        mark_items(states, ITEM_READING);
        mark_items(states, ITEM_OBSERVATION);
    }
    states->seen = cache_revision(states->cache);
}

/* ---- publishing ---- */

static uint64_t hash_of(const struct buf *text)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (size_t i = 0; i < text->len; i++) {
        hash = (hash ^ (unsigned char)text->data[i]) * UINT64_C(1099511628211);
    }
    return hash ? hash : 1;
}

static void leave_out(struct states *states, uint64_t count, const char *name, const char *why)
{
    uint64_t before;
    states->stats.left_out += count;
    if (count > 0 && log_limit_pass(&states->limit, clock_now().mono_ms, &before)) {
        char shown[LOG_TEXT];
        log_warning("states: not all of %s is published: %s",
                    log_escape(shown, sizeof shown, name, strlen(name)), why);
    }
}

/* 0, also when it will never go (counted); -ENOTCONN, -ENOBUFS or -ENOMEM: later. */
static int publish(struct states *states, const char *topic, const char *data, size_t len)
{
    int e = mqtt_publish(states->mqtt, topic, data, len, 1, mqtt_retains(states->mqtt), 0);
    switch (e) {
    case 0:
        states->stats.messages++;
        return 0;
    case -ENOTCONN:
    case -ENOBUFS:
    case -ENOMEM:
        return e;
    default:
        leave_out(states, 1, topic, strerror(-e));
        return 0;
    }
}

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
    uint64_t hash = text->len ? hash_of(text) : 0;
    if (hash == record->sent[part]) {
        return 0;
    }
    topic_of(record, part, topic);
    int e = publish(states, topic, text->data, text->len);
    if (e == 0) {
        record->sent[part] = hash;
    }
    return e;
}

static size_t state_limit(const struct states *states)
{
    size_t packet = mqtt_max_packet(states->mqtt);
    size_t most = packet > NODE_STATE_LEAST + PACKET_ROOM ? packet - PACKET_ROOM : NODE_STATE_LEAST;
    return most < NODE_STATE_MAX ? most : NODE_STATE_MAX;
}

static int publish_node(struct states *states, struct record *record, const struct node *node)
{
    struct buf *text = &states->text;
    buf_reset(text);
    uint32_t left_out = node_state_write(text, node, state_limit(states));
    uint64_t before = record->sent[PART_STATE];
    int e = publish_part(states, record, PART_STATE);
    if (e != 0) {
        return e;
    }
    if (left_out > 0 && before != record->sent[PART_STATE]) {
        leave_out(states, left_out, node->name, "its readings are more than fit into one message");
    }
    buf_reset(text);
    buf_str(text, node_state_availability(node));
    e = publish_part(states, record, PART_AVAILABILITY);
    const struct item *newest = node_state_observation(node);
    buf_reset(text);
    if (newest) {
        api_write_item(text, newest);
    }
    return e ? e : publish_part(states, record, PART_OBSERVATION);
}

static int clear_node(struct states *states, struct record *record)
{
    for (int part = 0; part < PARTS; part++) {
        char topic[TOPIC_MAX];
        topic_of(record, (enum part)part, topic);
        int e = mqtt_retains(states->mqtt) ? publish(states, topic, NULL, 0) : 0;
        if (e != 0) {
            return e;
        }
    }
    states->stats.cleared++;
    return 0;
}

/* The first of `ready`; it stays there when it has to wait. */
static int publish_next(struct states *states, int64_t now_ms)
{
    struct record *record = states->ready.first;
    const struct node *node = node_of(states, record);
    if (!node && !record->gone) {
        mark_gone(states, record);
    }
    int e = node ? publish_node(states, record, node) : clear_node(states, record);
    if (e != 0) {
        return e;
    }
    take(&states->ready);
    if (!node) {
        names_remove(&states->names, &record->entry);
        free(record);
        return 0;
    }
    record->dirty = false;
    record->rest_until_ms = now_ms + STATES_PAUSE_MS;
    put(&states->resting, record);
    if (states->watch.published) {
        states->watch.published(states->watch.user, node);
    }
    return 0;
}

static bool cluster_moved(const struct states *states)
{
    return states->cluster_sent == 0 || states->cluster_seen != cache_stats_revision(states->cache);
}

static int publish_cluster(struct states *states, int64_t now_ms)
{
    if (!cluster_moved(states) || now_ms < states->cluster_ms + STATES_PAUSE_MS) {
        return 0;
    }
    uint64_t seen = cache_stats_revision(states->cache);
    struct buf *text = &states->text;
    buf_reset(text);
    node_state_write_cluster(text, states->cache, states->broker, states->version);
    uint64_t hash = text->failed ? states->cluster_sent : hash_of(text);
    int e = hash == states->cluster_sent ? 0 : publish(states, NODE_STATE_CLUSTER, text->data, text->len);
    if (e == 0) {
        states->cluster_sent = hash;
        states->cluster_ms = now_ms;
        states->cluster_seen = seen;
    }
    return e;
}

/* ---- turns ---- */

/* Those whose rest is over, and that changed meanwhile. */
static void end_rests(struct states *states, int64_t now_ms)
{
    while (states->resting.first && states->resting.first->rest_until_ms <= now_ms) {
        struct record *record = take(&states->resting);
        if (record->dirty || record->gone) {
            put(&states->ready, record);
        }
    }
}

static void find_orphans(struct states *states, int64_t now_ms)
{
    if (states->orphans_done || now_ms < states->orphans_ms) {
        return;
    }
    states->orphans_done = true;
    (void)mqtt_unsubscribe(states->mqtt, ORPHAN_FILTER);
    for (struct names_entry *e = names_next(&states->names, NULL); e; e = names_next(&states->names, e)) {
        struct record *record = (struct record *)e;
        if (record->orphan) {
            record->orphan = false;
            if (!node_of(states, record)) {
                mark_gone(states, record);
            }
        }
    }
}

static void forget_sent(struct states *states)
{
    states->cluster_sent = 0;
    for (struct names_entry *e = names_next(&states->names, NULL); e; e = names_next(&states->names, e)) {
        struct record *record = (struct record *)e;
        memset(record->sent, 0, sizeof record->sent);
    }
    mark_all(states);
}

static void begin_connection(struct states *states, int64_t now_ms)
{
    states->connection = mqtt_stats(states->mqtt)->connects;
    states->status_sent = false;
    states->settled_ms = now_ms + SETTLE_MS;
    states->seen = cache_revision(states->cache);
    forget_sent(states);
    if (!states->orphans_done) {
        (void)mqtt_subscribe(states->mqtt, ORPHAN_FILTER, 1);
        states->orphans_ms = now_ms + ORPHAN_MS;
    }
}

static int publish_status(struct states *states)
{
    int e = states->status_sent ? 0 : publish(states, NODE_STATE_STATUS, "online", strlen("online"));
    states->status_sent = e == 0;
    return e;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void schedule(struct states *states, int64_t now_ms)
{
    int64_t due_ms = INT64_MAX, settled_ms = states->settled_ms, next_ms = now_ms + TURN_MS;
    if (states->ready.first || !states->status_sent) {
        due_ms = next_ms > settled_ms ? next_ms : settled_ms;
    } else if (states->resting.first) {
        due_ms = states->resting.first->rest_until_ms;
    }
    if (cluster_moved(states)) {
        int64_t pause_ms = states->cluster_ms + STATES_PAUSE_MS;
        due_ms = earlier(due_ms, next_ms > pause_ms ? next_ms : pause_ms);
    }
    if (states->seen != cache_revision(states->cache)) {
        due_ms = earlier(due_ms, states->walked_ms + WALK_MS);
    }
    if (due_ms != INT64_MAX) {
        loop_timer_start(states->timer, due_ms > now_ms ? (uint64_t)(due_ms - now_ms) : 1, 0);
    }
}

static void publish_some(struct states *states, int64_t now_ms)
{
    int e = publish_status(states);
    if (now_ms < states->settled_ms) {
        return;
    }
    for (unsigned i = 0; e == 0 && i < TURN_NODES && states->ready.first; i++) {
        e = mqtt_under_way(states->mqtt) < WINDOW ? publish_next(states, now_ms) : -EAGAIN;
    }
    if (e == 0) {
        publish_cluster(states, now_ms);
    }
}

static void turn(struct states *states, int64_t now_ms)
{
    if (states->connection != mqtt_stats(states->mqtt)->connects) {
        begin_connection(states, now_ms);
    }
    if (now_ms >= states->walked_ms + WALK_MS) {
        walk(states, now_ms);
    }
    end_rests(states, now_ms);
    find_orphans(states, now_ms);
    publish_some(states, now_ms);
    schedule(states, now_ms);
}

static void on_timer(void *user)
{
    struct states *states = user;
    if (!states->stopped && mqtt_is_up(states->mqtt)) {
        turn(states, clock_now().mono_ms);
    }
}

void states_changed(struct states *states)
{
    if (!states || states->stopped || !mqtt_is_up(states->mqtt)) {
        return;
    }
    int64_t now_ms = clock_now().mono_ms;
    bool fresh = states->connection != mqtt_stats(states->mqtt)->connects;
    if (fresh || now_ms >= states->walked_ms + WALK_MS) {
        turn(states, now_ms);
    } else if (!loop_timer_active(states->timer)) {
        schedule(states, now_ms);
    }
}

/* ---- interface ---- */

struct states *states_create(struct loop *loop, const struct cache *cache, struct mqtt *mqtt,
                             const char *broker, const char *version, const struct states_watch *watch)
{
    struct states *states = calloc(1, sizeof *states);
    if (!states) {
        return NULL;
    }
    states->cache = cache;
    states->mqtt = mqtt;
    states->watch = watch ? *watch : (struct states_watch){0};
    snprintf(states->broker, sizeof states->broker, "%s", broker);
    snprintf(states->version, sizeof states->version, "%s", version);
    states->timer = loop_timer_create(loop, on_timer, states);
    if (!states->timer || mqtt_set_will(mqtt, NODE_STATE_STATUS, "offline", strlen("offline"), 0) != 0) {
        states_destroy(states);
        return NULL;
    }
    return states;
}

bool states_message(struct states *states, const struct mqtt_message *message)
{
    static const char tail[] = "/availability";
    size_t root_len = strlen(NODE_STATE_ROOT), tail_len = sizeof tail - 1, len = strlen(message->topic);
    if (!states || len <= root_len + tail_len || strncmp(message->topic, NODE_STATE_ROOT, root_len) != 0 ||
        strcmp(message->topic + len - tail_len, tail) != 0) {
        return false;
    }
    char name[NODE_NAME_MAX + 1];
    size_t name_len = len - root_len - tail_len;
    if (message->len == 0 || !message->retain || states->orphans_done || states->names.count >= ORPHANS_MAX ||
        !node_name_valid(message->topic + root_len, name_len, NULL)) {
        return true;
    }
    memcpy(name, message->topic + root_len, name_len);
    name[name_len] = '\0';
    struct record *record = find(states, name) ? NULL : add(states, name);
    if (record) {
        record->orphan = true;
    }
    return true;
}

void states_repeat(struct states *states, const char *name)
{
    struct record *record = find(states, name);
    if (record) {
        memset(record->sent, 0, sizeof record->sent);
        mark(states, record);
        states_changed(states);
    }
}

void states_repeat_all(struct states *states)
{
    if (mqtt_is_up(states->mqtt)) {
        forget_sent(states);
        states_changed(states);
    }
}

void states_stop(struct states *states)
{
    if (states && !states->stopped) {
        states->stopped = true;
        loop_timer_stop(states->timer);
        (void)publish(states, NODE_STATE_STATUS, "offline", strlen("offline"));
    }
}

void states_destroy(struct states *states)
{
    if (!states) {
        return;
    }
    loop_timer_destroy(states->timer);
    for (struct names_entry *e = names_next(&states->names, NULL), *next; e; e = next) {
        next = names_next(&states->names, e);
        free(e);
    }
    buf_finish(&states->text);
    free(states);
}

struct states_stats states_stats(const struct states *states)
{
    struct states_stats stats = states->stats;
    stats.waiting = states->ready.count;
    return stats;
}
