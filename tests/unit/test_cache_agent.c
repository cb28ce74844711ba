/* States of nodes as messages, polls and outages make them, and the events that come of it. */
#include "cache_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define NODE "kitchen"

static uint64_t seq;

static int set_up(void **state)
{
    static struct world w;
    world_open_live(&w);
    seq = 0;
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    world_close(*state);
    return 0;
}

static void beat_for(struct world *w, const char *name, int64_t ms)
{
    for (; ms > 0; ms -= 10000) {
        world_wait(w, 10000);
        world_beat(w, name, "s1", ++seq);
    }
}

static void announce(struct world *w, const char *name)
{
    struct heartbeat h = heartbeat_of(w, name, "s1", ++seq);
    strcpy(h.url, "http://10.0.0.1:8080");
    world_heartbeat(w, &h, false, -1);
}

static const struct event *newest_event(struct world *w)
{
    return events_older(cache_events(w->cache), NULL);
}

static void a_new_node_comes_without_event(void **state)
{
    struct world *w = *state;
    world_status(w, NODE, "s1", "online", false); /* the agent says this first */
    assert_state(w, NODE, "unknown", "starting");
    world_beat(w, NODE, "s1", ++seq);
    assert_state(w, NODE, "online", "");
    assert_int_equal(world_events(w), 0);
    assert_int_equal(cache_state_count(w->cache, STATE_ONLINE), 1);
    assert_int_equal(cache_state_count(w->cache, STATE_UNKNOWN), 0);
}

static void a_node_that_falls_silent_is_told_once_a_step(void **state)
{
    struct world *w = *state;
    world_beat(w, NODE, "s1", ++seq);
    world_wait(w, 25 * 1000);
    assert_state(w, NODE, "online", "");
    world_wait(w, 1000);
    assert_state(w, NODE, "stale", "late");
    const struct event *event = newest_event(w);
    assert_string_equal(event->node, NODE);
    assert_int_equal(event->from, STATE_ONLINE);
    assert_int_equal(event->to, STATE_STALE);
    assert_int_equal(event->at_wall_ms, w->now.wall_ms);
    assert_string_equal(event->reason, world_node(w, NODE)->reason);
    assert_int_equal(world_node(w, NODE)->since_wall_ms, w->now.wall_ms);
    world_wait(w, 3600 * 1000);
    assert_state(w, NODE, "unreachable", "no_heartbeat");
    assert_int_equal(world_events(w), 2);
    world_beat(w, NODE, "s1", ++seq);
    assert_state(w, NODE, "online", "");
    assert_int_equal(world_events(w), 3);
}

static void ticking_alone_changes_nothing(void **state)
{
    struct world *w = *state;
    world_beat(w, "a", "s1", ++seq);
    world_edge(w, "b", "{\"readings\":[]}");
    cache_add_manual(w->cache, "c", "http://10.0.0.1:8080", w->now);
    world_poll(w, "c", PROBE_FAILED, "refused", NULL);
    uint64_t before = cache_revision(w->cache);
    world_wait(w, 20 * 1000);
    assert_int_equal(cache_revision(w->cache), before);
    world_wait(w, 300 * 1000);
    before = cache_revision(w->cache);
    world_wait(w, 3600 * 1000);
    assert_int_equal(cache_revision(w->cache), before);
}

static void a_clean_stop_is_unreachable_at_once(void **state)
{
    struct world *w = *state;
    world_beat(w, NODE, "s1", ++seq);
    world_status(w, NODE, "s1", "stopped", false);
    assert_state(w, NODE, "unreachable", "stopped");
    world_beat(w, NODE, "s2", 1);
    assert_state(w, NODE, "online", "");
}

