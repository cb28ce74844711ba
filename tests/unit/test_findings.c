/* findings: what nodes' own searches answered; taken strictly, and merged with what the cache holds. */
#include "findings.h"

#include "api.h"
#include "cache_world.h"
#include "timestamp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct house {
    struct world w;
    struct api *api;
    const struct node *nodes[2]; /* "a", "b" */
    struct findings *findings;
    /* of the search action */
    search_done_fn *done;
    void *done_user;
    int answer;
    unsigned asked, cancelled, ready;
    char text[64], type[64];
    size_t limit, node_count;
    bool all;
};

static struct search_wait *some_wait(struct house *house)
{
    return (struct search_wait *)(void *)house; /* nobody looks into it */
}

static int search(void *user, const struct question *question, search_done_fn *done, void *done_user,
                  struct search_wait **ret_wait, struct findings **ret_findings, unsigned *ret_retry_after_s)
{
    struct house *house = user;
    house->asked++;
    house->done = done;
    house->done_user = done_user;
    house->limit = question->limit;
    house->node_count = question->node_count;
    house->all = question->all;
    snprintf(house->text, sizeof house->text, "%.*s", (int)question->text_len,
             question->text ? question->text : "");
    snprintf(house->type, sizeof house->type, "%.*s", (int)question->type_len,
             question->type ? question->type : "");
    *ret_wait = house->answer == 0 && !house->findings ? some_wait(house) : NULL;
    *ret_findings = house->answer == 0 && house->findings ? findings_ref(house->findings) : NULL;
    *ret_retry_after_s = house->answer == -EAGAIN ? 17 : 0;
    return house->answer;
}

static void search_cancel(void *user, struct search_wait *wait)
{
    struct house *house = user;
    assert_ptr_equal(wait, some_wait(house));
    house->cancelled++;
}

static void on_ready(void *user)
{
    ((struct house *)user)->ready++;
}

static struct findings *find(struct house *house, enum item_kind kind, size_t limit)
{
    const struct question question = {
        .kind = kind, .limit = limit, .nodes = house->nodes, .node_count = 2, .all = true};
    struct findings *findings = findings_create(&question);
    assert_non_null(findings);
    return findings;
}

static int setup(void **state)
{
    struct house *house = calloc(1, sizeof *house);
    if (!house) {
        return -1;
    }
    world_open_live(&house->w);
    assert_int_equal(world_beat(&house->w, "a", "s", 1), 0);
    assert_int_equal(world_beat(&house->w, "b", "s", 1), 0);
    assert_int_equal(
        world_report(&house->w, "a", REPORT_OBSERVATIONS, "s", 1,
                     "{\"observations\":[{\"id\":1,\"timestamp\":\"2026-11-23T07:00:00\",\"text\":"
                     "\"door\"},{\"id\":2,\"timestamp\":\"2026-11-23T06:00:00\",\"text\":\"wall\"}]}"),
        0);
    house->nodes[0] = world_node(&house->w, "a");
    house->nodes[1] = world_node(&house->w, "b");
    const struct api_actions actions = {.search = search, .search_cancel = search_cancel, .user = house};
    house->api = api_create(house->w.cache, "inst", "0.1.0", &actions, house->w.now);
    assert_non_null(house->api);
    *state = house;
    return 0;
}

static int teardown(void **state)
{
    struct house *house = *state;
    findings_unref(house->findings);
    api_destroy(house->api);
    world_close(&house->w);
    free(house);
    return 0;
}

static int take(struct findings *findings, size_t i, const char *body, struct fault *fault)
{
    return findings_take(findings, i, body, strlen(body), 3600, fault);
}

static void items_are_the_nodes_bytes(void **state)
{
    struct house *house = *state;
    struct fault fault;
    house->findings = find(house, ITEM_OBSERVATION, 50);
    assert_int_equal(take(house->findings, 1,
                          "{\"observations\":[{\"id\":7,\"timestamp\":\"2026-11-23T08:00:00\",\"n\":1.50}]}",
                          &fault),
                     0);
    const struct found *found = findings_of(house->findings, "b");
    assert_ptr_equal(found, findings_at(house->findings, 1));
    assert_string_equal(found->word, "ok");
    assert_int_equal(found->count, 1);
    assert_string_equal(found->items->node->name, "b");
    assert_int_equal(found->items->at_ms, START_WALL_MS - 3600 * 1000);
    assert_memory_equal(found->items->json, "{\"id\":7,\"timestamp\":\"2026-11-23T08:00:00\",\"n\":1.50}",
                        found->items->json_len);
    assert_string_equal(findings_of(house->findings, "a")->word, "");
    assert_null(findings_of(house->findings, "c"));
}

