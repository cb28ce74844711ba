#include "api.h"
#include "cache_world.h"
#include "exposition.h"

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
    int forget_answer, refresh_answer;
    unsigned forgotten, refreshed;
};

static int refresh(void *user, struct node *node)
{
    struct house *house = user;
    (void)node;
    house->refreshed++;
    return house->refresh_answer;
}

static int forget(void *user, struct node *node)
{
    struct house *house = user;
    house->forgotten++;
    return house->forget_answer ? house->forget_answer : cache_forget(house->w.cache, node);
}

static void health(void *user, struct buf *out)
{
    (void)user;
    buf_json_key(out, "broker");
    buf_str(out, "{\"state\":\"connected\"}");
}

static void metrics(void *user, struct buf *out)
{
    (void)user;
    exposition_one(out, "house_families", "gauge", "One.", 1);
}

static void open_house(struct house *house)
{
    *house = (struct house){0};
    world_open_live(&house->w);
    const struct api_actions actions = {
        .refresh = refresh, .forget = forget, .health = health, .metrics = metrics, .user = house};
    house->api = api_create(house->w.cache, "inst", "0.1.0", &actions, house->w.now);
    assert_non_null(house->api);
}

static void close_house(struct house *house)
{
    api_destroy(house->api);
    world_close(&house->w);
}

/* Two nodes with agents; what they hold exercises filters and sorting. */
static void furnish(struct house *house)
{
    struct world *w = &house->w;
    assert_int_equal(world_beat(w, "pi b", "s", 1), 0);
    assert_int_equal(world_beat(w, "pi-a", "s", 1), 0);
    assert_int_equal(
        world_report(
            w, "pi-a", REPORT_READINGS, "s", 1,
            "{\"readings\":[{\"full_id\":\"system:temp\",\"value\":45.30,\"unit\":\"celsius\","
            "\"timestamp\":\"2026-11-23T08:00:00.5\",\"metadata\":null},"
            "{ \"full_id\":\"gpio:17\",\"value\":\"\\u0000on\",\"unit\":null,\"timestamp\":\"?\"}]}"),
        0);
    assert_int_equal(
        world_report(w, "pi b", REPORT_READINGS, "s", 1,
                     "{\"readings\":[{\"full_id\":\"system:temp\",\"value\":50,\"unit\":\"celsius\"},"
                     "{\"full_id\":\"gpio:17\",\"value\":1,\"unit\":\"boolean\"}]}"),
        0);
    assert_int_equal(
        world_report(w, "pi-a", REPORT_OBSERVATIONS, "s", 1,
                     "{\"observations\":[{\"id\":2,\"timestamp\":\"2026-11-23T08:30:00\",\"text\":\"Warm "
                     "\\u0041T noon\","
                     "\"type\":\"trend\"},{\"id\":10,\"timestamp\":\"2026-11-23T08:30:00\",\"text\":\"b\","
                     "\"type\":\"general\"},"
                     "{\"id\":1,\"timestamp\":\"2026-11-23T02:00:00\",\"text\":\"old\",\"type\":\"trend\"},"
                     "{\"id\":3,\"timestamp\":\"never\",\"text\":\"warm, but when\",\"type\":null}]}"),
        0);
    assert_int_equal(
        world_report(w, "pi b", REPORT_OBSERVATIONS, "s", 1,
                     "{\"observations\":[{\"id\":7,\"timestamp\":\"2026-11-23T08:30:00\",\"text\":\"c\","
                     "\"type\":\"Trend\"}]}"),
        0);
    assert_int_equal(
        world_report(
            w, "pi-a", REPORT_MEMORIES, "s", 1,
            "{\"memories\":[{\"id\":1,\"text\":\"x\",\"times_confirmed\":1,\"created_at\":\"2026-11-23 "
            "08:00:00\"},"
            "{\"id\":2,\"text\":\"y\",\"times_confirmed\":9,\"created_at\":\"2026-11-20 08:00:00\"},"
            "{\"id\":3,\"text\":\"z\",\"times_confirmed\":1,\"created_at\":\"2026-11-23 08:00:01\"},"
            "{\"id\":4,\"text\":\"v\",\"times_confirmed\":null,\"created_at\":\"2026-11-23 08:00:02\"}]}"),
        0);
    assert_int_equal(
        world_report(
            w, "pi-a", REPORT_STATS, "s", 1,
            "{\"node_name\":\"pi-a\",\"readings_count\":40,\"observations_count\":4,\"memories_count\":3}"),
        0);
}

