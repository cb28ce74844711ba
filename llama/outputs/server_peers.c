#include "server_peers.h"

#include <stdlib.h>

#define MINUTE_MS 60000

struct entry {
    struct peer source;
    const char *reason; /* NULL = unused */
    int64_t heard_ms, next_ms;
    uint64_t silent;
};

struct server_peers {
    struct entry entries[SERVER_PEERS_MAX];
    int64_t minute_ms; /* when the minute of `lines` ends */
    unsigned lines;
};

struct server_peers *server_peers_create(void)
{
    return calloc(1, sizeof(struct server_peers));
}

void server_peers_destroy(struct server_peers *peers)
{
    free(peers);
}

/* The entry of that source and reason, if need be in the place of the longest unheard. */
static struct entry *entry_of(struct server_peers *peers, const struct peer *peer, const char *reason)
{
    struct peer source = peer_source(peer);
    struct entry *oldest = peers->entries;
    for (size_t i = 0; i < SERVER_PEERS_MAX; i++) {
        struct entry *entry = &peers->entries[i];
        if (entry->reason == reason && peer_equal(&entry->source, &source)) {
            return entry;
        }
        if (entry->heard_ms < oldest->heard_ms) {
            oldest = entry;
        }
    }
    *oldest = (struct entry){.source = source, .reason = reason};
    return oldest;
}

bool server_peers_say(struct server_peers *peers, const struct peer *peer, const char *reason, int64_t now_ms,
                      uint64_t *ret_before)
{
    struct entry *entry = entry_of(peers, peer, reason);
    entry->heard_ms = now_ms;
    if (now_ms >= peers->minute_ms) {
        peers->minute_ms = now_ms + MINUTE_MS;
        peers->lines = 0;
    }
    if (now_ms < entry->next_ms || peers->lines >= SERVER_PEERS_LINES) {
        entry->silent++;
        return false;
    }
    peers->lines++;
    *ret_before = entry->silent;
    entry->silent = 0;
    entry->next_ms = now_ms + MINUTE_MS;
    return true;
}
