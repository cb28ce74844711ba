/*
 * app: llamad put together: sources → state → outputs on one loop, and the order in which it all ends.
 */
#ifndef APP_H
#define APP_H

#include "conf.h"

struct app_end {
    int status; /* exit status: 0 clean, 1 could not start, 78 configuration */
    bool hung;  /* a worker is still at something: end by _exit */
};

/* Runs until a signal ends it. Takes `conf` (a reload may replace it) and frees it. */
struct app_end app_run(struct conf *conf);

#endif
