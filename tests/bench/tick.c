/*
 * tick: what the verdict of many nodes costs.
 *
 *     bench_tick NODES TICKS
 *
 * NODES nodes with a heartbeat each and twenty readings; TICKS ticks of 250 ms during which heartbeats go on
 * for nine tenths of them, while a tenth falls silent. Prints milliseconds per tick.
 */
#include "bench_net.h"
#include "cache.h"
#include "timestamp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS 250

static void beat(struct cache *cache, unsigned n, uint64_t seq, struct now now)
{
    struct fault fault = {.reason = REJECT_NONE};
    struct heartbeat heartbeat = {.type = NODE_ALPACA, .session = "s", .seq = seq, .interval_s = 10};
    snprintf(heartbeat.node, sizeof heartbeat.node, "node-%05u", n);
    heartbeat.at_ms = now.wall_ms;
    heartbeat.source.ok = true;
    heartbeat.source.since_ms = TIMESTAMP_NONE;
    struct node *node = cache_add(cache, heartbeat.node, strlen(heartbeat.node), FOUND_MQTT, now, &fault);
    if (!node || cache_heartbeat(cache, node, &heartbeat, false, -1, false, now, &fault) != 0)
        die("node %u was not taken", n);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        die("usage: bench_tick NODES TICKS");
    unsigned nodes = (unsigned)atoi(argv[1]), ticks = (unsigned)atoi(argv[2]);
    struct now now = {.mono_ms = 1000000, .wall_ms = 1767323045678};
    struct cache *cache = cache_create(now);
    if (!cache)
        die("out of memory");
    cache_link(cache, true, now);
    for (unsigned n = 0; n < nodes; n++)
        beat(cache, n, 1, now);
    for (unsigned tick = 1; tick <= ticks; tick++) {
        now.mono_ms += TICK_MS;
        now.wall_ms += TICK_MS;
        if (tick % 40 == 0) /* ten seconds have passed */
            for (unsigned n = 0; n < nodes; n++)
                if (n % 10 != 0)
                    beat(cache, n, tick, now);
        int64_t start = now_ns();
        cache_tick(cache, now);
        printf("%.3f\n", (double)(now_ns() - start) / 1e6);
    }
    cache_destroy(cache);
    return 0;
}
