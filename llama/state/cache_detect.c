/*
 * What is wrong with a node that is alive: the detectors, fed with what comes in, and what concerns all.
 */
#include "cache_internal.h"
#include "timestamp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PASS_MS       1000 /* between two looks at all clocks */
#define CLOCK_STEP_MS 5000 /* our own clock was set: what was measured with it before says nothing */
#define FROZEN_NAMED  3    /* sources named in the sentence */
#define DETAIL_SIZE   232

/* ---- frozen sensors ---- */

static uint32_t readings_interval(const struct entry *entry)
{
    return entry->node.evidence.snapshots[REPORT_READINGS].interval_s;
}

static void append(char text[DETAIL_SIZE], const char *more)
{
    size_t len = strlen(text);
    snprintf(text + len, DETAIL_SIZE - len, "%s", more);
}

/* "dht11:humidity, gpio:17 and 2 more, since 2026-01-02T03:04:05Z". How many stand still. */
static size_t describe_frozen(const struct entry *entry, struct now now, char text[DETAIL_SIZE])
{
    size_t count = 0;
    int64_t oldest_ms = now.mono_ms;
    text[0] = '\0';
    for (const struct item *item = entry->node.items[ITEM_READING]; item; item = item->next) {
        if (item->at_ms == TIMESTAMP_NONE ||
            !frozen_is(&entry->detected.stream, item->moved_ms, readings_interval(entry))) {
            continue;
        }
        char id[40];
        if (count < FROZEN_NAMED) {
            append(text, count > 0 ? ", " : "");
            append(text, utf8_escape(id, sizeof id, item->id, item->id_len));
        }
        oldest_ms = item->moved_ms < oldest_ms ? item->moved_ms : oldest_ms;
        count++;
    }
    if (count > 0) {
        char more[64] = "", time[TIMESTAMP_SIZE];
        if (count > FROZEN_NAMED) {
            snprintf(more, sizeof more, " and %zu more", count - FROZEN_NAMED);
        }
        timestamp_format(clock_wall_of(now, oldest_ms), time);
        size_t len = strlen(text);
        snprintf(text + len, DETAIL_SIZE - len, "%s, since %.19sZ", more, time);
    }
    return count;
}

static void set_frozen(struct entry *entry, bool frozen, const char *detail)
{
    struct evidence *e = &entry->node.evidence;
    if (cache_set_text(&entry->detected.frozen_detail, detail)) {
        e->frozen_detail = entry->detected.frozen_detail;
    }
    e->frozen = frozen;
}

void detect_readings(struct entry *entry, int64_t captured_mono_ms, struct now now)
{
    char text[DETAIL_SIZE];
    frozen_note(&entry->detected.stream, captured_mono_ms, readings_interval(entry));
    size_t count = describe_frozen(entry, now, text);
    set_frozen(entry, count > 0, text);
}

/* ---- clocks ---- */

#define OUR_TIME_FROM_MS 5000 /* less is what a message takes, and moves no item past another's */

int64_t cache_our_time(const struct node *node, int64_t at_ms)
{
    bool wrong = node->has_clock_skew && llabs(node->clock_skew_ms) >= OUR_TIME_FROM_MS;
    return wrong && at_ms != TIMESTAMP_NONE ? at_ms - node->clock_skew_ms : at_ms;
}

static void show_skew(struct entry *entry)
{
    struct node *node = &entry->node;
    int64_t skew_ms = skew_best(&entry->detected.skew);
    node->has_clock_skew = true;
    node->clock_skew_ms = skew_ms;
    if (llabs(skew_ms - node->evidence.clock_skew_ms) > SKEW_STEADY_MS) {
        node->evidence.clock_skew_ms = skew_ms; /* else the sentence stays as it is */
    }
}

void detect_heartbeat(struct entry *entry, const struct heartbeat *heartbeat, int64_t age_s, struct now now)
{
    int64_t sent_ms = now.wall_ms - (age_s > 0 ? age_s * 1000 : 0);
    entry->detected.raw_skew_ms = heartbeat->at_ms - sent_ms;
    skew_add(&entry->detected.skew, entry->detected.raw_skew_ms, now.mono_ms,
             (int64_t)heartbeat->interval_s * 1000);
    show_skew(entry);
    if (!skew_judge(&entry->detected.skew)) {
        entry->node.evidence.clock_skewed = false; /* to find it wrong takes a look at the others' */
    }
    duplicate_current(&entry->detected.duplicate, now.mono_ms);
    entry->detected.session_heard_ms = now.mono_ms;
}

