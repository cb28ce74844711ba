/*
 * fleet: a cluster at its usual pace.
 *
 *     bench_fleet MQTT_PORT NODES READINGS
 *
 * Plays NODES agents over one connection until it is ended: each sends a heartbeat every 10 s and, every 5 s,
 * a report in which all of its READINGS have moved, evenly spread over time. Prints "ready" when all have
 * spoken once.
 */
#include "bench_net.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define READINGS_NS  5000000000
#define HEARTBEAT_NS 10000000000

struct fleet {
    int mqtt;
    unsigned nodes, readings;
    char *text;
    size_t size;
};

static void write_time(char *out, size_t size)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t n = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out + n, size - n, ".%03ld", now.tv_nsec / 1000000);
}

static void publish(const struct fleet *fleet, unsigned node, const char *kind, size_t len)
{
    char topic[64];
    snprintf(topic, sizeof topic, "alpaca/fleet-%04u/%s", node, kind);
    mqtt_client_publish(fleet->mqtt, topic, fleet->text, len);
}

static void heartbeat(const struct fleet *fleet, unsigned node, unsigned seq)
{
    char now[40];
    write_time(now, sizeof now);
    int n =
        snprintf(fleet->text, fleet->size,
                 "{\"v\":1,\"node\":\"fleet-%04u\",\"type\":\"alpaca\",\"session\":\"fleet\",\"seq\":%u,"
                 "\"at\":\"%sZ\","
                 "\"version\":\"0.1.0\",\"uptime_s\":%u,\"interval_s\":10,\"url\":null,\"utc_offset_s\":0,"
                 "\"labels\":{\"room\":\"room-%u\"},\"source\":{\"kind\":\"smollama\",\"node_name\":\"fleet-%"
                 "04u\",\"ok\":true,"
                 "\"error\":null,\"since\":\"%sZ\",\"latency_ms\":3},\"snapshots\":{}}",
                 node, seq, now, 10 * seq, node % 20, node, now);
    publish(fleet, node, "health", (size_t)n);
}

static void report(const struct fleet *fleet, unsigned node, unsigned seq)
{
    static const char *const units[] = {"celsius", "percent", "mb", "mhz", "hpa"};
    char now[40];
    write_time(now, sizeof now);
    size_t n =
        (size_t)snprintf(fleet->text, fleet->size,
                         "{\"v\":1,\"node\":\"fleet-%04u\",\"kind\":\"readings\",\"session\":\"fleet\","
                         "\"seq\":%u,\"captured_at\":\"%sZ\",\"utc_offset_s\":0,"
                         "\"body\":{\"timestamp\":\"%s000\",\"readings\":[",
                         node, seq, now, now);
    for (unsigned i = 0; i < fleet->readings; i++) {
        double value = 40 + 20 * sin(0.05 * seq + node * 0.7 + i) + (double)(seq % 10) / 100;
        n += (size_t)snprintf(fleet->text + n, fleet->size - n,
                              "%s{\"full_id\":\"sensor:channel_%02u\",\"value\":%.2f,\"unit\":\"%s\","
                              "\"timestamp\":\"%s000\",\"metadata\":null}",
                              i ? "," : "", i, value, units[i % 5], now);
    }
    n += (size_t)snprintf(fleet->text + n, fleet->size - n, "]}}");
    publish(fleet, node, "readings", n);
}

static void stats(const struct fleet *fleet, unsigned node)
{
    int n = snprintf(fleet->text, fleet->size,
                     "{\"v\":1,\"node\":\"fleet-%04u\",\"kind\":\"stats\",\"session\":\"fleet\",\"seq\":1,"
                     "\"captured_at\":\"2026-01-02T03:04:05.678Z\",\"utc_offset_s\":0,\"body\":"
                     "{\"node_name\":\"fleet-%04u\",\"timestamp\":\"2026-01-02T03:04:05.678901\","
                     "\"readings_count\":1200,\"observations_count\":4,\"memories_count\":2}}",
                     node, node);
    publish(fleet, node, "stats", (size_t)n);
}

static void sleep_until(int64_t at_ns)
{
    int64_t wait_ns = at_ns - now_ns();
    if (wait_ns > 0)
        nanosleep(&(struct timespec){wait_ns / 1000000000, wait_ns % 1000000000}, NULL);
}

/* Node `i` of round `r` speaks when it is its turn; a round lasts as long as the distance of two reports. */
static void run(const struct fleet *fleet)
{
    const unsigned beats = HEARTBEAT_NS / READINGS_NS;
    int64_t start = now_ns();
    for (unsigned round = 0;; round++) {
        for (unsigned node = 0; node < fleet->nodes; node++) {
            sleep_until(start + round * READINGS_NS + READINGS_NS * node / fleet->nodes);
            if (round % beats == 0)
                heartbeat(fleet, node, 2 + round / beats);
            report(fleet, node, 2 + round);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 4)
        die("usage: bench_fleet MQTT_PORT NODES READINGS");
    struct fleet fleet = {.nodes = (unsigned)atoi(argv[2]), .readings = (unsigned)atoi(argv[3])};
    fleet.size = 1024 + fleet.readings * 200u;
    fleet.text = malloc(fleet.size);
    if (!fleet.text)
        die("out of memory");
    fleet.mqtt = mqtt_client(atoi(argv[1]), "bench-fleet");
    for (unsigned node = 0; node < fleet.nodes; node++) {
        heartbeat(&fleet, node, 1);
        report(&fleet, node, 1);
        stats(&fleet, node);
    }
    puts("ready");
    fflush(stdout);
    run(&fleet);
    return 0;
}
