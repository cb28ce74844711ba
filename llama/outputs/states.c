#include "states_internal.h"

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

/* ---- turns ---- */

/* Those whose rest is over, and that changed meanwhile. */
static void end_rests(struct states *states, int64_t now_ms)
{
    struct record *record;
    while ((record = (struct record *)states->resting.first) && record->rest_until_ms <= now_ms) {
        names_take(&states->resting);
        if (record->dirty || record->gone) {
            names_put(&states->ready, &record->entry);
        }
    }
}

static void find_orphans(struct states *states, int64_t now_ms)
{
    if (states->orphans_done || now_ms < states->orphans_ms) {
        return;
    }
    states->orphans_done = true;
    (void)mqtt_unsubscribe(states->outlet.mqtt, ORPHAN_FILTER);
    for (struct names_entry *e = names_next(&states->names, NULL); e; e = names_next(&states->names, e)) {
        struct record *record = (struct record *)e;
        if (record->orphan) {
            record->orphan = false;
            if (!states_node_of(states, record)) {
                states_mark_gone(states, record);
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
    states_mark_all(states);
}

static void begin_connection(struct states *states, int64_t now_ms)
{
    states->connection = mqtt_stats(states->outlet.mqtt)->connects;
    states->status_sent = false;
    states->status_ms = now_ms - STATES_PAUSE_MS;
    states->settled_ms = now_ms + SETTLE_MS;
    states->seen = cache_revision(states->cache);
    forget_sent(states);
    (void)mqtt_subscribe(states->outlet.mqtt, NODE_STATE_STATUS, 1);
    if (!states->orphans_done) {
        (void)mqtt_subscribe(states->outlet.mqtt, ORPHAN_FILTER, 1);
        states->orphans_ms = now_ms + ORPHAN_MS;
    }
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void schedule(struct states *states, int64_t now_ms)
{
    int64_t due_ms = INT64_MAX, next_ms = now_ms + TURN_MS;
    if (states->ready.first) {
        due_ms = later(next_ms, states->settled_ms);
    } else if (states->resting.first) {
        due_ms = ((struct record *)states->resting.first)->rest_until_ms;
    }
    if (!states->status_sent) {
        due_ms = earlier(due_ms, later(next_ms, states->status_ms + STATES_PAUSE_MS));
    }
    if (states_cluster_moved(states)) {
        due_ms = earlier(due_ms, later(next_ms, states->cluster_ms + STATES_PAUSE_MS));
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
    int e = states_publish_status(states, now_ms);
    if (now_ms < states->settled_ms) {
        return;
    }
    for (unsigned i = 0; e == 0 && i < TURN_NODES && states->ready.first; i++) {
        e = mqtt_under_way(states->outlet.mqtt) < WINDOW ? states_publish_next(states, now_ms) : -1;
    }
    if (e == 0) {
        states_publish_cluster(states, now_ms);
    }
}

static void turn(struct states *states, int64_t now_ms)
{
    if (states->connection != mqtt_stats(states->outlet.mqtt)->connects) {
        begin_connection(states, now_ms);
    }
    if (now_ms >= states->walked_ms + WALK_MS) {
        states_walk(states, now_ms);
    }
    end_rests(states, now_ms);
    find_orphans(states, now_ms);
    publish_some(states, now_ms);
    schedule(states, now_ms);
}

static void on_timer(void *user)
{
    struct states *states = user;
    if (!states->stopped && mqtt_is_up(states->outlet.mqtt)) {
        turn(states, clock_now().mono_ms);
    }
}

void states_changed(struct states *states)
{
    if (!states || states->stopped || !mqtt_is_up(states->outlet.mqtt)) {
        return;
    }
    int64_t now_ms = clock_now().mono_ms;
    bool fresh = states->connection != mqtt_stats(states->outlet.mqtt)->connects;
    if (fresh || now_ms >= states->walked_ms + WALK_MS) {
        turn(states, now_ms);
    } else if (!loop_timer_active(states->timer)) {
        schedule(states, now_ms);
    }
}

/* ---- what the broker tells ---- */

/* The will of an earlier run comes when the broker misses it, maybe long after this one began: and another
 * llamad that stops says offline for all. Neither is true while this one is here. */
static void on_status(struct states *states, const struct mqtt_message *message)
{
    bool ours = message->len == strlen("online") && memcmp(message->payload, "online", message->len) == 0;
    if (!ours && !message->retain && !states->stopped) {
        states->status_sent = false;
        states_changed(states);
    }
}

static void on_availability(struct states *states, const struct mqtt_message *message, size_t name_len)
{
    char name[NODE_NAME_MAX + 1];
    const char *text = message->topic + strlen(NODE_STATE_ROOT);
    if (message->len == 0 || !message->retain || states->orphans_done || states->names.count >= ORPHANS_MAX ||
        !node_name_valid(text, name_len, NULL)) {
        return;
    }
    memcpy(name, text, name_len);
    name[name_len] = '\0';
    if (!names_find(&states->names, name)) {
        struct record *record = (struct record *)names_add(&states->names, name, sizeof *record);
        if (record) {
            record->orphan = true;
        }
    }
}

bool states_message(struct states *states, const struct mqtt_message *message)
{
    static const char tail[] = "/availability";
    size_t root_len = strlen(NODE_STATE_ROOT), tail_len = sizeof tail - 1, len = strlen(message->topic);
    if (!states || strncmp(message->topic, NODE_STATE_ROOT, root_len) != 0) {
        return false;
    }
    if (strcmp(message->topic, NODE_STATE_STATUS) == 0) {
        on_status(states, message);
        return true;
    }
    if (len <= root_len + tail_len || strcmp(message->topic + len - tail_len, tail) != 0) {
        return false;
    }
    on_availability(states, message, len - root_len - tail_len);
    return true;
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
    states->outlet = (struct outlet){.mqtt = mqtt, .who = "states", .what = "is published"};
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

void states_repeat(struct states *states, const char *name)
{
    struct record *record = (struct record *)names_find(&states->names, name);
    if (record) {
        memset(record->sent, 0, sizeof record->sent);
        states_mark(states, record);
        states_changed(states);
    }
}

void states_repeat_all(struct states *states)
{
    if (mqtt_is_up(states->outlet.mqtt)) {
        forget_sent(states);
        states_changed(states);
    }
}

void states_stop(struct states *states)
{
    if (states && !states->stopped) {
        states->stopped = true;
        loop_timer_stop(states->timer);
        (void)outlet_publish(&states->outlet, NODE_STATE_STATUS, "offline", strlen("offline"));
    }
}

void states_destroy(struct states *states)
{
    if (!states) {
        return;
    }
    loop_timer_destroy(states->timer);
    names_finish(&states->names);
    buf_finish(&states->text);
    free(states);
}

struct states_stats states_stats(const struct states *states)
{
    return (struct states_stats){.messages = states->outlet.messages,
                                 .left_out = states->outlet.left_out,
                                 .cleared = states->cleared,
                                 .waiting = states->ready.count};
}
