/* cache: addresses seen by mDNS, and what they may and may not do to a node. */
#include "cache_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define URL_A "http://192.168.1.7:8080"
#define URL_B "http://192.168.1.8:8080"
#define STATS "{\"node_name\":\"kitchen\",\"timestamp\":\"2026-11-23T08:00:00\"}"

static struct sighting sighting_of(const char *instance, const char *url, bool allowed)
{
    struct sighting seen = {.allowed = allowed};
    snprintf(seen.instance, sizeof seen.instance, "%s", instance);
    snprintf(seen.url, sizeof seen.url, "%s", url);
    return seen;
}

static int see(struct world *w, const char *name, const char *url)
{
    struct sighting seen = sighting_of(name, url, true);
    return cache_sighting(w->cache, name, strlen(name), &seen, NODE_LLAMA, w->now, &w->fault);
}

static void lose(struct world *w, const char *name, const char *url)
{
    struct sighting seen = sighting_of(name, url, true);
    cache_sighting_gone(w->cache, name, strlen(name), &seen, w->now);
}

static const struct node *get(struct world *w, const char *name)
{
    return cache_get(w->cache, name, strlen(name));
}

static void mdns_alone_is_polled(void **state)
{
    (void)state;
    struct world w;
    world_open_live(&w);
    assert_int_equal(see(&w, "kitchen", URL_A), 0);
    assert_string_equal(get(&w, "kitchen")->url, URL_A);
    assert_true(cache_wants_poll(w.cache, get(&w, "kitchen"), w.now));
    world_poll(&w, "kitchen", PROBE_OK, NULL, "kitchen");
    assert_state(&w, "kitchen", "online", "");
    assert_int_equal(get(&w, "kitchen")->type, NODE_LLAMA);
    world_close(&w);
}

static void manual_node_only_lists_it(void **state)
{
    (void)state;
    struct world w;
    world_open_live(&w);
    cache_add_manual(w.cache, "kitchen", "http://10.0.0.1:8080", w.now);
    see(&w, "kitchen", URL_A);
    const struct node *node = get(&w, "kitchen");
    assert_string_equal(node->url, "http://10.0.0.1:8080");
    assert_int_equal(node->type, NODE_UNKNOWN);
    assert_int_equal(node->found, FOUND_MANUAL | FOUND_MDNS);
    assert_string_equal(node->sightings->url, URL_A);
    assert_null(node->sightings->next);
    world_poll(&w, "kitchen", PROBE_FAILED, "refused", NULL);
    assert_string_equal(node->url, "http://10.0.0.1:8080");
    assert_true(cache_drop_manual(w.cache, "kitchen", w.now));
    assert_string_equal(get(&w, "kitchen")->url, URL_A);
    world_close(&w);
}

static void agents_node_only_lists_it(void **state)
{
    (void)state;
    struct world w;
    world_open_live(&w);
    world_beat(&w, "kitchen", "s1", 1); /* announces no URL */
    see(&w, "kitchen", URL_A);
    world_wait(&w, 61000);
    const struct node *node = get(&w, "kitchen");
    assert_string_equal(node->url, "");
    assert_false(cache_wants_poll(w.cache, node, w.now));
    assert_state(&w, "kitchen", "unreachable", "no_heartbeat");
    assert_non_null(node->sightings);
    world_close(&w);
}

static void first_word_of_an_agent_ends_polling_by_mdns(void **state)
{
    (void)state;
    enum { HEARTBEAT, STATUS, REPORT };
    for (int what = HEARTBEAT; what <= REPORT; what++) {
        struct world w;
        world_open_live(&w);
        see(&w, "kitchen", URL_A);
        struct node *node = cache_find(w.cache, "kitchen", 7);
        node->poll_in_flight = true;
        cache_poll_started(w.cache, node, w.now);
        if (what == HEARTBEAT) {
            world_beat(&w, "kitchen", "s1", 1);
        } else if (what == STATUS) {
            world_status(&w, "kitchen", "s1", "online", true);
        } else {
            world_retained_report(&w, "kitchen", REPORT_STATS, "s1", 1, STATS);
        }
        assert_string_equal(node->url, "");
        assert_false(node->poll_in_flight);
        assert_false(node->evidence.probe.pending);
        world_close(&w);
    }
}

