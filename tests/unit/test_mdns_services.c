/* mdns_services: which node a service is a sighting of, and what is asked when. */
#include "cache_world.h"
#include "mdns_services.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct lan {
    struct world world;
    struct mdns_services *services;
    struct fault fault;
};

/* 192.168.*, and loopback as an example of what is not allowed. */
static bool private_only(void *user, const char *url)
{
    (void)user;
    return strncmp(url, "http://192.168.", strlen("http://192.168.")) == 0;
}

static void lan_open(struct lan *lan)
{
    world_open_live(&lan->world);
    lan->services = mdns_services_create(lan->world.cache, private_only, NULL);
    assert_non_null(lan->services);
}

static void lan_close(struct lan *lan)
{
    mdns_services_destroy(lan->services);
    world_close(&lan->world);
}

static struct mdns_answer answer_of(const char *instance, const char *address, const char *source)
{
    struct mdns_answer answer = {.interface = 2, .port = 8080, .type = NODE_ALPACA};
    snprintf(answer.instance, sizeof answer.instance, "%s", instance);
    inet_pton(AF_INET, address, &answer.address);
    if (source) {
        inet_pton(AF_INET, source, &answer.source);
    }
    return answer;
}

static int found(struct lan *lan, const char *instance, const char *address)
{
    struct mdns_answer answer = answer_of(instance, address, NULL);
    return mdns_services_found(lan->services, &answer, lan->world.now);
}

/* The one check that is due goes to `url`, and /api/stats there says `name`. */
static void check_is(struct lan *lan, const char *url, const char *name)
{
    uint64_t id;
    const char *asked = mdns_services_next_check(lan->services, lan->world.now, &id);
    assert_non_null(asked);
    assert_string_equal(asked, url);
    mdns_services_checked(lan->services, id, name, lan->world.now, &lan->fault);
}

static void no_check(struct lan *lan)
{
    uint64_t id;
    assert_null(mdns_services_next_check(lan->services, lan->world.now, &id));
}

static const struct node *get(struct lan *lan, const char *name)
{
    return cache_get(lan->world.cache, name, strlen(name));
}

static size_t sighting_count(struct lan *lan, const char *name)
{
    size_t count = 0;
    const struct node *node = get(lan, name);
    for (const struct sighting *s = node ? node->sightings : NULL; s; s = s->next) {
        count++;
    }
    return count;
}

