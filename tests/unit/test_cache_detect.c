/* What is found wrong with nodes that live, and with the whole cluster. */
#include "cache_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NODE "kitchen"
#define HOUR INT64_C(3600000)

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

static void beat_at(struct world *w, const char *name, int64_t skew_ms)
{
    struct heartbeat h = heartbeat_of(w, name, "s1", ++seq);
    h.at_ms += skew_ms;
    assert_int_equal(world_heartbeat(w, &h, false, -1), 0);
}

/* ---- frozen ---- */

static const char *time_at(const struct world *w, int64_t ago_ms, char buffer[TIMESTAMP_SIZE])
{
    return timestamp_format(w->now.wall_ms - ago_ms, buffer);
}

/* A heartbeat, and readings of which "moves:1" is fresh and the others tell `still`. */
static void report_with(struct world *w, const char *still, const char *more)
{
    char body[1024], fresh[TIMESTAMP_SIZE];
    snprintf(body, sizeof body,
             "{\"readings\":[{\"full_id\":\"moves:1\",\"value\":1,\"timestamp\":\"%s\"},"
             "{\"full_id\":\"dht11:temperature\",\"value\":21,\"timestamp\":\"%s\"}%s]}",
             time_at(w, 0, fresh), still, more);
    struct heartbeat h = heartbeat_of(w, NODE, "s1", ++seq);
    h.snapshots[REPORT_READINGS].present = true;
    h.snapshots[REPORT_READINGS].interval_s = 5;
    h.snapshots[REPORT_READINGS].seq = seq;
    h.snapshots[REPORT_READINGS].captured_at_ms = w->now.wall_ms;
    assert_int_equal(world_report(w, NODE, REPORT_READINGS, "s1", seq, body), 0);
    assert_int_equal(world_heartbeat(w, &h, false, -1), 0);
}

static void report_for(struct world *w, int64_t ms, const char *still, const char *more)
{
    for (; ms > 0; ms -= 5000) {
        world_wait(w, 5000);
        report_with(w, still, more);
    }
}

static void a_sensor_that_stands_still_degrades_and_is_named(void **state)
{
    struct world *w = *state;
    char still[TIMESTAMP_SIZE];
    time_at(w, 0, still);
    report_with(w, still, "");
    report_for(w, 295000, still, "");
    assert_state(w, NODE, "online", "");
    report_for(w, 5000, still, "");
    assert_state(w, NODE, "degraded", "frozen");
    assert_string_equal(world_node(w, NODE)->reason,
                        "readings have not moved: dht11:temperature, since 2026-11-23T09:00:00Z");
    assert_int_equal(world_events(w), 1);
    report_for(w, 600000, still, "");
    assert_int_equal(world_events(w), 1);
    world_wait(w, 5000);
    report_with(w, time_at(w, 0, still), "");
    assert_state(w, NODE, "online", "");
}

static void times_that_were_never_readable_do_not_count(void **state)
{
    struct world *w = *state;
    report_with(w, "yesterday",
                ",{\"full_id\":\"x:1\",\"value\":1,\"timestamp\":null},{\"full_id\":\"x:2\"}");
    report_for(w, 900000, "yesterday",
               ",{\"full_id\":\"x:1\",\"value\":1,\"timestamp\":null},{\"full_id\":\"x:2\"}");
    assert_state(w, NODE, "online", "");
}

static void many_frozen_sources_are_counted_and_hostile_names_escaped(void **state)
{
    struct world *w = *state;
    char still[TIMESTAMP_SIZE], more[700];
    time_at(w, 0, still);
    snprintf(more, sizeof more,
             ",{\"full_id\":\"a\\u0000\\nb\",\"value\":1,\"timestamp\":\"%s\"}"
             ",{\"full_id\":\"%0100d\",\"value\":1,\"timestamp\":\"%s\"}"
             ",{\"full_id\":\"x:9\",\"value\":1,\"timestamp\":\"%s\"}",
             still, 7, still, still);
    report_with(w, still, more);
    report_for(w, 300000, still, more);
    const char *reason = world_node(w, NODE)->reason;
    assert_non_null(strstr(reason, "dht11:temperature, a\\x00\\x0ab, 0000"));
    assert_non_null(strstr(reason, " and 1 more, since 2026-11-23T09:00:00Z"));
}