static void edge_node_is_polled_where_mdns_sees_it(void **state)
{
    (void)state;
    struct world w;
    world_open_live(&w);
    world_edge(&w, "shed", "{\"readings\":[]}");
    see(&w, "shed", URL_A);
    assert_int_equal(get(&w, "shed")->type, NODE_EDGE);
    assert_int_equal(get(&w, "shed")->found, FOUND_EDGE | FOUND_MDNS);
    assert_string_equal(get(&w, "shed")->url, URL_A);
    world_close(&w);
}

static void alias_of_a_manual_node_is_that_node(void **state)
{
    (void)state;
    struct world w;
    world_open_live(&w);
    see(&w, "kitchen", URL_A);
    cache_add_manual(w.cache, "my-kitchen", "http://10.0.0.1:8080", w.now);
    world_poll(&w, "my-kitchen", PROBE_OK, NULL, "kitchen");
    assert_int_equal(cache_node_count(w.cache), 1);
    const struct node *node = get(&w, "my-kitchen");
    assert_string_equal(node->sightings->url, URL_A);
    assert_string_equal(node->url, "http://10.0.0.1:8080");
    see(&w, "kitchen", URL_B);
    assert_string_equal(node->sightings->next->url, URL_B);
    lose(&w, "kitchen", URL_A);
    assert_string_equal(node->sightings->url, URL_B);
    world_close(&w);
}

static void merged_into_a_manual_node_it_brings_no_data(void **state)
{
    (void)state;
    struct world w;
    world_open_live(&w);
    see(&w, "kitchen", URL_A);
    world_poll_body(&w, "kitchen", REPORT_STATS, STATS);
    assert_non_null(get(&w, "kitchen")->stats);
    cache_add_manual(w.cache, "my-kitchen", "http://10.0.0.1:8080", w.now);
    world_poll(&w, "my-kitchen", PROBE_UNUSABLE, NULL, "kitchen");
    assert_int_equal(cache_node_count(w.cache), 1);
    assert_null(get(&w, "my-kitchen")->stats);
    assert_non_null(get(&w, "my-kitchen")->sightings);
    world_close(&w);
}

static void newcomer_takes_no_name_away(void **state)
{
    (void)state;
    struct world w;
    world_open_live(&w);
    see(&w, "kitchen", URL_A);
    world_poll(&w, "kitchen", PROBE_OK, NULL, "kitchen");
    see(&w, "kitchen", URL_B);
    assert_string_equal(get(&w, "kitchen")->url, URL_A);
    lose(&w, "kitchen", URL_A);
    assert_string_equal(get(&w, "kitchen")->url, URL_B);
    assert_state(&w, "kitchen", "online", "");
    world_close(&w);
}

static void failing_address_gives_way_to_the_other(void **state)
{
    (void)state;
    struct world w;
    world_open_live(&w);
    see(&w, "kitchen", URL_A);
    see(&w, "kitchen", URL_B);
    world_poll(&w, "kitchen", PROBE_FAILED, "timeout", NULL);
    assert_string_equal(get(&w, "kitchen")->url, URL_B);
    world_poll(&w, "kitchen", PROBE_FAILED, "timeout", NULL);
    assert_string_equal(get(&w, "kitchen")->url, URL_A);
    assert_state(&w, "kitchen", "unreachable", "never_seen");
    world_poll(&w, "kitchen", PROBE_OK, NULL, "kitchen");
    assert_string_equal(get(&w, "kitchen")->url, URL_A);
    world_close(&w);
}

