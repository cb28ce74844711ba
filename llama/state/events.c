#include "events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct events {
    uint64_t last_id;
    uint64_t restored_id; /* the last one of earlier runs; 0 = none */
    uint64_t taken;       /* how many were put in so far */
    size_t cap;           /* of `ring`: grows up to EVENTS_MAX */
    struct event *ring;   /* the nth one, from 0, is at n % EVENTS_MAX */
};

struct events *events_create(void)
{
    return calloc(1, sizeof(struct events));
}

void events_destroy(struct events *events)
{
    if (events) {
        free(events->ring);
        free(events);
    }
}

static const struct event *nth(const struct events *events, uint64_t n)
{
    return &events->ring[n % EVENTS_MAX];
}

/* The oldest one that is still held. */
static uint64_t first_held(const struct events *events)
{
    return events->taken > EVENTS_MAX ? events->taken - EVENTS_MAX : 0;
}

/* Most clusters see few events: room is made as they come. */
static bool make_room(struct events *events)
{
    if (events->taken < events->cap || events->cap == EVENTS_MAX) {
        return true;
    }
    size_t cap = events->cap ? 2 * events->cap : 16;
    if (cap > EVENTS_MAX) {
        cap = EVENTS_MAX;
    }
    struct event *ring = realloc(events->ring, cap * sizeof *ring);
    if (!ring) {
        return false;
    }
    events->ring = ring;
    events->cap = cap;
    return true;
}

static int put(struct events *events, const struct event *event, uint64_t id)
{
    if (!make_room(events)) {
        return -ENOMEM;
    }
    struct event *slot = &events->ring[events->taken++ % EVENTS_MAX];
    *slot = *event;
    slot->id = events->last_id = id;
    return 0;
}

uint64_t events_add(struct events *events, const struct event *event)
{
    return put(events, event, events->last_id + 1) == 0 ? events->last_id : 0;
}

int events_restore(struct events *events, const struct event *event)
{
    if (event->id <= events->last_id || event->id > EVENT_ID_MAX || events->last_id != events->restored_id) {
        return -EINVAL;
    }
    int e = put(events, event, event->id);
    events->restored_id = events->last_id;
    return e;
}

int events_skip(struct events *events, uint64_t id)
{
    if (id < events->last_id || id > EVENT_ID_MAX || events->last_id != events->restored_id) {
        return -EINVAL;
    }
    events->last_id = events->restored_id = id;
    return 0;
}

const struct event *events_restored_of(const struct events *events, const char *node)
{
    for (const struct event *event = events_older(events, NULL); event; event = events_older(events, event)) {
        if (strcmp(event->node, node) == 0) {
            return event->id <= events->restored_id ? event : NULL;
        }
    }
    return NULL;
}

const struct event *events_older(const struct events *events, const struct event *than)
{
    uint64_t held = events->taken - first_held(events);
    if (!than) {
        return held > 0 ? nth(events, events->taken - 1) : NULL;
    }
    uint64_t newest = (events->taken - 1) % EVENTS_MAX, slot = (uint64_t)(than - events->ring);
    uint64_t behind = (newest + EVENTS_MAX - slot) % EVENTS_MAX; /* the newest one */
    return behind + 1 < held ? nth(events, events->taken - 2 - behind) : NULL;
}

const struct event *events_after(const struct events *events, uint64_t id)
{
    uint64_t low = first_held(events), high = events->taken;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (nth(events, middle)->id > id) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low < events->taken ? nth(events, low) : NULL;
}

uint64_t events_last_id(const struct events *events)
{
    return events->last_id;
}
