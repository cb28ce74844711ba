/* Readings that a Llama master re-exports belong to their nodes. */
#include "cache_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MASTER "master"

static uint64_t seq;

static int set_up(void **state)
{
    static struct world w;
    world_open_live(&w);
    seq = 0;
    world_beat(&w, MASTER, "s1", 1);
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    world_close(*state);
    return 0;
}

/* A re-export of `id`, made `age_s` ago. */
static void append_export(const struct world *w, struct buf *items, const char *node, const char *id,
                          int value, int64_t age_s)
{
    char time[TIMESTAMP_SIZE];
    buf_printf(
        items, "%s{\"full_id\":\"%s:%s\",\"value\":%d,\"timestamp\":\"%s\",\"metadata\":{\"node\":\"%s\"}}",
        items->len ? "," : "", node, id, value, timestamp_format(w->now.wall_ms - age_s * 1000, time), node);
}

static int send(struct world *w, const char *master, const char *items)
{
    return world_readings(w, master, "s1", ++seq, items);
}

static int send_one(struct world *w, const char *master, const char *node, int value, int64_t age_s)
{
    struct buf items = BUF_INIT;
    append_export(w, &items, node, "system:cpu_temp", value, age_s);
    int e = send(w, master, buf_terminate(&items));
    buf_finish(&items);
    return e;
}

static void re_exports_belong_to_their_node_without_prefix(void **state)
{
    struct world *w = *state;
    assert_int_equal(
        send(w, MASTER,
             "{\"full_id\":\"system:load_avg\",\"value\":1},"
             "{\"value\":2,\"full_id\":\"edge-01:gpio:17\",\"x\":1.50,\"metadata\":{\"node\":\"edge-01\"},"
             "\"timestamp\":\"2026-11-23T09:00:00+00:00\"},"
             "{\"full_id\":\"edge-02:dht11:temperature\",\"metadata\":{\"node\":\"edge-02\"},\"value\":3}"),
        0);
    assert_int_equal(world_node(w, MASTER)->item_count[ITEM_READING], 1);
    assert_item(w, "edge-01", ITEM_READING, "gpio:17",
                "{\"value\":2,\"full_id\":\"gpio:17\",\"x\":1.50,\"metadata\":{\"node\":\"edge-01\"},"
                "\"timestamp\":\"2026-11-23T09:00:00+00:00\"}");
    const struct item *item = world_item(w, "edge-01", ITEM_READING, "gpio:17");
    assert_int_equal(item->at_ms, START_WALL_MS + 3600 * 1000);
    assert_true(item->number == 2);
    assert_int_equal(item->type_len, 4);
    assert_string_equal(item->node->name, "edge-01");
    const struct node *edge = world_node(w, "edge-01");
    assert_int_equal(edge->found, FOUND_MASTER);
    assert_int_equal(edge->type, NODE_EDGE);
    assert_string_equal(edge->master, MASTER);
    assert_int_equal(edge->snapshots[REPORT_READINGS].origin, ORIGIN_MASTER);
    assert_state(w, "edge-01", "online", "");
    assert_item(w, "edge-02", ITEM_READING, "dht11:temperature",
                "{\"full_id\":\"dht11:temperature\",\"metadata\":{\"node\":\"edge-02\"},\"value\":3}");
}

static void prefixes_may_be_written_with_escapes(void **state)
{
    struct world *w = *state;
    send(
        w, MASTER,
        "{\"full_id\":\"\\u0065dge\\u00e9\\ud83d\\ude00\\u003a\\\"a:b\",\"metadata\":{\"node\":\"edge\xc3\xa9"
        "\xf0\x9f\x98\x80\"}}");
    assert_item(w, "edge\xc3\xa9\xf0\x9f\x98\x80", ITEM_READING, "\"a:b",
                "{\"full_id\":\"\\\"a:b\",\"metadata\":{\"node\":\"edge\xc3\xa9\xf0\x9f\x98\x80\"}}");
}

