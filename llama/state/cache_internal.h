/*
 * cache_internal: what the files of the cache share, and nobody else sees.
 *
 * cache.c          life, what readers ask for, verdicts and the tick
 * cache_nodes.c    the nodes: names, adding, forgetting
 * cache_revisions.c  what changed when, and what was removed
 * cache_session.c  agents' sessions, and reports that wait for the first heartbeat of theirs
 * cache_agent.c    heartbeats and status
 * cache_report.c   reports, stats, and what is deleted
 * cache_poll.c     polls and edge messages
 * cache_sightings.c  where mDNS sees them
 * cache_detect.c   what is wrong with those that live: the detectors
 * cache_incidents.c  what concerns the whole cluster
 * cache_kept.c     what was kept over a restart
 * cache_alias.c    manual nodes that call themselves something else
 * cache_items.c    body → items, cache_export.c those a master re-exports, item.c a single one
 */
#ifndef CACHE_INTERNAL_H
#define CACHE_INTERNAL_H

#include "cache.h"
#include "duplicate.h"
#include "frozen.h"
#include "own_clock.h"
#include "skew.h"
#include "telling.h"
#include "timestamp.h"
#include "utf8.h"

struct entry;

/* What the detectors have seen of a node; what they found is in its evidence. */
struct detected {
    struct skew skew;
    int64_t raw_skew_ms; /* of the last message: its delay included */
    struct frozen_stream stream;
    struct duplicate duplicate;
    int64_t source_since_ms;                /* what source.since_wall_ms is by the node's clock */
    int64_t session_heard_ms;               /* monotonic; the last live heartbeat of the current session */
    char *frozen_detail, *duplicate_detail; /* owned; NULL = none */
};

/* What one look at all clocks has seen. */
struct clocks {
    size_t known, off, awaited; /* awaited: not known yet, but soon */
    int64_t *skews;             /* of those that are off; owned, reused from look to look */
    size_t cap;
};

/* A report of a session that has not sent a heartbeat yet, while the current one's stands. */
struct parked {
    struct parked *next; /* of entry.parked */
    struct report report;
    int64_t captured_mono_ms;
    int64_t since_ms; /* monotonic */
    char body[];      /* report.body borrows it */
};

/* Names and aliases in one hash table. */
struct name_link {
    struct name_link *next; /* of the bucket */
    struct entry *entry;
    const char *name; /* entry's name or alias */
    uint32_t hash;
    bool linked;
};

/* A node with what is nobody else's business. `node` comes first, so a pointer to one is one to the other. */
struct entry {
    struct node node;
    struct name_link name_link, alias_link;
    char *manual_url, *announced_url, *mdns_url; /* owned; NULL = none */
    char *places; /* a manual node's: where it said its name; owned; NULL = not known */
    bool announced_allowed, mdns_allowed;
    struct detected detected;
    struct telling telling; /* of its events */
    bool cleared;           /* retained messages were deleted: nothing may be left */
    bool has_base;          /* `base` holds the verdict that the next event starts from, */
    bool base_kept;         /* which an event of an earlier run told, at base_wall_ms */
    struct verdict base;
    int64_t base_wall_ms;
    int32_t body_offset_s[ITEM_KINDS]; /* the UTC offset that the items' times were read with */
    int64_t message_wall_ms;           /* edge: the time of the newest message; TIMESTAMP_NONE */
    struct {                           /* its part of the cluster's sums, as of its last revision */
        bool counted;
        enum state state;
        int64_t readings, observations, memories; /* said */
        uint32_t sources;
    } part;
    /* Of the current session: reports that came, but could not be taken. */
    uint64_t refused_seq[REPORT_KINDS];
    struct parked *parked;
    struct entry *master; /* who brought it here by re-exporting it; NULL */
    /* The nodes it re-exports, and those known only because it once did; link of the master's list. */
    struct entry *exports, *next_export;
};

/* One step of a pass over a body: see cache_items.c. */
struct slot {
    struct json_slice slice;
    struct item *item;   /* what the slice became; NULL = left out */
    uint32_t next_group; /* index + 1 of the next slot of the same group; 0 = last */
};

