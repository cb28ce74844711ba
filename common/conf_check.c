#include "conf_check.h"

#include "log.h"
#include "topic.h"
#include "utf8.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HOST_MAX  253
#define LABEL_MAX 64

const char *conf_check_text(const char *value)
{
    size_t len = strlen(value);
    if (!utf8_valid(value, len)) {
        return "is not UTF-8";
    }
    for (const char *p = value; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            return "contains a control character";
        }
    }
    return NULL;
}

const char *conf_check_path(const char *value)
{
    if (*value == '\0') {
        return "is empty";
    }
    return strlen(value) >= PATH_MAX ? "is too long for a file name" : NULL;
}

const char *conf_check_node_name(const char *value)
{
    const char *why = NULL;
    return node_name_valid(value, strlen(value), &why) ? NULL : why;
}

const char *conf_check_base_topic(const char *value)
{
    const char *why = NULL;
    return base_topic_valid(value, &why) ? NULL : why;
}

const char *conf_check_topic(const char *value)
{
    size_t len = strlen(value);
    if (len == 0 || len > BASE_TOPIC_MAX) {
        return "must have 1 to 64 bytes";
    }
    if (strpbrk(value, "+#")) {
        return "contains a wildcard (+ or #)";
    }
    if (value[0] == '/' || value[len - 1] == '/' || strstr(value, "//")) {
        return "has an empty level";
    }
    if (value[0] == '$') {
        return "begins with $";
    }
    return conf_check_text(value);
}

static bool is_address(const char *value)
{
    struct in6_addr address;
    return inet_pton(AF_INET, value, &address) == 1 || inet_pton(AF_INET6, value, &address) == 1;
}

/* Names as they occur, not only as RFC 1123 has them: underscores are common in home networks. */
static bool is_host_name(const char *value, size_t len)
{
    if (len == 0 || len > HOST_MAX || value[0] == '.' || value[0] == '-') {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)value[i];
        if (!isalnum(c) && c != '-' && c != '.' && c != '_') {
            return false;
        }
        if (c == '.' && i + 1 < len && value[i + 1] == '.') {
            return false;
        }
    }
    return true;
}

const char *conf_check_host(const char *value)
{
    return is_address(value) || is_host_name(value, strlen(value)) ? NULL : "is no host name or address";
}

const char *conf_check_listen(const char *value)
{
    return is_address(value) || strcmp(value, "localhost") == 0 ? NULL : "is no IP address";
}

/* Up to 5 digits that are a port; the rest of the text must be a path. */
static const char *check_port(const char *port)
{
    size_t digits = strspn(port, "0123456789");
    long number = digits > 0 && digits <= 5 ? strtol(port, NULL, 10) : 0;
    if (number < 1 || number > 65535) {
        return "has no port from 1 to 65535 behind the colon";
    }
    return port[digits] == '\0' || port[digits] == '/' ? NULL : "has a port with something else in it";
}

/* The host that `text` begins with, bracketed or not: *ret_rest is what follows it. */
static const char *check_url_host(const char *text, const char **ret_rest)
{
    if (*text != '[') {
        size_t len = strcspn(text, ":/");
        *ret_rest = text + len;
        return is_host_name(text, len) ? NULL : "has no host";
    }
    char address[INET6_ADDRSTRLEN];
    struct in6_addr parsed;
    size_t len = strcspn(text + 1, "]/");
    if (text[1 + len] != ']' || len >= sizeof address) {
        return "has no IPv6 address in its brackets";
    }
    memcpy(address, text + 1, len);
    address[len] = '\0';
    *ret_rest = text + 1 + len + 1;
    return inet_pton(AF_INET6, address, &parsed) == 1 ? NULL : "has no IPv6 address in its brackets";
}

/* What a URL may consist of; `host` is what stands behind its scheme. */
static const char *check_url_characters(const char *host)
{
    for (const char *p = host; *p; p++) {
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f || strchr("\"<>\\^`{|}", *p)) {
            return "contains a character that no URL has";
        }
    }
    if (strpbrk(host, "?#")) {
        return "has a query or fragment";
    }
    return memchr(host, '@', strcspn(host, "/")) ? "contains a user name" : NULL;
}

