/* A socket with a broker behind it: what libmosquitto reports, reading and writing, and what follows. */
#include "mqtt_internal.h"

#include "clock.h"
#include "utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* One turn reads at most this much, so that timers and browsers get their turn during a replay of thousands
 * of messages. The socket stays readable, so the rest comes in the next turn. */
#define READ_CALLS_MAX 256
#define READ_MS_MAX    5
#define RESET_TEXT     "connection reset before the broker answered; does that port want TLS?"
#define TLS_ALERT      0x15 /* RFC 8446, 5.1: no MQTT packet from a broker begins so */

/* --- what libmosquitto reports; only noted, acted upon in settle() --- */

static void on_connect(struct mosquitto *handle, void *user, int code, int flags,
                       const mosquitto_property *properties)
{
    (void)handle;
    (void)flags;
    struct mqtt *mqtt = user;
    mqtt->seen.progress = true;
    mqtt->seen.connack = true;
    mqtt->seen.connack_code = code;
    if (properties) {
        uint8_t retains = 1; /* absent: it does */
        mosquitto_property_read_int32(properties, MQTT_PROP_MAXIMUM_PACKET_SIZE, &mqtt->max_packet, false);
        mosquitto_property_read_byte(properties, MQTT_PROP_RETAIN_AVAILABLE, &retains, false);
        mqtt->no_retain = retains == 0;
    }
}

static void on_disconnect(struct mosquitto *handle, void *user, int code,
                          const mosquitto_property *properties)
{
    (void)handle;
    (void)properties;
    struct mqtt *mqtt = user;
    if (!mqtt->seen.ended) {
        mqtt->seen.ended = true;
        mqtt->seen.end_code = code;
        mqtt->seen.end_errno = errno;
    }
}

/* Counts, logs and reports a reason code ≥ 0x80. `what` was refused or done by the broker. */
static void refuse(struct mqtt *mqtt, const char *what, const char *topic, int code)
{
    const char *name = mosquitto_reason_string(code);
    uint64_t suppressed;
    mqtt->stats.refused++;
    if (log_limit_pass(&mqtt->refused_limit, clock_now().mono_ms, &suppressed)) {
        char shown[LOG_TEXT];
        const char *text = topic ? log_escape(shown, sizeof shown, topic, strlen(topic)) : "";
        log_warning("mqtt: %s: %s (0x%02x)%s%s", what, name, (unsigned)code, topic ? ", topic " : "", text);
        if (suppressed) {
            log_warning("mqtt: %llu more refusals were not logged", (unsigned long long)suppressed);
        }
    }
    if (mqtt->callbacks.refused) {
        mqtt->callbacks.refused(mqtt->user, topic, code, name);
    }
}

static void on_publish(struct mosquitto *handle, void *user, int mid, int code,
                       const mosquitto_property *properties)
{
    (void)handle;
    (void)properties;
    struct mqtt *mqtt = user;
    mqtt->seen.progress = true;
    char *topic = mqtt_inflight_take(&mqtt->inflight, (uint16_t)mid);
    if (code >= 0x80) {
        refuse(mqtt, "publish refused", topic, code);
    }
    free(topic);
}

static void on_subscribe(struct mosquitto *handle, void *user, int mid, int count, const int *granted,
                         const mosquitto_property *properties)
{
    (void)handle;
    (void)properties;
    struct mqtt *mqtt = user;
    mqtt->seen.progress = true;
    if (mqtt->subscribing > 0 && --mqtt->subscribing == 0) {
        mqtt->listening = true;
    }
    char *filter = mqtt_inflight_take(&mqtt->inflight, (uint16_t)mid);
    for (int i = 0; i < count; i++) {
        if (granted[i] >= 0x80) {
            refuse(mqtt, "subscription refused", filter, granted[i]);
        }
    }
    free(filter);
}

static void on_unsubscribe(struct mosquitto *handle, void *user, int mid,
                           const mosquitto_property *properties)
{
    (void)handle;
    (void)properties;
    struct mqtt *mqtt = user;
    mqtt->seen.progress = true;
    free(mqtt_inflight_take(&mqtt->inflight, (uint16_t)mid));
}

/* The number in the user property `expiry`, 0 if there is none. Only the first few are looked at. */
static uint32_t original_expiry(const mosquitto_property *properties)
{
    uint32_t expiry = 0;
    const mosquitto_property *p = properties;
    for (unsigned i = 0; p && i < 8 && expiry == 0; i++) {
        char *name = NULL, *value = NULL;
        p = mosquitto_property_read_string_pair(p, MQTT_PROP_USER_PROPERTY, &name, &value, i > 0);
        size_t digits = p && value ? strspn(value, "0123456789") : 0;
        if (p && name && strcmp(name, "expiry") == 0 && digits > 0 && digits <= 10 && value[digits] == '\0') {
            unsigned long long number = strtoull(value, NULL, 10);
            expiry = number <= UINT32_MAX ? (uint32_t)number : 0;
        }
        free(name);
        free(value);
    }
    return expiry;
}

