/*
 * cache: everything llamad knows. Nodes, and per node its evidence, readings, observations, memories and stats.
 *
 * Invariants
 * - Each item keeps the node's own JSON bytes, checked, beside the few parsed fields that filters and sorting need.
 * - Each change takes the next revision. Per kind, items hang in a list ordered by revision, so "what is newer than r" is a
 *   walk from the head to the first older one, whatever the size of the cache.
 * - What was removed leaves a tombstone (bounded): who is older than the oldest one needs a snapshot.
 * - No I/O, no clock: time comes in. Peers' input is limited here and by the decoders before; each rejection is counted.
 * Readers use the structs below as read-only and borrow pointers only until the next mutation.
 */
#ifndef CACHE_H
#define CACHE_H

#include "events.h"
#include "json.h"
#include "report.h"
#include "verdict.h"

/* Named limits; shown in /api/health. */
#define LIMIT_NODES 10000
#define LIMIT_READINGS 2000      /* a node */
#define LIMIT_OBSERVATIONS 1000  /* a node */
#define LIMIT_MEMORIES 1000      /* a node */
#define LIMIT_FULL_ID 256        /* bytes of a full_id, decoded */
#define LIMIT_ITEM 65536         /* bytes of one item */
#define LIMIT_STATS 16384        /* bytes of a stats body */
#define LIMIT_REEXPORTED 64      /* nodes that one master may speak for */
#define LIMIT_TOMBSTONES 16384

struct cache;
struct node;

enum item_kind { ITEM_READING, ITEM_OBSERVATION, ITEM_MEMORY };
#define ITEM_KINDS 3

struct item {
    /* lists; owner: cache.c */
    struct item *newer, *older;     /* cache-wide per kind, by revision */
    struct item *next;              /* the node's items of this kind, in the order of its last body */
    struct node *node;
    uint64_t revision;
    int64_t at_ms;                  /* Unix ms UTC of the item's own timestamp; TIMESTAMP_NONE */
    double number;                  /* readings: value; memories: times_confirmed; NAN if not a number */
    uint32_t hash, mark;            /* of the id; owner: cache.c */
    enum item_kind kind;
    uint16_t id_len;                /* readings: full_id decoded (may hold U+0000); others: the raw JSON id */
    uint16_t type_len;              /* readings: length of source_type within the id (up to the first `:`) */
    uint32_t json_len, json_cap;
    char *json;                     /* the node's own object, `{…}`; owned */
    char id[];
};
struct json_slice item_json(const struct item *item);

enum origin { ORIGIN_NONE, ORIGIN_MASTER, ORIGIN_EDGE, ORIGIN_POLL, ORIGIN_AGENT }; /* a lower one never overrides a higher */
const char *origin_name(enum origin origin);

/* discovered_by, as bits */
#define FOUND_MANUAL 1u
#define FOUND_MQTT 2u
#define FOUND_EDGE 4u
#define FOUND_MASTER 8u
#define FOUND_MDNS 16u

struct snapshot { /* the standing body of one kind */
    enum origin origin;
    char session[SESSION_MAX + 1];
    uint64_t seq;
    int64_t captured_wall_ms;       /* TIMESTAMP_NONE = none yet */
    int64_t captured_mono_ms;       /* when it was confirmed last: report, or heartbeat saying so; 0 = never */
};

struct node {
    /* identity */
    char name[NODE_NAME_MAX + 1];
    char alias[NODE_NAME_MAX + 1];  /* a manual node's own node_name where it differs; "" */
    enum node_type type;
    unsigned found;                 /* FOUND_… */
    char url[URL_MAX + 1];          /* effective: manual, announced, mDNS; "" = none */
    char manual_url[URL_MAX + 1], announced_url[URL_MAX + 1];
    char master[NODE_NAME_MAX + 1]; /* who re-exports it; "" */
    /* content */
    struct item *items[ITEM_KINDS]; /* in the order of the last body */
    uint32_t item_count[ITEM_KINDS];
    struct snapshot snapshots[REPORT_KINDS];
    char *stats;                    /* body of /api/stats; NULL = never said; owned */
    size_t stats_len;
    int64_t said_readings, said_observations, said_memories; /* *_count of stats; -1 = never said */
    uint64_t stats_revision;
    /* what it says of itself */
    bool has_heartbeat;
    struct heartbeat heartbeat;     /* the last accepted */
    uint32_t latency_ms;            /* of the last poll, or what the agent measured; 0 = unknown */
    int32_t utc_offset_s;
    /* truth */
    struct evidence evidence;
    struct verdict verdict;         /* as of the last tick or change */
    char reason[REASON_MAX];
    int64_t since_wall_ms;          /* of this state and cause */
    int64_t last_seen_wall_ms;      /* TIMESTAMP_NONE = never */
    int64_t last_seen_mono_ms;
    uint64_t rejects[REJECT_REASONS];
    char last_reject[160];          /* detail of the last one, escaped; "" */
    uint64_t revision;              /* of anything shown in its node object, ages apart */
    /* owner: poller */
    int64_t next_poll_ms;           /* monotonic; 0 = not scheduled */
    bool poll_in_flight;
    /* lists; owner: cache.c */
    struct node *newer, *older;     /* by revision */
    struct node *next;              /* by name (byte order) */
    struct session_memory *sessions;/* superseded sessions */
};

