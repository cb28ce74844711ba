/*
 * push: how fast, and to how many, does a published value arrive?
 *
 *     bench_push latency bare|websocket|websocket_tls|mosquitto_sub MQTT_PORT HTTP_PORT COUNT INTERVAL_US
 *     bench_push clients MQTT_PORT HTTP_PORT CLIENTS RATE SECONDS STALLED
 *
 * latency: publishes COUNT changed readings one by one and waits for each: at a bare MQTT socket in this
 * process, at a live WebSocket of llamad (over TLS), or at the output of mosquitto_sub, read from a pipe.
 * Prints microseconds per message. llamad and mosquitto_sub are one process further than the bare socket, the
 * floor.
 *
 * clients: CLIENTS live WebSockets read, STALLED ones never do, while RATE changes a second are published.
 * Prints one JSON object: changes published, deliveries (a collapsed change counts with the one that carried
 * it), and the delay of the slowest client per change.
 */
#include "bench_net.h"
#include "bench_tls.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define NODE "bench-push"
#define MARK "\"value\":"

static void publish_life(int mqtt, unsigned seq)
{
    char text[700];
    int len = snprintf(
        text, sizeof text,
        "{\"v\":1,\"node\":\"" NODE "\",\"type\":\"alpaca\",\"session\":\"push-%d\",\"seq\":%u,"
        "\"at\":\"2026-01-02T03:04:05.678Z\",\"version\":\"1\",\"uptime_s\":1,\"interval_s\":3600,\"url\":"
        "null,"
        "\"utc_offset_s\":0,\"labels\":{},\"source\":{\"kind\":\"system\",\"node_name\":null,\"ok\":true,"
        "\"error\":null,\"since\":null,\"latency_ms\":1},\"snapshots\":{}}",
        (int)getpid(), seq);
    mqtt_client_publish(mqtt, "alpaca/" NODE "/health", text, (size_t)len);
}

static void publish_value(int mqtt, unsigned seq)
{
    char text[512];
    int len = snprintf(
        text, sizeof text,
        "{\"v\":1,\"node\":\"" NODE "\",\"kind\":\"readings\",\"session\":\"push-%d\",\"seq\":%u,"
        "\"captured_at\":\"2026-01-02T03:04:05.678Z\",\"utc_offset_s\":0,"
        "\"body\":{\"timestamp\":\"2026-01-02T03:04:05\",\"readings\":[{\"full_id\":\"bench:n\"," MARK "%u,"
        "\"unit\":null,\"timestamp\":\"2026-01-02T03:04:05\",\"metadata\":null}]}}",
        (int)getpid(), seq, seq);
    mqtt_client_publish(mqtt, "alpaca/" NODE "/readings", text, (size_t)len);
}

/* The value of the bench's reading in this text, 0 if it is not there. */
static unsigned value_in(const unsigned char *data, size_t len)
{
    const char *id = memmem(data, len, "\"bench:n\"", 9);
    if (!id)
        return 0;
    const char *mark = memmem(id, len - (size_t)(id - (const char *)data), MARK, sizeof MARK - 1);
    return mark ? (unsigned)strtoul(mark + sizeof MARK - 1, NULL, 10) : 0;
}

static unsigned drain_mqtt(struct inbox *inbox)
{
    struct packet packet;
    unsigned last = 0, value;
    while (mqtt_next(inbox, &packet))
        if (packet.type == 3 && (value = value_in(packet.body, packet.len)) != 0)
            last = value;
    return last;
}

static unsigned drain_ws(struct inbox *inbox, int fd)
{
    const unsigned char *data;
    size_t len;
    bool final;
    unsigned last = 0, value;
    while (ws_next(inbox, fd, &data, &len, &final))
        if ((value = value_in(data, len)) != 0)
            last = value;
    return last;
}