void mqtt_debug(const char *what, const char *topic, size_t len, int qos, bool retain)
{
    char shown[LOG_TEXT];
    log_debug(LOG_MQTT, "%s %s: %zu bytes, QoS %d%s", what,
              log_escape(shown, sizeof shown, topic, strlen(topic)), len, qos, retain ? ", retained" : "");
}

static void on_message(struct mosquitto *handle, void *user, const struct mosquitto_message *m,
                       const mosquitto_property *properties)
{
    (void)handle;
    struct mqtt *mqtt = user;
    mqtt->seen.progress = true;
    if (!m->topic || !utf8_valid(m->topic, strlen(m->topic)) || m->payloadlen < 0) {
        return; /* no broker that keeps to MQTT sends it */
    }
    struct mqtt_message message = {
        .topic = m->topic,
        .payload = m->payloadlen > 0 ? m->payload : NULL,
        .len = (size_t)m->payloadlen,
        .qos = m->qos,
        .retain = m->retain,
    };
    if (properties) {
        message.has_expiry = mosquitto_property_read_int32(properties, MQTT_PROP_MESSAGE_EXPIRY_INTERVAL,
                                                           &message.expiry_left_s, false) != NULL;
        message.expiry_s = original_expiry(properties);
    }
    if (log_debugs(LOG_MQTT)) {
        mqtt_debug("in", m->topic, message.len, m->qos, m->retain);
    }
    mqtt->stats.messages_in++;
    mqtt->stats.bytes_in += message.len;
    mqtt->delivered = true;
    if (mqtt->callbacks.message && mqtt->state == MQTT_UP) {
        mqtt->callbacks.message(mqtt->user, &message);
    }
}

void mqtt_set_callbacks(struct mosquitto *handle)
{
    mosquitto_connect_v5_callback_set(handle, on_connect);
    mosquitto_disconnect_v5_callback_set(handle, on_disconnect);
    mosquitto_publish_v5_callback_set(handle, on_publish);
    mosquitto_subscribe_v5_callback_set(handle, on_subscribe);
    mosquitto_unsubscribe_v5_callback_set(handle, on_unsubscribe);
    mosquitto_message_v5_callback_set(handle, on_message);
}

/* --- the socket --- */

void mqtt_note_result(struct mqtt *mqtt, int rc, int error)
{
    if (!mqtt->seen.ended && (rc != MOSQ_ERR_SUCCESS || mosquitto_socket(mqtt->handle) < 0)) {
        mqtt->seen.ended = true;
        mqtt->seen.end_code = rc;
        mqtt->seen.end_errno = error;
    }
}

void mqtt_watch(struct mqtt *mqtt)
{
    unsigned events = LOOP_READ;
    bool write = mosquitto_want_write(mqtt->handle);
    if (mqtt->state == MQTT_CONNECTING && mqtt->tls_ca) {
        /* want_write stays true through the whole handshake, and the loop would spin. What is written here is
         * small, and goes out when the next part of the handshake was read. */
        write = false;
    }
    if (write || (mqtt->state == MQTT_CONNECTING && !mqtt->tcp_up)) {
        events |= LOOP_WRITE;
    }
    int e = loop_io_watch(mqtt->io, events);
    if (e) {
        mqtt_note_result(mqtt, MOSQ_ERR_ERRNO, -e);
        loop_after_arm(mqtt->after);
    }
}

static void read_available(struct mqtt *mqtt)
{
    int64_t until_ms = clock_now().mono_ms + READ_MS_MAX;
    for (unsigned i = 0; i < READ_CALLS_MAX; i++) {
        mqtt->seen.progress = false;
        mqtt->inside = true;
        errno = 0;
        int rc = mosquitto_loop_read(mqtt->handle, 1);
        int error = errno;
        mqtt->inside = false;
        mqtt_note_result(mqtt, rc, error);
        if (mqtt->seen.ended || mqtt->seen.connack) {
            return;
        }
        /* EAGAIN alone may be left over from a write; with nothing read it means that nothing is there. */
        if (error == EAGAIN && !mqtt->seen.progress) {
            return;
        }
        if (clock_now().mono_ms > until_ms) {
            break;
        }
    }
    if (mqtt->tls_ca) {
        loop_after_arm(mqtt->after); /* decrypted bytes may wait where the socket does not show them */
    }
}

static void write_pending(struct mqtt *mqtt)
{
    mqtt->inside = true;
    errno = 0;
    int rc = mosquitto_loop_write(mqtt->handle, 1);
    int error = errno;
    mqtt->inside = false;
    mqtt_note_result(mqtt, rc, error);
}

