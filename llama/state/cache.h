/*
 * cache: everything llamad knows. Nodes, and per node its evidence, readings, observations, memories, stats.
 *
 * Invariants
 * - Each item keeps the node's own JSON bytes, checked, beside the few parsed fields that filters and sorting
 *   need.
 * - Each change takes the next revision. Per kind, items hang in a list ordered by revision, so "what is
 *   newer than r" is a walk from the head to the first older one, whatever the size of the cache. A reading
 *   of which only the timestamp moved keeps its revision; its bytes are the newest all the same.
 * - What was removed leaves a tombstone (bounded): who is older than the oldest one needs a snapshot.
 *   Removals apply before additions: an item or a node may have come back since. A node's tombstone stands
 *   for its items.
 * - No I/O, no clock: time comes in. Peers' input is limited here and by the decoders before; each rejection
 *   is counted, by whoever finds the fault: what a function below returns as *ret_fault is counted already. A
 *   function sets reason REJECT_NONE when there was none, and may set one although it returns 0: that of the
 *   last single item left out.
 * - Memory that runs out costs the item or body in hand (-ENOMEM), never what was there before.
 *
 * Readers use the structs below as read-only and borrow pointers only until the next mutation. Whatever takes
 * or deletes a body, and cache_forget, cache_tick and cache_poll_finished, may free other nodes than the one
 * in hand (expired, merged into a manual one, re-exported no more). That one is freed only by cache_forget,
 * cache_drop_manual and cache_tick.
 */
#ifndef CACHE_H
#define CACHE_H

#include "events.h"
#include "history.h"
#include "json.h"
#include "report.h"
#include "verdict.h"

/* Named limits; shown in /api/health. */
#define LIMIT_NODES        10000
#define LIMIT_READINGS     2000  /* a node, re-exported ones included */
#define LIMIT_OBSERVATIONS 1000  /* a node */
#define LIMIT_MEMORIES     1000  /* a node */
#define LIMIT_FULL_ID      256   /* bytes of a full_id, decoded; of any other id, as it came */
#define LIMIT_ITEM         65536 /* bytes of one item */
#define LIMIT_STATS        16384 /* bytes of a stats body */
#define LIMIT_REEXPORTED   64    /* nodes that one master may speak for, or has brought and then dropped */
#define LIMIT_TOMBSTONES   16384
#define LIMIT_SIGHTINGS    8        /* addresses at which mDNS sees one node */
#define LIMIT_PARKED       16777216 /* bytes of reports that wait for the first heartbeat of their session */
#define LIMIT_HISTORY      67108864 /* bytes of the readings' histories; see history.h */

#define RETAIN_DEFAULT_MS  (7 * 24 * 3600 * INT64_C(1000))
#define OUTAGE_EVENT_MS    5000 /* how long the broker's link must be down to become an event */

struct cache;
struct node;

enum item_kind { ITEM_READING, ITEM_OBSERVATION, ITEM_MEMORY };
#define ITEM_KINDS 3

struct item {
    struct item *newer, *older; /* cache-wide per kind, by revision; owner: the cache */
    struct item *next; /* the node's items of this kind, in the order of its last body; owner: the node */
    struct node *node;
    uint64_t revision;
    int64_t at_ms;     /* Unix ms UTC of the item's own timestamp (memories: created_at); TIMESTAMP_NONE */
    double number;     /* readings: value; memories: times_confirmed; NAN if not a number */
    uint32_t hash;     /* of the id; owner: the cache, as the next */
    uint32_t mark;     /* of the pass that saw it last */
    uint32_t time_pos; /* where in `json` the value of its timestamp begins, */
    uint32_t time_len; /* and how long it is; 0 = it has none */
    int64_t moved_ms;  /* readings: of the first snapshot that told this time, monotonic; 0 = not known */
    enum item_kind kind;
    uint16_t id_len;   /* readings: full_id decoded (may hold U+0000); others: the raw JSON id */
    uint16_t type_len; /* readings: length of source_type in the id, up to the first `:` (none: all of it) */
    uint32_t json_len, json_cap;
    char *json;              /* the node's own object, `{…}`; owned */
    struct history *history; /* readings: of the last hour; NULL = none (never a number, no room) */
    char id[];
};
struct json_slice item_json(const struct item *item);

