/*
 * mdns_packet: which services a multicast DNS packet tells of. Pure.
 *
 * Avahi hands on what was said, but not by whom. A node whose address record is useless (127.0.1.1 on
 * Raspberry Pi OS) is where its packets come from, so llamad looks at each packet itself, for the names of
 * the services in it and no more. Packets are anybody's: nothing here trusts a length or an offset.
 */
#ifndef MDNS_PACKET_H
#define MDNS_PACKET_H

#include <stdbool.h>
#include <stddef.h>

#define MDNS_LABEL_MAX 63 /* bytes */

/* `instance`: the first label of the service's name, its bytes as they are (dots, spaces, UTF-8); `len` is 1
 * to MDNS_LABEL_MAX; not NUL-terminated, may hold NUL. */
typedef void mdns_packet_fn(void *user, const char *instance, size_t len);

/* Calls `found` for each SRV record of "<instance>.<type>.local" that is no goodbye; `type` as
 * "_smollama._tcp". False if the packet is no response, or broken: what stood before the fault was told. */
bool mdns_packet_services(const unsigned char *packet, size_t len, const char *type, mdns_packet_fn *found,
                          void *user);

#endif
