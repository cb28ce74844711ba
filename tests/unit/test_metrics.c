#include "metrics.h"

#include "cache_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What is left of it, as a text. */
static char *finish(struct world *w, struct buf *out, struct metrics_place *place, size_t portion)
{
    size_t len;
    while (!metrics_write_some(out, w->cache, w->now, place, portion)) {
    }
    buf_char(out, '\0');
    return buf_take(out, &len);
}

static char *render(struct world *w)
{
    struct buf out = BUF_INIT;
    struct metrics_place place = {0};
    return finish(w, &out, &place, SIZE_MAX);
}

/* The first line that begins so, from there on; NULL = none. */
static const char *line_of(const char *text, const char *begin)
{
    size_t len = strlen(begin);
    for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        if (strncmp(line, begin, len) == 0) {
            return line;
        }
    }
    return NULL;
}

static void expect_line(struct world *w, const char *line, bool there)
{
    char *text = render(w), *whole = NULL;
    assert_non_null(text);
    assert_true(asprintf(&whole, "%s\n", line) > 0);
    if ((line_of(text, whole) != NULL) != there) {
        fail_msg("%s: %s\nin\n%s", there ? "missing" : "there", line, text);
    }
    free(whole);
    free(text);
}

static void expect_none(struct world *w, const char *begin)
{
    char *text = render(w);
    if (line_of(text, begin)) {
        fail_msg("there: %s\nin\n%s", begin, text);
    }
    free(text);
}

#define has(w, line) expect_line(w, line, true)

static void beat_with_readings(struct world *w, uint64_t seq)
{
    struct heartbeat h = heartbeat_of(w, "n", "s", seq);
    h.snapshots[REPORT_READINGS] =
        (struct snapshot_state){.present = true, .seq = 1, .captured_at_ms = w->now.wall_ms, .interval_s = 5};
    assert_int_equal(world_heartbeat(w, &h, false, 0), 0);
}

static void tell(struct world *w, const char *readings)
{
    beat_with_readings(w, 1);
    assert_int_equal(world_readings(w, "n", "s", 1, readings), 0);
}

static void node_has_its_state_and_times(void **state)
{
    (void)state;
    struct world w;
    world_open_live(&w);
    world_beat(&w, "n", "s", 1);
    has(&w, "smollama_node_up{node=\"n\"} 1");
    has(&w, "smollama_node_state{node=\"n\",state=\"online\"} 1");
    has(&w, "smollama_node_state{node=\"n\",state=\"degraded\"} 0");
    has(&w, "smollama_node_state{node=\"n\",state=\"stale\"} 0");
    has(&w, "smollama_node_state{node=\"n\",state=\"unreachable\"} 0");
    has(&w, "smollama_node_state{node=\"n\",state=\"unknown\"} 0");
    has(&w, "smollama_node_last_seen_timestamp_seconds{node=\"n\"} 1795424400");
    has(&w, "smollama_node_state_since_timestamp_seconds{node=\"n\"} 1795424400");
    has(&w, "smollama_node_readings{node=\"n\"} 0");
    has(&w, "smollama_node_rejects_total{node=\"n\"} 0");
    has(&w, "smollama_node_info{node=\"n\",type=\"alpaca\",version=\"\",via=\"mqtt\"} 1");
    expect_none(&w, "smollama_node_cause{");
    expect_none(&w, "smollama_node_observations{");
    world_close(&w);
}

static void node_that_is_gone_is_down_for_a_cause(void **state)
{
    (void)state;
    struct world w;
    world_open_live(&w);
    world_beat(&w, "n", "s", 1);
    world_wait(&w, 70000);
    has(&w, "smollama_node_up{node=\"n\"} 0");
    has(&w, "smollama_node_state{node=\"n\",state=\"unreachable\"} 1");
    has(&w, "smollama_node_cause{node=\"n\",cause=\"no_heartbeat\"} 1");
    has(&w, "smollama_node_last_seen_timestamp_seconds{node=\"n\"} 1795424400");
    has(&w, "llamad_nodes{state=\"unreachable\"} 1");
    world_close(&w);
}