/* True if the TCP connection of this attempt stands and was not closed; else the attempt has been ended, or
 * there is nothing to do yet. libmosquitto names no error here, and in a TLS handshake not even the end. */
static bool check_tcp(struct mqtt *mqtt)
{
    int fd = mosquitto_socket(mqtt->handle);
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error) {
        /* Only who has accepted a connection resets it. */
        bool closed = mqtt->tcp_up || error == ECONNRESET;
        mqtt_connect_failed(mqtt, closed ? RESET_TEXT : mqtt_errno_text(error), closed);
        return false;
    }
    struct sockaddr_storage peer;
    socklen_t peer_size = sizeof peer;
    if (!mqtt->tcp_up && getpeername(fd, (struct sockaddr *)&peer, &peer_size) < 0) {
        /* A spurious wake-up; or it was accepted and reset already, of which the worker took the error. */
        char none;
        ssize_t dead = recv(fd, &none, 1, MSG_PEEK | MSG_DONTWAIT);
        if (dead == 0 || (dead < 0 && errno != EAGAIN && errno != EINTR)) {
            mqtt_connect_failed(mqtt, RESET_TEXT, true);
        }
        return false;
    }
    mqtt->tcp_up = true;
    char byte;
    ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n == 1 && byte == TLS_ALERT && !mqtt->tls_ca) {
        mqtt_connect_failed(mqtt, "that port speaks TLS, which mqtt.tls.ca turns on", false);
        return false;
    }
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        mqtt_connect_failed(mqtt, "closed by the broker before it answered", true);
        return false;
    }
    return true;
}

/* --- what follows from what was seen --- */

static void ended(struct mqtt *mqtt)
{
    int code = mqtt->seen.end_code;
    const char *reason = mqtt_result_text(code, mqtt->seen.end_errno);
    if (mqtt->state == MQTT_LEAVING) {
        mqtt_left(mqtt);
        return;
    }
    if (mqtt->state == MQTT_CONNECTING) {
        bool closed = code == MOSQ_ERR_CONN_LOST || (code == MOSQ_ERR_ERRNO && mqtt->seen.end_errno == EPIPE);
        mqtt_connect_failed(mqtt, reason, closed);
        return;
    }
    if (code >= 0x80) {
        refuse(mqtt, "the broker ended the connection", NULL, code);
    }
    mqtt_connect_lost(mqtt, reason, code == MQTT_RC_SESSION_TAKEN_OVER);
}

/* Leaving: DISCONNECT goes when everything else has gone and was acknowledged. */
static void leave(struct mqtt *mqtt)
{
    if (mqtt->disconnect_sent || mqtt->inflight.count > 0 || mosquitto_want_write(mqtt->handle)) {
        return;
    }
    mqtt->disconnect_sent = true;
    mqtt->inside = true;
    int rc = mosquitto_disconnect_v5(mqtt->handle, 0, NULL);
    mqtt->inside = false;
    mqtt_note_result(mqtt, rc, errno);
}

/* After every call into libmosquitto: the socket, or the whole connection, may be another than before. */
static void settle(struct mqtt *mqtt)
{
    if (mqtt->seen.connack && mqtt->state == MQTT_CONNECTING) {
        mqtt_connect_answered(mqtt);
    }
    if (mqtt->state == MQTT_LEAVING && mqtt->stands && !mqtt->seen.ended) {
        leave(mqtt);
    }
    if (mqtt->io && mqtt->seen.ended) {
        ended(mqtt);
    } else if (mqtt->io) {
        mqtt_watch(mqtt);
    }
}

void mqtt_on_io(void *user, unsigned events)
{
    struct mqtt *mqtt = user;
    mqtt->delivered = false;
    if (mqtt->state == MQTT_LEAVING && !mqtt->stands) {
        return; /* stopped before the broker answered: about to be dropped */
    }
    if (mqtt->state == MQTT_CONNECTING) {
        if (!check_tcp(mqtt)) {
            return;
        }
        events |= LOOP_READ; /* where a TLS handshake goes on */
    }
    if (!mqtt->seen.ended && (events & LOOP_READ)) {
        read_available(mqtt);
    }
    if (!mqtt->seen.ended && mosquitto_want_write(mqtt->handle)) {
        write_pending(mqtt);
    }
    settle(mqtt);
    if (mqtt->delivered && mqtt->callbacks.drained) {
        mqtt->callbacks.drained(mqtt->user);
    }
}

void mqtt_on_tick(void *user)
{
    struct mqtt *mqtt = user;
    mqtt->inside = true;
    errno = 0;
    int rc = mosquitto_loop_misc(mqtt->handle);
    int error = errno;
    mqtt->inside = false;
    mqtt_note_result(mqtt, rc, error);
    settle(mqtt);
}
