/*
 * A client that only ever gets deltas holds the same as the cache, whatever happens: random histories,
 * checked again and again. CACHE_SEED repeats one.
 */
#include "cache_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HISTORIES 60
#define STEPS     300
#define NAMES     8
#define IDS       24 /* more than a small group */

static const char *const names[NAMES] = {"a", "b", "c", "manual", "edge-1", "edge-2", "edge-3", "own"};

/* ---- chance ---- */

static uint64_t random_state;

static unsigned chance(unsigned range)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state % range);
}

/* ---- the client ---- */

struct client {
    uint64_t seen;
    uint64_t sums;         /* as of the last stats that it was told of */
    uint64_t nodes[NAMES]; /* revision; 0 = not there */
    char *items[NAMES][ITEM_KINDS][IDS];
    unsigned snapshots, deltas;
};

static int name_index(const char *name)
{
    for (int i = 0; i < NAMES; i++) {
        if (strcmp(names[i], name) == 0) {
            return i;
        }
    }
    fail_msg("unknown node %s", name);
    return -1;
}

static int id_index(enum item_kind kind, const char *id, size_t len)
{
    char text[32];
    snprintf(text, sizeof text, "%.*s", (int)len, id);
    int n = -1;
    assert_int_equal(sscanf(text, kind == ITEM_READING ? "t:%d" : "%d", &n), 1);
    assert_in_range(n, 0, IDS - 1);
    return n;
}

/* The bytes that count: all but the timestamp of a reading. */
static char *bytes_of(const struct item *item)
{
    size_t cut = item->kind == ITEM_READING ? item->time_len : 0;
    char *text = malloc(item->json_len - cut + 1);
    assert_non_null(text);
    size_t pos = item->kind == ITEM_READING ? item->time_pos : item->json_len;
    memcpy(text, item->json, pos);
    memcpy(text + pos, item->json + pos + cut, item->json_len - pos - cut);
    text[item->json_len - cut] = '\0';
    return text;
}

static void set_item(struct client *c, int node, enum item_kind kind, int id, char *text)
{
    free(c->items[node][kind][id]);
    c->items[node][kind][id] = text;
}

static void drop_node(struct client *c, int node)
{
    c->nodes[node] = 0;
    for (int kind = 0; kind < ITEM_KINDS; kind++) {
        for (int id = 0; id < IDS; id++) {
            set_item(c, node, (enum item_kind)kind, id, NULL);
        }
    }
}

static void take_removals(struct client *c, const struct cache *cache)
{
    const struct tombstone *t = cache_newest_tombstone(cache);
    for (; t && t->revision > c->seen; t = cache_older_tombstone(cache, t)) {
        int node = name_index(t->node);
        if (t->is_node) {
            drop_node(c, node);
        } else {
            set_item(c, node, t->kind, id_index(t->kind, t->id, t->id_len), NULL);
        }
    }
}

static void take_additions(struct client *c, const struct cache *cache)
{
    for (const struct node *node = cache_newest_node(cache); node && node->revision > c->seen;
         node = node->older) {
        c->nodes[name_index(node->name)] = node->revision;
    }
    for (int kind = 0; kind < ITEM_KINDS; kind++) {
        const struct item *item = cache_newest_item(cache, (enum item_kind)kind);
        for (; item && item->revision > c->seen; item = item->older) {
            set_item(c, name_index(item->node->name), item->kind,
                     id_index(item->kind, item->id, item->id_len), bytes_of(item));
        }
    }
}

/* What the cluster's stats are made of, as one number. */
static uint64_t sums_of(const struct cache *cache)
{
    uint64_t sums = 17;
    for (const struct node *node = cache_first_node(cache); node; node = node->next) {
        const int64_t parts[] = {node->said_readings, node->said_observations, node->said_memories,
                                 node->item_count[ITEM_READING], (int64_t)node->verdict.state};
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            sums = (sums ^ (uint64_t)parts[i]) * UINT64_C(1099511628211);
        }
    }
    return sums;
}

static void synchronize(struct client *c, const struct cache *cache)
{
    if (c->seen < cache_delta_floor(cache)) {
        for (int node = 0; node < NAMES; node++) {
            drop_node(c, node);
        }
        c->seen = 0;
        c->snapshots++;
    } else {
        take_removals(c, cache);
        c->deltas++;
    }
    take_additions(c, cache);
    if (cache_stats_revision(cache) > c->seen || c->seen == 0) {
        c->sums = sums_of(cache);
    }
    c->seen = cache_revision(cache);
}

