/* Reasons, in words: static texts that stand in logs and in what people read. */
#include "mqtt_internal.h"

#include <errno.h>
#include <string.h>

const char *mqtt_errno_text(int error)
{
    switch (error) {
    case ECONNREFUSED:
        return "connection refused";
    case ETIMEDOUT:
        return "timeout";
    case EHOSTUNREACH:
        return "no route to host";
    case ENETUNREACH:
        return "network unreachable";
    case ECONNRESET:
    case EPIPE:
        return "connection reset";
    case EPROTO:
        return "TLS error";
    default: {
        const char *text = strerrordesc_np(error); /* unlike strerror, the text stays */
        return text && error ? text : "connection failed";
    }
    }
}

const char *mqtt_result_text(int rc, int error)
{
    switch (rc) {
    case MOSQ_ERR_SUCCESS:
    case MOSQ_ERR_CONN_LOST:
    case MOSQ_ERR_NO_CONN:
        return "connection closed by the broker";
    case MOSQ_ERR_KEEPALIVE:
        return "the broker does not answer";
    case MOSQ_ERR_ERRNO:
        return mqtt_errno_text(error);
    case MOSQ_ERR_TLS: /* libmosquitto tells no more; the handshake may have failed on the worker already */
        return "TLS failed: the certificate, its name, or a file of ours (ca, cert, key) is not right";
    default:
        return rc >= 0x80 ? mosquitto_reason_string(rc) : mosquitto_strerror(rc);
    }
}

const char *mqtt_refusal_text(int code)
{
    switch (code) {
    case MQTT_RC_BAD_USERNAME_OR_PASSWORD:
    case MQTT_RC_NOT_AUTHORIZED:
    case CONNACK_REFUSED_BAD_USERNAME_PASSWORD:
    case CONNACK_REFUSED_NOT_AUTHORIZED:
        return "Not authorized: the broker does not know the account or its password, or it was revoked";
    default:
        return code >= 0x80 ? mosquitto_reason_string(code) : mosquitto_connack_string(code);
    }
}
