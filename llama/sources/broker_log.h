/*
 * broker_log: what a mosquitto that llamad runs says, line by line: troubles are counted, and logged once a
 * minute for each who makes them; the rest is for the debug log. Pure but for the log.
 *
 * It does not say everything. Publishing where one must not is answered to a client of MQTT 5, and told to
 * nobody else; subscribing there is not even that. Source: mosquitto 2.0, src/handle_connect.c, src/loop.c,
 * src/net.c.
 */
#ifndef BROKER_LOG_H
#define BROKER_LOG_H

#include "complaint.h"

#include <stddef.h>
#include <stdint.h>

enum broker_trouble {
    BROKER_NOT_AUTHORISED, /* unknown account, wrong password, or a standing connection that was revoked */
    BROKER_TLS_FAILED,     /* no TLS, no certificate where one is asked for, or one of ours refused there */
    BROKER_TOO_LARGE,      /* a packet above max_packet_size */
    BROKER_NO_MQTT,        /* bytes that are none */
    BROKER_DROPPING,       /* a client is too slow for what it has subscribed to */
    BROKER_TURNED_AWAY,    /* it has no descriptors left for who comes, or hosts.deny(5) says so */
    BROKER_TROUBLES
};

struct broker_log { /* embedded; start zeroed */
    uint64_t counts[BROKER_TROUBLES];
    struct complaints complaints;
    char
        last_peer[64]; /* the address that connected last: before CONNECT, the only thing known of a client */
};

void broker_log_line(struct broker_log *log, const char *line, size_t len, int64_t mono_ms);
const char *broker_trouble_name(enum broker_trouble trouble); /* "not_authorised", for metrics */

#endif
