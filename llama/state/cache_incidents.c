/*
 * What concerns the whole cluster, and is told once instead of at each node: the broker is away, or the clock
 * of this machine is wrong.
 */
#include "cache_internal.h"

#include <string.h>

/* "no connection to the broker since …" */
static void describe_outage(const struct cache *cache, struct now now, char reason[REASON_MAX])
{
    const struct evidence nobody = {0};
    verdict_reason((struct verdict){.cause = CAUSE_BROKER_DOWN}, &nobody, &cache->link, now, reason,
                   REASON_MAX);
}

void cache_tell_outage(struct cache *cache, struct now now)
{
    const struct link_evidence *link = &cache->link;
    if (link->up || link->down_ms == 0 || cache->outage_told ||
        now.mono_ms - link->down_ms < OUTAGE_EVENT_MS) {
        return;
    }
    cache->outage_told = true;
    struct event event = {.revision = ++cache->revision,
                          .at_wall_ms = now.wall_ms,
                          .from = STATE_ONLINE,
                          .to = STATE_UNKNOWN,
                          .cause = CAUSE_BROKER_DOWN};
    describe_outage(cache, now, event.reason);
    events_add(cache->events, &event);
}

/* The one that stood already, as it was told; NULL if it is new. */
static const struct incident *find(const struct cache *cache, enum cause cause)
{
    for (size_t i = 0; i < cache->incident_count; i++) {
        if (cache->incidents[i].cause == cause) {
            return &cache->incidents[i];
        }
    }
    return NULL;
}

static struct incident outage(const struct cache *cache, struct now now)
{
    const struct incident *before = find(cache, CAUSE_BROKER_DOWN);
    if (before) {
        return *before;
    }
    const struct link_evidence *link = &cache->link;
    struct incident incident = {
        .cause = CAUSE_BROKER_DOWN,
        .since_wall_ms = clock_wall_of(now, link->down_ms ? link->down_ms : link->started_ms),
    };
    describe_outage(cache, now, incident.reason);
    return incident;
}

void cache_update_incidents(struct cache *cache, struct now now)
{
    struct incident incidents[INCIDENTS];
    size_t count = 0;
    bool changed = false;
    if (verdict_broker_down(&cache->link, now)) {
        changed = !find(cache, CAUSE_BROKER_DOWN);
        incidents[count++] = outage(cache, now);
    }
    if (cache->own_clock.wrong) {
        changed = changed || !find(cache, CAUSE_OWN_CLOCK);
        incidents[count] =
            (struct incident){.cause = CAUSE_OWN_CLOCK, .since_wall_ms = cache->own_clock_wall_ms};
        memcpy(incidents[count++].reason, cache->own_clock_reason, REASON_MAX);
    }
    if (changed || count != cache->incident_count) {
        cache->link_revision = ++cache->revision;
    }
    memcpy(cache->incidents, incidents, count * sizeof *incidents);
    cache->incident_count = count;
}

const struct incident *cache_incidents(const struct cache *cache, size_t *ret_count)
{
    *ret_count = cache->incident_count;
    return cache->incidents;
}