static void compare(const struct client *c, const struct cache *cache)
{
    size_t nodes = 0, items[ITEM_KINDS] = {0};
    uint32_t states[STATES] = {0};
    for (const struct node *node = cache_first_node(cache); node; node = node->next, nodes++) {
        int n = name_index(node->name);
        assert_int_equal(c->nodes[n], node->revision);
        states[node->verdict.state]++;
        for (int kind = 0; kind < ITEM_KINDS; kind++) {
            uint32_t count = 0;
            for (const struct item *item = node->items[kind]; item; item = item->next, count++) {
                int id = id_index(item->kind, item->id, item->id_len);
                char *expected = bytes_of(item);
                assert_non_null(c->items[n][kind][id]);
                assert_string_equal(c->items[n][kind][id], expected);
                free(expected);
                assert_ptr_equal(item->node, node);
            }
            assert_int_equal(count, node->item_count[kind]);
            items[kind] += count;
        }
    }
    assert_int_equal(nodes, cache_node_count(cache));
    assert_int_equal(c->sums, sums_of(cache));
    size_t held[ITEM_KINDS] = {0}, held_nodes = 0;
    for (int node = 0; node < NAMES; node++) {
        held_nodes += c->nodes[node] != 0;
        for (int kind = 0; kind < ITEM_KINDS; kind++) {
            for (int id = 0; id < IDS; id++) {
                held[kind] += c->items[node][kind][id] != NULL;
            }
        }
    }
    assert_int_equal(held_nodes, nodes);
    for (int kind = 0; kind < ITEM_KINDS; kind++) {
        assert_int_equal(held[kind], items[kind]);
        assert_int_equal(items[kind], cache_item_count(cache, (enum item_kind)kind));
    }
    for (int state = 0; state < STATES; state++) {
        assert_int_equal(states[state], cache_state_count(cache, (enum state)state));
    }
}

/* ---- what may happen ---- */

static uint64_t seqs;

static const char *random_name(void)
{
    return names[chance(NAMES)];
}

static void append_reading(struct world *w, struct buf *body, const char *owner, unsigned id, unsigned value)
{
    char time[TIMESTAMP_SIZE];
    timestamp_format(w->now.wall_ms - chance(3000), time);
    buf_printf(body, "{\"full_id\":\"%s%st:%u\",\"value\":%u,", owner, owner[0] ? ":" : "", id, value);
    if (chance(9) > 0) {
        buf_printf(body, "\"timestamp\":\"%.*s\",", chance(2) ? 19 : 23, time);
    }
    if (owner[0]) {
        buf_printf(body, "\"metadata\":{\"node\":\"%s\"}}", owner);
    } else {
        buf_printf(body, "\"metadata\":null}");
    }
}

static void append_item(struct world *w, struct buf *body, enum report_kind kind, const char *speaker)
{
    unsigned id = chance(chance(2) ? 6 : IDS), value = chance(4);
    if (kind == REPORT_READINGS) {
        bool foreign = strcmp(speaker, "a") == 0 || strcmp(speaker, "b") == 0;
        append_reading(w, body, foreign && chance(2) ? names[4 + chance(3)] : "", id, value);
    } else {
        buf_printf(body, "{\"id\":%u,\"text\":\"%u\"}", id, value);
    }
}

static void fill_body(struct world *w, struct buf *body, enum report_kind kind, const char *speaker)
{
    if (kind == REPORT_STATS) {
        buf_printf(body, "{\"node_name\":\"x\",\"memories_count\":%u}", chance(3));
        return;
    }
    buf_printf(body, "{\"%s\":[", report_kind_name(kind));
    for (unsigned i = chance(30); i > 0; i--) {
        buf_json_sep(body);
        append_item(w, body, kind, speaker);
        if (chance(40) == 0) {
            buf_str(body, ",{\"node\":1},17");
        }
    }
    buf_str(body, "]}");
}

static void random_report(struct world *w)
{
    static const char *const sessions[] = {"s1", "s1", "s1", "s2", "s3"};
    const char *name = random_name();
    enum report_kind kind = (enum report_kind)(chance(3) ? 0 : chance(REPORT_KINDS));
    struct buf body = BUF_INIT;
    fill_body(w, &body, kind, name);
    const char *text = buf_terminate(&body);
    switch (chance(8)) {
    case 0:
        world_poll_body(w, name, kind, text);
        break;
    case 1:
        if (kind == REPORT_READINGS) {
            world_edge(w, name, text);
        }
        break;
    case 2:
        world_retained_report(w, name, kind, sessions[chance(5)], 1 + seqs / 2, text);
        break;
    default:
        world_report(w, name, kind, sessions[chance(5)], ++seqs, text);
        break;
    }
    buf_finish(&body);
}