void cache_poll_clock(struct cache *cache, struct node *node, int64_t skew_ms, struct now now)
{
    struct entry *entry = entry_of(node);
    if (!verdict_fresh_on_mqtt(&node->evidence, &cache->link, now)) {
        entry->detected.raw_skew_ms = skew_ms;
        skew_set(&entry->detected.skew, skew_ms, now.mono_ms);
        show_skew(entry);
    }
}

static void set_skewed(struct cache *cache, struct entry *entry, bool skewed, struct now now)
{
    struct evidence *e = &entry->node.evidence;
    if (e->clock_skewed != skewed) {
        e->clock_skewed = skewed;
        cache_judge(cache, entry, now, true);
    }
}

static bool is_alive(const struct node *node)
{
    return node->verdict.state == STATE_ONLINE || node->verdict.state == STATE_DEGRADED;
}

/* Will its next heartbeat tell its clock, and soon? */
static bool is_awaited(const struct cache *cache, const struct entry *entry, struct now now)
{
    const struct node *node = &entry->node;
    return entry->detected.skew.count == 0 && node->evidence.agent.ever && cache->link.up &&
           (node->verdict.state == STATE_UNKNOWN ||
            verdict_fresh_on_mqtt(&node->evidence, &cache->link, now));
}

/* Counts the node's clock; those that are off are collected. */
static void survey_clock(struct cache *cache, struct entry *entry, struct now now)
{
    struct clocks *clocks = &cache->clocks;
    if (entry->detected.skew.count == 0) {
        clocks->awaited += is_awaited(cache, entry, now);
        return;
    }
    bool wrong = skew_judge(&entry->detected.skew);
    if (!is_alive(&entry->node)) {
        return;
    }
    int64_t skew_ms = skew_best(&entry->detected.skew);
    clocks->known++;
    if (!wrong && llabs(skew_ms) <= SKEW_RIGHT_MS) {
        return;
    }
    if (clocks->off == clocks->cap) {
        size_t cap = clocks->cap ? 2 * clocks->cap : 16;
        int64_t *skews = realloc(clocks->skews, cap * sizeof *skews);
        if (!skews) {
            return; /* taken for right until there is memory */
        }
        clocks->skews = skews;
        clocks->cap = cap;
    }
    clocks->skews[clocks->off++] = skew_ms;
}

static void tell_own_clock(struct cache *cache, size_t known, struct now now)
{
    const struct own_clock *own = &cache->own_clock;
    char amount[TIMESTAMP_SIZE];
    timestamp_format_age(llabs(own->skew_ms), amount);
    struct event event = {
        .at_wall_ms = now.wall_ms, .from = STATE_ONLINE, .to = STATE_DEGRADED, .cause = CAUSE_OWN_CLOCK};
    snprintf(
        event.reason, sizeof event.reason,
        "the clock of the machine that llamad runs on is wrong: %zu of %zu nodes' clocks are %s %s of it",
        own->nodes, known, amount, own->skew_ms > 0 ? "ahead" : "behind");
    cache->own_clock_wall_ms = now.wall_ms;
    memcpy(cache->own_clock_reason, event.reason, sizeof event.reason);
    if (telling_may(&cache->own_clock_telling, true, now.mono_ms, now.wall_ms)) {
        telling_append(&cache->own_clock_telling, event.reason, sizeof event.reason);
        event.revision = ++cache->revision;
        events_add(cache->events, &event);
    }
}

void detect_decide(struct cache *cache, struct now now)
{
    const struct clocks clocks = cache->clocks;
    bool before = cache->own_clock.wrong;
    bool own = own_clock_judge(&cache->own_clock, clocks.skews, clocks.off, clocks.known);
    if (own && !before) {
        tell_own_clock(cache, clocks.known, now);
    }
    bool wait = own_clock_possible(clocks.off, clocks.known, clocks.awaited);
    for (size_t i = 0; (clocks.off > 0 || before || cache->skewed) && i < cache->node_count; i++) {
        struct entry *entry = cache->by_name[i];
        bool skewed = entry->node.evidence.clock_skewed;
        if (own) {
            skewed = false;
        } else if (entry->detected.skew.count > 0) { /* else what was found last holds */
            skewed = entry->detected.skew.wrong && (skewed || !wait);
        }
        set_skewed(cache, entry, skewed, now);
    }
    cache->skewed = clocks.off > 0;
}

/* Set by hand or by NTP, or the machine slept. */
static bool was_clock_set(struct cache *cache, struct now now)
{
    int64_t distance_ms = now.wall_ms - now.mono_ms;
    bool set = cache->has_clock_distance && llabs(distance_ms - cache->clock_distance_ms) > CLOCK_STEP_MS;
    cache->clock_distance_ms = distance_ms;
    cache->has_clock_distance = true;
    return set;
}

