/* What goes out on a standing connection: publish and subscribe, within limits. */
#include "mqtt.h"

#include "mqtt_internal.h"
#include "utf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What may be under way unacknowledged. A broker that takes packets but never answers would otherwise fill
 * our memory. */
#define UNDER_WAY_MAX        20000
#define UNDER_WAY_BYTES_MAX  (64u * 1024 * 1024)

#define REMAINING_LENGTH_MAX 268435455u /* the largest packet that MQTT can express */

static size_t varint_size(size_t n)
{
    return n < 128 ? 1 : n < 16384 ? 2 : n < 2097152 ? 3 : 4;
}

/* The whole PUBLISH packet, in bytes. `number` is the expiry in digits, empty for none. */
static size_t packet_size(const struct mqtt *mqtt, size_t topic_len, size_t len, int qos, const char *number)
{
    size_t rest = 2 + topic_len + (qos > 0 ? 2 : 0) + len;
    if (mqtt->v5) {
        /* message expiry: 1 + 4; user property: 1 + 2 + "expiry" + 2 + digits; their length: one byte */
        rest += 1 + (*number ? 5 + 1 + 2 + 6 + 2 + strlen(number) : 0);
    }
    return 1 + varint_size(rest) + rest;
}

static int error_of(int rc)
{
    switch (rc) {
    case MOSQ_ERR_SUCCESS:
        return 0;
    case MOSQ_ERR_NOMEM:
        return -ENOMEM;
    case MOSQ_ERR_INVAL:
    case MOSQ_ERR_MALFORMED_UTF8:
        return -EINVAL;
    case MOSQ_ERR_PAYLOAD_SIZE:
    case MOSQ_ERR_OVERSIZE_PACKET:
        return -E2BIG;
    case MOSQ_ERR_QOS_NOT_SUPPORTED:
    case MOSQ_ERR_RETAIN_NOT_SUPPORTED:
        return -EOPNOTSUPP;
    default:
        return -ENOTCONN;
    }
}

/* After a publish or subscribe: whether the socket still stands, and whether it takes no more for now. */
static int sent(struct mqtt *mqtt, int rc, int error)
{
    int result = error_of(rc);
    if (result == -ENOTCONN) {
        mqtt_note_result(mqtt, rc, error);
        loop_after_arm(mqtt->after); /* the owner is told when it is not in the middle of sending */
    } else if (!mqtt->inside) {
        mqtt_watch(mqtt);
    }
    return result;
}

static int publish_properties(uint32_t expiry_s, const char *number, mosquitto_property **ret_properties)
{
    mosquitto_property *properties = NULL;
    int rc = mosquitto_property_add_int32(&properties, MQTT_PROP_MESSAGE_EXPIRY_INTERVAL, expiry_s);
    if (!rc) {
        rc = mosquitto_property_add_string_pair(&properties, MQTT_PROP_USER_PROPERTY, "expiry", number);
    }
    if (rc) {
        mosquitto_property_free_all(&properties);
        return -ENOMEM;
    }
    *ret_properties = properties;
    return 0;
}

int mqtt_publish(struct mqtt *mqtt, const char *topic, const void *payload, size_t len, int qos, bool retain,
                 uint32_t expiry_s)
{
    size_t topic_len = strlen(topic);
    if (!mqtt_is_up(mqtt)) {
        return -ENOTCONN;
    }
    if (!utf8_valid(topic, topic_len) || mosquitto_pub_topic_check(topic) != MOSQ_ERR_SUCCESS) {
        return -EINVAL;
    }
    char number[16] = "";
    if (mqtt->v5 && expiry_s) {
        snprintf(number, sizeof number, "%u", (unsigned)expiry_s);
    }
    if (len > REMAINING_LENGTH_MAX - UINT16_MAX ||
        packet_size(mqtt, topic_len, len, qos, number) > mqtt->max_packet) {
        return -E2BIG;
    }
    if (mqtt->inflight.count >= UNDER_WAY_MAX || mqtt->inflight.bytes > UNDER_WAY_BYTES_MAX) {
        return -ENOBUFS;
    }
    mosquitto_property *properties = NULL;
    int e = *number ? publish_properties(expiry_s, number, &properties) : 0;
    if (e) {
        return e;
    }
    int mid = 0;
    errno = 0;
    int rc = mosquitto_publish_v5(mqtt->handle, &mid, topic, (int)len, payload, qos, retain, properties);
    int error = errno;
    mosquitto_property_free_all(&properties);
    if (rc == MOSQ_ERR_SUCCESS) {
        if (log_debugs(LOG_MQTT)) {
            mqtt_debug("out", topic, len, qos, retain);
        }
        mqtt->stats.messages_out++;
        mqtt->stats.bytes_out += len;
        if (qos > 0) {
            /* Without memory for its topic the message still goes; only its refusal would be nameless. */
            (void)mqtt_inflight_add(&mqtt->inflight, (uint16_t)mid, topic, len);
        }
    }
    return sent(mqtt, rc, error);
}

bool mqtt_is_under_way(const struct mqtt *mqtt, const char *topic)
{
    return mqtt_inflight_has(&mqtt->inflight, topic);
}

size_t mqtt_under_way(const struct mqtt *mqtt)
{
    return mqtt->inflight.count;
}

bool mqtt_retains(const struct mqtt *mqtt)
{
    return !mqtt->no_retain;
}

int mqtt_unsubscribe(struct mqtt *mqtt, const char *filter)
{
    if (!mqtt_is_up(mqtt)) {
        return -ENOTCONN;
    }
    int mid = 0;
    errno = 0;
    int rc = mosquitto_unsubscribe(mqtt->handle, &mid, filter);
    int error = errno;
    if (rc == MOSQ_ERR_SUCCESS) {
        (void)mqtt_inflight_add(&mqtt->inflight, (uint16_t)mid, filter, 0);
    }
    return sent(mqtt, rc, error);
}

int mqtt_subscribe(struct mqtt *mqtt, const char *filter, int qos)
{
    if (!mqtt_is_up(mqtt)) {
        return -ENOTCONN;
    }
    if (!utf8_valid(filter, strlen(filter)) || mosquitto_sub_topic_check(filter) != MOSQ_ERR_SUCCESS) {
        return -EINVAL;
    }
    int mid = 0;
    errno = 0;
    int rc = mosquitto_subscribe(mqtt->handle, &mid, filter, qos);
    int error = errno;
    if (log_debugs(LOG_MQTT)) {
        mqtt_debug("subscribe", filter, 0, qos, false);
    }
    if (rc == MOSQ_ERR_SUCCESS) {
        (void)mqtt_inflight_add(&mqtt->inflight, (uint16_t)mid, filter, 0);
        mqtt->subscribing++;
    }
    return sent(mqtt, rc, error);
}
