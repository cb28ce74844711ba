#include "ingest.h"

#include "complaint.h"
#include "missing.h"
#include "timestamp.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EDGE_FILTER "smollama/+/readings"

struct ingest {
    struct cache *cache;
    struct mqtt *mqtt;
    char base_topic[BASE_TOPIC_MAX + 1];
    char host[256];
    uint16_t port;
    struct ingest_callbacks callbacks;
    struct complaints complaints;
    struct log_limit attempts; /* failed connects */
    struct buf body;           /* of the edge message in hand */
    struct missing *missing;   /* snapshots that the broker did not deliver */
    void (*stopped)(void *user);
    void *stopped_user;
};

/* A message on its way in. */
struct incoming {
    struct ingest *ingest;
    const struct mqtt_message *message;
    struct topic topic;
    struct node *node; /* NULL until somebody by that name is known */
    int64_t age_s;     /* of a replayed message; -1 = unknown */
    struct now now;
};

/* --- refusing --- */

static void log_fault(const struct incoming *in, const struct fault *fault)
{
    complain(&in->ingest->complaints, "ingest", in->message->topic, strlen(in->message->topic), fault,
             in->now.mono_ms);
}

static void reject(const struct incoming *in, const struct fault *fault)
{
    cache_reject(in->ingest->cache, in->node, fault);
    log_fault(in, fault);
}

/* The node of this topic, added if new: only what was decoded makes a node. NULL: no room, and said so. */
static struct node *node_for(struct incoming *in, unsigned found)
{
    struct fault fault = {.reason = REJECT_NONE};
    in->node = cache_add(in->ingest->cache, in->topic.node, in->topic.node_len, found, in->now, &fault);
    if (!in->node) {
        log_fault(in, &fault); /* counted by the cache */
    }
    return in->node;
}

static bool too_large(const struct incoming *in, size_t limit)
{
    if (in->message->len <= limit) {
        return false;
    }
    struct fault fault;
    fault_set(&fault, REJECT_TOO_LARGE, "%zu bytes; at most %zu are taken", in->message->len, limit);
    reject(in, &fault);
    return true;
}

/* A retained message was taken, or told what is known already. */
static void note_replayed(const struct incoming *in, bool heartbeat, bool snapshot)
{
    if (in->message->retain) {
        missing_replayed(in->ingest->missing, heartbeat, snapshot);
    }
}

/* --- one handler per kind --- */

static void on_status(struct incoming *in)
{
    struct status status;
    struct fault fault;
    if (too_large(in, HEARTBEAT_MAX)) {
        return;
    }
    if (status_decode(in->message->payload, in->message->len, &status, &fault) != 0) {
        reject(in, &fault);
    } else if (node_for(in, FOUND_MQTT)) {
        cache_status(in->ingest->cache, in->node, &status, in->message->retain, in->now);
    }
}

static void on_heartbeat(struct incoming *in)
{
    struct ingest *ingest = in->ingest;
    struct heartbeat heartbeat;
    struct fault fault = {.reason = REJECT_NONE};
    if (too_large(in, HEARTBEAT_MAX)) {
        return;
    }
    if (heartbeat_decode(in->message->payload, in->message->len, &heartbeat, &fault) != 0) {
        reject(in, &fault);
        return;
    }
    if (!node_for(in, FOUND_MQTT)) {
        return;
    }
    if (fault.reason != REJECT_NONE) { /* alive, though something in it is not as it should be */
        reject(in, &fault);
        fault.reason = REJECT_NONE;
    }
    bool url_allowed =
        heartbeat.url[0] && ingest->callbacks.url_allowed(ingest->callbacks.user, heartbeat.url);
    int e = cache_heartbeat(ingest->cache, in->node, &heartbeat, in->message->retain, in->age_s, url_allowed,
                            in->now, &fault);
    note_replayed(in, e == 0 || e == -EALREADY, false);
    if (fault.reason != REJECT_NONE) {
        log_fault(in, &fault);
    }
}

static void on_report(struct incoming *in)
{
    struct report report;
    struct fault fault = {.reason = REJECT_NONE};
    if (too_large(in, REPORT_MAX)) {
        return;
    }
    enum report_kind kind = (enum report_kind)(in->topic.kind - TOPIC_READINGS);
    if (report_decode(in->message->payload, in->message->len, kind, &report, &fault) != 0) {
        reject(in, &fault);
        return;
    }
    if (!node_for(in, FOUND_MQTT)) {
        return;
    }
    int e =
        cache_report(in->ingest->cache, in->node, &report, in->message->retain, in->age_s, in->now, &fault);
    note_replayed(in, false, e == 0 || e == -EALREADY);
    if (fault.reason != REJECT_NONE) {
        log_fault(in, &fault);
    }
}

