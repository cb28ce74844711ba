/*
 * broker: Debian's mosquitto as a supervised child with broker-config/, for `broker.run: true`.
 *
 * It is restarted with back-off when it dies, ends with llamad even when llamad is killed (PDEATHSIG, set after the change of user),
 * and keeps retained messages on disk. A broker that runs already is never touched: a port in use is an error that says so.
 */
#ifndef BROKER_H
#define BROKER_H

#include "loop.h"

struct broker;
struct broker_options {
    const char *listen;
    uint16_t port;
    const char *state_dir;      /* broker/ is made below it */
    const char *config_dir;     /* broker-config */
    const char *program;        /* NULL = mosquitto from PATH, /usr/sbin */
};
/* Checks what it can before starting (program, port free, folder writable). NULL with *ret_error. */
struct broker *broker_create(struct loop *loop, const struct broker_options *options, const char **ret_error);
uint32_t broker_restarts(const struct broker *broker);
/* SIGTERM, and SIGKILL after timeout_ms; `done` once it has ended. */
void broker_stop(struct broker *broker, uint32_t timeout_ms, void (*done)(void *user), void *user);
void broker_destroy(struct broker *broker); /* kills it if it still runs */

#endif