const char *conf_check_url(const char *value)
{
    const char *host, *rest = NULL;
    if (strncasecmp(value, "http://", 7) == 0) {
        host = value + 7;
    } else if (strncasecmp(value, "https://", 8) == 0) {
        host = value + 8;
    } else {
        return "does not begin with http:// or https://";
    }
    if (strlen(value) > 1024) {
        return "is too long for a URL";
    }
    const char *why = check_url_characters(host);
    if (!why) {
        why = check_url_host(host, &rest);
    }
    if (why) {
        return why;
    }
    if (*rest == ':') {
        return check_port(rest + 1);
    }
    return *rest == '\0' || *rest == '/' ? NULL : "has something else behind the host";
}

const char *conf_check_announce_url(const char *value)
{
    if (strcmp(value, "auto") == 0 || strcmp(value, "none") == 0) {
        return NULL;
    }
    return conf_check_url(value) ? "is neither auto nor none nor a URL (http:// or https:// with a host)"
                                 : NULL;
}

const char *conf_check_network(const char *value)
{
    static const char *const wrong = "is no network such as 192.168.0.0/16 or fc00::/7";
    char address[INET6_ADDRSTRLEN];
    size_t len = strcspn(value, "/");
    if (len >= sizeof address) {
        return wrong;
    }
    memcpy(address, value, len);
    address[len] = '\0';
    struct in6_addr parsed;
    long bits;
    if (inet_pton(AF_INET, address, &parsed) == 1) {
        bits = 32;
    } else if (inet_pton(AF_INET6, address, &parsed) == 1) {
        bits = 128;
    } else {
        return wrong;
    }
    if (value[len] == '\0') {
        return NULL;
    }
    const char *prefix = value + len + 1;
    size_t digits = strspn(prefix, "0123456789");
    if (digits == 0 || digits > 3 || prefix[digits] != '\0') {
        return wrong;
    }
    return strtol(prefix, NULL, 10) <= bits ? NULL : "has a prefix longer than its address";
}

const char *conf_check_service_type(const char *value)
{
    const char *dot = strchr(value, '.');
    size_t len = dot ? (size_t)(dot - value) : 0;
    if (!dot || value[0] != '_' || len < 2 || len > 16 ||
        (strcmp(dot, "._tcp") != 0 && strcmp(dot, "._udp") != 0)) {
        return "is no service such as _smollama._tcp";
    }
    for (size_t i = 1; i < len; i++) {
        if (!isalnum((unsigned char)value[i]) && value[i] != '-') {
            return "is no service such as _smollama._tcp";
        }
    }
    return NULL;
}

const char *conf_check_label(const char *value)
{
    size_t len = strlen(value);
    return len == 0 || len > LABEL_MAX ? "must have 1 to 64 bytes" : conf_check_text(value);
}

const char *conf_check_log_topic(const char *value)
{
    return log_topic_find(value, strlen(value), LOG_TOPICS_ALL)
               ? NULL
               : "is no debug topic; there are mqtt, http, live, poll, mdns, broker and all";
}

/* Digits with at most one point between them; the number of characters, 0 if there is none. */
static size_t decimal_len(const char *text)
{
    size_t whole = strspn(text, "0123456789");
    if (whole == 0 || whole > 15 || text[whole] != '.') {
        return whole > 15 ? 0 : whole;
    }
    size_t fraction = strspn(text + whole + 1, "0123456789");
    return fraction > 0 && fraction <= 9 ? whole + 1 + fraction : 0;
}

bool conf_parse_duration(const char *text, double *ret_seconds)
{
    static const struct {
        const char *suffix;
        double seconds;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    size_t len = decimal_len(text);
    if (len == 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(text + len, units[i].suffix) == 0) {
            *ret_seconds = strtod(text, NULL) * units[i].seconds;
            return true;
        }
    }
    return false;
}

bool conf_parse_int(const char *text, double *ret_value)
{
    const char *digits = text + (*text == '-' || *text == '+');
    size_t len = strspn(digits, "0123456789");
    if (len == 0 || len > 15 || digits[len] != '\0') {
        return false;
    }
    *ret_value = (double)strtoll(text, NULL, 10);
    return true;
}

bool conf_parse_bool(const char *text, bool *ret_value)
{
    static const char *const words[2][4] = {{"false", "no", "off", "0"}, {"true", "yes", "on", "1"}};
    for (int value = 0; value < 2; value++) {
        for (size_t i = 0; i < 4; i++) {
            if (strcasecmp(text, words[value][i]) == 0) {
                *ret_value = value;
                return true;
            }
        }
    }
    return false;
}