static void degraded_node_is_up(void **state)
{
    (void)state;
    struct world w;
    world_open_live(&w);
    struct heartbeat h = heartbeat_of(&w, "n", "s", 1);
    h.source.ok = false;
    snprintf(h.source.error, sizeof h.source.error, "refused");
    world_heartbeat(&w, &h, false, 0);
    has(&w, "smollama_node_up{node=\"n\"} 1");
    has(&w, "smollama_node_cause{node=\"n\",cause=\"smollama_down\"} 1");
    world_close(&w);
}

static void clock_skew_and_counts_come_as_told(void **state)
{
    (void)state;
    struct world w;
    world_open_live(&w);
    struct heartbeat h = heartbeat_of(&w, "n", "s", 1);
    h.at_ms -= 2500;
    world_heartbeat(&w, &h, false, 0);
    world_report(&w, "n", REPORT_STATS, "s", 1,
                 "{\"node_name\":\"n\",\"readings_count\":4,\"observations_count\":40,\"memories_count\":0}");
    has(&w, "smollama_node_clock_skew_seconds{node=\"n\"} -2.5");
    has(&w, "smollama_node_observations{node=\"n\"} 40");
    has(&w, "smollama_node_memories{node=\"n\"} 0");
    world_close(&w);
}

static void readings_keep_their_digits_and_booleans_are_numbers(void **state)
{
    (void)state;
    struct world w;
    world_open_live(&w);
    tell(&w,
         "{\"full_id\":\"system:cpu_temp\",\"value\":45.30,\"unit\":\"celsius\"},"
         "{\"full_id\":\"gpio:17\",\"value\":true,\"unit\":null},{\"full_id\":\"gpio:18\",\"value\":false},"
         "{\"full_id\":\"a:b:c\",\"value\":-1E-3,\"unit\":\"\"}");
    has(&w,
        "smollama_reading{node=\"n\",source_type=\"system\",source_id=\"cpu_temp\",unit=\"celsius\"} 45.30");
    has(&w, "smollama_reading{node=\"n\",source_type=\"gpio\",source_id=\"17\"} 1");
    has(&w, "smollama_reading{node=\"n\",source_type=\"gpio\",source_id=\"18\"} 0");
    has(&w, "smollama_reading{node=\"n\",source_type=\"a\",source_id=\"b:c\"} -1E-3");
    world_close(&w);
}

static void what_is_no_number_is_no_sample(void **state)
{
    (void)state;
    struct world w;
    world_open_live(&w);
    tell(&w, "{\"full_id\":\"t:text\",\"value\":\"45\"},{\"full_id\":\"t:null\",\"value\":null},"
             "{\"full_id\":\"t:none\"},{\"full_id\":\"t:list\",\"value\":[1]},"
             "{\"full_id\":\"t:huge\",\"value\":1e400},{\"full_id\":\"t:nul\\u0000\",\"value\":1}");
    expect_none(&w, "smollama_reading{");
    has(&w, "smollama_node_readings{node=\"n\"} 6");
    world_close(&w);
}

static void endless_numbers_are_written_anew(void **state)
{
    (void)state;
    struct world w;
    world_open_live(&w);
    tell(
        &w,
        "{\"full_id\":\"t:x\",\"value\":0.1000000000000000000000000000000000000000000000000000000000000000000"
        "000000000000000000000000000000000000000000000000}");
    has(&w, "smollama_reading{node=\"n\",source_type=\"t\",source_id=\"x\"} 0.1");
    world_close(&w);
}

static void same_labels_come_once(void **state)
{
    (void)state;
    struct world w;
    world_open_live(&w);
    tell(&w,
         "{\"full_id\":\"a:\",\"value\":1},{\"full_id\":\"a\",\"value\":2},{\"full_id\":\"b:\",\"value\":3}");
    has(&w, "smollama_reading{node=\"n\",source_type=\"a\",source_id=\"\"} 2");
    expect_line(&w, "smollama_reading{node=\"n\",source_type=\"a\",source_id=\"\"} 1", false);
    has(&w, "smollama_reading{node=\"n\",source_type=\"b\",source_id=\"\"} 3");
    world_close(&w);
}

