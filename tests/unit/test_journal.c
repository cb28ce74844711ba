/* What becomes of the nodes, in the log. */
#include "journal.h"

#include "cache_world.h"
#include "log_capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct stage {
    struct world world;
    struct journal journal;
    struct log_capture log;
};

static int set_up(void **state)
{
    struct stage *s = calloc(1, sizeof *s);
    world_open_live(&s->world);
    log_capture_start(&s->log);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct stage *s = *state;
    log_capture_end(&s->log);
    world_close(&s->world);
    free(s);
    return 0;
}

static void tick(struct stage *s, int64_t ms)
{
    world_wait(&s->world, ms);
    journal_write(&s->journal, s->world.cache, s->world.now);
}

static unsigned logged(struct stage *s, const char *text)
{
    return log_capture_count(&s->log, text);
}

static void newcomers_share_a_line(void **state)
{
    struct stage *s = *state;
    cache_add_manual(s->world.cache, "shelf", "http://10.0.0.1", s->world.now);
    world_beat(&s->world, "pi-1", "s1", 1);
    world_edge(&s->world, "shed", "{\"readings\":[]}");
    tick(s, 250);
    assert_int_equal(logged(s, "nodes: new: pi-1 (by its agent), shed (edge), shelf (configured)"), 1);
    tick(s, 5000);
    assert_int_equal(logged(s, "nodes: new"), 1);
}

static void nobody_is_missed_or_told_twice(void **state)
{
    struct stage *s = *state;
    char name[16];
    for (int i = 0; i < 40; i++) { /* some of them in the very moment of a line */
        snprintf(name, sizeof name, "n%02d.", i);
        world_beat(&s->world, name, "s1", 1);
        tick(s, 0);
        tick(s, 125);
    }
    tick(s, 1000);
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "n%02d.", i);
        assert_int_equal(logged(s, name), 1);
    }
    assert_in_range(logged(s, "nodes: new"), 5, 7);
}

static void a_crowd_is_counted(void **state)
{
    struct stage *s = *state;
    char name[NODE_NAME_MAX + 1];
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "%060d", i);
        world_beat(&s->world, name, "s1", 1);
    }
    tick(s, 1000);
    assert_int_equal(logged(s, "nodes: new: "), 1);
    assert_int_equal(logged(s, " more\n"), 1);
}

static void who_goes_is_named_once(void **state)
{
    struct stage *s = *state;
    world_beat(&s->world, "pi-1", "s1", 1);
    tick(s, 1000);
    assert_int_equal(cache_forget(s->world.cache, world_node(&s->world, "pi-1")), 0);
    tick(s, 1000);
    tick(s, 1000);
    assert_int_equal(logged(s, "nodes: forgotten: pi-1"), 1);
}

static void each_event_is_a_line(void **state)
{
    struct stage *s = *state;
    world_beat(&s->world, "pi-1", "s1", 1);
    tick(s, 1000);
    tick(s, 30000);
    assert_int_equal(logged(s, "warning node pi-1: online → stale (late): no heartbeat since"), 1);
    tick(s, 60000);
    assert_int_equal(logged(s, "warning node pi-1: stale → unreachable (no_heartbeat): "), 1);
    world_beat(&s->world, "pi-1", "s1", 2);
    tick(s, 1000);
    assert_int_equal(logged(s, "info node pi-1: unreachable → online: "), 1);
    assert_int_equal(logged(s, "not logged"), 0);
}

static void a_node_that_flaps_does_not_fill_the_log(void **state)
{
    struct stage *s = *state;
    uint64_t seq = 0;
    world_beat(&s->world, "calm", "s1", 1);
    for (int i = 0; i < 2000; i++) {
        world_beat(&s->world, "pi-1", "s1", ++seq);
        tick(s, 1);
        world_status(&s->world, "pi-1", "s1", "stopped", false);
        tick(s, 1);
    }
    tick(s, 30000); /* others have their own lines */
    assert_int_equal(logged(s, "node calm: "), 1);
    assert_int_equal(logged(s, "node pi-1: "), JOURNAL_LINES);
    tick(s, 60000);
    assert_int_equal(logged(s, " further changes of state were not logged"), 1);
    world_beat(&s->world, "pi-1", "s1", ++seq);
    tick(s, 1000);
    assert_in_range(logged(s, "node pi-1: "), JOURNAL_LINES + 1, JOURNAL_LINES + 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(newcomers_share_a_line), TEST(nobody_is_missed_or_told_twice),
        TEST(a_crowd_is_counted),     TEST(who_goes_is_named_once),
        TEST(each_event_is_a_line),   TEST(a_node_that_flaps_does_not_fill_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
