/* A heartbeat and a status of the node pi; one that is taken survives being written and read again. */
#include "fuzz.h"

#include <string.h>

static void check_again(const struct heartbeat *heartbeat)
{
    struct heartbeat again;
    struct fault fault;
    struct buf out = BUF_INIT;
    require(heartbeat_encode(&out, heartbeat) == 0);
    fuzz_require_json(&out);
    require(heartbeat_decode(out.data, out.len, &again, &fault) == 0);
    require(strcmp(again.node, heartbeat->node) == 0 && strcmp(again.session, heartbeat->session) == 0);
    require(again.seq == heartbeat->seq && again.interval_s == heartbeat->interval_s);
    require(again.label_count == heartbeat->label_count);
    buf_finish(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_world world;
    struct heartbeat heartbeat;
    struct status status;
    struct fault fault;
    fuzz_world_open(&world);
    if (heartbeat_decode((const char *)data, size, &heartbeat, &fault) == 0) {
        check_again(&heartbeat);
        cache_heartbeat(world.cache, world.pi, &heartbeat, false, -1, true, world.now, &fault);
        heartbeat.seq++;
        cache_heartbeat(world.cache, world.pi, &heartbeat, true, 3, false, world.now, &fault);
    }
    if (status_decode((const char *)data, size, &status, &fault) == 0) {
        cache_status(world.cache, world.pi, &status, false, world.now);
    }
    fuzz_world_close(&world);
    return 0;
}