static void what_only_looks_like_one_is_the_speakers(void **state)
{
    struct world *w = *state;
    static const char *const own[] = {
        "{\"full_id\":\"edge:a:b\"}",
        "{\"full_id\":\"edge:a:b\",\"metadata\":null}",
        "{\"full_id\":\"edge:a:b\",\"metadata\":{\"node\":17}}",
        "{\"full_id\":\"edge:a:b\",\"metadata\":{\"node\":\"edg\"}}",
        "{\"full_id\":\"edge:a:b\",\"metadata\":{\"node\":\"edge:a:b\"}}",
        "{\"full_id\":\"edge:a:b\",\"metadata\":{\"node\":\"\"}}",
        "{\"full_id\":\"edge:\",\"metadata\":{\"node\":\"edge\"}}",
        "{\"full_id\":\"a/b:c\",\"metadata\":{\"node\":\"a/b\"}}",
        "{\"full_id\":\"master:a:b\",\"metadata\":{\"node\":\"master\"}}",
        "{\"full_id\":\"a\\u0000b:c\",\"metadata\":{\"node\":\"a\\u0000b\"}}",
    };
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        assert_int_equal(send(w, MASTER, own[i]), 0);
        assert_int_equal(world_node(w, MASTER)->item_count[ITEM_READING], 1);
        assert_int_equal(cache_node_count(w->cache), 1);
        assert_memory_equal(world_node(w, MASTER)->items[ITEM_READING]->json, own[i], strlen(own[i]));
    }
}

static void who_is_heard_otherwise_is_left_alone(void **state)
{
    struct world *w = *state;
    world_beat(w, "by-agent", "s1", 1);
    world_edge(w, "by-edge", "{\"readings\":[{\"full_id\":\"a:b\",\"value\":1}]}");
    assert_int_equal(cache_add_manual(w->cache, "manual", "http://10.0.0.1:8080", w->now), 0);
    static const char *const names[] = {"by-agent", "by-edge", "manual"};
    for (size_t i = 0; i < 3; i++) {
        uint64_t before = world_node(w, names[i])->revision;
        assert_int_equal(send_one(w, MASTER, names[i], 99, 0), 0);
        assert_null(world_item(w, names[i], ITEM_READING, "system:cpu_temp"));
        assert_int_equal(world_node(w, names[i])->revision, before);
        assert_int_equal(world_node(w, MASTER)->item_count[ITEM_READING], 0); /* nor counted there */
    }
}

static void direct_messages_take_over(void **state)
{
    struct world *w = *state;
    send_one(w, MASTER, "edge", 1, 0);
    world_edge(w, "edge", "{\"readings\":[{\"full_id\":\"a:b\",\"value\":2}]}");
    const struct node *edge = world_node(w, "edge");
    assert_string_equal(edge->master, "");
    assert_int_equal(edge->found, FOUND_MASTER | FOUND_EDGE);
    assert_null(world_item(w, "edge", ITEM_READING, "system:cpu_temp"));
    send_one(w, MASTER, "edge", 3, 0);
    send(w, MASTER, "");
    assert_non_null(world_item(w, "edge", ITEM_READING, "a:b"));
    send_one(w, MASTER, "other", 1, 0);
    world_beat(w, "other", "s9", 1);
    world_report(w, "other", REPORT_READINGS, "s9", 1, "{\"readings\":[{\"full_id\":\"c:d\"}]}");
    assert_string_equal(world_node(w, "other")->master, "");
    send(w, MASTER, "");
    assert_non_null(world_item(w, "other", ITEM_READING, "c:d"));
}

static void what_the_master_drops_is_removed(void **state)
{
    struct world *w = *state;
    struct buf items = BUF_INIT;
    append_export(w, &items, "edge-01", "a:b", 1, 0);
    append_export(w, &items, "edge-02", "a:b", 1, 0);
    append_export(w, &items, "edge-01", "c:d", 1, 0);
    send(w, MASTER, buf_terminate(&items));
    buf_finish(&items);
    assert_int_equal(world_node(w, "edge-01")->item_count[ITEM_READING], 2);
    send_one(w, MASTER, "edge-01", 7, 0);
    assert_int_equal(world_node(w, "edge-01")->item_count[ITEM_READING], 1);
    assert_int_equal(world_node(w, "edge-02")->item_count[ITEM_READING], 0);
    assert_string_equal(world_node(w, "edge-02")->master, "");
    const struct tombstone *tombstone = cache_newest_tombstone(w->cache);
    assert_string_equal(tombstone->node, "edge-02");
    assert_int_equal(cache_item_count(w->cache, ITEM_READING), 1);
    assert_int_equal(cache_forget(w->cache, world_node(w, MASTER)), 0);
    assert_int_equal(cache_item_count(w->cache, ITEM_READING), 0);
    assert_string_equal(world_node(w, "edge-01")->master, "");
}

