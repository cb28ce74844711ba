/*
 * mdns_services: the services that mDNS tells of, and what is to be done about each. Pure.
 *
 * A service is one instance on one network interface. What it is called proves nothing (one machine can
 * appear as `kitchen` and `kitchen-2`, and anybody may answer in any name): its address is asked over HTTP
 * which node it is, and the sighting belongs to the node that /api/stats names, or to the one whose agent
 * announces that address and says that its Smollama has this name. Where nobody answers, it is a
 * sighting of the node it is called, without life. An answer in another node's name at a later poll, or a
 * node that was forgotten, has it asked again.
 *
 * Everything is bounded: MDNS_SERVICES_MAX services, as many nodes that nothing but a service's name tells of
 * as MDNS_UNPROVEN_MAX, MDNS_CHECKS checks at a time and MDNS_CHECKS_S a second, the newest service first:
 * whoever floods the network with names delays itself. One address is asked once a second at most, for all
 * services there together: names that come and go, or move, make llamad a nuisance to nobody.
 */
#ifndef MDNS_SERVICES_H
#define MDNS_SERVICES_H

#include "cache.h"

#include <netinet/in.h>

#define MDNS_SERVICES_MAX 1024
#define MDNS_UNPROVEN_MAX 128
#define MDNS_CHECKS       8
#define MDNS_CHECKS_S     50
#define MDNS_PACE_MS      1000  /* between two checks at one address, whatever is announced there */
#define MDNS_RECHECK_MS   60000 /* between two checks of one service, */
#define MDNS_HURRY_MS     10000 /* or when its node is not what it was */

struct mdns_service; /* opaque; valid until it is removed */
struct mdns_services;

/* What was resolved. */
struct mdns_answer {
    char instance[SIGHTING_INSTANCE_MAX + 1]; /* decoded, NUL-terminated */
    int interface;                            /* index */
    struct in_addr address;                   /* the host's address record */
    struct in_addr source;                    /* where the packets come from; 0.0.0.0 = not known */
    uint16_t port;
    enum node_type type; /* TXT node_type */
};

/* Which address to use: the record's, but where that is loopback, unspecified, link-local or multicast, and
 * the packets come from a better one, that. */
struct in_addr mdns_choose_address(const struct mdns_answer *answer);
/* TXT node_type's value. */
enum node_type mdns_node_type(const char *value, size_t len);

/* `url_allowed`: may this URL be fetched, as far as its text tells? Borrows the cache. NULL without memory.
 */
struct mdns_services *mdns_services_create(struct cache *cache,
                                           bool (*url_allowed)(void *user, const char *url), void *user);
void mdns_services_destroy(struct mdns_services *services); /* the cache is not told */

/* New, or resolved anew. 0, -ENOSPC (MDNS_SERVICES_MAX; counted as dropped), -ENOMEM. */
int mdns_services_found(struct mdns_services *services, const struct mdns_answer *answer, struct now now);
/* A goodbye, or its records ran out. True if anything was known of it. */
bool mdns_services_gone(struct mdns_services *services, const char *instance, int interface, struct now now);

/* The next service to be asked now who it is; NULL = none, or enough are being asked. mdns_services_checked
 * must follow for it, but it may be gone until then: keep `*ret_id`, not the service. */
const char *mdns_services_next_check(struct mdns_services *services, struct now now, uint64_t *ret_id);
/* What /api/stats there said; "" = no answer, or none that names a node. True if the cache was told anything;
 * *ret_fault (reason REJECT_NONE if there is none) says why a node can't be. */
bool mdns_services_checked(struct mdns_services *services, uint64_t id, const char *node_name, struct now now,
                           struct fault *ret_fault);

struct mdns_services_stats {
    unsigned services;
    unsigned unproven; /* of them, known by nothing but their own name */
    unsigned checking;
    uint64_t dropped; /* no room */
};
struct mdns_services_stats mdns_services_stats(const struct mdns_services *services);

#endif