static void a_silent_node_with_url_is_polled(void **state)
{
    struct world *w = *state;
    announce(w, NODE);
    assert_false(cache_wants_poll(w->cache, world_node(w, NODE), w->now));
    world_status(w, NODE, "s1", "offline", false);
    world_wait(w, 1000);
    assert_state(w, NODE, "stale", "will");
    assert_true(cache_wants_poll(w->cache, world_node(w, NODE), w->now));
    world_poll(w, NODE, PROBE_OK, NULL, NODE);
    assert_state(w, NODE, "online", "agent_down");
    assert_int_equal(world_node(w, NODE)->verdict.via, VIA_HTTP);
    assert_int_equal(world_node(w, NODE)->last_seen_wall_ms, w->now.wall_ms);
    world_poll(w, NODE, PROBE_UNUSABLE, "http_500", NULL);
    assert_state(w, NODE, "degraded", "smollama_error");
    world_poll(w, NODE, PROBE_FAILED, "timeout", NULL);
    assert_state(w, NODE, "unreachable", "no_answer");
    announce(w, NODE);
    assert_state(w, NODE, "online", "");
    assert_int_equal(world_node(w, NODE)->verdict.via, VIA_MQTT);
    assert_false(cache_wants_poll(w->cache, world_node(w, NODE), w->now));
    /* What the last silence showed is forgotten by the next. */
    world_wait(w, 26 * 1000);
    assert_state(w, NODE, "stale", "late");
}

static void polled_data_stand_in_and_give_way(void **state)
{
    struct world *w = *state;
    announce(w, NODE);
    world_report(w, NODE, REPORT_READINGS, "s1", 1, "{\"readings\":[{\"full_id\":\"a:b\",\"value\":1}]}");
    assert_int_equal(world_poll_body(w, NODE, REPORT_READINGS, "{\"readings\":[]}"), -EALREADY);
    world_wait(w, 30 * 1000);
    assert_int_equal(
        world_poll_body(w, NODE, REPORT_READINGS, "{\"readings\":[{\"full_id\":\"a:b\",\"value\":2}]}"), 0);
    assert_item(w, NODE, ITEM_READING, "a:b", "{\"full_id\":\"a:b\",\"value\":2}");
    assert_int_equal(world_node(w, NODE)->snapshots[REPORT_READINGS].origin, ORIGIN_POLL);
    /* The broker repeats what it had: older than what was polled. */
    assert_int_equal(world_retained_report(w, NODE, REPORT_READINGS, "s1", 1, "{\"readings\":[]}"),
                     -EALREADY);
    /* The agent repeats it: that holds now. */
    assert_int_equal(
        world_report(w, NODE, REPORT_READINGS, "s1", 1, "{\"readings\":[{\"full_id\":\"a:b\",\"value\":1}]}"),
        0);
    assert_item(w, NODE, ITEM_READING, "a:b", "{\"full_id\":\"a:b\",\"value\":1}");
}

static void broken_poll_bodies_are_refused(void **state)
{
    struct world *w = *state;
    cache_add_manual(w->cache, NODE, "http://10.0.0.1:8080", w->now);
    world_poll_body(w, NODE, REPORT_READINGS, "{\"readings\":[{\"full_id\":\"a:b\",\"value\":1}]}");
    static const struct {
        const char *body;
        enum reject reject;
    } bad[] = {
        {"", REJECT_NOT_JSON},
        {"<html>", REJECT_NOT_JSON},
        {"{\"readings\":[{\"full_id\":\"a:b\",\"value\":NaN}]}", REJECT_NOT_JSON},
        {"{\"readings\":[{\"full_id\":\"a:b\"", REJECT_NOT_JSON},
        {"{\"readings\":[\"\xff\"]}", REJECT_NOT_UTF8},
        {"{\"memories\":[]}", REJECT_BAD_BODY},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(world_poll_body(w, NODE, REPORT_READINGS, bad[i].body), -EBADMSG);
        assert_int_equal(w->fault.reason, bad[i].reject);
    }
    assert_item(w, NODE, ITEM_READING, "a:b", "{\"full_id\":\"a:b\",\"value\":1}");
}

static void another_nodes_answer_proves_nothing(void **state)
{
    struct world *w = *state;
    announce(w, NODE);
    world_wait(w, 30 * 1000);
    int64_t seen_ms = world_node(w, NODE)->last_seen_wall_ms;
    world_poll(w, NODE, PROBE_OK, NULL, "attic");
    assert_state(w, NODE, "unreachable", "no_answer");
    assert_non_null(strstr(world_node(w, NODE)->reason, "another node answers there"));
    assert_int_equal(world_node(w, NODE)->last_seen_wall_ms, seen_ms);
}

