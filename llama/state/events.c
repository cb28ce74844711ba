#include "events.h"

#include <stdlib.h>

struct events {
    uint64_t last_id;
    size_t cap;         /* of `ring`: grows up to EVENTS_MAX */
    struct event *ring; /* event `id` is at (id - 1) % EVENTS_MAX */
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

/* Most clusters see few events: room is made as they come. */
static bool make_room(struct events *events)
{
    if (events->last_id < events->cap || events->cap == EVENTS_MAX) {
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
    struct event *slot = &events->ring[events->last_id % EVENTS_MAX];
    *slot = *event;
    slot->id = ++events->last_id;
    return slot->id;
}

const struct event *events_older(const struct events *events, const struct event *than)
{
    uint64_t id = than ? than->id - 1 : events->last_id;
    uint64_t oldest = events->last_id > EVENTS_MAX ? events->last_id - EVENTS_MAX + 1 : 1;
    return id >= oldest && id > 0 ? &events->ring[(id - 1) % EVENTS_MAX] : NULL;
}

uint64_t events_last_id(const struct events *events)
{
    return events->last_id;
}