/* Where a body came from. A lower one never overrides a higher one that stands, but for POLL while the agent
 * is silent. */
enum origin { ORIGIN_NONE, ORIGIN_MASTER, ORIGIN_EDGE, ORIGIN_POLL, ORIGIN_AGENT };
const char *origin_name(enum origin origin); /* "agent", …; NULL for ORIGIN_NONE */

/* discovered_by, as bits */
#define FOUND_MANUAL 1u
#define FOUND_MQTT   2u
#define FOUND_EDGE   4u
#define FOUND_MASTER 8u
#define FOUND_MDNS   16u

struct snapshot { /* the standing body of one kind */
    enum origin origin;
    char session[SESSION_MAX + 1]; /* of the agent's last report; "" = none. Stands beside a polled body */
    uint64_t seq;                  /* of that report */
    int64_t captured_wall_ms;      /* by the node's clock; TIMESTAMP_NONE = none yet */
    int64_t captured_mono_ms; /* confirmed last: report, or heartbeat saying so; 0 = never; may be negative */
};

/* What is kept of the last heartbeat accepted: struct heartbeat without its name and URL, labels by need. */
struct agent_info {
    enum node_type type;
    char session[SESSION_MAX + 1];
    char version[VERSION_MAX + 1];
    uint32_t interval_s;
    int32_t utc_offset_s;
    uint64_t seq;
    int64_t at_ms;
    uint64_t uptime_s;
    struct label *labels; /* owned */
    size_t label_count;
    struct {
        enum source_kind kind;
        bool ok;
        uint32_t latency_ms;
        char node_name[NODE_NAME_MAX + 1]; /* "" = not known */
        char error[SOURCE_ERROR_MAX + 1];
        int64_t since_ms; /* TIMESTAMP_NONE = not said */
    } source;
    struct snapshot_state snapshots[REPORT_KINDS];
};

/* An address at which mDNS sees the node. */
#define SIGHTING_INSTANCE_MAX 63 /* bytes of a DNS label */
#define SIGHTING_URL_MAX      63
struct sighting {
    struct sighting *next;                    /* of the node's, oldest first; owner: the cache */
    char instance[SIGHTING_INSTANCE_MAX + 1]; /* the service's name: what it was announced as */
    char url[SIGHTING_URL_MAX + 1];
    bool allowed;         /* may it be polled, as far as its text tells? */
    int64_t seen_wall_ms; /* when it appeared */
};

struct session_memory {
    struct session_memory *next; /* of the node's superseded sessions, newest first; owner: the cache */
    char session[SESSION_MAX + 1];
    char *url;        /* announced last; owned; NULL = none */
    uint64_t seq;     /* of its last heartbeat */
    int64_t heard_ms; /* of that, or when it was superseded; monotonic */
};

struct node {
    /* identity */
    char name[NODE_NAME_MAX + 1];
    char alias[NODE_NAME_MAX + 1]; /* a manual node's own node_name where it differs; "" */
    enum node_type type;
    unsigned found;         /* FOUND_… */
    const char *url;        /* effective: manual, announced, mDNS; "" = none. Never NULL, as the next three */
    const char *manual_url; /* owned by the cache */
    const char *announced_url;
    const char *mdns_url; /* of one of the sightings, or the last one there was */
    struct sighting *sightings;
    char master[NODE_NAME_MAX + 1]; /* who re-exports it; "" */
    /* content */
    struct item *items[ITEM_KINDS]; /* in the order of the last body */
    uint32_t item_count[ITEM_KINDS];
    struct snapshot snapshots[REPORT_KINDS];
    char *stats; /* body of /api/stats; NULL = never said; owned */
    size_t stats_len;
    int64_t said_readings, said_observations, said_memories; /* *_count of stats; -1 = never said */
    uint64_t stats_revision;                                 /* when they changed or went away */
    /* what it says of itself */
    bool has_heartbeat;
    bool has_clock_skew;
    struct agent_info heartbeat; /* the last accepted; its session is the current one */
    uint32_t latency_ms;         /* of the last poll, or what the agent measured; 0 = unknown */
    int32_t utc_offset_s;        /* TIMESTAMP_OFFSET_UNKNOWN */
    int64_t clock_skew_ms;       /* its clock minus ours, as far as heartbeats or the Date of answers tell */
    /* truth */
    struct evidence evidence;
    struct verdict verdict; /* as of the last tick or change */
    char reason[REASON_MAX];
    int64_t since_wall_ms;     /* of this state and cause */
    int64_t last_seen_wall_ms; /* TIMESTAMP_NONE = never */
    int64_t last_seen_mono_ms; /* 0 = never; may be negative: before this machine's clock began */
    uint64_t rejects[REJECT_REASONS];
    char last_reject[160]; /* detail of the last one, escaped; "" */
    uint64_t revision;     /* of anything shown in its node object, ages apart */
    /* owner: poller */
    int64_t next_poll_ms; /* monotonic; 0 = not scheduled */
    int64_t polled_ms;    /* monotonic; start of the last poll, 0 = never */
    bool poll_in_flight;
    /* owner: missing */
    int64_t next_ask_ms; /* monotonic; it was asked for its snapshots: not again before */
    uint32_t ask_pause_ms;
    /* lists; owner: the cache */
    struct node *newer, *older;      /* by revision */
    struct node *next;               /* by name (byte order) */
    struct session_memory *sessions; /* superseded sessions */
};