struct cache {
    uint64_t revision, floor;
    uint64_t link_revision;  /* when the broker link last went up or down */
    uint64_t stats_revision; /* of the sums, or of any node's stats */
    int64_t retain_ms;
    uint32_t poll_interval_ms; /* 0 = not known */
    struct link_evidence link;
    bool outage_told;
    struct incident incidents[INCIDENTS];
    size_t incident_count;
    struct own_clock own_clock;
    struct telling own_clock_telling;
    int64_t own_clock_wall_ms; /* since when; its sentence then */
    char own_clock_reason[REASON_MAX];
    int64_t detected_ms; /* monotonic; the last look at all clocks */
    bool skewed;         /* some clock was off then */
    bool has_clock_distance;
    int64_t clock_distance_ms; /* of our two clocks */
    bool clock_set;            /* seen by the look under way */
    struct clocks clocks;
    struct events *events;
    uint64_t rejects[REJECT_REASONS];
    uint32_t states[STATES];
    /* nodes */
    struct entry **by_name; /* sorted */
    size_t node_count, by_name_cap;
    struct name_link **buckets;
    size_t bucket_count, link_count;
    struct node *newest_node;
    /* items */
    struct item *newest_item[ITEM_KINDS];
    size_t item_count[ITEM_KINDS];
    uint32_t mark;
    struct history_budget history;
    size_t parked_bytes;
    /* ring of tombstones: [first, first + count) modulo cap */
    struct tombstone *tombstones;
    size_t tombstone_first, tombstone_count, tombstone_cap;
    /* memory reused from body to body */
    struct slot *slots;
    size_t slot_cap;
    struct item **lookup; /* hash table of one pass */
    size_t lookup_cap;    /* power of two */
    char *rewritten;      /* one item */
    size_t rewritten_cap;
};

static inline struct entry *entry_of(struct node *node)
{
    return (struct entry *)(void *)node;
}

/* ---- cache.c ---- */
/* The node's verdict, anew. `evidence_changed`: the sentence may have become another one, too. */
void cache_judge(struct cache *cache, struct entry *entry, struct now now, bool evidence_changed);
void cache_judge_all(struct cache *cache, struct now now, bool evidence_changed);
/* Proven alive at mono_ms; what is older than known is ignored. */
void cache_seen(struct entry *entry, int64_t mono_ms, struct now now);
/* Chooses the URL anew; if that makes it another, the old one holds no more. */
void cache_follow_url(struct entry *entry);
/* The URL that its agent announces ("" = none), copied; chooses as above. Out of memory, it stays. */
void cache_take_announced(struct entry *entry, const char *url, bool allowed);
/* An agent speaks for this node, be it by an old message. */
static inline void cache_agent_heard(struct entry *entry, struct now now)
{
    struct evidence *e = &entry->node.evidence;
    entry->node.found |= FOUND_MQTT;
    if (!e->agent.ever) {
        e->agent.ever = true;
        e->agent.first_ms = now.mono_ms;
        cache_follow_url(entry); /* no longer what mDNS says */
    }
}
/* Sets the fault, and counts it for the cache and the node (may be NULL). */
void cache_fault(struct cache *cache, struct entry *entry, struct fault *ret_fault, enum reject reason,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));
static inline void no_fault(struct fault *ret_fault)
{
    if (ret_fault) {
        *ret_fault = (struct fault){.reason = REJECT_NONE};
    }
}

/* ---- cache_revisions.c ---- */
void cache_touch(struct cache *cache, struct entry *entry);       /* the node object changed */
void cache_touch_stats(struct cache *cache, struct entry *entry); /* and its stats with it */
void cache_touch_item(struct cache *cache, struct item *item);
void cache_unlink_node(struct cache *cache, struct node *node);
void cache_unlink_item(struct cache *cache, struct item *item);
/* A removed item or, with NULL, a removed node. */
void cache_bury(struct cache *cache, const struct node *node, const struct item *item);

/* ---- cache_nodes.c ---- */
/* Removes it and frees it, whatever it is. */
void cache_remove(struct cache *cache, struct entry *entry);
/* Sets or (with "") removes the alias. */
void cache_set_alias(struct cache *cache, struct entry *entry, const char *alias);
/* Which URL counts now, and may it be polled? */
void cache_choose_url(struct entry *entry);
/* Replaces an owned string; "" frees it. False without memory. */
bool cache_set_text(char **text, const char *value);
/* Is `name` what this node is called, or its alias? */
bool entry_is_called(const struct entry *entry, const char *name, size_t len);
void cache_nodes_finish(struct cache *cache);

