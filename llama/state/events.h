/*
 * events: every change of a node's state or cause, once, numbered. A bounded ring; pure.
 *
 * Moves into and out of broker_down and starting are no events: an outage of the broker is one, of nobody.
 * Nor is it one that a node is gone which was so before llamad started.
 *
 * Those of earlier runs may be put back at the start: ids then go on from theirs. An id is never given
 * twice; where one is missing, its event was lost with a damaged file.
 */
#ifndef EVENTS_H
#define EVENTS_H

#include "verdict.h"

#define EVENTS_MAX 1000 /* kept; the oldest are dropped */
#define REASON_MAX 240  /* bytes of a reason, NUL included */
/* Of what is put back: far below what JSON numbers hold exactly, so that those to come are exact too. */
#define EVENT_ID_MAX (UINT64_C(1) << 52)

struct event {
    uint64_t id;       /* from 1, each one more than the last */
    uint64_t revision; /* of the cache when it was added */
    int64_t at_wall_ms;
    char node[NODE_NAME_MAX + 1]; /* "" = the whole cluster (broker) */
    enum state from, to;
    enum cause cause;
    char reason[REASON_MAX];
};

struct events;
struct events *events_create(void); /* NULL without memory */
void events_destroy(struct events *events);
/* Copies; id is given here and returned. 0 when memory ran out. */
uint64_t events_add(struct events *events, const struct event *event);
/* Puts one of an earlier run back, oldest first, before any is added: id and at_wall_ms are its own. 0,
 * -EINVAL when its id is not above the last one's, -ENOMEM. */
int events_restore(struct events *events, const struct event *event);
/* Ids up to `id` were given in earlier runs, whether their events are still there or not. 0, or -EINVAL: not
 * below the last one, and before any is added. */
int events_skip(struct events *events, uint64_t id);
/* The node's last event, if that was put back; NULL else. Borrowed until the next events_add. */
const struct event *events_restored_of(const struct events *events, const char *node);
/* Newest first: NULL begins; NULL ends. Borrowed until the next events_add. */
const struct event *events_older(const struct events *events, const struct event *than);
/* The other way: the oldest one held with an id above `id`; NULL: none. Borrowed likewise. */
const struct event *events_after(const struct events *events, uint64_t id);
uint64_t events_last_id(const struct events *events); /* 0 = none yet */

#endif