struct tombstone {
    uint64_t revision;
    bool is_node;
    enum item_kind kind;
    uint16_t id_len;
    char *id; /* as item.id; NULL for a node */
    char node[NODE_NAME_MAX + 1];
};

/* ---- life ---- */
struct cache *cache_create(struct now now); /* NULL without memory */
void cache_destroy(struct cache *cache);
/* How long a node that is not manual may stay unheard before cache_tick forgets it; > 0. */
void cache_set_retain(struct cache *cache, int64_t retain_ms);
/* How far apart the polls of a node are to be: an answer from much longer ago proves nothing. 0 = not known.
 */
void cache_set_poll_interval(struct cache *cache, uint32_t interval_ms);

/* ---- what was kept over a restart; before any source writes, and after the manual nodes ---- */
/* As events_restore, and events_skip. */
int cache_restore_event(struct cache *cache, const struct event *event);
int cache_skip_events(struct cache *cache, uint64_t id);
struct kept_node {
    unsigned found; /* FOUND_…: manual ones are known by their configuration only */
    enum node_type type;
    bool agent;                /* an agent spoke for it */
    bool answered;             /* it answered to a poll */
    uint32_t edge_interval_ms; /* usual distance of its edge messages; 0 = it sent none */
    int32_t utc_offset_s;      /* TIMESTAMP_OFFSET_UNKNOWN */
    int64_t seen_wall_ms;      /* TIMESTAMP_NONE */
    const char *mdns_url;      /* where mDNS saw it last; "" */
    bool mdns_allowed;         /* may that be polled as far as its text tells? */
};
/* Brings a node back, and when it was last seen; never that it lives. NULL: nobody but a configuration that
 * no longer names it told of it, or it can't be (*ret_fault as cache_add). */
struct node *cache_restore_node(struct cache *cache, const char *name, size_t len,
                                const struct kept_node *kept, struct now now, struct fault *ret_fault);
/* A body of a node that was brought back, checked JSON, polled or (readings only) of its edge messages.
 * captured_wall_ms is the node's clock, received_wall_ms ours. 0, -EINVAL (no such origin), -EALREADY (one
 * stands), -EBADMSG, -ENOMEM. */
int cache_restore_body(struct cache *cache, struct node *node, enum report_kind kind, enum origin origin,
                       struct json_slice body, int64_t captured_wall_ms, int64_t received_wall_ms,
                       struct now now, struct fault *ret_fault);

/* ---- sources write ---- */
/* Finds by name, then by alias. NULL if unknown. */
struct node *cache_find(struct cache *cache, const char *name, size_t len);
/* Finds or adds, and adds `found` to how it was discovered. NULL: bad name, limit or memory; *ret_fault says
 * so. */
struct node *cache_add(struct cache *cache, const char *name, size_t len, unsigned found, struct now now,
                       struct fault *ret_fault);
/* A configured node. 0, -EINVAL (bad name, or URL empty or above URL_MAX), -ENOSPC, -ENOMEM. A later call for
 * the same name replaces its URL. */