/* ---- cache_detect.c ---- */
/* A live heartbeat of the current session. */
void detect_heartbeat(struct entry *entry, const struct heartbeat *heartbeat, int64_t age_s, struct now now);
/* A live one of a superseded session. True if that makes it another agent under the same name. */
bool detect_other_session(struct entry *entry, const struct heartbeat *heartbeat, struct now now);
void detect_new_session(struct entry *entry);
/* Readings of the agent, made at captured_mono_ms, are in place. */
void detect_readings(struct entry *entry, int64_t captured_mono_ms, struct now now);
/* Once a second a tick looks at each node, for what ends by time and for its clock; then all clocks are
 * judged together. */
bool detect_due(struct cache *cache, struct now now);
void detect_look(struct cache *cache, struct entry *entry, struct now now);
void detect_decide(struct cache *cache, struct now now);
void detect_swap(struct entry *a, struct entry *b); /* `a` gets what was found of `b`; see swap_agents */
void detect_forget(struct entry *entry);
void detect_finish(struct entry *entry);

/* ---- cache_incidents.c ---- */
/* Which stand now? After whatever may have changed that. */
void cache_update_incidents(struct cache *cache, struct now now);
/* The event of an outage of the broker, when it is due. */
void cache_tell_outage(struct cache *cache, struct now now);

/* ---- cache_session.c ---- */
struct session_memory *session_find(const struct entry *entry, const char *session); /* superseded; NULL */
bool session_is_current(const struct entry *entry, const char *session);
bool session_is_superseded(const struct entry *entry, const char *session);
/* Is there a current session by a live heartbeat? */
bool session_is_live(const struct entry *entry);
/* The current session ended with the first live heartbeat of `session`. */
void session_supersede(struct entry *entry, const char *session, struct now now);
/* Has the current session been silent for so long that a superseded one may come back? */
bool session_may_return(const struct entry *entry, struct now now);
/* Puts a report aside. 0, -ENOSPC, -ENOMEM. */
int session_park(struct cache *cache, struct entry *entry, const struct report *report,
                 int64_t captured_mono_ms, struct now now);
/* Drops what was parked for too long: the heartbeat that comes so late will have the agent asked again. */
void session_drop_waited(struct cache *cache, struct entry *entry, struct now now);
/* Applies what was parked of the current session, drops the rest. */
void session_unpark(struct cache *cache, struct entry *entry, struct now now);
void session_finish(struct cache *cache, struct entry *entry);

/* ---- cache_report.c ---- */
/* Where a body comes from, and when it was true. */
struct source {
    enum origin origin;
    int64_t captured_wall_ms; /* by the node's clock */
    int64_t captured_mono_ms;
    int32_t utc_offset_s; /* of naive times; TIMESTAMP_OFFSET_UNKNOWN */
    bool kept;            /* since before llamad started: it proves nobody alive */
};
/* Replaces the node's snapshot of that kind: items or stats. Session and seq are the caller's. 0, -EBADMSG,
 * -ENOMEM. */
int cache_apply(struct cache *cache, struct entry *entry, enum report_kind kind, struct json_slice body,
                const struct source *source, struct now now, struct fault *ret_fault);
/* The same for a report, whose session and seq are noted then. */
int cache_apply_report(struct cache *cache, struct entry *entry, const struct report *report,
                       const struct source *source, struct now now, struct fault *ret_fault);
/* What an agent reported of that kind goes. */
void cache_drop_report(struct cache *cache, struct entry *entry, enum report_kind kind);
/* Later confirmation of a snapshot: its times only ever advance. */
void cache_confirm(struct snapshot *snapshot, int64_t wall_ms, int64_t mono_ms);
void cache_drop_stats(struct cache *cache, struct entry *entry);

/* ---- cache_poll.c ---- */
/* An edge message, or the newest re-export of one, from mono_ms. */
void cache_edge_heard(const struct cache *cache, struct entry *entry, int64_t message_wall_ms,
                      int64_t mono_ms);

