/* visit: one node asked over HTTP, by recorded answers and by broken ones. */
#include "visit.h"

#include "fixtures.h"
#include "http_stub.h"
#include "timestamp.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define DATE       "Mon, 23 Nov 2026 07:56:41 GMT"
#define TIMEOUT_MS 600

enum behaviour { GOOD, STATUS_500, OFF_503, HANG, TRUNCATED, REDIRECT, HTML, NOT_THE_ENDPOINT, SLOW, CLOSE };
enum { STATS, READINGS, OBSERVATIONS, MEMORIES, KINDS };
static const char *const kind_names[KINDS] = {"stats", "readings", "observations", "memories"};

struct world {
    struct loop *loop;
    struct fetch *fetch;
    struct cache *cache;
    struct http_stub *server;
    struct loop_timer *guard;
    struct visit_context context;
    uint64_t requests;
    unsigned finished;
    enum probe_outcome outcome;
    struct node *node;
    char url[128];
    /* of the server's side; set before anything is asked */
    _Atomic(const char *) prefix; /* of the paths it answers */
    _Atomic enum behaviour behaviour[KINDS];
    _Atomic(const char *) stats_body; /* instead of the recorded one */
    char bodies[8][128]; /* for it: the server's threads may look at each until they are joined */
};

/* --- the node --- */

static int kind_of(const struct world *world, const char *path)
{
    size_t prefix = strlen(world->prefix);
    if (strncmp(path, world->prefix, prefix) != 0 || strncmp(path + prefix, "/api/", 5) != 0) {
        return -1;
    }
    for (int kind = 0; kind < KINDS; kind++) {
        size_t len = strlen(kind_names[kind]);
        if (strncmp(path + prefix + 5, kind_names[kind], len) == 0 && strchr("?", path[prefix + 5 + len])) {
            return kind;
        }
    }
    return -1;
}

static bool serve_recorded(const struct world *world, int fd, int kind)
{
    char path[128];
    size_t len;
    snprintf(path, sizeof path, "smollama/kitchen/%s%s.json", kind_names[kind],
             kind == OBSERVATIONS || kind == MEMORIES ? "_all" : "");
    if (kind == STATS && world->stats_body) {
        return http_stub_answer(fd, 200, DATE, world->stats_body, strlen(world->stats_body));
    }
    char *body = fixture_read(path, &len);
    bool keep = http_stub_answer(fd, 200, DATE, body, len);
    free(body);
    return keep;
}

static bool serve(int fd, const char *path, void *user)
{
    static const char off[] = "{\"error\":\"No memory store available\",\"observations\":[]}";
    static const char html[] = "<!DOCTYPE html><title>router</title>";
    static const char partial[] = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"readings\":[";
    static const char moved[] = "HTTP/1.1 307 X\r\nlocation: /api/stats\r\ncontent-length: 0\r\n\r\n";
    const struct world *world = user;
    int kind = kind_of(world, path);
    switch (kind < 0 ? CLOSE : world->behaviour[kind]) {
    case GOOD:
        return serve_recorded(world, fd, kind);
    case STATUS_500:
        return http_stub_answer(fd, 500, DATE, "Internal Server Error", 21);
    case OFF_503:
        return http_stub_answer(fd, 503, DATE, off, sizeof off - 1);
    case HANG:
        return http_stub_hang(fd);
    case TRUNCATED:
        http_stub_write(fd, partial, sizeof partial - 1);
        return false;
    case REDIRECT:
        return http_stub_write(fd, moved, sizeof moved - 1);
    case HTML:
        return http_stub_answer(fd, 200, DATE, html, sizeof html - 1);
    case NOT_THE_ENDPOINT:
        return http_stub_answer(fd, 200, DATE, "{\"detail\":[]}", 13);
    case SLOW:
        usleep(250000);
        return serve_recorded(world, fd, kind);
    case CLOSE:
        break;
    }
    return false;
}

/* --- the world --- */

static void on_changed(void *user)
{
    (void)user;
}

