/* Manual nodes that call themselves something else. */
#include "cache_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define MANUAL "shelf"
#define OWN    "pi-7"
#define URL    "http://10.0.0.1:8080"

static int set_up(void **state)
{
    static struct world w;
    world_open_live(&w);
    assert_int_equal(cache_add_manual(w.cache, MANUAL, URL, w.now), 0);
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    world_close(*state);
    return 0;
}

static void the_answered_name_becomes_an_alias(void **state)
{
    struct world *w = *state;
    world_poll(w, MANUAL, PROBE_OK, NULL, OWN);
    assert_string_equal(world_node(w, MANUAL)->alias, OWN);
    assert_ptr_equal(cache_get(w->cache, OWN, strlen(OWN)), world_node(w, MANUAL));
    assert_int_equal(world_beat(w, OWN, "s1", 1), 0);
    assert_int_equal(world_report(w, OWN, REPORT_READINGS, "s1", 1, "{\"readings\":[{\"full_id\":\"a:b\"}]}"),
                     0);
    assert_non_null(world_item(w, MANUAL, ITEM_READING, "a:b"));
    assert_state(w, MANUAL, "online", "");
    assert_int_equal(world_node(w, MANUAL)->verdict.via, VIA_MQTT);
    assert_int_equal(cache_node_count(w->cache), 1);
    assert_string_equal(world_node(w, OWN)->url, URL);
    world_poll(w, MANUAL, PROBE_OK, NULL, "pi-8"); /* renamed */
    assert_string_equal(world_node(w, MANUAL)->alias, "pi-8");
    assert_null(cache_get(w->cache, OWN, strlen(OWN)));
    world_poll(w, MANUAL, PROBE_OK, NULL, MANUAL);
    assert_string_equal(world_node(w, MANUAL)->alias, "pi-8");
}

static void names_that_are_none_are_not_learned(void **state)
{
    struct world *w = *state;
    static const char *const names[] = {"", "a/b", " x", "$SYS", MANUAL};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        world_poll(w, MANUAL, PROBE_OK, NULL, names[i]);
        assert_string_equal(world_node(w, MANUAL)->alias, "");
        assert_state(w, MANUAL, "online", "");
    }
}

