/* Bodies become items: what is taken, what is refused, what counts as a change. */
#include "cache_world.h"
#include "fixtures.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NODE "kitchen"

static int set_up(void **state)
{
    static struct world w;
    world_open_live(&w);
    world_beat(&w, NODE, "s1", 1);
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    world_close(*state);
    return 0;
}

static uint64_t seq;

static int readings(struct world *w, const char *items)
{
    return world_readings(w, NODE, "s1", ++seq, items);
}

static int observations(struct world *w, const char *items)
{
    struct buf body = BUF_INIT;
    buf_printf(&body, "{\"observations\":[%s]}", items);
    int e = world_report(w, NODE, REPORT_OBSERVATIONS, "s1", ++seq, buf_terminate(&body));
    buf_finish(&body);
    return e;
}

static uint64_t revision_of(struct world *w, const char *id)
{
    const struct item *item = world_item(w, NODE, ITEM_READING, id);
    assert_non_null(item);
    return item->revision;
}

#define CPU(value, time)                                                                              \
    "{\"full_id\":\"system:cpu_temp\",\"value\":" value ",\"unit\":\"celsius\",\"timestamp\":\"" time \
    "\",\"metadata\":null}"
#define LOAD(value)                                     \
    "{\"full_id\":\"system:load_avg\",\"value\":" value \
    ",\"unit\":\"load\",\"timestamp\":\"2026-11-23T08:00:00\",\"metadata\":null}"

static void items_keep_the_nodes_own_bytes(void **state)
{
    struct world *w = *state;
    const char *odd = "{ \"full_id\" : \"a:b\", \"value\": 1.0000000000000000001e400, \"x\":\"\\u0000\" }";
    assert_int_equal(readings(w, odd), 0);
    assert_item(w, NODE, ITEM_READING, "a:b", odd);
    const struct item *item = world_item(w, NODE, ITEM_READING, "a:b");
    assert_true(isnan(item->number)); /* beyond double: the digits survive in the bytes */
    assert_int_equal(item->at_ms, TIMESTAMP_NONE);
    assert_int_equal(item->type_len, 1);
}

static void fields_for_filters_are_read(void **state)
{
    struct world *w = *state;
    readings(w, CPU("45.25", "2026-11-23T08:00:01.5") "," LOAD("true"));
    const struct item *item = world_item(w, NODE, ITEM_READING, "system:cpu_temp");
    assert_true(item->number == 45.25);
    assert_int_equal(item->at_ms, START_WALL_MS + 1500);
    assert_int_equal(item->type_len, strlen("system"));
    assert_true(isnan(world_item(w, NODE, ITEM_READING, "system:load_avg")->number));
    world_report(w, NODE, REPORT_MEMORIES, "s1", ++seq,
                 "{\"memories\":[{\"id\":7,\"times_confirmed\":3,\"created_at\":\"2026-11-23 08:00:00\"}]}");
    const struct item *memory = world_item(w, NODE, ITEM_MEMORY, "7");
    assert_int_equal(memory->at_ms, START_WALL_MS);
    assert_true(memory->number == 3);
}

static void a_reading_changes_only_by_more_than_its_timestamp(void **state)
{
    struct world *w = *state;
    readings(w, CPU("45", "2026-11-23T08:00:00"));
    uint64_t before = revision_of(w, "system:cpu_temp");
    readings(w, CPU("45", "2026-11-23T08:00:05.123456")); /* longer than before */
    assert_int_equal(revision_of(w, "system:cpu_temp"), before);
    assert_item(w, NODE, ITEM_READING, "system:cpu_temp", CPU("45", "2026-11-23T08:00:05.123456"));
    assert_int_equal(world_item(w, NODE, ITEM_READING, "system:cpu_temp")->at_ms, START_WALL_MS + 5123);
    readings(w, CPU("46", "2026-11-23T08:00:05.123456"));
    uint64_t after = revision_of(w, "system:cpu_temp");
    assert_true(after > before);
    assert_true(world_item(w, NODE, ITEM_READING, "system:cpu_temp")->number == 46);
    assert_ptr_equal(cache_newest_item(w->cache, ITEM_READING),
                     world_item(w, NODE, ITEM_READING, "system:cpu_temp"));
    readings(w, CPU("45", "2026-11-23T08:00:09"));
    assert_true(revision_of(w, "system:cpu_temp") > after);
}