static void single_bad_items_are_left_out(void **state)
{
    struct house *house = *state;
    struct fault fault;
    house->findings = find(house, ITEM_OBSERVATION, 50);
    assert_int_equal(take(house->findings, 0,
                          "{\"observations\":[{\"id\":1},{\"id\":2,\"\\u006eode\":1},3,{\"id\":null},"
                          "{\"id\":4,\"at\":0}]}",
                          &fault),
                     0);
    assert_int_equal(findings_at(house->findings, 0)->count, 1);
    assert_int_equal(fault.reason, REJECT_FORBIDDEN_KEY);
    assert_string_equal(fault.detail, "observations[4]: brings a key \"node\" or \"at\" of its own");
}

static void bad_bodies_bring_nothing(void **state)
{
    static const struct {
        const char *body;
        enum reject reason;
    } cases[] = {{"{\"observations\":[{\"id\":1},]}", REJECT_NOT_JSON},
                 {"{\"observations\":[{\"id\":1,\"t\":\"\xff\"}]}", REJECT_NOT_UTF8},
                 {"{\"memories\":[]}", REJECT_BAD_BODY},
                 {"{\"observations\":{}}", REJECT_BAD_BODY},
                 {"[]", REJECT_BAD_BODY},
                 {"", REJECT_NOT_JSON}};
    struct house *house = *state;
    house->findings = find(house, ITEM_OBSERVATION, 50);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fault fault;
        assert_int_equal(take(house->findings, 0, cases[i].body, &fault), -EBADMSG);
        assert_int_equal(fault.reason, cases[i].reason);
        assert_int_equal(findings_at(house->findings, 0)->count, 0);
        assert_string_equal(findings_at(house->findings, 0)->word, "");
    }
}

static void repeated_ids_are_one_item(void **state)
{
    struct house *house = *state;
    struct fault fault;
    house->findings = find(house, ITEM_MEMORY, 3);
    assert_int_equal(take(house->findings, 0,
                          "{\"memories\":[{\"id\":1,\"text\":\"x\"},{\"id\":\"1\"},{\"id\":1,\"text\":\"y\"},"
                          "{\"id\":9}]}",
                          &fault),
                     0);
    const struct found *found = findings_at(house->findings, 0);
    assert_int_equal(found->count, 2); /* the fourth is more than was asked for */
    assert_memory_equal(found->items->json, "{\"id\":1,\"text\":\"y\"}", found->items->json_len);
}

/* Items of nearly 64 KiB, until the limit of all is reached. */
static void bytes_are_limited(void **state)
{
    struct house *house = *state;
    struct buf body = BUF_INIT;
    struct fault fault;
    buf_str(&body, "{\"observations\":[");
    for (int id = 0; id < 200; id++) {
        buf_json_sep(&body);
        buf_printf(&body, "{\"id\":%d,\"text\":\"%0*d\"}", id, 60000, 0);
    }
    buf_str(&body, "]}");
    assert_false(body.failed);
    house->findings = find(house, ITEM_OBSERVATION, 1000);
    assert_int_equal(findings_take(house->findings, 0, body.data, body.len, 0, &fault), 0);
    size_t bytes = findings_bytes(house->findings);
    assert_in_range(bytes, body.len, LIMIT_FINDINGS);
    assert_int_equal(findings_take(house->findings, 1, body.data, body.len, 0, &fault), -ENOSPC);
    assert_int_equal(findings_at(house->findings, 1)->count, 0);
    assert_int_equal(findings_bytes(house->findings), bytes);
    buf_finish(&body);
}

/* ---- the answer ---- */