static void random_message(struct world *w)
{
    static const char *const sessions[] = {"s1", "s1", "s2", "s3"};
    static const char *const states[] = {"online", "offline", "stopped"};
    const char *name = random_name(), *session = sessions[chance(4)];
    switch (chance(6)) {
    case 0:
        world_status(w, name, session, states[chance(3)], chance(2));
        break;
    case 1:
        world_retained_beat(w, name, session, ++seqs, (int64_t)chance(100) - 1);
        break;
    case 2:
        cache_cleared(w->cache, world_node(w, name), (enum topic_kind)(TOPIC_READINGS + (int)chance(6)),
                      w->now);
        break;
    default:
        world_beat(w, name, session, ++seqs);
        break;
    }
}

static void random_poll(struct world *w)
{
    static const char *const errors[] = {"refused", "timeout", "http_500"};
    static const char *const answers[] = {NULL, "manual", "own", "a", "bad/name"};
    const char *name = chance(2) ? "manual" : random_name();
    world_poll(w, name, (enum probe_outcome)(PROBE_OK + (int)chance(3)), errors[chance(3)],
               answers[chance(5)]);
}

static void random_step(struct world *w)
{
    switch (chance(20)) {
    case 0:
        cache_forget(w->cache, world_node(w, random_name()));
        break;
    case 1:
        cache_link(w->cache, chance(3) != 0, w->now);
        break;
    case 2:
    case 3:
        world_wait(w, chance(20000));
        break;
    case 4:
    case 5:
        random_poll(w);
        break;
    case 6:
    case 7:
    case 8:
        random_message(w);
        break;
    case 9:
        if (chance(30) == 0) {
            cache_add_manual(w->cache, chance(2) ? "manual" : "own", "http://10.0.0.1:8080", w->now);
        }
        break;
    default:
        random_report(w);
        break;
    }
}

static void run_history(uint64_t seed, struct client *c)
{
    random_state = seed;
    seqs = 1;
    struct world w;
    world_open_live(&w);
    cache_set_retain(w.cache, 200 * 1000);
    cache_add_manual(w.cache, "manual", "http://10.0.0.1:8080", w.now);
    for (int step = 0; step < STEPS; step++) {
        random_step(&w);
        if (chance(5) == 0) {
            synchronize(c, w.cache);
            compare(c, w.cache);
        }
    }
    synchronize(c, w.cache);
    compare(c, w.cache);
    world_close(&w);
}

static void deltas_add_up_to_the_whole(void **state)
{
    (void)state;
    const char *given = getenv("CACHE_SEED");
    uint64_t first = given ? strtoull(given, NULL, 0) : 1;
    unsigned deltas = 0;
    for (uint64_t i = first; i < first + (given ? 1 : HISTORIES); i++) {
        struct client client = {0};
        print_message("    CACHE_SEED=%llu\n", (unsigned long long)i);
        run_history(i * UINT64_C(0x9e3779b97f4a7c15), &client);
        deltas += client.deltas;
        for (int node = 0; node < NAMES; node++) {
            drop_node(&client, node);
        }
    }
    assert_true(given || deltas > HISTORIES * STEPS / 10);
}

/* ---- any order, any subset ---- */

static void bodies_in_any_order_give_what_they_say(void **state)
{
    (void)state;
    struct world w;
    world_open_live(&w);
    random_state = 4711;
    world_beat(&w, "a", "s1", 1);
    for (uint64_t round = 1; round < 400; round++) {
        int expected[IDS];
        memset(expected, -1, sizeof expected);
        struct buf body = BUF_INIT;
        buf_str(&body, "{\"readings\":[");
        for (unsigned i = chance(60); i > 0; i--) {
            unsigned id = chance(IDS), value = chance(5);
            buf_json_sep(&body);
            append_reading(&w, &body, "", id, value);
            expected[id] = (int)value;
        }
        buf_str(&body, "]}");
        assert_int_equal(world_report(&w, "a", REPORT_READINGS, "s1", round, buf_terminate(&body)), 0);
        buf_finish(&body);
        for (int id = 0; id < IDS; id++) {
            char text[8];
            snprintf(text, sizeof text, "t:%d", id);
            const struct item *item = world_item(&w, "a", ITEM_READING, text);
            assert_int_equal(item ? (int)item->number : -1, expected[id]);
        }
    }
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deltas_add_up_to_the_whole),
        cmocka_unit_test(bodies_in_any_order_give_what_they_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
