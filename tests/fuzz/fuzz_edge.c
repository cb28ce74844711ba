/* A message of Smollama's own on smollama/edge/readings: what is made of it is a body like any other. The
 * fixtures have the topic in front. */
#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_world world;
    struct buf body = BUF_INIT;
    struct fault fault;
    char claimed[NODE_NAME_MAX + 1];
    int64_t at_ms;
    const uint8_t *brace = size > 9 && memcmp(data, "smollama/", 9) == 0 ? memchr(data, '{', size) : NULL;
    if (brace) {
        size -= (size_t)(brace - data);
        data = brace;
    }
    fuzz_world_open(&world);
    if (edge_decode((const char *)data, size, world.now.wall_ms, &body, claimed, &at_ms, &fault) == 0) {
        fuzz_require_json(&body);
        cache_edge(world.cache, world.edge, json_root(body.data, body.len), at_ms, world.now, &fault);
    }
    buf_finish(&body);
    fuzz_world_close(&world);
    return 0;
}
