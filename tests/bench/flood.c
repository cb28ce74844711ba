/*
 * flood: how fast can a subscriber take messages?
 *
 *     bench_flood COUNT BYTES NODES 4|5
 *
 * Plays the broker for one subscriber (MQTT 3.1.1 or 5): prints its port, answers CONNECT and SUBSCRIBE, then
 * writes COUNT reports of about BYTES bytes from NODES nodes as fast as the socket takes them. The last one
 * is QoS 1: its PUBACK says that all were taken. Prints seconds. No broker stands between, so the
 * subscriber's own work is what is measured.
 */
#include "bench_net.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ITEM_SIZE 190

static size_t make_report(char *out, size_t size, unsigned node, unsigned seq, unsigned items)
{
    size_t n = (size_t)snprintf(
        out, size,
        "{\"v\":1,\"node\":\"bench-%03u\",\"kind\":\"readings\",\"session\":\"bench\",\"seq\":%u,"
        "\"captured_at\":\"2026-01-02T03:04:05.678Z\",\"utc_offset_s\":0,"
        "\"body\":{\"timestamp\":\"2026-01-02T03:04:05.678901\",\"readings\":[",
        node, seq);
    for (unsigned i = 0; i < items; i++)
        n += (size_t)snprintf(out + n, size - n,
                              "%s{\"full_id\":\"bench:s%02u\",\"value\":%u.25,\"unit\":\"celsius\","
                              "\"timestamp\":\"2026-01-02T03:04:05.678901\",\"metadata\":%s}",
                              i ? "," : "", i, seq + i,
                              items > 1 ? "{\"name\":\"a sensor of the bench\",\"mode\":\"input\",\"pin\":17,"
                                          "\"pull\":\"up\",\"note\":\"fills\"}"
                                        : "null");
    return n + (size_t)snprintf(out + n, size - n, "]}}");
}

/* Answers until the first SUBSCRIBE was acknowledged and its sender has been quiet for 200 ms. */
static void greet(int fd)
{
    struct inbox inbox = {0};
    struct packet packet;
    bool v5 = false, subscribed = false;
    for (;;) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        if (poll(&poll_fd, 1, subscribed ? 200 : 20000) == 0) {
            if (subscribed)
                break;
            die("the subscriber did not subscribe");
        }
        if (!inbox_fill(&inbox, fd))
            die("the subscriber left");
        while (mqtt_next(&inbox, &packet)) {
            if (packet.type == 1) {
                v5 = packet.len > 6 && packet.body[6] == 5;
                net_write(fd, v5 ? "\x20\x03\0\0\0" : "\x20\x02\0\0", v5 ? 5 : 4);
            } else if (packet.type == 8) {
                /* One filter a SUBSCRIBE is what libmosquitto sends. */
                unsigned char answer[6] = {0x90, v5 ? 4 : 3, packet.body[0], packet.body[1], 0, 0};
                net_write(fd, answer, v5 ? 6 : 5);
                subscribed = true;
            } else if (packet.type == 12) {
                net_write(fd, "\xd0\0", 2);
            }
        }
    }
    free(inbox.data);
    if (v5)
        puts("v5");
    else
        puts("v4");
    fflush(stdout);
}

/* In MQTT 5 a property length stands before the payload: an empty one is put in. */
static unsigned char *put(unsigned char *out, bool v5, const char *topic, const char *report, size_t len,
                          int qos)
{
    static char with_properties[65536 + 1];
    if (!v5)
        return mqtt_put_publish(out, topic, report, len, qos);
    with_properties[0] = 0;
    memcpy(with_properties + 1, report, len);
    return mqtt_put_publish(out, topic, with_properties, len + 1, qos);
}

/* What the subscriber says meanwhile is answered, as a broker would: `acks` collects it. True at its PUBACK.
 */
static bool hear(struct inbox *inbox, int fd, unsigned char *acks, size_t size, size_t *used)
{
    struct packet packet;
    bool done = false;
    if (!inbox_fill(inbox, fd))
        die("the subscriber left before the end");
    while (*used + 8 < size && mqtt_next(inbox, &packet)) {
        unsigned char *p = acks + *used;
        if (packet.type == 3 && (packet.flags & 6)) {
            size_t topic_len = (size_t)packet.body[0] << 8 | packet.body[1];
            memcpy(p, "\x40\x02", 2);
            memcpy(p + 2, packet.body + 2 + topic_len, 2);
            *used += 4;
        } else if (packet.type == 8 || packet.type == 10) {
            memcpy(p, packet.type == 8 ? "\x90\x04" : "\xb0\x04", 2);
            memcpy(p + 2, packet.body, 2);
            memset(p + 4, 0, 2);
            *used += 6;
        } else if (packet.type == 12) {
            memcpy(p, "\xd0\0", 2);
            *used += 2;
        }
        done = done || packet.type == 4;
    }
    return done;
}

/* Writes all packets, whose ends are given, and between two of them the answers. */
static void flow(int fd, const unsigned char *all, const size_t *ends, unsigned count)
{
    struct inbox inbox = {0};
    unsigned char acks[4096];
    size_t used = 0, sent = 0, goal = 0;
    unsigned packets = 0;
    for (bool done = false; !done;) {
        bool more = sent < ends[count - 1];
        struct pollfd poll_fd = {.fd = fd, .events = (short)(POLLIN | (more ? POLLOUT : 0))};
        if (sent == goal) {
            net_write(fd, acks, used);
            used = 0;
            while (packets < count && goal - sent < 65536)
                goal = ends[packets++];
        }
        if (poll(&poll_fd, 1, -1) < 0)
            die("poll failed");
        if (poll_fd.revents & (POLLIN | POLLHUP))
            done = hear(&inbox, fd, acks, sizeof acks, &used);
        if (more && (poll_fd.revents & POLLOUT)) {
            ssize_t n = send(fd, all + sent, goal - sent, MSG_NOSIGNAL);
            sent += n > 0 ? (size_t)n : 0;
        }
    }
    free(inbox.data);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        die("usage: bench_flood COUNT BYTES NODES 4|5");
    unsigned count = (unsigned)atoi(argv[1]), bytes = (unsigned)atoi(argv[2]),
             nodes = (unsigned)atoi(argv[3]);
    bool v5 = atoi(argv[4]) == 5;
    unsigned items = bytes > 600 ? (bytes - 200) / ITEM_SIZE : 1;
    unsigned char *all = malloc((size_t)count * (bytes + 512u)), *p = all;
    size_t *ends = malloc(count * sizeof *ends);
    if (!all || !ends)
        die("out of memory");
    static char report[65536];
    size_t len = 0;
    for (unsigned i = 0; i < count; i++) {
        char topic[64];
        snprintf(topic, sizeof topic, "alpaca/bench-%03u/readings", i % nodes);
        len = make_report(report, sizeof report, i % nodes, i / nodes + 1, items);
        p = put(p, v5, topic, report, len, i + 1 == count);
        ends[i] = (size_t)(p - all);
    }
    int port, listener = net_listen(&port);
    printf("%d %zu\n", port, len);
    fflush(stdout);
    int fd = accept(listener, NULL, NULL);
    if (fd < 0)
        die("accept failed");
    greet(fd);
    net_nonblocking(fd);
    int64_t start = now_ns();
    flow(fd, all, ends, count);
    printf("%.6f\n", (double)(now_ns() - start) / 1e9);
    free(all);
    free(ends);
    close(fd);
    close(listener);
    return 0;
}
