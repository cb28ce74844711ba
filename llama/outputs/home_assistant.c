#include "home_assistant.h"

#include "home_assistant_config.h"
#include "log.h"
#include "names.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TURN_MS    20
#define TURN_NODES 8
#define WINDOW     32 /* messages that the broker has still to acknowledge */
#define DEBOUNCE_MS                                                                        \
    2000 /* a node's readings come one after the other; and so does what follows a removal \
          */
#define DEBOUNCE_MAX_MS 10000
#define READ_MS         1500 /* for the broker to send what it has */
#define CONFIGS_MAX     (2 * LIMIT_NODES)
#define MESSAGE_MAX     1000000
#define PACKET_ROOM     512
#define TOPIC_MAX       512
#define URL_SIZE        256

struct record {
    struct names_entry entry;     /* first; under its slug */
    struct record *next;          /* of those that wait; owner: home_assistant */
    char name[NODE_NAME_MAX + 1]; /* of the node; "" = known only by what the broker had */
    uint64_t shape;               /* of the node, when it was last looked at */
    uint64_t sent;                /* hash of what the broker has; 0 = nothing, or not known */
    struct ha_components announced;
    int64_t due_ms, since_ms; /* monotonic: to be published then; waiting since */
    bool waiting, gone;
    bool inherited; /* what is announced is an earlier run's */
};

struct home_assistant {
    const struct cache *cache;
    struct mqtt *mqtt;
    struct loop_timer *timer;
    struct home_assistant_options options;
    char prefix[128], base_topic[BASE_TOPIC_MAX + 1], version[32], url[URL_SIZE];
    struct ha_options config;
    struct names records;
    struct record *first, *last; /* those that wait */
    size_t waiting;
    uint64_t connection;
    int64_t read_until_ms;        /* after a connect; 0 = all is read */
    int64_t orphans_ms, birth_ms; /* 0 = not due */
    bool orphans_done, stopped, repeat_states;
    uint64_t llama_sent;
    struct buf text;
    struct home_assistant_stats stats;
    struct log_limit limit, foreign_limit;
};

/* ---- records ---- */

static struct record *find(const struct home_assistant *ha, const char *slug)
{
    return (struct record *)names_find(&ha->records, slug);
}

static struct record *add(struct home_assistant *ha, const char *slug)
{
    struct record *record = find(ha, slug);
    if (!record && (record = calloc(1, sizeof *record))) {
        names_add(&ha->records, &record->entry, slug);
    }
    return record;
}

static void drop(struct home_assistant *ha, struct record *record)
{
    names_remove(&ha->records, &record->entry);
    ha_components_finish(&record->announced);
    free(record);
}

static void start_timer(struct home_assistant *ha)
{
    if (!loop_timer_active(ha->timer)) {
        loop_timer_start(ha->timer, TURN_MS, 0);
    }
}

static void put(struct home_assistant *ha, struct record *record)
{
    record->next = NULL;
    record->waiting = true;
    if (ha->last) {
        ha->last->next = record;
    } else {
        ha->first = record;
    }
    ha->last = record;
    ha->waiting++;
}

static struct record *take(struct home_assistant *ha)
{
    struct record *record = ha->first;
    ha->first = record->next;
    if (!ha->first) {
        ha->last = NULL;
    }
    ha->waiting--;
    record->waiting = false;
    return record;
}

/* To be published when nothing has changed for `delay_ms`, but not put off for ever. */
static void schedule(struct home_assistant *ha, struct record *record, int64_t now_ms, int64_t delay_ms)
{
    if (!record->waiting) {
        record->since_ms = now_ms;
        put(ha, record);
    }
    int64_t latest_ms = record->since_ms + DEBOUNCE_MAX_MS;
    record->due_ms = now_ms + delay_ms < latest_ms ? now_ms + delay_ms : latest_ms;
    start_timer(ha);
}

void home_assistant_node(struct home_assistant *ha, const struct node *node)
{
    char slug[HA_SLUG_SIZE];
    if (!ha || !ha->options.enabled) {
        return;
    }
    ha_slug(node->name, strlen(node->name), slug);
    struct record *record = add(ha, slug);
    if (!record || (record->name[0] && strcmp(record->name, node->name) != 0)) {
        return;
    }
    uint64_t shape = ha_shape(node);
    if (shape != record->shape || record->gone) {
        memcpy(record->name, node->name, sizeof record->name);
        record->shape = shape;
        record->gone = false;
        schedule(ha, record, clock_now().mono_ms, DEBOUNCE_MS);
    }
}

