/* What is kept over a restart: events, and what was last known of nodes. */
#include "cache_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HOUR_MS INT64_C(3600000)
#define READINGS \
    "{\"readings\":[{\"full_id\":\"system:t\",\"value\":1.50,\"timestamp\":\"2026-11-23T08:30:00Z\"}]}"
#define READING "{\"full_id\":\"system:t\",\"value\":1.50,\"timestamp\":\"2026-11-23T08:30:00Z\"}"

static int set_up(void **state)
{
    static struct world w;
    world_open_live(&w);
    *state = &w;
    return 0;
}

/* llamad has just started, and the broker's link came up. */
static int set_up_fresh(void **state)
{
    static struct world w;
    world_open(&w);
    cache_link(w.cache, true, w.now);
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    world_close(*state);
    return 0;
}

static struct kept_node kept_node(const struct world *w, int64_t age_ms)
{
    return (struct kept_node){
        .utc_offset_s = TIMESTAMP_OFFSET_UNKNOWN, .seen_wall_ms = w->now.wall_ms - age_ms, .mdns_url = ""};
}

static struct node *restore(struct world *w, const char *name, const struct kept_node *kept)
{
    return cache_restore_node(w->cache, name, strlen(name), kept, w->now, &w->fault);
}

static int restore_body(struct world *w, struct node *node, enum report_kind kind, enum origin origin,
                        const char *body, int64_t age_ms)
{
    return cache_restore_body(w->cache, node, kind, origin, json_root(body, strlen(body)),
                              w->now.wall_ms - age_ms, w->now.wall_ms - age_ms, w->now, &w->fault);
}

static void restore_event(struct world *w, uint64_t id, const char *node, enum state to, enum cause cause,
                          int64_t age_ms)
{
    struct event event = {.id = id, .at_wall_ms = w->now.wall_ms - age_ms, .to = to, .cause = cause};
    strcpy(event.node, node);
    assert_int_equal(cache_restore_event(w->cache, &event), 0);
}

static const struct event *newest(const struct world *w)
{
    return events_older(cache_events(w->cache), NULL);
}

/* ---- nodes ---- */

static void polled_values_come_back_with_their_age_and_without_a_state(void **state)
{
    struct world *w = *state;
    assert_int_equal(cache_add_manual(w->cache, "pi", "http://10.0.0.1", w->now), 0);
    struct kept_node kept = kept_node(w, HOUR_MS);
    kept.answered = true;
    struct node *node = restore(w, "pi", &kept);
    assert_non_null(node);
    assert_int_equal(restore_body(w, node, REPORT_READINGS, ORIGIN_POLL, READINGS, HOUR_MS), 0);
    assert_item(w, "pi", ITEM_READING, "system:t", READING);
    assert_state(w, "pi", "unknown", "starting");
    assert_int_equal(node->snapshots[REPORT_READINGS].captured_mono_ms, w->now.mono_ms - HOUR_MS);
    assert_int_equal(node->last_seen_wall_ms, w->now.wall_ms - HOUR_MS);
    assert_int_equal(node->last_seen_mono_ms, w->now.mono_ms - HOUR_MS);
    world_poll(w, "pi", PROBE_FAILED, "refused", NULL);
    assert_state(w, "pi", "unreachable", "no_answer"); /* and not never_seen */
    assert_int_equal(node->last_seen_wall_ms, w->now.wall_ms - HOUR_MS);
}

static void edge_node_is_starting_then_late_until_it_speaks(void **state)
{
    struct world *w = *state;
    struct kept_node kept = kept_node(w, 2000);
    kept.found = FOUND_EDGE;
    kept.type = NODE_EDGE;
    kept.edge_interval_ms = 10000;
    struct node *node = restore(w, "edge", &kept);
    assert_int_equal(restore_body(w, node, REPORT_READINGS, ORIGIN_EDGE, READINGS, 2000), 0);
    assert_item(w, "edge", ITEM_READING, "system:t", READING);
    assert_int_equal(node->type, NODE_EDGE);
    assert_int_equal(node->found, FOUND_EDGE);
    assert_state(w, "edge", "unknown", "starting"); /* however fresh that is: a file proves nothing */
    world_wait(w, 29000);
    assert_state(w, "edge", "unknown", "starting");
    world_wait(w, 2000);
    assert_state(w, "edge", "stale", "late");
    world_wait(w, 30000);
    assert_state(w, "edge", "unreachable", "no_message");
    assert_non_null(strstr(node->reason, "no message since 2026-11-23T07:59:58"));
    assert_int_equal(world_edge(w, "edge", READINGS), 0);
    assert_state(w, "edge", "online", "");
    assert_int_equal(node->evidence.edge.interval_ms, 10000); /* the pause told nothing of its habits */
}

