#include "peer.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define MAPPED_LEN 12

static const unsigned char mapped[MAPPED_LEN] = {[10] = 0xff, [11] = 0xff};

static bool is_v4(const struct peer *peer)
{
    return memcmp(peer->bytes, mapped, MAPPED_LEN) == 0;
}

bool peer_parse(const char *text, struct peer *ret)
{
    struct peer peer;
    memcpy(peer.bytes, mapped, MAPPED_LEN);
    if (inet_pton(AF_INET, text, peer.bytes + MAPPED_LEN) != 1 &&
        inet_pton(AF_INET6, text, peer.bytes) != 1) {
        return false;
    }
    *ret = peer;
    return true;
}

void peer_format(const struct peer *peer, char ret[PEER_TEXT])
{
    ret[0] = '\0';
    if (is_v4(peer)) {
        inet_ntop(AF_INET, peer->bytes + MAPPED_LEN, ret, PEER_TEXT);
    } else {
        inet_ntop(AF_INET6, peer->bytes, ret, PEER_TEXT);
    }
}

bool peer_network_parse(const char *text, struct peer_network *ret)
{
    char address[PEER_TEXT];
    size_t len = strcspn(text, "/");
    if (len >= sizeof address) {
        return false;
    }
    memcpy(address, text, len);
    address[len] = '\0';
    struct peer_network network = {.bits = 128};
    if (!peer_parse(address, &network.address)) {
        return false;
    }
    if (text[len] == '/') {
        const char *prefix = text + len + 1;
        size_t digits = strspn(prefix, "0123456789");
        unsigned base = strchr(address, ':') ? 0 : 96;
        if (digits == 0 || digits > 3 || prefix[digits]) {
            return false;
        }
        network.bits = base + (unsigned)strtoul(prefix, NULL, 10);
    }
    if (network.bits > 128) {
        return false;
    }
    *ret = network;
    return true;
}

static bool in_one(const struct peer *peer, const struct peer_network *network)
{
    unsigned whole = network->bits / 8, rest = network->bits % 8;
    if (memcmp(peer->bytes, network->address.bytes, whole) != 0) {
        return false;
    }
    unsigned mask = 0xffu << (8 - rest) & 0xffu;
    return rest == 0 || (peer->bytes[whole] & mask) == (network->address.bytes[whole] & mask);
}

bool peer_in(const struct peer *peer, const struct peer_network *networks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (in_one(peer, &networks[i])) {
            return true;
        }
    }
    return false;
}

struct peer peer_source(const struct peer *peer)
{
    struct peer source = *peer;
    if (!is_v4(peer)) {
        memset(source.bytes + PEER_LEN / 2, 0, PEER_LEN / 2);
    }
    return source;
}

bool peer_equal(const struct peer *a, const struct peer *b)
{
    return memcmp(a->bytes, b->bytes, PEER_LEN) == 0;
}
