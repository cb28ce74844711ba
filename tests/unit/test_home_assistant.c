#include "cache_world.h"
#include "home_assistant_config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct ha_options options = {.base_topic = "alpaca", .url = "", .version = "1"};

static void report(struct world *w, const char *readings)
{
    static uint64_t seq;
    assert_int_equal(world_readings(w, "pi", "s", ++seq, readings), 0);
}

static void open_world(struct world *w)
{
    world_open_live(w);
    assert_int_equal(world_beat(w, "pi", "s", 1), 0);
}

/* The message, and what it announces instead of `announced`. */
static char *render(struct world *w, struct ha_components *announced, size_t limit, bool *ret_removes,
                    uint32_t *ret_left_out)
{
    struct buf out = BUF_INIT;
    struct ha_components after;
    *ret_removes = ha_write_node(&out, &options, world_node(w, "pi"), announced, limit, &after, ret_left_out);
    assert_false(out.failed);
    assert_true(json_check(out.data, out.len, JSON_MAX_DEPTH, NULL));
    assert_true(out.len <= limit);
    ha_components_finish(announced);
    *announced = after;
    size_t len;
    return buf_take(&out, &len);
}

static void slugs_depend_on_the_name_alone_and_stay_apart(void **test)
{
    (void)test;
    static const char *const names[] = {"pi",         "pi-kitchen",      "pi_kitchen", "Pi-kitchen",
                                        "pi kitchen", "pi.kitchen",      "_pi",        "pi_",
                                        "🦙",       "🦙🦙",        "",           "_llamad",
                                        "llamad",     "pi_0123456789ab", "pi_kitchen_"};
    enum { COUNT = sizeof names / sizeof *names };
    char slugs[COUNT][HA_SLUG_SIZE], other[COUNT][HA_SLUG_SIZE];
    for (size_t i = 0; i < COUNT; i++) {
        ha_slug(names[i], strlen(names[i]), slugs[i]);
        ha_slug(names[COUNT - 1 - i], strlen(names[COUNT - 1 - i]), other[COUNT - 1 - i]);
        assert_true(*slugs[i]);
        assert_int_equal(strspn(slugs[i], "abcdefghijklmnopqrstuvwxyz0123456789_-"), strlen(slugs[i]));
        assert_string_not_equal(slugs[i], HA_LLAMA_SLUG);
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(slugs[i], slugs[k]);
        }
    }
    assert_memory_equal(slugs[3], other[3], strlen(other[3]) + 1);
    assert_string_equal(slugs[0], "pi");
    assert_string_equal(slugs[1], "pi-kitchen");
    assert_string_equal(slugs[2], "pi_kitchen");
    assert_memory_equal(slugs[4], "pi_kitchen_", 11);
}

static void long_names_that_differ_at_the_end_stay_apart(void **test)
{
    (void)test;
    char name[201], a[HA_SLUG_SIZE], b[HA_SLUG_SIZE];
    memset(name, 'x', 200);
    ha_slug(name, 200, a);
    name[199] = 'y';
    ha_slug(name, 200, b);
    assert_string_not_equal(a, b);
    assert_true(strlen(a) <= HA_SLUG_MAX && strlen(b) <= HA_SLUG_MAX);
}

static void message_does_not_depend_on_the_order_of_readings(void **test)
{
    (void)test;
    struct world w;
    struct ha_components announced = {0};
    bool removes;
    uint32_t left_out;
    open_world(&w);
    report(&w, "{\"full_id\":\"a:b\",\"value\":1},{\"full_id\":\"c\",\"value\":\"x\",\"unit\":\"W\"}");
    uint64_t shape = ha_shape(world_node(&w, "pi"));
    char *first = render(&w, &announced, 100000, &removes, &left_out);
    report(&w, "{\"full_id\":\"c\",\"value\":\"y\",\"unit\":\"W\"},{\"full_id\":\"a:b\",\"value\":2}");
    assert_true(shape == ha_shape(world_node(&w, "pi")));
    char *second = render(&w, &announced, 100000, &removes, &left_out);
    assert_string_equal(first, second);
    report(&w, "{\"full_id\":\"c\",\"value\":\"y\",\"unit\":\"V\"},{\"full_id\":\"a:b\",\"value\":2}");
    assert_true(shape != ha_shape(world_node(&w, "pi")));
    free(first);
    free(second);
    ha_components_finish(&announced);
    world_close(&w);
}

