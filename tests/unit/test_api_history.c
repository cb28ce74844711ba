/* GET /api/cluster/history: what it asks for, what it answers. */
#include "api.h"
#include "cache_world.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PATH       "/api/cluster/history"
#define API_SERIES 64 /* in one answer */

struct house {
    struct world w;
    struct api *api;
    uint64_t seq;
    char *text; /* of the last answer; owned */
};

static int set_up(void **state)
{
    static struct house house;
    house = (struct house){0};
    world_open_live(&house.w);
    world_beat(&house.w, "pi b", "s", 1);
    house.api = api_create(house.w.cache, "inst", "0.1.0", NULL, house.w.now);
    assert_non_null(house.api);
    *state = &house;
    return 0;
}

static int tear_down(void **state)
{
    struct house *house = *state;
    free(house->text);
    api_destroy(house->api);
    world_close(&house->w);
    return 0;
}

/* The answer to a query; its text is house->text. */
static int ask(struct house *house, enum api_method method, const char *query)
{
    const struct api_request request = {.method = method, .path = PATH, .query = query};
    struct api_response response;
    struct json_error error;
    api_handle(house->api, &request, house->w.now, &response);
    assert_non_null(response.body);
    assert_true(json_check(response.body->data, response.body->len, JSON_MAX_DEPTH, &error));
    assert_string_equal(response.etag, ""); /* it changes with the clock, and not with the revision */
    free(house->text);
    house->text = strndup(response.body->data, response.body->len);
    assert_non_null(house->text);
    body_unref(response.body);
    return response.status;
}

static void check(struct house *house, const char *query, int status, const char *expected)
{
    assert_int_equal(ask(house, API_GET, query), status);
    if (!strstr(house->text, expected)) {
        fail_msg("%s: %s is not in %s", query, expected, house->text);
    }
}

/* The sensor of `node` says `value`. */
static void say_of(struct house *house, const char *node, const char *value)
{
    struct world *w = &house->w;
    char body[300], time[TIMESTAMP_SIZE];
    snprintf(
        body, sizeof body,
        "{\"readings\":[{\"full_id\":\"a:b c\",\"value\":%s,\"unit\":\"\\u00b0C\",\"timestamp\":\"%s\"}]}",
        value, timestamp_format(w->now.wall_ms, time));
    assert_int_equal(world_report(w, node, REPORT_READINGS, "s", ++house->seq, body), 0);
}

/* That of "pi b"; then it is five seconds later. */
static void say(struct house *house, const char *value)
{
    say_of(house, "pi b", value);
    house->w.now.mono_ms += 5000;
    house->w.now.wall_ms += 5000;
}

static void answer_has_its_shape(void **state)
{
    struct house *house = *state;
    say(house, "45.3");
    say(house, "-46.25");
    assert_int_equal(ask(house, API_GET, "node=pi%20b&source=a:b%20c"), 200);
    assert_string_equal(house->text,
                        "{\"timestamp\":\"2026-11-23T09:00:10.000Z\",\"node\":\"pi b\",\"source\":\"a:b c\","
                        "\"unit\":\"\\u00b0C\",\"minutes\":60,"
                        "\"points\":[[1795424400000,45.3],[1795424405000,-46.25]]}");
    assert_int_equal(ask(house, API_HEAD, "node=pi+b&source=a:b+c"), 200);
    assert_int_equal(ask(house, API_POST, "node=pi+b&source=a:b+c"), 405);
}

static void points_follow_our_clock(void **state)
{
    struct house *house = *state;
    say(house, "1");
    house->w.now.wall_ms += 3600000; /* set right: what was, was an hour later than we thought */
    check(house, "node=pi+b&source=a:b+c", 200, "\"points\":[[1795428000000,1]]");
}

static void points_do_not_tremble(void **state)
{
    struct house *house = *state;
    say(house, "1");
    say(house, "2");
    for (int i = 0; i > -3; i--) {
        house->w.now.mono_ms += 2000;
        house->w.now.wall_ms += 2000 + i; /* the clocks' milliseconds end at different moments */
        check(house, "node=pi+b&source=a:b+c", 200, "\"points\":[[1795424400000,1],[1795424405000,2]]");
    }
}

static void answer_is_no_older_than_a_second(void **state)
{
    struct house *house = *state;
    say(house, "1");
    say(house, "1");
    check(house, "node=pi+b&source=a:b+c", 200, "\"points\":[[1795424400000,1],[1795424405000,1]]");
    say(house, "1"); /* no new revision: nothing but the time changed */
    check(house, "node=pi+b&source=a:b+c", 200, "\"points\":[[1795424400000,1],[1795424410000,1]]");
}

static void numbers_are_short_and_gaps_null(void **state)
{
    struct house *house = *state;
    static const char *const said[] = {"0.1", "16777217", "1e30", "null", "1e39", "-1.5e-7", "3", "0"};
    static const char *const shown[] = {",0.1]",  ",16777216]", ",1e+30]", ",null]",
                                        ",null]", ",-1.5e-07]", ",3]",     ",0]"};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        say(house, said[i]);
        check(house, "node=pi+b&source=a:b+c&minutes=1", 200, shown[i]);
    }
}

