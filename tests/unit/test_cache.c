/* Nodes: names, order, limits, removal; revisions and tombstones. */
#include "cache_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

static void nodes_stand_in_the_order_of_their_names(void **state)
{
    struct world *w = *state;
    static const char *const names[] = {"m", "z", "a", "pi 2", "pi", "\xc3\xa9", "Z", "n", "b"};
    static const char *const sorted[] = {"Z", "a", "b", "m", "n", "pi", "pi 2", "z", "\xc3\xa9"};
    for (size_t i = 0; i < 9; i++) {
        world_node(w, names[i]);
    }
    const struct node *node = cache_first_node(w->cache);
    for (size_t i = 0; i < 9; i++, node = node->next) {
        assert_string_equal(node->name, sorted[i]);
    }
    assert_null(node);
    assert_int_equal(cache_forget(w->cache, world_node(w, "Z")), 0);
    assert_int_equal(cache_forget(w->cache, world_node(w, "n")), 0);
    assert_int_equal(cache_forget(w->cache, world_node(w, "\xc3\xa9")), 0);
    static const char *const left[] = {"a", "b", "m", "pi", "pi 2", "z"};
    node = cache_first_node(w->cache);
    for (size_t i = 0; i < 6; i++, node = node->next) {
        assert_string_equal(node->name, left[i]);
    }
    assert_null(node);
    assert_int_equal(cache_node_count(w->cache), 6);
}

static void bad_names_are_refused_and_counted(void **state)
{
    struct world *w = *state;
    char long_name[NODE_NAME_MAX + 2];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    const char *const names[] = {"",  "a/b", "+",    "#",    " a",           "a ",     "$a",
                                 ".", "..",  "a\nb", "\xff", "\xe2\x80\xae", long_name};
    size_t count = sizeof names / sizeof *names;
    for (size_t i = 0; i < count; i++) {
        assert_null(cache_add(w->cache, names[i], strlen(names[i]), 0, w->now, &w->fault));
        assert_int_equal(w->fault.reason, REJECT_BAD_NAME);
        assert_null(strchr(w->fault.detail, '\n'));
    }
    assert_null(cache_add(w->cache, "a\0b", 3, 0, w->now, &w->fault));
    assert_int_equal(cache_rejects(w->cache)[REJECT_BAD_NAME], count + 1);
    assert_null(cache_find(w->cache, "a\0b", 3));
    assert_int_equal(cache_node_count(w->cache), 0);
    world_node(w, "a");
    assert_null(cache_find(w->cache, "a\0b", 3));
    assert_int_equal(cache_add_manual(w->cache, "a/b", "http://x", w->now), -EINVAL);
    assert_int_equal(cache_add_manual(w->cache, "ab", "", w->now), -EINVAL);
}

static void the_cache_holds_so_many_nodes_and_no_more(void **state)
{
    struct world *w = *state;
    char name[16];
    for (int i = 0; i < LIMIT_NODES; i++) {
        int len = snprintf(name, sizeof name, "node-%d", i * 7919 % LIMIT_NODES);
        assert_non_null(cache_add(w->cache, name, (size_t)len, FOUND_MQTT, w->now, &w->fault));
    }
    assert_null(cache_add(w->cache, "one-more", 8, FOUND_MQTT, w->now, &w->fault));
    assert_int_equal(w->fault.reason, REJECT_LIMIT_NODES);
    assert_int_equal(cache_add_manual(w->cache, "one-more", "http://x", w->now), -ENOSPC);
    assert_non_null(cache_add(w->cache, "node-77", 7, FOUND_EDGE, w->now, &w->fault));
    assert_int_equal(world_node(w, "node-77")->found, FOUND_MQTT | FOUND_EDGE);
    assert_int_equal(cache_forget(w->cache, world_node(w, "node-78")), 0);
    assert_non_null(cache_add(w->cache, "one-more", 8, FOUND_MQTT, w->now, &w->fault));
    const struct node *last = NULL;
    for (const struct node *node = cache_first_node(w->cache); node; node = node->next) {
        assert_true(!last || strcmp(last->name, node->name) < 0);
        last = node;
    }
}

static void manual_nodes_are_not_forgotten(void **state)
{
    struct world *w = *state;
    cache_add_manual(w->cache, "manual", "http://10.0.0.1", w->now);
    assert_int_equal(cache_add_manual(w->cache, "manual", "http://10.0.0.2", w->now), 0);
    assert_string_equal(world_node(w, "manual")->url, "http://10.0.0.2");
    assert_int_equal(cache_forget(w->cache, world_node(w, "manual")), -EBUSY);
    cache_set_retain(w->cache, 1000);
    world_wait(w, 5000);
    assert_int_equal(cache_node_count(w->cache), 1);
}

static void unheard_nodes_are_forgotten_after_retain(void **state)
{
    struct world *w = *state;
    cache_set_retain(w->cache, 100 * 1000);
    world_beat(w, "heard", "s1", 1);
    world_retained_beat(w, "old", "s1", 1, 60);
    world_node(w, "nothing");
    world_wait(w, 40 * 1000);
    assert_int_equal(cache_node_count(w->cache), 3);
    world_wait(w, 1000);
    assert_null(cache_get(w->cache, "old", 3));
    world_wait(w, 59 * 1000);
    assert_int_equal(cache_node_count(w->cache), 2);
    world_wait(w, 1000);
    assert_int_equal(cache_node_count(w->cache), 0);
    for (int i = 0; i < STATES; i++) {
        assert_int_equal(cache_state_count(w->cache, (enum state)i), 0);
    }
}

