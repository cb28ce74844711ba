#include "exposition.h"
#include "status.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static void counter(struct buf *out, const char *name, const char *help, uint64_t value)
{
    exposition_family(out, name, "counter", help);
    exposition_sample(out, name);
    exposition_int(out, (int64_t)value);
}

static void gauge(struct buf *out, const char *name, const char *help, uint64_t value)
{
    exposition_family(out, name, "gauge", help);
    exposition_sample(out, name);
    exposition_int(out, (int64_t)value);
}

static void write_mqtt(struct buf *out, const struct mqtt *mqtt)
{
    const struct mqtt_stats *stats = mqtt_stats(mqtt);
    gauge(out, "llamad_mqtt_up", "1 while the connection to the broker stands.", mqtt_is_up(mqtt));
    counter(out, "llamad_mqtt_received_messages_total", "Messages received from the broker.",
            stats->messages_in);
    counter(out, "llamad_mqtt_received_bytes_total", "Bytes of their payloads.", stats->bytes_in);
    counter(out, "llamad_mqtt_sent_messages_total", "Messages published.", stats->messages_out);
    counter(out, "llamad_mqtt_sent_bytes_total", "Bytes of their payloads.", stats->bytes_out);
    counter(out, "llamad_mqtt_reconnects_total", "Connections to the broker after the first one.",
            stats->connects > 0 ? stats->connects - 1 : 0);
    counter(out, "llamad_mqtt_failed_attempts_total", "Attempts to connect that came to nothing.",
            stats->failed_attempts);
    counter(out, "llamad_mqtt_refused_total", "Refusals by the broker: reason codes of 0x80 and above.",
            stats->refused);
}

static void write_poller(struct buf *out, const struct poller_stats *stats)
{
    const struct {
        const char *outcome;
        uint64_t count;
    } outcomes[] = {{"usable", stats->usable}, {"unusable", stats->unusable}, {"failed", stats->failed}};
    exposition_family(out, "llamad_polls_total", "counter", "Polls of nodes over HTTP, by outcome.");
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++) {
        exposition_sample(out, "llamad_polls_total");
        exposition_word(out, "outcome", outcomes[i].outcome);
        exposition_int(out, (int64_t)outcomes[i].count);
    }
    counter(out, "llamad_poll_requests_total", "HTTP requests that the polls sent.", stats->requests);
    gauge(out, "llamad_polls_in_flight", "Nodes being polled now.", stats->in_flight);
    gauge(out, "llamad_polls_waiting", "Nodes that are due, but must wait for others.", stats->waiting);
    exposition_histogram(out, "llamad_poll_duration_seconds",
                         "How long a poll took, all endpoints of the node together.", &stats->duration);
}

static void write_http(struct buf *out, const struct server_stats *stats, const struct auth_stats *auth)
{
    const struct {
        const char *reason;
        uint64_t count;
    } refusals[] = {{"host", stats->refused_host},       {"origin", stats->refused_origin},
                    {"bad", stats->bad_requests},        {"unauthorized", stats->unauthorized},
                    {"forbidden", stats->forbidden},     {"wrong_login", auth->failed_logins},
                    {"wrong_token", auth->bad_tokens},   {"rate_limited", auth->limited},
                    {"crowded_out", stats->crowded_out}, {"silent", stats->silent}};
    counter(out, "llamad_http_requests_total", "HTTP requests, upgrades to WebSocket included.",
            stats->requests);
    exposition_family(out, "llamad_http_refused_total", "counter",
                      "Requests refused before anything was looked up, by reason.");
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        exposition_sample(out, "llamad_http_refused_total");
        exposition_word(out, "reason", refusals[i].reason);
        exposition_int(out, (int64_t)refusals[i].count);
    }
    counter(out, "llamad_http_sent_bytes_total", "Bytes of answers.",
            stats->bytes_out - stats->live_bytes_out);
    counter(out, "llamad_http_connections_total", "Connections accepted.", stats->connections);
    gauge(out, "llamad_http_connections", "Connections that are open.", stats->open_connections);
    counter(out, "llamad_http_logins_total", "Logins with name and password.", auth->logins);
    gauge(out, "llamad_http_sessions", "Who is logged in, by session.", auth->sessions);
    gauge(out, "llamad_live_sessions", "Live sessions that are open.", stats->live_clients);
    counter(out, "llamad_live_sessions_opened_total", "Live sessions opened.", stats->live_opened);
    counter(out, "llamad_live_sessions_dropped_total", "Live sessions ended since they took nothing.",
            stats->live_dropped);
    counter(out, "llamad_live_sent_frames_total", "Frames pushed to live sessions.", stats->frames_out);
    counter(out, "llamad_live_sent_bytes_total", "Bytes of these frames.", stats->live_bytes_out);
}