static void goodbye_leaves_who_ever_answered(void **state)
{
    (void)state;
    struct world w;
    world_open_live(&w);
    see(&w, "kitchen", URL_A);
    world_poll(&w, "kitchen", PROBE_OK, NULL, "kitchen");
    world_poll_body(&w, "kitchen", REPORT_STATS, STATS);
    lose(&w, "kitchen", URL_A);
    const struct node *node = get(&w, "kitchen");
    assert_non_null(node);
    assert_null(node->sightings);
    assert_string_equal(node->url, URL_A);
    world_poll(&w, "kitchen", PROBE_FAILED, "refused", NULL);
    assert_state(&w, "kitchen", "unreachable", "no_answer");
    assert_non_null(node->stats);
    lose(&w, "kitchen", URL_A);
    lose(&w, "nobody", URL_A);
    world_close(&w);
}

static void goodbye_ends_who_never_answered(void **state)
{
    (void)state;
    struct world w;
    world_open_live(&w);
    see(&w, "kitchen", URL_A);
    see(&w, "kitchen", URL_B);
    lose(&w, "kitchen", URL_B);
    assert_non_null(get(&w, "kitchen"));
    lose(&w, "kitchen", URL_A);
    assert_null(get(&w, "kitchen"));
    world_close(&w);
}

static void seen_nodes_are_not_forgotten_by_age(void **state)
{
    (void)state;
    struct world w;
    world_open_live(&w);
    cache_set_retain(w.cache, 5000);
    see(&w, "kitchen", URL_A);
    world_poll(&w, "kitchen", PROBE_OK, NULL, "kitchen");
    world_wait(&w, 10000);
    assert_non_null(get(&w, "kitchen"));
    lose(&w, "kitchen", URL_A);
    world_wait(&w, 2000);
    assert_null(get(&w, "kitchen"));
    world_close(&w);
}

static void sightings_of_a_node_are_limited(void **state)
{
    (void)state;
    struct world w;
    world_open_live(&w);
    for (int i = 0; i < LIMIT_SIGHTINGS; i++) {
        char url[64];
        snprintf(url, sizeof url, "http://192.168.1.%d:8080", i + 1);
        assert_int_equal(see(&w, "kitchen", url), 0);
        assert_int_equal(see(&w, "kitchen", url), 0); /* known */
    }
    assert_int_equal(see(&w, "kitchen", "http://192.168.2.1:8080"), -EBADMSG);
    assert_int_equal(w.fault.reason, REJECT_TOO_MANY);
    assert_int_equal(get(&w, "kitchen")->rejects[REJECT_TOO_MANY], 1);
    world_close(&w);
}

static void address_that_must_not_be_asked_gives_way_to_one_that_may(void **state)
{
    (void)state;
    struct world w;
    world_open_live(&w);
    struct sighting forbidden = sighting_of("kitchen", "http://127.0.0.1:22", false);
    cache_sighting(w.cache, "kitchen", 7, &forbidden, NODE_UNKNOWN, w.now, &w.fault);
    assert_false(get(&w, "kitchen")->evidence.has_url);
    assert_false(cache_wants_poll(w.cache, get(&w, "kitchen"), w.now));
    see(&w, "kitchen", URL_A);
    assert_true(get(&w, "kitchen")->evidence.has_url);
    assert_string_equal(get(&w, "kitchen")->url, URL_A);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mdns_alone_is_polled),
        cmocka_unit_test(manual_node_only_lists_it),
        cmocka_unit_test(agents_node_only_lists_it),
        cmocka_unit_test(first_word_of_an_agent_ends_polling_by_mdns),
        cmocka_unit_test(edge_node_is_polled_where_mdns_sees_it),
        cmocka_unit_test(alias_of_a_manual_node_is_that_node),
        cmocka_unit_test(merged_into_a_manual_node_it_brings_no_data),
        cmocka_unit_test(newcomer_takes_no_name_away),
        cmocka_unit_test(failing_address_gives_way_to_the_other),
        cmocka_unit_test(goodbye_leaves_who_ever_answered),
        cmocka_unit_test(goodbye_ends_who_never_answered),
        cmocka_unit_test(seen_nodes_are_not_forgotten_by_age),
        cmocka_unit_test(sightings_of_a_node_are_limited),
        cmocka_unit_test(address_that_must_not_be_asked_gives_way_to_one_that_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
