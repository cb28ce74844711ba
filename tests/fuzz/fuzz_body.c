/* What a polled node answers, taken for each of its four endpoints; and twice, as a master's. */
#include "fuzz.h"

static void poll(struct fuzz_world *world, struct node *node, struct json_slice body)
{
    struct fault fault;
    cache_poll_started(world->cache, node, world->now);
    for (int kind = 0; kind < REPORT_KINDS; kind++) {
        cache_poll_body(world->cache, node, (enum report_kind)kind, body, world->now.wall_ms, 3600,
                        world->now, &fault);
    }
    const struct probe_result result = {
        .outcome = PROBE_OK, .answered = true, .latency_ms = 5, .node_name = "polled"};
    cache_poll_finished(world->cache, node, &result, world->now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_world world;
    struct fault fault;
    if (!json_check((const char *)data, size, JSON_MAX_DEPTH, NULL)) {
        return 0;
    }
    struct json_slice body = json_root((const char *)data, size);
    fuzz_world_open(&world);
    struct node *node = cache_add(world.cache, "polled", 6, FOUND_MQTT, world.now, &fault);
    require(node != NULL);
    poll(&world, node, body);
    world.now.mono_ms += 60000;
    world.now.wall_ms += 60000;
    poll(&world, node, body);
    fuzz_world_close(&world);
    return 0;
}
