#include "cache_world.h"

#include "buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

void world_open(struct world *w)
{
    *w = (struct world){.now = {.mono_ms = 5000000, .wall_ms = START_WALL_MS}};
    w->cache = cache_create(w->now);
    assert_non_null(w->cache);
}

void world_open_live(struct world *w)
{
    world_open(w);
    cache_link(w->cache, true, w->now);
    w->now.mono_ms += 3600 * 1000;
    w->now.wall_ms += 3600 * 1000;
}

void world_close(struct world *w)
{
    cache_destroy(w->cache);
}

void world_wait(struct world *w, int64_t ms)
{
    while (ms > 0) {
        int64_t step_ms = ms < 1000 ? ms : 1000;
        w->now.mono_ms += step_ms;
        w->now.wall_ms += step_ms;
        cache_tick(w->cache, w->now);
        ms -= step_ms;
    }
}

struct node *world_node(struct world *w, const char *name)
{
    struct node *node = cache_find(w->cache, name, strlen(name));
    if (!node) {
        node = cache_add(w->cache, name, strlen(name), 0, w->now, &w->fault);
    }
    assert_non_null(node);
    return node;
}

struct heartbeat heartbeat_of(const struct world *w, const char *name, const char *session, uint64_t seq)
{
    struct heartbeat h = {
        .type = NODE_ALPACA,
        .seq = seq,
        .at_ms = w->now.wall_ms,
        .interval_s = AGENT_INTERVAL_S,
        .source = {.ok = true, .since_ms = TIMESTAMP_NONE},
    };
    strcpy(h.node, name);
    strcpy(h.session, session);
    for (int kind = 0; kind < REPORT_KINDS; kind++) {
        h.snapshots[kind].captured_at_ms = TIMESTAMP_NONE;
    }
    return h;
}

int world_heartbeat(struct world *w, const struct heartbeat *heartbeat, bool replayed, int64_t age_s)
{
    return cache_heartbeat(w->cache, world_node(w, heartbeat->node), heartbeat, replayed, age_s, true, w->now,
                           &w->fault);
}

int world_beat(struct world *w, const char *name, const char *session, uint64_t seq)
{
    struct heartbeat h = heartbeat_of(w, name, session, seq);
    return world_heartbeat(w, &h, false, -1);
}

int world_retained_beat(struct world *w, const char *name, const char *session, uint64_t seq, int64_t age_s)
{
    struct heartbeat h = heartbeat_of(w, name, session, seq);
    h.at_ms -= age_s > 0 ? age_s * 1000 : 0;
    return world_heartbeat(w, &h, true, age_s);
}

void world_status(struct world *w, const char *name, const char *session, const char *what, bool replayed)
{
    struct status status = {
        .online = strcmp(what, "online") == 0,
        .stopped = strcmp(what, "stopped") == 0,
        .at_ms = w->now.wall_ms,
    };
    strcpy(status.session, session);
    cache_status(w->cache, world_node(w, name), &status, replayed, w->now);
}

static int report(struct world *w, const char *name, enum report_kind kind, const char *session, uint64_t seq,
                  const char *body, bool replayed)
{
    char quoted[NODE_NAME_MAX + 3];
    snprintf(quoted, sizeof quoted, "\"%s\"", name);
    struct json_error error;
    assert_true(json_check(body, strlen(body), JSON_MAX_DEPTH, &error));
    struct report r = {
        .node_slice = {.data = quoted, .len = strlen(quoted)},
        .kind = kind,
        .seq = seq,
        .captured_at_ms = w->now.wall_ms,
        .utc_offset_s = 0,
        .body = json_root(body, strlen(body)),
    };
    strcpy(r.session, session);
    return cache_report(w->cache, world_node(w, name), &r, replayed, -1, w->now, &w->fault);
}

int world_report(struct world *w, const char *name, enum report_kind kind, const char *session, uint64_t seq,
                 const char *body)
{
    return report(w, name, kind, session, seq, body, false);
}

int world_readings(struct world *w, const char *name, const char *session, uint64_t seq, const char *items)
{
    struct buf body = BUF_INIT;
    buf_printf(&body, "{\"timestamp\":\"2026-11-23T08:00:00\",\"readings\":[%s]}", items);
    int e = world_report(w, name, REPORT_READINGS, session, seq, buf_terminate(&body));
    buf_finish(&body);
    return e;
}

int world_retained_report(struct world *w, const char *name, enum report_kind kind, const char *session,
                          uint64_t seq, const char *body)
{
    return report(w, name, kind, session, seq, body, true);
}

int world_edge(struct world *w, const char *name, const char *body)
{
    struct node *node = world_node(w, name);
    return cache_edge(w->cache, node, json_root(body, strlen(body)), w->now.wall_ms, w->now, &w->fault);
}

void world_poll(struct world *w, const char *name, enum probe_outcome outcome, const char *error,
                const char *node_name)
{
    struct node *node = world_node(w, name);
    struct probe_result result = {
        .outcome = outcome,
        .answered = outcome != PROBE_FAILED,
        .error = error,
        .latency_ms = 12,
        .node_name = node_name,
    };
    cache_poll_started(w->cache, node, w->now);
    cache_poll_finished(w->cache, node, &result, w->now);
}

int world_poll_body(struct world *w, const char *name, enum report_kind kind, const char *body)
{
    struct json_slice slice = {.data = body, .len = strlen(body)};
    return cache_poll_body(w->cache, world_node(w, name), kind, slice, w->now.wall_ms, 3600, w->now,
                           &w->fault);
}

const struct item *world_item(struct world *w, const char *node, enum item_kind kind, const char *id)
{
    const struct node *n = cache_get(w->cache, node, strlen(node));
    return n ? cache_find_item(w->cache, n, kind, id, strlen(id)) : NULL;
}

size_t world_events(const struct world *w)
{
    return (size_t)events_last_id(cache_events(w->cache));
}
