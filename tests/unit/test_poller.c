/* poller: who is asked when. What is asked and believed: test_visit. */
#include "poller.h"

#include "http_stub.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define DATE  "Mon, 23 Nov 2026 07:56:41 GMT"
#define NODES 12

struct world {
    struct loop *loop;
    struct fetch *fetch;
    struct cache *cache;
    struct http_stub *server;
    struct poller *poller;
    struct loop_timer *until;
    _Atomic bool hang; /* the server answers nothing */
    const char *dead;  /* nodes whose names begin so hang at all times; NULL = none */
};

/* Every path prefix /<name> is a node of that name. */
static bool serve(int fd, const char *path, void *user)
{
    const struct world *world = user;
    char body[128];
    int name_len = (int)strcspn(path + 1, "/");
    if (world->hang || (world->dead && strncmp(path + 1, world->dead, strlen(world->dead)) == 0)) {
        return http_stub_hang(fd);
    }
    int len = snprintf(body, sizeof body,
                       "{\"node_name\":\"%.*s\",\"readings\":[],\"observations\":[],\"memories\":[]}",
                       name_len, path + 1);
    return http_stub_answer(fd, 200, DATE, body, (size_t)len);
}

static void on_changed(void *user)
{
    (void)user;
}

static void on_until(void *user)
{
    struct world *world = user;
    loop_stop(world->loop);
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    world->loop = loop_create();
    world->fetch = fetch_create(world->loop);
    world->cache = cache_create(clock_now());
    world->server = http_stub_start(serve, world);
    world->until = loop_timer_create(world->loop, on_until, world);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    poller_destroy(world->poller);
    fetch_destroy(world->fetch);
    cache_destroy(world->cache);
    loop_timer_destroy(world->until);
    loop_destroy(world->loop);
    http_stub_stop(world->server);
    free(world);
    return 0;
}

static void start(struct world *world, uint32_t interval_ms, uint32_t timeout_ms, unsigned parallel)
{
    const struct poller_options options = {
        .interval_ms = interval_ms, .timeout_ms = timeout_ms, .parallel = parallel, .item_limit = 100};
    const char *error;
    world->poller =
        poller_create(world->loop, world->cache, world->fetch, &options, on_changed, world, &error);
    assert_non_null(world->poller);
}

static struct node *add(struct world *world, const char *name)
{
    char url[128];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/%s", http_stub_port(world->server), name);
    assert_int_equal(cache_add_manual(world->cache, name, url, clock_now()), 0);
    return cache_find(world->cache, name, strlen(name));
}

static void run_for(struct world *world, uint64_t ms)
{
    loop_timer_start(world->until, ms, 0);
    loop_run(world->loop);
}

/* How often this node's stats were asked for. */
static unsigned polls_of(struct world *world, const char *name)
{
    char path[96];
    unsigned count = 0;
    snprintf(path, sizeof path, "/%s/api/stats\n", name);
    for (const char *at = http_stub_paths(world->server); (at = strstr(at, path)); at++) {
        count++;
    }
    return count;
}

/* --- tests --- */

static void silent_node_is_asked_within_two_seconds_and_then_once_an_interval(void **state)
{
    struct world *world = *state;
    start(world, 2000, 500, 0);
    add(world, "pi");
    run_for(world, 2000);
    assert_int_equal(polls_of(world, "pi"), 1);
    run_for(world, 2300);
    assert_in_range(polls_of(world, "pi"), 2, 3);
    assert_int_equal(poller_stats(world->poller)->usable, polls_of(world, "pi"));
    assert_int_equal(poller_stats(world->poller)->requests, 4 * polls_of(world, "pi"));
}

static void only_so_many_nodes_are_asked_at_once_and_every_one_gets_its_turn(void **state)
{
    struct world *world = *state;
    world->hang = true;
    start(world, 60000, 300, 3);
    for (int i = 0; i < NODES; i++) {
        char name[16];
        snprintf(name, sizeof name, "pi-%02d", i);
        add(world, name);
    }
    unsigned most = 0;
    for (int i = 0; i < 60; i++) { /* 12 nodes, 3 at a time, 0.3 s each, after at most 1.25 s */
        run_for(world, 50);
        unsigned now = poller_stats(world->poller)->in_flight;
        most = now > most ? now : most;
    }
    assert_int_equal(most, 3);
    assert_int_equal(poller_stats(world->poller)->polls, NODES);
    assert_int_equal(poller_stats(world->poller)->failed, NODES);
    assert_int_equal(histogram_count(&poller_stats(world->poller)->duration), NODES);
    assert_true(poller_stats(world->poller)->duration.max_s > 0);
    for (int i = 0; i < NODES; i++) {
        char name[16];
        snprintf(name, sizeof name, "pi-%02d", i);
        assert_int_equal(polls_of(world, name), 1);
    }
}