static struct api_response ask(struct house *house, enum api_method method, const char *path,
                               const char *query, const char *if_none_match)
{
    const struct api_request request = {
        .method = method, .path = path, .query = query, .if_none_match = if_none_match};
    struct api_response response;
    api_handle(house->api, &request, house->w.now, &response);
    if (response.body) {
        struct json_error error;
        assert_string_equal(response.content_type, "application/json");
        assert_true(json_check(response.body->data, response.body->len, JSON_MAX_DEPTH, &error));
    }
    return response;
}

/* The body as text, which the next call frees. */
static const char *get(struct house *house, const char *path, const char *query)
{
    static char *text;
    struct api_response response = ask(house, API_GET, path, query, NULL);
    assert_int_equal(response.status, 200);
    free(text);
    text = strndup(response.body->data, response.body->len);
    assert_non_null(text);
    assert_int_equal(strlen(text), response.body->len);
    body_unref(response.body);
    return text;
}

/* The ids of a list, as they stand in the body: "2,10". */
static const char *ids(struct house *house, const char *path, const char *query, const char *key)
{
    static char list[200];
    const char *text = get(house, path, query);
    struct json_iter it = json_iter(json_member(json_root(text, strlen(text)), key));
    list[0] = '\0';
    while (json_next(&it)) {
        struct json_slice id = json_member(it.value, strcmp(key, "readings") == 0 ? "full_id" : "id");
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%.*s", used ? "," : "", (int)id.len, id.data);
    }
    return list;
}

static void expect_error(struct house *house, enum api_method method, const char *path, const char *query,
                         int status, const char *code, const char *named)
{
    struct api_response response = ask(house, method, path, query, NULL);
    char wanted[80];
    assert_int_equal(response.status, status);
    assert_non_null(response.body);
    snprintf(wanted, sizeof wanted, "{\"error\":{\"code\":\"%s\",\"message\":\"", code);
    assert_memory_equal(response.body->data, wanted, strlen(wanted));
    assert_non_null(memmem(response.body->data, response.body->len, named, strlen(named)));
    body_unref(response.body);
}

/* ---- lists ---- */

static void node_has_the_fields_of_the_contract(void **state)
{
    struct house *house = *state;
    struct heartbeat h = heartbeat_of(&house->w, "pi-a", "s", 1);
    strcpy(h.version, "0.1.0");
    strcpy(h.url, "http://192.168.1.9:8080");
    strcpy(h.labels[0].key, "room");
    strcpy(h.labels[0].value, "k\"1");
    h.label_count = 1;
    h.uptime_s = 77;
    strcpy(h.source.node_name, "kitchen");
    assert_int_equal(world_heartbeat(&house->w, &h, false, -1), 0);
    house->w.now.mono_ms += 1234;
    house->w.now.wall_ms += 1234;
    const char *text = get(house, "/api/cluster/nodes", "");
    assert_string_equal(
        text,
        "{\"timestamp\":\"2026-11-23T09:00:01.234Z\",\"count\":1,"
        "\"nodes\":[{\"name\":\"pi-a\",\"type\":"
        "\"alpaca\","
        "\"url\":\"http://192.168.1.9:8080\",\"status\":\"online\",\"cause\":null,"
        "\"reason\":\"heartbeats every 10 s\",\"via\":\"mqtt\",\"last_seen\":\"2026-11-23T09:00:00.000Z\","
        "\"age_s\":1.2,\"since\":\"2026-11-23T09:00:00.000Z\",\"captured_at\":null,"
        "\"confirmed_at\":null,\"discovered_by\":["
        "\"mqtt\"],"
        "\"version\":\"0.1.0\",\"uptime_s\":77,\"latency_ms\":null,\"clock_skew_s\":0,"
        "\"labels\":{\"room\":\"k\\\"1\"},\"counts\":{\"readings\":0,\"observations\":null,\"memories\":null}"
        ","
        "\"source\":{\"kind\":\"smollama\",\"node_name\":\"kitchen\",\"ok\":true,\"error\":null,\"since\":"
        "null,"
        "\"latency_ms\":0}}]}");
}

static void wrong_clock_of_a_node_makes_no_ages(void **state)
{
    struct house *house = *state;
    struct world *w = &house->w;
    struct node *node = world_node(w, "pi-a");
    static const char body[] = "{\"readings\":[{\"full_id\":\"a:b\",\"value\":1}]}";
    assert_int_equal(cache_add_manual(w->cache, "pi-a", "http://192.168.1.9:8080", w->now), 0);
    cache_poll_started(w->cache, node, w->now);
    assert_int_equal(cache_poll_body(w->cache, node, REPORT_READINGS, json_root(body, sizeof body - 1),
                                     w->now.wall_ms + 3600000, 0, w->now, &w->fault),
                     0);
    w->now.mono_ms += 3000;
    w->now.wall_ms += 3000;
    const char *text = get(house, "/api/cluster/nodes", "");
    assert_non_null(strstr(text, "\"captured_at\":\"2026-11-23T10:00:00.000Z\","
                                 "\"confirmed_at\":\"2026-11-23T09:00:00.000Z\","));
}