int cache_add_manual(struct cache *cache, const char *name, const char *url, struct now now);
/* The node is configured no more: what was learned by its URL goes, and the node with it if nobody else tells
 * of it, or if it has an alias (the agent's next heartbeat brings that one back under its own name). True if
 * it stays, as any other node. */
bool cache_drop_manual(struct cache *cache, const char *name, struct now now);
/* The broker link of llamad went up or down (the same again changes nothing). When it has been down for
 * OUTAGE_EVENT_MS, cache_tick adds the one event of the outage, with node "". */
void cache_link(struct cache *cache, bool up, struct now now);

/*
 * A decoded heartbeat that came on <base>/<node>/health. One under the alias of a manual node that is
 * elsewhere (see cache_poll_finished) ends the alias, and is of a node of its own. 0 when taken. Else nothing
 * changed: -ESTALE (of another session than the current one: superseded ones are counted), -EALREADY
 * ((session, seq) is known), -EBADMSG (names another node; counted). `replayed`: the retain flag. age_s: how
 * long the broker had the message, from MQTT expiry; -1 = unknown. A message that is older than 2.5 intervals
 * counts as replayed. `url_allowed`: may the announced URL be polled as far as its text tells?
 */
int cache_heartbeat(struct cache *cache, struct node *node, const struct heartbeat *heartbeat, bool replayed,
                    int64_t age_s, bool url_allowed, struct now now, struct fault *ret_fault);
void cache_status(struct cache *cache, struct node *node, const struct status *status, bool replayed,
                  struct now now);
/*
 * A decoded report on the node's topic: attributes, limits, replaces the node's snapshot of that kind. 0 also
 * when single items were rejected (counted), and when it was put aside (for a minute at most) because its
 * session has yet to heartbeat. -EALREADY for a known (session, seq), -ESTALE for a superseded session,
 * -EBADMSG (names another node, or the body is not the endpoint's or has too many items: the last good one
 * stands), -ENOSPC (no room to put it aside), -ENOMEM.
 */
int cache_report(struct cache *cache, struct node *node, const struct report *report, bool replayed,
                 int64_t age_s, struct now now, struct fault *ret_fault);
/* An empty retained payload: that item of the node is deleted by somebody. A node of which nothing is left is
 * forgotten by the next cache_tick. */
void cache_cleared(struct cache *cache, struct node *node, enum topic_kind kind, struct now now);
/* An edge message rewritten by edge_decode. 0, -EALREADY (a better source stands, only noted), -EBADMSG,
 * -ENOMEM. */
int cache_edge(struct cache *cache, struct node *node, struct json_slice body, int64_t at_wall_ms,
               struct now now, struct fault *ret_fault);
/* How many of the reports that its heartbeat names never came? */
unsigned cache_missing(const struct cache *cache, const struct node *node);
/* Should it be asked for them: is anybody there? A heartbeat may overtake its report by moments: look again
 * later, not at each message. */
bool cache_wants_refresh(const struct cache *cache, const struct node *node);

/*
 * mDNS sees the node at an address: url, instance and allowed of `seen` are copied, the rest is not looked
 * at. Adds the node, as cache_add does. A manual node, or one that an agent ever spoke for, only lists it. 0
 * (also when it is listed already), -EBADMSG (no such node can be, or too many sightings; counted), -ENOMEM.
 */
int cache_sighting(struct cache *cache, const char *name, size_t len, const struct sighting *seen,
                   enum node_type type, struct now now, struct fault *ret_fault);
/* Whose agent announces this very URL, and says live that its Smollama is called `name`, where it has another
 * name itself? NULL = nobody's. Looks at all nodes. */
const struct node *cache_agent_at(const struct cache *cache, const char *name, const char *url);
/* It does no more. A node that is known by nothing else and never answered goes with its last sighting; any
 * other is still polled where it was seen last. Unknown names and sightings are ignored. */
void cache_sighting_gone(struct cache *cache, const char *name, size_t len, const struct sighting *seen,
                         struct now now);

/* Polling. started/finished frame one poll; body hands in each answer as it arrives, unchecked: 0, -EALREADY
 * (the agent speaks again: its data stand), -EBADMSG, -ENOMEM. The offset may be TIMESTAMP_OFFSET_UNKNOWN. */