static void minutes_narrow(void **state)
{
    struct house *house = *state;
    for (int i = 0; i < 30; i++) {
        char value[8];
        snprintf(value, sizeof value, "%d", i);
        say(house, value);
    }
    check(house, "node=pi+b&source=a:b+c&minutes=1", 200, ",29]]");
    assert_null(strstr(house->text, ",17]"));
    assert_non_null(strstr(house->text, "\"minutes\":1,"));
    check(house, "node=pi+b&source=a:b+c", 200, "[1795424400000,0]");
    check(house, "node=pi+b&source=a:b+c&minutes=1440", 200, "\"minutes\":60,"); /* what is kept */
    assert_non_null(strstr(house->text, "[1795424400000,0]"));
}

static void questions_are_checked(void **state)
{
    struct house *house = *state;
    say(house, "\"on\"");
    world_beat(&house->w, "other", "s", 1);
    check(house, "", 400, "bad_request");
    check(house, "node=pi+b", 400, "source must name a reading");
    check(house, "node=pi+b&source=", 400, "source must name a reading");
    check(house, "node=nobody&source=a:b+c", 404, "unknown_node");
    check(house, "node=pi+b&source=a:b", 404, "not_found");
    check(house, "node=other&source=a:b+c", 404, "not_found");
    static const char *const bad[] = {"0", "1441", "-1", "1.5", "x", "1e3", "99999999999999999999", "+5"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char query[80];
        snprintf(query, sizeof query, "node=pi+b&source=a:b+c&minutes=%s", bad[i]);
        check(house, query, 400, "minutes must be a whole number from 1 to 1440");
    }
    static const char *const few[] = {"0", "1", "1001", "-2", "x", "99999999999999999999"};
    for (size_t i = 0; i < sizeof few / sizeof *few; i++) {
        char query[80];
        snprintf(query, sizeof query, "source=a:b+c&points=%s", few[i]);
        check(house, query, 400, "points must be a whole number from 2 to 1000");
    }
    check(house, "node=pi+b&node=pi+b&source=a:b+c&minutes=&odd=1", 200, "\"points\":[]"); /* no number yet */
}

static void points_thin(void **state)
{
    struct house *house = *state;
    static const char *const said[] = {"5", "6", "1", "7", "9", "null", "4", "3"};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        say(house, said[i]);
    }
    static const char thin[] = "\"points\":[[1795424400000,5],[1795424410000,1],[1795424420000,9],"
                               "[1795424425000,null],[1795424435000,3]]";
    check(house, "node=pi+b&source=a:b+c&points=4", 200, thin);
    check(house, "series=pi+b/a:b+c&points=2", 200, thin);
    check(house, "source=a:b+c&points=4", 200, thin);
    check(house, "node=pi+b&source=a:b+c&points=1000", 200, ",[1795424410000,1],[1795424415000,7],");
    check(house, "node=pi+b&source=a:b+c&points=", 200, ",[1795424410000,1],[1795424415000,7],");
}

static void series_come_in_the_order_asked(void **state)
{
    struct house *house = *state;
    world_beat(&house->w, "a", "s", 1);
    say(house, "1");
    say_of(house, "a", "2");
    assert_int_equal(ask(house, API_GET, "series=pi+b/a:b+c&series=&series=a/a:b%20c&series=pi+b/a:b+c"),
                     200);
    assert_string_equal(house->text, "{\"timestamp\":\"2026-11-23T09:00:05.000Z\",\"minutes\":60,\"series\":["
                                     "{\"node\":\"pi b\",\"source\":\"a:b c\",\"unit\":\"\\u00b0C\","
                                     "\"points\":[[1795424400000,1]]},"
                                     "{\"node\":\"a\",\"source\":\"a:b c\",\"unit\":\"\\u00b0C\","
                                     "\"points\":[[1795424405000,2]]},"
                                     "{\"node\":\"pi b\",\"source\":\"a:b c\",\"unit\":\"\\u00b0C\","
                                     "\"points\":[[1795424400000,1]]}]}");
}

static void missing_series_costs_no_other(void **state)
{
    struct house *house = *state;
    say(house, "1");
    check(house, "series=nobody/a:b+c&series=pi+b/a:b+c&series=pi+b/x%22/y", 200,
          "\"series\":[{\"node\":\"nobody\",\"source\":\"a:b c\",\"unit\":null,\"points\":null},"
          "{\"node\":\"pi b\",\"source\":\"a:b c\",\"unit\":\"\\u00b0C\",\"points\":[[1795424400000,1]]},"
          "{\"node\":\"pi b\",\"source\":\"x\\\"/y\",\"unit\":null,\"points\":null}]}");
    struct world *w = &house->w;
    assert_int_equal(world_report(w, "pi b", REPORT_READINGS, "s", ++house->seq,
                                  "{\"readings\":[{\"full_id\":\"d/e/f\",\"value\":2}]}"),
                     0);
    check(house, "series=pi+b/a:b+c&series=pi+b/d/e/f", 200, "\"unit\":null,\"points\":null},{");
    assert_non_null(
        strstr(house->text, "\"source\":\"d/e/f\",\"unit\":null,\"points\":[[1795424405000,2]]}"));
}

