/* A retained message under our discovery topic, by whomever: what was announced before is what the next
 * message of the node goes by. */
#include "fuzz.h"
#include "home_assistant_check.h"
#include "home_assistant_config.h"

#include <string.h>

static void quiet(void *user, const char *component, size_t key_len, const char *why)
{
    (void)user, (void)component, (void)key_len, (void)why;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char readings[] =
        "{\"readings\":[{\"full_id\":\"a\",\"value\":1},{\"full_id\":\"b\",\"value\":true}]}";
    const struct ha_options options = {.base_topic = "alpaca", .url = "", .version = "1"};
    struct ha_components before;
    struct fuzz_world world;
    struct fault fault;
    ha_check_message((const char *)data, size, quiet, NULL);
    if (ha_components_read((const char *)data, size, &before) != 0) {
        return 0;
    }
    fuzz_world_open(&world);
    cache_edge(world.cache, world.edge, json_root(readings, strlen(readings)), world.now.wall_ms, world.now,
               &fault);
    struct buf out = BUF_INIT;
    struct ha_message message = {.removes = true};
    for (int i = 0; message.removes; i++) {
        require(i < 200);
        buf_reset(&out);
        ha_write_node(&out, &options, world.edge, &before, HA_LEAST, 1, &message);
        fuzz_require_json(&out);
        require(out.len <= HA_LEAST);
        ha_components_finish(&before);
        before = message.after;
    }
    ha_components_finish(&before);
    buf_finish(&out);
    fuzz_world_close(&world);
    return 0;
}
