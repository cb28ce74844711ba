/* What counts as life, which session is the current one, and whose reports are shown. */
#include "cache_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NODE     "kitchen"
#define BODY(v)  "{\"readings\":[{\"full_id\":\"a:b\",\"value\":" v "}]}"
#define ITEM(v)  "{\"full_id\":\"a:b\",\"value\":" v "}"
#define READINGS REPORT_READINGS

static int set_up(void **state)
{
    static struct world w;
    world_open_live(&w);
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    world_close(*state);
    return 0;
}

static void life_is_a_live_heartbeat_not_seen_before(void **state)
{
    struct world *w = *state;
    assert_int_equal(world_retained_beat(w, NODE, "s1", 7, -1), 0);
    const struct node *node = world_node(w, NODE);
    assert_true(node->evidence.agent.ever);
    assert_int_equal(node->evidence.agent.heartbeat_ms, 0);
    assert_int_equal(world_beat(w, NODE, "s1", 7), -EALREADY); /* a bridge delivers stored ones as live */
    assert_int_equal(world_beat(w, NODE, "s1", 6), -EALREADY);
    assert_int_equal(node->evidence.agent.heartbeat_ms, 0);
    assert_int_equal(world_beat(w, NODE, "s1", 8), 0);
    assert_int_equal(node->evidence.agent.heartbeat_ms, w->now.mono_ms);
    assert_state(w, NODE, "online", "");
    assert_int_equal(world_beat(w, NODE, "s1", 8), -EALREADY);
}

static void a_heartbeat_that_waited_at_the_broker_is_no_life(void **state)
{
    struct world *w = *state;
    struct heartbeat h = heartbeat_of(w, NODE, "s1", 1);
    assert_int_equal(world_heartbeat(w, &h, false, 26), 0);
    assert_int_equal(world_node(w, NODE)->evidence.agent.heartbeat_ms, 0);
    assert_int_equal(world_node(w, NODE)->last_seen_wall_ms, w->now.wall_ms - 26000);
    h.seq = 2;
    assert_int_equal(world_heartbeat(w, &h, false, 25), 0);
    assert_int_equal(world_node(w, NODE)->evidence.agent.heartbeat_ms, w->now.mono_ms);
}

static void superseded_sessions_are_ignored_and_counted(void **state)
{
    struct world *w = *state;
    world_beat(w, NODE, "s1", 1);
    world_report(w, NODE, READINGS, "s1", 1, BODY("1"));
    world_beat(w, NODE, "s2", 1);
    assert_int_equal(world_beat(w, NODE, "s1", 2), -ESTALE);
    assert_int_equal(w->fault.reason, REJECT_OLD_SESSION);
    assert_int_equal(world_report(w, NODE, READINGS, "s1", 2, BODY("2")), -ESTALE);
    assert_int_equal(cache_rejects(w->cache)[REJECT_OLD_SESSION], 2);
    assert_string_equal(world_node(w, NODE)->heartbeat.session, "s2");
    assert_item(w, NODE, ITEM_READING, "a:b", ITEM("1")); /* the new one has none yet */
    world_status(w, NODE, "s1", "offline", false);
    world_wait(w, 2000);
    assert_state(w, NODE, "degraded", "duplicate_name");
    assert_int_equal(world_report(w, NODE, READINGS, "s2", 1, BODY("3")), 0);
    assert_item(w, NODE, ITEM_READING, "a:b", ITEM("3"));
}

static void a_superseded_session_may_return_when_the_current_one_is_long_gone(void **state)
{
    struct world *w = *state;
    world_beat(w, NODE, "s1", 1);
    world_beat(w, NODE, "s2", 1);
    world_wait(w, 600 * 1000);
    assert_int_equal(world_beat(w, NODE, "s1", 2), -ESTALE);
    world_wait(w, 1000);
    assert_int_equal(world_beat(w, NODE, "s1", 3), 0);
    assert_string_equal(world_node(w, NODE)->heartbeat.session, "s1");
    assert_int_equal(world_beat(w, NODE, "s2", 2), -ESTALE);
}

static void many_sessions_are_forgotten_oldest_first(void **state)
{
    struct world *w = *state;
    for (char c = 'a'; c <= 'z'; c++) {
        char session[2] = {c};
        assert_int_equal(world_beat(w, NODE, session, 1), 0);
    }
    for (char c = 'r'; c <= 'y'; c++) {
        char session[2] = {c};
        assert_int_equal(world_beat(w, NODE, session, 2), -ESTALE);
    }
    assert_int_equal(world_beat(w, NODE, "a", 2), 0);
}

