/*
 * Sessions of agents. The current one is that of the last live heartbeat, until then that of the retained
 * one: node.heartbeat.session. Superseded ones are remembered and ignored.
 */
#include "cache_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SESSIONS_MAX 8 /* superseded sessions remembered of a node */
/* The current one silent for as long: a superseded one may come back. */
#define SESSION_LOST_MS (10 * 60 * 1000)
#define PARKED_MS       60000 /* a report waits this long for the first heartbeat of its session */

bool session_is_current(const struct entry *entry, const char *session)
{
    return entry->node.has_heartbeat && strcmp(entry->node.heartbeat.session, session) == 0;
}

bool session_is_live(const struct entry *entry)
{
    return entry->node.has_heartbeat && entry->node.evidence.agent.heartbeat_ms != 0;
}

struct session_memory *session_find(const struct entry *entry, const char *session)
{
    for (struct session_memory *memory = entry->node.sessions; memory; memory = memory->next) {
        if (strcmp(memory->session, session) == 0) {
            return memory;
        }
    }
    return NULL;
}

bool session_is_superseded(const struct entry *entry, const char *session)
{
    return session_find(entry, session) != NULL;
}

bool session_may_return(const struct entry *entry, struct now now)
{
    return now.mono_ms - entry->detected.session_heard_ms > SESSION_LOST_MS;
}

static void memory_free(struct session_memory *memory)
{
    free(memory->url);
    free(memory);
}

static void forget(struct entry *entry, const char *session)
{
    size_t kept = 0;
    for (struct session_memory **at = &entry->node.sessions; *at;) {
        struct session_memory *memory = *at;
        if (kept == SESSIONS_MAX || strcmp(memory->session, session) == 0) {
            *at = memory->next;
            memory_free(memory);
        } else {
            kept++;
            at = &memory->next;
        }
    }
}

void session_supersede(struct entry *entry, const char *session, struct now now)
{
    struct node *node = &entry->node;
    struct session_memory *memory = calloc(1, sizeof *memory);
    if (memory) { /* else its next heartbeat will look like a new session's: better than to lose this one */
        memcpy(memory->session, node->heartbeat.session, sizeof memory->session);
        memory->seq = node->heartbeat.seq;
        memory->heard_ms = now.mono_ms;
        cache_set_text(&memory->url, node->announced_url); /* to be shown; without memory, it is not */
        memory->next = node->sessions;
        node->sessions = memory;
    }
    forget(entry, session);
}

/* ---- reports that are early ---- */

static void drop(struct cache *cache, struct parked **at)
{
    struct parked *parked = *at;
    *at = parked->next;
    cache->parked_bytes -= parked->report.body.len;
    free(parked);
}

int session_park(struct cache *cache, struct entry *entry, const struct report *report,
                 int64_t captured_mono_ms, struct now now)
{
    for (struct parked **at = &entry->parked; *at;) {
        if ((*at)->report.kind == report->kind) {
            drop(cache, at); /* one of each kind: the last */
        } else {
            at = &(*at)->next;
        }
    }
    size_t len = report->body.len;
    if (cache->parked_bytes + len > LIMIT_PARKED) {
        return -ENOSPC;
    }
    struct parked *parked = malloc(sizeof *parked + len);
    if (!parked) {
        return -ENOMEM;
    }
    parked->report = *report;
    parked->report.node = NULL;
    parked->report.node_slice = (struct json_slice){0};
    parked->report.body.data = memcpy(parked->body, report->body.data, len);
    parked->captured_mono_ms = captured_mono_ms;
    parked->since_ms = now.mono_ms;
    parked->next = entry->parked;
    entry->parked = parked;
    cache->parked_bytes += len;
    return 0;
}

void session_drop_waited(struct cache *cache, struct entry *entry, struct now now)
{
    for (struct parked **at = &entry->parked; *at;) {
        if (now.mono_ms - (*at)->since_ms > PARKED_MS) {
            drop(cache, at);
        } else {
            at = &(*at)->next;
        }
    }
}

void session_unpark(struct cache *cache, struct entry *entry, struct now now)
{
    while (entry->parked) {
        const struct parked *parked = entry->parked;
        const struct report *report = &parked->report;
        if (session_is_current(entry, report->session)) {
            struct source source = {
                .origin = ORIGIN_AGENT,
                .captured_wall_ms = report->captured_at_ms,
                .captured_mono_ms = parked->captured_mono_ms,
                .utc_offset_s = report->utc_offset_s,
            };
            cache_apply_report(cache, entry, report, &source, now, NULL);
        }
        drop(cache, &entry->parked);
    }
}

void session_finish(struct cache *cache, struct entry *entry)
{
    while (entry->parked) {
        drop(cache, &entry->parked);
    }
    for (struct session_memory *memory = entry->node.sessions, *next; memory; memory = next) {
        next = memory->next;
        memory_free(memory);
    }
    entry->node.sessions = NULL;
}
