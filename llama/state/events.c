#include "events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct events {
    uint64_t last_id;
    uint64_t skipped;     /* ids before the first one held; those are of earlier runs */
    uint64_t restored_id; /* the last one of earlier runs; 0 = none */
    size_t cap;           /* of `ring`: grows up to EVENTS_MAX */
    struct event *ring;   /* event `id` is at slot_of(id) */
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

static size_t slot_of(const struct events *events, uint64_t id)
{
    return (size_t)((id - events->skipped - 1) % EVENTS_MAX);
}

/* Most clusters see few events: room is made as they come. */
static bool make_room(struct events *events)
{
    if (events->last_id - events->skipped < events->cap || events->cap == EVENTS_MAX) {
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

uint64_t events_add(struct events *events, const struct event *event)
{
    if (!make_room(events)) {
        return 0;
    }
    uint64_t id = ++events->last_id;
    struct event *slot = &events->ring[slot_of(events, id)];
    *slot = *event;
    slot->id = id;
    return id;
}

int events_restore(struct events *events, const struct event *event)
{
    bool first = events->last_id == 0;
    if (event->id == 0 || event->id == UINT64_MAX || events->last_id != events->restored_id ||
        (!first && event->id != events->last_id + 1)) {
        return -EINVAL;
    }
    if (first) {
        events->last_id = events->skipped = event->id - 1;
    }
    if (events_add(events, event) == 0) {
        if (first) {
            events->last_id = events->skipped = 0;
        }
        return -ENOMEM;
    }
    events->restored_id = event->id;
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
    uint64_t id = than ? than->id - 1 : events->last_id;
    uint64_t held = events->last_id - events->skipped;
    uint64_t before = held > EVENTS_MAX ? events->last_id - EVENTS_MAX : events->skipped;
    return id > before ? &events->ring[slot_of(events, id)] : NULL;
}

uint64_t events_last_id(const struct events *events)
{
    return events->last_id;
}
