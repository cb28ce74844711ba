/*
 * stub_broker: a broker on the test's own loop that answers each connection by a script. For what a real one
 * does not do on demand.
 */
#ifndef STUB_BROKER_H
#define STUB_BROKER_H

#include "loop.h"

#include <stddef.h>
#include <stdint.h>

enum stub_action {
    STUB_ACCEPT,           /* CONNACK 0 in the client's version */
    STUB_ACCEPT_AND_CLOSE, /* the same, then close */
    STUB_TAKE_OVER,        /* CONNACK 0, then DISCONNECT 0x8E */
    STUB_VERSION_5_FORM,   /* CONNACK 0x84, as a broker that knows MQTT 5's form */
    STUB_VERSION_3_FORM,   /* CONNACK 1, as a broker that does not */
    STUB_NOT_AUTHORIZED,   /* CONNACK 0x87 */
    STUB_CLOSE,            /* after the CONNECT */
    STUB_SILENT,
};

#define STUB_CONNECTIONS_MAX 32

struct stub_broker;
/* The last action of the script holds for all further connections. */
struct stub_broker *stub_create(struct loop *loop, const enum stub_action *script, size_t len);
void stub_destroy(struct stub_broker *stub);
uint16_t stub_port(const struct stub_broker *stub);
void stub_set_codes(struct stub_broker *stub, uint8_t puback, uint8_t suback);
void stub_set_max_packet(struct stub_broker *stub, uint32_t max_packet);
void stub_set_acknowledge(struct stub_broker *stub, int acknowledge); /* 0: PUBLISH stays unanswered */
/* How many CONNECT packets came; the protocol level of the i-th, and its bytes. */
size_t stub_connects(const struct stub_broker *stub);
uint8_t stub_level(const struct stub_broker *stub, size_t i);
const uint8_t *stub_connect_bytes(const struct stub_broker *stub, size_t i, size_t *ret_len);
size_t stub_publishes(const struct stub_broker *stub);
size_t stub_disconnects(const struct stub_broker *stub);
/* Sends bytes on the newest connection. */
void stub_send(struct stub_broker *stub, const void *bytes, size_t len);

#endif
