/* How a connection comes to stand: look-up and connect on a worker, version, deadlines, back-off. */
#include "mqtt_internal.h"

#include "clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define SHORT_LIFE_MS        5000 /* a connection that dies earlier than this after CONNACK is short-lived */
#define SHORT_LIVED_MAX      3    /* so many in a row mean that two clients throw each other out */
#define TAKEN_OVER_WAIT_MS   30000
#define TAKEN_OVER_JITTER_MS 15000
#define EARLY_CLOSES_MAX     2
#define V5_EVERY             10 /* attempts after a fall-back: one in so many tries MQTT 5 again */
/* The largest packet we ask the broker to send: the contract's limit plus topic and properties. */
#define PACKET_MAX 1048576
/* QoS 1 messages on their way to us; with libmosquitto's 20 a replay would wait for round trips. */
#define RECEIVE_MAX 1000

/* --- on the worker: nothing but *attempt is touched --- */

static void look_up(struct mqtt_attempt *attempt)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    attempt->count = attempt->next = 0;
    attempt->lookup_error = getaddrinfo(attempt->host, NULL, &hints, &list);
    if (attempt->lookup_error) {
        return;
    }
    bool family_seen[2] = {false, false};
    for (const struct addrinfo *a = list; a && attempt->count < MQTT_ADDRESSES_MAX; a = a->ai_next) {
        bool v6 = a->ai_family == AF_INET6;
        struct mqtt_address *address = &attempt->addresses[attempt->count];
        if ((a->ai_family != AF_INET && !v6) || (attempt->tls && family_seen[v6])) {
            continue;
        }
        if (getnameinfo(a->ai_addr, a->ai_addrlen, address->number, sizeof address->number, NULL, 0,
                        NI_NUMERICHOST) != 0) {
            continue;
        }
        family_seen[v6] = true;
        address->bind = attempt->tls ? (v6 ? "::" : "0.0.0.0") : NULL;
        attempt->count++;
    }
    freeaddrinfo(list);
    if (attempt->count == 0) {
        attempt->lookup_error = EAI_NONAME;
    }
}

static void attempt_work(void *user)
{
    struct mqtt_attempt *attempt = user;
    attempt->lookup_error = 0;
    if (attempt->next >= attempt->count) {
        look_up(attempt);
    }
    if (attempt->lookup_error) {
        return;
    }
    const struct mqtt_address *address = &attempt->addresses[attempt->next++];
    errno = 0;
    attempt->result =
        mosquitto_connect_bind_async(attempt->handle, attempt->tls ? attempt->host : address->number,
                                     attempt->port, attempt->keepalive_s, address->bind);
    attempt->error = errno;
}

/* --- a handle for one attempt --- */

/* Never asks on the terminal: a key with a passphrase is an error that is reported. */
static int no_passphrase(char *buffer, int size, int for_writing, void *user)
{
    (void)for_writing;
    (void)user;
    if (size > 0) {
        buffer[0] = '\0';
    }
    return 0;
}

static int set_will(struct mqtt *mqtt, struct mosquitto *handle)
{
    mosquitto_property *properties = NULL;
    int rc = MOSQ_ERR_SUCCESS;
    if (!mqtt->will_topic) {
        return rc;
    }
    if (mqtt->v5 && mqtt->will_expiry_s) {
        char number[16];
        snprintf(number, sizeof number, "%u", (unsigned)mqtt->will_expiry_s);
        rc =
            mosquitto_property_add_int32(&properties, MQTT_PROP_MESSAGE_EXPIRY_INTERVAL, mqtt->will_expiry_s);
        if (!rc) {
            rc = mosquitto_property_add_string_pair(&properties, MQTT_PROP_USER_PROPERTY, "expiry", number);
        }
    }
    if (!rc) {
        rc = mosquitto_will_set_v5(handle, mqtt->will_topic, (int)mqtt->will_len, mqtt->will_payload, 1,
                                   !mqtt->plain_will, properties);
    }
    if (rc) {
        mosquitto_property_free_all(&properties); /* on success the handle has taken them */
    }
    return rc;
}

