#include "publisher.h"

#include "log.h"
#include "messages.h"
#include "mqtt.h"
#include "timestamp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENT_ID_SIZE       (sizeof "alpaca-" + NODE_NAME_MAX)
#define ALL_KINDS            ((1u << REPORT_KINDS) - 1)
#define RETRY_MS             50 /* how often a clogged connection is looked at */
#define BEATS_UNACKNOWLEDGED 60 /* a broker that takes none of so many gets no more */
/* The PUBLISH packet around a payload: fixed header, topic, packet id, expiry and its user property. */
#define PACKET_OVERHEAD (TOPIC_SIZE + 64)

struct publisher {
    struct loop *loop;
    const struct config *config;
    struct agent *agent;
    struct mqtt *mqtt;
    struct loop_timer *heartbeat;
    struct loop_timer *refresh;
    struct loop_timer *retry;
    char session[SESSION_MAX + 1];
    char status_topic[TOPIC_SIZE];
    uint64_t beats;           /* heartbeats sent, and the last one's seq */
    unsigned beats_unflushed; /* in a row, while the connection was clogged */
    unsigned waiting;         /* bit per kind: a report to be sent */
    int64_t status_sent_ms;
    uint32_t retain_for_s; /* what the retained messages were told */
    bool stopping;
    char last_reason[LOG_TEXT]; /* of the failed attempts in a row, so that each reason is logged once */
    publisher_link_fn *link;
    void *link_user;
    void (*stopped)(void *user);
    void *stopped_user;
};

/* --- status --- */

static int publish(struct publisher *publisher, const char *topic, const void *payload, size_t len)
{
    return mqtt_publish(publisher->mqtt, topic, payload, len, 1, true, publisher->config->retain_for_s);
}

static void send_status(struct publisher *publisher, bool online)
{
    struct buf payload = BUF_INIT;
    struct now now = clock_now();
    message_status(publisher->session, online, !online, now.wall_ms, &payload);
    int e = publish(publisher, publisher->status_topic, payload.data, payload.len);
    if (e) {
        log_warning("mqtt: cannot publish the status: %s", strerror(-e));
    }
    publisher->status_sent_ms = now.mono_ms;
    buf_finish(&payload);
}

/* The will's time is that of the connect it belongs to. */
static void set_will(struct publisher *publisher, int64_t at_ms)
{
    struct buf payload = BUF_INIT;
    message_status(publisher->session, false, false, at_ms, &payload);
    int e = mqtt_set_will(publisher->mqtt, publisher->status_topic, payload.data, payload.len,
                          publisher->config->retain_for_s);
    if (e) {
        log_error("mqtt: cannot set the will: %s", strerror(-e));
    }
    buf_finish(&payload);
}

/* --- reports --- */

static void send_report(struct publisher *publisher, enum report_kind kind)
{
    const char *payload;
    size_t len;
    char topic[TOPIC_SIZE];
    if (!agent_report(publisher->agent, kind, &payload, &len)) {
        return;
    }
    topic_format(publisher->config->base_topic, publisher->config->node, report_topic(kind), topic,
                 sizeof topic);
    int e = publish(publisher, topic, payload, len);
    if (e == 0) {
        agent_note_sent(publisher->agent, kind, clock_now());
    } else if (e != -ENOTCONN) {
        log_warning("mqtt: cannot publish %s (%zu bytes): %s", report_kind_name(kind), len, strerror(-e));
    }
}

static void send_waiting(struct publisher *publisher)
{
    for (unsigned kind = 0; kind < REPORT_KINDS; kind++) {
        if (publisher->waiting & (1u << kind)) {
            send_report(publisher, (enum report_kind)kind);
        }
    }
    publisher->waiting = 0;
    loop_timer_stop(publisher->retry);
}

/* Sends what waits now, or when the broker has taken what is under way. */
static void send_when_flushed(struct publisher *publisher)
{
    if (mqtt_is_flushed(publisher->mqtt)) {
        send_waiting(publisher);
    } else if (!loop_timer_active(publisher->retry)) {
        loop_timer_start(publisher->retry, RETRY_MS, RETRY_MS);
    }
}

