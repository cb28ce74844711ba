#include "verdict.h"

#include <string.h>

#define INTERVAL_S       10    /* assumed as long as no heartbeat told */
#define EDGE_INTERVAL_MS 30000 /* Smollama's default */
/* The link may take this long after the start before it counts as down. */
#define CONNECT_MS 5000

const char *state_name(enum state state)
{
    static const char *const names[STATES] = {
        [STATE_UNKNOWN] = "unknown", [STATE_ONLINE] = "online",           [STATE_DEGRADED] = "degraded",
        [STATE_STALE] = "stale",     [STATE_UNREACHABLE] = "unreachable",
    };
    return (unsigned)state < STATES ? names[state] : "unknown";
}

const char *cause_name(enum cause cause)
{
    static const char *const names[CAUSES] = {
        [CAUSE_BROKER_DOWN] = "broker_down",
        [CAUSE_STARTING] = "starting",
        [CAUSE_DUPLICATE_NAME] = "duplicate_name",
        [CAUSE_SMOLLAMA_DOWN] = "smollama_down",
        [CAUSE_SMOLLAMA_ERROR] = "smollama_error",
        [CAUSE_ENDPOINT_ERROR] = "endpoint_error",
        [CAUSE_FROZEN] = "frozen",
        [CAUSE_CLOCK_SKEW] = "clock_skew",
        [CAUSE_AGENT_DOWN] = "agent_down",
        [CAUSE_STOPPED] = "stopped",
        [CAUSE_NO_ANSWER] = "no_answer",
        [CAUSE_NEVER_SEEN] = "never_seen",
        [CAUSE_WILL] = "will",
        [CAUSE_LATE] = "late",
        [CAUSE_NO_HEARTBEAT] = "no_heartbeat",
        [CAUSE_NO_MESSAGE] = "no_message",
        [CAUSE_OWN_CLOCK] = "own_clock",
    };
    return (unsigned)cause < CAUSES ? names[cause] : NULL;
}

const char *via_name(enum via via)
{
    static const char *const names[] = {[VIA_MQTT] = "mqtt", [VIA_HTTP] = "http", [VIA_EDGE] = "edge"};
    return (unsigned)via < sizeof names / sizeof *names ? names[via] : NULL;
}

/* ---- how late ---- */

static int64_t max_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Something that should come every interval, last heard at heard_ms (0 = never while llamad runs). */
struct lateness {
    bool fresh; /* heard within the tolerance */
    bool grace; /* nothing heard since the link came up, which is no longer ago than the tolerance */
    int64_t late_ms;
};

/* Before anything was heard, it is awaited from known_ms on (0 = always known). */
static struct lateness lateness_of(int64_t heard_ms, int64_t known_ms, int64_t tolerance_ms,
                                   const struct link_evidence *link, int64_t now_ms)
{
    int64_t awaited_ms = max_of(link->up_ms, link->started_ms);
    if (heard_ms == 0) {
        awaited_ms = max_of(awaited_ms, known_ms);
    }
    struct lateness l = {
        .fresh = heard_ms != 0 && now_ms - heard_ms <= tolerance_ms,
        .grace = link->up && now_ms - awaited_ms <= tolerance_ms && (heard_ms == 0 || heard_ms < link->up_ms),
    };
    /* Whoever was late before the link went down has not become less late by the outage. */
    bool outage = link->down_ms != 0 && link->down_ms < link->up_ms;
    int64_t listened_until_ms = outage ? link->down_ms : link->up_ms;
    bool late_before = link->up && heard_ms != 0 && listened_until_ms - heard_ms > tolerance_ms;
    l.late_ms = now_ms - (late_before ? heard_ms : max_of(heard_ms, awaited_ms));
    return l;
}

static int64_t heartbeat_ms(const struct evidence *e)
{
    uint32_t interval_s = e->agent.interval_s ? e->agent.interval_s : INTERVAL_S;
    return (int64_t)(interval_s < 3600 ? interval_s : 3600) * 1000;
}

static int64_t edge_ms(const struct evidence *e)
{
    return e->edge.interval_ms ? e->edge.interval_ms : EDGE_INTERVAL_MS;
}