static void items_are_the_nodes_bytes_behind_node_and_at(void **state)
{
    struct house *house = *state;
    furnish(house);
    const char *text = get(house, "/api/cluster/readings", "node=pi-a");
    assert_non_null(strstr(
        text,
        "{\"node\":\"pi-a\",\"at\":\"2026-11-23T08:00:00.500Z\",\"full_id\":\"system:temp\","
        "\"value\":45.30,\"unit\":\"celsius\",\"timestamp\":\"2026-11-23T08:00:00.5\",\"metadata\":null}"));
    assert_non_null(strstr(
        text, "{\"node\":\"pi-a\",\"at\":null, \"full_id\":\"gpio:17\",\"value\":\"\\u0000on\",\"unit\":null,"
              "\"timestamp\":\"?\"}"));
}

static void readings_come_with_the_state_of_their_nodes(void **state)
{
    struct house *house = *state;
    furnish(house);
    house->w.now.mono_ms += 2500;
    house->w.now.wall_ms += 2500;
    const char *text = get(house, "/api/cluster/readings", "q=no such text");
    assert_string_equal(
        text, "{\"timestamp\":\"2026-11-23T09:00:02.500Z\",\"count\":0,\"nodes\":{"
              "\"pi b\":{\"status\":\"online\",\"captured_at\":\"2026-11-23T09:00:00.000Z\",\"age_s\":2.5},"
              "\"pi-a\":{\"status\":\"online\",\"captured_at\":\"2026-11-23T09:00:00.000Z\",\"age_s\":2.5}},"
              "\"readings\":[]}");
}

static void readings_are_filtered(void **state)
{
    struct house *house = *state;
    furnish(house);
    static const struct {
        const char *query, *expected;
    } cases[] = {
        {"", "\"system:temp\",\"gpio:17\",\"system:temp\",\"gpio:17\""},
        {"node=pi+b&node=pi-a&node=pi-a", "\"system:temp\",\"gpio:17\",\"system:temp\",\"gpio:17\""},
        {"node=pi%20b", "\"system:temp\",\"gpio:17\""},
        {"source=gpio:17&node=pi-a", "\"gpio:17\""},
        {"source=gpio:1", ""},
        {"source_type=system", "\"system:temp\",\"system:temp\""},
        {"source_type=sys", ""},
        {"q=TEMP", "\"system:temp\",\"system:temp\""},
        {"q=PI-A", "\"system:temp\",\"gpio:17\""},
        {"limit=1", "\"system:temp\""},
        {"unknown=1&q=&source=", "\"system:temp\",\"gpio:17\",\"system:temp\",\"gpio:17\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_string_equal(ids(house, "/api/cluster/readings", cases[i].query, "readings"),
                            cases[i].expected);
    }
}

static void sources_stand_side_by_side(void **state)
{
    struct house *house = *state;
    furnish(house);
    const char *text = get(house, "/api/cluster/readings", "group=source");
    assert_string_equal(
        strstr(text, "\"count\""),
        "\"count\":3,\"sources\":["
        "{\"full_id\":\"gpio:17\",\"unit\":\"boolean\",\"count\":1,\"min\":1,\"max\":1,\"mean\":1,\"nodes\":{"
        "\"pi b\":1}},"
        "{\"full_id\":\"gpio:17\",\"unit\":null,\"count\":1,\"min\":null,\"max\":null,\"mean\":null,"
        "\"nodes\":{\"pi-a\":\"\\u0000on\"}},"
        "{\"full_id\":\"system:temp\",\"unit\":\"celsius\",\"count\":2,\"min\":45.3,\"max\":50,\"mean\":47."
        "65,"
        "\"nodes\":{\"pi b\":50,\"pi-a\":45.30}}]}");
    assert_non_null(strstr(get(house, "/api/cluster/readings", "group=source&limit=2"), "\"count\":2,"));
}

