#include "node_line.h"

#include "cache_world.h"
#include "line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOUR_MS  INT64_C(3600000)
#define NO_LIMIT ((size_t)64 * 1024 * 1024)
#define TEMPERATURE                                                         \
    "{\"full_id\":\"system:t\", \"value\":123456789012345678901234567890, " \
    "\"timestamp\":\"2026-11-23T09:00:00\"}"
#define NOTE   "{\"id\":7,\"text\":\"a\\u0000b\\nc\",\"timestamp\":\"2026-11-23T09:00:00\"}"
#define MEMORY "{\"id\":\"m\",\"times_confirmed\":3,\"created_at\":\"2026-11-01 09:00:00\"}"
#define STATS  "{\"node_name\":\"pi\",\"observations_count\":40}"

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

static bool allowed(void *user, const char *url)
{
    return strcmp(url, user) == 0;
}

static void add_polled(struct world *w, const char *name)
{
    assert_int_equal(cache_add_manual(w->cache, name, "http://10.0.0.1", w->now), 0);
    assert_int_equal(world_poll_body(w, name, REPORT_STATS, STATS), 0);
    assert_int_equal(world_poll_body(w, name, REPORT_READINGS, "{\"readings\":[\n" TEMPERATURE "\n]}"), 0);
    assert_int_equal(world_poll_body(w, name, REPORT_OBSERVATIONS, "{\"observations\":[" NOTE "]}"), 0);
    assert_int_equal(world_poll_body(w, name, REPORT_MEMORIES, "{\"memories\":[" MEMORY "]}"), 0);
    world_poll(w, name, PROBE_OK, NULL, NULL);
}

static struct buf written(struct world *w)
{
    struct node_writer writer = {.lines = 0};
    struct buf out = BUF_INIT;
    assert_true(node_lines_write(&writer, w->cache, w->now, SIZE_MAX, NO_LIMIT, &out));
    assert_false(out.failed);
    assert_int_equal(writer.left_out, 0);
    return out;
}

/* Another llamad, an hour later, whose monotonic clock began anew. */
static void open_later(struct world *later, const struct world *w)
{
    *later = (struct world){.now = {.mono_ms = 60000, .wall_ms = w->now.wall_ms + HOUR_MS}};
    later->cache = cache_create(later->now);
    assert_non_null(later->cache);
}

static struct node_lines read_text(struct world *w, const char *text, size_t len)
{
    char url[] = "http://10.0.0.7:8080";
    char *copy = malloc(len + 1); /* so that a byte too far is found */
    memcpy(copy, text, len);
    struct node_lines lines = node_lines_read(copy, len, w->cache, w->now, allowed, url);
    free(copy);
    return lines;
}

static void polled_node_comes_back_with_its_bytes_and_age(void **state)
{
    struct world *w = *state, later;
    add_polled(w, "pi");
    struct buf out = written(w);
    open_later(&later, w);
    assert_int_equal(cache_add_manual(later.cache, "pi", "http://10.0.0.1", later.now), 0);
    struct node_lines lines = read_text(&later, out.data, out.len);
    assert_int_equal(lines.nodes, 1);
    assert_int_equal(lines.bad, 0);
    assert_item(&later, "pi", ITEM_READING, "system:t", TEMPERATURE);
    assert_item(&later, "pi", ITEM_OBSERVATION, "7", NOTE);
    assert_item(&later, "pi", ITEM_MEMORY, "\"m\"", MEMORY);
    const struct node *node = cache_get(later.cache, "pi", 2);
    assert_int_equal(node->stats_len, strlen(STATS));
    assert_memory_equal(node->stats, STATS, node->stats_len);
    assert_int_equal(node->said_observations, 40);
    assert_int_equal(node->last_seen_wall_ms, w->now.wall_ms);
    assert_int_equal(node->snapshots[REPORT_READINGS].captured_mono_ms, later.now.mono_ms - HOUR_MS);
    assert_int_equal(world_item(&later, "pi", ITEM_READING, "system:t")->at_ms,
                     START_WALL_MS); /* its offset */
    assert_state(&later, "pi", "unknown", "starting");
    assert_true(node->evidence.probe.ever_answered);
    struct buf again = written(&later);
    assert_int_equal(again.len, out.len); /* nothing is lost by coming and going */
    assert_memory_equal(again.data, out.data, out.len);
    buf_finish(&again);
    buf_finish(&out);
    world_close(&later);
}

