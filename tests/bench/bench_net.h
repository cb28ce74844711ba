/*
 * bench_net: just enough MQTT 3.1.1 and WebSocket for load generators. Loopback only; any failure ends the
 * program.
 */
#ifndef BENCH_NET_H
#define BENCH_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
int64_t now_ns(void); /* CLOCK_MONOTONIC */

int net_connect(int port);     /* blocking connect to 127.0.0.1, TCP_NODELAY */
int net_listen(int *ret_port); /* on a free port of 127.0.0.1 */
void net_nonblocking(int fd);
void net_write(int fd, const void *data, size_t len); /* all of it; waits for a non-blocking socket */

/* A receive buffer; complete packets are cut off its front. */
struct inbox {
    unsigned char *data;
    size_t len, cap, used;
};
/* Reads what is there. False at the end of the stream. */
bool inbox_fill(struct inbox *inbox, int fd);

/* ---- MQTT ---- */
struct packet {
    unsigned char type; /* first byte's upper four bits */
    unsigned char flags;
    const unsigned char *body;
    size_t len;
};
bool mqtt_next(struct inbox *inbox, struct packet *ret_packet);
size_t mqtt_publish_size(size_t topic_len, size_t len, int qos);
/* Writes one PUBLISH at `out`, returns its end. */
unsigned char *mqtt_put_publish(unsigned char *out, const char *topic, const void *payload, size_t len,
                                int qos);
int mqtt_client(int port, const char *client_id); /* connected, CONNACK seen */
/* The same with TLS, for the server name `localhost`. One at a time, and only to publish. */
int mqtt_client_tls(int port, const char *client_id, const char *ca_file);
void mqtt_client_publish(int fd, const char *topic, const char *payload, size_t len);
void mqtt_client_subscribe(int fd, const char *filter); /* QoS 0; waits for SUBACK */

/* ---- WebSocket ---- */
int ws_client(int port, const char *path); /* upgraded */
/* The next complete text frame (fragments count one by one). Pings are answered on `fd`. */
bool ws_next(struct inbox *inbox, int fd, const unsigned char **ret_data, size_t *ret_len, bool *ret_final);

#endif