static void another_utc_offset_is_no_movement(void **state)
{
    struct world *w = *state;
    const char *naive = "2026-11-23T09:00:00";
    for (int i = 0; i < 70; i++) {
        struct report r = {.kind = REPORT_READINGS,
                           .seq = ++seq,
                           .captured_at_ms = w->now.wall_ms,
                           .utc_offset_s = i < 30 ? 3600 : 7200, /* summer begins */
                           .node_slice = {.data = "\"" NODE "\"", .len = strlen(NODE) + 2}};
        char body[128];
        snprintf(body, sizeof body,
                 "{\"readings\":[{\"full_id\":\"a:b\",\"value\":%d,\"timestamp\":\"%s\"}]}", i, naive);
        r.body = json_root(body, strlen(body));
        strcpy(r.session, "s1");
        beat_at(w, NODE, 0);
        assert_int_equal(cache_report(w->cache, world_node(w, NODE), &r, false, -1, w->now, &w->fault), 0);
        world_wait(w, 5000);
    }
    assert_state(w, NODE, "degraded", "frozen");
}

static void without_snapshots_nothing_is_frozen(void **state)
{
    struct world *w = *state;
    char still[TIMESTAMP_SIZE];
    time_at(w, 0, still);
    report_with(w, still, "");
    report_for(w, 300000, still, "");
    assert_state(w, NODE, "degraded", "frozen");
    for (int i = 0; i < 7; i++) {
        world_wait(w, 10000);
        beat_at(w, NODE, 0); /* it says nothing of readings any more */
    }
    assert_state(w, NODE, "online", "");
}

/* ---- clocks ---- */

static void a_wrong_clock_degrades_one_node(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 4; i++) {
        beat_at(w, NODE, HOUR);
        beat_at(w, "right", 0);
        beat_at(w, "nearly", -29000);
        world_wait(w, 10000);
    }
    assert_state(w, NODE, "degraded", "clock_skew");
    assert_string_equal(world_node(w, NODE)->reason, "its clock is wrong: 60 min ahead of llamad's");
    assert_state(w, "right", "online", "");
    assert_state(w, "nearly", "online", "");
    assert_int_equal(world_events(w), 1);
    beat_at(w, NODE, 0);
    world_wait(w, 10000);
    beat_at(w, NODE, 0);
    assert_state(w, NODE, "online", "");
}

static void replayed_heartbeats_tell_no_clock(void **state)
{
    struct world *w = *state;
    struct heartbeat h = heartbeat_of(w, NODE, "s1", 1);
    h.at_ms += HOUR;
    assert_int_equal(world_heartbeat(w, &h, true, -1), 0);
    assert_false(world_node(w, NODE)->has_clock_skew);
    h.seq = 2;
    h.at_ms -= 2 * HOUR;
    assert_int_equal(world_heartbeat(w, &h, false, 60), 0); /* live, but it waited somewhere */
    assert_false(world_node(w, NODE)->has_clock_skew);
    h.seq = 3;
    h.at_ms = w->now.wall_ms - 20000;
    assert_int_equal(world_heartbeat(w, &h, false, 20), 0);
    assert_int_equal(world_node(w, NODE)->clock_skew_ms, 0);
}

static void our_own_clock_is_one_incident(void **state)
{
    struct world *w = *state;
    static const char *const names[] = {"a", "b", "c", "d"};
    size_t count;
    for (int i = 0; i < 4; i++) {
        for (size_t n = 0; n < 4; n++) {
            beat_at(w, names[n], n < 3 ? -HOUR - (int64_t)n * 1000 : 0);
        }
        world_wait(w, 10000);
        for (size_t n = 0; n < 4; n++) {
            assert_state(w, names[n], "online", "");
        }
    }
    assert_int_equal(world_events(w), 1);
    const struct event *event = events_older(cache_events(w->cache), NULL);
    assert_string_equal(event->node, "");
    assert_int_equal(event->cause, CAUSE_OWN_CLOCK);
    const struct incident *incident = cache_incidents(w->cache, &count);
    assert_int_equal(count, 1);
    assert_int_equal(incident->cause, CAUSE_OWN_CLOCK);
    assert_non_null(strstr(incident->reason, "3 of 4 nodes' clocks are 60 min behind"));
    uint64_t revision = cache_link_revision(w->cache);
    for (int i = 0; i < 3; i++) { /* it is set right */
        for (size_t n = 0; n < 4; n++) {
            beat_at(w, names[n], 0);
        }
        world_wait(w, 10000);
    }
    cache_incidents(w->cache, &count);
    assert_int_equal(count, 0);
    assert_true(cache_link_revision(w->cache) > revision);
    assert_int_equal(world_events(w), 1);
}