static void edge_node_and_url_of_mdns_come_back(void **state)
{
    struct world *w = *state, later;
    const struct sighting seen = {.instance = "x", .url = "http://10.0.0.7:8080", .allowed = true};
    const struct sighting odd = {.instance = "y", .url = "http://10.0.0.8:8080", .allowed = true};
    assert_int_equal(world_edge(w, "edge", "{\"readings\":[" TEMPERATURE "]}"), 0);
    assert_int_equal(cache_sighting(w->cache, "seen", 4, &seen, NODE_LLAMA, w->now, &w->fault), 0);
    assert_int_equal(cache_sighting(w->cache, "odd", 3, &odd, NODE_LLAMA, w->now, &w->fault), 0);
    assert_int_equal(world_poll_body(w, "seen", REPORT_READINGS, "{\"readings\":[]}"), 0);
    assert_int_equal(world_poll_body(w, "odd", REPORT_READINGS, "{\"readings\":[]}"), 0);
    world_node(w, "silent"); /* of which nothing is known */
    struct buf out = written(w);
    open_later(&later, w);
    assert_int_equal(read_text(&later, out.data, out.len).nodes, 3);
    const struct node *edge = cache_get(later.cache, "edge", 4);
    assert_int_equal(edge->type, NODE_EDGE);
    assert_true(edge->evidence.edge.kept);
    assert_int_equal(edge->evidence.edge.message_ms, later.now.mono_ms - HOUR_MS);
    const struct node *node = cache_get(later.cache, "seen", 4);
    assert_int_equal(node->type, NODE_LLAMA);
    assert_int_equal(node->found, FOUND_MDNS);
    assert_string_equal(node->url, seen.url);
    assert_true(cache_wants_poll(later.cache, node, later.now));
    assert_false(
        cache_wants_poll(later.cache, cache_get(later.cache, "odd", 3), later.now)); /* not allowed here */
    assert_null(cache_get(later.cache, "silent", 6));
    buf_finish(&out);
    world_close(&later);
}

static void what_an_agent_said_is_not_kept_but_what_was_polled_since_is(void **state)
{
    struct world *w = *state, later;
    world_beat(w, "pi", "s", 1);
    assert_int_equal(world_report(w, "pi", REPORT_MEMORIES, "s", 1, "{\"memories\":[" MEMORY "]}"), 0);
    assert_int_equal(world_report(w, "pi", REPORT_READINGS, "s", 1, "{\"readings\":[]}"), 0);
    uint64_t before = node_lines_mark(w->cache);
    struct buf out = written(w);
    assert_null(memmem(out.data, out.len, "\"pi\"", 4));
    buf_finish(&out);
    world_wait(w, 120000);
    assert_int_equal(world_poll_body(w, "pi", REPORT_READINGS, "{\"readings\":[" TEMPERATURE "]}"), 0);
    assert_int_not_equal(node_lines_mark(w->cache), before);
    out = written(w);
    open_later(&later, w);
    assert_int_equal(read_text(&later, out.data, out.len).nodes, 1);
    assert_item(&later, "pi", ITEM_READING, "system:t", TEMPERATURE);
    assert_null(world_item(&later, "pi", ITEM_MEMORY, "\"m\""));
    assert_true(cache_get(later.cache, "pi", 2)->evidence.agent.ever);
    buf_finish(&out);
    world_close(&later);
}