static void nothing_hides_between_equal_bytes(void **state)
{
    struct world *w = *state;
    const char *before = "{\"full_id\":\"a:b\",\"timestamp\":\"2026-11-23T08:00:00\",\"value\":1}";
    assert_int_equal(strlen("2026-11-23T08:00:00"), strlen("x\",\"node\":\"attic901"));
    readings(w, before);
    readings(w, "{\"full_id\":\"a:b\",\"timestamp\":\"x\",\"node\":\"attic901\",\"value\":1}");
    assert_int_equal(w->fault.reason, REJECT_FORBIDDEN_KEY);
    assert_null(world_item(w, NODE, ITEM_READING, "a:b"));
    readings(w, before);
    readings(w, "{\"full_id\":\"a:b\",\"timestamp\":123456789012345678901,\"value\":1}");
    assert_int_equal(world_item(w, NODE, ITEM_READING, "a:b")->at_ms, TIMESTAMP_NONE);
}

static void an_observation_changes_by_any_byte(void **state)
{
    struct world *w = *state;
    observations(w, "{\"id\":1,\"timestamp\":\"2026-11-23T08:00:00\",\"text\":\"a\"}");
    uint64_t before = world_item(w, NODE, ITEM_OBSERVATION, "1")->revision;
    observations(w, "{\"id\":1,\"timestamp\":\"2026-11-23T08:00:00\",\"text\":\"a\"}");
    assert_int_equal(world_item(w, NODE, ITEM_OBSERVATION, "1")->revision, before);
    /* The node's database was deleted, and its ids begin again. */
    observations(w, "{\"id\":1,\"timestamp\":\"2026-11-23T09:00:00\",\"text\":\"a\"}");
    assert_true(world_item(w, NODE, ITEM_OBSERVATION, "1")->revision > before);
    observations(w, "{\"id\":\"1\",\"timestamp\":\"2026-11-23T09:00:00\",\"text\":\"a\"}");
    assert_null(world_item(w, NODE, ITEM_OBSERVATION, "1"));
    assert_non_null(world_item(w, NODE, ITEM_OBSERVATION, "\"1\""));
}

static void what_is_no_longer_there_leaves_a_tombstone(void **state)
{
    struct world *w = *state;
    readings(w, CPU("45", "2026-11-23T08:00:00") "," LOAD("0.5"));
    uint64_t seen = cache_revision(w->cache);
    assert_int_equal(cache_item_count(w->cache, ITEM_READING), 2);
    readings(w, LOAD("0.5"));
    assert_null(world_item(w, NODE, ITEM_READING, "system:cpu_temp"));
    assert_int_equal(cache_item_count(w->cache, ITEM_READING), 1);
    const struct tombstone *tombstone = cache_newest_tombstone(w->cache);
    assert_non_null(tombstone);
    assert_true(tombstone->revision > seen);
    assert_false(tombstone->is_node);
    assert_string_equal(tombstone->node, NODE);
    assert_string_equal(tombstone->id, "system:cpu_temp");
    assert_null(cache_older_tombstone(w->cache, tombstone));
    readings(w, "");
    assert_int_equal(cache_item_count(w->cache, ITEM_READING), 0);
    assert_null(world_node(w, NODE)->items[ITEM_READING]);
}

static void the_last_of_repeated_ids_counts(void **state)
{
    struct world *w = *state;
    readings(w, CPU("1", "2026-11-23T08:00:00") "," LOAD("9") "," CPU("2", "2026-11-23T08:00:00"));
    assert_int_equal(world_node(w, NODE)->item_count[ITEM_READING], 2);
    assert_item(w, NODE, ITEM_READING, "system:cpu_temp", CPU("2", "2026-11-23T08:00:00"));
    uint64_t before = revision_of(w, "system:load_avg");
    readings(w, CPU("1", "2026-11-23T08:00:00") "," LOAD("9") "," CPU("3", "2026-11-23T08:00:00"));
    assert_item(w, NODE, ITEM_READING, "system:cpu_temp", CPU("3", "2026-11-23T08:00:00"));
    assert_int_equal(revision_of(w, "system:load_avg"), before);
}

static void items_stand_in_the_order_of_the_last_body(void **state)
{
    struct world *w = *state;
    static const char *const orders[] = {
        "abcdefghijkl", "lkjihgfedcba", "lka", "kxlyabz", "abcdefghijklmnop", "p", ""};
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        struct buf items = BUF_INIT;
        for (const char *c = orders[i]; *c; c++) {
            buf_printf(&items, "%s{\"full_id\":\"t:%c\",\"value\":1}", items.len ? "," : "", *c);
        }
        assert_int_equal(readings(w, items.len ? buf_terminate(&items) : ""), 0);
        buf_finish(&items);
        const struct item *item = world_node(w, NODE)->items[ITEM_READING];
        for (const char *c = orders[i]; *c; c++, item = item->next) {
            assert_non_null(item);
            assert_int_equal(item->id[2], *c);
        }
        assert_null(item);
        assert_int_equal(world_node(w, NODE)->item_count[ITEM_READING], strlen(orders[i]));
        assert_int_equal(cache_item_count(w->cache, ITEM_READING), strlen(orders[i]));
    }
}