static void on_finished(void *user, struct visit *visit, enum probe_outcome outcome)
{
    struct world *world = user;
    (void)visit;
    world->finished++;
    world->outcome = outcome;
    loop_stop(world->loop);
}

static void on_guard(void *user)
{
    (void)user;
    fail_msg("the visit did not end within 10 s");
}

static struct now a_minute_ago(void)
{
    struct now now = clock_now();
    now.mono_ms -= 60000;
    now.wall_ms -= 60000;
    return now;
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    const char *cidr = "127.0.0.0/8";
    const char *bad;
    world->prefix = "";
    world->loop = loop_create();
    world->fetch = fetch_create(world->loop);
    world->cache = cache_create(a_minute_ago());
    world->server = http_stub_start(serve, world);
    world->guard = loop_timer_create(world->loop, on_guard, world);
    loop_timer_start(world->guard, 10000, 0);
    world->context = (struct visit_context){
        .cache = world->cache,
        .fetch = world->fetch,
        .allow = allow_create(&cidr, 1, &bad),
        .timeout_ms = TIMEOUT_MS,
        .item_limit = 100,
        .requests = &world->requests,
        .changed = on_changed,
        .finished = on_finished,
        .user = world,
    };
    snprintf(world->url, sizeof world->url, "http://127.0.0.1:%u", http_stub_port(world->server));
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    fetch_destroy(world->fetch);
    allow_destroy(world->context.allow);
    cache_destroy(world->cache);
    loop_timer_destroy(world->guard);
    loop_destroy(world->loop);
    http_stub_stop(world->server);
    free(world);
    return 0;
}

static void add_manual(struct world *world, const char *name)
{
    assert_int_equal(cache_add_manual(world->cache, name, world->url, clock_now()), 0);
    world->node = cache_find(world->cache, name, strlen(name));
    assert_non_null(world->node);
}

/* A node known by its agent, which announced the URL long ago and has fallen silent since. */
static void add_announced(struct world *world, const char *name, const char *source_name)
{
    struct now then = a_minute_ago();
    struct now now = clock_now();
    struct fault fault;
    struct heartbeat heartbeat = {.type = NODE_ALPACA, .seq = 1, .at_ms = then.wall_ms, .interval_s = 1};
    heartbeat.source.ok = true;
    heartbeat.source.since_ms = TIMESTAMP_NONE;
    heartbeat.utc_offset_s = TIMESTAMP_OFFSET_UNKNOWN;
    strcpy(heartbeat.node, name);
    strcpy(heartbeat.session, "s1");
    strcpy(heartbeat.url, world->url);
    strcpy(heartbeat.source.node_name, source_name);
    cache_link(world->cache, true, then);
    world->node = cache_add(world->cache, name, strlen(name), FOUND_MQTT, then, &fault);
    assert_non_null(world->node);
    assert_int_equal(cache_heartbeat(world->cache, world->node, &heartbeat, false, -1, true, then, &fault),
                     0);
    cache_tick(world->cache, now);
    assert_true(cache_wants_poll(world->cache, world->node, now));
}

static enum probe_outcome run(struct world *world)
{
    unsigned before = world->finished;
    assert_non_null(visit_start(&world->context, world->node));
    loop_run(world->loop);
    assert_int_equal(world->finished, before + 1);
    return world->outcome;
}

static uint64_t rejects(const struct world *world, enum reject reason)
{
    return cache_rejects(world->cache)[reason];
}

/* --- tests --- */

static void four_endpoints_come_in_order_on_one_connection(void **state)
{
    struct world *world = *state;
    add_manual(world, "kitchen");
    assert_int_equal(run(world), PROBE_OK);
    assert_string_equal(http_stub_paths(world->server), "/api/stats\n/api/readings\n"
                                                        "/api/observations?hours=0&limit=100\n"
                                                        "/api/memories?query=&limit=100\n");
    assert_int_equal(http_stub_connections(world->server), 1);
    assert_int_equal(world->requests, 4);
    assert_int_equal(world->node->item_count[ITEM_READING], 13);
    assert_int_equal(world->node->item_count[ITEM_OBSERVATION], 40);
    assert_int_equal(world->node->item_count[ITEM_MEMORY], 12);
    assert_non_null(world->node->stats);
    assert_false(world->node->poll_in_flight);
    assert_int_equal(world->node->verdict.state, STATE_ONLINE);
    assert_int_equal(world->node->verdict.via, VIA_HTTP);
}