/* A copied config makes an edge node call itself by another's name: the topic counts. */
static void check_claim(const struct incoming *in, const char *claimed)
{
    size_t len = strlen(claimed);
    if (len == 0 || (len == in->topic.node_len && memcmp(claimed, in->topic.node, len) == 0)) {
        return;
    }
    struct fault fault;
    char escaped[LOG_TEXT / 2];
    fault_set(&fault, REJECT_WRONG_NODE, "the message says \"%s\"; taken as the topic's node",
              log_escape(escaped, sizeof escaped, claimed, len));
    reject(in, &fault); /* so that it is seen at the node, though nothing is left out */
}

static void on_edge(struct incoming *in)
{
    struct ingest *ingest = in->ingest;
    char claimed[NODE_NAME_MAX + 1] = "";
    int64_t at_ms;
    struct fault fault = {.reason = REJECT_NONE};
    struct json_error error;
    if (in->message->retain || too_large(in, REPORT_MAX)) {
        return; /* edge nodes retain nothing: a replayed message is a leftover, and no sign of life */
    }
    buf_reset(&ingest->body);
    if (edge_decode(in->message->payload, in->message->len, in->now.wall_ms, &ingest->body, claimed, &at_ms,
                    &fault)) {
        reject(in, &fault);
        return;
    }
    if (!json_check(ingest->body.data, ingest->body.len, JSON_MAX_DEPTH, &error)) {
        fault_set(&fault, REJECT_NOT_JSON, "rewritten: byte %zu: %s", error.offset, error.message);
        reject(in, &fault);
        return;
    }
    if (!node_for(in, FOUND_EDGE)) {
        return;
    }
    check_claim(in, claimed);
    cache_edge(ingest->cache, in->node, json_root(ingest->body.data, ingest->body.len), at_ms, in->now,
               &fault);
    if (fault.reason != REJECT_NONE) {
        log_fault(in, &fault);
    }
}

/* --- messages --- */

static bool name_ok(const struct incoming *in)
{
    const char *why = "";
    if (node_name_valid(in->topic.node, in->topic.node_len, &why)) {
        return true;
    }
    struct fault fault;
    fault_set(&fault, REJECT_BAD_NAME, "the name %s", why);
    reject(in, &fault);
    return false;
}

static int64_t message_age_s(const struct mqtt_message *message)
{
    bool known = message->has_expiry && message->expiry_s >= message->expiry_left_s;
    return known ? (int64_t)message->expiry_s - message->expiry_left_s : -1;
}

static void on_message(void *user, const struct mqtt_message *message)
{
    struct incoming in = {.ingest = user, .message = message, .now = clock_now()};
    struct cache *cache = in.ingest->cache;
    if (!topic_parse(in.ingest->base_topic, message->topic, &in.topic)) {
        const struct ingest_callbacks *callbacks = &in.ingest->callbacks;
        if (callbacks->other && callbacks->other(callbacks->user, message)) {
            return;
        }
        struct fault fault;
        fault_set(&fault, REJECT_BAD_TOPIC, "none of ours");
        reject(&in, &fault);
        return;
    }
    if (!name_ok(&in)) {
        return;
    }
    in.age_s = message_age_s(message);
    in.node = cache_find(cache, in.topic.node, in.topic.node_len);
    if (message->len == 0 && in.topic.kind != TOPIC_EDGE_READINGS) {
        if (in.node) {
            cache_cleared(cache, in.node, in.topic.kind, in.now);
        }
        return;
    }
    switch (in.topic.kind) {
    case TOPIC_STATUS:
        on_status(&in);
        break;
    case TOPIC_HEALTH:
        on_heartbeat(&in);
        break;
    case TOPIC_READINGS:
    case TOPIC_OBSERVATIONS:
    case TOPIC_MEMORIES:
    case TOPIC_STATS:
        on_report(&in);
        break;
    case TOPIC_EDGE_READINGS:
        on_edge(&in);
        break;
    case TOPIC_REFRESH: /* for agents; not subscribed to */
    case TOPIC_OTHER:
        break;
    }
}

static void on_drained(void *user)
{
    struct ingest *ingest = user;
    ingest->callbacks.changed(ingest->callbacks.user);
}

/* --- the link --- */

static int ask_again(void *user, const char *node)
{
    return ingest_refresh(user, node);
}

static void subscribe(struct ingest *ingest, const char *filter)
{
    int e = mqtt_subscribe(ingest->mqtt, filter, 1);
    if (e != 0) {
        log_error("ingest: cannot subscribe to %s: %s", filter, strerror(-e));
    }
}

static void on_connected(void *user)
{
    static const enum topic_kind kinds[] = {TOPIC_STATUS,       TOPIC_HEALTH,   TOPIC_READINGS,
                                            TOPIC_OBSERVATIONS, TOPIC_MEMORIES, TOPIC_STATS};
    struct ingest *ingest = user;
    log_info("ingest: connected to the broker %s:%u (MQTT %s)", ingest->host, ingest->port,
             mqtt_is_v5(ingest->mqtt) ? "5" : "3.1.1");
    ingest->attempts = (struct log_limit){0};
    cache_link(ingest->cache, true, clock_now());
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char filter[TOPIC_SIZE];
        if (topic_format(ingest->base_topic, "+", kinds[i], filter, sizeof filter) == 0) {
            subscribe(ingest, filter);
        }
    }
    subscribe(ingest, EDGE_FILTER);
    missing_begin(ingest->missing);
    if (ingest->callbacks.link) {
        ingest->callbacks.link(ingest->callbacks.user, true);
    }
    ingest->callbacks.changed(ingest->callbacks.user);
}