static void observations_are_newest_first(void **state)
{
    struct house *house = *state;
    furnish(house);
    static const struct {
        const char *query, *expected;
    } cases[] = {
        {"", "7,2,10,1,3"}, /* same time: by node, then id; unknown time last */
        {"limit=2", "7,2"},    {"node=pi-a", "2,10,1,3"}, {"obs_type=trend", "2,1"},
        {"query=wARM", "2,3"}, {"query=warm%20at", "2"}, /* in the decoded text */
        {"query=no such", ""}, {"hours=1", "7,2,10"},    /* hours= alone drops what has no time */
        {"hours=0.25", ""},    {"hours=1e9", "7,2,10,1"}, {"hours=0", "7,2,10,1,3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_string_equal(ids(house, "/api/cluster/observations", cases[i].query, "observations"),
                            cases[i].expected);
    }
}

/* `at` is what the node said; where it stands, and in which hours, goes by llamad's clock. */
static void a_wrong_clock_moves_no_observation(void **state)
{
    struct house *house = *state;
    struct world *w = &house->w;
    static const struct {
        const char *node, *text;
        int64_t ahead_ms;
    } said[] = {{"ahead", "09:30:00", 7200000},   /* 07:30 by our clock */
                {"behind", "06:50:00", -7200000}, /* 08:50 */
                {"right", "08:40:00", 0}};        /* 08:40; it is nine */
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        char body[200];
        struct heartbeat h = heartbeat_of(w, said[i].node, "s", 1);
        h.at_ms += said[i].ahead_ms;
        world_node(w, said[i].node);
        assert_int_equal(world_heartbeat(w, &h, false, -1), 0);
        snprintf(body, sizeof body,
                 "{\"observations\":[{\"id\":%zu,\"timestamp\":\"2026-11-23T%s\",\"text\":\"x\"}]}", i,
                 said[i].text);
        assert_int_equal(world_report(w, said[i].node, REPORT_OBSERVATIONS, "s", 1, body), 0);
    }
    assert_string_equal(ids(house, "/api/cluster/observations", "", "observations"), "1,2,0");
    assert_string_equal(ids(house, "/api/cluster/observations", "hours=0.25", "observations"), "1");
    assert_string_equal(ids(house, "/api/cluster/observations", "hours=1", "observations"), "1,2");
    assert_non_null(strstr(get(house, "/api/cluster/observations", "node=ahead"), "2026-11-23T09:30:00"));
}

static void fifty_is_the_default_limit(void **state)
{
    struct house *house = *state;
    struct buf body = BUF_INIT;
    buf_str(&body, "{\"observations\":[");
    for (int i = 0; i < 60; i++) {
        buf_printf(&body, "%s{\"id\":%d,\"timestamp\":\"2026-11-23T08:00:%02d\",\"text\":\"\"}", i ? "," : "",
                   (i * 37) % 60, (i * 37) % 60);
    }
    buf_str(&body, "]}");
    world_beat(&house->w, "pi", "s", 1);
    assert_int_equal(world_report(&house->w, "pi", REPORT_OBSERVATIONS, "s", 1, buf_terminate(&body)), 0);
    buf_finish(&body);
    assert_non_null(strstr(get(house, "/api/cluster/observations", ""), "\"count\":50,"));
    assert_string_equal(ids(house, "/api/cluster/observations", "limit=5", "observations"), "59,58,57,56,55");
    assert_non_null(strstr(get(house, "/api/cluster/observations", "limit=10000"), "\"count\":60,"));
}

static void memories_go_by_confirmation_then_age(void **state)
{
    struct house *house = *state;
    furnish(house);
    assert_string_equal(ids(house, "/api/cluster/memories", "", "memories"), "2,3,1,4");
    assert_string_equal(ids(house, "/api/cluster/memories", "query=Z", "memories"), "3");
}

static void stats_sum_what_nodes_say(void **state)
{
    struct house *house = *state;
    furnish(house);
    const char *text = get(house, "/api/cluster/stats", "");
    assert_string_equal(
        strstr(text, "\"nodes\""),
        "\"nodes\":{\"total\":2,\"online\":2,\"degraded\":0,\"stale\":0,\"unreachable\":0,\"unknown\":0},"
        "\"totals\":{\"readings\":40,\"observations\":4,\"memories\":3,\"sources\":4},"
        "\"by_node\":{\"pi b\":null,\"pi-a\":{\"node_name\":\"pi-a\",\"readings_count\":40,"
        "\"observations_count\":4,\"memories_count\":3}}}");
    assert_non_null(strstr(get(house, "/api/cluster/stats", "node=pi+b"), "\"total\":1,"));
}

