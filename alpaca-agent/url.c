#include "url.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static int invalid(const char **ret_why, const char *why)
{
    if (ret_why) {
        *ret_why = why;
    }
    return -EINVAL;
}

/* Printable ASCII without what would break a request line or a header. */
static bool is_plain(const char *text)
{
    for (const char *p = text; *p; p++) {
        if (*p <= ' ' || *p > '~' || strchr("\"<>\\^`{|}", *p)) {
            return false;
        }
    }
    return true;
}

static bool is_host_name(const char *host)
{
    return host[0] &&
           strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == strlen(host);
}

/* "[::1]" or "name" up to `end`; leaves *ret_rest at what follows. */
static int parse_host(const char *text, const char *end, struct url *url, const char **ret_rest,
                      const char **ret_why)
{
    const char *host_end;
    if (*text == '[') {
        text++;
        host_end = memchr(text, ']', (size_t)(end - text));
        if (!host_end) {
            return invalid(ret_why, "has no ] behind its IPv6 address");
        }
        url->ipv6 = true;
        *ret_rest = host_end + 1;
    } else {
        host_end = memchr(text, ':', (size_t)(end - text));
        host_end = host_end ? host_end : end;
        *ret_rest = host_end;
    }
    size_t len = (size_t)(host_end - text);
    if (len > URL_HOST_MAX) {
        return invalid(ret_why, "has a host name of over 110 bytes");
    }
    memcpy(url->host, text, len);
    url->host[len] = '\0';
    unsigned char number[sizeof(struct in6_addr)];
    if (url->ipv6 ? inet_pton(AF_INET6, url->host, number) != 1 : !is_host_name(url->host)) {
        return invalid(ret_why, url->ipv6 ? "has a bad IPv6 address" : "has no valid host name");
    }
    return 0;
}

static int parse_port(const char *text, const char *end, struct url *url, const char **ret_why)
{
    url->port = url->https ? 443 : 80;
    if (text == end) {
        return 0;
    }
    unsigned port = 0;
    if (*text++ != ':' || text == end) {
        return invalid(ret_why, "has a bad port");
    }
    for (; text < end; text++) {
        if (*text < '0' || *text > '9' || (port = port * 10 + (unsigned)(*text - '0')) > 65535) {
            return invalid(ret_why, "has a bad port");
        }
    }
    if (port == 0) {
        return invalid(ret_why, "has a bad port");
    }
    url->port = (uint16_t)port;
    return 0;
}

int url_parse(const char *text, struct url *ret_url, const char **ret_why)
{
    struct url url = {0};
    if (!is_plain(text)) {
        return invalid(ret_why, "has a space or a character that URLs may not have");
    }
    if (strncasecmp(text, "http://", 7) == 0) {
        text += 7;
    } else if (strncasecmp(text, "https://", 8) == 0) {
        text += 8;
        url.https = true;
    } else {
        return invalid(ret_why, "does not start with http:// or https://");
    }
    if (strpbrk(text, "?#@")) {
        return invalid(ret_why, "may have no user, query or fragment");
    }
    const char *end = text + strcspn(text, "/");
    const char *rest = NULL;
    int e = parse_host(text, end, &url, &rest, ret_why);
    if (e == 0) {
        e = parse_port(rest, end, &url, ret_why);
    }
    if (e) {
        return e;
    }
    size_t path_len = strlen(end);
    while (path_len > 0 && end[path_len - 1] == '/') {
        path_len--;
    }
    if (path_len > URL_PATH_MAX) {
        return invalid(ret_why, "has a path of over 200 bytes");
    }
    memcpy(url.path, end, path_len);
    *ret_url = url;
    return 0;
}

static int write_authority(const struct url *url, const char *host, bool ipv6, char *buffer, size_t size)
{
    bool own_port = url->port == (url->https ? 443 : 80);
    const char *open = ipv6 ? "[" : "", *close = ipv6 ? "]" : "";
    return own_port ? snprintf(buffer, size, "%s%s%s", open, host, close)
                    : snprintf(buffer, size, "%s%s%s:%u", open, host, close, (unsigned)url->port);
}

const char *url_authority(const struct url *url, char buffer[URL_AUTHORITY_SIZE])
{
    write_authority(url, url->host, url->ipv6, buffer, URL_AUTHORITY_SIZE);
    return buffer;
}

int url_at_address(const struct url *url, const char *address, char *buffer, size_t size)
{
    char authority[URL_AUTHORITY_SIZE];
    int n = write_authority(url, address, strchr(address, ':') != NULL, authority, sizeof authority);
    if (n < 0 || (size_t)n >= sizeof authority) {
        return -E2BIG;
    }
    n = snprintf(buffer, size, "%s://%s%s", url->https ? "https" : "http", authority, url->path);
    return n < 0 || (size_t)n >= size ? -E2BIG : 0;
}

static bool ipv4_is_reachable(struct in_addr address)
{
    uint32_t a = ntohl(address.s_addr);
    return a >> 24 != 0 && a >> 24 != 127 && a >> 16 != 0xa9fe && a >> 28 < 0xe;
}

bool address_is_reachable(const char *address)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, address, &v4) == 1) {
        return ipv4_is_reachable(v4);
    }
    if (inet_pton(AF_INET6, address, &v6) != 1) {
        return false;
    }
    if (IN6_IS_ADDR_V4MAPPED(&v6)) {
        memcpy(&v4, &v6.s6_addr[12], sizeof v4);
        return ipv4_is_reachable(v4);
    }
    return !IN6_IS_ADDR_LOOPBACK(&v6) && !IN6_IS_ADDR_LINKLOCAL(&v6) && !IN6_IS_ADDR_UNSPECIFIED(&v6) &&
           !IN6_IS_ADDR_MULTICAST(&v6);
}