static void bad_items_are_refused_alone(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *item;
        enum reject reject;
        const char *detail;
    } bad[] = {
        {"3", REJECT_BAD_TYPE, "readings[1]: not an object"},
        {"{\"value\":1}", REJECT_BAD_TYPE, "readings[1].full_id: missing"},
        {"{\"full_id\":17}", REJECT_BAD_TYPE, "readings[1].full_id: not a string"},
        {"{\"full_id\":\"\"}", REJECT_BAD_TYPE, "readings[1].full_id: empty"},
        {"{\"full_id\":\"a:b\",\"node\":\"attic\"}", REJECT_FORBIDDEN_KEY, "readings[1]: brings a key"},
        {"{\"full_id\":\"a:b\",\"\\u006eode\":\"attic\"}", REJECT_FORBIDDEN_KEY, "readings[1]: brings a key"},
        {"{\"full_id\":\"a:b\",\"\\u0061\\u0074\":1}", REJECT_FORBIDDEN_KEY, "readings[1]: brings a key"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t before = cache_rejects(w->cache)[bad[i].reject];
        struct buf items = BUF_INIT;
        buf_printf(&items, "%s,%s,%s", LOAD("1"), bad[i].item, CPU("2", "2026-11-23T08:00:00"));
        assert_int_equal(readings(w, buf_terminate(&items)), 0);
        buf_finish(&items);
        assert_int_equal(w->fault.reason, bad[i].reject);
        assert_non_null(strstr(w->fault.detail, bad[i].detail));
        assert_string_equal(world_node(w, NODE)->last_reject, w->fault.detail);
        assert_int_equal(cache_rejects(w->cache)[bad[i].reject], before + 1);
        assert_int_equal(world_node(w, NODE)->item_count[ITEM_READING], 2);
    }
    assert_int_equal(world_node(w, NODE)->rejects[REJECT_FORBIDDEN_KEY], 3);
    /* Inside a value these keys are anybody's. */
    assert_int_equal(
        readings(w, "{\"full_id\":\"a:b\",\"value\":{\"node\":1,\"at\":2},\"metadata\":{\"at\":3}}"), 0);
    assert_int_equal(w->fault.reason, REJECT_NONE);
    observations(w, "{\"id\":null},{\"id\":{}},{\"id\":2}");
    assert_int_equal(world_node(w, NODE)->item_count[ITEM_OBSERVATION], 1);
}

static char *filled(char c, size_t len)
{
    char *text = malloc(len + 1);
    assert_non_null(text);
    memset(text, c, len);
    text[len] = '\0';
    return text;
}

static void limits_of_one_item_are_exact(void **state)
{
    struct world *w = *state;
    for (size_t len = LIMIT_FULL_ID - 1; len <= LIMIT_FULL_ID + 1; len++) {
        char *id = filled('x', len);
        struct buf items = BUF_INIT;
        buf_printf(&items, "{\"full_id\":\"%s\"}", id);
        readings(w, buf_terminate(&items));
        assert_int_equal(w->fault.reason, len <= LIMIT_FULL_ID ? REJECT_NONE : REJECT_TOO_LARGE);
        assert_int_equal(world_node(w, NODE)->item_count[ITEM_READING], len <= LIMIT_FULL_ID);
        /* Decoded bytes count, not escaped ones. */
        buf_reset(&items);
        buf_printf(&items, "{\"full_id\":\"\\u0078%s\"}", id + 1);
        readings(w, buf_terminate(&items));
        assert_int_equal(world_node(w, NODE)->item_count[ITEM_READING], len <= LIMIT_FULL_ID);
        assert_true(len > LIMIT_FULL_ID || world_item(w, NODE, ITEM_READING, id));
        buf_finish(&items);
        free(id);
    }
    for (size_t len = LIMIT_ITEM - 1; len <= LIMIT_ITEM + 1; len++) {
        struct buf item = BUF_INIT;
        buf_str(&item, "{\"id\":5,\"text\":\"");
        while (item.len < len - 2) {
            buf_char(&item, 'x');
        }
        buf_str(&item, "\"}");
        observations(w, buf_terminate(&item));
        assert_int_equal(world_node(w, NODE)->item_count[ITEM_OBSERVATION], len <= LIMIT_ITEM);
        buf_finish(&item);
    }
}