/* Session expiry needs no property: absent is 0. */
static int set_connect_properties(struct mosquitto *handle)
{
    mosquitto_property *properties = NULL;
    int rc = mosquitto_property_add_int32(&properties, MQTT_PROP_MAXIMUM_PACKET_SIZE, PACKET_MAX);
    if (!rc) {
        rc = mosquitto_property_add_int16(&properties, MQTT_PROP_RECEIVE_MAXIMUM, RECEIVE_MAX);
    }
    if (!rc) {
        /* The only function that takes CONNECT properties is one that connects, blocking. Without a host it
         * stores them and then refuses; mosquitto_connect_bind_async uses what is stored. */
        int refused = mosquitto_connect_bind_v5(handle, NULL, 0, 0, NULL, properties);
        rc = refused == MOSQ_ERR_INVAL ? MOSQ_ERR_SUCCESS : refused;
    }
    mosquitto_property_free_all(&properties);
    return rc;
}

static struct mosquitto *make_handle(struct mqtt *mqtt, const char **ret_error)
{
    struct mosquitto *handle = mosquitto_new(mqtt->client_id, true, mqtt);
    if (!handle) {
        *ret_error = "out of memory";
        return NULL;
    }
    int rc = mosquitto_int_option(handle, MOSQ_OPT_PROTOCOL_VERSION,
                                  mqtt->v5 ? MQTT_PROTOCOL_V5 : MQTT_PROTOCOL_V311);
    if (!rc) {
        rc = mosquitto_int_option(handle, MOSQ_OPT_TCP_NODELAY, 1);
    }
    if (!rc && (mqtt->username || mqtt->password)) {
        rc = mosquitto_username_pw_set(handle, mqtt->username, mqtt->password);
    }
    if (!rc && mqtt->tls_ca) {
        rc = mosquitto_tls_set(handle, mqtt->tls_ca, NULL, mqtt->tls_cert, mqtt->tls_key, no_passphrase);
    }
    if (!rc) {
        rc = set_will(mqtt, handle);
    }
    if (!rc && mqtt->v5) {
        rc = set_connect_properties(handle);
    }
    if (rc) {
        *ret_error = mosquitto_strerror(rc);
        mosquitto_destroy(handle);
        return NULL;
    }
    mqtt_set_callbacks(handle);
    mqtt_tls_listen(handle, mqtt->tls_ca);
    return handle;
}

/* --- attempts --- */

static void attempt_done(void *user);

/* The next address of this round, or a new look-up. */
static void try_next(struct mqtt *mqtt)
{
    const char *error = NULL;
    mqtt->seen = (struct mqtt_seen){0};
    mqtt->attempt.tls_hint = 0;
    mqtt->tcp_up = false;
    mqtt->max_packet = UINT32_MAX;
    mqtt->no_retain = false;
    mqtt->handle = make_handle(mqtt, &error);
    mqtt->attempt.handle = mqtt->handle;
    mqtt->attempt.keepalive_s = mqtt->keepalive_s;
    int e = mqtt->handle ? loop_work(mqtt->loop, attempt_work, attempt_done, &mqtt->attempt) : 0;
    if (!mqtt->handle || e) {
        mqtt->attempt.count = mqtt->attempt.next = 0; /* not the address's fault */
        mqtt_connect_failed(mqtt, e ? mqtt_errno_text(-e) : error, false);
        return;
    }
    log_debug(LOG_MQTT, "connecting to %s:%u as %s (MQTT %s%s)", mqtt->host, (unsigned)mqtt->port,
              mqtt->client_id, mqtt->v5 ? "5" : "3.1.1", mqtt->tls_ca ? ", TLS" : "");
    mqtt->working = true;
    mqtt->state = MQTT_WORKING;
}

void mqtt_connect_begin(struct mqtt *mqtt)
{
    if (mqtt->working) {
        mqtt->state = MQTT_WAITING; /* an earlier attempt, stopped since, is still being looked up */
        return;
    }
    mqtt->v5 = true;
    if (mqtt->fell_back && ++mqtt->attempts_v3 % V5_EVERY != 0) {
        mqtt->v5 = false;
    }
    mqtt->attempt.count = mqtt->attempt.next = 0;
    try_next(mqtt);
}