static void the_node_of_the_agent_is_merged(void **state)
{
    struct world *w = *state;
    world_poll_body(w, MANUAL, REPORT_READINGS,
                    "{\"readings\":[{\"full_id\":\"a:b\",\"value\":1},{\"full_id\":\"e:f\"}]}");
    world_poll_body(w, MANUAL, REPORT_MEMORIES, "{\"memories\":[{\"id\":1}]}");
    struct heartbeat h = heartbeat_of(w, OWN, "s1", 5);
    strcpy(h.version, "0.1.0");
    strcpy(h.url, "http://10.0.0.9:8080");
    h.label_count = 1;
    strcpy(h.labels[0].key, "room");
    world_heartbeat(w, &h, false, -1);
    world_beat(w, "old", "s0", 1);
    world_report(w, OWN, REPORT_READINGS, "s1", 1,
                 "{\"readings\":[{\"full_id\":\"a:b\",\"value\":2},{\"full_id\":\"c:d\"},"
                 "{\"full_id\":\"edge:x:y\",\"metadata\":{\"node\":\"edge\"}}]}");
    world_report(w, OWN, REPORT_STATS, "s1", 1, "{\"node_name\":\"pi-7\",\"memories_count\":3}");
    assert_int_equal(cache_node_count(w->cache), 4);
    uint64_t seen = cache_revision(w->cache);
    size_t events = world_events(w);

    world_poll(w, MANUAL, PROBE_OK, NULL, OWN);
    struct node *node = world_node(w, MANUAL);
    assert_int_equal(cache_node_count(w->cache), 3);
    assert_ptr_equal(world_node(w, OWN), node);
    assert_string_equal(node->name, MANUAL);
    assert_string_equal(node->url, URL); /* manual wins */
    assert_string_equal(node->announced_url, "http://10.0.0.9:8080");
    assert_string_equal(node->heartbeat.version, "0.1.0");
    assert_string_equal(node->heartbeat.labels[0].key, "room");
    assert_int_equal(node->type, NODE_ALPACA);
    assert_int_equal(node->found, FOUND_MANUAL | FOUND_MQTT);
    assert_int_equal(node->item_count[ITEM_READING], 2);
    assert_item(w, MANUAL, ITEM_READING, "a:b", "{\"full_id\":\"a:b\",\"value\":2}");
    assert_ptr_equal(world_item(w, MANUAL, ITEM_READING, "c:d")->node, node);
    assert_true(world_item(w, MANUAL, ITEM_READING, "c:d")->revision > seen);
    assert_null(world_item(w, MANUAL, ITEM_READING, "e:f"));
    assert_non_null(world_item(w, MANUAL, ITEM_MEMORY, "1")); /* only the poll had those */
    assert_int_equal(node->said_memories, 3);
    assert_true(node->stats_revision > seen);
    assert_string_equal(world_node(w, "edge")->master, MANUAL);
    assert_state(w, MANUAL, "online", "");
    assert_int_equal(node->verdict.via, VIA_MQTT);
    assert_int_equal(world_events(w), events);
    bool node_buried = false;
    for (const struct tombstone *t = cache_newest_tombstone(w->cache); t;
         t = cache_older_tombstone(w->cache, t)) {
        node_buried = node_buried || (t->is_node && strcmp(t->node, OWN) == 0);
    }
    assert_true(node_buried);
    assert_int_equal(world_beat(w, OWN, "s1", 5), -EALREADY);
    assert_int_equal(world_beat(w, OWN, "s1", 6), 0);
    assert_int_equal(world_report(w, OWN, REPORT_READINGS, "s1", 1, "{\"readings\":[]}"), -EALREADY);
    assert_int_equal(world_report(w, OWN, REPORT_READINGS, "s1", 2, "{\"readings\":[]}"), 0);
    assert_null(cache_get(w->cache, "edge", 4)->items[ITEM_READING]);
}

static void of_two_agents_the_one_heard_last_stays(void **state)
{
    struct world *w = *state;
    world_beat(w, OWN, "other", 1);
    world_wait(w, 1000);
    world_beat(w, MANUAL, "mine", 1);
    world_poll(w, MANUAL, PROBE_OK, NULL, OWN);
    assert_string_equal(world_node(w, MANUAL)->heartbeat.session, "mine");
    assert_int_equal(cache_node_count(w->cache), 1);
}

static void manual_nodes_are_never_merged(void **state)
{
    struct world *w = *state;
    cache_add_manual(w->cache, OWN, "http://10.0.0.2:8080", w->now);
    world_poll(w, MANUAL, PROBE_OK, NULL, OWN);
    assert_string_equal(world_node(w, MANUAL)->alias, "");
    assert_int_equal(cache_node_count(w->cache), 2);
    cache_add_manual(w->cache, "third", "http://10.0.0.3:8080", w->now);
    world_poll(w, MANUAL, PROBE_OK, NULL, "same");
    world_poll(w, "third", PROBE_OK, NULL, "same"); /* two URLs of one machine */
    assert_string_equal(world_node(w, "third")->alias, "");
    assert_ptr_equal(world_node(w, "same"), world_node(w, MANUAL));
}

static void a_configured_name_takes_back_its_alias(void **state)
{
    struct world *w = *state;
    world_poll(w, MANUAL, PROBE_OK, NULL, OWN);
    assert_int_equal(cache_add_manual(w->cache, OWN, "http://10.0.0.2:8080", w->now), 0);
    assert_string_equal(world_node(w, MANUAL)->alias, "");
    assert_ptr_not_equal(world_node(w, OWN), world_node(w, MANUAL));
    assert_string_equal(world_node(w, OWN)->url, "http://10.0.0.2:8080");
}

