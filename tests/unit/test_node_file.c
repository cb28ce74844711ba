#include "node_file.h"

#include "cache_world.h"
#include "state_file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX 10000000

struct place {
    struct world world;
    struct loop *loop;
    struct loop_timer *pulse; /* so that the loop turns */
    char path[32];
    int dir;
    struct trouble trouble;
    struct node_file *file;
};

static void nothing(void *user)
{
    (void)user;
}

static int set_up(void **state)
{
    static struct place place;
    place = (struct place){.dir = -1};
    world_open_live(&place.world);
    place.loop = loop_create();
    place.pulse = loop_timer_create(place.loop, nothing, NULL);
    loop_timer_start(place.pulse, 5, 5);
    strcpy(place.path, "/tmp/node_file.XXXXXX");
    assert_non_null(mkdtemp(place.path));
    place.dir = state_file_open_dir(place.path);
    place.trouble.path = place.path;
    place.file = node_file_create(place.loop, place.world.cache, place.dir, &place.trouble);
    assert_non_null(place.file);
    *state = &place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    node_file_destroy(place->file);
    loop_timer_destroy(place->pulse);
    loop_destroy(place->loop);
    world_close(&place->world);
    unlinkat(place->dir, NODE_FILE_NAME, 0);
    close(place->dir);
    assert_int_equal(rmdir(place->path), 0);
    return 0;
}

static void say(struct place *place, const char *name)
{
    world_edge(&place->world, name, "{\"readings\":[{\"full_id\":\"system:t\",\"value\":1}]}");
    assert_non_null(world_item(&place->world, name, ITEM_READING, "system:t"));
}

static void tick(struct place *place)
{
    node_file_tick(place->file, clock_now());
}

static void wait_idle(struct place *place)
{
    while (!node_file_is_idle(place->file)) {
        loop_turn(place->loop, true);
    }
}

static bool file_holds(const struct place *place, const char *name)
{
    char *data, wanted[NODE_NAME_MAX + 16];
    size_t len;
    snprintf(wanted, sizeof wanted, "\"node\":\"%s\"", name);
    if (state_file_read(place->dir, NODE_FILE_NAME, FILE_MAX, &data, &len) != 0) {
        return false;
    }
    bool found = memmem(data, len, wanted, strlen(wanted)) != NULL;
    free(data);
    return found;
}

static void first_values_are_saved_at_once_and_the_next_after_a_pause(void **state)
{
    struct place *place = *state;
    say(place, "one");
    tick(place);
    wait_idle(place);
    assert_true(file_holds(place, "one"));
    say(place, "two");
    tick(place);
    assert_true(node_file_is_idle(place->file));
    node_file_stop(place->file); /* the end waits for no pause */
    wait_idle(place);
    assert_true(file_holds(place, "two"));
}

static void node_forgotten_while_the_file_is_written_goes_at_once(void **state)
{
    struct place *place = *state;
    say(place, "one");
    say(place, "two");
    tick(place);
    assert_false(node_file_is_idle(place->file)); /* it is on its way to the disk, with both */
    assert_int_equal(cache_forget(place->world.cache, world_node(&place->world, "one")), 0);
    node_file_hurry(place->file);
    wait_idle(place);
    tick(place); /* no pause later */
    wait_idle(place);
    assert_false(file_holds(place, "one"));
    assert_true(file_holds(place, "two"));
}

static void node_forgotten_before_the_end_stays_forgotten(void **state)
{
    struct place *place = *state;
    for (int i = 0; i < 2000; i++) { /* more than one turn of the loop renders */
        char name[16];
        snprintf(name, sizeof name, "node-%04d", i);
        say(place, name);
    }
    tick(place);
    assert_int_equal(cache_forget(place->world.cache, world_node(&place->world, "node-0000")), 0);
    node_file_hurry(place->file);
    node_file_stop(place->file);
    wait_idle(place);
    assert_false(file_holds(place, "node-0000"));
    assert_true(file_holds(place, "node-0001"));
    assert_true(file_holds(place, "node-1999"));
}

static void failed_write_is_tried_again_and_counts_for_nothing(void **state)
{
    struct place *place = *state;
    say(place, "one");
    assert_int_equal(mkdirat(place->dir, NODE_FILE_NAME ".tmp", 0700), 0); /* in the way */
    tick(place);
    wait_idle(place);
    assert_true(place->trouble.failing);
    assert_int_equal(place->trouble.errors, 1);
    assert_int_equal(node_file_bytes(place->file), 0);
    assert_int_equal(unlinkat(place->dir, NODE_FILE_NAME ".tmp", AT_REMOVEDIR), 0);
    struct now later = clock_now();
    later.mono_ms += 5000;
    node_file_tick(place->file, later);
    wait_idle(place);
    assert_true(file_holds(place, "one"));
    assert_false(place->trouble.failing);
    assert_true(node_file_bytes(place->file) > 0);
}

int main(void)
{
#define PLACE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        PLACE(first_values_are_saved_at_once_and_the_next_after_a_pause),
        PLACE(node_forgotten_while_the_file_is_written_goes_at_once),
        PLACE(node_forgotten_before_the_end_stays_forgotten),
        PLACE(failed_write_is_tried_again_and_counts_for_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