static void attempt_done(void *user)
{
    struct mqtt_attempt *attempt = user;
    struct mqtt *mqtt = attempt->owner;
    mqtt->working = false;
    if (mqtt->abandoned) {
        mqtt_free(mqtt);
        return;
    }
    if (mqtt->state != MQTT_WORKING) {
        mqtt_connect_drop(mqtt);
        if (mqtt->state == MQTT_LEAVING) {
            mqtt_left(mqtt);
        } else if (mqtt->state == MQTT_WAITING && !loop_timer_active(mqtt->wait)) {
            mqtt_connect_begin(mqtt);
        }
        return;
    }
    if (attempt->lookup_error) {
        mqtt_connect_failed(mqtt, "the broker's name cannot be resolved", false);
        return;
    }
    int rc = attempt->result;
    if (rc != MOSQ_ERR_SUCCESS && rc != MOSQ_ERR_CONN_PENDING) {
        mqtt_connect_failed(mqtt, mqtt_result_text(rc, attempt->error), false);
        return;
    }
    mqtt->io = loop_io_create(mqtt->loop, mosquitto_socket(mqtt->handle), mqtt_on_io, mqtt);
    if (!mqtt->io) {
        mqtt_connect_failed(mqtt, mqtt_errno_text(errno), false);
        return;
    }
    mqtt->state = MQTT_CONNECTING;
    loop_timer_start(mqtt->wait, mqtt->connack_timeout_ms, 0);
    mqtt_watch(mqtt);
}

void mqtt_connect_drop(struct mqtt *mqtt)
{
    loop_io_destroy(mqtt->io);
    mqtt->io = NULL;
    mosquitto_destroy(mqtt->handle);
    mqtt->handle = NULL;
    loop_timer_stop(mqtt->wait);
    loop_timer_stop(mqtt->tick);
    mqtt->stands = mqtt->listening = false;
    mqtt->subscribing = 0;
    mqtt_inflight_clear(&mqtt->inflight);
    mqtt->seen = (struct mqtt_seen){0};
}

/* --- waiting --- */

/* Waits, then tries anew; tells the owner. `ms` is made longer by mqtt_hold_off. */
static void wait_for_next(struct mqtt *mqtt, bool was_up, const char *reason, uint32_t ms)
{
    int64_t held = mqtt->not_before_ms - clock_now().mono_ms;
    if (held > (int64_t)ms) {
        ms = (uint32_t)held;
    }
    mqtt->state = MQTT_WAITING;
    loop_timer_start(mqtt->wait, ms, 0);
    if (mqtt->callbacks.disconnected) {
        mqtt->callbacks.disconnected(mqtt->user, was_up, reason, ms);
    }
}

void mqtt_connect_postpone(struct mqtt *mqtt)
{
    int64_t held = mqtt->not_before_ms - clock_now().mono_ms;
    if (mqtt->state == MQTT_WAITING && held > 0) {
        loop_timer_start(mqtt->wait, (uint64_t)held, 0);
    }
}

void mqtt_connect_wait_over(void *user)
{
    struct mqtt *mqtt = user;
    if (mqtt->state == MQTT_WAITING) {
        mqtt_connect_begin(mqtt);
    } else if (mqtt->state == MQTT_CONNECTING) {
        mqtt->stats.unanswered++;
        mqtt_connect_failed(mqtt, mqtt->tcp_up ? "the broker does not answer" : mqtt_errno_text(ETIMEDOUT),
                            false);
    }
}

static void fall_back(struct mqtt *mqtt)
{
    if (!mqtt->fell_back) {
        log_info("mqtt: the broker does not take MQTT 5; going on with 3.1.1");
    }
    mqtt->fell_back = true;
    mqtt->early_closes = 0;
}

