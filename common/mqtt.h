/*
 * mqtt: one connection to one broker, on the loop (libmosquitto).
 *
 * It connects, reconnects with back-off and jitter, falls back from MQTT 5 to 3.1.1 as the contract says, and
 * never blocks: name look-up and connect run on a worker. All callbacks come on the loop's thread. While
 * disconnected nothing is queued: mqtt_publish returns -ENOTCONN, and the owner sends what is current in its
 * on_connected. Source: MQTT 5.0 (OASIS), libmosquitto 2.0; contract section 1, "Connection".
 */
#ifndef MQTT_H
#define MQTT_H

#include "loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mqtt;

/* The `reason` when the broker says so, or when three connections in a row died within 5 s (not with a client
 * id that nobody else can have). The next attempt then waits at least 30 s. */
#define MQTT_TAKEN_OVER "session taken over: another client uses this client id"

struct mqtt_message {
    const char *topic;   /* NUL-terminated, valid UTF-8 */
    const char *payload; /* len bytes, not NUL-terminated; NULL when empty */
    size_t len;
    int qos;
    bool retain;            /* a replayed retained message (MQTT: retain flag as received) */
    bool has_expiry;        /* expiry_left_s is valid (MQTT 5) */
    uint32_t expiry_left_s; /* message expiry interval as received */
    uint32_t expiry_s;      /* user property `expiry`: what it was when published; 0 = none */
};

struct mqtt_options {
    const char *host; /* name or number; copied, as all strings here */
    uint16_t port;
    const char *client_id;
    bool
        client_id_is_unique; /* random, say: short-lived connections are the broker's fault, not a double's */
    const char *username, *password;         /* NULL = none */
    const char *tls_ca, *tls_cert, *tls_key; /* file names; tls_ca NULL = no TLS */
    uint16_t keepalive_s;
    uint32_t min_backoff_ms, max_backoff_ms; /* 0 = 1,000 and 30,000 */
    uint32_t connack_timeout_ms;             /* 0 = 10,000; from the start of the TCP connect */
    /* Will; topic NULL = none. QoS 1, retained (unless the broker refuses that), expiry_s as for publishes.
     * Copied. */
    const char *will_topic;
    const void *will_payload;
    size_t will_len;
    uint32_t will_expiry_s;
};

/* Any may be NULL. `user` is passed to all. */
struct mqtt_callbacks {
    void (*connected)(void *user);
    /* `reason`: a short static or owned text, valid during the call ("connection refused", "session taken
     * over", …). Called once per lost connection, and once per failed attempt (was_up false). next_try_ms is
     * the wait before the next attempt. */
    void (*disconnected)(void *user, bool was_up, const char *reason, uint32_t next_try_ms);
    void (*message)(void *user, const struct mqtt_message *message);
    /* A reason code ≥ 0x80 in PUBACK, SUBACK or DISCONNECT; topic NULL if not known. Already counted and
     * logged. */
    void (*refused)(void *user, const char *topic, int reason_code, const char *reason_name);
    /* After each batch of messages of one loop turn was delivered. */
    void (*drained)(void *user);
};

struct mqtt_stats {
    uint64_t connects, disconnects, failed_attempts;
    uint64_t messages_in, bytes_in, messages_out, bytes_out;
    uint64_t refused;    /* reason codes ≥ 0x80 */
    unsigned unanswered; /* attempts in a row, to this one, that nobody answered before their deadline */
};

/* Borrows the loop and callbacks' user. NULL with errno (ENOMEM, EINVAL, EIO for unreadable TLS files:
 * *ret_error, optional, a static text). */
struct mqtt *mqtt_create(struct loop *loop, const struct mqtt_options *options,
                         const struct mqtt_callbacks *callbacks, void *user, const char **ret_error);
/* Starts connecting; returns at once. */
void mqtt_start(struct mqtt *mqtt);
bool mqtt_is_up(const struct mqtt *mqtt); /* CONNACK with success was received, and the connection stands */
/* It is up, and the broker has answered what was subscribed to in `connected`: what is published from now on
 * is heard. Until then it may be missed. */
bool mqtt_is_listening(const struct mqtt *mqtt);
bool mqtt_is_v5(const struct mqtt *mqtt); /* the standing connection speaks MQTT 5 */
/* The broker's Maximum Packet Size; UINT32_MAX if it named none. */
uint32_t mqtt_max_packet(const struct mqtt *mqtt);
/* The numeric local address of the connection's socket, e.g. "192.168.1.10"; false when down. */
bool mqtt_local_address(const struct mqtt *mqtt, char *buffer, size_t size);
/* The topic is written to the socket at once if it takes it. expiry_s 0 = no expiry; otherwise (MQTT 5 only)
 * Message Expiry and the user property `expiry`. 0, -ENOTCONN, -E2BIG (above the broker's packet size),
 * -EINVAL (bad topic), -ENOMEM, -ENOBUFS (too much is unacknowledged), -EOPNOTSUPP (a broker without retained
 * messages). */
int mqtt_publish(struct mqtt *mqtt, const char *topic, const void *payload, size_t len, int qos, bool retain,
                 uint32_t expiry_s);
/* Has the broker still to answer a publish (QoS 1) on this topic? What it has not answered is lost with the
 * connection: each one is a session of its own. */
bool mqtt_is_under_way(const struct mqtt *mqtt, const char *topic);
/* How many publishes (QoS 1), subscriptions and their ends it has still to answer. */
size_t mqtt_under_way(const struct mqtt *mqtt);
/* Does the standing connection's broker keep retained messages? One that does not refuses them. */
bool mqtt_retains(const struct mqtt *mqtt);
/* Subscribes now; must be repeated in each `connected`. 0 or -errno as above. */
int mqtt_subscribe(struct mqtt *mqtt, const char *filter, int qos);
int mqtt_unsubscribe(struct mqtt *mqtt, const char *filter);
/* Other values than those of the options; the keep-alive takes effect at the next connect. */
void mqtt_set_pace(struct mqtt *mqtt, uint16_t keepalive_s, uint32_t max_backoff_ms);
/* Replaces the will: takes effect at the next connect. */
int mqtt_set_will(struct mqtt *mqtt, const char *topic, const void *payload, size_t len, uint32_t expiry_s);
/* The next attempt comes not before `ms` from now (kept over the coming disconnect). */
void mqtt_hold_off(struct mqtt *mqtt, uint32_t ms);
/* Bytes and messages that libmosquitto has not handed to the socket or not seen acknowledged yet? */
bool mqtt_is_flushed(const struct mqtt *mqtt);
/* Sends DISCONNECT and stays down. `done` (may be NULL) is called once, when all was flushed or after
 * timeout_ms. */
void mqtt_stop(struct mqtt *mqtt, uint32_t timeout_ms, void (*done)(void *user));
const struct mqtt_stats *mqtt_stats(const struct mqtt *mqtt);
/* Not inside a callback of this mqtt. If a worker still hangs in a look-up, the handle is leaked on purpose
 * and the caller should end by _exit: returns false then. */
bool mqtt_destroy(struct mqtt *mqtt);

#endif
