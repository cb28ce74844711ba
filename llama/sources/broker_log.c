#include "broker_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *sentence;
} troubles[BROKER_TROUBLES] = {
    [BROKER_NOT_AUTHORISED] = {"not_authorised",
                               "not authorised: no such account, a wrong password, or revoked"},
    [BROKER_TLS_FAILED] = {"tls_failed", "TLS failed"},
    [BROKER_TOO_LARGE] = {"too_large", "a packet above the limit (max_packet_size); disconnected"},
    [BROKER_NO_MQTT] = {"no_mqtt", "what came is not MQTT; disconnected"},
    [BROKER_DROPPING] = {"dropping", "messages are dropped: it takes them too slowly"},
    [BROKER_TURNED_AWAY] = {"turned_away",
                            "turned away: as many connections as the broker can have are open, or "
                            "/etc/hosts.deny says so"},
};

/* How a line begins and ends, and what it means; between stands who it is about. */
static const struct pattern {
    const char *begin, *end;
    enum broker_trouble trouble;
} patterns[] = {
    {"Client ", " disconnected, not authorised.", BROKER_NOT_AUTHORISED},
    {"Client ", " disconnected due to oversize packet.", BROKER_TOO_LARGE},
    {"Client ", " disconnected due to oversize payload.", BROKER_TOO_LARGE},
    {"Client ", " connected with too large Will payload", BROKER_TOO_LARGE},
    {"Client ", " disconnected due to malformed packet.", BROKER_NO_MQTT},
    {"Client ", " disconnected due to protocol error.", BROKER_NO_MQTT},
    {"Outgoing messages are being dropped for client ", ".", BROKER_DROPPING},
    /* libwrap cannot read its files without a descriptor, and says no */
    {"Client connection from ", " denied access by tcpd.", BROKER_TURNED_AWAY},
};

const char *broker_trouble_name(enum broker_trouble trouble)
{
    return troubles[trouble].name;
}

/* What stands between `begin` and `end`, if the line is so. */
static bool match(const char *line, size_t len, const char *begin, const char *end, const char **ret_middle,
                  size_t *ret_len)
{
    size_t before = strlen(begin), behind = strlen(end);
    if (len < before + behind || memcmp(line, begin, before) != 0 ||
        memcmp(line + len - behind, end, behind) != 0) {
        return false;
    }
    *ret_middle = line + before;
    *ret_len = len - before - behind;
    return true;
}

static bool begins(const char *line, size_t len, const char *word)
{
    return len >= strlen(word) && memcmp(line, word, strlen(word)) == 0;
}

/* "New connection from 192.168.1.7:36387 on port 8883." */
static void note_peer(struct broker_log *log, const char *line, size_t len)
{
    static const char begin[] = "New connection from ";
    if (!begins(line, len, begin)) {
        return;
    }
    const char *peer = line + strlen(begin);
    const char *end = memchr(peer, ' ', len - strlen(begin));
    size_t size = end ? (size_t)(end - peer) : len - strlen(begin);
    while (size > 0 && peer[size - 1] != ':') {
        size--; /* the port is another each time */
    }
    size = size > 0 ? size - 1 : 0;
    if (size < sizeof log->last_peer) {
        memcpy(log->last_peer, peer, size);
        log->last_peer[size] = '\0';
    }
}

static void take(struct broker_log *log, enum broker_trouble trouble, const char *who, size_t len,
                 int64_t mono_ms)
{
    char text[LOG_TEXT], more[80] = "";
    uint64_t again = 0;
    bool unknown = len == 0 || (len == 9 && memcmp(who, "<unknown>", 9) == 0);
    log->counts[trouble]++;
    if (unknown) {
        who = log->last_peer;
        len = strlen(who);
    }
    if (!complaint_passes(&log->complaints, who, len, trouble, mono_ms, &again)) {
        return;
    }
    if (again > 0) {
        snprintf(more, sizeof more, " (%" PRIu64 " more like this since the last such line)", again);
    }
    log_warning("broker: %s%s: %s%s", unknown ? "the last to connect, " : "client ",
                log_escape(text, sizeof text, who, len), troubles[trouble].sentence, more);
}

/* TLS that came to nothing; mosquitto says it in one of two ways, by how much of it had come when it looked:
 * "OpenSSL Error[0]: error:…" or "Client connection from 192.168.1.7 failed: error:…". A client that closes
 * without a goodbye is no trouble, though OpenSSL calls it one. */
static bool is_tls_failure(const char *line, size_t len, const char **ret_who, size_t *ret_len)
{
    static const char begin[] = "Client connection from ";
    if (memmem(line, len, "unexpected eof", 14)) {
        return false;
    }
    if (begins(line, len, begin)) {
        const char *who = line + strlen(begin);
        const char *end = memmem(who, len - strlen(begin), " failed: ", 9);
        *ret_who = who;
        *ret_len = end ? (size_t)(end - who) : 0;
        return end != NULL;
    }
    return begins(line, len, "OpenSSL Error");
}

void broker_log_line(struct broker_log *log, const char *line, size_t len, int64_t mono_ms)
{
    const char *who = "";
    size_t who_len = 0;
    note_peer(log, line, len);
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        if (match(line, len, patterns[i].begin, patterns[i].end, &who, &who_len)) {
            take(log, patterns[i].trouble, who, who_len, mono_ms);
            return;
        }
    }
    if (begins(line, len, "Unable to accept new connection")) {
        take(log, BROKER_TURNED_AWAY, who, 0, mono_ms);
        return;
    }
    if (is_tls_failure(line, len, &who, &who_len)) {
        take(log, BROKER_TLS_FAILED, who, who_len, mono_ms);
    }
    char text[2 * LOG_TEXT];
    log_escape(text, sizeof text, line, len);
    if (begins(line, len, "Error")) {
        log_error("broker: mosquitto: %s", text);
    } else if (begins(line, len, "Warning")) {
        log_warning("broker: mosquitto: %s", text);
    } else {
        log_debug(LOG_BROKER, "mosquitto: %s", text);
    }
}
