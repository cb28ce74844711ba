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

static int64_t now_ms = 1000;

/* The message; what it announces comes instead of `announced`. */
static char *render(struct world *w, struct ha_components *announced, size_t limit, struct ha_message *ret)
{
    struct buf out = BUF_INIT;
    ha_write_node(&out, &options, world_node(w, "pi"), announced, limit, now_ms, ret);
    assert_false(out.failed);
    assert_true(json_check(out.data, out.len, JSON_MAX_DEPTH, NULL));
    assert_true(out.len <= limit);
    ha_components_finish(announced);
    *announced = ret->after;
    size_t len;
    buf_terminate(&out);
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
    struct ha_message message;
    open_world(&w);
    report(&w, "{\"full_id\":\"a:b\",\"value\":1},{\"full_id\":\"c\",\"value\":\"x\",\"unit\":\"W\"}");
    uint64_t shape = ha_shape(world_node(&w, "pi"));
    char *first = render(&w, &announced, 100000, &message);
    report(&w, "{\"full_id\":\"c\",\"value\":\"y\",\"unit\":\"W\"},{\"full_id\":\"a:b\",\"value\":2}");
    assert_true(shape == ha_shape(world_node(&w, "pi")));
    char *second = render(&w, &announced, 100000, &message);
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
    struct ha_message message;
    open_world(&w);
    report(&w, "{\"full_id\":\"a\",\"value\":1},{\"full_id\":\"b\",\"value\":true}");
    free(render(&w, &announced, 100000, &message));
    assert_false(message.removes);
    report(&w, "{\"full_id\":\"a\",\"value\":1}");
    char *text = render(&w, &announced, 100000, &message);
    assert_true(message.removes);
    assert_non_null(strstr(text, "\"b_b\":{\"platform\":\"binary_sensor\"}"));
    free(text);
    text = render(&w, &announced, 100000, &message);
    assert_false(message.removes);
    assert_null(strstr(text, "b_b"));
    free(text);
    ha_components_finish(&announced);
    world_close(&w);
}

/* Looks at the node's message, which must hold this. */
static void expect(struct world *w, struct ha_components *announced, const char *part, struct ha_message *ret)
{
    char *text = render(w, announced, 100000, ret);
    if (!strstr(text, part)) {
        fail_msg("%s is not in %s", part, text);
    }
    free(text);
}

#define NUMBER "\"state_class\":\"measurement\",\"value_template\":\"{% set v = value_json.get('a')"

static void kind_stays_while_odd_values_pass_by(void **test)
{
    (void)test;
    struct world w;
    struct ha_components announced = {0};
    struct ha_message message;
    open_world(&w);
    report(&w, "{\"full_id\":\"a\",\"value\":1}");
    expect(&w, &announced, NUMBER, &message);
    assert_int_equal(message.look_again_ms, 0);
    for (int i = 0; i < 3; i++) {
        int64_t odd_ms = now_ms += 1000;
        report(&w, "{\"full_id\":\"a\",\"value\":\"error\"}");
        expect(&w, &announced, NUMBER, &message);
        assert_int_equal(message.look_again_ms, odd_ms + HA_PATIENCE_MS);
        now_ms += HA_PATIENCE_MS - 1;
        expect(&w, &announced, NUMBER, &message);
        assert_int_equal(message.look_again_ms, odd_ms + HA_PATIENCE_MS);
        now_ms += 1;
        report(&w, "{\"full_id\":\"a\",\"value\":2}"); /* just in time */
        expect(&w, &announced, NUMBER, &message);
        assert_int_equal(message.look_again_ms, 0);
    }
    ha_components_finish(&announced);
    world_close(&w);
}

static void kind_grows_wider_for_good(void **test)
{
    (void)test;
    struct world w;
    struct ha_components announced = {0};
    struct ha_message message;
    open_world(&w);
    report(&w, "{\"full_id\":\"a\",\"value\":1,\"unit\":\"boolean\"}");
    expect(&w, &announced, "\"b_a\":{\"platform\":\"binary_sensor\"", &message);
    report(&w, "{\"full_id\":\"a\",\"value\":2,\"unit\":\"boolean\"}");
    expect(&w, &announced, "\"b_a\":{\"platform\":\"binary_sensor\",\"unique_id\"", &message);
    now_ms += HA_PATIENCE_MS;
    expect(&w, &announced, "\"b_a\":{\"platform\":\"binary_sensor\"}", &message);
    assert_true(message.removes);
    report(&w, "{\"full_id\":\"a\",\"value\":1,\"unit\":\"boolean\"}");
    expect(&w, &announced, "\"r_a\":{\"platform\":\"sensor\"", &message);
    assert_false(message.removes);
    report(&w, "{\"full_id\":\"a\",\"value\":\"x\"}");
    expect(&w, &announced, NUMBER, &message);
    now_ms += HA_PATIENCE_MS;
    expect(&w, &announced, "v is string", &message);
    ha_components_finish(&announced);
    world_close(&w);
}