static void on_retry(void *user)
{
    struct publisher *publisher = user;
    if (mqtt_is_up(publisher->mqtt) && mqtt_is_flushed(publisher->mqtt)) {
        send_waiting(publisher);
    }
}

void publisher_report(struct publisher *publisher, enum report_kind kind)
{
    if (publisher->stopping || !mqtt_is_up(publisher->mqtt)) {
        return; /* all is sent after the connect */
    }
    publisher->waiting |= 1u << kind;
    send_when_flushed(publisher);
}

/* Retained messages expire at the broker; what never changes must be said again. */
static void resend_old(struct publisher *publisher, struct now now, int64_t resend_ms)
{
    for (unsigned kind = 0; kind < REPORT_KINDS; kind++) {
        if (agent_resend_due(publisher->agent, (enum report_kind)kind, now)) {
            publisher_report(publisher, (enum report_kind)kind);
        }
    }
    if (now.mono_ms - publisher->status_sent_ms >= resend_ms) {
        send_status(publisher, true);
    }
}

/* --- the heartbeat --- */

static void send_heartbeat(struct publisher *publisher)
{
    char topic[TOPIC_SIZE];
    struct buf payload = BUF_INIT;
    topic_format(publisher->config->base_topic, publisher->config->node, TOPIC_HEALTH, topic, sizeof topic);
    char address[64];
    bool known = mqtt_local_address(publisher->mqtt, address, sizeof address);
    int e = message_heartbeat(publisher->config, publisher->agent, publisher->beats + 1,
                              known ? address : NULL, clock_now(), &payload);
    if (e == 0) {
        e = publish(publisher, topic, payload.data, payload.len);
    }
    if (e == 0) {
        publisher->beats++;
    } else {
        log_warning("mqtt: cannot publish a heartbeat: %s", strerror(-e));
    }
    buf_finish(&payload);
}

static void on_heartbeat(void *user)
{
    struct publisher *publisher = user;
    if (publisher->stopping || !mqtt_is_up(publisher->mqtt)) {
        return;
    }
    publisher->beats_unflushed = mqtt_is_flushed(publisher->mqtt) ? 0 : publisher->beats_unflushed + 1;
    if (publisher->beats_unflushed < BEATS_UNACKNOWLEDGED) {
        send_heartbeat(publisher);
    }
    resend_old(publisher, clock_now(), agent_resend_ms(publisher->agent));
}

/* --- refresh --- */

static void on_refresh(void *user)
{
    struct publisher *publisher = user;
    if (!publisher->stopping && mqtt_is_up(publisher->mqtt)) {
        log_debug(LOG_MQTT, "all reports are sent again, as asked for");
        publisher->waiting = ALL_KINDS;
        send_when_flushed(publisher);
        agent_refresh_sent(publisher->agent, clock_now());
    }
}

static void plan_refresh(struct publisher *publisher)
{
    if (loop_timer_active(publisher->refresh)) {
        return; /* one answer for all who ask meanwhile */
    }
    agent_refresh_asked(publisher->agent);
    int64_t wait_ms = agent_next_refresh(publisher->agent) - clock_now().mono_ms;
    loop_timer_start(publisher->refresh, wait_ms > 0 ? (uint64_t)wait_ms : 0, 0);
}

/* --- what the connection says --- */

static void on_connected(void *user)
{
    struct publisher *publisher = user;
    const struct config *config = publisher->config;
    char topic[TOPIC_SIZE];
    publisher->link(publisher->link_user, NULL);
    log_info("mqtt: connected to %s:%u as alpaca-%s (MQTT %s)", config->broker, (unsigned)config->broker_port,
             config->node, mqtt_is_v5(publisher->mqtt) ? "5" : "3.1.1");
    publisher->last_reason[0] = '\0';
    publisher->beats_unflushed = 0;
    uint32_t packet = mqtt_max_packet(publisher->mqtt);
    agent_set_report_limit(publisher->agent, packet > PACKET_OVERHEAD ? packet - PACKET_OVERHEAD : 0);
    topic_format(config->base_topic, config->node, TOPIC_REFRESH, topic, sizeof topic);
    int e = mqtt_subscribe(publisher->mqtt, topic, 1);
    if (e) {
        log_warning("mqtt: cannot subscribe to %s: %s", topic, strerror(-e));
    }
    publisher->retain_for_s = config->retain_for_s;
    send_status(publisher, true);
    publisher->waiting = ALL_KINDS;
    send_waiting(publisher);
    agent_refresh_sent(publisher->agent, clock_now());
    send_heartbeat(publisher);
    loop_timer_start(publisher->heartbeat, config->heartbeat_s * 1000, config->heartbeat_s * 1000);
}

