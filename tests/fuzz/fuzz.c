#include "fuzz.h"

#include "frame.h"
#include "home_assistant_check.h"
#include "home_assistant_config.h"
#include "metrics.h"
#include "node_state.h"
#include "timestamp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fuzz_require(bool condition, const char *text, const char *file, int line)
{
    if (!condition) {
        fprintf(stderr, "%s:%d: %s does not hold\n", file, line, text);
        abort();
    }
}

char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    require(text != NULL);
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    return text;
}

void fuzz_require_json(const struct buf *text)
{
    require(!text->failed);
    require(json_check(text->data, text->len, JSON_DEPTH_LIMIT, NULL));
}

/* ---- the world ---- */

static void beat(struct fuzz_world *world)
{
    struct fault fault;
    struct heartbeat heartbeat = {.node = "pi",
                                  .type = NODE_ALPACA,
                                  .session = "s",
                                  .seq = 1,
                                  .at_ms = world->now.wall_ms,
                                  .interval_s = 10,
                                  .source = {.ok = true, .since_ms = TIMESTAMP_NONE}};
    for (int kind = 0; kind < REPORT_KINDS; kind++) {
        heartbeat.snapshots[kind].captured_at_ms = TIMESTAMP_NONE;
    }
    require(cache_heartbeat(world->cache, world->pi, &heartbeat, false, -1, true, world->now, &fault) == 0);
}

void fuzz_world_open(struct fuzz_world *world)
{
    struct fault fault;
    *world = (struct fuzz_world){.now = {.mono_ms = 5000000, .wall_ms = INT64_C(1795420800000)}};
    world->cache = cache_create(world->now);
    require(world->cache != NULL);
    cache_link(world->cache, true, world->now);
    world->now.mono_ms += 3600000;
    world->now.wall_ms += 3600000;
    world->pi = cache_add(world->cache, "pi", 2, FOUND_MQTT, world->now, &fault);
    world->edge = cache_add(world->cache, "edge", 4, FOUND_EDGE, world->now, &fault);
    require(world->pi && world->edge);
    beat(world);
}

/* ---- what comes out ---- */

static void refused(void *user, const char *component, size_t key_len, const char *why)
{
    (void)user;
    fprintf(stderr, "refused: %.*s: %s\n", component ? (int)key_len : 0, component ? component : "", why);
}

static void check_discovery(const struct node *node, struct now now, struct buf *out)
{
    const struct ha_options options = {.base_topic = "alpaca", .url = "http://llama/", .version = "1"};
    const struct ha_components none = {0};
    struct ha_components read;
    struct ha_message message;
    buf_reset(out);
    ha_write_node(out, &options, node, &none, NODE_STATE_MAX, now.mono_ms, &message);
    fuzz_require_json(out);
    require(ha_check_message(out->data, out->len, refused, NULL) == 0);
    require(ha_components_read(out->data, out->len, &read) == 0);
    require(read.count == message.after.count);
    ha_components_finish(&read);
    ha_components_finish(&message.after);
}

static void check_node(const struct node *node, struct now now, struct buf *out)
{
    buf_reset(out);
    node_state_write(out, node, NODE_STATE_MAX);
    fuzz_require_json(out);
    buf_reset(out);
    node_state_write_observation(out, node);
    if (out->len > 0) {
        fuzz_require_json(out);
    }
    if (node->item_count[ITEM_READING] > 0) {
        check_discovery(node, now, out);
    }
}

static void check_frame(struct body *body)
{
    require(body != NULL);
    for (size_t i = 0, begin = 0, end; begin < body->len; i++, begin = end) {
        end = body->ends ? body->ends[i] : body->len;
        require(json_check(body->data + begin, end - begin, JSON_DEPTH_LIMIT, NULL));
    }
    body_unref(body);
}

static void check_frames(const struct cache *cache, struct now now)
{
    uint64_t floor = cache_delta_floor(cache);
    struct frame_view view = {.cache = cache, .instance = "instance", .now = now};
    check_frame(frame_snapshot(&view));
    view.parts = true;
    check_frame(frame_snapshot(&view));
    if (!frame_needs_snapshot(&view, floor)) {
        bool empty = false;
        struct body *delta = frame_delta(&view, floor, &empty);
        require(delta || empty);
        if (delta) {
            check_frame(delta);
        }
    }
}

static void check_all(const struct cache *cache, struct now now)
{
    struct buf out = BUF_INIT;
    struct metrics_place place = {0};
    for (const struct node *node = cache_first_node(cache); node; node = node->next) {
        check_node(node, now, &out);
    }
    check_frames(cache, now);
    buf_reset(&out);
    while (!metrics_write_some(&out, cache, now, &place, 1000)) {
    }
    require(!out.failed && out.data[out.len - 1] == '\n');
    buf_finish(&out);
}

void fuzz_world_close(struct fuzz_world *world)
{
    world->now.mono_ms += 60000;
    world->now.wall_ms += 60000;
    cache_tick(world->cache, world->now);
    check_all(world->cache, world->now);
    cache_destroy(world->cache);
}
