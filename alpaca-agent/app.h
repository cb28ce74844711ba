/*
 * app: the agent on its loop: one run after the other, and the signals that end them.
 */
#ifndef APP_H
#define APP_H

#include "conf.h"

#include <stdbool.h>

struct app_end {
    int status; /* exit status: 0, or 1 when it could not start */
    bool hung;  /* a worker still hangs in a look-up: end the program by _exit, libuv would wait for it */
};

/* Runs until SIGTERM or SIGINT; on SIGHUP goes on with the file read anew, unless it has errors: with the
 * same connection where that is possible. Takes
 * `conf`, which has passed config_check. */
struct app_end app_run(struct conf *conf);

#endif
