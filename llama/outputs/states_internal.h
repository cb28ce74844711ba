/*
 * states_internal: what the files of states share.
 *
 *   states.c          turns, connections, orphans
 *   states_changes.c  who is to be published
 *   states_publish.c  the messages
 */
#ifndef STATES_INTERNAL_H
#define STATES_INTERNAL_H

#include "names.h"
#include "node_state.h"
#include "outlet.h"
#include "states.h"

/* In this order: availability is cleared last, since it is what orphans are known by. */
enum part { PART_STATE, PART_OBSERVATION, PART_AVAILABILITY };
#define PARTS 3

struct record {
    struct names_entry entry; /* first */
    uint64_t sent[PARTS];     /* hash of what the broker has; 0 = nothing, or not known */
    int64_t rest_until_ms;    /* monotonic; it is in the list `resting` until then */
    bool dirty;               /* to be looked at */
    bool gone;                /* nobody knows it any more: to be cleared */
    bool orphan;              /* all that is known of it is what the broker had at the start */
};

struct states {
    const struct cache *cache;
    struct outlet outlet;
    struct states_watch watch;
    struct loop_timer *timer;
    char broker[256], version[32];
    struct names names;
    struct names_list ready;   /* to be looked at */
    struct names_list resting; /* published less than STATES_PAUSE_MS ago */
    uint64_t seen;             /* revision of the cache */
    uint64_t connection;       /* which one this is */
    int64_t walked_ms, orphans_ms, settled_ms;
    int64_t status_ms; /* when it was said last */
    bool status_sent, stopped, orphans_done;
    uint64_t cluster_sent, cluster_seen; /* hash; revision of the cache's stats */
    int64_t cluster_ms;
    struct buf text;
    uint64_t cleared;
};

/* The node that the record is of; NULL if nobody knows it. */
const struct node *states_node_of(const struct states *states, const struct record *record);

/* ---- states_changes.c ---- */
void states_mark(struct states *states, struct record *record);
void states_mark_gone(struct states *states, struct record *record);
/* Every node, and every record whose node is gone. */
void states_mark_all(struct states *states);
/* What changed in the cache since the last time. */
void states_walk(struct states *states, int64_t now_ms);

/* ---- states_publish.c; 0, or a negative errno: later ---- */
int states_publish_status(struct states *states, int64_t now_ms);
/* The first of `ready`; it stays there when it has to wait. */
int states_publish_next(struct states *states, int64_t now_ms);
/* Is there something new to be said of the cluster? */
bool states_cluster_moved(const struct states *states);
int states_publish_cluster(struct states *states, int64_t now_ms);

#endif