static void on_disconnected(void *user, bool was_up, const char *reason, uint32_t next_try_ms)
{
    struct publisher *publisher = user;
    char text[LOG_TEXT];
    log_escape(text, sizeof text, reason, strlen(reason));
    if (strcmp(reason, MQTT_TAKEN_OVER) == 0) {
        log_warning("mqtt: another agent uses this name (%s) at %s:%u; each node needs its own node.name",
                    publisher->config->node, publisher->config->broker,
                    (unsigned)publisher->config->broker_port);
    }
    if (was_up || strcmp(text, publisher->last_reason) != 0) {
        log_warning("mqtt: %s %s:%u: %s; trying again in %.1f s", was_up ? "lost" : "cannot connect to",
                    publisher->config->broker, (unsigned)publisher->config->broker_port, text,
                    next_try_ms / 1000.0);
    }
    publisher->link(publisher->link_user, text);
    snprintf(publisher->last_reason, sizeof publisher->last_reason, "%s", was_up ? "" : text);
    publisher->waiting = 0;
    loop_timer_stop(publisher->retry);
    loop_timer_stop(publisher->refresh);
    set_will(publisher, clock_now().wall_ms + next_try_ms);
}

static void on_message(void *user, const struct mqtt_message *message)
{
    struct publisher *publisher = user;
    struct topic topic;
    /* A retained refresh is somebody's mistake, and would ask after each connect, when all is sent anyway. */
    if (topic_parse(publisher->config->base_topic, message->topic, &topic) && topic.kind == TOPIC_REFRESH &&
        !message->retain) {
        plan_refresh(publisher);
    }
}

static void on_stopped(void *user)
{
    struct publisher *publisher = user;
    publisher->stopped(publisher->stopped_user);
}

/* --- reload --- */

static uint32_t clamp(uint32_t value, uint32_t min, uint32_t max)
{
    return value < min ? min : value > max ? max : value;
}

static void set_pace(struct publisher *publisher)
{
    uint32_t two_beats_s = 2 * publisher->config->heartbeat_s;
    /* llamad waits 2.5 heartbeats for everybody after a broker came back: be there before that. */
    mqtt_set_pace(publisher->mqtt, (uint16_t)clamp(two_beats_s, 10, UINT16_MAX),
                  1000 * clamp(two_beats_s, 2, 30));
}

/* What was kept for a shorter time would vanish, or for a longer one stay, until it is next sent again. */
static void send_all_again(struct publisher *publisher)
{
    publisher->retain_for_s = publisher->config->retain_for_s;
    publisher->waiting = ALL_KINDS;
    send_status(publisher, true);
    send_when_flushed(publisher);
}

void publisher_config_changed(struct publisher *publisher)
{
    set_will(publisher, clock_now().wall_ms);
    set_pace(publisher);
    if (publisher->stopping || !mqtt_is_up(publisher->mqtt)) {
        return;
    }
    if (publisher->retain_for_s != publisher->config->retain_for_s) {
        send_all_again(publisher);
    }
    uint64_t interval_ms = (uint64_t)publisher->config->heartbeat_s * 1000;
    send_heartbeat(publisher);
    loop_timer_start(publisher->heartbeat, interval_ms, interval_ms);
}

/* --- how it is --- */