static void address_of_the_packet_replaces_a_useless_record(void **state)
{
    (void)state;
    static const struct {
        const char *record, *source, *expected;
    } cases[] = {
        {"192.168.1.7", "192.168.1.9", "192.168.1.7"},
        {"127.0.1.1", "192.168.1.9", "192.168.1.9"},
        {"127.0.0.1", "10.0.0.4", "10.0.0.4"},
        {"0.0.0.0", "192.168.1.9", "192.168.1.9"},
        {"169.254.3.4", "192.168.1.9", "192.168.1.9"},
        {"224.0.0.251", "192.168.1.9", "192.168.1.9"},
        {"255.255.255.255", "10.1.1.1", "10.1.1.1"},
        {"127.0.1.1", "169.254.9.9", "127.0.1.1"},
        {"127.0.1.1", NULL, "127.0.1.1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[INET_ADDRSTRLEN];
        struct mdns_answer answer = answer_of("x", cases[i].record, cases[i].source);
        struct in_addr address = mdns_choose_address(&answer);
        assert_string_equal(inet_ntop(AF_INET, &address, text, sizeof text), cases[i].expected);
    }
}

static void types_are_read(void **state)
{
    (void)state;
    assert_int_equal(mdns_node_type("llama", 5), NODE_LLAMA);
    assert_int_equal(mdns_node_type("alpaca", 6), NODE_ALPACA);
    assert_int_equal(mdns_node_type("alpaca", 5), NODE_UNKNOWN);
    assert_int_equal(mdns_node_type("", 0), NODE_UNKNOWN);
}

static void nothing_is_shown_before_it_was_asked(void **state)
{
    (void)state;
    struct lan lan;
    lan_open(&lan);
    assert_int_equal(found(&lan, "kitchen", "192.168.1.7"), 0);
    assert_null(get(&lan, "kitchen"));
    check_is(&lan, "http://192.168.1.7:8080", "kitchen");
    const struct node *node = get(&lan, "kitchen");
    assert_non_null(node);
    assert_int_equal(node->found, FOUND_MDNS);
    assert_int_equal(node->type, NODE_ALPACA);
    assert_string_equal(node->url, "http://192.168.1.7:8080");
    assert_true(node->evidence.has_url);
    no_check(&lan);
    lan_close(&lan);
}

static void doubles_are_the_node_that_answers(void **state)
{
    (void)state;
    struct lan lan;
    lan_open(&lan);
    found(&lan, "kitchen", "192.168.1.7");
    check_is(&lan, "http://192.168.1.7:8080", "kitchen");
    found(&lan, "kitchen-2", "192.168.1.7");
    world_wait(&lan.world, MDNS_PACE_MS);
    check_is(&lan, "http://192.168.1.7:8080", "kitchen");
    assert_null(get(&lan, "kitchen-2"));
    assert_int_equal(sighting_count(&lan, "kitchen"), 2);
    assert_true(mdns_services_gone(lan.services, "kitchen-2", 2, lan.world.now));
    assert_int_equal(sighting_count(&lan, "kitchen"), 1);
    lan_close(&lan);
}

static void nobody_answers_is_a_sighting_without_life(void **state)
{
    (void)state;
    struct lan lan;
    lan_open(&lan);
    found(&lan, "kitchen", "192.168.1.7");
    check_is(&lan, "http://192.168.1.7:8080", "");
    assert_int_equal(sighting_count(&lan, "kitchen"), 1);
    world_poll(&lan.world, "kitchen", PROBE_FAILED, "refused", NULL);
    assert_state(&lan.world, "kitchen", "unreachable", "never_seen");
    assert_int_equal(mdns_services_stats(lan.services).unproven, 1);
    assert_true(mdns_services_gone(lan.services, "kitchen", 2, lan.world.now));
    assert_null(get(&lan, "kitchen"));
    assert_int_equal(mdns_services_stats(lan.services).unproven, 0);
    assert_false(mdns_services_gone(lan.services, "kitchen", 2, lan.world.now));
    lan_close(&lan);
}

static void a_double_whose_dashboard_comes_late_is_asked_again(void **state)
{
    (void)state;
    struct lan lan;
    lan_open(&lan);
    found(&lan, "kitchen-2", "192.168.1.7");
    check_is(&lan, "http://192.168.1.7:8080", "");
    assert_non_null(get(&lan, "kitchen-2"));
    world_wait(&lan.world, MDNS_HURRY_MS);
    no_check(&lan);
    world_poll(&lan.world, "kitchen-2", PROBE_FAILED, "wrong_node", "kitchen");
    check_is(&lan, "http://192.168.1.7:8080", "kitchen");
    assert_null(get(&lan, "kitchen-2"));
    assert_int_equal(sighting_count(&lan, "kitchen"), 1);
    no_check(&lan);
    lan_close(&lan);
}

static void a_check_that_fails_takes_no_name_away(void **state)
{
    (void)state;
    struct lan lan;
    lan_open(&lan);
    found(&lan, "kitchen-2", "192.168.1.7");
    check_is(&lan, "http://192.168.1.7:8080", "kitchen");
    world_wait(&lan.world, MDNS_HURRY_MS);
    world_poll(&lan.world, "kitchen", PROBE_FAILED, "wrong_node", "other");
    check_is(&lan, "http://192.168.1.7:8080", "");
    assert_int_equal(sighting_count(&lan, "kitchen"), 1);
    assert_null(get(&lan, "kitchen-2"));
    lan_close(&lan);
}

static void another_address_is_asked_anew(void **state)
{
    (void)state;
    struct lan lan;
    lan_open(&lan);
    found(&lan, "kitchen", "192.168.1.7");
    check_is(&lan, "http://192.168.1.7:8080", "kitchen");
    world_poll(&lan.world, "kitchen", PROBE_OK, NULL, "kitchen");
    assert_int_equal(found(&lan, "kitchen", "192.168.1.7"), 0); /* the same: nothing to ask */
    no_check(&lan);
    found(&lan, "kitchen", "192.168.1.8");
    check_is(&lan, "http://192.168.1.8:8080", "kitchen");
    const struct node *node = get(&lan, "kitchen");
    assert_string_equal(node->url, "http://192.168.1.8:8080");
    assert_int_equal(sighting_count(&lan, "kitchen"), 1);
    assert_state(&lan.world, "kitchen", "online", "");
    lan_close(&lan);
}

static void an_answer_to_an_old_question_counts_no_more(void **state)
{
    (void)state;
    struct lan lan;
    lan_open(&lan);
    uint64_t old, gone;
    found(&lan, "kitchen", "192.168.1.7");
    assert_non_null(mdns_services_next_check(lan.services, lan.world.now, &old));
    found(&lan, "kitchen", "192.168.1.8");
    assert_false(mdns_services_checked(lan.services, old, "liar", lan.world.now, &lan.fault));
    assert_non_null(mdns_services_next_check(lan.services, lan.world.now, &gone));
    mdns_services_gone(lan.services, "kitchen", 2, lan.world.now);
    assert_false(mdns_services_checked(lan.services, gone, "kitchen", lan.world.now, &lan.fault));
    assert_int_equal(cache_node_count(lan.world.cache), 0);
    assert_int_equal(mdns_services_stats(lan.services).checking, 0);
    lan_close(&lan);
}

static void what_must_not_be_asked_is_only_listed(void **state)
{
    (void)state;
    struct lan lan;
    lan_open(&lan);
    found(&lan, "forged", "127.0.0.1");
    no_check(&lan);
    const struct node *node = get(&lan, "forged");
    assert_non_null(node);
    assert_false(node->evidence.has_url);
    assert_false(node->sightings->allowed);
    assert_false(cache_wants_poll(lan.world.cache, node, lan.world.now) && node->evidence.has_url);
    struct mdns_answer portless = answer_of("portless", "192.168.1.7", NULL);
    portless.port = 0;
    mdns_services_found(lan.services, &portless, lan.world.now);
    no_check(&lan);
    lan_close(&lan);
}

static void the_same_on_two_interfaces_is_one_sighting(void **state)
{
    (void)state;
    struct lan lan;
    lan_open(&lan);
    struct mdns_answer second = answer_of("kitchen", "192.168.1.7", NULL);
    second.interface = 3;
    found(&lan, "kitchen", "192.168.1.7");
    mdns_services_found(lan.services, &second, lan.world.now);
    check_is(&lan, "http://192.168.1.7:8080", "kitchen");
    no_check(&lan);
    assert_int_equal(sighting_count(&lan, "kitchen"), 1);
    mdns_services_gone(lan.services, "kitchen", 2, lan.world.now);
    assert_int_equal(sighting_count(&lan, "kitchen"), 1);
    mdns_services_gone(lan.services, "kitchen", 3, lan.world.now);
    assert_null(get(&lan, "kitchen"));
    lan_close(&lan);
}

static void who_was_forgotten_comes_back_by_answering(void **state)
{
    (void)state;
    struct lan lan;
    lan_open(&lan);
    found(&lan, "kitchen", "192.168.1.7");
    check_is(&lan, "http://192.168.1.7:8080", "kitchen");
    cache_forget(lan.world.cache, cache_find(lan.world.cache, "kitchen", 7));
    no_check(&lan); /* it was asked just now */
    world_wait(&lan.world, MDNS_HURRY_MS);
    check_is(&lan, "http://192.168.1.7:8080", "");
    assert_null(get(&lan, "kitchen"));
    no_check(&lan);
    world_wait(&lan.world, MDNS_RECHECK_MS);
    check_is(&lan, "http://192.168.1.7:8080", "kitchen");
    assert_non_null(get(&lan, "kitchen"));
    lan_close(&lan);
}

static void names_that_no_node_can_have_are_counted(void **state)
{
    (void)state;
    struct lan lan;
    lan_open(&lan);
    found(&lan, "a/b+#", "192.168.1.7");
    check_is(&lan, "http://192.168.1.7:8080", "");
    assert_int_equal(lan.fault.reason, REJECT_BAD_NAME);
    assert_int_equal(cache_node_count(lan.world.cache), 0);
    world_wait(&lan.world, MDNS_RECHECK_MS);
    check_is(&lan, "http://192.168.1.7:8080", "good");
    assert_int_equal(sighting_count(&lan, "good"), 1);
    lan_close(&lan);
}

static void a_flood_of_names_is_bounded(void **state)
{
    (void)state;
    struct lan lan;
    lan_open(&lan);
    found(&lan, "kitchen", "192.168.1.7");
    check_is(&lan, "http://192.168.1.7:8080", "kitchen");
    for (int i = 0; i < 10000; i++) {
        char name[32], address[32];
        snprintf(name, sizeof name, "forged-%d", i);
        snprintf(address, sizeof address, "192.168.%d.%d", 2 + i / 200, i % 200);
        assert_int_equal(found(&lan, name, address), i < MDNS_SERVICES_MAX - 1 ? 0 : -ENOSPC);
    }
    uint64_t ids[MDNS_CHECKS];
    for (size_t i = 0; i < MDNS_CHECKS; i++) {
        assert_non_null(mdns_services_next_check(lan.services, lan.world.now, &ids[i]));
    }
    no_check(&lan);
    for (size_t i = 0; i < MDNS_CHECKS; i++) {
        mdns_services_checked(lan.services, ids[i], "", lan.world.now, &lan.fault);
    }
    for (int i = 0; i < MDNS_SERVICES_MAX - 1 - MDNS_CHECKS; i++) {
        uint64_t id;
        if (!mdns_services_next_check(lan.services, lan.world.now, &id)) {
            world_wait(&lan.world, MDNS_PACE_MS);
            assert_non_null(mdns_services_next_check(lan.services, lan.world.now, &id));
        }
        mdns_services_checked(lan.services, id, "", lan.world.now, &lan.fault);
    }
    struct mdns_services_stats stats = mdns_services_stats(lan.services);
    assert_int_equal(stats.services, MDNS_SERVICES_MAX);
    assert_int_equal(stats.unproven, MDNS_UNPROVEN_MAX);
    assert_true(stats.dropped >= 9000);
    assert_int_equal(cache_node_count(lan.world.cache), 1 + MDNS_UNPROVEN_MAX);
    assert_int_equal(sighting_count(&lan, "kitchen"), 1);
    lan_close(&lan);
}

static void names_that_others_vouch_for_leave_room(void **state)
{
    (void)state;
    struct lan lan;
    lan_open(&lan);
    for (int i = 0; i <= MDNS_UNPROVEN_MAX; i++) {
        char name[32];
        snprintf(name, sizeof name, "agent-%d", i);
        found(&lan, name, "192.168.1.66");
    }
    check_is(&lan, "http://192.168.1.66:8080", "");
    assert_int_equal(mdns_services_stats(lan.services).unproven, MDNS_UNPROVEN_MAX);
    assert_int_equal(mdns_services_stats(lan.services).dropped, 1);
    world_beat(&lan.world, "agent-7", "s1", 1);
    world_beat(&lan.world, "agent-8", "s1", 1);
    no_check(&lan);
    assert_int_equal(mdns_services_stats(lan.services).unproven, MDNS_UNPROVEN_MAX - 2);
    world_wait(&lan.world, MDNS_RECHECK_MS); /* the one that found no room tries again */
    check_is(&lan, "http://192.168.1.66:8080", "");
    assert_int_equal(mdns_services_stats(lan.services).unproven, MDNS_UNPROVEN_MAX - 1);
    lan_close(&lan);
}

static void the_newest_is_asked_first(void **state)
{
    (void)state;
    struct lan lan;
    lan_open(&lan);
    found(&lan, "old", "192.168.1.7");
    found(&lan, "new", "192.168.1.8");
    check_is(&lan, "http://192.168.1.8:8080", "new");
    check_is(&lan, "http://192.168.1.7:8080", "old");
    lan_close(&lan);
}

/* Whoever announces in others' names must not make llamad flood them. */
static void one_address_is_asked_once_a_second_for_all_who_are_there(void **state)
{
    (void)state;
    struct lan lan;
    lan_open(&lan);
    found(&lan, "kitchen", "192.168.0.2");
    found(&lan, "kitchen-2", "192.168.0.2");
    check_is(&lan, "http://192.168.0.2:8080", "kitchen"); /* the other is answered with it */
    no_check(&lan);
    const struct sighting *both = world_node(&lan.world, "kitchen")->sightings;
    assert_true(both && both->next && !both->next->next);
    for (int i = 0; i < 100; i++) { /* goodbye and return, and moves to and fro */
        mdns_services_gone(lan.services, "kitchen-2", 2, lan.world.now);
        found(&lan, "kitchen-2", "192.168.0.2");
        no_check(&lan);
    }
    found(&lan, "kitchen-2", "192.168.0.3");
    check_is(&lan, "http://192.168.0.3:8080", "shed");
    found(&lan, "kitchen-2", "192.168.0.2");
    no_check(&lan);
    found(&lan, "kitchen-2", "192.168.0.3");
    no_check(&lan);
    world_wait(&lan.world, MDNS_PACE_MS);
    check_is(&lan, "http://192.168.0.3:8080", "shed");
    lan_close(&lan);
}

static void all_addresses_together_are_asked_no_faster_than_the_limit(void **state)
{
    (void)state;
    struct lan lan;
    lan_open(&lan);
    char name[32], address[32];
    unsigned asked = 0;
    for (unsigned i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "n-%u", i);
        snprintf(address, sizeof address, "192.168.1.%u", i);
        found(&lan, name, address);
        uint64_t id;
        while (mdns_services_next_check(lan.services, lan.world.now, &id)) {
            asked++;
            mdns_services_checked(lan.services, id, name, lan.world.now, &lan.fault);
        }
    }
    assert_int_equal(asked, MDNS_CHECKS_S);
    world_wait(&lan.world, MDNS_PACE_MS);
    uint64_t id;
    assert_non_null(mdns_services_next_check(lan.services, lan.world.now, &id));
    lan_close(&lan);
}