void cache_poll_started(struct cache *cache, struct node *node, struct now now);
int cache_poll_body(struct cache *cache, struct node *node, enum report_kind kind, struct json_slice body,
                    int64_t captured_wall_ms, int32_t utc_offset_s, struct now now, struct fault *ret_fault);
struct probe_result {
    enum probe_outcome outcome;
    bool answered;         /* any HTTP answer: the host lives */
    const char *error;     /* word or NULL */
    uint32_t latency_ms;   /* of the first answer */
    const char *node_name; /* what /api/stats said; NULL = not asked or no answer */
    const char *places;    /* where, as place.h has it; NULL = not known */
};
/* A manual node that answers under another name gets that as alias, and a node known under it is merged into
 * it; but not with an agent that is another machine's: it announces another place, or says that its Smollama
 * has another name. That is counted as wrong_node. */
void cache_poll_finished(struct cache *cache, struct node *node, const struct probe_result *result,
                         struct now now);
/* The node's clock minus ours, by the Date of an answer. */
void cache_poll_clock(struct cache *cache, struct node *node, int64_t skew_ms, struct now now);
/* Asks again of each announced and discovered URL whether it may be polled: the rules have changed. */
void cache_judge_urls(struct cache *cache, bool (*allowed)(void *user, const char *url), void *user);
/* Should it be polled now (silent on MQTT, URL known and allowed)? */
bool cache_wants_poll(const struct cache *cache, const struct node *node, struct now now);

/* For faults found outside: counts a rejection, on the node too if given, and keeps the detail there. */
void cache_reject(struct cache *cache, struct node *node, const struct fault *fault);
/* Removes the node and all it holds, and the nodes that are known only by its re-exports; 0, -EBUSY for a
 * manual one. */
int cache_forget(struct cache *cache, struct node *node);
/* Recomputes every verdict; adds events for changes; forgets what was not heard for long (cache_set_retain).
 * The functions above do the verdict of their node themselves, at once. */
void cache_tick(struct cache *cache, struct now now);

/* ---- outputs read ---- */
uint64_t cache_revision(const struct cache *cache);
const struct node *cache_first_node(const struct cache *cache); /* then ->next: by name */
size_t cache_node_count(const struct cache *cache);
/* Those whose readings come from the master's last body; NULL begins and ends. */
const struct node *cache_next_export(const struct node *master, const struct node *after);
const struct node *cache_get(const struct cache *cache, const char *name, size_t len); /* as cache_find */
const struct item *cache_find_item(const struct cache *cache, const struct node *node, enum item_kind kind,
                                   const char *id, size_t id_len);
/* When that was by llamad's clock: the node's own may be wrong. Small differences are not corrected, and
 * TIMESTAMP_NONE stays. */
int64_t cache_our_time(const struct node *node, int64_t at_ms);
/* Newest first; then ->older. Stop at the first whose revision is not above yours. */
const struct node *cache_newest_node(const struct cache *cache);
const struct item *cache_newest_item(const struct cache *cache, enum item_kind kind);
const struct tombstone *cache_newest_tombstone(const struct cache *cache);
const struct tombstone *cache_older_tombstone(const struct cache *cache, const struct tombstone *than);
/* Deltas are possible for who has seen this revision or a later one. */
uint64_t cache_delta_floor(const struct cache *cache);
/* When anything of the cluster's stats last changed: nodes, states, sums, or what a node said of itself. */
uint64_t cache_stats_revision(const struct cache *cache);
/* What concerns the whole cluster: the broker is away, llamad's own clock is wrong. *ret_count of them;
 * borrowed until the next mutation. */
#define INCIDENTS 2
struct incident {
    enum cause cause;
    int64_t since_wall_ms;
    char reason[REASON_MAX];
};
const struct incident *cache_incidents(const struct cache *cache, size_t *ret_count);
/* When the broker link last went up or down, or an incident began or ended. */
uint64_t cache_link_revision(const struct cache *cache);
size_t cache_item_count(const struct cache *cache, enum item_kind kind);
struct history_budget cache_history(const struct cache *cache); /* what the histories take, and may take */
const struct events *cache_events(const struct cache *cache);
const uint64_t *cache_rejects(const struct cache *cache); /* [REJECT_REASONS], the whole cluster's */
struct link_evidence cache_link_evidence(const struct cache *cache);
uint32_t cache_state_count(const struct cache *cache, enum state state);

#endif