static void known_reports_are_no_change(void **state)
{
    struct world *w = *state;
    world_beat(w, NODE, "s1", 1);
    assert_int_equal(world_report(w, NODE, READINGS, "s1", 5, BODY("5")), 0);
    uint64_t before = cache_revision(w->cache);
    assert_int_equal(world_report(w, NODE, READINGS, "s1", 5, BODY("6")), -EALREADY);
    assert_int_equal(world_report(w, NODE, READINGS, "s1", 4, BODY("7")), -EALREADY);
    assert_int_equal(world_retained_report(w, NODE, READINGS, "s1", 5, BODY("8")), -EALREADY);
    assert_int_equal(cache_revision(w->cache), before);
    assert_item(w, NODE, ITEM_READING, "a:b", ITEM("5"));
}

static void retained_reports_come_in_any_order_with_the_heartbeat(void **state)
{
    struct world *w = *state;
    assert_int_equal(world_retained_report(w, NODE, READINGS, "s1", 5, BODY("5")), 0);
    assert_int_equal(world_retained_beat(w, NODE, "s1", 9, 4), 0);
    assert_int_equal(world_retained_report(w, NODE, REPORT_MEMORIES, "s0", 2, "{\"memories\":[{\"id\":1}]}"),
                     0);
    assert_item(w, NODE, ITEM_READING, "a:b", ITEM("5"));
    assert_item(w, NODE, ITEM_MEMORY, "1", "{\"id\":1}"); /* s1 has none of that kind */
    assert_state(w, NODE, "unknown", "starting");
    world_beat(w, NODE, "s1", 10);
    assert_int_equal(world_report(w, NODE, REPORT_MEMORIES, "s1", 1, "{\"memories\":[{\"id\":2}]}"), 0);
    assert_null(world_item(w, NODE, ITEM_MEMORY, "1"));
}

static void reports_of_a_session_wait_for_its_first_heartbeat(void **state)
{
    struct world *w = *state;
    world_beat(w, NODE, "s1", 1);
    world_report(w, NODE, READINGS, "s1", 1, BODY("1"));
    assert_int_equal(world_report(w, NODE, READINGS, "s2", 1, BODY("2")), 0);
    assert_int_equal(world_report(w, NODE, READINGS, "s2", 2, BODY("3")), 0);
    assert_item(w, NODE, ITEM_READING, "a:b", ITEM("1"));
    world_beat(w, NODE, "s2", 1);
    assert_item(w, NODE, ITEM_READING, "a:b", ITEM("3"));
    assert_int_equal(world_node(w, NODE)->snapshots[READINGS].seq, 2);
    assert_string_equal(world_node(w, NODE)->snapshots[READINGS].session, "s2");
    /* What waits for a session that never comes is dropped with the node. */
    assert_int_equal(world_report(w, NODE, READINGS, "s3", 1, BODY("9")), 0);
    assert_int_equal(cache_forget(w->cache, world_node(w, NODE)), 0);
}

/* Room that a few nodes could otherwise hold for ever. */
static void what_waits_for_a_session_that_never_comes_is_dropped(void **state)
{
    struct world *w = *state;
    size_t len = 990000;
    char *body = malloc(len + 1);
    assert_non_null(body);
    memset(body, ' ', len);
    memcpy(body, "{\"readings\":[", 13);
    memcpy(body + len - 2, "]}", 3);
    int parked = 0;
    for (char name[] = "a"; name[0] <= 'z'; name[0]++) {
        world_beat(w, name, "s1", 1);
        world_report(w, name, READINGS, "s1", 1, BODY("1"));
        int e = world_report(w, name, READINGS, "s2", 1, body);
        parked += e == 0;
        assert_true(e == 0 || e == -ENOSPC);
    }
    assert_int_equal(parked, LIMIT_PARKED / 990000);
    assert_int_equal(world_report(w, "z", READINGS, "s5", 1, body), -ENOSPC);
    assert_int_equal(world_report(w, "z", READINGS, "s3", 1, BODY("2")), 0); /* small ones still fit */
    world_beat(w, "z", "s3", 1);
    assert_item(w, "z", ITEM_READING, "a:b", ITEM("2"));
    assert_int_equal(world_report(w, "y", READINGS, "s4", 1, BODY("3")), 0);
    world_wait(w, 61 * 1000);
    assert_int_equal(world_report(w, "z", READINGS, "s5", 1, body), 0);
    free(body);
    world_beat(w, "y", "s4", 1);
    assert_item(w, "y", ITEM_READING, "a:b", ITEM("1"));
    assert_int_equal(world_node(w, "y")->snapshots[READINGS].seq, 1);
}