static void a_re_exported_node_is_merged_too(void **state)
{
    struct world *w = *state;
    world_beat(w, "master", "s1", 1);
    world_report(w, "master", REPORT_READINGS, "s1", 1,
                 "{\"readings\":[{\"full_id\":\"pi-7:x:y\",\"metadata\":{\"node\":\"pi-7\"}}]}");
    assert_string_equal(world_node(w, OWN)->master, "master");
    world_poll_body(w, MANUAL, REPORT_READINGS, "{\"readings\":[{\"full_id\":\"a:b\"}]}");
    world_poll(w, MANUAL, PROBE_OK, NULL, OWN);
    assert_non_null(world_item(w, MANUAL, ITEM_READING, "a:b")); /* its own word */
    assert_null(world_item(w, MANUAL, ITEM_READING, "x:y"));
    world_report(w, "master", REPORT_READINGS, "s1", 2,
                 "{\"readings\":[{\"full_id\":\"pi-7:x:y\",\"metadata\":{\"node\":\"pi-7\"}}]}");
    assert_int_equal(cache_item_count(w->cache, ITEM_READING), 1);
    assert_int_equal(cache_node_count(w->cache), 2);
}

/* --- another machine of that name --- */

/* The manual node answers under OWN at 10.0.0.1:8080. */
static void answer_as_own(struct world *w)
{
    struct probe_result result = {
        .outcome = PROBE_OK, .answered = true, .latency_ms = 12, .node_name = OWN, .places = "10.0.0.1:8080"};
    struct node *node = world_node(w, MANUAL);
    cache_poll_started(w->cache, node, w->now);
    cache_poll_finished(w->cache, node, &result, w->now);
}

static int beat_at(struct world *w, const char *session, uint64_t seq, const char *url, const char *source)
{
    struct heartbeat h = heartbeat_of(w, OWN, session, seq);
    strcpy(h.url, url);
    strcpy(h.source.node_name, source);
    return world_heartbeat(w, &h, false, -1);
}

static void assert_two(struct world *w)
{
    const struct node *manual = cache_get(w->cache, MANUAL, strlen(MANUAL));
    const struct node *agent = cache_get(w->cache, OWN, strlen(OWN));
    assert_non_null(manual);
    assert_non_null(agent);
    assert_ptr_not_equal(manual, agent);
    assert_string_equal(manual->alias, "");
    assert_int_equal(manual->found, FOUND_MANUAL);
    assert_false(manual->evidence.agent.ever);
    assert_non_null(world_item(w, OWN, ITEM_READING, "a:agent"));
    assert_null(world_item(w, MANUAL, ITEM_READING, "a:agent"));
    assert_true(manual->rejects[REJECT_WRONG_NODE] > 0);
    assert_non_null(strstr(manual->last_reject, "another machine"));
    assert_int_equal(agent->rejects[REJECT_WRONG_NODE], 0);
    assert_int_equal(agent->verdict.via, VIA_MQTT);
    assert_int_equal(manual->verdict.via, VIA_HTTP);
    assert_int_equal(cache_node_count(w->cache), 2);
}

static const char agents_readings[] = "{\"readings\":[{\"full_id\":\"a:agent\"}]}";

static const struct {
    const char *url, *source;
} others[] = {{"http://10.0.0.9:8080", OWN}, {"http://10.0.0.1:8081", ""}, {"", "pi-8"}, {URL, "pi-8"}};

static void an_agent_elsewhere_is_not_merged(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_int_equal(beat_at(w, "s1", 1, others[i].url, others[i].source), 0);
        assert_int_equal(world_report(w, OWN, REPORT_READINGS, "s1", 1, agents_readings), 0);
        answer_as_own(w);
        assert_two(w);
        answer_as_own(w);
        assert_two(w);
        assert_int_equal(cache_forget(w->cache, world_node(w, OWN)), 0);
    }
}

