#include "home_assistant_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TURN_MS         20
#define IDLE_MS         500 /* between two looks at whether something is due */
#define TURN_NODES      8
#define WINDOW          32 /* messages that the broker has still to acknowledge */
#define DEBOUNCE_MAX_MS 10000

/* ---- records ---- */

static void start_timer(struct home_assistant *ha)
{
    if (ha->idles || !loop_timer_active(ha->timer)) {
        ha->idles = false;
        loop_timer_start(ha->timer, TURN_MS, 0);
    }
}

void home_assistant_schedule(struct home_assistant *ha, struct record *record, int64_t now_ms,
                             int64_t delay_ms)
{
    if (!record->entry.listed) {
        record->since_ms = now_ms;
        names_put(&ha->waiting, &record->entry);
    }
    int64_t latest_ms = record->since_ms + DEBOUNCE_MAX_MS;
    record->due_ms = now_ms + delay_ms < latest_ms ? now_ms + delay_ms : latest_ms;
    start_timer(ha);
}

void home_assistant_set_announced(struct home_assistant *ha, struct record *record,
                                  struct ha_components *components)
{
    ha->components += components->count - record->announced.count;
    ha_components_finish(&record->announced);
    record->announced = *components;
}

void home_assistant_node(struct home_assistant *ha, const struct node *node)
{
    char slug[HA_SLUG_SIZE];
    if (!ha || !ha->options.enabled) {
        return;
    }
    ha_slug(node->name, strlen(node->name), slug);
    struct record *record = (struct record *)names_add(&ha->records, slug, sizeof *record);
    if (!record || (record->name[0] && strcmp(record->name, node->name) != 0)) {
        return;
    }
    int64_t now_ms = clock_now().mono_ms;
    uint64_t shape = ha_shape(node);
    bool changes = record->look_again_ms && now_ms >= record->look_again_ms;
    if (shape != record->shape || record->gone || changes) {
        memcpy(record->name, node->name, sizeof record->name);
        record->shape = shape;
        record->gone = false;
        record->look_again_ms = 0;
        home_assistant_schedule(ha, record, now_ms, HA_DEBOUNCE_MS);
    }
}

static void let_go(struct home_assistant *ha, struct record *record)
{
    record->gone = true;
    record->shape = 0;
    home_assistant_schedule(ha, record, clock_now().mono_ms, 0);
}

bool home_assistant_gone(struct home_assistant *ha, const char *name)
{
    char slug[HA_SLUG_SIZE];
    if (!ha) {
        return true;
    }
    if (ha->read_until_ms || ha->connection != mqtt_stats(ha->outlet.mqtt)->connects) {
        return false; /* what there is shows when the broker's are read */
    }
    ha_slug(name, strlen(name), slug);
    struct record *record = (struct record *)names_find(&ha->records, slug);
    if (!record || (record->name[0] && strcmp(record->name, name) != 0)) {
        return true;
    }
    if (!record->gone) {
        let_go(ha, record);
    }
    return false;
}

/* ---- turns ---- */

/* Nothing that the broker has is known any more. */
static void forget_sent(struct home_assistant *ha, bool reborn)
{
    int64_t now_ms = clock_now().mono_ms;
    ha->llama_sent = 0;
    for (struct names_entry *e = names_next(&ha->records, NULL); e; e = names_next(&ha->records, e)) {
        struct record *record = (struct record *)e;
        record->sent = 0;
        if (record->name[0]) {
            home_assistant_schedule(ha, record, now_ms, 0);
            ha->reborn += reborn && !record->reborn;
            record->reborn = record->reborn || reborn;
        }
    }
}

static void begin_connection(struct home_assistant *ha, int64_t now_ms)
{
    ha->connection = mqtt_stats(ha->outlet.mqtt)->connects;
    ha->read_until_ms = now_ms + HA_READ_MS;
    forget_sent(ha, false);
    home_assistant_subscribe(ha);
    if (!ha->orphans_done) {
        ha->orphans_ms = now_ms + (ha->options.enabled ? HA_ORPHAN_MS : HA_READ_MS);
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
        forget_sent(ha, true);
    }
}

static bool has_read(struct home_assistant *ha, int64_t now_ms)
{
    if (ha->read_until_ms && now_ms >= ha->read_until_ms) {
        home_assistant_end_reading(ha);
    }
    return ha->read_until_ms == 0;
}

/* 0 if all that was due has gone. */
static int publish_some(struct home_assistant *ha, int64_t now_ms)
{
    int e = home_assistant_publish_llama(ha);
    for (size_t i = 0, n = ha->waiting.count; e == 0 && i < n; i++) {
        bool more = i < TURN_NODES && mqtt_under_way(ha->outlet.mqtt) < WINDOW;
        e = more && ha->waiting.first ? home_assistant_publish_first(ha, now_ms) : -1;
    }
    return e;
}

static void turn(struct home_assistant *ha)
{
    int64_t now_ms = clock_now().mono_ms;
    if (ha->connection != mqtt_stats(ha->outlet.mqtt)->connects) {
        begin_connection(ha, now_ms);
    }
    if (!has_read(ha, now_ms)) {
        start_timer(ha);
        return;
    }
    find_orphans(ha, now_ms);
    note_birth(ha, now_ms);
    int e = publish_some(ha, now_ms);
    if (ha->repeat_states && ha->reborn == 0 && ha->llama_sent) {
        ha->repeat_states = false;
        ha->options.repeat_all(ha->options.user);
    }
    if (ha->waiting.first && (e != 0 || !loop_timer_active(ha->timer))) {
        ha->idles = e == 0;
        loop_timer_start(ha->timer, ha->idles ? IDLE_MS : TURN_MS, 0);
    }
}

static void on_timer(void *user)
{
    home_assistant_tick(user);
}

void home_assistant_tick(struct home_assistant *ha)
{
    if (ha && !ha->stopped && mqtt_is_up(ha->outlet.mqtt)) {
        turn(ha);
    }
}

/* ---- interface ---- */

/* Fit to stand in a JSON string as it is, and what Home Assistant takes for a URL? */
static bool url_fits(const char *url)
{
    if (strlen(url) >= HA_URL_SIZE || (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)) {
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
    ha->outlet = (struct outlet){.mqtt = mqtt, .who = "home assistant", .what = "is announced"};
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
    for (struct names_entry *e = names_next(&ha->records, NULL); e; e = names_next(&ha->records, e)) {
        ha_components_finish(&((struct record *)e)->announced);
    }
    names_finish(&ha->records);
    buf_finish(&ha->text);
    free(ha);
}

struct home_assistant_stats home_assistant_stats(const struct home_assistant *ha)
{
    struct home_assistant_stats stats = ha->stats;
    stats.left_out = ha->outlet.left_out;
    stats.waiting = ha->waiting.count;
    return stats;
}