static void events_are_newest_first_and_narrowed(void **state)
{
    struct house *house = *state;
    furnish(house);
    world_status(&house->w, "pi-a", "s", "stopped", false);
    world_status(&house->w, "pi b", "s", "stopped", false);
    assert_true(world_events(&house->w) >= 2);
    const char *all = ids(house, "/api/cluster/events", "", "events");
    char last[20];
    snprintf(last, sizeof last, "%zu,", world_events(&house->w));
    assert_memory_equal(all, last, strlen(last));
    const char *text = get(house, "/api/cluster/events", "node=pi-a&limit=1");
    assert_non_null(strstr(text, "\"count\":1,"));
    assert_non_null(strstr(
        text,
        "\"node\":\"pi-a\",\"from\":\"online\",\"to\":\"unreachable\",\"cause\":\"stopped\",\"reason\":\""));
    snprintf(last, sizeof last, "since=%zu", world_events(&house->w) - 1);
    assert_non_null(strstr(get(house, "/api/cluster/events", last), "\"count\":1,"));
}

/* ---- refusals ---- */

static void wrong_parameters_are_named(void **state)
{
    struct house *house = *state;
    static const struct {
        const char *path, *query, *named;
    } cases[] = {
        {"/api/cluster/readings", "limit=0", "limit"},
        {"/api/cluster/readings", "limit=10001", "limit"},
        {"/api/cluster/readings", "limit=-1", "limit"},
        {"/api/cluster/nodes", "limit=1.0", "limit"},
        {"/api/cluster/events", "limit=99999999999999999999", "limit"},
        {"/api/cluster/events", "since=x", "since"},
        {"/api/cluster/memories", "limit=+1", "limit"},
        {"/api/cluster/observations", "hours=-1", "hours"},
        {"/api/cluster/observations", "hours=nan", "hours"},
        {"/api/cluster/observations", "hours=inf", "hours"},
        {"/api/cluster/observations", "hours=0x10", "hours"},
        {"/api/cluster/observations", "hours=1h", "hours"},
        {"/api/cluster/observations", "hours=1e999", "hours"},
        {"/api/cluster/readings", "group=colour", "group"},
        {"/api/cluster/readings", "q=%f", "escape"},
        {"/api/cluster/readings", "q=%00", "escape"},
        {"/api/cluster/readings", "q=%ff", "UTF-8"},
        {"/api/cluster/readings", "%ff=1", "UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect_error(house, API_GET, cases[i].path, cases[i].query, 400, "bad_request", cases[i].named);
    }
    char many[129 * 4 + 1] = "";
    for (size_t i = 0; i < 129; i++) {
        memcpy(many + 4 * i, "a=1&", 5);
    }
    expect_error(house, API_GET, "/api/cluster/nodes", many, 400, "bad_request", "many");
}

static void unknown_things_are_404(void **state)
{
    struct house *house = *state;
    furnish(house);
    static const char *const lists[] = {"readings", "nodes", "observations", "memories", "stats", "events"};
    char path[60];
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        snprintf(path, sizeof path, "/api/cluster/%s", lists[i]);
        expect_error(house, API_GET, path, "node=pi-a&node=nobody", 404, "unknown_node", "node");
    }
    expect_error(house, API_GET, "/api/cluster/nodes/nobody", "", 404, "unknown_node", "node");
    expect_error(house, API_POST, "/api/cluster/nodes/nobody/refresh", "", 404, "unknown_node", "node");
    expect_error(house, API_DELETE, "/api/cluster/nodes/nobody", "confirm=nobody", 404, "unknown_node",
                 "node");
    expect_error(house, API_GET, "/api/cluster/nodes/", "", 404, "unknown_node", "node");
    static const char *const paths[] = {"/api",
                                        "/api/",
                                        "/api/nothing",
                                        "/api/cluster/",
                                        "/api/cluster/nodes/pi-a/x",
                                        "/api/cluster/nodes/pi-a/refresh/",
                                        "/api/cluster/readings/"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        expect_error(house, API_GET, paths[i], "", 404, "not_found", "nothing");
    }
    expect_error(house, API_GET, "/api/cluster/nodes/%ff", "", 400, "bad_request", "UTF-8");
    expect_error(house, API_GET, "/api/cluster/nodes/%00", "", 400, "bad_request", "name");
}