static struct api_response ask(struct house *house, enum api_method method, const char *query, bool can_wait)
{
    const struct api_request request = {
        .method = method, .path = "/api/cluster/observations", .query = query, .can_wait = can_wait};
    struct api_response response;
    api_handle(house->api, &request, house->w.now, &response);
    return response;
}

static void assert_body(struct api_response *response, const char *expected)
{
    assert_int_equal(response->status, 200);
    assert_string_equal(response->etag, "");
    char text[1024];
    snprintf(text, sizeof text, "%.*s", (int)response->body->len, response->body->data);
    const char *rest = strstr(text, ",\"count\"");
    assert_non_null(rest);
    assert_string_equal(rest, expected);
    body_unref(response->body);
}

static void merged_newest_first_without_doubles(void **state)
{
    struct house *house = *state;
    struct fault fault;
    house->findings = find(house, ITEM_OBSERVATION, 50);
    assert_int_equal(
        take(house->findings, 0,
             "{\"observations\":[{\"id\":1,\"timestamp\":\"2026-11-23T08:00:00\",\"text\":\"gate\"}]}",
             &fault),
        0);
    findings_set_word(house->findings, 1, "timeout");
    struct api_response response = ask(house, API_GET, "deep=1&query=W", true);
    assert_null(response.wait);
    assert_string_equal(house->text, "W");
    assert_true(house->all);
    assert_body(
        &response,
        ",\"count\":2,\"nodes\":{\"a\":\"ok\",\"b\":\"timeout\"},\"cut\":false,\"observations\":["
        "{\"node\":\"a\",\"at\":\"2026-11-23T07:00:00.000Z\",\"id\":1,\"timestamp\":\"2026-11-23T08:00:00\","
        "\"text\":\"gate\"},"
        "{\"node\":\"a\",\"at\":\"2026-11-23T06:00:00.000Z\",\"id\":2,\"timestamp\":\"2026-11-23T06:00:00\","
        "\"text\":\"wall\"}]}");
}

static void hours_count_by_our_clock(void **state)
{
    struct house *house = *state;
    struct fault fault;
    house->findings = find(house, ITEM_OBSERVATION, 50);
    assert_int_equal(take(house->findings, 1,
                          "{\"observations\":[{\"id\":1,\"timestamp\":\"2026-11-23T08:30:00\"},"
                          "{\"id\":2,\"timestamp\":\"2026-11-23T08:29:00\"},{\"id\":3}]}",
                          &fault),
                     0);
    house->w.now.wall_ms = START_WALL_MS;
    struct api_response response = ask(house, API_GET, "deep=1&hours=0.5&node=b", true);
    assert_int_equal(house->node_count, 1);
    assert_false(house->all);
    assert_body(&response, ",\"count\":1,\"nodes\":{\"a\":\"\",\"b\":\"ok\"},\"cut\":false,\"observations\":["
                           "{\"node\":\"b\",\"at\":\"2026-11-23T07:30:00.000Z\",\"id\":1,"
                           "\"timestamp\":\"2026-11-23T08:30:00\"}]}");
}

static void answer_comes_when_the_nodes_are_done(void **state)
{
    struct house *house = *state;
    struct fault fault;
    struct api_response response = ask(house, API_GET, "deep=1&obs_type=x&limit=3", true);
    assert_non_null(response.wait);
    assert_int_equal(response.status, 0);
    assert_string_equal(house->type, "x");
    assert_int_equal(house->limit, 3);
    api_await(response.wait, on_ready, house);
    struct findings *findings = find(house, ITEM_OBSERVATION, 3);
    assert_int_equal(take(findings, 1, "{\"observations\":[{\"id\":5,\"type\":\"x\"},{\"id\":6}]}", &fault),
                     0);
    findings_set_word(findings, 0, "off");
    house->done(house->done_user, findings);
    findings_unref(findings);
    assert_int_equal(house->ready, 1);
    struct node *gone = world_node(&house->w, "a");
    assert_int_equal(cache_forget(house->w.cache, gone), 0);
    api_collect(response.wait, house->w.now, &response);
    assert_body(&response, ",\"count\":1,\"nodes\":{\"a\":\"forgotten\",\"b\":\"ok\"},\"cut\":false,"
                           "\"observations\":[{\"node\":\"b\",\"at\":null,\"id\":5,\"type\":\"x\"}]}");
    assert_int_equal(house->cancelled, 0);
}