static void only_a_live_heartbeat_vouches_for_smollamas_own_name(void **state)
{
    struct world *w = *state;
    struct heartbeat h = heartbeat_of(w, NODE, "s1", 1);
    strcpy(h.url, "http://10.0.0.1:8080");
    strcpy(h.source.node_name, "raspberrypi");
    world_heartbeat(w, &h, true, 3000); /* anybody's of last week */
    world_wait(w, 61 * 1000);
    world_poll(w, NODE, PROBE_OK, NULL, "raspberrypi");
    assert_state(w, NODE, "unreachable", "no_answer");
    h.seq = 2;
    world_heartbeat(w, &h, false, -1);
    world_wait(w, 26 * 1000);
    world_poll(w, NODE, PROBE_OK, NULL, "raspberrypi");
    assert_state(w, NODE, "online", "agent_down");
    world_node(w, "raspberrypi"); /* there is one of that name */
    world_poll(w, NODE, PROBE_OK, NULL, "raspberrypi");
    assert_state(w, NODE, "unreachable", "no_answer");
}

static void manual_nodes_without_agent_live_by_their_polls(void **state)
{
    struct world *w = *state;
    assert_int_equal(cache_add_manual(w->cache, NODE, "http://10.0.0.1:8080", w->now), 0);
    assert_state(w, NODE, "unknown", "starting");
    assert_true(cache_wants_poll(w->cache, world_node(w, NODE), w->now));
    world_poll(w, NODE, PROBE_FAILED, "timeout", NULL);
    assert_state(w, NODE, "stale", "never_seen");
    world_poll(w, NODE, PROBE_FAILED, "timeout", NULL);
    assert_state(w, NODE, "unreachable", "never_seen");
    world_poll(w, NODE, PROBE_OK, NULL, NODE);
    assert_state(w, NODE, "online", "");
    world_poll(w, NODE, PROBE_FAILED, "refused", NULL);
    assert_state(w, NODE, "unreachable", "no_answer");
}

static void an_answer_within_a_millisecond_has_a_latency(void **state)
{
    struct world *w = *state;
    cache_add_manual(w->cache, NODE, "http://10.0.0.1:8080", w->now);
    struct probe_result result = {.outcome = PROBE_FAILED, .error = "refused"};
    cache_poll_finished(w->cache, world_node(w, NODE), &result, w->now);
    assert_int_equal(world_node(w, NODE)->latency_ms, 0);
    result = (struct probe_result){.outcome = PROBE_OK, .answered = true, .latency_ms = 0};
    cache_poll_finished(w->cache, world_node(w, NODE), &result, w->now);
    assert_int_equal(world_node(w, NODE)->latency_ms, 1);
}

/* The broker's memory tells of a start of which llamad heard nothing: at another address. */
static void polls_of_the_address_before_say_nothing_of_the_new_one(void **state)
{
    struct world *w = *state;
    struct heartbeat h = heartbeat_of(w, NODE, "s1", ++seq);
    strcpy(h.url, "http://10.0.0.1:8080");
    world_heartbeat(w, &h, false, 0);
    world_wait(w, 60000);
    world_poll(w, NODE, PROBE_FAILED, "no_route", NULL);
    world_poll(w, NODE, PROBE_FAILED, "no_route", NULL);
    assert_state(w, NODE, "unreachable", "no_answer");
    struct node *node = world_node(w, NODE);
    node->poll_in_flight = true;
    node->next_poll_ms = w->now.mono_ms + 60000;
    h = heartbeat_of(w, NODE, "s1", ++seq);
    strcpy(h.url, "http://10.0.0.2:8080");
    world_heartbeat(w, &h, true, 30);
    assert_string_equal(node->url, "http://10.0.0.2:8080");
    assert_int_equal(node->evidence.probe.outcome, PROBE_NONE);
    assert_false(node->poll_in_flight);
    assert_int_equal(node->next_poll_ms, 0);
    assert_state(w, NODE, "stale", "late");
}

static void smollama_trouble_is_told_apart(void **state)
{
    struct world *w = *state;
    struct heartbeat h = heartbeat_of(w, NODE, "s1", ++seq);
    h.source.ok = false;
    strcpy(h.source.error, "refused");
    world_heartbeat(w, &h, false, -1);
    assert_state(w, NODE, "degraded", "smollama_down");
    h.seq = ++seq;
    strcpy(h.source.error, "bad_body");
    world_heartbeat(w, &h, false, -1);
    assert_state(w, NODE, "degraded", "smollama_error");
    world_wait(w, 26 * 1000);
    assert_state(w, NODE, "stale", "late");
}