static void re_exported_readings_go_back_to_their_nodes(void **state)
{
    struct world *w = *state, later;
    static const char body[] =
        "{\"readings\":[{\"full_id\":\"k\\u00fcche:system:t\",\"value\":1,\"metadata\":{\"node\":\"k\xc3\xbc"
        "che\"}},"
        "{\"full_id\":\"system:own\",\"value\":2}]}";
    static const char plain[] = "{\"full_id\":\"system:t\",\"value\":1,\"metadata\":{\"node\":\"k\xc3\xbc"
                                "che\"}}";
    assert_int_equal(cache_add_manual(w->cache, "master", "http://10.0.0.1", w->now), 0);
    assert_int_equal(world_poll_body(w, "master", REPORT_READINGS, body), 0);
    assert_item(w,
                "k\xc3\xbc"
                "che",
                ITEM_READING, "system:t", plain);
    struct buf out = written(w);
    open_later(&later, w);
    assert_int_equal(cache_add_manual(later.cache, "master", "http://10.0.0.1", later.now), 0);
    struct node_lines lines = read_text(&later, out.data, out.len);
    assert_int_equal(lines.nodes, 1);
    assert_int_equal(lines.bad, 0);
    assert_item(&later,
                "k\xc3\xbc"
                "che",
                ITEM_READING, "system:t", plain);
    assert_non_null(world_item(&later, "master", ITEM_READING, "system:own"));
    assert_state(&later,
                 "k\xc3\xbc"
                 "che",
                 "unknown", "starting");
    buf_finish(&out);
    world_close(&later);
}

static void slices_make_the_same_text(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 20; i++) {
        char name[8];
        snprintf(name, sizeof name, "pi-%d", i);
        add_polled(w, name);
    }
    struct buf whole = written(w), out = BUF_INIT;
    struct node_writer writer = {.lines = 0};
    int turns = 1;
    while (!node_lines_write(&writer, w->cache, w->now, 1000, NO_LIMIT, &out)) {
        turns++;
    }
    assert_true(turns > 5);
    assert_int_equal(out.len, whole.len);
    assert_memory_equal(out.data, whole.data, whole.len);
    buf_finish(&whole);
    buf_finish(&out);
}

static void text_stays_within_its_limit_and_complete(void **state)
{
    struct world *w = *state, later;
    for (int i = 0; i < 20; i++) {
        char name[8];
        snprintf(name, sizeof name, "pi-%d", i);
        add_polled(w, name);
    }
    struct buf whole = written(w), out = BUF_INIT;
    struct node_writer writer = {.lines = 0};
    size_t limit = whole.len / 2;
    assert_true(node_lines_write(&writer, w->cache, w->now, SIZE_MAX, limit, &out));
    assert_true(out.len <= limit && out.len > limit / 2);
    open_later(&later, w);
    for (const struct node *node = cache_first_node(w->cache); node; node = node->next) {
        assert_int_equal(cache_add_manual(later.cache, node->name, "http://10.0.0.1", later.now), 0);
    }
    struct node_lines lines = read_text(&later, out.data, out.len);
    assert_int_equal(lines.bad, 0);
    assert_int_equal(lines.nodes + writer.left_out, 20);
    assert_in_range(lines.nodes, 5, 15);
    world_close(&later);
    buf_finish(&whole);
    buf_finish(&out);
}

static void cut_at_any_byte_is_noticed(void **state)
{
    struct world *w = *state, later;
    add_polled(w, "pi");
    struct buf out = written(w);
    for (size_t len = 0; len < out.len; len++) {
        open_later(&later, w);
        cache_add_manual(later.cache, "pi", "http://10.0.0.1", later.now);
        struct node_lines lines = read_text(&later, out.data, len);
        assert_true(lines.wrong_version || lines.bad > 0);
        world_close(&later);
    }
    buf_finish(&out);
}

