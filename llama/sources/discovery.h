/*
 * discovery: nodes found on the local network by multicast DNS (cluster.discovery_method: mdns). Browses
 * (discovery_avahi), asks what is found over HTTP which node it is, and tells the cache (mdns_services: the
 * rules). Source: contract section 2 (docs/operations.md).
 */
#ifndef DISCOVERY_H
#define DISCOVERY_H

#include "cache.h"
#include "fetch.h"

struct discovery;
struct discovery_options {
    const char *service_type; /* discovery.service_type */
    uint32_t timeout_ms;      /* cluster.request_timeout; a check takes no more than MDNS_CHECK_MS of it */
    const char *const *allow; /* CIDRs: as poller_options */
    size_t allow_count;
};
struct discovery_stats {
    bool running;
    unsigned services; /* resolved ones */
    unsigned unproven; /* of them, nodes that nothing but a service's name tells of */
    uint64_t checks;
    uint64_t dropped; /* there was no room for */
};

/* `changed` after the cache may have changed. NULL without memory: the network being away is no error, it is
 * tried again. Borrows cache and fetch. */
struct discovery *discovery_create(struct loop *loop, struct cache *cache, struct fetch *fetch,
                                   const struct discovery_options *options, void (*changed)(void *user),
                                   void *user);
/* timeout_ms and allow of the options, for what is asked from now on. 0, or -errno and all is as before. */
int discovery_set_requests(struct discovery *discovery, const struct discovery_options *options);
void discovery_destroy(struct discovery *discovery);
struct discovery_stats discovery_stats(const struct discovery *discovery);

#endif
