/*
 * peer: the address of who asks, and networks of such. Pure.
 *
 * IPv4 is kept as IPv4-mapped IPv6, so that both families compare alike.
 */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PEER_LEN  16
#define PEER_TEXT 46 /* of a terminated address; INET6_ADDRSTRLEN */

struct peer {
    unsigned char bytes[PEER_LEN];
};

struct peer_network {
    struct peer address;
    unsigned bits; /* 0–128; of IPv4 96 more than its prefix says */
};

/* A numeric address: "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1". */
bool peer_parse(const char *text, struct peer *ret);
void peer_format(const struct peer *peer, char ret[PEER_TEXT]);
/* "192.168.0.0/16", "fc00::/7", or an address for that alone. */
bool peer_network_parse(const char *text, struct peer_network *ret);
bool peer_in(const struct peer *peer, const struct peer_network *networks, size_t count);
/* Whom to hold responsible: an IPv6 address stands for its /64, which one household or server has whole. */
struct peer peer_source(const struct peer *peer);
bool peer_equal(const struct peer *a, const struct peer *b);

#endif
