/*
 * server_forwarded: how a request reached the outermost of our proxies. Pure.
 *
 * Only what a trusted proxy says counts: X-Forwarded-For, of which the last address that is no such proxy is
 * who asks; X-Forwarded-Proto; X-Forwarded-Prefix, the path below which it shows us. Not read are
 * X-Forwarded-Host, with which a page after DNS rebinding could get past the check of Host, and Forwarded
 * (RFC 7239): a proxy that writes one of the two forms hands on what the client put into the other.
 */
#ifndef SERVER_FORWARDED_H
#define SERVER_FORWARDED_H

#include "peer.h"
#include "server_cookie.h"

struct forwarded_headers { /* NULL = absent */
    const char *x_for, *x_proto, *x_prefix;
};

struct forwarded {
    struct peer peer;
    bool https;
    char path[COOKIE_PATH_MAX + 1]; /* with slashes at both ends */
};

/* `how` comes in as the connection itself has it. */
void forwarded_read(const struct forwarded_headers *headers, const struct peer_network *trusted, size_t count,
                    struct forwarded *how);
/* The path of http.public_url, with slashes at both ends: "/" if it has none. False if it cannot be a
 * cookie's. */
bool forwarded_public_path(const char *public_url, char ret[COOKIE_PATH_MAX + 1]);

#endif
