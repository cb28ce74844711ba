#include "announce.h"

#include "api.h"
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct announce {
    const struct cache *cache;
    struct mqtt *mqtt;
    uint64_t event;      /* the last one that was told on this connection, or before */
    uint64_t known;      /* the last one that the broker has, as far as it said */
    uint64_t connection; /* which one this is */
    struct buf text;
    struct announce_stats stats;
    struct log_limit limit;
};

struct announce *announce_create(const struct cache *cache, struct mqtt *mqtt)
{
    struct announce *announce = calloc(1, sizeof *announce);
    if (announce) {
        announce->cache = cache;
        announce->mqtt = mqtt;
        announce->event = announce->known = events_last_id(cache_events(cache));
    }
    return announce;
}

void announce_destroy(struct announce *announce)
{
    if (announce) {
        buf_finish(&announce->text);
        free(announce);
    }
}

static void leave_out(struct announce *announce, uint64_t count, const char *why)
{
    uint64_t before;
    announce->stats.left_out += count;
    if (count > 0 && log_limit_pass(&announce->limit, clock_now().mono_ms, &before)) {
        log_warning("announce: %" PRIu64 " events in all were not published: %s", announce->stats.left_out,
                    why);
    }
}

/* 0, or why it has to wait. */
static int publish(struct announce *announce, const struct event *event)
{
    struct buf *text = &announce->text;
    buf_reset(text);
    api_write_event(text, event);
    if (text->failed) {
        return -ENOMEM;
    }
    int e = mqtt_publish(announce->mqtt, ANNOUNCE_EVENTS, text->data, text->len, 1, false, 0);
    switch (e) {
    case 0:
        announce->stats.events++;
        return 0;
    case -ENOTCONN:
    case -ENOBUFS:
    case -ENOMEM:
        return e;
    default: /* it will never go: the others need not wait for it */
        leave_out(announce, 1, strerror(-e));
        return 0;
    }
}

/* What the broker did not acknowledge before the connection broke is told again. */
static void note_acknowledged(struct announce *announce)
{
    uint64_t connection = mqtt_stats(announce->mqtt)->connects;
    if (announce->connection != connection) {
        announce->connection = connection;
        announce->event = announce->known;
    } else if (announce->known != announce->event && !mqtt_is_under_way(announce->mqtt, ANNOUNCE_EVENTS)) {
        announce->known = announce->event;
    }
}

void announce_changed(struct announce *announce)
{
    if (!announce || !mqtt_is_up(announce->mqtt)) {
        return;
    }
    note_acknowledged(announce);
    const struct events *events = cache_events(announce->cache);
    const struct event *event = events_after(events, announce->event);
    if (event) {
        leave_out(announce, event->id - announce->event - 1, "more than are kept came without a connection");
        announce->event = event->id - 1;
    }
    while (event && publish(announce, event) == 0) {
        announce->event = event->id;
        event = events_after(events, event->id);
    }
}

struct announce_stats announce_stats(const struct announce *announce)
{
    return announce->stats;
}