static void series_are_counted_and_checked(void **state)
{
    struct house *house = *state;
    char query[80 * 20] = "";
    say(house, "1");
    for (int i = 0; i < API_SERIES; i++) {
        strcat(query, "series=pi+b/a:b+c&");
    }
    check(house, query, 200, "\"series\":[{");
    strcat(query, "series=pi+b/a:b+c");
    check(house, query, 400, "series can be given 64 times at most");
    static const char *const bad[] = {"series=pi+b", "series=/a:b+c", "series=pi+b/", "series=/",
                                      "series=pi+b/a:b+c&series=x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        check(house, bad[i], 400, "series must be a node and a reading");
    }
    check(house, "series=pi+b/a:b+c&node=pi+b", 400, "give it without node and source");
    check(house, "series=pi+b/a:b+c&source=a:b+c", 400, "give it without node and source");
    check(house, "series=pi+b/a:b+c&minutes=0", 400, "minutes must be");
}

static void source_is_that_of_all_nodes_that_have_it(void **state)
{
    struct house *house = *state;
    check(house, "source=a:b+c", 200, "\"minutes\":60,\"series\":[],\"cut\":false}");
    world_beat(&house->w, "a", "s", 1);
    world_beat(&house->w, "none", "s", 1);
    world_beat(&house->w, "z", "s", 1);
    say_of(house, "z", "3");
    say_of(house, "pi b", "2");
    say_of(house, "a", "1");
    static const char a[] = "{\"node\":\"a\",\"source\":\"a:b c\",\"unit\":\"\\u00b0C\","
                            "\"points\":[[1795424400000,1]]}";
    static const char z[] = "{\"node\":\"z\",\"source\":\"a:b c\",\"unit\":\"\\u00b0C\","
                            "\"points\":[[1795424400000,3]]}";
    char both[2 * sizeof a + 40];
    snprintf(both, sizeof both, "\"series\":[%s,%s],\"cut\":false}", a, z);
    check(house, "node=z&node=none&node=a&source=a:b+c", 200, both);
    assert_int_equal(ask(house, API_GET, "node=&source=a:b+c"), 200);
    const char *first = strstr(house->text, a), *second = strstr(house->text, "\"pi b\"");
    assert_true(first && second > first && strstr(second, z));
    check(house, "node=z&node=nobody&source=a:b+c", 404, "unknown_node");
}

static void source_of_many_nodes_is_cut(void **state)
{
    struct house *house = *state;
    char name[20];
    for (int i = 0; i < API_SERIES; i++) {
        snprintf(name, sizeof name, "n%03d", i);
        world_beat(&house->w, name, "s", 1);
        say_of(house, name, "1");
    }
    check(house, "source=a:b+c", 200, "],\"cut\":false}");
    assert_non_null(strstr(house->text, "\"n063\""));
    world_beat(&house->w, "n0000", "s", 1);
    check(house, "source=a:b+c", 200, "],\"cut\":false}"); /* it has none */
    say_of(house, "n0000", "1");
    check(house, "source=a:b+c", 200, "],\"cut\":true}");
    assert_non_null(strstr(house->text, "\"n0000\""));
    assert_null(strstr(house->text, "\"n063\""));
}

static void health_states_the_memory(void **state)
{
    struct house *house = *state;
    const struct api_request request = {.method = API_GET, .path = "/api/health", .query = ""};
    struct api_response response;
    say(house, "1");
    api_handle(house->api, &request, house->w.now, &response);
    house->text = strndup(response.body->data, response.body->len);
    body_unref(response.body);
    assert_non_null(strstr(house->text, "\"history\":{\"readings\":1,\"bytes\":48}"));
    assert_non_null(strstr(house->text, "\"history_bytes_per_reading\":2048,\"history_bytes\":67108864"));
    assert_non_null(strstr(house->text, "\"history_minutes\":60"));
    assert_non_null(strstr(house->text, "\"history_series\":64"));
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(answer_has_its_shape),
        test(points_follow_our_clock),
        test(points_do_not_tremble),
        test(answer_is_no_older_than_a_second),
        test(numbers_are_short_and_gaps_null),
        test(minutes_narrow),
        test(questions_are_checked),
        test(points_thin),
        test(series_come_in_the_order_asked),
        test(missing_series_costs_no_other),
        test(series_are_counted_and_checked),
        test(source_is_that_of_all_nodes_that_have_it),
        test(source_of_many_nodes_is_cut),
        test(health_states_the_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