static void write_optional(struct buf *out, const struct status_parts *parts)
{
    if (parts->keeper) {
        struct keeper_stats stats = keeper_stats(parts->keeper);
        gauge(out, "llamad_store_up", "1 if what is kept over a restart can be written.", !stats.failing);
        counter(out, "llamad_store_errors_total", "Failed writes of what is kept over a restart.",
                stats.errors);
    }
    if (parts->broker) {
        gauge(out, "llamad_broker_child_up", "1 while the broker that llamad runs is running.",
              broker_is_running(parts->broker));
        counter(out, "llamad_broker_child_restarts_total", "Restarts of the broker that llamad runs.",
                broker_restarts(parts->broker));
        exposition_family(out, "llamad_broker_child_troubles_total", "counter",
                          "What clients of the broker that llamad runs did wrong, as far as it tells.");
        for (enum broker_trouble t = 0; t < BROKER_TROUBLES; t++) {
            exposition_sample(out, "llamad_broker_child_troubles_total");
            exposition_word(out, "kind", broker_trouble_name(t));
            exposition_int(out, (int64_t)broker_troubles(parts->broker)->counts[t]);
        }
    }
}

/* ---- the process; under the names that all Prometheus clients use ---- */

static void write_memory(struct buf *out)
{
    long total_pages, resident_pages;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file && fscanf(file, "%ld %ld", &total_pages, &resident_pages) == 2) {
        gauge(out, "process_resident_memory_bytes", "Resident memory size in bytes.",
              (uint64_t)resident_pages * (uint64_t)sysconf(_SC_PAGESIZE));
    }
    if (file) {
        fclose(file);
    }
}

static void write_descriptors(struct buf *out)
{
    struct rlimit limit;
    uint64_t open = 0;
    DIR *folder = opendir("/proc/self/fd");
    for (const struct dirent *entry = folder ? readdir(folder) : NULL; entry; entry = readdir(folder)) {
        open += entry->d_name[0] != '.';
    }
    if (folder) {
        closedir(folder);
        gauge(out, "process_open_fds", "Number of open file descriptors.", open - 1); /* not the folder */
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        gauge(out, "process_max_fds", "Maximum number of open file descriptors.", (uint64_t)limit.rlim_cur);
    }
}

static void write_process(struct buf *out, const struct status_parts *parts)
{
    struct timespec cpu;
    exposition_one(out, "process_start_time_seconds", "gauge",
                   "Start time of the process since unix epoch in seconds.",
                   (double)parts->started_wall_ms / 1000);
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0) {
        exposition_one(out, "process_cpu_seconds_total", "counter",
                       "Total user and system CPU time spent in seconds.",
                       (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9);
    }
    write_memory(out);
    write_descriptors(out);
}

void status_write_metrics(const struct status_parts *parts, struct buf *out)
{
    write_mqtt(out, ingest_mqtt(parts->ingest));
    write_poller(out, poller_stats(parts->poller));
    write_http(out, server_stats(parts->server), server_auth_stats(parts->server));
    write_optional(out, parts);
    exposition_histogram(out, "llamad_event_loop_lag_seconds",
                         "How late timers were served: what comes in waits as long.", loop_lag(parts->loop));
    write_process(out, parts);
}
