#include "journal.h"

#include "log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NODES_EVERY_MS 1000
#define MINUTE_MS      60000
#define LIST_SIZE      1024 /* of the names in one line */

/* --- events --- */

static void write_event(const struct event *event)
{
    char node[LOG_TEXT];
    char reason[REASON_MAX + 64];
    bool whole_cluster = event->node[0] == '\0';
    log_escape(node, sizeof node, event->node, strlen(event->node));
    log_escape(reason, sizeof reason, event->reason, strlen(event->reason));
    const char *cause = cause_name(event->cause);
    log_write(event->to == STATE_ONLINE ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "%s%s: %s → %s%s%s%s%s",
              whole_cluster ? "cluster" : "node ", whole_cluster ? "" : node, state_name(event->from),
              state_name(event->to), cause ? " (" : "", cause ? cause : "", cause ? "): " : ": ", reason);
}

static unsigned char *lines_of(struct journal *journal, const char *node)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (const char *c = node; *c; c++) {
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    }
    return &journal->lines[(hash ^ hash >> 16) % JOURNAL_SLOTS];
}

static void begin_minute(struct journal *journal, int64_t mono_ms)
{
    if (mono_ms - journal->minute_ms < MINUTE_MS) {
        return;
    }
    if (journal->left_out > 0) {
        log_warning("nodes: %" PRIu64 " further changes of state were not logged: some nodes change theirs "
                    "all the time",
                    journal->left_out);
    }
    journal->minute_ms = mono_ms;
    journal->left_out = 0;
    memset(journal->lines, 0, sizeof journal->lines);
}

static void write_events(struct journal *journal, const struct cache *cache)
{
    const struct events *events = cache_events(cache);
    const struct event *event = events_after(events, journal->event);
    if (event) { /* the oldest may have been pushed out of the ring already */
        journal->left_out += event->id - journal->event - 1;
    }
    for (; event; event = events_after(events, journal->event)) {
        unsigned char *lines = lines_of(journal, event->node);
        if (*lines < JOURNAL_LINES) {
            ++*lines;
            write_event(event);
        } else {
            journal->left_out++;
        }
        journal->event = event->id;
    }
}

/* --- who comes and goes --- */

/* Names for one line; what does not fit is counted. */
struct list {
    char text[LIST_SIZE];
    size_t len;
    size_t count, left_out;
};

static void list_add(struct list *list, const char *name, const char *how)
{
    char escaped[LOG_TEXT];
    log_escape(escaped, sizeof escaped, name, strlen(name));
    size_t room = sizeof list->text - list->len;
    int len = snprintf(list->text + list->len, room, "%s%s%s%s%s", list->count ? ", " : "", escaped,
                       how ? " (" : "", how ? how : "", how ? ")" : "");
    list->count++;
    if (len < 0 || (size_t)len >= room) {
        list->text[list->len] = '\0';
        list->left_out++;
    } else {
        list->len += (size_t)len;
    }
}

static void list_write(const struct list *list, const char *what)
{
    char more[48] = "";
    if (list->left_out > 0) {
        snprintf(more, sizeof more, " and %zu more", list->left_out);
    }
    if (list->count > 0) {
        log_info("nodes: %s: %s%s", what, list->text, more);
    }
}

static const char *found_by(unsigned found)
{
    return found & FOUND_MANUAL   ? "configured"
           : found & FOUND_MQTT   ? "by its agent"
           : found & FOUND_EDGE   ? "edge"
           : found & FOUND_MASTER ? "by its master"
           : found & FOUND_MDNS   ? "by mDNS"
                                  : NULL;
}

static void write_new(struct journal *journal, const struct cache *cache, int64_t mono_ms)
{
    struct list list = {.len = 0};
    for (const struct node *node = cache_first_node(cache); node; node = node->next) {
        int64_t added_ms = node->evidence.added_ms;
        if (added_ms >= journal->nodes_ms && added_ms < mono_ms) { /* who comes in this millisecond is next */
            list_add(&list, node->name, found_by(node->found));
        }
    }
    list_write(&list, "new");
}

static void write_gone(struct journal *journal, const struct cache *cache)
{
    struct list list = {.len = 0};
    const struct tombstone *newest = cache_newest_tombstone(cache);
    for (const struct tombstone *t = newest; t && t->revision > journal->revision;
         t = cache_older_tombstone(cache, t)) {
        if (t->is_node) {
            list_add(&list, t->node, NULL);
        }
    }
    if (newest) {
        journal->revision = newest->revision;
    }
    list_write(&list, "forgotten");
}

/* --- interface --- */

void journal_write(struct journal *journal, const struct cache *cache, struct now now)
{
    begin_minute(journal, now.mono_ms);
    if (now.mono_ms - journal->nodes_ms >= NODES_EVERY_MS) {
        write_gone(journal, cache);
        write_new(journal, cache, now.mono_ms);
        journal->nodes_ms = now.mono_ms;
    }
    write_events(journal, cache);
}
