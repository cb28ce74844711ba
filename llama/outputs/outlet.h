/*
 * outlet: how an output publishes retained messages: what must wait is told apart from what will never go,
 * which is counted and logged.
 */
#ifndef OUTLET_H
#define OUTLET_H

#include "log.h"
#include "mqtt.h"

struct outlet { /* embedded */
    struct mqtt *mqtt;
    const char *who, *what; /* for the log: "home assistant", "is announced"; static */
    uint64_t messages;      /* published */
    uint64_t left_out;      /* messages, and parts of messages */
    struct log_limit limit;
};
/* Of what was published; never 0. */
uint64_t outlet_hash(const char *data, size_t len);
/* QoS 1, retained if the broker does that. 0, also when it will never go (counted); -ENOTCONN, -ENOBUFS or
 * -ENOMEM: try again later. */
int outlet_publish(struct outlet *outlet, const char *topic, const char *data, size_t len);
/* `count` parts of what is named are not published; 0 says nothing. */
void outlet_leave_out(struct outlet *outlet, uint64_t count, const char *name, const char *why);
/* How many bytes of payload fit into a packet whose head and topic take `head`: least … most. */
size_t outlet_room(const struct outlet *outlet, size_t head, size_t least, size_t most);

#endif