static void a_body_with_too_many_items_changes_nothing(void **state)
{
    struct world *w = *state;
    for (int count = LIMIT_READINGS; count <= LIMIT_READINGS + 1; count++) {
        struct buf items = BUF_INIT;
        for (int i = 0; i < count; i++) {
            buf_printf(&items, "%s{\"full_id\":\"t:%d\",\"value\":%d}", i ? "," : "", i, count);
        }
        int e = readings(w, buf_terminate(&items));
        buf_finish(&items);
        assert_int_equal(e, count > LIMIT_READINGS ? -EBADMSG : 0);
    }
    assert_int_equal(w->fault.reason, REJECT_TOO_MANY);
    assert_int_equal(world_node(w, NODE)->item_count[ITEM_READING], LIMIT_READINGS);
    assert_item(w, NODE, ITEM_READING, "t:1999", "{\"full_id\":\"t:1999\",\"value\":2000}");
    assert_int_equal(cache_rejects(w->cache)[REJECT_TOO_MANY], 1);
}

static void a_body_without_its_array_changes_nothing(void **state)
{
    struct world *w = *state;
    readings(w, LOAD("1"));
    static const char *const bodies[] = {"{}", "{\"readings\":null}", "{\"readings\":{}}", "[]",
                                         "{\"Readings\":[]}"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        assert_int_equal(world_report(w, NODE, REPORT_READINGS, "s1", ++seq, bodies[i]), -EBADMSG);
        assert_int_equal(w->fault.reason, REJECT_BAD_BODY);
    }
    assert_non_null(world_item(w, NODE, ITEM_READING, "system:load_avg"));
}

static void naive_times_wait_for_the_offset(void **state)
{
    struct world *w = *state;
    world_edge(w, "edge", "{\"readings\":[" LOAD("1") "]}"); /* of edge messages no offset is known */
    const struct item *item = world_item(w, "edge", ITEM_READING, "system:load_avg");
    assert_int_equal(item->at_ms, TIMESTAMP_NONE);
    uint64_t before = item->revision;
    /* The same bytes, now with the offset of a poll (one hour east). */
    assert_int_equal(world_poll_body(w, "edge", REPORT_READINGS, "{\"readings\":[" LOAD("1") "]}"), 0);
    item = world_item(w, "edge", ITEM_READING, "system:load_avg");
    assert_int_equal(item->at_ms, START_WALL_MS - 3600 * 1000);
    assert_true(item->revision > before);
}

static void memory_is_reused_whatever_the_sizes(void **state)
{
    struct world *w = *state;
    static const size_t sizes[] = {1, 5000, 4999, 3, 800, 60000, 60001, 15, 16, 17};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *text = filled('y', sizes[i]);
        struct buf item = BUF_INIT;
        buf_printf(&item, "{\"full_id\":\"a:b\",\"value\":\"%s\"}", text);
        readings(w, buf_terminate(&item));
        assert_item(w, NODE, ITEM_READING, "a:b", buf_terminate(&item));
        assert_true(world_item(w, NODE, ITEM_READING, "a:b")->json_cap <= 4 * item.len + 256);
        buf_finish(&item);
        free(text);
    }
}

static void stats_are_kept_with_their_counts(void **state)
{
    struct world *w = *state;
    const struct node *node = world_node(w, NODE);
    assert_int_equal(node->said_observations, -1);
    const char *stats =
        "{\"node_name\":\"kitchen\",\"timestamp\":\"2026-11-23T08:00:00\",\"readings_count\":39,"
        "\"observations_count\":40,\"memories_count\":-1}";
    assert_int_equal(world_report(w, NODE, REPORT_STATS, "s1", ++seq, stats), 0);
    assert_int_equal(node->said_readings, 39);
    assert_int_equal(node->said_observations, 40);
    assert_int_equal(node->said_memories, -1);
    uint64_t before = node->stats_revision;
    assert_true(before > 0);
    const char *later =
        "{\"node_name\":\"kitchen\",\"timestamp\":\"2026-11-23T08:00:30.5\",\"readings_count\":39,"
        "\"observations_count\":40,\"memories_count\":-1}";
    world_report(w, NODE, REPORT_STATS, "s1", ++seq, later);
    assert_int_equal(node->stats_revision, before);
    assert_memory_equal(node->stats, later, node->stats_len);
    world_report(w, NODE, REPORT_STATS, "s1", ++seq, "{\"node_name\":\"kitchen\",\"readings_count\":40.0}");
    assert_true(node->stats_revision > before);
    assert_int_equal(node->said_readings, 40);
    assert_int_equal(node->said_observations, -1);
    assert_int_equal(world_report(w, NODE, REPORT_STATS, "s1", ++seq, "{\"readings_count\":1}"), -EBADMSG);
    char *text = filled('z', LIMIT_STATS);
    struct buf large = BUF_INIT;
    buf_printf(&large, "{\"node_name\":\"%s\"}", text);
    assert_int_equal(world_report(w, NODE, REPORT_STATS, "s1", ++seq, buf_terminate(&large)), -EBADMSG);
    assert_int_equal(w->fault.reason, REJECT_TOO_LARGE);
    assert_int_equal(node->said_readings, 40);
    buf_finish(&large);
    free(text);
}

