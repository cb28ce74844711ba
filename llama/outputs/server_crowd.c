#include "server_crowd.h"

#include <stdlib.h>

#define BUCKETS 1024

struct crowd_member {
    struct peer source;
    struct crowd_member *next; /* of its bucket */
    uint32_t count;
};

struct server_crowd {
    uint32_t share;
    struct crowd_member *buckets[BUCKETS]; /* owned */
};

struct server_crowd *server_crowd_create(uint32_t share)
{
    struct server_crowd *crowd = calloc(1, sizeof *crowd);
    if (crowd) {
        crowd->share = share;
    }
    return crowd;
}

void server_crowd_destroy(struct server_crowd *crowd)
{
    for (size_t i = 0; crowd && i < BUCKETS; i++) {
        while (crowd->buckets[i]) {
            struct crowd_member *member = crowd->buckets[i];
            crowd->buckets[i] = member->next;
            free(member);
        }
    }
    free(crowd);
}

static struct crowd_member **bucket_of(struct server_crowd *crowd, const struct peer *source)
{
    uint32_t hash = 0x811c9dc5u; /* FNV-1a; whoever makes sources meet in one bucket has that many sources */
    for (size_t i = 0; i < PEER_LEN; i++) {
        hash = (hash ^ source->bytes[i]) * 0x01000193u;
    }
    return &crowd->buckets[hash % BUCKETS];
}

static bool is_local(const struct peer *peer)
{
    struct peer v4, v6;
    return (peer_parse("127.0.0.1", &v4) && peer_equal(peer, &v4)) ||
           (peer_parse("::1", &v6) && peer_equal(peer, &v6));
}

bool server_crowd_enter(struct server_crowd *crowd, const struct peer *peer, struct crowd_member **ret_member)
{
    *ret_member = NULL;
    if (is_local(peer)) {
        return true;
    }
    struct peer source = peer_source(peer);
    struct crowd_member **bucket = bucket_of(crowd, &source), *member = *bucket;
    while (member && !peer_equal(&member->source, &source)) {
        member = member->next;
    }
    if (!member) {
        member = calloc(1, sizeof *member);
        if (!member) {
            return false;
        }
        *member = (struct crowd_member){.source = source, .next = *bucket};
        *bucket = member;
    } else if (member->count >= crowd->share) {
        return false;
    }
    member->count++;
    *ret_member = member;
    return true;
}

uint32_t crowd_member_count(const struct crowd_member *member)
{
    return member ? member->count : 0;
}

void server_crowd_leave(struct server_crowd *crowd, struct crowd_member *member)
{
    if (!member || --member->count > 0) {
        return;
    }
    struct crowd_member **at = bucket_of(crowd, &member->source);
    while (*at != member) {
        at = &(*at)->next;
    }
    *at = member->next;
    free(member);
}