int64_t verdict_gone_after_ms(const struct evidence *e)
{
    if (!e->agent.ever && e->edge.ever) {
        return 6 * edge_ms(e);
    }
    return 6 * heartbeat_ms(e);
}

/* What MQTT says of an agent. */
struct agent_view {
    bool fresh, silent;
    bool gone;     /* by will or stop, and that is to be believed */
    bool doubtful; /* stopped, by the broker's memory alone, since llamad started: a poll may tell sooner */
    bool unreachable; /* late beyond doubt */
};

static struct agent_view agent_view(const struct evidence *e, const struct link_evidence *link,
                                    int64_t now_ms)
{
    int64_t interval_ms = heartbeat_ms(e);
    int64_t known_ms = e->agent.ever ? e->agent.first_ms : e->added_ms;
    struct lateness l = lateness_of(e->agent.heartbeat_ms, known_ms, interval_ms * 5 / 2, link, now_ms);
    bool overridden = e->agent.heartbeat_ms != 0 && e->agent.presence_ms < e->agent.heartbeat_ms;
    bool gone = !overridden && (e->agent.presence == PRESENCE_STOPPED || e->agent.presence == PRESENCE_WILL);
    /* The will may come of the broker's own end (llamad's broker ends with it); only the agent itself says
     * `stopped`. */
    bool doubtful = gone && e->agent.presence == PRESENCE_STOPPED && e->agent.presence_replayed &&
                    e->agent.heartbeat_ms == 0 && link->up;
    if (e->agent.presence_replayed) {
        gone = gone && !l.fresh && !l.grace;
    } else if (e->agent.presence == PRESENCE_WILL) {
        gone = gone && now_ms - e->agent.presence_ms >= WILL_SETTLE_MS;
    }
    return (struct agent_view){
        .fresh = l.fresh && !gone,
        .gone = gone,
        .doubtful = doubtful,
        .silent = gone || (!l.fresh && !l.grace && l.late_ms > interval_ms * 5 / 2),
        .unreachable = l.late_ms > 6 * interval_ms,
    };
}

bool verdict_silent_on_mqtt(const struct evidence *evidence, const struct link_evidence *link, struct now now)
{
    if (!evidence->agent.ever) {
        return true;
    }
    struct agent_view agent = agent_view(evidence, link, now.mono_ms);
    return agent.silent || agent.doubtful;
}

bool verdict_fresh_on_mqtt(const struct evidence *evidence, const struct link_evidence *link, struct now now)
{
    return evidence->agent.ever && agent_view(evidence, link, now.mono_ms).fresh;
}

/* ---- the rows of the contract ---- */

static struct verdict verdict(enum state state, enum cause cause, enum via via)
{
    return (struct verdict){.state = state, .cause = cause, .via = via};
}

/* Nothing proven yet: after the start, or after an outage. */
static struct verdict unproven(int64_t heard_ms, const struct link_evidence *link)
{
    bool outage = heard_ms != 0 && link->down_ms != 0;
    return verdict(STATE_UNKNOWN, outage ? CAUSE_BROKER_DOWN : CAUSE_STARTING, VIA_NONE);
}

/* Ages are judged as of the last heartbeat, which told them: while nothing can be heard, nothing grows old.
 * And an agent that slept has not fetched meanwhile. */
bool verdict_endpoint_fails(const struct evidence *e, enum report_kind kind)
{
    const char *error = e->snapshots[kind].error;
    if (!e->snapshots[kind].present || strcmp(error, "off") == 0) {
        return false;
    }
    if (error[0] && e->snapshots[kind].error_fetches >= 2) {
        return true;
    }
    int64_t interval_ms = (int64_t)e->snapshots[kind].interval_s * 1000;
    return interval_ms > 0 && e->snapshots[kind].age_from_ms != 0 &&
           e->agent.heartbeat_ms - e->snapshots[kind].age_from_ms > 3 * interval_ms + e->agent.late_ms;
}

static bool any_endpoint_fails(const struct evidence *e)
{
    for (int kind = 0; kind < REPORT_KINDS; kind++) {
        if (verdict_endpoint_fails(e, (enum report_kind)kind)) {
            return true;
        }
    }
    return false;
}