static void an_endpoint_is_in_trouble_after_two_fetches(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 5; i++) {
        struct heartbeat h = heartbeat_of(w, NODE, "s1", ++seq);
        h.snapshots[REPORT_MEMORIES] =
            (struct snapshot_state){.present = true, .interval_s = 20, .captured_at_ms = TIMESTAMP_NONE};
        strcpy(h.snapshots[REPORT_MEMORIES].error, "http_500");
        world_heartbeat(w, &h, false, -1);
        assert_state(w, NODE, i < 2 ? "online" : "degraded", i < 2 ? "" : "endpoint_error");
        world_wait(w, 10 * 1000);
    }
    world_beat(w, NODE, "s1", ++seq);
    assert_state(w, NODE, "online", "");
}

/* ---- the broker's link ---- */

static void an_outage_is_one_event(void **state)
{
    struct world *w = *state;
    static const char *const names[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        world_beat(w, names[i], "s1", ++seq);
    }
    announce(w, "with-url");
    world_wait(w, 5000);
    cache_link(w->cache, false, w->now);
    assert_state(w, "a", "unknown", "broker_down");
    assert_state(w, "with-url", "online", "");
    world_wait(w, 4000);
    assert_int_equal(world_events(w), 0);
    world_wait(w, 56 * 1000);
    assert_int_equal(world_events(w), 1);
    const struct event *event = newest_event(w);
    assert_string_equal(event->node, "");
    assert_int_equal(event->from, STATE_ONLINE);
    assert_int_equal(event->to, STATE_UNKNOWN);
    assert_int_equal(event->cause, CAUSE_BROKER_DOWN);
    assert_state(w, "with-url", "unknown", "broker_down");
    world_poll(w, "with-url", PROBE_OK, NULL, "with-url");
    assert_state(w, "with-url", "online", "broker_down");
    cache_link(w->cache, true, w->now);
    for (int i = 0; i < 3; i++) {
        world_status(w, names[i], "s1", "offline", true); /* the broker kept everybody's will */
        assert_state(w, names[i], "unknown", "broker_down");
    }
    assert_state(w, "with-url", "online", "broker_down");
    world_wait(w, 9000);
    world_beat(w, "a", "s1", ++seq);
    world_beat(w, "b", "s1", ++seq);
    world_beat(w, "with-url", "s1", ++seq);
    assert_state(w, "a", "online", "");
    assert_state(w, "with-url", "online", "");
    assert_int_equal(world_events(w), 1);
    world_wait(w, 17 * 1000); /* c has died meanwhile */
    assert_state(w, "c", "stale", "will");
    assert_int_equal(newest_event(w)->from, STATE_ONLINE);
    assert_int_equal(newest_event(w)->to, STATE_STALE);
}

static void a_short_break_is_no_event_at_all(void **state)
{
    struct world *w = *state;
    world_beat(w, "a", "s1", ++seq);
    cache_link(w->cache, false, w->now);
    world_wait(w, 3000);
    cache_link(w->cache, true, w->now);
    assert_state(w, "a", "online", "");
    world_wait(w, 5000);
    world_beat(w, "a", "s1", ++seq);
    world_wait(w, 20000);
    assert_int_equal(world_events(w), 0);
}

static void wills_of_a_broker_that_stops_are_not_believed(void **state)
{
    struct world *w = *state;
    beat_for(w, NODE, 30 * 1000);
    world_status(w, NODE, "s1", "offline", false);
    w->now.mono_ms += 300;
    w->now.wall_ms += 300;
    cache_link(w->cache, false, w->now);
    world_wait(w, 8000);
    cache_link(w->cache, true, w->now);
    world_status(w, NODE, "s1", "offline", true);
    assert_state(w, NODE, "online", "");
    world_wait(w, 5000);
    world_beat(w, NODE, "s1", ++seq);
    assert_state(w, NODE, "online", "");
    assert_int_equal(world_events(w), 1); /* the outage's */
}