static void a_retained_heartbeat_does_not_end_a_live_session(void **state)
{
    struct world *w = *state;
    world_retained_beat(w, NODE, "s0", 5, 3);
    world_retained_beat(w, NODE, "s1", 5, 2); /* until there is a live one, the last retained one counts */
    assert_string_equal(world_node(w, NODE)->heartbeat.session, "s1");
    world_beat(w, NODE, "s1", 6);
    assert_int_equal(world_retained_beat(w, NODE, "s0", 99, 2), -ESTALE);
    assert_string_equal(world_node(w, NODE)->heartbeat.session, "s1");
    assert_int_equal(cache_rejects(w->cache)[REJECT_OLD_SESSION], 0);
    assert_int_equal(world_beat(w, NODE, "s1", 7), 0);
}

static void another_nodes_payload_is_refused(void **state)
{
    struct world *w = *state;
    struct node *node = world_node(w, NODE);
    struct heartbeat h = heartbeat_of(w, "attic", "s1", 1);
    assert_int_equal(cache_heartbeat(w->cache, node, &h, false, -1, true, w->now, &w->fault), -EBADMSG);
    assert_int_equal(w->fault.reason, REJECT_WRONG_NODE);
    assert_false(node->has_heartbeat);
    struct report r = {.kind = READINGS, .seq = 1, .session = "s1", .utc_offset_s = 0};
    r.node_slice = (struct json_slice){.data = "\"kitchen\\u0000\"", .len = strlen("\"kitchen\\u0000\"")};
    r.body = (struct json_slice){.data = BODY("1"), .len = strlen(BODY("1"))};
    assert_int_equal(cache_report(w->cache, node, &r, false, -1, w->now, &w->fault), -EBADMSG);
    assert_int_equal(node->rejects[REJECT_WRONG_NODE], 2);
    assert_int_equal(node->item_count[ITEM_READING], 0);
}

static void a_report_that_waited_at_a_broker_is_as_old_as_it_is(void **state)
{
    struct world *w = *state;
    struct node *node = world_node(w, NODE);
    struct report r = {.kind = READINGS, .seq = 1, .session = "s1", .utc_offset_s = 0};
    r.captured_at_ms = w->now.wall_ms - 500 * 1000;
    r.node_slice = (struct json_slice){.data = "\"" NODE "\"", .len = strlen("\"" NODE "\"")};
    r.body = (struct json_slice){.data = BODY("1"), .len = strlen(BODY("1"))};
    assert_int_equal(cache_report(w->cache, node, &r, false, 400, w->now, &w->fault), 0);
    assert_int_equal(node->last_seen_wall_ms, w->now.wall_ms - 400 * 1000);
    r.seq = 2;
    assert_int_equal(cache_report(w->cache, node, &r, false, -1, w->now, &w->fault), 0);
    assert_int_equal(node->last_seen_wall_ms, w->now.wall_ms);
}

static void last_seen_is_never_in_the_future_and_never_goes_back(void **state)
{
    struct world *w = *state;
    const struct node *node = world_node(w, NODE);
    assert_int_equal(node->last_seen_wall_ms, TIMESTAMP_NONE);
    world_retained_beat(w, NODE, "s1", 1, 100);
    assert_int_equal(node->last_seen_wall_ms, w->now.wall_ms - 100000);
    struct heartbeat h = heartbeat_of(w, NODE, "s1", 2);
    h.at_ms = w->now.wall_ms + 3600 * 1000; /* its clock is an hour ahead */
    world_heartbeat(w, &h, true, -1);
    assert_int_equal(node->last_seen_wall_ms, w->now.wall_ms);
    world_retained_beat(w, NODE, "s1", 3, 5000);
    assert_int_equal(node->last_seen_wall_ms, w->now.wall_ms);
}

static void heartbeats_confirm_snapshots_by_the_nodes_own_clock(void **state)
{
    struct world *w = *state;
    world_beat(w, NODE, "s1", 1);
    world_report(w, NODE, READINGS, "s1", 3, BODY("1"));
    world_wait(w, 20 * 1000);
    struct heartbeat h = heartbeat_of(w, NODE, "s1", 2);
    h.at_ms += 7200 * 1000; /* two hours off */
    h.snapshots[READINGS] = (struct snapshot_state){.present = true, .seq = 3, .interval_s = 5};
    h.snapshots[READINGS].captured_at_ms = h.at_ms - 4000;
    world_heartbeat(w, &h, false, -1);
    const struct node *node = world_node(w, NODE);
    assert_int_equal(w->now.mono_ms - node->snapshots[READINGS].captured_mono_ms, 4000);
    assert_int_equal(node->snapshots[READINGS].captured_wall_ms, h.at_ms - 4000);
    assert_int_equal(node->clock_skew_ms, 7200 * 1000);
    assert_state(w, NODE, "online", "");
}