static void flipped_bits_cost_their_line_and_no_more(void **state)
{
    struct world *w = *state, later;
    add_polled(w, "pi");
    add_polled(w, "zz");
    struct buf out = written(w);
    const char *zz = memmem(out.data, out.len, "{\"node\":\"zz\"", 12);
    for (size_t byte = 0; byte < out.len; byte += 3) {
        char before = out.data[byte];
        out.data[byte] = (char)(before ^ 1 << byte % 8);
        open_later(&later, w);
        cache_add_manual(later.cache, "pi", "http://10.0.0.1", later.now);
        cache_add_manual(later.cache, "zz", "http://10.0.0.1", later.now);
        struct node_lines lines = read_text(&later, out.data, out.len);
        assert_true(lines.wrong_version || lines.bad > 0);
        if (!lines.wrong_version && out.data + byte < zz - 1) {
            assert_item(&later, "zz", ITEM_READING, "system:t", TEMPERATURE);
        }
        world_close(&later);
        out.data[byte] = before;
    }
    buf_finish(&out);
}

/* The file with this one more line, its checksum right. */
static struct node_lines read_with(struct world *w, const char *node_line, const char *body_line)
{
    struct buf out = BUF_INIT;
    line_write_header(&out, "nodes", 1);
    const char *const lines[] = {node_line, body_line, "{\"end\":true,\"lines\":3"};
    for (size_t i = 0; i < 3; i++) {
        size_t from = out.len;
        buf_str(&out, lines[i]);
        line_seal(&out, from);
    }
    struct node_lines found = read_text(w, out.data, out.len);
    buf_finish(&out);
    return found;
}

#define NODE(name, found, more) "{\"node\":" name ",\"found\":" found more
#define MORE                                                                                          \
    ",\"type\":\"edge\",\"agent\":false,\"answered\":true,\"edge_interval_ms\":1,\"utc_offset_s\":0," \
    "\"seen\":null,"                                                                                  \
    "\"mdns_url\":\"\""
#define GOOD_NODE NODE("\"pi\"", "[\"edge\"]", MORE)
#define BODY(node, kind, origin, time, body)                                           \
    "{\"node\":" node ",\"kind\":" kind ",\"origin\":" origin ",\"captured_at\":" time \
    ",\"received_at\":null,\"body\":" body
#define GOOD_BODY BODY("\"pi\"", "\"readings\"", "\"poll\"", "null", "{\"readings\":[]}")