static void setting_our_clock_accuses_nobody(void **state)
{
    struct world *w = *state;
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    for (int i = 0; i < 12; i++) {
        for (size_t n = 0; n < 5; n++) { /* not all at the same moment */
            beat_at(w, names[n], i < 6 ? 0 : HOUR);
            world_wait(w, 2000);
            assert_state(w, names[n], "online", "");
        }
        if (i == 5) {
            w->now.wall_ms -= HOUR;
        }
    }
    size_t count;
    assert_int_equal(cache_incidents(w->cache, &count)->cause, CAUSE_OWN_CLOCK);
    assert_int_equal(count, 1);
    assert_int_equal(world_events(w), 1);
}

static void the_date_of_an_answer_tells_a_polled_nodes_clock(void **state)
{
    struct world *w = *state;
    cache_add_manual(w->cache, NODE, "http://10.0.0.7:8080", w->now);
    world_poll(w, NODE, PROBE_OK, NULL, NULL);
    cache_poll_clock(w->cache, world_node(w, NODE), -HOUR, w->now);
    world_wait(w, 3000);
    assert_state(w, NODE, "online", "");
    assert_int_equal(world_node(w, NODE)->clock_skew_ms, -HOUR);
    beat_at(w, NODE, 0); /* its agent knows better */
    assert_state(w, NODE, "online", "");
    cache_poll_clock(w->cache, world_node(w, NODE), -HOUR, w->now); /* of a poll that was under way */
    assert_int_equal(world_node(w, NODE)->clock_skew_ms, 0);
    assert_int_equal(world_events(w), 0);
}

/* ---- two agents under one name ---- */

static void two_agents_that_alternate_are_one_lasting_state(void **state)
{
    struct world *w = *state;
    struct heartbeat one = heartbeat_of(w, NODE, "one", 0), two = heartbeat_of(w, NODE, "two", 0);
    strcpy(one.url, "http://10.0.0.1:8080");
    for (int i = 0; i < 40; i++) { /* each is there for 30 s: they take the connection from each other */
        struct heartbeat *h = i / 3 % 2 ? &two : &one;
        h->seq++;
        h->at_ms = w->now.wall_ms;
        world_heartbeat(w, h, false, -1);
        world_wait(w, 10000);
        assert_state(w, NODE, i < 6 ? "online" : "degraded", i < 6 ? "" : "duplicate_name");
    }
    assert_int_equal(world_events(w), 1);
    const char *reason = world_node(w, NODE)->reason;
    assert_non_null(strstr(reason, "one (http://10.0.0.1:8080)"));
    assert_non_null(strstr(reason, "two (no URL)"));
    for (int i = 0; i < 120; i++) { /* one of them is stopped for good */
        one.seq++;
        one.at_ms = w->now.wall_ms;
        world_heartbeat(w, &one, false, -1);
        world_wait(w, 10000);
    }
    assert_state(w, NODE, "online", "");
    assert_string_equal(world_node(w, NODE)->heartbeat.session, "one");
    assert_int_equal(world_events(w), 2);
}

static void an_agent_that_is_restarted_again_and_again_is_one(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 50; i++) {
        char session[16];
        snprintf(session, sizeof session, "s%d", i);
        world_beat(w, NODE, session, 1);
        world_beat(w, NODE, session, 2);
        if (i > 0) {
            snprintf(session, sizeof session, "s%d", i - 1);
            assert_int_equal(world_beat(w, NODE, session, 2), -ESTALE); /* delivered twice */
        }
        world_wait(w, 5000);
        assert_state(w, NODE, "online", "");
    }
    assert_int_equal(world_events(w), 0);
}