static void let_go(struct home_assistant *ha, struct record *record)
{
    record->gone = true;
    record->shape = 0;
    schedule(ha, record, clock_now().mono_ms, 0);
}

void home_assistant_gone(struct home_assistant *ha, const char *name)
{
    char slug[HA_SLUG_SIZE];
    if (!ha) {
        return;
    }
    ha_slug(name, strlen(name), slug);
    struct record *record = find(ha, slug);
    if (record && strcmp(record->name, name) == 0) {
        let_go(ha, record);
    }
}

/* ---- publishing ---- */

static uint64_t hash_of(const char *data, size_t len)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ (unsigned char)data[i]) * UINT64_C(1099511628211);
    }
    return hash ? hash : 1;
}

static void leave_out(struct home_assistant *ha, uint64_t count, const char *name, const char *why)
{
    uint64_t before;
    ha->stats.left_out += count;
    if (count > 0 && log_limit_pass(&ha->limit, clock_now().mono_ms, &before)) {
        char shown[LOG_TEXT];
        log_warning("home assistant: not all of %s is announced: %s",
                    log_escape(shown, sizeof shown, name, strlen(name)), why);
    }
}

/* 0, also when it will never go (counted); -ENOTCONN, -ENOBUFS or -ENOMEM: later. */
static int publish(struct home_assistant *ha, const char *slug, const char *data, size_t len)
{
    char topic[TOPIC_MAX];
    snprintf(topic, sizeof topic, "%s/device/%s/%s/config", ha->prefix, ha->base_topic, slug);
    int e = mqtt_publish(ha->mqtt, topic, data, len, 1, mqtt_retains(ha->mqtt), 0);
    if (e == -ENOTCONN || e == -ENOBUFS || e == -ENOMEM) {
        return e;
    }
    if (e != 0) {
        leave_out(ha, 1, topic, strerror(-e));
    }
    return 0;
}