static void agent_of_an_earlier_run_is_missed_and_not_never_seen(void **state)
{
    struct world *w = *state;
    struct kept_node kept = kept_node(w, HOUR_MS);
    kept.found = FOUND_MQTT;
    kept.agent = true;
    struct node *node = restore(w, "pi", &kept);
    assert_int_equal(restore_body(w, node, REPORT_READINGS, ORIGIN_POLL, READINGS, HOUR_MS), 0);
    assert_state(w, "pi", "unknown", "starting");
    world_wait(w, 61000);
    assert_state(w, "pi", "unreachable", "no_heartbeat");
    assert_int_equal(world_events(w), 0);
}

static void older_report_of_the_broker_does_not_override_a_later_poll(void **state)
{
    struct world *w = *state;
    struct kept_node kept = kept_node(w, 1000);
    kept.found = FOUND_MQTT;
    kept.agent = true;
    struct node *node = restore(w, "pi", &kept);
    assert_int_equal(restore_body(w, node, REPORT_READINGS, ORIGIN_POLL, READINGS, 1000), 0);
    w->now.wall_ms -= 2000; /* the report says it was captured then */
    assert_int_equal(world_retained_report(w, "pi", REPORT_READINGS, "s", 5, "{\"readings\":[]}"), -EALREADY);
    w->now.wall_ms += 4000;
    assert_int_equal(world_retained_report(w, "pi", REPORT_READINGS, "s", 6, "{\"readings\":[]}"), 0);
    assert_null(world_item(w, "pi", ITEM_READING, "system:t"));
}

static void node_known_by_its_configuration_alone_goes_with_it(void **state)
{
    struct world *w = *state;
    struct kept_node kept = kept_node(w, HOUR_MS);
    kept.found = FOUND_MANUAL;
    assert_null(restore(w, "was-manual", &kept));
    assert_int_equal(w->fault.reason, REJECT_NONE);
    kept.found = FOUND_MANUAL | FOUND_EDGE;
    kept.edge_interval_ms = 30000;
    struct node *node = restore(w, "edge", &kept);
    assert_int_equal(node->found, FOUND_EDGE);
    assert_false(node->evidence.manual);
}

static void node_is_asked_where_mdns_saw_it_if_that_is_allowed(void **state)
{
    struct world *w = *state;
    struct kept_node kept = kept_node(w, HOUR_MS);
    kept.found = FOUND_MDNS;
    kept.mdns_url = "http://10.0.0.7:8080";
    assert_false(cache_wants_poll(w->cache, restore(w, "forbidden", &kept), w->now));
    kept.mdns_allowed = true;
    struct node *node = restore(w, "pi", &kept);
    assert_string_equal(node->url, "http://10.0.0.7:8080");
    assert_true(cache_wants_poll(w->cache, node, w->now));
}

static void re_exported_readings_prove_nobody_alive(void **state)
{
    struct world *w = *state;
    const char *body = "{\"readings\":[{\"full_id\":\"edge:system:t\",\"value\":1,\"timestamp\":"
                       "\"2026-11-23T07:59:59Z\",\"metadata\":{\"node\":\"edge\"}}]}";
    assert_int_equal(cache_add_manual(w->cache, "master", "http://10.0.0.1", w->now), 0);
    struct kept_node kept = kept_node(w, 1000);
    struct node *master = restore(w, "master", &kept);
    assert_int_equal(restore_body(w, master, REPORT_READINGS, ORIGIN_POLL, body, 1000), 0);
    assert_non_null(world_item(w, "edge", ITEM_READING, "system:t"));
    assert_state(w, "edge", "unknown", "starting");
    assert_ptr_equal(cache_next_export(master, NULL), world_node(w, "edge"));
    assert_null(cache_next_export(master, world_node(w, "edge")));
    /* The master itself says the same again: that is its word, and of now. */
    assert_int_equal(world_poll_body(w, "master", REPORT_READINGS, body), 0);
    assert_state(w, "edge", "online", "");
}

static void age_is_unknown_when_the_clock_went_back(void **state)
{
    struct world *w = *state;
    assert_int_equal(cache_add_manual(w->cache, "pi", "http://10.0.0.1", w->now), 0);
    struct kept_node kept = kept_node(w, -HOUR_MS);
    struct node *node = restore(w, "pi", &kept);
    assert_int_equal(restore_body(w, node, REPORT_READINGS, ORIGIN_POLL, READINGS, -HOUR_MS), 0);
    assert_item(w, "pi", ITEM_READING, "system:t", READING);
    assert_int_equal(node->last_seen_wall_ms, TIMESTAMP_NONE);
    assert_int_equal(node->snapshots[REPORT_READINGS].captured_mono_ms,
                     0); /* "never", and so without an age */
}

