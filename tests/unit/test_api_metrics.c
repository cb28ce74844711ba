/* /metrics written in portions: who waits, who joins, who leaves. */
#include "api.h"
#include "cache_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NODES 200 /* so that it takes some portions */

struct house {
    struct world w;
    struct api *api;
    unsigned told; /* what llamad said of itself, so often */
};

static void tell_metrics(void *user, struct buf *out)
{
    struct house *house = user;
    house->told++;
    buf_str(out, "llamad_test 1\n");
}

static int set_up(void **state)
{
    struct house *house = calloc(1, sizeof *house);
    const struct api_actions actions = {.metrics = tell_metrics, .user = house};
    char name[16];
    world_open_live(&house->w);
    for (int i = 0; i < NODES; i++) {
        snprintf(name, sizeof name, "pi-%03d", i);
        world_beat(&house->w, name, "s", 1);
    }
    house->api = api_create(house->w.cache, "instance", "1.2.3", &actions, house->w.now);
    *state = house;
    return 0;
}

static int tear_down(void **state)
{
    struct house *house = *state;
    api_destroy(house->api);
    world_close(&house->w);
    free(house);
    return 0;
}

static struct api_response ask(struct house *house, bool can_wait)
{
    const struct api_request request = {
        .method = API_GET, .path = "/metrics", .query = "", .can_wait = can_wait};
    struct api_response response;
    api_handle(house->api, &request, house->w.now, &response);
    return response;
}

static void count_ready(void *user)
{
    ++*(unsigned *)user;
}

static struct api_wait *ask_and_wait(struct house *house, unsigned *ready)
{
    struct api_response response = ask(house, true);
    assert_non_null(response.wait);
    assert_null(response.body);
    api_await(response.wait, count_ready, ready);
    return response.wait;
}

static unsigned work_all(struct house *house)
{
    unsigned turns = 1;
    while (api_work(house->api)) {
        turns++;
    }
    return turns;
}

static struct body *collect(struct house *house, struct api_wait *wait)
{
    struct api_response response;
    api_collect(wait, house->w.now, &response);
    assert_int_equal(response.status, 200);
    assert_string_equal(response.content_type, "text/plain; version=0.0.4; charset=utf-8");
    assert_null(response.wait);
    return response.body;
}

static void it_comes_after_some_turns_as_if_written_at_once(void **state)
{
    struct house *house = *state;
    unsigned ready = 0;
    struct api_wait *wait = ask_and_wait(house, &ready);
    assert_true(api_work(house->api));
    assert_int_equal(ready, 0);
    assert_in_range(work_all(house), 3, 50);
    assert_int_equal(ready, 1);
    struct body *body = collect(house, wait);
    world_node(&house->w, "another"); /* what is kept counts no more */
    assert_int_equal(cache_forget(house->w.cache, world_node(&house->w, "another")), 0);
    struct api_response at_once = ask(house, false);
    assert_null(at_once.wait);
    char *text = strndup(body->data, body->len), *other = strndup(at_once.body->data, at_once.body->len);
    const char *revision = strstr(text, "\nllamad_cache_revision "), *end = strchr(revision + 1, '\n');
    const char *other_end = strchr(strstr(other, "\nllamad_cache_revision ") + 1, '\n');
    assert_memory_equal(text, other, (size_t)(revision - text));
    assert_string_equal(end, other_end);
    free(text);
    free(other);
    body_unref(body);
    body_unref(at_once.body);
}

static void those_who_ask_meanwhile_share_it(void **state)
{
    struct house *house = *state;
    unsigned ready = 0;
    struct api_wait *first = ask_and_wait(house, &ready);
    assert_true(api_work(house->api));
    struct api_wait *second = ask_and_wait(house, &ready);
    work_all(house);
    assert_int_equal(ready, 2);
    struct body *one = collect(house, first), *two = collect(house, second);
    assert_ptr_equal(one, two);
    struct api_response kept = ask(house, true);
    assert_null(kept.wait);
    assert_ptr_equal(kept.body, one);
    assert_int_equal(house->told, 1);
    body_unref(one);
    body_unref(two);
    body_unref(kept.body);
}

static void what_changed_meanwhile_is_written_anew_for_the_next(void **state)
{
    struct house *house = *state;
    unsigned ready = 0;
    struct api_wait *wait = ask_and_wait(house, &ready);
    assert_true(api_work(house->api));
    world_beat(&house->w, "another", "s", 1);
    work_all(house);
    body_unref(collect(house, wait));
    wait = ask_and_wait(house, &ready);
    work_all(house);
    body_unref(collect(house, wait));
    assert_int_equal(house->told, 2);
}

static void whoever_leaves_leaves_the_others(void **state)
{
    struct house *house = *state;
    unsigned left = 0, ready = 0;
    struct api_wait *first = ask_and_wait(house, &left);
    struct api_wait *second = ask_and_wait(house, &ready);
    struct api_wait *third = ask_and_wait(house, &left);
    assert_true(api_work(house->api));
    api_abandon(first);
    api_abandon(third);
    work_all(house);
    assert_int_equal(left, 0);
    assert_int_equal(ready, 1);
    body_unref(collect(house, second));
}

static void nothing_is_written_for_nobody(void **state)
{
    struct house *house = *state;
    unsigned ready = 0;
    assert_false(api_work(house->api));
    struct api_wait *wait = ask_and_wait(house, &ready);
    assert_true(api_work(house->api));
    api_abandon(wait);
    assert_false(api_work(house->api));
    wait = ask_and_wait(house, &ready);
    work_all(house);
    api_abandon(wait); /* it was ready, but nobody took it */
    assert_int_equal(ready, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_comes_after_some_turns_as_if_written_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(those_who_ask_meanwhile_share_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_changed_meanwhile_is_written_anew_for_the_next, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(whoever_leaves_leaves_the_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_written_for_nobody, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