/* ---- two agents under one name ---- */

static void append_session(char text[DETAIL_SIZE], const char *lead, const char *session, const char *url)
{
    char safe[64];
    size_t len = strlen(text);
    snprintf(text + len, DETAIL_SIZE - len, "%s%s (%s)", lead, session,
             url && url[0] ? utf8_escape(safe, sizeof safe, url, strlen(url)) : "no URL");
}

/* "sessions 1a2b (http://10.0.0.1:8080) and 3c4d (no URL)" */
static void describe_duplicate(struct entry *entry, const struct session_memory *other)
{
    char text[DETAIL_SIZE] = "";
    append_session(text, "sessions ", entry->node.heartbeat.session, entry->announced_url);
    append_session(text, " and ", other->session, other->url);
    if (cache_set_text(&entry->detected.duplicate_detail, text)) {
        entry->node.evidence.duplicate_detail = entry->detected.duplicate_detail;
    }
}

bool detect_other_session(struct entry *entry, const struct heartbeat *heartbeat, struct now now)
{
    struct session_memory *other = session_find(entry, heartbeat->session);
    if (!other || heartbeat->seq <= other->seq) {
        return false; /* one that was on its way for long */
    }
    duplicate_other(&entry->detected.duplicate, other->heard_ms, now.mono_ms);
    other->seq = heartbeat->seq;
    other->heard_ms = now.mono_ms;
    cache_set_text(&other->url, heartbeat->url); /* without memory the one before is as good */
    struct evidence *e = &entry->node.evidence;
    e->agent.duplicate = entry->detected.duplicate.stands;
    if (entry->detected.duplicate.stands) {
        describe_duplicate(entry, other);
    }
    return entry->detected.duplicate.stands;
}

/* ---- all of it ---- */

void detect_new_session(struct entry *entry)
{
    entry->detected.skew.count = 0;                /* the machine may have started anew */
    entry->detected.duplicate.other_spoke = false; /* and if it is the other one, that one goes on alone */
}

void detect_forget(struct entry *entry)
{
    struct node *node = &entry->node;
    entry->detected.skew = (struct skew){0};
    entry->detected.stream = (struct frozen_stream){0};
    entry->detected.duplicate = (struct duplicate){0};
    node->has_clock_skew = false;
    node->evidence.clock_skewed = node->evidence.agent.duplicate = false;
    node->evidence.clock_skew_ms = 0;
    set_frozen(entry, false, "");
}

void detect_finish(struct entry *entry)
{
    free(entry->detected.frozen_detail);
    free(entry->detected.duplicate_detail);
}

void detect_swap(struct entry *a, struct entry *b)
{
    struct detected detected = a->detected;
    a->detected = b->detected;
    b->detected = detected;
    struct evidence *x = &a->node.evidence;
    const struct evidence *y = &b->node.evidence;
    x->frozen = y->frozen;
    x->clock_skewed = y->clock_skewed;
    x->clock_skew_ms = y->clock_skew_ms;
    x->frozen_detail = a->detected.frozen_detail;
    x->duplicate_detail = a->detected.duplicate_detail;
}

static void end_what_is_over(struct cache *cache, struct entry *entry, struct now now)
{
    struct evidence *e = &entry->node.evidence;
    bool over = false;
    if (e->frozen && frozen_ended(&entry->detected.stream, now.mono_ms, readings_interval(entry))) {
        set_frozen(entry, false, "");
        over = true;
    }
    if (duplicate_ends(&entry->detected.duplicate, now.mono_ms)) {
        e->agent.duplicate = false;
        over = true;
    }
    if (over) {
        cache_touch(cache, entry);
        cache_judge(cache, entry, now, true);
    }
}

bool detect_due(struct cache *cache, struct now now)
{
    if (now.mono_ms - cache->detected_ms < PASS_MS) {
        return false;
    }
    cache->detected_ms = now.mono_ms;
    cache->clocks.known = cache->clocks.off = cache->clocks.awaited = 0;
    cache->clock_set = was_clock_set(cache, now);
    return true;
}

void detect_look(struct cache *cache, struct entry *entry, struct now now)
{
    if (cache->clock_set) {
        entry->detected.skew = (struct skew){0};
    }
    if (entry->node.evidence.frozen || entry->detected.duplicate.stands) {
        end_what_is_over(cache, entry, now);
    }
    survey_clock(cache, entry, now);
}
