/*
 * discovery_avahi: browses one service type by multicast DNS with libavahi-core on the loop: no daemon, no
 * D-Bus, nothing published, so that it stands beside a host's avahi-daemon as any other querier does. The
 * only module that knows Avahi. IPv4, since that is what Smollama announces.
 *
 * It begins again by itself when Avahi fails, and when the wall clock jumps: Avahi's deadlines are
 * wall-clock, and on a machine without a battery clock they would lie years off after the first
 * synchronisation. What is not found again within a while then counts as gone.
 */
#ifndef DISCOVERY_AVAHI_H
#define DISCOVERY_AVAHI_H

#include "loop.h"
#include "mdns_services.h"

struct discovery_avahi;

struct discovery_avahi_callbacks {
    /* A service was resolved, or resolved anew to something else. Borrowed for the call. */
    void (*found)(void *user, const struct mdns_answer *answer);
    void (*gone)(void *user, const char *instance, int interface);
    void *user;
};

/* Copies the service type ("_smollama._tcp"). Callbacks come on the loop, never inside create or destroy.
 * NULL without memory; whatever else is wrong is logged, and tried again. */
struct discovery_avahi *discovery_avahi_create(struct loop *loop, const char *service_type,
                                               const struct discovery_avahi_callbacks *callbacks);
void discovery_avahi_destroy(struct discovery_avahi *avahi);
bool discovery_avahi_is_running(const struct discovery_avahi *avahi);
uint64_t discovery_avahi_dropped(const struct discovery_avahi *avahi); /* services there was no room for */

#endif
