/*
 * cache_world: a cache with a clock that only the test moves, and short ways to say what agents and nodes
 * say.
 */
#ifndef CACHE_WORLD_H
#define CACHE_WORLD_H

#include "cache.h"
#include "timestamp.h"

struct world {
    struct cache *cache;
    struct now now;
    struct fault fault; /* of the last call */
};

#define AGENT_INTERVAL_S 10
#define START_WALL_MS    INT64_C(1795420800000) /* 2026-11-23T08:00:00Z */

void world_open(struct world *w);      /* broker not connected */
void world_open_live(struct world *w); /* broker connected, and an hour ago */
void world_close(struct world *w);
/* Moves the clock, with a tick each second. */
void world_wait(struct world *w, int64_t ms);
struct node *world_node(struct world *w, const char *name); /* finds or adds; never NULL */

/* A heartbeat without snapshots. Tests change `world_heartbeat` for the rest. */
struct heartbeat heartbeat_of(const struct world *w, const char *name, const char *session, uint64_t seq);
int world_heartbeat(struct world *w, const struct heartbeat *heartbeat, bool replayed, int64_t age_s);
int world_beat(struct world *w, const char *name, const char *session, uint64_t seq); /* live */
int world_retained_beat(struct world *w, const char *name, const char *session, uint64_t seq, int64_t age_s);
void world_status(struct world *w, const char *name, const char *session, const char *what, bool replayed);
/* `body` is JSON text; captured now, offset 0. */
int world_report(struct world *w, const char *name, enum report_kind kind, const char *session, uint64_t seq,
                 const char *body);
/* Of readings; `items` are JSON objects with commas between. */
int world_readings(struct world *w, const char *name, const char *session, uint64_t seq, const char *items);
int world_retained_report(struct world *w, const char *name, enum report_kind kind, const char *session,
                          uint64_t seq, const char *body);
int world_edge(struct world *w, const char *name, const char *body);
void world_poll(struct world *w, const char *name, enum probe_outcome outcome, const char *error,
                const char *node_name);
int world_poll_body(struct world *w, const char *name, enum report_kind kind, const char *body);

const struct item *world_item(struct world *w, const char *node, enum item_kind kind, const char *id);
#define assert_item(w, node, kind, id, expected)                      \
    do {                                                              \
        const struct item *item_ = world_item(w, node, kind, id);     \
        assert_non_null(item_);                                       \
        assert_int_equal(item_->json_len, strlen(expected));          \
        assert_memory_equal(item_->json, expected, strlen(expected)); \
    } while (0)
#define assert_state(w, name, state_, cause_)                                 \
    do {                                                                      \
        const struct node *node_ = cache_get((w)->cache, name, strlen(name)); \
        assert_non_null(node_);                                               \
        const char *got_ = cause_name(node_->verdict.cause);                  \
        assert_string_equal(state_name(node_->verdict.state), state_);        \
        assert_string_equal(got_ ? got_ : "", cause_);                        \
    } while (0)
size_t world_events(const struct world *w); /* how many so far */

#endif