static void who_was_gone_before_the_outage_stays_gone_without_event(void **state)
{
    struct world *w = *state;
    world_beat(w, "late", "s1", ++seq);
    world_beat(w, "stopped", "s1", ++seq);
    world_status(w, "stopped", "s1", "stopped", false);
    world_wait(w, 100 * 1000);
    assert_state(w, "late", "unreachable", "no_heartbeat");
    size_t before = world_events(w);
    cache_link(w->cache, false, w->now);
    world_wait(w, 60 * 1000);
    assert_state(w, "stopped", "unknown", "broker_down");
    cache_link(w->cache, true, w->now);
    world_status(w, "stopped", "s1", "stopped", true);
    assert_state(w, "stopped", "unreachable", "stopped");
    world_wait(w, 24 * 1000);
    assert_state(w, "late", "unknown", "broker_down");
    world_wait(w, 100 * 1000);
    assert_state(w, "late", "unreachable", "no_heartbeat");
    assert_int_equal(world_events(w), before + 1);
}

static void after_a_restart_nobody_dead_is_shown_online(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    world_wait(&w, 1000);
    cache_link(w.cache, true, w.now);
    world_retained_beat(&w, "alive", "s1", 5, 4);
    world_retained_beat(&w, "dead", "s1", 5, 3000);
    world_retained_beat(&w, "stopped", "s1", 5, 3000);
    world_status(&w, "alive", "s1", "online", true);
    world_status(&w, "dead", "s1", "offline", true);
    world_status(&w, "stopped", "s1", "stopped", true);
    assert_int_equal(cache_state_count(w.cache, STATE_UNKNOWN), 3);
    assert_int_equal(world_node(&w, "dead")->last_seen_wall_ms, w.now.wall_ms - 3000 * 1000);
    world_wait(&w, 6000);
    world_beat(&w, "alive", "s1", 6);
    assert_state(&w, "alive", "online", "");
    for (int i = 0; i < 6; i++) {
        world_wait(&w, 10 * 1000);
        world_beat(&w, "alive", "s1", 7 + (uint64_t)i);
        assert_int_equal(cache_state_count(w.cache, STATE_ONLINE), 1);
        if (i == 2) {
            assert_state(&w, "dead", "stale", "will");
            assert_state(&w, "stopped", "unreachable", "stopped");
        }
    }
    assert_state(&w, "dead", "unreachable", "no_heartbeat");
    assert_int_equal(world_events(&w), 0); /* it was so before */
    world_beat(&w, "dead", "s2", 1);
    world_wait(&w, 30 * 1000);
    assert_int_equal(world_events(&w), 3); /* its return, and that it is late again; and so is `alive` */
    world_close(&w);
}

static void who_died_while_llamad_was_away_is_news(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    cache_link(w.cache, true, w.now);
    world_retained_beat(&w, NODE, "s1", 5, 59);
    world_wait(&w, 61 * 1000);
    assert_state(&w, NODE, "unreachable", "no_heartbeat");
    assert_int_equal(world_events(&w), 1);
    world_close(&w);
}

static void dead_manual_nodes_are_no_news_after_a_restart(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    cache_add_manual(w.cache, "never", "http://10.0.0.1:8080", w.now);
    cache_add_manual(w.cache, "dead", "http://10.0.0.2:8080", w.now);
    for (int i = 0; i < 2; i++) {
        world_poll(&w, "never", PROBE_FAILED, "timeout", NULL);
        world_poll(&w, "dead", PROBE_FAILED, "refused", NULL);
    }
    assert_state(&w, "dead", "unreachable", "never_seen");
    cache_link(w.cache, true, w.now);
    world_retained_beat(&w, "dead", "s1", 5, 3000); /* once it had an agent */
    world_status(&w, "dead", "s1", "stopped", true);
    assert_state(&w, "dead", "unreachable", "stopped");
    assert_state(&w, "never", "unreachable", "never_seen");
    assert_int_equal(world_events(&w), 0);
    world_poll(&w, "never", PROBE_OK, NULL, "never");
    world_poll(&w, "never", PROBE_FAILED, "refused", NULL);
    assert_int_equal(world_events(&w), 2);
    world_close(&w);
}

static void without_a_broker_at_the_start_there_is_no_outage(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    cache_add_manual(w.cache, NODE, "http://10.0.0.1:8080", w.now);
    world_poll(&w, NODE, PROBE_OK, NULL, NODE);
    assert_state(&w, NODE, "online", "");
    world_wait(&w, 60 * 1000);
    assert_int_equal(world_events(&w), 0);
    world_close(&w);
}

/* ---- times that a node tells ---- */