static void other_methods_are_told_what_is_allowed(void **state)
{
    struct house *house = *state;
    furnish(house);
    static const struct {
        enum api_method method;
        const char *path, *allow;
    } cases[] = {
        {API_POST, "/api/cluster/nodes", "GET, HEAD"},
        {API_OTHER, "/api/cluster/readings", "GET, HEAD"},
        {API_DELETE, "/api/health", "GET, HEAD"},
        {API_POST, "/api/cluster/nodes/pi-a", "GET, HEAD, DELETE"},
        {API_GET, "/api/cluster/nodes/pi-a/refresh", "POST"},
        {API_OTHER, "/api/cluster/live", "GET, HEAD"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct api_response response = ask(house, cases[i].method, cases[i].path, "", NULL);
        assert_int_equal(response.status, 405);
        assert_string_equal(response.allow, cases[i].allow);
        body_unref(response.body);
    }
    expect_error(house, API_GET, "/api/cluster/live", "", 426, "upgrade_required", "WebSocket");
    assert_int_equal(house->refreshed, 0);
}

/* ---- one node ---- */

static void one_node_shows_its_evidence(void **state)
{
    struct house *house = *state;
    furnish(house);
    struct fault fault;
    fault_set(&fault, REJECT_NOT_UTF8, "byte %d", 7);
    cache_reject(house->w.cache, world_node(&house->w, "pi b"), &fault);
    const char *text = get(house, "/api/cluster/nodes/pi%20b", "");
    static const char *const parts[] = {"\"name\":\"pi b\"",
                                        "\"evidence\":{\"manual\":false,\"has_url\":false,\"agent\":{"
                                        "\"ever\":true,\"heartbeat_at\":\"2026-11-23T09:00:00.000Z\","
                                        "\"interval_s\":10,",
                                        "\"probe\":{\"outcome\":null,\"pending\":false,",
                                        "\"rejects\":{\"not_utf8\":1}",
                                        "\"last_reject\":\"byte 7\"",
                                        "\"readings\":{\"origin\":\"agent\",\"session\":\"s\",\"seq\":1,"
                                        "\"captured_at\":\"2026-11-23T09:00:00.000Z\",\"age_s\":0.0,"
                                        "\"error\":null}",
                                        "\"memories\":{\"origin\":null,\"session\":null,\"seq\":null,"
                                        "\"captured_at\":null,\"age_s\":null,\"error\":null}",
                                        "\"sessions\":[\"s\"]"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        assert_non_null(strstr(text, parts[i]));
    }
}

static void forgetting_wants_the_name_twice(void **state)
{
    struct house *house = *state;
    furnish(house);
    static const char *const queries[] = {"",
                                          "confirm=",
                                          "confirm=pi",
                                          "confirm=pi-a%20",
                                          "confirm=pi-a&confirm=pi+b",
                                          "confirm=pi+b&confirm=pi-a"};
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        expect_error(house, API_DELETE, "/api/cluster/nodes/pi-a", queries[i], 400, "bad_request", "confirm");
    }
    assert_int_equal(house->forgotten, 0);
    house->forget_answer = -EBUSY;
    expect_error(house, API_DELETE, "/api/cluster/nodes/pi-a", "confirm=pi-a", 409, "manual_node",
                 "configuration");
    house->forget_answer = -ENOTCONN;
    expect_error(house, API_DELETE, "/api/cluster/nodes/pi-a", "confirm=pi-a", 503, "unavailable", "broker");
    house->forget_answer = 0;
    struct api_response response = ask(house, API_DELETE, "/api/cluster/nodes/pi-a", "confirm=pi-a", NULL);
    assert_int_equal(response.status, 204);
    assert_null(response.body);
    expect_error(house, API_GET, "/api/cluster/nodes/pi-a", "", 404, "unknown_node", "node");
}

static void refresh_is_accepted_or_cannot_be(void **state)
{
    struct house *house = *state;
    furnish(house);
    struct api_response response = ask(house, API_POST, "/api/cluster/nodes/pi%20b/refresh", "", NULL);
    assert_int_equal(response.status, 202);
    assert_int_equal(house->refreshed, 1);
    body_unref(response.body);
    house->refresh_answer = -ENOTCONN;
    expect_error(house, API_POST, "/api/cluster/nodes/pi%20b/refresh", "", 503, "unavailable", "broker");
}

static void health_tells_rejects_and_limits(void **state)
{
    struct house *house = *state;
    furnish(house);
    struct fault fault;
    fault_set(&fault, REJECT_TOO_DEEP, "deep");
    cache_reject(house->w.cache, NULL, &fault);
    house->w.now.mono_ms += 61000;
    const char *text = get(house, "/api/health", "");
    static const char *const parts[] = {
        "{\"status\":\"ok\",",    "\"version\":\"0.1.0\",\"instance\":\"inst\",",
        "\"uptime_s\":61,",       "\"nodes\":{\"total\":2,\"online\":2,",
        "\"too_deep\":1,",        "\"not_json\":0,",
        "\"live_sessions\":4096", "\"broker\":{\"state\":\"connected\"}}"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        assert_non_null(strstr(text, parts[i]));
    }
    assert_non_null(strstr(get(house, "/api/health", ""), "\"broker_down_since\":null,"));
    cache_link(house->w.cache, false, house->w.now);
    const char *away = get(house, "/api/health", "");
    assert_non_null(strstr(away, "{\"status\":\"degraded\","));
    assert_non_null(strstr(away, "\"broker_down_since\":\"2026-11-23T"));
}

