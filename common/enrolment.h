/*
 * enrolment: what a machine needs to reach the broker, as one word that can be pasted into a terminal: made
 * by `llamad enrol`, taken by `alpaca-agent enrol`. Pure.
 *
 * "smc1-" and base64url of: node, password, base topic, port, hosts (best first, an empty one ends them),
 * each as text with a NUL; how TLS is done (one letter); the authority's certificate as DER, if it is that;
 * CRC-32 of all this, so that half a word or one with a slip is told from a whole one. It holds a password:
 * whoever has it is that node.
 */
#ifndef ENROLMENT_H
#define ENROLMENT_H

#include "buf.h"
#include "topic.h"

#include <stddef.h>
#include <stdint.h>

#define ENROLMENT_PREFIX       "smc1-"
#define ENROLMENT_HOSTS_MAX    6
#define ENROLMENT_HOST_MAX     253
#define ENROLMENT_PASSWORD_MAX 128
#define ENROLMENT_CA_MAX       4096
#define ENROLMENT_WORD_MAX     12000 /* longer ones are none of ours */

enum enrolment_tls {
    ENROLMENT_PLAIN = 'n',  /* none: passwords cross the network in the clear */
    ENROLMENT_CA = 'c',     /* by the authority that comes along */
    ENROLMENT_PUBLIC = 'p', /* by those that this system trusts */
};

struct enrolment {
    char node[NODE_NAME_MAX + 1]; /* also the account's name */
    char password[ENROLMENT_PASSWORD_MAX + 1];
    char base_topic[BASE_TOPIC_MAX + 1];
    char hosts[ENROLMENT_HOSTS_MAX][ENROLMENT_HOST_MAX + 1]; /* names or addresses, best first */
    size_t host_count;
    uint16_t port;
    enum enrolment_tls tls;
    unsigned char ca[ENROLMENT_CA_MAX]; /* DER */
    size_t ca_len;
};

/* Appends the word to `out`. 0, or -EINVAL if something is empty or too long. */
int enrolment_encode(const struct enrolment *enrolment, struct buf *out);
/* 0, or -EBADMSG with *ret_why, a static text that completes "the word …". Space around it is passed over. */
int enrolment_decode(const char *word, struct enrolment *ret_enrolment, const char **ret_why);
/* The authority's certificate as PEM. */
void enrolment_write_ca(const struct enrolment *enrolment, struct buf *out);

#endif
