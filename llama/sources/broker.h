/*
 * broker: Debian's mosquitto as a supervised child with broker-config/, for `broker.run: true`.
 *
 * It is restarted with back-off when it dies, or lives and answers nobody, ends with llamad even when llamad
 * is killed (PDEATHSIG, set after the change of user), and keeps retained messages on disk. A broker that
 * runs already is never touched: a port in use is an error that says so. Files: <state_dir>/broker/
 * (broker_files.h).
 */
#ifndef BROKER_H
#define BROKER_H

#include "broker_log.h"
#include "loop.h"

#include <stdbool.h>
#include <stdint.h>

struct broker;
struct broker_options { /* its strings must stay */
    const char *listen; /* numeric address, no TLS; anonymous clients are let in on loopback only */
    uint16_t port;
    const char *tls_listen; /* numeric address, for those with an account; NULL = none */
    uint16_t tls_port;
    const char *tls_cert, *tls_key;     /* PEM files; copied for mosquitto */
    const char *client_ca;              /* PEM file: clients need a certificate of it as well; NULL = no */
    const char *acl_file;               /* further rules behind those of broker-config; NULL = none */
    const char *base_topic, *ha_prefix; /* put into the rules; NULL = as they stand there */
    const char *state_dir;              /* exists; broker/ is made below it */
    const char *config_dir;             /* broker-config */
    const char *program;                /* NULL = mosquitto from PATH, /usr/sbin, /usr/local/sbin */
};
/* Checks what it can before starting (program, port free, folder writable), and starts it. Borrows the loop.
 * NULL with *ret_error, a static summary; what exactly is wrong was logged. A port that is in use is given 2
 * s to become free, for a predecessor that is just ending. */
struct broker *broker_create(struct loop *loop, const struct broker_options *options, const char **ret_error);
uint32_t broker_restarts(const struct broker *broker);
bool broker_is_running(const struct broker *broker);
const struct broker_log *broker_troubles(const struct broker *broker);
/* Each tick: have accounts, rules or certificates changed? Then mosquitto reads them again (SIGHUP), and at
 * once closes connections whose account is gone or has another password: so it does since 2.0. */
void broker_reload(struct broker *broker);
/* Each tick: how many connects in a row it has left without an answer until their deadline. After
 * BROKER_HUNG_TRIES since it was started it hangs, and is ended (SIGTERM, after 2 s SIGKILL) to be restarted.
 * One that answers, be it with a refusal, does not hang. */
#define BROKER_HUNG_TRIES 2
void broker_check(struct broker *broker, unsigned unanswered);
/* SIGTERM, then SIGKILL after timeout_ms; `done` (may be NULL) when it ended, perhaps before this returns. */
void broker_stop(struct broker *broker, uint32_t timeout_ms, void (*done)(void *user), void *user);
void broker_destroy(struct broker *broker); /* kills it if it still runs; accepts NULL */

#endif