/* ---- incidents and events ---- */

static void the_brokers_absence_is_an_incident_while_it_lasts(void **state)
{
    struct world *w = *state;
    size_t count;
    cache_incidents(w->cache, &count);
    assert_int_equal(count, 0);
    cache_link(w->cache, false, w->now);
    const struct incident *incident = cache_incidents(w->cache, &count);
    assert_int_equal(count, 1);
    assert_int_equal(incident->cause, CAUSE_BROKER_DOWN);
    assert_int_equal(incident->since_wall_ms, w->now.wall_ms);
    assert_string_equal(incident->reason, "no connection to the broker since 2026-11-23T09:00:00Z");
    uint64_t revision = cache_revision(w->cache);
    world_wait(w, 4000);
    assert_int_equal(cache_revision(w->cache), revision);
    cache_link(w->cache, true, w->now);
    cache_incidents(w->cache, &count);
    assert_int_equal(count, 0);
}

static void a_broker_never_reached_is_an_incident_soon(void **state)
{
    (void)state;
    struct world w;
    size_t count;
    world_open(&w);
    world_wait(&w, 4000);
    cache_incidents(w.cache, &count);
    assert_int_equal(count, 0);
    world_wait(&w, 2000);
    assert_int_equal(cache_incidents(w.cache, &count)->since_wall_ms, START_WALL_MS);
    assert_int_equal(count, 1);
    world_close(&w);
}

static size_t events_of(const struct world *w, const char *name)
{
    size_t count = 0;
    const struct events *events = cache_events(w->cache);
    for (const struct event *event = events_older(events, NULL); event; event = events_older(events, event)) {
        count += strcmp(event->node, name) == 0;
    }
    return count;
}

static void a_node_that_changes_all_the_time_leaves_room_for_others(void **state)
{
    struct world *w = *state;
    world_beat(w, "other", "s1", 1);
    world_status(w, "other", "s1", "stopped", false);
    assert_int_equal(events_of(w, "other"), 1);
    for (int i = 0; i < 5000; i++) {
        beat_at(w, NODE, 0);
        world_status(w, NODE, "s1", "stopped", false);
        world_wait(w, 1000);
    }
    assert_int_equal(events_of(w, "other"), 1);
    assert_in_range(events_of(w, NODE), 60, 80);
    beat_at(w, NODE, 0);
    world_wait(w, 2000);
    beat_at(w, NODE, 0);
    for (int i = 0; i < 61; i++) {
        world_wait(w, 10000);
        beat_at(w, NODE, 0);
    }
    const struct event *last = events_older(cache_events(w->cache), NULL);
    const struct event *before = events_older(cache_events(w->cache), last);
    assert_string_equal(last->node, NODE);
    assert_int_equal(last->to, STATE_ONLINE); /* what holds now is told, though late */
    assert_non_null(strstr(last->reason, " were not told one by one)"));
    assert_int_equal(last->from, before->to);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_sensor_that_stands_still_degrades_and_is_named),
        TEST(times_that_were_never_readable_do_not_count),
        TEST(many_frozen_sources_are_counted_and_hostile_names_escaped),
        TEST(another_utc_offset_is_no_movement),
        TEST(without_snapshots_nothing_is_frozen),
        TEST(a_wrong_clock_degrades_one_node),
        TEST(replayed_heartbeats_tell_no_clock),
        TEST(our_own_clock_is_one_incident),
        TEST(setting_our_clock_accuses_nobody),
        TEST(the_date_of_an_answer_tells_a_polled_nodes_clock),
        TEST(two_agents_that_alternate_are_one_lasting_state),
        TEST(an_agent_that_is_restarted_again_and_again_is_one),
        TEST(the_brokers_absence_is_an_incident_while_it_lasts),
        TEST(a_broker_never_reached_is_an_incident_soon),
        TEST(a_node_that_changes_all_the_time_leaves_room_for_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