/* ---- recorded bodies ---- */

static struct world *fixture_world;
static size_t applied;

static void apply_fixture(const char *path, const char *text, size_t len)
{
    static const enum report_kind kinds[] = {REPORT_READINGS, REPORT_OBSERVATIONS, REPORT_MEMORIES,
                                             REPORT_STATS};
    struct json_slice body = json_root(text, len);
    for (size_t i = 0; i < 4; i++) {
        if (!report_body_usable(kinds[i], body) || strstr(path, "health") || strstr(path, "err")) {
            continue;
        }
        assert_int_equal(world_poll_body(fixture_world, "recorded", kinds[i], text), 0);
        assert_int_equal(fixture_world->fault.reason, REJECT_NONE);
        if (kinds[i] != REPORT_STATS) {
            struct json_slice array = json_member(body, report_kind_name(kinds[i]));
            const struct node *node = world_node(fixture_world, "recorded");
            assert_in_range(node->item_count[i], json_count(array) ? 1 : 0, json_count(array));
            for (const struct item *item = node->items[i]; item; item = item->next) {
                struct json_error error;
                assert_true(json_check(item->json, item->json_len, JSON_MAX_DEPTH, &error));
                assert_int_not_equal(item->at_ms, TIMESTAMP_NONE);
            }
        }
        applied++;
    }
}

static void all_recorded_bodies_are_taken(void **state)
{
    fixture_world = *state;
    applied = 0;
    assert_true(fixture_each_body(apply_fixture) > 10);
    assert_true(applied > 10);
    assert_int_equal(world_node(fixture_world, "recorded")->rejects[REJECT_BAD_TYPE], 0);
}

static void apply_message(const char *topic, const char *payload, size_t len)
{
    struct topic parsed;
    assert_true(topic_parse("alpaca", topic, &parsed));
    struct buf body = BUF_INIT;
    char claimed[NODE_NAME_MAX + 1], name[NODE_NAME_MAX + 1];
    int64_t at_ms;
    struct fault fault;
    assert_int_equal(edge_decode(payload, len, fixture_world->now.wall_ms, &body, claimed, &at_ms, &fault),
                     0);
    snprintf(name, sizeof name, "%.*s", (int)parsed.node_len, parsed.node);
    assert_int_equal(world_edge(fixture_world, name, buf_terminate(&body)), 0);
    buf_finish(&body);
    const struct node *node = world_node(fixture_world, name);
    assert_true(node->item_count[ITEM_READING] > 0);
    assert_int_equal(node->type, NODE_EDGE);
    assert_state(fixture_world, name, "online", "");
    applied++;
}

static void all_recorded_edge_messages_are_taken(void **state)
{
    fixture_world = *state;
    applied = 0;
    fixture_each_message("smollama/edge/edge-01.readings.txt", apply_message);
    fixture_each_message("smollama/edge/edge-nan.readings.txt", apply_message);
    fixture_each_message("smollama/edge/edge-types.readings.txt", apply_message);
    assert_true(applied >= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(items_keep_the_nodes_own_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fields_for_filters_are_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reading_changes_only_by_more_than_its_timestamp, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_hides_between_equal_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_observation_changes_by_any_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_longer_there_leaves_a_tombstone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_last_of_repeated_ids_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(items_stand_in_the_order_of_the_last_body, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_items_are_refused_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(limits_of_one_item_are_exact, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_body_with_too_many_items_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_body_without_its_array_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(naive_times_wait_for_the_offset, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_is_reused_whatever_the_sizes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stats_are_kept_with_their_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_recorded_bodies_are_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_recorded_edge_messages_are_taken, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