/* Row 2. */
static struct verdict fresh(const struct evidence *e)
{
    enum cause cause = CAUSE_NONE;
    if (e->agent.duplicate) {
        cause = CAUSE_DUPLICATE_NAME;
    } else if (e->source.known && !e->source.ok) {
        cause = e->source.answers ? CAUSE_SMOLLAMA_ERROR : CAUSE_SMOLLAMA_DOWN;
    } else if (any_endpoint_fails(e)) {
        cause = CAUSE_ENDPOINT_ERROR;
    } else if (e->frozen) {
        cause = CAUSE_FROZEN;
    } else if (e->clock_skewed) {
        cause = CAUSE_CLOCK_SKEW;
    }
    return verdict(cause == CAUSE_NONE ? STATE_ONLINE : STATE_DEGRADED, cause, VIA_MQTT);
}

/* ---- polls ---- */

bool verdict_probe_outdated(const struct evidence *e, struct now now)
{
    bool answer = e->probe.outcome == PROBE_OK || e->probe.outcome == PROBE_UNUSABLE;
    return answer && e->probe.interval_ms != 0 &&
           now.mono_ms - e->probe.at_ms > (int64_t)e->probe.interval_ms * 5 / 2;
}

/* Who was not asked for so long is gone, as far as anybody can tell. */
static bool probe_lost(const struct evidence *e, struct now now)
{
    return now.mono_ms - e->probe.at_ms > (int64_t)e->probe.interval_ms * 6;
}

static enum probe_outcome probe_outcome(const struct evidence *e, struct now now)
{
    return verdict_probe_outdated(e, now) ? PROBE_NONE : e->probe.outcome;
}

/* Row 3. */
static struct verdict silent(const struct evidence *e, const struct link_evidence *link,
                             const struct agent_view *agent, struct now now)
{
    bool stopped = (agent->gone || agent->doubtful) && e->agent.presence == PRESENCE_STOPPED;
    if (e->has_url) {
        switch (probe_outcome(e, now)) {
        case PROBE_OK:
            return verdict(STATE_ONLINE, link->up ? CAUSE_AGENT_DOWN : CAUSE_BROKER_DOWN, VIA_HTTP);
        case PROBE_UNUSABLE:
            return verdict(STATE_DEGRADED, CAUSE_SMOLLAMA_ERROR, VIA_HTTP);
        case PROBE_FAILED:
            return verdict(STATE_UNREACHABLE, stopped ? CAUSE_STOPPED : CAUSE_NO_ANSWER, VIA_NONE);
        case PROBE_NONE:
            break;
        }
        if (!link->up) {
            return verdict(STATE_UNKNOWN, CAUSE_BROKER_DOWN, VIA_NONE); /* no lateness of its own */
        }
        if (e->agent.heartbeat_ms == 0 && !agent->unreachable) {
            return unproven(0, link); /* known by old messages only: the poll will tell */
        }
        if (verdict_probe_outdated(e, now) && probe_lost(e, now)) {
            return verdict(STATE_UNREACHABLE, CAUSE_NO_ANSWER, VIA_NONE);
        }
    } else if (stopped) {
        return verdict(STATE_UNREACHABLE, CAUSE_STOPPED, VIA_NONE);
    } else if (agent->unreachable) {
        return verdict(STATE_UNREACHABLE, CAUSE_NO_HEARTBEAT, VIA_NONE);
    }
    return verdict(STATE_STALE, agent->gone ? CAUSE_WILL : CAUSE_LATE, VIA_NONE);
}

static struct verdict of_agent(const struct evidence *e, const struct link_evidence *link, struct now now)
{
    struct agent_view agent = agent_view(e, link, now.mono_ms);
    if (agent.fresh) {
        return fresh(e);
    }
    if (agent.silent || (agent.doubtful && e->has_url)) {
        return silent(e, link, &agent, now);
    }
    /* The link has just come (back). Polls made meanwhile stand; lateness says nothing yet. */
    if (!e->has_url) {
        return unproven(e->agent.heartbeat_ms, link);
    }
    switch (probe_outcome(e, now)) {
    case PROBE_OK:
        return verdict(STATE_ONLINE, CAUSE_BROKER_DOWN, VIA_HTTP);
    case PROBE_UNUSABLE:
        return verdict(STATE_DEGRADED, CAUSE_SMOLLAMA_ERROR, VIA_HTTP);
    case PROBE_FAILED:
        return verdict(STATE_UNREACHABLE, CAUSE_NO_ANSWER, VIA_NONE);
    case PROBE_NONE:
        break;
    }
    return unproven(e->agent.heartbeat_ms, link);
}

