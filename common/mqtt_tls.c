/* Why TLS failed, in words: libmosquitto says only that it did. OpenSSL's own verdict on the certificate is
 * asked for, and the texts that libmosquitto hands to a log are looked through. */
#include "mqtt_internal.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <string.h>

/* In what OpenSSL 3 and libmosquitto 2.0 write; the first that is found counts. */
static const struct hint {
    const char *text, *reason;
} hints[] = {
    {"certificate verify failed", NULL}, /* the verdict tells more */
    {"wrong version number", "what answers on that port speaks no TLS"},
    {"packet length too long", "what answers on that port speaks no TLS"},
    {"http request", "what answers on that port speaks no TLS"},
    {"certificate required", "the broker wants a certificate of ours (mqtt.tls.cert)"},
    {"alert bad certificate", "the broker does not take our certificate (mqtt.tls.cert)"},
    {"alert unknown ca", "the broker does not take our certificate (mqtt.tls.cert)"},
    {"alert certificate expired", "our certificate (mqtt.tls.cert) has expired"},
    {"alert handshake failure",
     "the broker refuses the TLS handshake; does it want a certificate (mqtt.tls.cert)?"},
    {"Unable to load CA certificates", "mqtt.tls.ca holds no certificate that can be used"},
    {"Unable to load client certificate", "mqtt.tls.cert holds no certificate that can be used"},
    {"Unable to load client key", "mqtt.tls.key holds no key that can be used"},
    {"certificate/key are inconsistent", "mqtt.tls.key is not the key to mqtt.tls.cert"},
};
#define HINTS (sizeof hints / sizeof *hints)

/* On the worker or on the loop: whoever has the attempt. */
static void on_log(struct mosquitto *handle, void *user, int level, const char *text)
{
    struct mqtt *mqtt = user;
    (void)level;
    for (size_t i = 0; i < HINTS && mqtt->attempt.tls_hint == 0; i++) {
        if (strstr(text, hints[i].text)) {
            const SSL *ssl = mosquitto_ssl_get(handle);
            mqtt->attempt.tls_hint = i + 1;
            mqtt->attempt.tls_verdict = ssl ? SSL_get_verify_result(ssl) : X509_V_ERR_UNSPECIFIED;
        }
    }
}

void mqtt_tls_listen(struct mosquitto *handle, bool listen)
{
    mosquitto_log_callback_set(handle, listen ? on_log : NULL); /* it costs time with every packet */
}

static const char *verdict_text(long verdict)
{
    switch (verdict) {
    case X509_V_OK: /* libmosquitto compares the names itself, and tells OpenSSL no reason */
    case X509_V_ERR_UNSPECIFIED:
        return "the broker's certificate is not for this name (mqtt.broker)";
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return "the broker's certificate has expired";
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "the broker's certificate is not valid yet: is this machine's clock right?";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return "the broker's certificate is not of the authority in mqtt.tls.ca";
    default:
        return X509_verify_cert_error_string(verdict);
    }
}

bool mqtt_tls_stands(const struct mqtt *mqtt)
{
    const SSL *ssl = mqtt->tls_ca && mqtt->handle ? mosquitto_ssl_get(mqtt->handle) : NULL;
    return !mqtt->tls_ca || (ssl && SSL_is_init_finished(ssl));
}

const char *mqtt_tls_reason(const struct mqtt *mqtt, const char *reason, bool closed)
{
    if (!mqtt->tls_ca || !mqtt->handle) {
        return reason;
    }
    size_t hint = mqtt->attempt.tls_hint;
    if (hint > 0 && hints[hint - 1].reason) {
        return hints[hint - 1].reason;
    }
    if (hint > 0) {
        return verdict_text(mqtt->attempt.tls_verdict);
    }
    /* With TLS 1.3 the broker judges our certificate after the handshake, and may not get to say so. */
    if (mqtt->seen.end_errno == EPROTO || mqtt->attempt.error == EPROTO ||
        (closed && mqtt_tls_stands(mqtt) && !mqtt->seen.connack)) {
        return "the broker ended TLS before it answered; does it want another certificate (mqtt.tls.cert)?";
    }
    return closed && !mqtt_tls_stands(mqtt)
               ? "closed by the broker in the TLS handshake; does that port speak TLS?"
               : reason;
}