static void missing_snapshots_are_asked_for(void **state)
{
    struct world *w = *state;
    struct heartbeat h = heartbeat_of(w, NODE, "s1", 1);
    h.snapshots[READINGS] = (struct snapshot_state){.present = true, .seq = 3, .interval_s = 5};
    h.snapshots[READINGS].captured_at_ms = h.at_ms;
    world_heartbeat(w, &h, true, 5);
    assert_true(cache_wants_refresh(w->cache, world_node(w, NODE)));
    world_retained_report(w, NODE, READINGS, "s1", 3, BODY("1"));
    assert_false(cache_wants_refresh(w->cache, world_node(w, NODE)));
    h.seq = 2;
    h.snapshots[READINGS].seq = 4;
    world_heartbeat(w, &h, false, -1);
    assert_true(cache_wants_refresh(w->cache, world_node(w, NODE)));
    assert_int_equal(world_report(w, NODE, READINGS, "s1", 4, "{}"), -EBADMSG);
    assert_false(cache_wants_refresh(w->cache, world_node(w, NODE))); /* it would be refused again */
    h.seq = 3;
    h.snapshots[READINGS].seq = 5;
    world_heartbeat(w, &h, false, -1);
    assert_true(cache_wants_refresh(w->cache, world_node(w, NODE)));
    world_wait(w, 30 * 1000);
    assert_false(cache_wants_refresh(w->cache, world_node(w, NODE))); /* nobody there to ask */
    h = heartbeat_of(w, NODE, "s2", 1);
    h.snapshots[READINGS] = (struct snapshot_state){.present = true, .seq = 1, .interval_s = 5};
    world_heartbeat(w, &h, false, -1);
    assert_true(cache_wants_refresh(w->cache, world_node(w, NODE)));
}

static void deleted_messages_delete_what_they_said(void **state)
{
    struct world *w = *state;
    struct heartbeat h = heartbeat_of(w, NODE, "s1", 1);
    strcpy(h.url, "http://10.0.0.1:8080");
    world_heartbeat(w, &h, false, -1);
    world_report(w, NODE, READINGS, "s1", 1, BODY("1"));
    world_report(w, NODE, REPORT_STATS, "s1", 1, "{\"node_name\":\"kitchen\",\"memories_count\":4}");
    world_status(w, NODE, "s1", "online", false);
    cache_cleared(w->cache, world_node(w, NODE), TOPIC_READINGS, w->now);
    assert_int_equal(cache_item_count(w->cache, ITEM_READING), 0);
    assert_non_null(world_node(w, NODE)->stats);
    cache_cleared(w->cache, world_node(w, NODE), TOPIC_STATS, w->now);
    assert_null(world_node(w, NODE)->stats);
    assert_int_equal(world_node(w, NODE)->said_memories, -1);
    assert_int_equal(world_report(w, NODE, READINGS, "s1", 1, BODY("1")), 0); /* not known any more */
    cache_cleared(w->cache, world_node(w, NODE), TOPIC_READINGS, w->now);
    cache_cleared(w->cache, world_node(w, NODE), TOPIC_HEALTH, w->now);
    assert_string_equal(world_node(w, NODE)->url, "");
    cache_tick(w->cache, w->now);
    assert_non_null(cache_get(w->cache, NODE, strlen(NODE))); /* its status still stands */
    cache_cleared(w->cache, world_node(w, NODE), TOPIC_STATUS, w->now);
    cache_tick(w->cache, w->now);
    assert_null(cache_get(w->cache, NODE, strlen(NODE)));
    assert_true(cache_newest_tombstone(w->cache)->is_node);
}

static void labels_are_kept(void **state)
{
    struct world *w = *state;
    struct heartbeat h = heartbeat_of(w, NODE, "s1", 1);
    h.label_count = 2;
    strcpy(h.labels[1].key, "room");
    strcpy(h.labels[1].value, "kitchen");
    world_heartbeat(w, &h, false, -1);
    assert_string_equal(world_node(w, NODE)->heartbeat.labels[1].value, "kitchen");
    strcpy(h.labels[1].value, "attic");
    h.seq = 2;
    world_heartbeat(w, &h, false, -1);
    assert_string_equal(world_node(w, NODE)->heartbeat.labels[1].value, "attic");
    h.seq = 3;
    h.label_count = 0;
    world_heartbeat(w, &h, false, -1);
    assert_int_equal(world_node(w, NODE)->heartbeat.label_count, 0);
}