static void peer_text_stays_in_its_label(void **state)
{
    (void)state;
    struct world w;
    world_open_live(&w);
    tell(&w, "{\"full_id\":\"q\\\"} 9\\nx:\\\\\",\"value\":1,\"unit\":\"\\n\\u0000\"}");
    has(&w, "smollama_reading{node=\"n\",source_type=\"q\\\"} 9\\nx\",source_id=\"\\\\\","
            "unit=\"\\n\xef\xbf\xbd\"} 1");
    world_close(&w);
}

static void readings_of_a_late_node_end(void **state)
{
    (void)state;
    struct world w;
    world_open_live(&w);
    tell(&w, "{\"full_id\":\"t:x\",\"value\":1}");
    has(&w, "smollama_reading{node=\"n\",source_type=\"t\",source_id=\"x\"} 1");
    world_wait(&w, 26000);
    assert_state(&w, "n", "stale", "late");
    expect_none(&w, "smollama_reading{");
    beat_with_readings(&w, 2);
    has(&w, "smollama_reading{node=\"n\",source_type=\"t\",source_id=\"x\"} 1");
    world_close(&w);
}

/* The agent goes on, but its Smollama does not answer any more. */
static void readings_that_nobody_confirms_end(void **state)
{
    (void)state;
    struct world w;
    world_open_live(&w);
    tell(&w, "{\"full_id\":\"t:x\",\"value\":1}");
    int64_t captured_ms = w.now.wall_ms;
    for (uint64_t seq = 2; seq < 7; seq++) {
        world_wait(&w, 10000);
        struct heartbeat h = heartbeat_of(&w, "n", "s", seq);
        h.source.ok = false;
        h.snapshots[REPORT_READINGS] = (struct snapshot_state){
            .present = true, .seq = 1, .captured_at_ms = captured_ms, .interval_s = 5, .error = "refused"};
        assert_int_equal(world_heartbeat(&w, &h, false, 0), 0);
        if (seq == 4) {
            has(&w, "smollama_reading{node=\"n\",source_type=\"t\",source_id=\"x\"} 1");
        }
    }
    has(&w, "smollama_node_up{node=\"n\"} 1");
    expect_none(&w, "smollama_reading{");
    world_close(&w);
}

static void frozen_reading_ends_while_others_go_on(void **state)
{
    (void)state;
    struct world w;
    world_open_live(&w);
    for (uint64_t seq = 1; seq < 40; seq++) {
        char body[512], stamp[TIMESTAMP_SIZE];
        timestamp_format(w.now.wall_ms, stamp);
        snprintf(body, sizeof body,
                 "{\"readings\":[{\"full_id\":\"t:dead\",\"value\":1,\"timestamp\":\"2026-11-23T09:00:00Z\"},"
                 "{\"full_id\":\"t:well\",\"value\":2,\"timestamp\":\"%s\"}]}",
                 stamp);
        world_beat(&w, "n", "s", seq);
        assert_int_equal(world_report(&w, "n", REPORT_READINGS, "s", seq, body), 0);
        if (seq == 20) {
            has(&w, "smollama_reading{node=\"n\",source_type=\"t\",source_id=\"dead\"} 1");
        }
        world_wait(&w, 10000);
    }
    assert_state(&w, "n", "degraded", "frozen");
    has(&w, "smollama_reading{node=\"n\",source_type=\"t\",source_id=\"well\"} 2");
    expect_none(&w, "smollama_reading{node=\"n\",source_type=\"t\",source_id=\"dead\"}");
    world_close(&w);
}

