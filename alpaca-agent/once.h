/*
 * once: `alpaca-agent --once --print`: fetches everything once and prints what would be published, without a
 * broker.
 *
 * A line for each message: topic, a space, payload, as mosquitto_sub -v has them.
 */
#ifndef ONCE_H
#define ONCE_H

#include "conf.h"

/* Takes `conf`, which has passed config_check. The exit status: 0; 1 if something could not be fetched, which
 * is logged. */
int once_print(struct conf *conf);

#endif