static void url_may_have_a_prefix_and_a_slash(void **state)
{
    struct world *world = *state;
    world->prefix = "/nodes/kitchen";
    strcat(world->url, "/nodes/kitchen//");
    add_manual(world, "kitchen");
    assert_int_equal(run(world), PROBE_OK);
    assert_int_equal(world->node->item_count[ITEM_READING], 13);
}

static void manual_node_keeps_its_name_and_gains_an_alias(void **state)
{
    struct world *world = *state;
    add_manual(world, "downstairs");
    assert_int_equal(run(world), PROBE_OK);
    assert_string_equal(world->node->name, "downstairs");
    assert_string_equal(world->node->alias, "kitchen");
}

static void feature_not_in_use_is_no_failure(void **state)
{
    struct world *world = *state;
    world->behaviour[OBSERVATIONS] = world->behaviour[MEMORIES] = OFF_503;
    add_manual(world, "kitchen");
    assert_int_equal(run(world), PROBE_OK);
    assert_int_equal(world->node->item_count[ITEM_READING], 13);
    assert_int_equal(world->requests, 4);
}

static void each_endpoint_fails_on_its_own(void **state)
{
    struct world *world = *state;
    world->behaviour[STATS] = STATUS_500;
    add_manual(world, "kitchen");
    assert_int_equal(run(world), PROBE_OK);
    assert_int_equal(world->node->item_count[ITEM_READING], 13);
    assert_int_equal(world->node->item_count[ITEM_MEMORY], 12);
}

static void answers_without_anything_usable_prove_the_host_alive(void **state)
{
    static const struct {
        enum behaviour behaviour;
        const char *error;
    } cases[] = {{STATUS_500, "http_500"},
                 {HTML, "bad_body"},
                 {NOT_THE_ENDPOINT, "bad_body"},
                 {REDIRECT, "redirect"},
                 {TRUNCATED, "truncated"}};
    struct world *world = *state;
    add_manual(world, "kitchen");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int kind = 0; kind < KINDS; kind++) {
            world->behaviour[kind] = cases[i].behaviour;
        }
        assert_int_equal(run(world), PROBE_UNUSABLE);
        assert_string_equal(world->node->evidence.probe.error, cases[i].error);
        assert_int_equal(world->node->verdict.state, STATE_DEGRADED);
        assert_int_equal(world->node->verdict.cause, CAUSE_SMOLLAMA_ERROR);
    }
    assert_int_equal(rejects(world, REJECT_BAD_BODY), 8);
    assert_int_equal(rejects(world, REJECT_HTTP_REDIRECT), 4);
    assert_int_equal(rejects(world, REJECT_TRUNCATED), 4);
    assert_int_equal(world->node->rejects[REJECT_TRUNCATED], 4);
}

static void nobody_there_is_a_failure_after_one_request(void **state)
{
    struct world *world = *state;
    for (int kind = 0; kind < KINDS; kind++) {
        world->behaviour[kind] = CLOSE;
    }
    add_manual(world, "kitchen");
    assert_int_equal(run(world), PROBE_FAILED);
    assert_string_equal(world->node->evidence.probe.error, "closed");
    assert_int_equal(world->requests, 1);
}

static void hanging_node_costs_one_time_limit_in_all(void **state)
{
    struct world *world = *state;
    world->behaviour[STATS] = HANG;
    add_manual(world, "kitchen");
    int64_t before_ms = clock_now().mono_ms;
    assert_int_equal(run(world), PROBE_FAILED);
    assert_in_range(clock_now().mono_ms - before_ms, TIMEOUT_MS - 10, TIMEOUT_MS + 400);
    assert_string_equal(world->node->evidence.probe.error, "timeout");
}