static void an_agent_elsewhere_that_comes_later_ends_the_alias(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        answer_as_own(w);
        assert_string_equal(world_node(w, MANUAL)->alias, OWN);
        world_status(w, OWN, "s1", "online", false);
        /* A report may come before the heartbeat: it waits. */
        assert_int_equal(world_report(w, OWN, REPORT_READINGS, "s1", 1, agents_readings), 0);
        assert_null(world_item(w, MANUAL, ITEM_READING, "a:agent"));
        assert_int_equal(beat_at(w, "s1", 1, others[i].url, others[i].source), 0);
        assert_two(w);
        answer_as_own(w);
        assert_two(w);
        assert_int_equal(cache_forget(w->cache, world_node(w, OWN)), 0);
    }
}

static void an_agent_that_turns_out_to_be_elsewhere_takes_its_data_along(void **state)
{
    struct world *w = *state;
    answer_as_own(w);
    assert_int_equal(beat_at(w, "s1", 1, "", ""), 0);
    assert_int_equal(world_report(w, OWN, REPORT_READINGS, "s1", 1, agents_readings), 0);
    assert_non_null(world_item(w, MANUAL, ITEM_READING, "a:agent"));
    assert_int_equal(beat_at(w, "s1", 2, "http://10.0.0.9:8080", ""), 0);
    assert_null(world_item(w, MANUAL, ITEM_READING, "a:agent"));
    assert_false(world_node(w, MANUAL)->has_heartbeat);
    assert_true(cache_wants_poll(w->cache, world_node(w, MANUAL), w->now));
    assert_int_equal(world_report(w, OWN, REPORT_READINGS, "s1", 2, agents_readings), 0);
    answer_as_own(w);
    assert_two(w);
}

static void an_agent_at_the_same_place_is_the_node(void **state)
{
    struct world *w = *state;
    assert_int_equal(beat_at(w, "s1", 1, URL "/", OWN), 0);
    assert_int_equal(world_report(w, OWN, REPORT_READINGS, "s1", 1, agents_readings), 0);
    answer_as_own(w);
    assert_int_equal(cache_node_count(w->cache), 1);
    assert_non_null(world_item(w, MANUAL, ITEM_READING, "a:agent"));
    assert_int_equal(beat_at(w, "s1", 2, "", ""), 0); /* it announces none any more */
    assert_int_equal(cache_node_count(w->cache), 1);
    assert_state(w, MANUAL, "online", "");
    assert_int_equal(world_node(w, MANUAL)->rejects[REJECT_WRONG_NODE], 0);
}

static void of_two_agents_of_that_name_only_the_own_one_gives_data(void **state)
{
    struct world *w = *state;
    answer_as_own(w);
    assert_int_equal(beat_at(w, "own", 1, URL, OWN), 0);
    for (uint64_t seq = 1; seq < 8; seq++) {
        beat_at(w, "foreign", seq, "http://10.0.0.9:8080", OWN);
        world_report(w, OWN, REPORT_READINGS, "foreign", seq, agents_readings);
        assert_null(world_item(w, MANUAL, ITEM_READING, "a:agent"));
        world_wait(w, 5000);
        beat_at(w, "own", 1 + seq, URL, OWN);
        answer_as_own(w);
        assert_null(world_item(w, MANUAL, ITEM_READING, "a:agent"));
        world_wait(w, 5000);
    }
    assert_state(w, MANUAL, "degraded", "duplicate_name");
    assert_int_equal(cache_node_count(w->cache), 1);
}

/* --- configured no more --- */

static void a_dropped_node_goes(void **state)
{
    struct world *w = *state;
    world_poll(w, MANUAL, PROBE_OK, NULL, MANUAL);
    assert_false(cache_drop_manual(w->cache, MANUAL, w->now));
    assert_null(cache_get(w->cache, MANUAL, strlen(MANUAL)));
    assert_false(cache_drop_manual(w->cache, MANUAL, w->now));
}