static void beat_without_smollama(struct world *w, int64_t clock_ms, int64_t since_ms)
{
    struct heartbeat h = heartbeat_of(w, NODE, "s1", ++seq);
    h.at_ms += clock_ms;
    h.uptime_s = 7200;
    h.source.ok = false;
    strcpy(h.source.error, "refused");
    h.source.since_ms = since_ms;
    assert_int_equal(world_heartbeat(w, &h, false, -1), 0);
}

static void since_when_smollama_is_down_is_told_by_our_clock(void **state)
{
    struct world *w = *state;
    int64_t behind_ms = -INT64_C(20000) * 86400 * 1000; /* a machine without a battery: 1972 */
    int64_t since_ms = w->now.wall_ms + behind_ms - 60 * 1000;
    beat_without_smollama(w, behind_ms, since_ms);
    assert_non_null(strstr(world_node(w, NODE)->reason, "(since 2026-11-23T08:59:00Z)"));
    world_wait(w, 10 * 1000);
    beat_without_smollama(w, 0, since_ms); /* it has heard the time */
    assert_non_null(strstr(world_node(w, NODE)->reason, "(since 2026-11-23T08:59:00Z)"));
    world_wait(w, 10 * 1000);
    beat_without_smollama(w, 0, since_ms - 1); /* nothing is older than the machine's start */
    assert_non_null(strstr(world_node(w, NODE)->reason, "(since 2026-11-23T07:00:20Z)"));
    beat_without_smollama(w, 0, w->now.wall_ms + 86400 * 1000); /* nor does it begin tomorrow */
    assert_non_null(strstr(world_node(w, NODE)->reason, "(since 2026-11-23T09:00:20Z)"));
}

/* ---- edge nodes ---- */

static void the_usual_interval_of_an_edge_node_is_learned(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 30; i++) {
        world_edge(w, "quick", "{\"readings\":[]}");
        world_wait(w, 5000);
    }
    assert_in_range(world_node(w, "quick")->evidence.edge.interval_ms, 4500, 5500);
    world_wait(w, 12 * 1000);
    assert_state(w, "quick", "stale", "late");
    for (int i = 0; i < 5; i++) {
        world_edge(w, "slow", "{\"readings\":[]}");
        world_wait(w, 300 * 1000);
        assert_state(w, "slow", i < 1 ? "unreachable" : "online", i < 1 ? "no_message" : "");
    }
}

/* A network that was stuck lets go of all at once. */
static void a_burst_of_edge_messages_tells_no_pace(void **state)
{
    struct world *w = *state;
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 40; i++) {
            world_edge(w, "edge", "{\"readings\":[]}");
            world_wait(w, 100);
        }
        for (int second = 0; second < 60; second++) {
            world_wait(w, 1000);
            assert_state(w, "edge", "online", "");
        }
    }
    assert_int_equal(world_events(w), 0);
}

/* Nobody listened meanwhile: a node that dies after it is not online for longer. */
static void an_outage_tells_no_pace_of_an_edge_node(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 10; i++) {
        world_edge(w, "edge", "{\"readings\":[]}");
        world_wait(w, 30 * 1000);
    }
    cache_link(w->cache, false, w->now);
    world_wait(w, 300 * 1000);
    cache_link(w->cache, true, w->now);
    world_wait(w, 10 * 1000);
    world_edge(w, "edge", "{\"readings\":[]}");
    assert_in_range(world_node(w, "edge")->evidence.edge.interval_ms, 29000, 31000);
    assert_state(w, "edge", "online", "");
    world_wait(w, 91 * 1000);
    assert_state(w, "edge", "stale", "late");
    world_wait(w, 90 * 1000);
    assert_state(w, "edge", "unreachable", "no_message");
}

static void edge_messages_never_override_an_agent(void **state)
{
    struct world *w = *state;
    world_edge(w, NODE, "{\"readings\":[{\"full_id\":\"a:b\",\"value\":1}]}");
    world_beat(w, NODE, "s1", ++seq);
    world_report(w, NODE, REPORT_READINGS, "s1", 1, "{\"readings\":[{\"full_id\":\"a:b\",\"value\":2}]}");
    assert_int_equal(world_node(w, NODE)->type, NODE_ALPACA);
    assert_int_equal(world_edge(w, NODE, "{\"readings\":[{\"full_id\":\"a:b\",\"value\":3}]}"), -EALREADY);
    assert_item(w, NODE, ITEM_READING, "a:b", "{\"full_id\":\"a:b\",\"value\":2}");
    world_wait(w, 100 * 1000);
    world_edge(w, NODE, "{\"readings\":[]}");
    assert_state(w, NODE, "unreachable", "no_heartbeat");
}