static void what_vanished_is_removed_once(void **test)
{
    (void)test;
    struct world w;
    struct ha_components announced = {0};
    bool removes;
    uint32_t left_out;
    open_world(&w);
    report(&w, "{\"full_id\":\"a\",\"value\":1},{\"full_id\":\"b\",\"value\":true}");
    free(render(&w, &announced, 100000, &removes, &left_out));
    assert_false(removes);
    report(&w, "{\"full_id\":\"a\",\"value\":1}");
    char *text = render(&w, &announced, 100000, &removes, &left_out);
    assert_true(removes);
    assert_non_null(strstr(text, "\"b_b\":{\"platform\":\"binary_sensor\"}"));
    free(text);
    text = render(&w, &announced, 100000, &removes, &left_out);
    assert_false(removes);
    assert_null(strstr(text, "b_b"));
    free(text);
    ha_components_finish(&announced);
    world_close(&w);
}

static void kinds_grow_wider_only(void **test)
{
    (void)test;
    struct world w;
    struct ha_components announced = {0};
    bool removes;
    uint32_t left_out;
    open_world(&w);
    report(&w, "{\"full_id\":\"a\",\"value\":1,\"unit\":\"boolean\"}");
    free(render(&w, &announced, 100000, &removes, &left_out));
    report(&w, "{\"full_id\":\"a\",\"value\":2,\"unit\":\"boolean\"}");
    char *text = render(&w, &announced, 100000, &removes, &left_out);
    assert_true(removes); /* the binary sensor */
    assert_non_null(strstr(text, "\"r_a\":{\"platform\":\"sensor\""));
    free(text);
    report(&w, "{\"full_id\":\"a\",\"value\":1,\"unit\":\"boolean\"}");
    text = render(&w, &announced, 100000, &removes, &left_out);
    assert_false(removes);
    assert_non_null(strstr(text, "\"r_a\":{\"platform\":\"sensor\""));
    free(text);
    ha_components_finish(&announced);
    world_close(&w);
}

static void own_message_is_read_back(void **test)
{
    (void)test;
    struct world w;
    struct ha_components announced = {0}, read;
    bool removes;
    uint32_t left_out;
    open_world(&w);
    report(&w, "{\"full_id\":\"a\",\"value\":1},{\"full_id\":\"b\",\"value\":true},{\"full_id\":\"c\","
               "\"value\":\"x\"}");
    free(render(&w, &announced, 100000, &removes, &left_out));
    report(&w, "{\"full_id\":\"a\",\"value\":1},{\"full_id\":\"c\",\"value\":\"x\"}");
    char *text = render(&w, &announced, 100000, &removes, &left_out);
    assert_int_equal(ha_components_read(text, strlen(text), &read), 0);
    assert_int_equal(read.count, announced.count);
    for (size_t i = 0; i < read.count; i++) {
        assert_string_equal(read.list[i].key, announced.list[i].key);
        assert_int_equal(read.list[i].kind, announced.list[i].kind);
        assert_int_equal(read.list[i].removed, announced.list[i].removed);
    }
    free(text);
    ha_components_finish(&read);
    ha_components_finish(&announced);
    static const char foreign[] =
        "{\"origin\":{\"name\":\"x\"},\"components\":{\"a\":{\"platform\":\"sensor\"}}}";
    assert_int_equal(ha_components_read(foreign, sizeof foreign - 1, &read), -EPERM);
    assert_int_equal(ha_components_read("[]", 2, &read), -EPERM);
    assert_int_equal(ha_components_read("{", 1, &read), -EBADMSG);
    world_close(&w);
}

static void readings_beyond_the_limit_are_left_out(void **test)
{
    (void)test;
    struct world w;
    struct ha_components announced = {0};
    bool removes;
    uint32_t left_out;
    char readings[8000], *end = readings;
    open_world(&w);
    for (int i = 0; i < 100; i++) {
        end += sprintf(end, "%s{\"full_id\":\"reading:number_%03d\",\"value\":%d}", i ? "," : "", i, i);
    }
    report(&w, readings);
    free(render(&w, &announced, 20000, &removes, &left_out));
    assert_in_range(left_out, 1, 99);
    assert_int_equal(announced.count, 9 + 100 - left_out);
    ha_components_finish(&announced);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slugs_depend_on_the_name_alone_and_stay_apart),
        cmocka_unit_test(long_names_that_differ_at_the_end_stay_apart),
        cmocka_unit_test(message_does_not_depend_on_the_order_of_readings),
        cmocka_unit_test(what_vanished_is_removed_once),
        cmocka_unit_test(kinds_grow_wider_only),
        cmocka_unit_test(own_message_is_read_back),
        cmocka_unit_test(readings_beyond_the_limit_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