static void what_arrived_before_the_time_limit_counts(void **state)
{
    struct world *world = *state;
    for (int kind = 0; kind < KINDS; kind++) {
        world->behaviour[kind] = SLOW; /* 4 × 250 ms do not fit into 600 */
    }
    add_manual(world, "kitchen");
    int64_t before_ms = clock_now().mono_ms;
    assert_int_equal(run(world), PROBE_OK);
    assert_in_range(clock_now().mono_ms - before_ms, 490, TIMEOUT_MS + 400);
    assert_int_equal(world->node->item_count[ITEM_READING], 13);
    assert_int_equal(world->node->item_count[ITEM_MEMORY], 0);
}

static void announced_node_gives_data_under_its_own_name(void **state)
{
    struct world *world = *state;
    add_announced(world, "kitchen", "");
    assert_int_equal(run(world), PROBE_OK);
    assert_int_equal(world->node->item_count[ITEM_READING], 13);
}

static void agent_vouches_for_its_smollamas_name(void **state)
{
    struct world *world = *state;
    add_announced(world, "pi-01", "kitchen");
    assert_int_equal(run(world), PROBE_OK);
    assert_int_equal(world->node->item_count[ITEM_READING], 13);
}

static void another_nodes_answer_is_refused(void **state)
{
    struct world *world = *state;
    add_announced(world, "pi-01", "");
    assert_int_equal(run(world), PROBE_FAILED);
    assert_string_equal(world->node->evidence.probe.error, "wrong_node");
    assert_int_equal(world->requests, 1); /* nothing more is asked there */
    assert_int_equal(world->node->item_count[ITEM_READING], 0);
    assert_null(world->node->stats);
    assert_int_equal(rejects(world, REJECT_WRONG_NODE), 1);
}

static void agent_cannot_vouch_for_a_name_that_is_taken(void **state)
{
    struct world *world = *state;
    struct fault fault;
    assert_non_null(cache_add(world->cache, "kitchen", 7, FOUND_MQTT, clock_now(), &fault));
    add_announced(world, "pi-01", "kitchen");
    assert_int_equal(run(world), PROBE_FAILED);
    assert_int_equal(world->node->item_count[ITEM_READING], 0);
}

static void announced_node_without_stats_is_not_believed(void **state)
{
    struct world *world = *state;
    world->behaviour[STATS] = STATUS_500;
    add_announced(world, "kitchen", "");
    assert_int_equal(run(world), PROBE_UNUSABLE);
    assert_int_equal(world->requests, 1);
    assert_int_equal(world->node->item_count[ITEM_READING], 0);
}

static void announced_address_outside_the_list_is_never_connected_to(void **state)
{
    struct world *world = *state;
    const char *bad;
    allow_destroy(world->context.allow);
    world->context.allow = allow_create(NULL, 0, &bad); /* the default: no loopback */
    add_announced(world, "kitchen", "");
    assert_int_equal(run(world), PROBE_FAILED);
    assert_string_equal(world->node->evidence.probe.error, "forbidden_address");
    assert_int_equal(http_stub_connections(world->server), 0);
}

static void manual_address_needs_no_list(void **state)
{
    struct world *world = *state;
    const char *bad;
    allow_destroy(world->context.allow);
    world->context.allow = allow_create(NULL, 0, &bad);
    add_manual(world, "kitchen");
    assert_int_equal(run(world), PROBE_OK);
}

