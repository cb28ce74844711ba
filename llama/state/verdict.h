/*
 * verdict: from evidence to state, cause and a sentence. Pure; recomputed at every tick and never stored, so
 * that it can't get stuck. Source: contract section 3 (docs/operations.md explains it for users). First match
 * wins.
 */
#ifndef VERDICT_H
#define VERDICT_H

#include "clock.h"
#include "report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum state { STATE_UNKNOWN, STATE_ONLINE, STATE_DEGRADED, STATE_STALE, STATE_UNREACHABLE };
#define STATES 5
enum cause {
    CAUSE_NONE,
    CAUSE_BROKER_DOWN,
    CAUSE_STARTING,
    CAUSE_DUPLICATE_NAME,
    CAUSE_SMOLLAMA_DOWN,
    CAUSE_SMOLLAMA_ERROR,
    CAUSE_ENDPOINT_ERROR,
    CAUSE_FROZEN,
    CAUSE_CLOCK_SKEW,
    CAUSE_AGENT_DOWN,
    CAUSE_STOPPED,
    CAUSE_NO_ANSWER,
    CAUSE_NEVER_SEEN,
    CAUSE_WILL,
    CAUSE_LATE,
    CAUSE_NO_HEARTBEAT,
    CAUSE_NO_MESSAGE,
    CAUSE_OWN_CLOCK, /* of nobody's verdict: of an incident */
    CAUSES
};
enum via { VIA_NONE, VIA_MQTT, VIA_HTTP, VIA_EDGE };
const char *state_name(enum state state); /* "online", … */
const char *cause_name(enum cause cause); /* "agent_down", …; NULL for CAUSE_NONE */
const char *via_name(enum via via);       /* "mqtt", …; NULL for VIA_NONE */

/* A broker that is stopped sends everybody's will just before its links close. So a will counts only when the
 * link has outlived it by this long. */
#define WILL_SETTLE_MS 500

enum presence { PRESENCE_NONE, PRESENCE_ONLINE, PRESENCE_WILL, PRESENCE_STOPPED }; /* by `status` */
enum probe_outcome { PROBE_NONE, PROBE_OK, PROBE_UNUSABLE, PROBE_FAILED };

/* Everything known about one node that bears on its state. Times are monotonic ms, 0 = never. */
struct evidence {
    bool manual;  /* configured by hand */
    bool has_url; /* pollable: a URL is known and allowed */
    int64_t added_ms;
    struct {
        bool ever;              /* an agent was heard (a retained message counts) */
        bool duplicate;         /* two sessions alternate */
        bool presence_replayed; /* `presence` came retained, or from a broker about to stop */
        enum presence presence; /* the status last heard */
        int64_t first_ms;       /* when one was first heard: until its heartbeat is due, none is missing */
        int64_t heartbeat_ms;   /* last heartbeat that counts as life */
        int64_t late_ms;        /* by how much that one came later than announced; 0 = it did not */
        int64_t presence_ms;    /* when it was heard; a later heartbeat overrides will and stop */
        uint32_t interval_s;    /* of the last heartbeat, 1–3600; 0 = not known yet (10 is assumed) */
    } agent;
    struct { /* what the agent says of its Smollama */
        bool known, ok;
        bool answers; /* some HTTP answer came (error is http_… or bad_body): not dead, but wrong */
        char error[SOURCE_ERROR_MAX + 1];
        int64_t since_wall_ms; /* by our clock; TIMESTAMP_NONE = not said */
    } source;
    struct { /* per snapshot, from heartbeats */
        bool present;
        char error[SOURCE_ERROR_MAX + 1]; /* "" or "off" = fine */
        uint32_t interval_s;
        int64_t error_since_ms; /* since when there has been one, whichever */
        unsigned error_fetches; /* fetches that have failed in a row */
        int64_t age_from_ms;    /* the later of last report and last successful fetch; 0 = none yet */
    } snapshots[REPORT_KINDS];
    struct {                              /* HTTP polling by llamad */
        enum probe_outcome outcome;       /* of the last poll finished since it turned silent */
        bool pending;                     /* one is under way */
        bool ever_ok;                     /* it answered usably at some time */
        bool ever_answered;               /* it answered at some time, whatever that was */
        unsigned failures;                /* in a row */
        char error[SOURCE_ERROR_MAX + 1]; /* "refused", "timeout", "no_route", "dns", "http_500", … */
        int64_t at_ms;                    /* end of the last poll */
        int64_t ok_ms;                    /* end of the last usable poll */
        uint32_t interval_ms;             /* the next one is due after that; 0 = not known */
    } probe;
    struct { /* messages under smollama/ or re-exported by a master */
        bool ever;
        uint32_t interval_ms; /* usual distance between messages; 0 = not known yet (30 s is assumed) */
        int64_t message_ms;   /* of the newest; may be negative: before this machine's clock began */
        bool kept;            /* heard before llamad started, and not since: proves nothing */
    } edge;
    bool frozen, clock_skewed;    /* set by their detectors */
    int64_t clock_skew_ms;        /* what the sentence tells */
    const char *frozen_detail;    /* what completes the sentence, safe to show; borrowed; NULL = nothing, */
    const char *duplicate_detail; /* as here */
};

struct link_evidence { /* the broker link of llamad, the same for all nodes */
    bool up;
    int64_t up_ms, down_ms; /* when it last went up and down, monotonic; 0 = never */
    int64_t started_ms;     /* start of llamad */
};

struct verdict {
    enum state state;
    enum cause cause;
    enum via via; /* how it is known to live; none when it is not */
};
struct verdict verdict_of(const struct evidence *evidence, const struct link_evidence *link, struct now now);
/*
 * The sentence: since when, and what was seen: "no heartbeat since 2026-01-02T03:04:05Z (announced every 10
 * s); HTTP: connection refused". Peer text is escaped. Always fits `size` (cut at a character's boundary),
 * which is at least 64. It tells times, no ages, and so stays the same while nothing happens.
 */
void verdict_reason(struct verdict verdict, const struct evidence *evidence, const struct link_evidence *link,
                    struct now now, char *buffer, size_t size);

/* Is the broker away? Just after the start the link may still be coming. */
bool verdict_broker_down(const struct link_evidence *link, struct now now);
/* Is a node silent on MQTT, so that llamad should poll it (if it has a URL)? The rule that verdict_of uses.
 * True for whoever never had an agent. For 2.5 intervals after link-up true only for who was seen to go, or
 * was not heard since llamad started and is offline by the broker's memory. */
bool verdict_silent_on_mqtt(const struct evidence *evidence, const struct link_evidence *link,
                            struct now now);
/* Does one snapshot alone degrade the node: failing for two fetches, or too old as of the last heartbeat? */
bool verdict_endpoint_fails(const struct evidence *evidence, enum report_kind kind);
/* After how long without a sign of life is a node gone, if nothing else tells of it? */
int64_t verdict_gone_after_ms(const struct evidence *evidence);
/* Is the last answer to a poll so old (2.5 polling intervals) that it proves nothing any more? The next one
 * is overdue then: too many nodes hang. */
bool verdict_probe_outdated(const struct evidence *evidence, struct now now);
/* Does its agent count as alive on MQTT right now? */
bool verdict_fresh_on_mqtt(const struct evidence *evidence, const struct link_evidence *link, struct now now);

#endif
