#include "allow.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HOST_MAX 256

/* All addresses as 16 bytes, IPv4 mapped (::ffff:a.b.c.d), so that one comparison serves both. */
struct network {
    unsigned char address[16];
    unsigned bits;
};

struct allow {
    size_t count;
    struct network networks[];
};

static const char *const default_cidrs[] = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10",
                                            "fc00::/7"};

/* "This host", loopback, link-local, multicast and broadcast. */
static const char *const special_cidrs[] = {"0.0.0.0/8",          "127.0.0.0/8", "169.254.0.0/16",
                                            "224.0.0.0/4",        "::/128",      "::1/128",
                                            "255.255.255.255/32", "fe80::/10",   "ff00::/8"};

static const unsigned char mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

static bool parse_address(const char *text, unsigned char ret_address[16], unsigned *ret_width)
{
    unsigned char v4[4];
    if (inet_pton(AF_INET, text, v4) == 1) {
        memcpy(ret_address, mapped_prefix, sizeof mapped_prefix);
        memcpy(ret_address + 12, v4, sizeof v4);
        *ret_width = 32;
        return true;
    }
    *ret_width = 128;
    return inet_pton(AF_INET6, text, ret_address) == 1;
}

static bool parse_network(const char *text, struct network *ret_network)
{
    char address[64];
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    if (len >= sizeof address) {
        return false;
    }
    memcpy(address, text, len);
    address[len] = '\0';
    struct network network;
    unsigned width;
    if (!parse_address(address, network.address, &width)) {
        return false;
    }
    unsigned long bits = width;
    if (slash) {
        char *end;
        if (slash[1] < '0' || slash[1] > '9') {
            return false;
        }
        bits = strtoul(slash + 1, &end, 10);
        if (*end || bits > width) {
            return false;
        }
    }
    network.bits = (unsigned)bits + 128 - width;
    *ret_network = network;
    return true;
}

static bool within(const struct network *network, const unsigned char address[16])
{
    unsigned whole = network->bits / 8;
    unsigned rest = network->bits % 8;
    if (memcmp(network->address, address, whole) != 0) {
        return false;
    }
    unsigned mask = (0xFF00u >> rest) & 0xFFu;
    return rest == 0 || ((network->address[whole] ^ address[whole]) & mask) == 0;
}

/* The special range that holds the address: its prefix length, or 0. */
static unsigned special_bits(const unsigned char address[16])
{
    for (size_t i = 0; i < sizeof special_cidrs / sizeof *special_cidrs; i++) {
        struct network special;
        if (parse_network(special_cidrs[i], &special) && within(&special, address)) {
            return special.bits;
        }
    }
    return 0;
}

static bool allowed(const struct allow *allow, const unsigned char address[16])
{
    unsigned least = special_bits(address);
    for (size_t i = 0; i < allow->count; i++) {
        if (within(&allow->networks[i], address) && allow->networks[i].bits >= least) {
            return true;
        }
    }
    return false;
}

struct allow *allow_create(const char *const *cidrs, size_t count, const char **ret_bad)
{
    if (!cidrs) {
        cidrs = default_cidrs;
        count = sizeof default_cidrs / sizeof *default_cidrs;
    }
    *ret_bad = NULL;
    struct allow *allow = calloc(1, sizeof *allow + count * sizeof allow->networks[0]);
    if (!allow) {
        return NULL;
    }
    allow->count = count;
    for (size_t i = 0; i < count; i++) {
        if (!parse_network(cidrs[i], &allow->networks[i])) {
            *ret_bad = cidrs[i];
            free(allow);
            return NULL;
        }
    }
    return allow;
}

int allow_replace(struct allow **allow, const char *const *cidrs, size_t count)
{
    const char *bad = NULL;
    struct allow *fresh = allow_create(cidrs, count, &bad);
    if (!fresh) {
        return bad ? -EINVAL : -ENOMEM;
    }
    allow_destroy(*allow);
    *allow = fresh;
    return 0;
}

void allow_destroy(struct allow *allow)
{
    free(allow);
}

bool allow_address(const struct allow *allow, const struct sockaddr *address)
{
    unsigned char bytes[16];
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        memcpy(bytes, mapped_prefix, sizeof mapped_prefix);
        memcpy(bytes + 12, &v4.sin_addr, 4);
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        memcpy(bytes, &v6.sin6_addr, sizeof bytes);
    } else {
        return false;
    }
    return allowed(allow, bytes);
}

bool allow_url(const struct allow *allow, const char *url)
{
    size_t scheme = strncasecmp(url, "http://", 7) == 0 ? 7 : strncasecmp(url, "https://", 8) == 0 ? 8 : 0;
    if (scheme == 0 || strpbrk(url, "?#\\ \t\r\n")) {
        return false;
    }
    const char *authority = url + scheme;
    size_t len = strcspn(authority, "/");
    if (len == 0 || len >= HOST_MAX || memchr(authority, '@', len)) {
        return false;
    }
    char host[HOST_MAX];
    bool brackets = authority[0] == '[';
    if (brackets && !memchr(authority, ']', len)) {
        return false;
    }
    memcpy(host, authority + brackets, len - brackets);
    host[len - brackets] = '\0';
    host[strcspn(host, brackets ? "]" : ":")] = '\0';
    unsigned char address[16];
    unsigned width;
    if (!parse_address(host, address, &width)) {
        return !brackets && host[0] != '\0';
    }
    return allowed(allow, address);
}