static void beat(struct lan *lan, const char *name, uint64_t seq, const char *url, const char *source)
{
    struct heartbeat h = heartbeat_of(&lan->world, name, "s1", seq);
    strcpy(h.url, url);
    strcpy(h.source.node_name, source);
    assert_int_equal(world_heartbeat(&lan->world, &h, false, -1), 0);
}

/* As with Smollama's default name, on every machine the same. */
static void the_smollama_of_an_agent_is_no_node_of_its_own(void **state)
{
    (void)state;
    struct lan lan;
    lan_open(&lan);
    found(&lan, "smollama-node", "192.168.1.7");
    check_is(&lan, "http://192.168.1.7:8080", "smollama-node");
    world_poll(&lan.world, "smollama-node", PROBE_OK, NULL, "smollama-node");
    beat(&lan, "pi-a", 1, "http://192.168.1.7:8080", "smollama-node");
    beat(&lan, "pi-b", 1, "http://192.168.1.8:8080/", "smollama-node");
    found(&lan, "smollama-node-2", "192.168.1.8"); /* its agent was first */
    check_is(&lan, "http://192.168.1.8:8080", "smollama-node");
    world_wait(&lan.world, MDNS_HURRY_MS);
    check_is(&lan, "http://192.168.1.7:8080", "smollama-node");
    no_check(&lan);
    assert_null(get(&lan, "smollama-node"));
    assert_int_equal(sighting_count(&lan, "pi-a"), 1);
    assert_int_equal(sighting_count(&lan, "pi-b"), 1);
    assert_int_equal(cache_node_count(lan.world.cache), 2);
    assert_string_equal(get(&lan, "pi-a")->url, "http://192.168.1.7:8080");
    lan_close(&lan);
}