static void names_at_the_end_do_not_starve(void **state)
{
    struct world *world = *state;
    world->hang =
        true; /* each poll takes its whole limit, so that three nodes cannot be done within an interval */
    start(world, 1000, 600, 1);
    add(world, "a");
    add(world, "b");
    add(world, "c");
    run_for(world, 6000);
    assert_in_range(polls_of(world, "a"), 2, 4);
    assert_in_range(polls_of(world, "b"), 2, 4);
    assert_in_range(polls_of(world, "c"), 2, 4);
}

/* One round of those that hang takes 2 s at four places, twice the interval. */
static void nodes_that_hang_delay_nobody_who_answers(void **state)
{
    struct world *world = *state;
    world->dead = "dead";
    start(world, 1000, 200, 4);
    for (int i = 0; i < 40; i++) {
        char name[16];
        snprintf(name, sizeof name, "dead-%02d", i);
        add(world, name);
    }
    add(world, "a");
    add(world, "z");
    run_for(world, 3000); /* the first round: nobody knows yet who hangs */
    unsigned a = polls_of(world, "a"), z = polls_of(world, "z"), dead = polls_of(world, "dead-39");
    run_for(world, 3600);
    assert_in_range(polls_of(world, "a") - a, 3, 4);
    assert_in_range(polls_of(world, "z") - z, 3, 4);
    assert_in_range(polls_of(world, "dead-39") - dead, 1, 2);
}

static void poked_node_is_asked_at_once_but_not_twice(void **state)
{
    struct world *world = *state;
    start(world, 60000, 5000, 0);
    struct node *node = add(world, "pi");
    assert_int_equal(poller_poke(world->poller, node), 0);
    run_for(world, 200);
    assert_int_equal(polls_of(world, "pi"), 1);
    assert_int_equal(poller_poke(world->poller, node), 0);
    run_for(world, 600);
    assert_int_equal(polls_of(world, "pi"), 1);
}

static void node_without_url_cannot_be_poked(void **state)
{
    struct world *world = *state;
    struct fault fault;
    start(world, 60000, 5000, 0);
    struct node *node = cache_add(world->cache, "pi", 2, FOUND_EDGE, clock_now(), &fault);
    assert_int_equal(poller_poke(world->poller, node), -EINVAL);
}

static void new_interval_holds_from_the_next_poll_on(void **state)
{
    struct world *world = *state;
    start(world, 60000, 400, 0);
    struct node *node = add(world, "pi");
    poller_set_interval(world->poller, 1000);
    poller_poke(world->poller, node);
    run_for(world, 1600);
    assert_int_equal(polls_of(world, "pi"), 2);
}

static void bad_range_is_named(void **state)
{
    struct world *world = *state;
    const char *allow[] = {"10.0.0.0/8", "300.0.0.0/8"};
    const struct poller_options options = {
        .interval_ms = 1000, .timeout_ms = 1000, .allow = allow, .allow_count = 2};
    const char *error = NULL;
    assert_null(poller_create(world->loop, world->cache, world->fetch, &options, on_changed, world, &error));
    assert_string_equal(error, "300.0.0.0/8");
}

static void destroy_while_nodes_are_asked(void **state)
{
    struct world *world = *state;
    world->hang = true;
    start(world, 1000, 5000, 0);
    poller_poke(world->poller, add(world, "pi"));
    poller_poke(world->poller, add(world, "po"));
    run_for(world, 100);
    assert_int_equal(poller_stats(world->poller)->in_flight, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(silent_node_is_asked_within_two_seconds_and_then_once_an_interval),
        TEST(only_so_many_nodes_are_asked_at_once_and_every_one_gets_its_turn),
        TEST(names_at_the_end_do_not_starve),
        TEST(nodes_that_hang_delay_nobody_who_answers),
        TEST(poked_node_is_asked_at_once_but_not_twice),
        TEST(node_without_url_cannot_be_poked),
        TEST(new_interval_holds_from_the_next_poll_on),
        TEST(bad_range_is_named),
        TEST(destroy_while_nodes_are_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