static void a_dropped_node_with_an_agent_stays_without_its_address(void **state)
{
    struct world *w = *state;
    assert_int_equal(world_beat(w, MANUAL, "s1", 1), 0);
    world_wait(w, 40000);
    struct node *node = world_node(w, MANUAL);
    node->poll_in_flight = true;
    node->next_poll_ms = w->now.mono_ms + 50000;
    world_poll(w, MANUAL, PROBE_OK, NULL, MANUAL);
    assert_state(w, MANUAL, "online", "agent_down");
    assert_true(cache_drop_manual(w->cache, MANUAL, w->now));
    assert_string_equal(node->url, "");
    assert_false(node->found & FOUND_MANUAL);
    assert_false(node->poll_in_flight);
    assert_false(cache_wants_poll(w->cache, node, w->now));
    assert_state(w, MANUAL, "stale", "late");
    assert_int_equal(cache_forget(w->cache, node), 0);
}

static void a_dropped_node_with_an_alias_leaves_the_name_to_its_agent(void **state)
{
    struct world *w = *state;
    world_poll(w, MANUAL, PROBE_OK, NULL, OWN);
    assert_int_equal(world_beat(w, OWN, "s1", 1), 0);
    assert_false(cache_drop_manual(w->cache, MANUAL, w->now));
    assert_int_equal(cache_node_count(w->cache), 0);
    assert_int_equal(world_beat(w, OWN, "s1", 2), 0);
    assert_string_equal(world_node(w, OWN)->name, OWN);
    assert_state(w, OWN, "online", "");
}

static void dropping_spares_who_is_not_configured(void **state)
{
    struct world *w = *state;
    assert_int_equal(world_beat(w, "pi-9", "s1", 1), 0);
    world_poll(w, MANUAL, PROBE_OK, NULL, OWN);
    assert_true(cache_drop_manual(w->cache, "pi-9", w->now));
    assert_true(cache_drop_manual(w->cache, OWN, w->now)); /* an alias */
    assert_int_equal(cache_node_count(w->cache), 2);
}

static void a_new_address_is_asked_at_once(void **state)
{
    struct world *w = *state;
    struct node *node = world_node(w, MANUAL);
    world_poll(w, MANUAL, PROBE_FAILED, "refused", NULL);
    assert_state(w, MANUAL, "unreachable", "never_seen");
    node->next_poll_ms = w->now.mono_ms + 60000;
    assert_int_equal(cache_add_manual(w->cache, MANUAL, URL, w->now), 0);
    assert_int_equal(node->next_poll_ms, w->now.mono_ms + 60000);
    assert_int_equal(cache_add_manual(w->cache, MANUAL, URL "1", w->now), 0);
    assert_int_equal(node->next_poll_ms, 0);
    assert_int_equal(node->evidence.probe.outcome, PROBE_NONE);
    assert_string_equal(node->evidence.probe.error, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_answered_name_becomes_an_alias, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_agent_elsewhere_is_not_merged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_agent_elsewhere_that_comes_later_ends_the_alias, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_agent_that_turns_out_to_be_elsewhere_takes_its_data_along, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_agent_at_the_same_place_is_the_node, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_two_agents_of_that_name_only_the_own_one_gives_data, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_dropped_node_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_dropped_node_with_an_agent_stays_without_its_address, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_dropped_node_with_an_alias_leaves_the_name_to_its_agent, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(dropping_spares_who_is_not_configured, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_new_address_is_asked_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_that_are_none_are_not_learned, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_node_of_the_agent_is_merged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_two_agents_the_one_heard_last_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(manual_nodes_are_never_merged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_configured_name_takes_back_its_alias, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_re_exported_node_is_merged_too, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