/* What is in `text`, unless the broker has it. */
static int publish_text(struct home_assistant *ha, const char *slug, uint64_t *sent)
{
    if (ha->text.failed) {
        return -ENOMEM;
    }
    uint64_t hash = hash_of(ha->text.data, ha->text.len);
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

static size_t message_limit(const struct home_assistant *ha)
{
    size_t packet = mqtt_max_packet(ha->mqtt);
    size_t most = packet > HA_LEAST + PACKET_ROOM ? packet - PACKET_ROOM : HA_LEAST;
    return most < MESSAGE_MAX ? most : MESSAGE_MAX;
}

static int publish_node(struct home_assistant *ha, struct record *record, const struct node *node,
                        int64_t now_ms)
{
    struct ha_components after = {0};
    uint32_t left_out = 0;
    buf_reset(&ha->text);
    bool removes =
        ha_write_node(&ha->text, &ha->config, node, &record->announced, message_limit(ha), &after, &left_out);
    if (removes && record->inherited && !ha->orphans_done) {
        ha_components_finish(&after); /* its readings may still be on their way to us */
        take(ha);
        schedule(ha, record, now_ms, 0);
        record->due_ms = ha->orphans_ms;
        return 0;
    }
    uint64_t before = record->sent;
    int e = publish_text(ha, record->entry.name, &record->sent);
    if (e != 0) {
        ha_components_finish(&after);
        return e;
    }
    ha_components_finish(&record->announced);
    record->announced = after;
    record->inherited = false;
    if (before != record->sent) {
        leave_out(ha, left_out, node->name, "its readings are more than fit into one message");
        if (!mqtt_retains(ha->mqtt)) {
            ha->options.repeat(ha->options.user, node->name);
        }
    }
    take(ha);
    if (removes) {
        schedule(ha, record, now_ms, DEBOUNCE_MS); /* again, without what is removed now */
    }
    return 0;
}

static int clear_node(struct home_assistant *ha, struct record *record)
{
    int e = publish(ha, record->entry.name, NULL, 0);
    if (e == 0) {
        ha->stats.cleared++;
        take(ha);
        drop(ha, record);
    }
    return e;
}

static int publish_first(struct home_assistant *ha, int64_t now_ms)
{
    struct record *record = ha->first;
    const struct node *node = cache_get(ha->cache, record->name, strlen(record->name));
    if (record->due_ms > now_ms) {
        put(ha, take(ha));
        return 0;
    }
    if (!node || strcmp(node->name, record->name) != 0 || record->gone || !ha->options.enabled) {
        return clear_node(ha, record);
    }
    return publish_node(ha, record, node, now_ms);
}

static int publish_llama(struct home_assistant *ha)
{
    if (!ha->options.enabled || ha->llama_sent) {
        return 0;
    }
    buf_reset(&ha->text);
    ha_write_llama(&ha->text, &ha->config);
    return publish_text(ha, HA_LLAMA_SLUG, &ha->llama_sent);
}

/* ---- connections ---- */

static void subscribe(struct home_assistant *ha, const char *format, bool on)
{
    char filter[TOPIC_MAX];
    snprintf(filter, sizeof filter, format, ha->prefix, ha->base_topic);
    int e = on ? mqtt_subscribe(ha->mqtt, filter, 1) : mqtt_unsubscribe(ha->mqtt, filter);
    if (e != 0) {
        log_warning("home assistant: cannot subscribe to %s: %s", filter, strerror(-e));
    }
}

#define CONFIG_FILTER "%s/device/%s/+/config"
#define STATUS_FILTER "%s/status"

/* Nothing that the broker has is known any more. */
static void forget_sent(struct home_assistant *ha)
{
    int64_t now_ms = clock_now().mono_ms;
    ha->llama_sent = 0;
    for (struct names_entry *e = names_next(&ha->records, NULL); e; e = names_next(&ha->records, e)) {
        struct record *record = (struct record *)e;
        record->sent = 0;
        if (record->name[0]) {
            schedule(ha, record, now_ms, 0);
        }
    }
}

static void begin_connection(struct home_assistant *ha, int64_t now_ms)
{
    ha->connection = mqtt_stats(ha->mqtt)->connects;
    ha->read_until_ms = now_ms + READ_MS;
    forget_sent(ha);
    subscribe(ha, CONFIG_FILTER, true);
    if (ha->options.enabled) {
        subscribe(ha, STATUS_FILTER, true);
    }
    if (!ha->orphans_done) {
        ha->orphans_ms = now_ms + (ha->options.enabled ? HA_ORPHAN_MS : READ_MS);
    }
    start_timer(ha);
}

static bool knows(const struct home_assistant *ha, const struct record *record)
{
    const struct node *node = cache_get(ha->cache, record->name, strlen(record->name));
    return record->name[0] && node && strcmp(node->name, record->name) == 0;
}

static void find_orphans(struct home_assistant *ha, int64_t now_ms)
{
    if (ha->orphans_done || now_ms < ha->orphans_ms) {
        return;
    }
    ha->orphans_done = true;
    for (struct names_entry *e = names_next(&ha->records, NULL); e; e = names_next(&ha->records, e)) {
        struct record *record = (struct record *)e;
        if (!knows(ha, record)) {
            let_go(ha, record);
        }
    }
}

static void note_birth(struct home_assistant *ha, int64_t now_ms)
{
    if (ha->birth_ms && now_ms >= ha->birth_ms) {
        ha->birth_ms = 0;
        ha->repeat_states = true;
        forget_sent(ha);
    }
}

static bool has_read(struct home_assistant *ha, int64_t now_ms)
{
    if (ha->read_until_ms && now_ms >= ha->read_until_ms) {
        ha->read_until_ms = 0;
        subscribe(ha, CONFIG_FILTER, false);
    }
    return ha->read_until_ms == 0;
}

static void turn(struct home_assistant *ha)
{
    int64_t now_ms = clock_now().mono_ms;
    if (ha->connection != mqtt_stats(ha->mqtt)->connects) {
        begin_connection(ha, now_ms);
    }
    if (!has_read(ha, now_ms)) {
        return;
    }
    find_orphans(ha, now_ms);
    note_birth(ha, now_ms);
    int e = publish_llama(ha);
    for (size_t i = 0, n = ha->waiting; e == 0 && i < n && i < TURN_NODES && ha->first; i++) {
        e = mqtt_under_way(ha->mqtt) < WINDOW ? publish_first(ha, now_ms) : -EAGAIN;
    }
    if (ha->first) {
        start_timer(ha);
    } else if (ha->repeat_states) {
        ha->repeat_states = false;
        ha->options.repeat_all(ha->options.user);
    }
}

static void on_timer(void *user)
{
    home_assistant_tick(user);
}

void home_assistant_tick(struct home_assistant *ha)
{
    if (ha && !ha->stopped && mqtt_is_up(ha->mqtt)) {
        turn(ha);
    }
}

/* ---- what the broker has, and Home Assistant says ---- */

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

static void on_config(struct home_assistant *ha, const struct mqtt_message *message, const char *slug)
{
    struct ha_components components;
    if (!message->retain || message->len == 0) {
        return; /* ours come back, too, as long as we listen */
    }
    int e = ha_components_read(message->payload, message->len, &components);
    if (e != 0) {
        on_foreign(ha, message->topic,
                   e == -EPERM    ? "of another origin"
                   : e == -ENOMEM ? "no memory"
                                  : "not JSON");
        return;
    }
    ha->read_until_ms = clock_now().mono_ms + READ_MS;
    uint64_t hash = hash_of(message->payload, message->len);
    if (strcmp(slug, HA_LLAMA_SLUG) == 0 && ha->options.enabled) {
        ha_components_finish(&components);
        buf_reset(&ha->text);
        ha_write_llama(&ha->text, &ha->config);
        ha->llama_sent = !ha->text.failed && hash_of(ha->text.data, ha->text.len) == hash ? hash : 0;
        return;
    }
    struct record *record = ha->records.count < CONFIGS_MAX ? add(ha, slug) : find(ha, slug);
    if (!record) {
        ha_components_finish(&components);
        return;
    }
    record->sent = hash;
    ha_components_finish(&record->announced);
    record->announced = components;
    record->inherited = !ha->orphans_done;
}

bool home_assistant_message(struct home_assistant *ha, const struct mqtt_message *message)
{
    static const char tail[] = "/config";
    char start[TOPIC_MAX], slug[HA_SLUG_SIZE];
    if (!ha || strncmp(message->topic, ha->prefix, strlen(ha->prefix)) != 0) {
        return false;
    }
    if (strcmp(message->topic + strlen(ha->prefix), "/status") == 0) {
        bool born = message->len == 6 && memcmp(message->payload, "online", 6) == 0 && !message->retain;
        if (born && !ha->birth_ms) {
            struct now now = clock_now();
            ha->stats.births++;
            ha->birth_ms = now.mono_ms + (int64_t)(hash_of((const char *)&now, sizeof now) % HA_BIRTH_MS) + 1;
        }
        return true;
    }
    snprintf(start, sizeof start, "%s/device/%s/", ha->prefix, ha->base_topic);
    size_t start_len = strlen(start), len = strlen(message->topic), tail_len = sizeof tail - 1;
    if (strncmp(message->topic, start, start_len) != 0 || len <= start_len + tail_len ||
        strcmp(message->topic + len - tail_len, tail) != 0) {
        return false;
    }
    len -= start_len + tail_len;
    if (len > HA_SLUG_MAX) {
        on_foreign(ha, message->topic, "no name of ours");
        return true;
    }
    memcpy(slug, message->topic + start_len, len);
    slug[len] = '\0';
    on_config(ha, message, slug);
    return true;
}

/* ---- interface ---- */

/* Fit to stand in a JSON string as it is, and what Home Assistant takes for a URL? */
static bool url_fits(const char *url)
{
    if (strlen(url) >= URL_SIZE || (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)) {
        return false;
    }
    for (; *url; url++) {
        if (*url <= ' ' || *url == '"' || *url == '\\' || *url == '#' || *url == 0x7f) {
            return false;
        }
    }
    return true;
}

struct home_assistant *home_assistant_create(struct loop *loop, const struct cache *cache, struct mqtt *mqtt,
                                             const struct home_assistant_options *options)
{
    struct home_assistant *ha = calloc(1, sizeof *ha);
    if (!ha) {
        return NULL;
    }
    ha->cache = cache;
    ha->mqtt = mqtt;
    ha->options = *options;
    snprintf(ha->prefix, sizeof ha->prefix, "%s", options->prefix);
    snprintf(ha->base_topic, sizeof ha->base_topic, "%s", options->base_topic);
    snprintf(ha->version, sizeof ha->version, "%s", options->version);
    if (options->url && url_fits(options->url)) {
        snprintf(ha->url, sizeof ha->url, "%s", options->url);
    }
    ha->config = (struct ha_options){.base_topic = ha->base_topic, .url = ha->url, .version = ha->version};
    ha->timer = loop_timer_create(loop, on_timer, ha);
    if (!ha->timer) {
        free(ha);
        return NULL;
    }
    return ha;
}

void home_assistant_stop(struct home_assistant *ha)
{
    if (ha) {
        ha->stopped = true;
        loop_timer_stop(ha->timer);
    }
}

void home_assistant_destroy(struct home_assistant *ha)
{
    if (!ha) {
        return;
    }
    loop_timer_destroy(ha->timer);
    for (struct names_entry *e = names_next(&ha->records, NULL), *next; e; e = next) {
        next = names_next(&ha->records, e);
        drop(ha, (struct record *)e);
    }
    buf_finish(&ha->text);
    free(ha);
}

struct home_assistant_stats home_assistant_stats(const struct home_assistant *ha)
{
    struct home_assistant_stats stats = ha->stats;
    stats.waiting = ha->waiting;
    return stats;
}