static void edge_and_polled_readings_go_with_their_node(void **state)
{
    (void)state;
    struct world w;
    world_open_live(&w);
    assert_int_equal(world_edge(&w, "e", "{\"readings\":[{\"full_id\":\"t:x\",\"value\":1}]}"), 0);
    has(&w, "smollama_reading{node=\"e\",source_type=\"t\",source_id=\"x\"} 1");
    world_wait(&w, 3600 * 1000);
    has(&w, "smollama_node_up{node=\"e\"} 0");
    expect_none(&w, "smollama_reading{");
    world_close(&w);
}

static void without_a_broker_nothing_is_claimed(void **state)
{
    (void)state;
    struct world w;
    world_open_live(&w);
    tell(&w, "{\"full_id\":\"t:x\",\"value\":1}");
    cache_link(w.cache, false, w.now);
    world_wait(&w, 40000);
    has(&w, "smollama_node_state{node=\"n\",state=\"unknown\"} 1");
    has(&w, "llamad_incident{cause=\"broker_down\"} 1");
    has(&w, "llamad_incident{cause=\"own_clock\"} 0");
    expect_none(&w, "smollama_reading{");
    world_close(&w);
}

static void holdings_and_rejects_are_counted(void **state)
{
    (void)state;
    struct world w;
    struct fault fault;
    world_open_live(&w);
    tell(&w, "{\"full_id\":\"t:x\",\"value\":1}");
    fault_set(&fault, REJECT_NOT_JSON, "byte 0");
    cache_reject(w.cache, world_node(&w, "n"), &fault);
    has(&w, "llamad_cache_items{kind=\"reading\"} 1");
    has(&w, "llamad_cache_items{kind=\"observation\"} 0");
    has(&w, "llamad_cache_items{kind=\"memory\"} 0");
    has(&w, "llamad_history_series 1");
    has(&w, "llamad_rejects_total{reason=\"not_json\"} 1");
    has(&w, "llamad_rejects_total{reason=\"too_many\"} 0");
    has(&w, "smollama_node_rejects_total{node=\"n\"} 1");
    char line[64];
    snprintf(line, sizeof line, "llamad_cache_revision %llu", (unsigned long long)cache_revision(w.cache));
    has(&w, line);
    world_close(&w);
}

/* What begins a family: a line "# HELP", then "# TYPE"; all its samples follow, and none come later. */
static void families_stand_together(void **state)
{
    (void)state;
    struct world w;
    world_open_live(&w);
    tell(&w, "{\"full_id\":\"t:x\",\"value\":1}");
    world_beat(&w, "m", "s", 1);
    char *text = render(&w), family[128] = "", *save = NULL;
    char seen[64][128];
    size_t count = 0;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char name[128];
        if (sscanf(line, "# HELP %127s", name) == 1) {
            for (size_t i = 0; i < count; i++) {
                assert_string_not_equal(seen[i], name);
            }
            assert_true(count < 64);
            strcpy(seen[count++], name);
            strcpy(family, name);
        } else if (sscanf(line, "# TYPE %127s", name) == 1) {
            assert_string_equal(name, family);
        } else {
            assert_int_equal(strncmp(line, family, strlen(family)), 0);
            assert_non_null(strchr("{ ", line[strlen(family)]));
        }
    }
    assert_true(count > 15);
    free(text);
    world_close(&w);
}

/* Three nodes; the middle one is "n". */
static void open_three(struct world *w)
{
    world_open_live(w);
    tell(w, "{\"full_id\":\"t:x\",\"value\":1},{\"full_id\":\"t:y\",\"value\":2}");
    world_beat(w, "a", "s", 1);
    world_beat(w, "z", "s", 1);
}

static void portions_make_the_same_whole(void **state)
{
    (void)state;
    struct world w;
    open_three(&w);
    char *whole = render(&w);
    for (size_t portion = 1; portion < 20000; portion = portion * 3 + 1) {
        struct buf out = BUF_INIT;
        struct metrics_place place = {0};
        char *text = finish(&w, &out, &place, portion);
        assert_string_equal(text, whole);
        free(text);
    }
    free(whole);
    world_close(&w);
}