static void limits_hold_for_files_too(void **state)
{
    struct world *w = *state;
    struct kept_node kept = kept_node(w, HOUR_MS);
    kept.found = FOUND_EDGE;
    assert_null(restore(w, "a/b", &kept));
    assert_int_equal(w->fault.reason, REJECT_BAD_NAME);
    struct node *node = restore(w, "pi", &kept);
    assert_int_equal(restore_body(w, node, REPORT_READINGS, ORIGIN_AGENT, READINGS, 0), -EINVAL);
    assert_int_equal(restore_body(w, node, REPORT_READINGS, ORIGIN_MASTER, READINGS, 0), -EINVAL);
    assert_int_equal(restore_body(w, node, REPORT_STATS, ORIGIN_EDGE, "{\"node_name\":\"pi\"}", 0), -EINVAL);
    assert_int_equal(restore_body(w, node, REPORT_READINGS, ORIGIN_POLL, "{\"readings\":7}", 0), -EBADMSG);
    assert_int_equal(restore_body(w, node, REPORT_READINGS, ORIGIN_POLL, READINGS, 0), 0);
    assert_int_equal(restore_body(w, node, REPORT_READINGS, ORIGIN_POLL, "{\"readings\":[]}", 0), -EALREADY);
    assert_item(w, "pi", ITEM_READING, "system:t", READING);
}

static void what_was_not_heard_for_long_is_forgotten_all_the_same(void **state)
{
    struct world *w = *state;
    struct kept_node kept = kept_node(w, RETAIN_DEFAULT_MS + 1000);
    kept.found = FOUND_EDGE;
    kept.edge_interval_ms = 30000;
    assert_non_null(restore(w, "old", &kept));
    world_wait(w, 1000);
    assert_null(cache_get(w->cache, "old", 3));
}

/* ---- events ---- */

static void ids_go_on_and_nothing_is_told_twice(void **state)
{
    struct world *w = *state;
    restore_event(w, 41, "pi", STATE_UNREACHABLE, CAUSE_NO_HEARTBEAT, HOUR_MS);
    assert_int_equal(events_last_id(cache_events(w->cache)), 41);
    assert_true(newest(w)->revision > 0);
    world_retained_beat(w, "pi", "s", 7, HOUR_MS / 1000);
    world_wait(w, 30000);
    assert_state(w, "pi", "stale", "late"); /* on its way to what it was before */
    world_wait(w, 60000);
    assert_state(w, "pi", "unreachable", "no_heartbeat");
    assert_int_equal(events_last_id(cache_events(w->cache)), 41);
    assert_int_equal(cache_get(w->cache, "pi", 2)->since_wall_ms, newest(w)->at_wall_ms);
    world_beat(w, "pi", "s", 8);
    assert_int_equal(newest(w)->id, 42);
    assert_int_equal(newest(w)->from, STATE_UNREACHABLE);
    assert_int_equal(newest(w)->to, STATE_ONLINE);
}

static void return_while_llamad_was_away_is_told(void **state)
{
    struct world *w = *state;
    restore_event(w, 1, "pi", STATE_UNREACHABLE, CAUSE_STOPPED, HOUR_MS);
    restore_event(w, 2, "other", STATE_ONLINE, CAUSE_NONE, HOUR_MS);
    world_beat(w, "pi", "s", 1);
    assert_int_equal(newest(w)->id, 3);
    assert_string_equal(newest(w)->node, "pi");
    assert_int_equal(newest(w)->from, STATE_UNREACHABLE);
    assert_int_equal(newest(w)->to, STATE_ONLINE);
    assert_int_equal(cache_get(w->cache, "pi", 2)->since_wall_ms, w->now.wall_ms);
}

static void death_while_llamad_was_away_is_told_once_and_when_sure(void **state)
{
    struct world *w = *state;
    restore_event(w, 1, "pi", STATE_ONLINE, CAUSE_NONE, 2 * HOUR_MS);
    world_retained_beat(w, "pi", "s", 7, HOUR_MS / 1000);
    world_wait(w, 40000);
    assert_state(w, "pi", "stale", "late");
    assert_int_equal(newest(w)->id, 1);
    world_wait(w, 60000);
    assert_int_equal(newest(w)->id, 2);
    assert_int_equal(newest(w)->from, STATE_ONLINE);
    assert_int_equal(newest(w)->to, STATE_UNREACHABLE);
    world_wait(w, 600000);
    assert_int_equal(newest(w)->id, 2);
}