static void their_age_is_that_of_their_newest_reading(void **state)
{
    struct world *w = *state;
    struct buf items = BUF_INIT;
    append_export(w, &items, "edge", "a:b", 1, 500);
    append_export(w, &items, "edge", "c:d", 1, 80);
    send(w, MASTER, buf_terminate(&items));
    assert_int_equal(w->now.mono_ms - world_node(w, "edge")->evidence.edge.message_ms, 80000);
    assert_int_equal(world_node(w, "edge")->last_seen_wall_ms, w->now.wall_ms - 80000);
    assert_state(w, "edge", "online", "");
    /* The master repeats them for ever: that proves nothing. */
    for (int i = 0; i < 20; i++) {
        world_wait(w, 10 * 1000);
        world_beat(w, MASTER, "s1", 2 + (uint64_t)i);
        send(w, MASTER, buf_terminate(&items));
    }
    assert_state(w, "edge", "unreachable", "no_message");
    assert_int_equal(world_node(w, "edge")->item_count[ITEM_READING], 2);
    buf_finish(&items);
    send_one(w, MASTER, "edge", 1, 1);
    assert_state(w, "edge", "online", "");
}

static void a_second_master_takes_over_when_the_first_falls_behind(void **state)
{
    struct world *w = *state;
    world_beat(w, "second", "s1", 1);
    send_one(w, MASTER, "edge", 1, 0);
    send_one(w, "second", "edge", 2, 0);
    assert_string_equal(world_node(w, "edge")->master, MASTER);
    assert_true(world_item(w, "edge", ITEM_READING, "system:cpu_temp")->number == 1);
    world_wait(w, 100 * 1000);
    assert_state(w, "edge", "stale", "late");
    send_one(w, "second", "edge", 3, 0);
    assert_string_equal(world_node(w, "edge")->master, "second");
    assert_true(world_item(w, "edge", ITEM_READING, "system:cpu_temp")->number == 3);
    assert_state(w, "edge", "online", "");
    send(w, MASTER, "");
    assert_non_null(world_item(w, "edge", ITEM_READING, "system:cpu_temp"));
}

static void a_master_speaks_for_so_many_nodes_and_no_more(void **state)
{
    struct world *w = *state;
    struct buf items = BUF_INIT;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < LIMIT_REEXPORTED + 2; i++) {
            char name[16];
            snprintf(name, sizeof name, "edge-%d", i);
            append_export(w, &items, name, round ? "c:d" : "a:b", i, 0);
        }
    }
    buf_str(&items, ",{\"full_id\":\"own:one\"}");
    assert_int_equal(send(w, MASTER, buf_terminate(&items)), 0);
    buf_finish(&items);
    assert_int_equal(cache_node_count(w->cache), 1 + LIMIT_REEXPORTED);
    assert_int_equal(world_node(w, MASTER)->rejects[REJECT_TOO_MANY], 4);
    assert_int_equal(cache_item_count(w->cache, ITEM_READING), 2 * LIMIT_REEXPORTED + 1);
}

static void names_that_come_and_go_do_not_fill_the_cache(void **state)
{
    struct world *w = *state;
    int next = 0;
    for (int round = 0; round < 30; round++) {
        struct buf items = BUF_INIT;
        for (int i = 0; i < 40; i++) {
            char name[16];
            snprintf(name, sizeof name, "new-%d", next++);
            append_export(w, &items, name, "a:b", i, 0);
        }
        assert_int_equal(send(w, MASTER, buf_terminate(&items)), 0);
        buf_finish(&items);
        assert_in_range(cache_node_count(w->cache), 1 + 24, 1 + LIMIT_REEXPORTED);
        cache_tick(w->cache, w->now);
    }
    send_one(w, MASTER, "new-0", 7, 0); /* whoever is re-exported now finds room */
    assert_non_null(world_item(w, "new-0", ITEM_READING, "system:cpu_temp"));
    cache_cleared(w->cache, world_node(w, MASTER), TOPIC_READINGS, w->now);
    assert_int_equal(cache_node_count(w->cache), 1);
}