static void portion_is_bounded_by_what_one_node_has(void **state)
{
    (void)state;
    struct world w;
    struct buf out = BUF_INIT;
    struct metrics_place place = {0};
    char name[16];
    world_open_live(&w);
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "pi-%03d", i);
        world_beat(&w, name, "s", 1);
    }
    metrics_write_some(&out, w.cache, w.now, &place, 1); /* what llamad holds */
    for (bool done = false; !done;) {
        size_t before = out.len, family = place.family;
        int first = *place.node ? atoi(place.node + 3) : 0;
        done = metrics_write_some(&out, w.cache, w.now, &place, 2000);
        assert_true(out.len - before < 3000);
        /* most families have nothing to tell of these: looking is work, too */
        int last = place.family > family ? 299 : atoi(place.node + 3);
        assert_true(last - first <= 40);
    }
    buf_finish(&out);
    world_close(&w);
}

static unsigned count_of(const char *text, const char *begin)
{
    unsigned count = 0;
    while ((text = line_of(text, begin))) {
        count++;
        text += strlen(begin);
        text = strchr(text, '\n') + 1;
    }
    return count;
}

/* The one that was written last goes, or comes back, before the next portion. */
static void nodes_that_come_and_go_between_portions_are_told_once(void **state)
{
    (void)state;
    for (int back = 0; back < 2; back++) {
        struct world w;
        struct buf out = BUF_INIT;
        struct metrics_place place = {0};
        open_three(&w);
        while (strcmp(place.node, "n") != 0 || place.family != 0) {
            assert_false(metrics_write_some(&out, w.cache, w.now, &place, 1));
        }
        assert_int_equal(cache_forget(w.cache, world_node(&w, "n")), 0);
        world_beat(&w, "b", "s", 1); /* too late for this family */
        world_beat(&w, "o", "s", 1);
        if (back) {
            world_beat(&w, "n", "s2", 1);
        }
        char *text = finish(&w, &out, &place, 1);
        assert_int_equal(count_of(text, "smollama_node_up{node=\"n\"}"), 1);
        assert_int_equal(count_of(text, "smollama_node_up{node=\"z\"}"), 1);
        assert_int_equal(count_of(text, "smollama_node_up{node=\"o\"}"), 1);
        assert_int_equal(count_of(text, "smollama_node_up{node=\"b\"}"), 0);
        assert_int_equal(count_of(text, "smollama_node_info{node=\"n\""), back);
        assert_int_equal(count_of(text, "smollama_node_info{node=\"b\""), 1);
        assert_int_equal(count_of(text, "smollama_reading{"), 0);
        free(text);
        world_close(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(node_has_its_state_and_times),
        cmocka_unit_test(node_that_is_gone_is_down_for_a_cause),
        cmocka_unit_test(degraded_node_is_up),
        cmocka_unit_test(clock_skew_and_counts_come_as_told),
        cmocka_unit_test(readings_keep_their_digits_and_booleans_are_numbers),
        cmocka_unit_test(what_is_no_number_is_no_sample),
        cmocka_unit_test(endless_numbers_are_written_anew),
        cmocka_unit_test(same_labels_come_once),
        cmocka_unit_test(peer_text_stays_in_its_label),
        cmocka_unit_test(readings_of_a_late_node_end),
        cmocka_unit_test(readings_that_nobody_confirms_end),
        cmocka_unit_test(frozen_reading_ends_while_others_go_on),
        cmocka_unit_test(edge_and_polled_readings_go_with_their_node),
        cmocka_unit_test(without_a_broker_nothing_is_claimed),
        cmocka_unit_test(holdings_and_rejects_are_counted),
        cmocka_unit_test(families_stand_together),
        cmocka_unit_test(portions_make_the_same_whole),
        cmocka_unit_test(portion_is_bounded_by_what_one_node_has),
        cmocka_unit_test(nodes_that_come_and_go_between_portions_are_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