static void an_agent_without_that_address_or_name_leaves_it_a_node(void **state)
{
    (void)state;
    struct lan lan;
    lan_open(&lan);
    beat(&lan, "pi-a", 1, "http://192.168.1.9:8080", "smollama-node");
    beat(&lan, "pi-b", 1, "http://192.168.1.7:8080", "another");
    beat(&lan, "pi-c", 1, "", "smollama-node");
    found(&lan, "smollama-node", "192.168.1.7");
    check_is(&lan, "http://192.168.1.7:8080", "smollama-node");
    assert_int_equal(sighting_count(&lan, "smollama-node"), 1);
    world_wait(&lan.world, MDNS_HURRY_MS);
    no_check(&lan);
    assert_int_equal(cache_node_count(lan.world.cache), 4);
    lan_close(&lan);
}

static void a_changed_type_is_taken_over(void **state)
{
    (void)state;
    struct lan lan;
    lan_open(&lan);
    found(&lan, "kitchen", "192.168.1.7");
    check_is(&lan, "http://192.168.1.7:8080", "kitchen");
    struct mdns_answer answer = answer_of("kitchen", "192.168.1.7", NULL);
    answer.type = NODE_LLAMA;
    mdns_services_found(lan.services, &answer, lan.world.now);
    assert_int_equal(get(&lan, "kitchen")->type, NODE_LLAMA);
    no_check(&lan);
    lan_close(&lan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(address_of_the_packet_replaces_a_useless_record),
        cmocka_unit_test(types_are_read),
        cmocka_unit_test(nothing_is_shown_before_it_was_asked),
        cmocka_unit_test(doubles_are_the_node_that_answers),
        cmocka_unit_test(nobody_answers_is_a_sighting_without_life),
        cmocka_unit_test(a_double_whose_dashboard_comes_late_is_asked_again),
        cmocka_unit_test(a_check_that_fails_takes_no_name_away),
        cmocka_unit_test(another_address_is_asked_anew),
        cmocka_unit_test(an_answer_to_an_old_question_counts_no_more),
        cmocka_unit_test(what_must_not_be_asked_is_only_listed),
        cmocka_unit_test(the_same_on_two_interfaces_is_one_sighting),
        cmocka_unit_test(who_was_forgotten_comes_back_by_answering),
        cmocka_unit_test(names_that_no_node_can_have_are_counted),
        cmocka_unit_test(a_flood_of_names_is_bounded),
        cmocka_unit_test(names_that_others_vouch_for_leave_room),
        cmocka_unit_test(the_newest_is_asked_first),
        cmocka_unit_test(one_address_is_asked_once_a_second_for_all_who_are_there),
        cmocka_unit_test(all_addresses_together_are_asked_no_faster_than_the_limit),
        cmocka_unit_test(the_smollama_of_an_agent_is_no_node_of_its_own),
        cmocka_unit_test(an_agent_without_that_address_or_name_leaves_it_a_node),
        cmocka_unit_test(a_changed_type_is_taken_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