static void each_outage_is_an_event_of_its_own(void **state)
{
    struct world *w = *state;
    for (size_t i = 1; i <= 3; i++) {
        cache_link(w->cache, false, w->now);
        cache_link(w->cache, false, w->now);
        world_wait(w, 20 * 1000);
        assert_int_equal(world_events(w), i);
        cache_link(w->cache, true, w->now);
        world_wait(w, 20 * 1000);
    }
}

static void edge_messages_never_override_a_poll(void **state)
{
    struct world *w = *state;
    cache_add_manual(w->cache, NODE, "http://10.0.0.1:8080", w->now);
    assert_int_equal(world_edge(w, NODE, "{\"readings\":[{\"full_id\":\"a:b\",\"value\":1}]}"), 0);
    world_poll_body(w, NODE, REPORT_READINGS, "{\"readings\":[{\"full_id\":\"a:b\",\"value\":2}]}");
    assert_int_equal(world_edge(w, NODE, "{\"readings\":[]}"), -EALREADY);
    assert_item(w, NODE, ITEM_READING, "a:b", "{\"full_id\":\"a:b\",\"value\":2}");
    /* Nor does one fill in where an agent has not reported yet. */
    world_beat(w, "other", "s1", ++seq);
    assert_int_equal(world_edge(w, "other", "{\"readings\":[{\"full_id\":\"a:b\"}]}"), -EALREADY);
    assert_int_equal(world_node(w, "other")->item_count[ITEM_READING], 0);
}

static void what_the_broker_kept_gives_way_to_newer_polls(void **state)
{
    struct world *w = *state;
    announce(w, NODE);
    world_report(w, NODE, REPORT_READINGS, "s1", 1, "{\"readings\":[]}");
    world_wait(w, 40 * 1000);
    struct now before = w->now;
    world_wait(w, 10 * 1000);
    world_poll_body(w, NODE, REPORT_READINGS, "{\"readings\":[{\"full_id\":\"a:b\",\"value\":2}]}");
    struct now after = w->now;
    w->now = before; /* published while nobody listened, and older than the poll */
    assert_int_equal(world_retained_report(w, NODE, REPORT_READINGS, "s1", 2, "{\"readings\":[]}"),
                     -EALREADY);
    w->now = after;
    assert_int_equal(world_retained_report(w, NODE, REPORT_READINGS, "s1", 3, "{\"readings\":[]}"), 0);
    assert_int_equal(world_node(w, NODE)->item_count[ITEM_READING], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_node_comes_without_event, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_node_that_falls_silent_is_told_once_a_step, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ticking_alone_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_clean_stop_is_unreachable_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_silent_node_with_url_is_polled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(polled_data_stand_in_and_give_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(broken_poll_bodies_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_nodes_answer_proves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_a_live_heartbeat_vouches_for_smollamas_own_name, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(manual_nodes_without_agent_live_by_their_polls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_answer_within_a_millisecond_has_a_latency, set_up, tear_down),
        cmocka_unit_test_setup_teardown(polls_of_the_address_before_say_nothing_of_the_new_one, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(smollama_trouble_is_told_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_endpoint_is_in_trouble_after_two_fetches, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_outage_is_one_event, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_short_break_is_no_event_at_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wills_of_a_broker_that_stops_are_not_believed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_was_gone_before_the_outage_stays_gone_without_event, set_up,
                                        tear_down),
        cmocka_unit_test(after_a_restart_nobody_dead_is_shown_online),
        cmocka_unit_test(who_died_while_llamad_was_away_is_news),
        cmocka_unit_test(dead_manual_nodes_are_no_news_after_a_restart),
        cmocka_unit_test(without_a_broker_at_the_start_there_is_no_outage),
        cmocka_unit_test_setup_teardown(the_usual_interval_of_an_edge_node_is_learned, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_burst_of_edge_messages_tells_no_pace, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_outage_tells_no_pace_of_an_edge_node, set_up, tear_down),
        cmocka_unit_test_setup_teardown(edge_messages_never_override_an_agent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(since_when_smollama_is_down_is_told_by_our_clock, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_outage_is_an_event_of_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(edge_messages_never_override_a_poll, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_broker_kept_gives_way_to_newer_polls, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