static void node_that_stayed_online_keeps_its_since(void **state)
{
    struct world *w = *state;
    restore_event(w, 9, "pi", STATE_ONLINE, CAUSE_NONE, HOUR_MS);
    world_beat(w, "pi", "s", 1);
    assert_int_equal(newest(w)->id, 9);
    assert_int_equal(cache_get(w->cache, "pi", 2)->since_wall_ms, w->now.wall_ms - HOUR_MS);
    world_wait(w, 70000);
    assert_int_equal(newest(w)->to, STATE_UNREACHABLE);
    assert_int_equal(newest(w)->id, 11); /* by way of stale: it was not gone before */
}

static void events_that_do_not_rise_or_come_after_new_ones_are_refused(void **state)
{
    struct world *w = *state;
    struct event event = {.id = 0};
    assert_int_equal(cache_restore_event(w->cache, &event), -EINVAL);
    event.id = UINT64_MAX;
    assert_int_equal(cache_restore_event(w->cache, &event), -EINVAL);
    event.id = EVENT_ID_MAX + 1;
    assert_int_equal(cache_restore_event(w->cache, &event), -EINVAL);
    restore_event(w, 5, "pi", STATE_STALE, CAUSE_LATE, HOUR_MS);
    restore_event(w, 7, "pi", STATE_ONLINE, CAUSE_NONE, HOUR_MS);
    event.id = 7;
    assert_int_equal(cache_restore_event(w->cache, &event), -EINVAL);
    event.id = 6;
    assert_int_equal(cache_restore_event(w->cache, &event), -EINVAL);
    cache_link(w->cache, false, w->now);
    world_wait(w, OUTAGE_EVENT_MS + 1000);
    assert_int_equal(newest(w)->id, 8);
    event.id = 9;
    assert_int_equal(cache_restore_event(w->cache, &event), -EINVAL);
    assert_int_equal(cache_skip_events(w->cache, 20), -EINVAL);
}

static void ids_of_lost_events_are_not_given_again(void **state)
{
    struct world *w = *state;
    restore_event(w, 7, "pi", STATE_ONLINE, CAUSE_NONE, HOUR_MS);
    assert_int_equal(cache_skip_events(w->cache, 6), -EINVAL);
    assert_int_equal(cache_skip_events(w->cache, EVENT_ID_MAX + 1), -EINVAL);
    assert_int_equal(cache_skip_events(w->cache, 41), 0);
    world_beat(w, "pi", "s1", 1);
    cache_link(w->cache, false, w->now);
    world_wait(w, OUTAGE_EVENT_MS + 1000);
    const struct event *event = newest(w);
    assert_int_equal(event->id, 42);
    event = events_older(cache_events(w->cache), event);
    assert_int_equal(event->id, 7);
    assert_null(events_older(cache_events(w->cache), event));
}

static void ring_of_restored_and_new_events_holds_the_newest(void **state)
{
    struct world *w = *state;
    for (uint64_t id = 500; id < 500 + 2 * EVENTS_MAX; id++) {
        restore_event(w, id, "pi", STATE_ONLINE, CAUSE_NONE, HOUR_MS);
    }
    cache_link(w->cache, false, w->now);
    world_wait(w, OUTAGE_EVENT_MS + 1000);
    uint64_t id = 500 + 2 * EVENTS_MAX;
    size_t count = 0;
    for (const struct event *e = newest(w); e; e = events_older(cache_events(w->cache), e), id--, count++) {
        assert_int_equal(e->id, id);
    }
    assert_int_equal(count, EVENTS_MAX);
}

int main(void)
{
#define FRESH(test) cmocka_unit_test_setup_teardown(test, set_up_fresh, tear_down)
#define LIVE(test)  cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        LIVE(polled_values_come_back_with_their_age_and_without_a_state),
        FRESH(edge_node_is_starting_then_late_until_it_speaks),
        FRESH(agent_of_an_earlier_run_is_missed_and_not_never_seen),
        FRESH(older_report_of_the_broker_does_not_override_a_later_poll),
        FRESH(node_known_by_its_configuration_alone_goes_with_it),
        FRESH(node_is_asked_where_mdns_saw_it_if_that_is_allowed),
        FRESH(re_exported_readings_prove_nobody_alive),
        FRESH(age_is_unknown_when_the_clock_went_back),
        FRESH(limits_hold_for_files_too),
        FRESH(what_was_not_heard_for_long_is_forgotten_all_the_same),
        FRESH(ids_go_on_and_nothing_is_told_twice),
        FRESH(return_while_llamad_was_away_is_told),
        FRESH(death_while_llamad_was_away_is_told_once_and_when_sure),
        FRESH(node_that_stayed_online_keeps_its_since),
        FRESH(events_that_do_not_rise_or_come_after_new_ones_are_refused),
        FRESH(ids_of_lost_events_are_not_given_again),
        FRESH(ring_of_restored_and_new_events_holds_the_newest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