static void offset_is_body_time_minus_date_header(void **state)
{
    static const struct {
        const char *timestamp;
        int32_t offset_s;
    } cases[] = {{"2026-11-23T08:56:41.000000", 3600},
                 {"2026-11-23T13:26:40", 19800}, /* half an hour zones, a second late */
                 {"2026-11-22T21:56:44.5", -36000},
                 {"2026-11-23T13:41:41", 20700},
                 {"2026-11-23T07:56:42", 0}};
    struct world *world = *state;
    add_manual(world, "kitchen");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *body = world->bodies[i];
        snprintf(body, sizeof world->bodies[i], "{\"node_name\":\"kitchen\",\"timestamp\":\"%s\"}",
                 cases[i].timestamp);
        world->stats_body = body;
        world->behaviour[READINGS] = CLOSE; /* the recorded ones have a time zone of their own */
        assert_int_equal(run(world), PROBE_OK);
        assert_int_equal(world->node->utc_offset_s, cases[i].offset_s);
        world->stats_body = NULL;
    }
}

static void forgotten_node_is_not_touched(void **state)
{
    struct world *world = *state;
    world->behaviour[READINGS] = SLOW;
    add_announced(world, "kitchen", "");
    assert_non_null(visit_start(&world->context, world->node));
    assert_int_equal(cache_forget(world->cache, world->node), 0);
    add_announced(world, "kitchen", ""); /* back again, while the old one's answer is on its way */
    loop_run(world->loop);
    assert_int_equal(world->finished, 1);
    assert_int_equal(world->node->item_count[ITEM_READING], 0);
    assert_int_equal(world->node->evidence.probe.outcome, PROBE_NONE);
}

/* The manual node took over that name while it was asked at an address that only mDNS told. */
static void node_that_took_the_name_over_takes_nothing(void **state)
{
    struct world *world = *state;
    struct now now = clock_now();
    struct fault fault;
    struct sighting seen = {.instance = "kitchen", .allowed = true};
    assert_in_range(snprintf(seen.url, sizeof seen.url, "%.63s", world->url), 1, sizeof seen.url - 1);
    assert_int_equal(cache_sighting(world->cache, "kitchen", 7, &seen, NODE_ALPACA, now, &fault), 0);
    world->behaviour[STATS] = SLOW;
    assert_non_null(visit_start(&world->context, cache_find(world->cache, "kitchen", 7)));
    add_manual(world, "pi-1");
    const struct probe_result said = {.outcome = PROBE_OK, .answered = true, .node_name = "kitchen"};
    cache_poll_finished(world->cache, world->node, &said, now);
    assert_ptr_equal(cache_find(world->cache, "kitchen", 7), world->node);
    world->node->poll_in_flight = true; /* asked itself, again */
    loop_run(world->loop);
    assert_int_equal(world->finished, 1);
    assert_int_equal(world->node->item_count[ITEM_READING], 0);
    assert_true(world->node->poll_in_flight);
}

static void cancelled_visit_says_nothing(void **state)
{
    struct world *world = *state;
    world->behaviour[STATS] = HANG;
    add_manual(world, "kitchen");
    struct visit *visit = visit_start(&world->context, world->node);
    assert_string_equal(visit_node(visit), "kitchen");
    visit_cancel(visit);
    loop_turn(world->loop, false);
    assert_int_equal(world->finished, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(four_endpoints_come_in_order_on_one_connection),
        TEST(url_may_have_a_prefix_and_a_slash),
        TEST(manual_node_keeps_its_name_and_gains_an_alias),
        TEST(feature_not_in_use_is_no_failure),
        TEST(each_endpoint_fails_on_its_own),
        TEST(answers_without_anything_usable_prove_the_host_alive),
        TEST(nobody_there_is_a_failure_after_one_request),
        TEST(hanging_node_costs_one_time_limit_in_all),
        TEST(what_arrived_before_the_time_limit_counts),
        TEST(announced_node_gives_data_under_its_own_name),
        TEST(agent_vouches_for_its_smollamas_name),
        TEST(another_nodes_answer_is_refused),
        TEST(agent_cannot_vouch_for_a_name_that_is_taken),
        TEST(announced_node_without_stats_is_not_believed),
        TEST(announced_address_outside_the_list_is_never_connected_to),
        TEST(manual_address_needs_no_list),
        TEST(offset_is_body_time_minus_date_header),
        TEST(forgotten_node_is_not_touched),
        TEST(node_that_took_the_name_over_takes_nothing),
        TEST(cancelled_visit_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