/* Row 5. */
static struct verdict of_edge(const struct evidence *e, const struct link_evidence *link, int64_t now_ms)
{
    struct lateness l = lateness_of(e->edge.kept ? 0 : e->edge.message_ms, 0, 3 * edge_ms(e), link, now_ms);
    if (l.fresh) {
        return verdict(STATE_ONLINE, CAUSE_NONE, VIA_EDGE);
    }
    /* What a master re-exports tells its own time: there, a first look is enough. */
    bool outage = link->down_ms != 0 && link->down_ms < link->up_ms;
    if (l.grace && (outage || e->edge.kept)) {
        return unproven(e->edge.kept ? 0 : e->edge.message_ms, link);
    }
    if (l.late_ms > 6 * edge_ms(e)) {
        return verdict(STATE_UNREACHABLE, CAUSE_NO_MESSAGE, VIA_NONE);
    }
    return verdict(STATE_STALE, CAUSE_LATE, VIA_NONE);
}

static bool refused(const char *error)
{
    return strcmp(error, "refused") == 0 || strcmp(error, "no_route") == 0;
}

/* Row 4. */
static struct verdict of_polled(const struct evidence *e, const struct link_evidence *link, struct now now)
{
    enum probe_outcome outcome = probe_outcome(e, now);
    if (outcome == PROBE_OK) {
        return verdict(STATE_ONLINE, CAUSE_NONE, VIA_HTTP);
    }
    if (e->edge.ever) {
        /* No dashboard, or a broken one, says nothing of a node whose messages come. */
        struct verdict edge = of_edge(e, link, now.mono_ms);
        if (edge.state == STATE_ONLINE || outcome == PROBE_NONE) {
            return edge;
        }
    }
    if (verdict_probe_outdated(e, now)) {
        return probe_lost(e, now) ? verdict(STATE_UNREACHABLE, CAUSE_NO_ANSWER, VIA_NONE)
                                  : verdict(STATE_STALE, CAUSE_LATE, VIA_NONE);
    }
    if (outcome == PROBE_NONE) {
        return verdict(STATE_UNKNOWN, CAUSE_STARTING, VIA_NONE);
    }
    if (outcome == PROBE_UNUSABLE) {
        return verdict(STATE_DEGRADED, CAUSE_SMOLLAMA_ERROR, VIA_HTTP);
    }
    bool sure = e->probe.failures >= 2 || refused(e->probe.error);
    bool answered = e->probe.ever_ok || e->probe.ever_answered;
    return verdict(sure ? STATE_UNREACHABLE : STATE_STALE, answered ? CAUSE_NO_ANSWER : CAUSE_NEVER_SEEN,
                   VIA_NONE);
}

/* A name, and nothing else so far: what should speak for it does not. */
static struct verdict of_nothing(const struct evidence *e, const struct link_evidence *link, int64_t now_ms)
{
    struct agent_view agent = agent_view(e, link, now_ms);
    if (!agent.silent) {
        return unproven(0, link);
    }
    return verdict(agent.unreachable ? STATE_UNREACHABLE : STATE_STALE, CAUSE_NEVER_SEEN, VIA_NONE);
}

bool verdict_broker_down(const struct link_evidence *link, struct now now)
{
    bool connecting = link->up_ms == 0 && now.mono_ms - link->started_ms < CONNECT_MS;
    return !link->up && !connecting;
}

struct verdict verdict_of(const struct evidence *evidence, const struct link_evidence *link, struct now now)
{
    if (!evidence->has_url && !link->up) {
        bool down = verdict_broker_down(link, now);
        return verdict(STATE_UNKNOWN, down ? CAUSE_BROKER_DOWN : CAUSE_STARTING, VIA_NONE);
    }
    if (evidence->agent.ever) {
        return of_agent(evidence, link, now);
    }
    if (evidence->has_url) {
        return of_polled(evidence, link, now);
    }
    return evidence->edge.ever ? of_edge(evidence, link, now.mono_ms)
                               : of_nothing(evidence, link, now.mono_ms);
}