static void on_disconnected(void *user, bool was_up, const char *reason, uint32_t next_try_ms)
{
    struct ingest *ingest = user;
    uint64_t suppressed = 0;
    bool pass = log_limit_pass(&ingest->attempts, clock_now().mono_ms, &suppressed);
    missing_end(ingest->missing);
    if (was_up) {
        log_warning("ingest: lost the broker %s:%u: %s; next try in %.1f s", ingest->host, ingest->port,
                    reason, next_try_ms / 1000.0);
    } else if (pass) {
        char more[64] = "";
        if (suppressed > 0) {
            snprintf(more, sizeof more, " (and %" PRIu64 " more tries since the last such line)", suppressed);
        }
        log_warning("ingest: cannot connect to the broker %s:%u: %s%s; next try in %.1f s", ingest->host,
                    ingest->port, reason, more, next_try_ms / 1000.0);
    }
    cache_link(ingest->cache, false, clock_now());
    if (was_up && ingest->callbacks.link) {
        ingest->callbacks.link(ingest->callbacks.user, false);
    }
    ingest->callbacks.changed(ingest->callbacks.user);
}

/* --- interface --- */

struct ingest *ingest_create(struct loop *loop, struct cache *cache, const char *base_topic,
                             const struct mqtt_options *options, const struct ingest_callbacks *callbacks,
                             const char **ret_error)
{
    static const struct mqtt_callbacks mqtt_callbacks = {.connected = on_connected,
                                                         .disconnected = on_disconnected,
                                                         .message = on_message,
                                                         .drained = on_drained};
    *ret_error = "the base topic may not be used";
    if (!base_topic_valid(base_topic, NULL)) {
        return NULL;
    }
    *ret_error = "out of memory";
    struct ingest *ingest = calloc(1, sizeof *ingest);
    if (!ingest) {
        return NULL;
    }
    ingest->cache = cache;
    ingest->callbacks = *callbacks;
    ingest->port = options->port;
    snprintf(ingest->base_topic, sizeof ingest->base_topic, "%s", base_topic);
    log_escape(ingest->host, sizeof ingest->host, options->host, strlen(options->host));
    ingest->missing = missing_create(loop, cache, ask_again, ingest);
    if (!ingest->missing) {
        free(ingest);
        return NULL;
    }
    ingest->mqtt = mqtt_create(loop, options, &mqtt_callbacks, ingest, ret_error);
    if (!ingest->mqtt) {
        missing_destroy(ingest->missing);
        free(ingest);
        return NULL;
    }
    return ingest;
}

void ingest_start(struct ingest *ingest)
{
    mqtt_start(ingest->mqtt);
}

int ingest_refresh(struct ingest *ingest, const char *node)
{
    char topic[TOPIC_SIZE];
    int e = topic_format(ingest->base_topic, node, TOPIC_REFRESH, topic, sizeof topic);
    return e ? e : mqtt_publish(ingest->mqtt, topic, NULL, 0, 1, false, 0);
}

int ingest_clear(struct ingest *ingest, const char *node)
{
    static const enum topic_kind kinds[] = {TOPIC_READINGS, TOPIC_OBSERVATIONS, TOPIC_MEMORIES,
                                            TOPIC_STATS,    TOPIC_HEALTH,       TOPIC_STATUS};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char topic[TOPIC_SIZE];
        int e = topic_format(ingest->base_topic, node, kinds[i], topic, sizeof topic);
        e = e ? e : mqtt_publish(ingest->mqtt, topic, NULL, 0, 1, true, 0);
        if (e != 0) {
            return e;
        }
    }
    return 0;
}

struct mqtt *ingest_mqtt(const struct ingest *ingest)
{
    return ingest->mqtt;
}

static void on_stopped(void *user)
{
    struct ingest *ingest = user;
    if (ingest->stopped) {
        ingest->stopped(ingest->stopped_user);
    }
}

void ingest_stop(struct ingest *ingest, uint32_t timeout_ms, void (*done)(void *user), void *user)
{
    ingest->stopped = done;
    ingest->stopped_user = user;
    missing_end(ingest->missing);
    mqtt_stop(ingest->mqtt, timeout_ms, on_stopped);
}

bool ingest_destroy(struct ingest *ingest)
{
    if (!ingest) {
        return true;
    }
    bool destroyed = mqtt_destroy(ingest->mqtt);
    missing_destroy(ingest->missing);
    buf_finish(&ingest->body);
    if (destroyed) {
        free(ingest); /* a hanging worker still points to mqtt, and mqtt to us */
    }
    return destroyed;
}
