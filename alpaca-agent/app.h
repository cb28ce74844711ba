/*
 * app: the agent's parts put together on one loop, and taken apart in the right order.
 */
#ifndef APP_H
#define APP_H

#include "conf.h"

#include <stdbool.h>

struct app_end {
    int status;        /* exit status: 0, or 1 when it could not start */
    struct conf *next; /* after a SIGHUP: what to run with now, owned by the caller; else NULL */
    bool hung; /* a worker still hangs in a look-up: end the program by _exit, libuv would wait for it */
};

/* Runs until SIGTERM, SIGINT, or a SIGHUP with a valid configuration. Borrows conf, which has passed
 * config_check. `config_file` is what the command line named (NULL: the search order), for reading it again.
 */
struct app_end app_run(const struct conf *conf, const char *config_file);

#endif