static void nodes_known_by_their_master_alone_go_with_it(void **state)
{
    struct world *w = *state;
    static const char *const names[] = {"a", "b", "p", "z"}; /* on both sides of it by name */
    struct buf items = BUF_INIT;
    for (int i = 0; i < 4; i++) {
        append_export(w, &items, names[i], "a:b", 1, 0);
    }
    send(w, MASTER, buf_terminate(&items));
    buf_finish(&items);
    world_beat(w, "p", "s1", 1); /* heard by itself meanwhile */
    cache_set_retain(w->cache, 60 * 1000);
    for (uint64_t i = 2; i < 10; i++) {
        world_wait(w, 10 * 1000);
        world_beat(w, "p", "s1", i);
    }
    assert_int_equal(cache_node_count(w->cache), 1);
    assert_int_equal(world_node(w, "p")->item_count[ITEM_READING], 0);
    assert_string_equal(world_node(w, "p")->master, "");
}

static void who_is_re_exported_is_not_forgotten(void **state)
{
    struct world *w = *state;
    cache_set_retain(w->cache, 60 * 1000);
    struct buf items = BUF_INIT;
    append_export(w, &items, "edge", "a:b", 1, 3600); /* dead for long, but its master never forgets */
    for (uint64_t i = 2; i < 12; i++) {
        world_beat(w, MASTER, "s1", i);
        send(w, MASTER, buf_terminate(&items));
        world_wait(w, 10 * 1000);
    }
    buf_finish(&items);
    assert_state(w, "edge", "unreachable", "no_message");
    assert_null(cache_newest_tombstone(w->cache));
    world_wait(w, 60 * 1000);
    assert_int_equal(cache_node_count(w->cache), 0);
}

static void a_clock_that_was_ahead_once_does_no_harm(void **state)
{
    struct world *w = *state;
    struct buf items = BUF_INIT;
    append_export(w, &items, "edge", "a:b", 1, -7200);
    send(w, MASTER, buf_terminate(&items));
    assert_state(w, "edge", "online", "");
    world_wait(w, 400 * 1000);
    send(w, MASTER, buf_terminate(&items)); /* the same again: still nothing was heard */
    buf_finish(&items);
    assert_state(w, "edge", "unreachable", "no_message");
    send_one(w, MASTER, "edge", 2, 1);
    assert_state(w, "edge", "online", "");
    assert_int_equal(world_node(w, "edge")->last_seen_wall_ms, w->now.wall_ms - 1000);
}

static void unchanged_re_exports_keep_their_revision(void **state)
{
    struct world *w = *state;
    send_one(w, MASTER, "edge", 1, 0);
    uint64_t before = world_item(w, "edge", ITEM_READING, "system:cpu_temp")->revision;
    world_wait(w, 5000);
    send_one(w, MASTER, "edge", 1, 0); /* only the time moved */
    const struct item *item = world_item(w, "edge", ITEM_READING, "system:cpu_temp");
    assert_int_equal(item->revision, before);
    assert_int_equal(item->at_ms, w->now.wall_ms);
    send_one(w, MASTER, "edge", 2, 0);
    assert_true(item->revision > before);
}

static void configuring_a_node_ends_its_masters_say(void **state)
{
    struct world *w = *state;
    send_one(w, MASTER, "edge", 1, 0);
    assert_int_equal(cache_add_manual(w->cache, "edge", "http://10.0.0.1:8080", w->now), 0);
    assert_string_equal(world_node(w, "edge")->master, "");
    send(w, MASTER, "");
    assert_int_equal(world_node(w, "edge")->item_count[ITEM_READING], 1); /* until it is polled */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(re_exports_belong_to_their_node_without_prefix, set_up, tear_down),
        cmocka_unit_test_setup_teardown(prefixes_may_be_written_with_escapes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_only_looks_like_one_is_the_speakers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_heard_otherwise_is_left_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(direct_messages_take_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_master_drops_is_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(their_age_is_that_of_their_newest_reading, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_second_master_takes_over_when_the_first_falls_behind, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_master_speaks_for_so_many_nodes_and_no_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_that_come_and_go_do_not_fill_the_cache, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nodes_known_by_their_master_alone_go_with_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_re_exported_is_not_forgotten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_clock_that_was_ahead_once_does_no_harm, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unchanged_re_exports_keep_their_revision, set_up, tear_down),
        cmocka_unit_test_setup_teardown(configuring_a_node_ends_its_masters_say, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