static void forgotten_nodes_take_everything_with_them(void **state)
{
    struct world *w = *state;
    world_beat(w, "a", "s1", 1);
    world_report(w, "a", REPORT_READINGS, "s1", 1,
                 "{\"readings\":[{\"full_id\":\"a:b\"},{\"full_id\":\"c:d\"}]}");
    world_report(w, "a", REPORT_OBSERVATIONS, "s1", 1, "{\"observations\":[{\"id\":1}]}");
    world_beat(w, "b", "s1", 1);
    world_report(w, "b", REPORT_READINGS, "s1", 1, "{\"readings\":[{\"full_id\":\"a:b\"}]}");
    assert_int_equal(cache_forget(w->cache, world_node(w, "a")), 0);
    assert_int_equal(cache_item_count(w->cache, ITEM_READING), 1);
    assert_int_equal(cache_item_count(w->cache, ITEM_OBSERVATION), 0);
    const struct item *item = cache_newest_item(w->cache, ITEM_READING);
    assert_string_equal(item->node->name, "b");
    assert_null(item->older);
    assert_null(item->newer);
    assert_null(cache_newest_item(w->cache, ITEM_OBSERVATION));
    assert_true(cache_newest_tombstone(w->cache)->is_node);
    assert_int_equal(cache_newest_tombstone(w->cache)->revision, cache_revision(w->cache));
    assert_int_equal(world_beat(w, "a", "s1", 1), 0); /* another one of that name, from the beginning */
}

static void lists_run_by_revision(void **state)
{
    struct world *w = *state;
    static const char *const names[] = {"a", "b", "c"};
    for (uint64_t i = 1; i <= 12; i++) {
        world_beat(w, names[i * 7 % 3], "s1", i);
    }
    uint64_t last = UINT64_MAX;
    size_t count = 0;
    const struct node *newer = NULL;
    for (const struct node *node = cache_newest_node(w->cache); node; node = node->older, count++) {
        assert_true(node->revision < last);
        assert_ptr_equal(node->newer, newer);
        last = node->revision;
        newer = node;
    }
    assert_int_equal(count, 3);
    assert_int_equal(cache_newest_node(w->cache)->revision, cache_revision(w->cache));
}

static void the_oldest_tombstones_raise_the_floor(void **state)
{
    struct world *w = *state;
    world_beat(w, "a", "s1", 1);
    assert_int_equal(cache_delta_floor(w->cache), 0);
    uint64_t seq = 0, first_removal = 0;
    for (int i = 0; i < LIMIT_TOMBSTONES + 50; i++) {
        char body[96];
        snprintf(body, sizeof body, "{\"readings\":[{\"full_id\":\"t:%d\"}]}", i);
        world_report(w, "a", REPORT_READINGS, "s1", ++seq, body);
        if (i == 1) {
            first_removal = cache_newest_tombstone(w->cache)->revision;
        }
        if (i == LIMIT_TOMBSTONES) {
            assert_int_equal(cache_delta_floor(w->cache), 0);
        }
        if (i == LIMIT_TOMBSTONES + 1) {
            assert_int_equal(cache_delta_floor(w->cache), first_removal);
        }
    }
    uint64_t last = UINT64_MAX;
    size_t count = 0;
    for (const struct tombstone *t = cache_newest_tombstone(w->cache); t;
         t = cache_older_tombstone(w->cache, t)) {
        char id[16];
        snprintf(id, sizeof id, "t:%d", (int)(LIMIT_TOMBSTONES + 48 - count));
        assert_string_equal(t->id, id);
        assert_true(t->revision < last && t->revision > cache_delta_floor(w->cache));
        last = t->revision;
        count++;
    }
    assert_int_equal(count, LIMIT_TOMBSTONES);
}

static void rejections_found_outside_are_counted_too(void **state)
{
    struct world *w = *state;
    struct fault fault;
    fault_set(&fault, REJECT_TOO_DEEP, "byte %d: too deep", 7);
    cache_reject(w->cache, NULL, &fault);
    struct node *node = world_node(w, "a");
    uint64_t before = node->revision;
    cache_reject(w->cache, node, &fault);
    assert_int_equal(cache_rejects(w->cache)[REJECT_TOO_DEEP], 2);
    assert_int_equal(node->rejects[REJECT_TOO_DEEP], 1);
    assert_string_equal(node->last_reject, "byte 7: too deep");
    assert_true(node->revision > before);
    fault.reason = REJECT_NONE;
    cache_reject(w->cache, node, &fault);
    assert_int_equal(cache_rejects(w->cache)[REJECT_NONE], 0);
}

static void nothing_is_destroyed_twice(void **state)
{
    (void)state;
    cache_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nodes_stand_in_the_order_of_their_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_names_are_refused_and_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_cache_holds_so_many_nodes_and_no_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(manual_nodes_are_not_forgotten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unheard_nodes_are_forgotten_after_retain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(forgotten_nodes_take_everything_with_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lists_run_by_revision, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_oldest_tombstones_raise_the_floor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rejections_found_outside_are_counted_too, set_up, tear_down),
        cmocka_unit_test(nothing_is_destroyed_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