static void removals_that_have_no_room_come_with_the_next(void **test)
{
    (void)test;
    struct world w;
    struct ha_components announced = {0};
    struct ha_message message;
    unsigned removed = 0, messages = 0;
    char key[HA_KEY_SIZE];
    open_world(&w);
    report(&w, "{\"full_id\":\"a\",\"value\":1}");
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "r_x%04d", i);
        assert_non_null(ha_components_add(&announced, key, HA_NUMBER, false));
    }
    do {
        char *text = render(&w, &announced, HA_LEAST, &message);
        for (const char *at = text; (at = strstr(at, ":{\"platform\":\"sensor\"}")); at++) {
            removed++;
        }
        free(text);
        assert_true(++messages < 20);
    } while (message.removes);
    assert_in_range(messages, 3, 19);
    assert_int_equal(removed, 1000);
    assert_int_equal(announced.count, 9 + 1);
    ha_components_finish(&announced);
    world_close(&w);
}

static void units_are_told_apart_by_their_letters(void **test)
{
    (void)test;
    static const struct {
        const char *ours, *theirs, *device_class;
    } rows[] = {
        {"celsius", "°C", "temperature"},
        {"Celsius", "°C", "temperature"},
        {"percent", "%", "-"},
        {"mb", "MB", "data_size"},
        {"MB", "MB", "data_size"},
        {"Mb", "Mb", "-"},
        {"mhz", "MHz", "frequency"},
        {"MHz", "MHz", "frequency"},
        {"mHz", "mHz", "-"},
        {"ms", "ms", "duration"},
        {"mS", "mS", "-"},
        {"s", "s", "duration"},
        {"S", "S", "-"},
        {"  W ", "W", "-"},
        {"°F", "°F", "temperature"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world w;
        char text[128], unit[HA_UNIT_SIZE];
        open_world(&w);
        snprintf(text, sizeof text, "{\"full_id\":\"a\",\"value\":1,\"unit\":\"%s\"}", rows[i].ours);
        report(&w, text);
        const struct item *item = world_item(&w, "pi", ITEM_READING, "a");
        const char *device_class = ha_unit(item, unit);
        assert_string_equal(unit, rows[i].theirs);
        assert_string_equal(device_class ? device_class : "-", rows[i].device_class);
        assert_int_equal(ha_unit_is_foreign(item), !device_class && strcmp(unit, "%") != 0);
        world_close(&w);
    }
}

static void more_components_than_any_node_has_are_refused(void **test)
{
    (void)test;
    struct ha_components read;
    for (int over = 0; over < 2; over++) {
        struct buf text = BUF_INIT;
        buf_str(&text, "{\"origin\":{\"name\":\"" HA_ORIGIN "\"},\"components\":{\"a\":{}");
        for (int i = 1; i < HA_COMPONENTS_MAX + over; i++) {
            buf_printf(&text, ",\"a%d\":{}", i);
        }
        buf_str(&text, "}}");
        assert_int_equal(ha_components_read(text.data, text.len, &read), over ? -E2BIG : 0);
        if (!over) {
            assert_int_equal(read.count, HA_COMPONENTS_MAX);
            ha_components_finish(&read);
        }
        buf_finish(&text);
    }
}

static void own_message_is_read_back(void **test)
{
    (void)test;
    struct world w;
    struct ha_components announced = {0}, read;
    struct ha_message message;
    open_world(&w);
    report(&w, "{\"full_id\":\"a\",\"value\":1},{\"full_id\":\"b\",\"value\":true},{\"full_id\":\"c\","
               "\"value\":\"x\"}");
    free(render(&w, &announced, 100000, &message));
    report(&w, "{\"full_id\":\"a\",\"value\":1},{\"full_id\":\"c\",\"value\":\"x\"}");
    char *text = render(&w, &announced, 100000, &message);
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
    struct ha_message message;
    char readings[8000], *end = readings;
    open_world(&w);
    for (int i = 0; i < 100; i++) {
        end += sprintf(end, "%s{\"full_id\":\"reading:number_%03d\",\"value\":%d}", i ? "," : "", i, i);
    }
    report(&w, readings);
    free(render(&w, &announced, 20000, &message));
    assert_in_range(message.left_out, 1, 99);
    assert_int_equal(announced.count, 9 + 100 - message.left_out);
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
        cmocka_unit_test(kind_stays_while_odd_values_pass_by),
        cmocka_unit_test(kind_grows_wider_for_good),
        cmocka_unit_test(removals_that_have_no_room_come_with_the_next),
        cmocka_unit_test(units_are_told_apart_by_their_letters),
        cmocka_unit_test(more_components_than_any_node_has_are_refused),
        cmocka_unit_test(own_message_is_read_back),
        cmocka_unit_test(readings_beyond_the_limit_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