void publisher_write_status(const struct publisher *publisher, struct buf *out)
{
    const struct mqtt *mqtt = publisher->mqtt;
    const struct mqtt_stats *stats = mqtt_stats(mqtt);
    buf_json_key(out, "connected");
    buf_json_bool(out, mqtt_is_up(mqtt));
    buf_json_key(out, "protocol");
    buf_json_cstr(out, !mqtt_is_up(mqtt) ? NULL : mqtt_is_v5(mqtt) ? "5" : "3.1.1");
    buf_json_key(out, "connects");
    buf_json_int(out, (int64_t)stats->connects);
    buf_json_key(out, "failed_attempts");
    buf_json_int(out, (int64_t)stats->failed_attempts);
    buf_json_key(out, "messages_out");
    buf_json_int(out, (int64_t)stats->messages_out);
    buf_json_key(out, "refused");
    buf_json_int(out, (int64_t)stats->refused);
}

uint64_t publisher_heartbeats(const struct publisher *publisher)
{
    return publisher->beats;
}

/* --- life --- */

static struct mqtt *create_mqtt(struct publisher *publisher, const char **ret_why)
{
    static const struct mqtt_callbacks callbacks = {
        .connected = on_connected,
        .disconnected = on_disconnected,
        .message = on_message,
    };
    const struct config *config = publisher->config;
    char client_id[CLIENT_ID_SIZE];
    snprintf(client_id, sizeof client_id, "alpaca-%s", config->node);
    struct mqtt_options options = {
        .host = config->broker,
        .port = config->broker_port,
        .client_id = client_id,
        .username = config->username,
        .password = config->password,
        .tls_ca = config->tls_ca,
        .tls_cert = config->tls_cert,
        .tls_key = config->tls_key,
    };
    return mqtt_create(publisher->loop, &options, &callbacks, publisher, ret_why);
}

struct publisher *publisher_create(struct loop *loop, const struct config *config, struct agent *agent,
                                   const char *session, publisher_link_fn *link, void *link_user,
                                   const char **ret_why)
{
    struct publisher *publisher = calloc(1, sizeof *publisher);
    if (!publisher) {
        return NULL;
    }
    publisher->loop = loop;
    publisher->config = config;
    publisher->agent = agent;
    publisher->link = link;
    publisher->link_user = link_user;
    snprintf(publisher->session, sizeof publisher->session, "%s", session);
    int e = topic_format(config->base_topic, config->node, TOPIC_STATUS, publisher->status_topic,
                         sizeof publisher->status_topic);
    if (e) {
        errno = -e;
        goto fail;
    }
    publisher->heartbeat = loop_timer_create(loop, on_heartbeat, publisher);
    publisher->refresh = loop_timer_create(loop, on_refresh, publisher);
    publisher->retry = loop_timer_create(loop, on_retry, publisher);
    if (!publisher->heartbeat || !publisher->refresh || !publisher->retry) {
        goto fail;
    }
    publisher->mqtt = create_mqtt(publisher, ret_why);
    if (!publisher->mqtt) {
        goto fail;
    }
    set_pace(publisher);
    set_will(publisher, clock_now().wall_ms);
    return publisher;
fail:
    e = errno;
    publisher_destroy(publisher);
    errno = e;
    return NULL;
}

void publisher_start(struct publisher *publisher)
{
    mqtt_start(publisher->mqtt);
}

void publisher_stop(struct publisher *publisher, bool say_offline, uint32_t timeout_ms,
                    void (*done)(void *user), void *user)
{
    publisher->stopping = true;
    publisher->stopped = done;
    publisher->stopped_user = user;
    loop_timer_stop(publisher->heartbeat);
    loop_timer_stop(publisher->refresh);
    loop_timer_stop(publisher->retry);
    if (say_offline && mqtt_is_up(publisher->mqtt)) {
        send_status(publisher, false);
    }
    mqtt_stop(publisher->mqtt, timeout_ms, on_stopped);
}

void publisher_destroy(struct publisher *publisher)
{
    if (!publisher) {
        return;
    }
    mqtt_destroy(publisher->mqtt);
    loop_timer_destroy(publisher->heartbeat);
    loop_timer_destroy(publisher->refresh);
    loop_timer_destroy(publisher->retry);
    free(publisher);
}
