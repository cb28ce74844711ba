/*
 * once: `alpaca-agent --once --print`: fetches everything once and prints what would be published, without a
 * broker.
 *
 * A line for each message: topic, a space, payload, as mosquitto_sub -v has them.
 */
#ifndef ONCE_H
#define ONCE_H

#include "app.h"
#include "conf.h"

/* Takes `conf`, which has passed config_check. Its status: 0; 1 if something could not be fetched, which is
 * logged, or not printed. */
struct app_end once_print(struct conf *conf);

#endif
