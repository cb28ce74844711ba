#include "place.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HOST_MAX 64

/* IPv4 addresses are mapped into IPv6. */
struct place {
    struct in6_addr address;
    unsigned port;
};

static bool read_address(const char *text, struct in6_addr *ret_address)
{
    char mapped[HOST_MAX + 8];
    struct in_addr v4;
    if (inet_pton(AF_INET, text, &v4) != 1) {
        return inet_pton(AF_INET6, text, ret_address) == 1;
    }
    snprintf(mapped, sizeof mapped, "::ffff:%s", text);
    return inet_pton(AF_INET6, mapped, ret_address) == 1;
}

/* "10.0.0.2", "10.0.0.2:8080", "[fd00::2]:8080", up to the length given. */
static bool read_place(const char *text, size_t len, unsigned default_port, struct place *ret_place)
{
    char host[HOST_MAX];
    bool brackets = len > 0 && text[0] == '[';
    const char *end = brackets ? memchr(text, ']', len) : memchr(text, ':', len);
    const char *start = text + brackets;
    size_t host_len = end ? (size_t)(end - start) : len;
    if ((brackets && !end) || host_len >= sizeof host) {
        return false;
    }
    memcpy(host, start, host_len);
    host[host_len] = '\0';
    const char *colon = end ? end + brackets : text + len;
    ret_place->port =
        colon < text + len && *colon == ':' ? (unsigned)strtoul(colon + 1, NULL, 10) : default_port;
    return read_address(host, &ret_place->address);
}

static bool read_url(const char *url, struct place *ret_place)
{
    bool tls = strncasecmp(url, "https://", 8) == 0;
    if (!tls && strncasecmp(url, "http://", 7) != 0) {
        return false;
    }
    const char *authority = url + (tls ? 8 : 7);
    return read_place(authority, strcspn(authority, "/"), tls ? 443 : 80, ret_place);
}

static bool is_loopback(const struct in6_addr *address)
{
    return IN6_IS_ADDR_LOOPBACK(address) || (IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr[12] == 127);
}

static bool same_text(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    a_len -= a_len > 0 && a[a_len - 1] == '/';
    b_len -= b_len > 0 && b[b_len - 1] == '/';
    return a_len == b_len && strncasecmp(a, b, a_len) == 0;
}

bool place_is_elsewhere(const char *places, const char *own_url, const char *url)
{
    struct place theirs, known;
    if (!places || !places[0] || same_text(own_url, url) || !read_url(url, &theirs) ||
        is_loopback(&theirs.address)) {
        return false;
    }
    for (const char *at = places; *at; at += strspn(at, " ")) {
        size_t len = strcspn(at, " ");
        if (read_place(at, len, 0, &known) && known.port == theirs.port &&
            IN6_ARE_ADDR_EQUAL(&known.address, &theirs.address)) {
            return false;
        }
        at += len;
    }
    return true;
}

bool place_add(char places[PLACES_MAX], const char *address, unsigned port)
{
    size_t len = strlen(places);
    const char *format = strchr(address, ':') ? "%s[%s]:%u" : "%s%s:%u";
    int added = snprintf(places + len, PLACES_MAX - len, format, len > 0 ? " " : "", address, port);
    if (added < 0 || (size_t)added >= PLACES_MAX - len) {
        places[len] = '\0';
        return false;
    }
    return true;
}