/* ---- ETags and the store ---- */

static char *etag_of(struct house *house, const char *query)
{
    struct api_response response = ask(house, API_GET, "/api/cluster/readings", query, NULL);
    assert_int_equal(response.status, 200);
    assert_int_equal(response.etag[0], '"');
    body_unref(response.body);
    return strdup(response.etag);
}

static void etag_stands_until_something_moves(void **state)
{
    struct house *house = *state;
    furnish(house);
    char *etag = etag_of(house, ""), *other = etag_of(house, "node=pi-a"), header[200];
    assert_string_not_equal(etag, other);
    static const char *const forms[] = {"%s", "W/%s", "\"a,b\", %s", " \"x\" ,W/%s", "*", " *"};
    house->w.now.mono_ms += 5000;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        snprintf(header, sizeof header, forms[i], etag);
        struct api_response response = ask(house, API_GET, "/api/cluster/readings", "", header);
        assert_int_equal(response.status, 304);
        assert_null(response.body);
        assert_string_equal(response.etag, etag);
    }
    static const char *const misses[] = {"\"x\"", "", "x", "\"", "W/", "\"x\", W/\"y", ","};
    for (size_t i = 0; i < sizeof misses / sizeof *misses; i++) {
        struct api_response response = ask(house, API_GET, "/api/cluster/readings", "", misses[i]);
        assert_int_equal(response.status, 200);
        body_unref(response.body);
    }
    assert_int_equal(world_report(&house->w, "pi-a", REPORT_READINGS, "s", 2, "{\"readings\":[]}"), 0);
    struct api_response response = ask(house, API_GET, "/api/cluster/readings", "", etag);
    assert_int_equal(response.status, 200);
    body_unref(response.body);
    free(etag);
    free(other);
}

static void what_depends_on_the_clock_has_no_etag(void **state)
{
    struct house *house = *state;
    furnish(house);
    struct api_response response = ask(house, API_GET, "/api/cluster/observations", "hours=1", "*");
    assert_int_equal(response.status, 200);
    assert_string_equal(response.etag, "");
    body_unref(response.body);
    expect_error(house, API_GET, "/api/cluster/readings", "limit=x", 400, "bad_request", "limit");
    response = ask(house, API_GET, "/api/cluster/readings", "limit=x", "*");
    assert_int_equal(response.status, 400); /* and no 304 */
    body_unref(response.body);
}

static void body_is_shared_for_a_second_and_a_revision(void **state)
{
    struct house *house = *state;
    furnish(house);
    struct api_response first = ask(house, API_GET, "/api/cluster/nodes", "", NULL);
    struct api_response head = ask(house, API_HEAD, "/api/cluster/nodes", "", NULL);
    assert_ptr_equal(first.body, head.body);
    assert_int_equal(head.status, 200);
    house->w.now.mono_ms += 1000;
    struct api_response again = ask(house, API_GET, "/api/cluster/nodes", "", NULL);
    assert_ptr_equal(first.body, again.body);
    house->w.now.mono_ms += 1;
    struct api_response younger = ask(house, API_GET, "/api/cluster/nodes", "", NULL);
    assert_ptr_not_equal(first.body, younger.body);
    world_status(&house->w, "pi-a", "s", "stopped", false);
    struct api_response changed = ask(house, API_GET, "/api/cluster/nodes", "", NULL);
    assert_ptr_not_equal(younger.body, changed.body);
    assert_non_null(memmem(changed.body->data, changed.body->len, "unreachable", 11));
    body_unref(first.body);
    body_unref(head.body);
    body_unref(again.body);
    body_unref(younger.body);
    body_unref(changed.body);
}

static void store_forgets_the_least_used(void **state)
{
    struct house *house = *state;
    furnish(house);
    char query[30];
    struct api_response kept = ask(house, API_GET, "/api/cluster/nodes", "x=0", NULL);
    struct api_response lost = ask(house, API_GET, "/api/cluster/nodes", "x=1", NULL);
    for (int i = 2; i < 70; i++) {
        snprintf(query, sizeof query, "x=%d", i);
        body_unref(ask(house, API_GET, "/api/cluster/nodes", query, NULL).body);
        struct api_response again = ask(house, API_GET, "/api/cluster/nodes", "x=0", NULL);
        assert_ptr_equal(again.body, kept.body);
        body_unref(again.body);
    }
    struct api_response again = ask(house, API_GET, "/api/cluster/nodes", "x=1", NULL);
    assert_ptr_not_equal(again.body, lost.body);
    body_unref(again.body);
    body_unref(kept.body);
    body_unref(lost.body);
}