static void whoever_leaves_cancels(void **state)
{
    struct house *house = *state;
    struct api_response response = ask(house, API_GET, "deep=1", true);
    api_await(response.wait, on_ready, house);
    api_abandon(response.wait);
    assert_int_equal(house->cancelled, 1);
    assert_int_equal(house->ready, 0);
    api_abandon(NULL);
}

static void assert_refused(struct api_response *response, int status, const char *code)
{
    char text[256], expected[64];
    assert_int_equal(response->status, status);
    assert_null(response->wait);
    snprintf(text, sizeof text, "%.*s", (int)response->body->len, response->body->data);
    snprintf(expected, sizeof expected, "{\"error\":{\"code\":\"%s\"", code);
    assert_memory_equal(text, expected, strlen(expected));
    body_unref(response->body);
}

static void refusals(void **state)
{
    struct house *house = *state;
    struct api_response response = ask(house, API_HEAD, "deep=1", true);
    assert_string_equal(response.allow, "GET");
    assert_refused(&response, 405, "method_not_allowed");
    response = ask(house, API_GET, "deep=1", false);
    assert_refused(&response, 400, "bad_request");
    response = ask(house, API_GET, "deep=1&limit=0", true);
    assert_refused(&response, 400, "bad_request");
    response = ask(house, API_GET, "deep=1&hours=x", true);
    assert_refused(&response, 400, "bad_request");
    response = ask(house, API_GET, "deep=1&node=nobody", true);
    assert_refused(&response, 404, "unknown_node");
    assert_int_equal(house->asked, 0);
    house->answer = -EAGAIN;
    response = ask(house, API_GET, "deep=1", true);
    assert_int_equal(response.retry_after_s, 17);
    assert_refused(&response, 429, "rate_limited");
    house->answer = -ENOMEM;
    response = ask(house, API_GET, "deep=1", true);
    assert_refused(&response, 503, "unavailable");
}

/* Three hundred items of 60 KB are more than 16 MiB. */
static void merged_answer_is_cut_at_its_limit(void **state)
{
    struct house *house = *state;
    struct buf body = BUF_INIT;
    buf_str(&body, "{\"observations\":[");
    for (int id = 0; id < 16; id++) {
        buf_json_sep(&body);
        buf_printf(&body, "{\"id\":%d,\"text\":\"%0*d\"}", id, 60000, 0);
    }
    buf_str(&body, "]}");
    buf_char(&body, '\0');
    assert_false(body.failed);
    for (int i = 0; i < 20; i++) {
        char name[8];
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(world_beat(&house->w, name, "s", 1), 0);
        assert_int_equal(world_report(&house->w, name, REPORT_OBSERVATIONS, "s", 1, body.data), 0);
    }
    house->nodes[0] = world_node(&house->w, "a");
    house->findings = find(house, ITEM_OBSERVATION, 1000);
    struct api_response response = ask(house, API_GET, "deep=1&limit=1000", true);
    assert_int_equal(response.status, 200);
    assert_in_range(response.body->len, LIMIT_DEEP_ANSWER - 200000, LIMIT_DEEP_ANSWER);
    char *text = malloc(response.body->len + 1);
    assert_non_null(text);
    memcpy(text, response.body->data, response.body->len);
    text[response.body->len] = '\0';
    assert_non_null(strstr(text, "\"cut\":true"));
    assert_true(json_check(text, response.body->len, JSON_MAX_DEPTH, NULL));
    free(text);
    body_unref(response.body);
    buf_finish(&body);
}

#define in_house(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_house(items_are_the_nodes_bytes),
        in_house(single_bad_items_are_left_out),
        in_house(bad_bodies_bring_nothing),
        in_house(repeated_ids_are_one_item),
        in_house(bytes_are_limited),
        in_house(merged_newest_first_without_doubles),
        in_house(hours_count_by_our_clock),
        in_house(answer_comes_when_the_nodes_are_done),
        in_house(whoever_leaves_cancels),
        in_house(refusals),
        in_house(merged_answer_is_cut_at_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
