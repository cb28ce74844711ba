/*
 * url: the address of a Smollama API, taken apart, and what other machines may be told of it. Pure.
 *
 * Only what an HTTP client needs: http or https, a host, a port, a base path. No user, query or fragment:
 * they have no meaning for an API's base address, and a password in it would end up in announcements.
 */
#ifndef URL_H
#define URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define URL_HOST_MAX       110 /* bytes; libwebsockets cuts a Host line at 128 */
#define URL_PATH_MAX       200
#define URL_AUTHORITY_SIZE (URL_HOST_MAX + 10) /* "[host]:65535" and its NUL */

struct url {
    bool https;
    bool ipv6;                   /* host is an IPv6 number, here without its brackets */
    char host[URL_HOST_MAX + 1]; /* lower case is kept as written */
    uint16_t port;               /* 80 or 443 where none was written */
    char path[URL_PATH_MAX + 1]; /* "" or "/base", never with a slash at its end */
};

/* 0, or -EINVAL; *ret_why (optional) is a static text that completes "the URL …". */
int url_parse(const char *text, struct url *ret_url, const char **ret_why);

/* "host", "host:port", "[::1]:port": as it stands in a Host header, the scheme's own port left out. Returns
 * `buffer`. */
const char *url_authority(const struct url *url, char buffer[URL_AUTHORITY_SIZE]);

/* The same API seen from outside: `url` with `address` (numeric) for its host. 0, or -E2BIG. */
int url_at_address(const struct url *url, const char *address, char *buffer, size_t size);

/* False for numbers that mean nothing on another machine: loopback, link-local, unspecified, multicast; and
 * for text that is no number. */
bool address_is_reachable(const char *address);

#endif