static void store_lets_go_of_what_no_longer_counts(void **state)
{
    struct house *house = *state;
    furnish(house);
    struct api_response response = ask(house, API_GET, "/api/cluster/nodes", "", NULL);
    assert_int_equal(response.body->references, 2);
    assert_true(api_expire(house->api, house->w.now));
    assert_int_equal(response.body->references, 2);
    house->w.now.mono_ms += 1001;
    assert_false(api_expire(house->api, house->w.now));
    assert_int_equal(response.body->references, 1);
    body_unref(response.body);
    response = ask(house, API_GET, "/api/cluster/nodes", "", NULL);
    world_status(&house->w, "pi-a", "s", "stopped", false);
    assert_false(api_expire(house->api, house->w.now));
    assert_int_equal(response.body->references, 1);
    body_unref(response.body);
}

static int setup(void **state)
{
    struct house *house = malloc(sizeof *house);
    open_house(house);
    *state = house;
    return 0;
}

static int teardown(void **state)
{
    close_house(*state);
    free(*state);
    return 0;
}

#define in_house(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static void metrics_are_text_with_the_families_of_the_whole_program(void **state)
{
    (void)state;
    struct house house;
    open_house(&house);
    furnish(&house);
    const struct api_request request = {.method = API_GET, .path = "/metrics", .query = ""};
    struct api_response first, second;
    api_handle(house.api, &request, house.w.now, &first);
    assert_int_equal(first.status, 200);
    assert_string_equal(first.content_type, "text/plain; version=0.0.4; charset=utf-8");
    assert_string_equal(first.etag, "");
    const char build[] = "\nllamad_build_info{version=\"0.1.0\"} 1\n", own[] = "\nhouse_families 1\n",
               reading[] = "\nsmollama_reading{node=\"pi-a\",source_type=\"system\",source_id=\"temp\","
                           "unit=\"celsius\"} 45.30\n";
    assert_non_null(memmem(first.body->data, first.body->len, build, strlen(build)));
    assert_non_null(memmem(first.body->data, first.body->len, own, strlen(own)));
    assert_non_null(memmem(first.body->data, first.body->len, reading, strlen(reading)));
    api_handle(house.api, &request, house.w.now, &second);
    assert_ptr_equal(first.body, second.body);
    assert_string_equal(second.content_type, first.content_type);
    body_unref(second.body);
    world_beat(&house.w, "pi-c", "s", 1);
    api_handle(house.api, &request, house.w.now, &second);
    assert_ptr_not_equal(first.body, second.body);
    body_unref(second.body);
    body_unref(first.body);
    first = ask(&house, API_POST, "/metrics", "", NULL);
    assert_int_equal(first.status, 405);
    assert_string_equal(first.allow, "GET, HEAD");
    body_unref(first.body);
    close_house(&house);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_are_text_with_the_families_of_the_whole_program),
        in_house(node_has_the_fields_of_the_contract),
        in_house(wrong_clock_of_a_node_makes_no_ages),
        in_house(items_are_the_nodes_bytes_behind_node_and_at),
        in_house(readings_come_with_the_state_of_their_nodes),
        in_house(readings_are_filtered),
        in_house(sources_stand_side_by_side),
        in_house(observations_are_newest_first),
        in_house(a_wrong_clock_moves_no_observation),
        in_house(fifty_is_the_default_limit),
        in_house(memories_go_by_confirmation_then_age),
        in_house(stats_sum_what_nodes_say),
        in_house(events_are_newest_first_and_narrowed),
        in_house(wrong_parameters_are_named),
        in_house(unknown_things_are_404),
        in_house(other_methods_are_told_what_is_allowed),
        in_house(one_node_shows_its_evidence),
        in_house(forgetting_wants_the_name_twice),
        in_house(refresh_is_accepted_or_cannot_be),
        in_house(health_tells_rejects_and_limits),
        in_house(etag_stands_until_something_moves),
        in_house(what_depends_on_the_clock_has_no_etag),
        in_house(body_is_shared_for_a_second_and_a_revision),
        in_house(store_forgets_the_least_used),
        in_house(store_lets_go_of_what_no_longer_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
