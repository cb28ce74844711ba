/*
 * mdns_senders: where the packets come from that tell of services. Looks at each datagram before its owner
 * takes it from the socket, and remembers for a while who named which service.
 */
#ifndef MDNS_SENDERS_H
#define MDNS_SENDERS_H

#include "mdns_packet.h"

#include <netinet/in.h>

struct mdns_senders;
struct mdns_sender {
    char instance[MDNS_LABEL_MAX + 1];
    int interface; /* index */
    struct in_addr source;
};
/* The record is yours to use: true. Else it is remembered, for mdns_senders_find. */
typedef bool mdns_senders_fn(void *user, const struct mdns_sender *sender);

/* Copies the service type ("_smollama._tcp"). NULL without memory. */
struct mdns_senders *mdns_senders_create(const char *type);
void mdns_senders_destroy(struct mdns_senders *senders);
/* Looks at the next datagram of `fd`, an IPv4 socket with IP_PKTINFO, without taking it; any other descriptor
 * is left alone. */
void mdns_senders_peek(struct mdns_senders *senders, int fd, mdns_senders_fn *named, void *user);
/* The last of those remembered; 0.0.0.0 = unknown. */
struct in_addr mdns_senders_find(const struct mdns_senders *senders, const char *instance, int interface);
bool mdns_sender_is(const struct mdns_sender *sender, const char *instance, int interface);

#endif
