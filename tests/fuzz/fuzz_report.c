/* A report on alpaca/pi/<kind>, once as each kind; then the next of the same session. */
#include "fuzz.h"

static void take(struct fuzz_world *world, const char *payload, size_t len, enum report_kind kind,
                 bool replayed)
{
    struct report report;
    struct fault fault;
    if (report_decode(payload, len, kind, &report, &fault) == 0) {
        cache_report(world->cache, world->pi, &report, replayed, -1, world->now, &fault);
        report.seq++;
        world->now.mono_ms += 5000;
        world->now.wall_ms += 5000;
        cache_report(world->cache, world->pi, &report, replayed, -1, world->now, &fault);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_world world;
    fuzz_world_open(&world);
    for (int kind = 0; kind < REPORT_KINDS; kind++) {
        take(&world, (const char *)data, size, (enum report_kind)kind, kind % 2 == 1);
    }
    fuzz_world_close(&world);
    return 0;
}
