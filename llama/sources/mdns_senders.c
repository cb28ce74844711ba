#include "mdns_senders.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PACKET_MAX 9216 /* multicast DNS goes up to 9000 */
#define REMEMBERED 64   /* the record of a packet may come just before its service is told of */

struct mdns_senders {
    char *type;
    struct mdns_sender ring[REMEMBERED];
    unsigned next;
    /* of the packet being looked at */
    int interface;
    struct in_addr source;
    mdns_senders_fn *named;
    void *user;
    unsigned char packet[PACKET_MAX];
};

struct mdns_senders *mdns_senders_create(const char *type)
{
    struct mdns_senders *senders = calloc(1, sizeof *senders);
    if (senders && !(senders->type = strdup(type))) {
        free(senders);
        return NULL;
    }
    return senders;
}

void mdns_senders_destroy(struct mdns_senders *senders)
{
    if (senders) {
        free(senders->type);
        free(senders);
    }
}

bool mdns_sender_is(const struct mdns_sender *sender, const char *instance, int interface)
{
    return sender->interface == interface && strcmp(sender->instance, instance) == 0;
}

struct in_addr mdns_senders_find(const struct mdns_senders *senders, const char *instance, int interface)
{
    for (unsigned i = 1; i <= REMEMBERED; i++) { /* the latest first */
        const struct mdns_sender *sender = &senders->ring[(senders->next + REMEMBERED - i) % REMEMBERED];
        if (mdns_sender_is(sender, instance, interface)) {
            return sender->source;
        }
    }
    return (struct in_addr){.s_addr = INADDR_ANY};
}

static void on_service(void *user, const char *instance, size_t len)
{
    struct mdns_senders *senders = user;
    struct mdns_sender sender = {.interface = senders->interface, .source = senders->source};
    memcpy(sender.instance, instance, len);
    if (strlen(sender.instance) == len && !senders->named(senders->user, &sender)) {
        senders->ring[senders->next] = sender;
        senders->next = (senders->next + 1) % REMEMBERED;
    }
}

static int interface_of(struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            return info.ipi_ifindex;
        }
    }
    return -1;
}

void mdns_senders_peek(struct mdns_senders *senders, int fd, mdns_senders_fn *named, void *user)
{
    int domain = 0;
    socklen_t size = sizeof domain;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || domain != AF_INET) {
        return; /* netlink */
    }
    struct sockaddr_in source = {0};
    struct iovec iov = {.iov_base = senders->packet, .iov_len = sizeof senders->packet};
    union {
        char bytes[256];
        struct cmsghdr align;
    } control;
    struct msghdr message = {.msg_name = &source,
                             .msg_namelen = sizeof source,
                             .msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t len = recvmsg(fd, &message, MSG_PEEK | MSG_DONTWAIT);
    if (len <= 0) {
        return;
    }
    senders->interface = interface_of(&message);
    senders->source = source.sin_addr;
    senders->named = named;
    senders->user = user;
    mdns_packet_services(senders->packet, (size_t)len, senders->type, on_service, senders);
}