/* ---- cache_sightings.c ---- */
/* The poll at the address that mDNS gave failed: the next one goes to another, if there is one. */
void sightings_rotate(struct entry *entry);
void sightings_move(struct entry *from, struct entry *to);
void sightings_finish(struct entry *entry);

/* ---- cache_alias.c ---- */
/* The manual node answered under `name`. May remove the node that was known under it. */
void alias_learn(struct cache *cache, struct entry *entry, const char *name, struct now now);
/* Is this a heartbeat under the alias of a manual node that is another machine? */
bool alias_is_wrong(const struct entry *entry, const struct heartbeat *heartbeat);
/* Then the alias ends. The node that the heartbeat is of, with what its session has told; NULL: no room. */
struct entry *alias_split(struct cache *cache, struct entry *entry, const struct heartbeat *heartbeat,
                          struct now now, struct fault *ret_fault);

/* ---- cache_items.c ---- */
/* All groups of one pass: the speaker's own items first, then each node that it re-exports. */
struct group {
    struct entry *entry; /* NULL: ignored */
    char name[NODE_NAME_MAX + 1];
    struct item *cursor; /* the next item of the last body: what probably comes next */
    uint32_t head, tail; /* slots, index + 1 */
    uint32_t count;      /* of slots */
    uint32_t added;      /* items that are not in the node's list yet */
    bool ordered;        /* so far everything came as in the last body */
    bool in_lookup;
    int64_t newest_ms; /* newest time of an item; TIMESTAMP_NONE */
};
struct pass {
    struct cache *cache;
    struct entry *speaker;
    const struct source *source;
    struct now now;
    enum item_kind kind;
    struct fault *fault;
    bool out_of_memory;
    size_t lookup_count;
    size_t group_count;
    struct group groups[1 + LIMIT_REEXPORTED];
};
/* Opens one; its entry NULL means that its items are left out. Requires room in `groups`. */
struct group *group_begin(struct pass *pass, struct entry *entry, const char *name);
int cache_replace_items(struct cache *cache, struct entry *entry, enum item_kind kind, struct json_slice body,
                        const struct source *source, struct now now, struct fault *ret_fault);
/* Removes all items of that kind, with tombstones. */
void cache_drop_items(struct cache *cache, struct entry *entry, enum item_kind kind);

/* ---- cache_export.c ---- */
struct parsed;
/* The group that a reading belongs to: the speaker's, or that of the node it re-exports; then `parsed` has
 * lost the prefix. NULL: to be left out (counted, where it is anybody's fault). */
struct group *export_attribute(struct pass *pass, struct parsed *parsed);
/* After all items of all groups are in place: the nodes' evidence, and an end to what is no longer
 * re-exported. */
void export_finish(struct pass *pass);
/* The node is heard otherwise now: no master speaks for it any more. */
void export_detach(struct entry *entry);
/* The master goes, or its report: what it re-exported goes with it, and so do nodes known by it alone. */
void export_drop_all(struct cache *cache, struct entry *master);

/* ---- item.c ---- */
/* One element of a body, read without copying (but for escaped ids). */
struct parsed {
    struct json_slice json;
    struct json_slice id, value, time, metadata; /* id: raw; readings: the full_id string */
    const char *key;                             /* the id as items keep it */
    size_t key_len;
    char buffer[LIMIT_FULL_ID + 1];
};
/* 0, or why it is rejected; *ret_why completes "readings[3]" (static). */
enum reject item_parse(enum item_kind kind, struct json_slice slice, struct parsed *ret_parsed,
                       const char **ret_why);
uint32_t item_hash(const char *id, size_t len);
bool item_is(const struct item *item, uint32_t hash, const char *id, size_t len);
struct item *item_create(enum item_kind kind, uint32_t hash, const char *id, size_t len);
void item_free(struct item *item);
/* Is `json` the item as it stands, but for another timestamp of the same length? Then that is stored, and
 * true. It is what most readings of most bodies are: nothing of them needs to be read. */
bool item_retime(struct item *item, struct json_slice json, int32_t utc_offset_s);
/* Stores the newest bytes. 1 when that changed what readers see (`times_anew`: the UTC offset is another than
 * before), 0 when not, -ENOMEM. */
int item_store(struct item *item, const struct parsed *parsed, int32_t utc_offset_s, bool times_anew);

#endif