/* mosquitto_sub, its output in a pipe: what a plain subscriber is to most people. */
static int start_mosquitto_sub(int mqtt_port, pid_t *ret_pid)
{
    int ends[2];
    char port[16];
    snprintf(port, sizeof port, "%d", mqtt_port);
    if (pipe(ends) != 0 || (*ret_pid = fork()) < 0)
        die("cannot start mosquitto_sub");
    if (*ret_pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execlp("mosquitto_sub", "mosquitto_sub", "-V", "5", "-q", "1", "-p", port, "-t",
               "alpaca/" NODE "/readings", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    return ends[0];
}

/* The last value in what the pipe holds now. */
static unsigned drain_pipe(int fd)
{
    static unsigned char text[65536];
    ssize_t len = read(fd, text, sizeof text);
    if (len <= 0)
        die("mosquitto_sub ended");
    return value_in(text, (size_t)len);
}

/* Who waits for the messages. */
struct receiver {
    int fd;
    pid_t child;
    struct tls_client *tls;
    unsigned (*drain)(struct receiver *receiver); /* the last value in what is there now; 0 = none */
    struct inbox inbox;
};

static unsigned from_bare(struct receiver *receiver)
{
    if (!inbox_fill(&receiver->inbox, receiver->fd))
        die("the broker closed");
    return drain_mqtt(&receiver->inbox);
}

static unsigned from_websocket(struct receiver *receiver)
{
    if (!inbox_fill(&receiver->inbox, receiver->fd))
        die("llamad closed");
    return drain_ws(&receiver->inbox, receiver->fd);
}

static unsigned from_websocket_tls(struct receiver *receiver)
{
    if (!tls_fill(receiver->tls, &receiver->inbox))
        die("llamad closed");
    return drain_ws(&receiver->inbox,
                    receiver->fd); /* before the first ping, which would be answered in clear */
}

static unsigned from_pipe(struct receiver *receiver)
{
    return drain_pipe(receiver->fd);
}

static struct receiver start_receiver(const char *who, int mqtt_port, int http_port)
{
    struct receiver receiver = {0};
    if (strcmp(who, "bare") == 0) {
        receiver.fd = mqtt_client(mqtt_port, "bench-sub");
        mqtt_client_subscribe(receiver.fd, "alpaca/" NODE "/readings");
        receiver.drain = from_bare;
    } else if (strcmp(who, "websocket") == 0) {
        receiver.fd = ws_client(http_port, "/api/cluster/live");
        receiver.drain = from_websocket;
    } else if (strcmp(who, "websocket_tls") == 0) {
        receiver.tls = tls_ws_client(http_port, "/api/cluster/live");
        receiver.fd = tls_fd(receiver.tls);
        receiver.drain = from_websocket_tls;
    } else if (strcmp(who, "mosquitto_sub") == 0) {
        receiver.fd = start_mosquitto_sub(mqtt_port, &receiver.child);
        receiver.drain = from_pipe;
    } else {
        die("nobody is called %s", who);
    }
    net_nonblocking(receiver.fd);
    return receiver;
}

/* True once message n was seen, within `timeout_ms` of the last sign of life. */
static bool await_value(struct receiver *receiver, unsigned n, int timeout_ms)
{
    while (poll(&(struct pollfd){.fd = receiver->fd, .events = POLLIN}, 1, timeout_ms) > 0)
        if (receiver->drain(receiver) == n)
            return true;
    return false;
}

/* The publisher speaks TLS to `tls_port` if there is one. */
static void latency(const char *who, int mqtt_port, int http_port, unsigned count, unsigned interval_us,
                    int tls_port, const char *ca_file)
{
    int publisher =
        tls_port ? mqtt_client_tls(tls_port, "bench-pub", ca_file) : mqtt_client(mqtt_port, "bench-pub");
    publish_life(publisher, 1);
    struct receiver receiver = start_receiver(who, mqtt_port, http_port);
    unsigned n = 0;
    do { /* a subscription takes a moment */
        if (n == 100)
            die("%s gets no message", who);
        publish_value(publisher, ++n);
    } while (!await_value(&receiver, n, 50));
    for (unsigned i = 0; i < count; i++, usleep(interval_us)) {
        int64_t start = now_ns();
        publish_value(publisher, ++n);
        if (!await_value(&receiver, n, 5000))
            die("message %u did not arrive within 5 s", n);
        printf("%.1f\n", (double)(now_ns() - start) / 1e3);
    }
    if (receiver.child)
        kill(receiver.child, SIGTERM);
}

struct client {
    int fd;
    struct inbox inbox;
    unsigned seen;
};

static void raise_limit(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void clients(int mqtt_port, int http_port, unsigned count, unsigned rate, unsigned seconds,
                    unsigned stalled)
{
    raise_limit();
    unsigned total = rate * seconds;
    int publisher = mqtt_client(mqtt_port, "bench-pub"), epoll = epoll_create1(EPOLL_CLOEXEC);
    struct client *all = calloc(count + 1, sizeof *all);
    int64_t *sent = calloc(total + 1, sizeof *sent), *slowest = calloc(total + 1, sizeof *slowest);
    if (!all || !sent || !slowest || epoll < 0)
        die("out of memory");
    publish_life(publisher, 1);
    for (unsigned i = 0; i < stalled; i++) {
        int fd = ws_client(http_port, "/api/cluster/live"), small = 4096;
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    }
    for (unsigned i = 0; i < count; i++) {
        all[i].fd = ws_client(http_port, "/api/cluster/live");
        net_nonblocking(all[i].fd);
        epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].fd,
                  &(struct epoll_event){.events = EPOLLIN, .data.ptr = &all[i]});
    }
    puts("connected");
    fflush(stdout);
    unsigned published = 0, done = 0;
    uint64_t deliveries = 0;
    int64_t start = now_ns(), end = start + (int64_t)(seconds + 5) * 1000000000;
    while (done < count && now_ns() < end) {
        while (published < total && now_ns() >= start + (int64_t)published * 1000000000 / rate) {
            sent[++published] = now_ns();
            publish_value(publisher, published);
        }
        struct epoll_event events[256];
        int ready = epoll_wait(epoll, events, 256, 1);
        for (int i = 0; i < ready; i++) {
            struct client *client = events[i].data.ptr;
            if (!inbox_fill(&client->inbox, client->fd))
                die("llamad closed a live client");
            unsigned value = drain_ws(&client->inbox, client->fd);
            if (value <= client->seen)
                continue;
            int64_t at = now_ns();
            for (unsigned n = client->seen + 1; n <= value; n++)
                if (at - sent[n] > slowest[n])
                    slowest[n] = at - sent[n];
            deliveries += value - client->seen;
            client->seen = value;
            done += value == total;
        }
    }
    qsort(slowest + 1, total, sizeof *slowest, compare);
    printf("{\"published\":%u,\"expected\":%llu,\"deliveries\":%llu,\"slowest_p50_ms\":%.2f,\"slowest_p99_"
           "ms\":%.2f}\n",
           published, (unsigned long long)total * count, (unsigned long long)deliveries,
           (double)slowest[1 + total / 2] / 1e6, (double)slowest[1 + total * 99 / 100] / 1e6);
}

int main(int argc, char **argv)
{
    if ((argc == 7 || argc == 9) && strcmp(argv[1], "latency") == 0)
        latency(argv[2], atoi(argv[3]), atoi(argv[4]), (unsigned)atoi(argv[5]), (unsigned)atoi(argv[6]),
                argc == 9 ? atoi(argv[7]) : 0, argc == 9 ? argv[8] : NULL);
    else if (argc == 8 && strcmp(argv[1], "clients") == 0)
        clients(atoi(argv[2]), atoi(argv[3]), (unsigned)atoi(argv[4]), (unsigned)atoi(argv[5]),
                (unsigned)atoi(argv[6]), (unsigned)atoi(argv[7]));
    else
        die("usage: bench_push latency WHO MQTT HTTP COUNT INTERVAL_US [TLS CA] | clients MQTT HTTP CLIENTS "
            "RATE "
            "SECONDS "
            "STALLED");
    return 0;
}