static void the_end_of_another_session_is_not_this_ones(void **state)
{
    struct world *w = *state;
    world_beat(w, NODE, "s1", 1);
    world_status(w, NODE, "s2", "stopped", false); /* began and ended without a heartbeat */
    assert_state(w, NODE, "online", "");
    world_status(w, NODE, "s1", "stopped", false);
    assert_state(w, NODE, "unreachable", "stopped");
}

static void reports_keep_a_snapshot_young_between_heartbeats(void **state)
{
    struct world *w = *state;
    struct heartbeat h = heartbeat_of(w, NODE, "s1", 1);
    h.interval_s = 60;
    h.snapshots[READINGS] = (struct snapshot_state){.present = true, .seq = 1, .interval_s = 5};
    h.snapshots[READINGS].captured_at_ms = h.at_ms;
    world_heartbeat(w, &h, false, -1);
    for (uint64_t i = 1; i <= 10; i++) {
        assert_int_equal(world_report(w, NODE, READINGS, "s1", i, BODY("1")), 0);
        world_wait(w, 5000);
        assert_state(w, NODE, "online", "");
    }
    h.seq = 2;
    h.at_ms = w->now.wall_ms;
    world_heartbeat(w, &h, false, -1); /* the last fetch it names is the first; the last report was later */
    assert_state(w, NODE, "online", "");
    world_wait(w, 60 * 1000);
    h.seq = 3;
    h.at_ms = w->now.wall_ms;
    world_heartbeat(w, &h, false, -1);
    assert_state(w, NODE, "degraded", "endpoint_error");
}

static void an_agent_that_slept_has_no_endpoint_trouble(void **state)
{
    struct world *w = *state;
    struct heartbeat h = heartbeat_of(w, NODE, "s1", 1);
    h.snapshots[READINGS] = (struct snapshot_state){.present = true, .seq = 1, .interval_s = 5};
    h.snapshots[READINGS].captured_at_ms = h.at_ms - 4000;
    world_heartbeat(w, &h, false, -1);
    world_wait(w, 22 * 1000);
    h.seq = 2;
    h.at_ms = w->now.wall_ms; /* awake again, before it could fetch anything */
    world_heartbeat(w, &h, false, -1);
    assert_state(w, NODE, "online", "");
    world_wait(w, 10 * 1000);
    h.seq = 3;
    h.at_ms = w->now.wall_ms; /* but now it should have */
    world_heartbeat(w, &h, false, -1);
    assert_state(w, NODE, "degraded", "endpoint_error");
    assert_int_equal(world_events(w), 1);
}

static void a_deleted_report_leaves_what_came_otherwise(void **state)
{
    struct world *w = *state;
    world_beat(w, NODE, "s1", 1);
    world_report(w, NODE, READINGS, "s1", 1, BODY("1"));
    world_wait(w, 30 * 1000);
    world_poll_body(w, NODE, READINGS, BODY("2"));
    cache_cleared(w->cache, world_node(w, NODE), TOPIC_READINGS, w->now);
    assert_item(w, NODE, ITEM_READING, "a:b", ITEM("2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(life_is_a_live_heartbeat_not_seen_before, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_heartbeat_that_waited_at_the_broker_is_no_life, set_up, tear_down),
        cmocka_unit_test_setup_teardown(superseded_sessions_are_ignored_and_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_superseded_session_may_return_when_the_current_one_is_long_gone,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_sessions_are_forgotten_oldest_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(known_reports_are_no_change, set_up, tear_down),
        cmocka_unit_test_setup_teardown(retained_reports_come_in_any_order_with_the_heartbeat, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(reports_of_a_session_wait_for_its_first_heartbeat, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_waits_for_a_session_that_never_comes_is_dropped, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_retained_heartbeat_does_not_end_a_live_session, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_nodes_payload_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_report_that_waited_at_a_broker_is_as_old_as_it_is, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(last_seen_is_never_in_the_future_and_never_goes_back, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(heartbeats_confirm_snapshots_by_the_nodes_own_clock, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(missing_snapshots_are_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(deleted_messages_delete_what_they_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(labels_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_end_of_another_session_is_not_this_ones, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reports_keep_a_snapshot_young_between_heartbeats, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_agent_that_slept_has_no_endpoint_trouble, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_deleted_report_leaves_what_came_otherwise, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