struct tombstone {
    uint64_t revision;
    bool is_node;
    enum item_kind kind;
    char node[NODE_NAME_MAX + 1];
    char *id; size_t id_len;        /* as item.id */
};

/* ---- life ---- */
struct cache *cache_create(struct now now);
void cache_destroy(struct cache *cache);

/* ---- sources write ---- */
/* Finds by name, then by alias. NULL if unknown. */
struct node *cache_find(struct cache *cache, const char *name, size_t len);
/* Finds or adds. NULL: bad name or limit; counted, *ret_fault says so. */
struct node *cache_add(struct cache *cache, const char *name, size_t len, unsigned found, struct now now, struct fault *ret_fault);
/* A configured node. 0, -EINVAL, -ENOSPC. A later call for the same name replaces its URL. */
int cache_add_manual(struct cache *cache, const char *name, const char *url, struct now now);
/* The broker link of llamad. Opens and closes the incident (one event with node "" when down for 5 s: cache_tick adds it). */
void cache_link(struct cache *cache, bool up, struct now now);

/* A decoded heartbeat that came on <base>/<node>/health. `replayed` = retain flag. -ESTALE when of a superseded session, -EALREADY when
 * (session, seq) is known, -EBADMSG when it names another node (counted); 0 when taken. `url_allowed`: may the announced URL be polled as far as its text tells?
 * left_s: MQTT expiry left and `expiry` tell a replayed message's age: age_s, or -1 unknown. */
int cache_heartbeat(struct cache *cache, struct node *node, const struct heartbeat *heartbeat, bool replayed, int64_t age_s,
                    bool url_allowed, struct now now, struct fault *ret_fault);
void cache_status(struct cache *cache, struct node *node, const struct status *status, bool replayed, struct now now);
/* A decoded report on the node's topic: attributes, limits, replaces the node's snapshot of that kind. 0 also when single items were rejected (counted);
 * -EALREADY for a known (session, seq); -ESTALE, -EBADMSG. */
int cache_report(struct cache *cache, struct node *node, const struct report *report, bool replayed, int64_t age_s, struct now now,
                 struct fault *ret_fault);
/* An empty retained payload: that item of the node is deleted by somebody. */
void cache_cleared(struct cache *cache, struct node *node, enum topic_kind kind, struct now now);
/* An edge message rewritten by edge_decode. */
int cache_edge(struct cache *cache, struct node *node, struct json_slice body, int64_t at_wall_ms, struct now now, struct fault *ret_fault);

/* Polling. started/finished frame one poll; body hands in each usable answer as it arrives. */
void cache_poll_started(struct cache *cache, struct node *node, struct now now);
int cache_poll_body(struct cache *cache, struct node *node, enum report_kind kind, struct json_slice body, int64_t captured_wall_ms,
                    int32_t utc_offset_s, struct now now, struct fault *ret_fault);
struct probe_result {
    enum probe_outcome outcome;
    bool answered;             /* any HTTP answer: the host lives */
    const char *error;         /* word or NULL */
    uint32_t latency_ms;       /* of the first answer */
    const char *node_name;     /* what /api/stats said; NULL = not asked or no answer */
};
void cache_poll_finished(struct cache *cache, struct node *node, const struct probe_result *result, struct now now);
/* Should it be polled now (silent on MQTT, URL known and allowed)? */
bool cache_wants_poll(const struct cache *cache, const struct node *node, struct now now);

/* Counts a rejection, on the node too if given, and keeps the fault's detail there. */
void cache_reject(struct cache *cache, struct node *node, const struct fault *fault);
/* Removes the node and all it holds; 0, -EBUSY for a manual one. */
int cache_forget(struct cache *cache, struct node *node);
/* Recomputes every verdict; adds events for changes; forgets what was not heard for retain_for (issue of `cache_set_retain`). */
void cache_tick(struct cache *cache, struct now now);
/* The same for one node, at once (after evidence about it came in). Called by the functions above themselves. */

/* ---- outputs read ---- */
uint64_t cache_revision(const struct cache *cache);
const struct node *cache_first_node(const struct cache *cache); /* then ->next: by name */
size_t cache_node_count(const struct cache *cache);
const struct node *cache_get(const struct cache *cache, const char *name, size_t len); /* as cache_find */
const struct item *cache_find_item(const struct cache *cache, const struct node *node, enum item_kind kind, const char *id, size_t id_len);
/* Newest first; then ->older. Stop at the first whose revision is not above yours. */
const struct node *cache_newest_node(const struct cache *cache);
const struct item *cache_newest_item(const struct cache *cache, enum item_kind kind);
const struct tombstone *cache_newest_tombstone(const struct cache *cache);
const struct tombstone *cache_older_tombstone(const struct cache *cache, const struct tombstone *than);
/* Deltas are possible for who has seen this revision or a later one. */
uint64_t cache_delta_floor(const struct cache *cache);
size_t cache_item_count(const struct cache *cache, enum item_kind kind);
const struct events *cache_events(const struct cache *cache);
const uint64_t *cache_rejects(const struct cache *cache); /* [REJECT_REASONS], the whole cluster's */
struct link_evidence cache_link_evidence(const struct cache *cache);
uint32_t cache_state_count(const struct cache *cache, enum state state);

#endif
