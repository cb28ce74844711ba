/*
 * mqtt_internal: what mqtt.c (life and state), mqtt_send.c (publish, subscribe), mqtt_connect.c (how a
 * connection comes to stand), mqtt_tls.c (why it did not) and mqtt_io.c (what happens on its socket) share.
 *
 * Each attempt has a libmosquitto handle of its own: so nothing of the last connection is sent again, and
 * every first call is mosquitto_connect_async. While `working`, the handle and `attempt` belong to the
 * worker.
 */
#ifndef MQTT_INTERNAL_H
#define MQTT_INTERNAL_H

#include "backoff.h"
#include "log.h"
#include "mqtt.h"
#include "mqtt_inflight.h"

#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <netinet/in.h>

enum mqtt_state {
    MQTT_IDLE,       /* not started, or stopped */
    MQTT_WAITING,    /* for the next attempt */
    MQTT_WORKING,    /* looking up and connecting, on a worker */
    MQTT_CONNECTING, /* TCP, TLS, CONNACK */
    MQTT_UP,
    MQTT_LEAVING, /* mqtt_stop was called; what is under way is finished */
};

#define MQTT_ADDRESSES_MAX 8

/* One way to the broker. libmosquitto takes the first address of a name and forgets the others, so without
 * TLS it gets numbers; with TLS the name must stay (it is checked against the certificate), and the family is
 * chosen by what it binds to. */
struct mqtt_address {
    char number[INET6_ADDRSTRLEN + 16]; /* with %scope */
    const char *bind;                   /* with TLS: "0.0.0.0" or "::"; else NULL */
};

struct mqtt_attempt {
    struct mqtt *owner; /* not the worker's to touch */
    /* in */
    struct mosquitto *handle;
    const char *host; /* borrowed from the options, which never change */
    bool tls;
    int port, keepalive_s;
    /* kept over the attempts of one round */
    struct mqtt_address addresses[MQTT_ADDRESSES_MAX];
    size_t count, next;
    /* out */
    int lookup_error; /* EAI_…, or 0 */
    int result;       /* MOSQ_ERR_… */
    int error;        /* errno with it */
    size_t tls_hint;  /* what libmosquitto's log said of TLS; 0 = nothing (mqtt_tls.c) */
    long tls_verdict; /* and then OpenSSL's on the certificate, X509_V_…: later its SSL may be gone */
};

/* What libmosquitto's callbacks saw during one call into it; acted upon when the call has returned. */
struct mqtt_seen {
    bool connack, ended, progress;
    int connack_code;
    int end_code; /* MOSQ_ERR_…, or a reason code ≥ 0x80 */
    int end_errno;
};

struct mqtt {
    struct loop *loop;
    struct mqtt_callbacks callbacks;
    void *user;

    char *host, *client_id, *username, *password, *tls_ca, *tls_cert, *tls_key;
    uint16_t port, keepalive_s;
    uint32_t connack_timeout_ms;
    bool client_id_is_unique;
    char *will_topic;
    void *will_payload;
    size_t will_len;
    uint32_t will_expiry_s;

    enum mqtt_state state;
    struct mosquitto *handle;
    struct mqtt_attempt attempt;
    bool working, abandoned;
    struct mqtt_seen seen;
    bool inside; /* in a libmosquitto call */
    bool tcp_up; /* the TCP connection of this attempt stands */
    bool stands; /* and the broker has accepted ours */
    bool delivered;
    bool listening;       /* SUBACK came for all of the first subscriptions */
    unsigned subscribing; /* SUBSCRIBE without SUBACK */

    struct loop_io *io;
    struct loop_timer *tick;  /* each second, for keepalive */
    struct loop_timer *wait;  /* next attempt, or the deadline of this one */
    struct loop_timer *leave; /* the deadline of mqtt_stop */
    struct loop_after *after; /* acts on what a publish ran into, and calls `stopped` */
    void (*stopped)(void *user);
    bool stop_pending, disconnect_sent;

    struct backoff backoff;
    int64_t not_before_ms, up_since_ms; /* monotonic */
    unsigned short_lived;               /* connections in a row that died within SHORT_LIFE_MS */
    bool v5;                            /* of this attempt or connection */
    bool fell_back;                     /* the broker did not take 5 */
    unsigned early_closes;              /* closes before CONNACK in a row, of attempts with 5 */
    unsigned attempts_v3;               /* since the last try with 5 */
    uint32_t max_packet;
    bool no_retain;  /* the broker of this connection keeps no retained messages */
    bool plain_will; /* it refused ours for that: the next attempts' will is not retained */

    struct mqtt_inflight inflight;
    struct mqtt_stats stats;
    struct log_limit refused_limit;
};

/* mqtt_connect.c */
/* Starts an attempt, at once. */
void mqtt_connect_begin(struct mqtt *mqtt);
/* `seen.connack` is set. May call `connected` or `disconnected`. */
void mqtt_connect_answered(struct mqtt *mqtt);
/* This attempt came to nothing before a CONNACK; `closed`: by the broker, after TCP stood. */
void mqtt_connect_failed(struct mqtt *mqtt, const char *reason, bool closed);
/* The standing connection is gone. `taken_over`: by another client. */
void mqtt_connect_lost(struct mqtt *mqtt, const char *reason, bool taken_over);
/* The `wait` timer fired, or an attempt may begin after all. */
void mqtt_connect_wait_over(void *user);
/* Puts off an attempt that is being waited for until not_before_ms. */
void mqtt_connect_postpone(struct mqtt *mqtt);
/* Forgets the handle, its socket and what was under way on it. */
void mqtt_connect_drop(struct mqtt *mqtt);

/* mqtt_text.c */
const char *mqtt_errno_text(int error);
/* What ended a connection: MOSQ_ERR_… with its errno, or a reason code ≥ 0x80. */
const char *mqtt_result_text(int rc, int error);
/* Why the broker did not let us in: the code of a CONNACK. */
const char *mqtt_refusal_text(int code);

/* mqtt_io.c */
void mqtt_on_io(void *user, unsigned events);
void mqtt_on_tick(void *user);
/* Every call into libmosquitto on a socket is followed by this: did it end the connection? */
void mqtt_note_result(struct mqtt *mqtt, int rc, int error);
void mqtt_set_callbacks(struct mosquitto *handle);
/* For the debug topic mqtt: "out", "in", "subscribe", and what. Only to be called if log_debugs(LOG_MQTT). */
void mqtt_debug(const char *what, const char *topic, size_t len, int qos, bool retain);
/* Re-checks the socket's events. */
void mqtt_watch(struct mqtt *mqtt);

/* mqtt_tls.c */
/* Notes what libmosquitto says about TLS: during an attempt only. */
void mqtt_tls_listen(struct mosquitto *handle, bool listen);
/* A better one than `reason`, if the attempt that is just failing did so for TLS; a static text. */
const char *mqtt_tls_reason(const struct mqtt *mqtt, const char *reason, bool closed);

/* Is there no TLS to come first, or does it stand? */
bool mqtt_tls_stands(const struct mqtt *mqtt);

/* mqtt.c */
/* mqtt_stop has come to its end. */
void mqtt_left(struct mqtt *mqtt);
void mqtt_free(struct mqtt *mqtt);

#endif