static void hostile_lines_with_a_good_checksum_are_refused(void **state)
{
    struct world *w = *state;
    assert_int_equal(read_with(w, GOOD_NODE, GOOD_BODY).bad, 0);
    static const char *const nodes[] = {
        NODE("\"a/b\"", "[\"edge\"]", MORE),
        NODE("\"a\\u0000\"", "[\"edge\"]", MORE),
        NODE("7", "[\"edge\"]", MORE),
        NODE("\"n1\"", "\"edge\"", MORE),
        NODE("\"n2\"", "[\"edge\"]", ""),
        NODE("\"n3\"", "[\"edge\"]",
             ",\"type\":\"edge\",\"agent\":1,\"answered\":true,\"edge_interval_ms\":1,\"utc_offset_s\":0,"
             "\"seen\":null,"
             "\"mdns_url\":\"\""),
        NODE("\"n4\"", "[\"edge\"]",
             ",\"type\":\"edge\",\"agent\":true,\"answered\":true,\"edge_interval_ms\":-1,\"utc_offset_s\":0,"
             "\"seen\":null,\"mdns_url\":\"\""),
        NODE("\"n5\"", "[\"edge\"]",
             ",\"type\":\"edge\",\"agent\":true,\"answered\":true,\"edge_interval_ms\":1,\"utc_offset_s\":"
             "99999,"
             "\"seen\":null,\"mdns_url\":\"\""),
        NODE("\"n6\"", "[\"edge\"]",
             ",\"type\":\"edge\",\"agent\":true,\"answered\":true,\"edge_interval_ms\":1,\"utc_offset_s\":0,"
             "\"seen\":\"soon\",\"mdns_url\":\"\""),
        NODE("\"n7\"", "[\"edge\"]",
             ",\"type\":\"edge\",\"agent\":true,\"answered\":true,\"edge_interval_ms\":1,\"utc_offset_s\":0,"
             "\"seen\":null,\"mdns_url\":\"http://10.0.0.1/"
             "0123456789012345678901234567890123456789012345678901234\""),
    };
    size_t count = cache_node_count(w->cache);
    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
        assert_int_equal(read_with(w, nodes[i], GOOD_BODY).bad,
                         2); /* nobody's body is another line of no use */
        assert_int_equal(cache_node_count(w->cache), count);
    }
    static const char *const bodies[] = {
        BODY("\"other\"", "\"readings\"", "\"poll\"", "null", "{\"readings\":[]}"),
        BODY("\"n\"", "\"readings\"", "\"agent\"", "null", "{\"readings\":[]}"),
        BODY("\"n\"", "\"readings\"", "\"master\"", "null", "{\"readings\":[]}"),
        BODY("\"n\"", "\"stats\"", "\"edge\"", "null", "{\"node_name\":\"n\"}"),
        BODY("\"n\"", "\"status\"", "\"poll\"", "null", "{}"),
        BODY("\"n\"", "\"readings\"", "\"poll\"", "7", "{\"readings\":[]}"),
        BODY("\"n\"", "\"readings\"", "\"poll\"", "null", "[]"),
        BODY("\"n\"", "\"readings\"", "\"poll\"", "null", "{\"readings\":{}}"),
        BODY("\"n\"", "\"stats\"", "\"poll\"", "null", "{}"),
        "{\"node\":\"n\",\"kind\":\"readings\"",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        assert_int_equal(read_with(w, NODE("\"n\"", "[\"edge\"]", MORE), bodies[i]).bad, 1);
        assert_int_equal(cache_get(w->cache, "n", 1)->snapshots[REPORT_READINGS].origin, ORIGIN_NONE);
    }
}

static void more_items_than_a_node_may_have_are_refused(void **state)
{
    struct world *w = *state;
    struct buf body = BUF_INIT;
    buf_str(&body, BODY("\"pi\"", "\"readings\"", "\"poll\"", "null", "{\"readings\":["));
    for (int i = 0; i <= LIMIT_READINGS; i++) {
        buf_printf(&body, "%s{\"full_id\":\"s:%d\",\"value\":1}", i ? "," : "", i);
    }
    buf_str(&body, "]}");
    assert_int_equal(read_with(w, GOOD_NODE, buf_terminate(&body)).bad, 1);
    assert_int_equal(cache_item_count(w->cache, ITEM_READING), 0);
    buf_finish(&body);
}

static void other_versions_and_contents_are_refused_whole(void **state)
{
    struct world *w = *state;
    struct buf out = BUF_INIT;
    line_write_header(&out, "nodes", 2);
    assert_true(read_text(w, out.data, out.len).wrong_version);
    buf_reset(&out);
    line_write_header(&out, "events", 1);
    assert_true(read_text(w, out.data, out.len).wrong_version);
    buf_finish(&out);
    assert_true(read_text(w, "", 0).wrong_version);
}

int main(void)
{
#define WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WORLD(polled_node_comes_back_with_its_bytes_and_age),
        WORLD(edge_node_and_url_of_mdns_come_back),
        WORLD(what_an_agent_said_is_not_kept_but_what_was_polled_since_is),
        WORLD(re_exported_readings_go_back_to_their_nodes),
        WORLD(slices_make_the_same_text),
        WORLD(text_stays_within_its_limit_and_complete),
        WORLD(cut_at_any_byte_is_noticed),
        WORLD(flipped_bits_cost_their_line_and_no_more),
        WORLD(hostile_lines_with_a_good_checksum_are_refused),
        WORLD(more_items_than_a_node_may_have_are_refused),
        WORLD(other_versions_and_contents_are_refused_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