void mqtt_connect_failed(struct mqtt *mqtt, const char *reason, bool closed)
{
    bool more = !mqtt->tcp_up && mqtt->attempt.next < mqtt->attempt.count;
    bool v5 = mqtt->v5;
    reason = mqtt_tls_reason(mqtt, reason, closed);
    bool spoke = mqtt_tls_stands(mqtt); /* else it closed on TLS, and an older MQTT would not help */
    mqtt_connect_drop(mqtt);
    if (more) {
        try_next(mqtt); /* the other family, or another of the broker's addresses */
        return;
    }
    mqtt->stats.failed_attempts++;
    if (closed) {
        mqtt->stats.unanswered = 0; /* somebody closed it */
    }
    bool at_once = false;
    if (closed && spoke && v5 && (mqtt->fell_back || ++mqtt->early_closes >= EARLY_CLOSES_MAX)) {
        fall_back(mqtt);
        at_once = true;
    }
    wait_for_next(mqtt, false, reason, at_once ? 0 : backoff_next_ms(&mqtt->backoff));
}

/* --- the broker's answer --- */

static void refused_by_broker(struct mqtt *mqtt, int code)
{
    bool version = code == CONNACK_REFUSED_PROTOCOL_VERSION || code == MQTT_RC_UNSUPPORTED_PROTOCOL_VERSION;
    const char *reason = mqtt_refusal_text(code);
    if (code == MQTT_RC_RETAIN_NOT_SUPPORTED && mqtt->will_topic && !mqtt->plain_will) {
        log_warning("mqtt: the broker keeps no retained messages; going on without");
        mqtt->plain_will = true;
        mqtt_connect_drop(mqtt);
        mqtt->stats.failed_attempts++;
        wait_for_next(mqtt, false, reason, 0);
        return;
    }
    if (!mqtt->v5 || !version) {
        mqtt_connect_failed(mqtt, reason, false);
        return;
    }
    mqtt_connect_drop(mqtt);
    mqtt->stats.failed_attempts++;
    fall_back(mqtt);
    wait_for_next(mqtt, false, "the broker does not speak MQTT 5", 0);
}

void mqtt_connect_answered(struct mqtt *mqtt)
{
    mqtt->seen.connack = false;
    mqtt->stats.unanswered = 0;
    if (mqtt->seen.connack_code != 0) {
        refused_by_broker(mqtt, mqtt->seen.connack_code);
        return;
    }
    log_debug(LOG_MQTT, "CONNACK: packets of up to %u bytes%s", (unsigned)mqtt->max_packet,
              mqtt->no_retain ? ", no retained messages" : "");
    mqtt_tls_listen(mqtt->handle, false);
    loop_timer_stop(mqtt->wait);
    loop_timer_start(mqtt->tick, 1000, 1000);
    mqtt->state = MQTT_UP;
    mqtt->stands = true;
    mqtt->up_since_ms = clock_now().mono_ms;
    mqtt->stats.connects++;
    mqtt->early_closes = 0;
    mqtt->plain_will = mqtt->plain_will && mqtt->no_retain;
    if (mqtt->v5) {
        mqtt->fell_back = false;
        mqtt->attempts_v3 = 0;
    }
    if (mqtt->callbacks.connected) {
        mqtt->callbacks.connected(mqtt->user);
    }
}

void mqtt_connect_lost(struct mqtt *mqtt, const char *reason, bool taken_over)
{
    int64_t lived_ms = clock_now().mono_ms - mqtt->up_since_ms;
    mqtt_connect_drop(mqtt);
    mqtt->stats.disconnects++;
    if (lived_ms >= SHORT_LIFE_MS) {
        mqtt->short_lived = 0;
        /* Not at CONNACK already: a broker that accepts and then closes would be asked every second. */
        backoff_reset(&mqtt->backoff);
    } else if (!mqtt->client_id_is_unique) {
        mqtt->short_lived++;
    }
    uint32_t wait_ms = backoff_next_ms(&mqtt->backoff);
    if (taken_over || mqtt->short_lived >= SHORT_LIVED_MAX) {
        reason = MQTT_TAKEN_OVER;
        uint32_t long_ms = TAKEN_OVER_WAIT_MS + backoff_random(&mqtt->backoff, TAKEN_OVER_JITTER_MS);
        wait_ms = wait_ms > long_ms ? wait_ms : long_ms;
    }
    wait_for_next(mqtt, true, reason, wait_ms);
}
