/*
 * reload: SIGHUP: the configuration is read again, and what can change while running does.
 */
#ifndef RELOAD_H
#define RELOAD_H

#include "cache.h"
#include "conf.h"
#include "poller.h"

/* Takes over what needs no restart: the manual nodes, how often to poll, how long to remember. Manual nodes
 * of `before` (NULL = none) that `conf` does not list are dropped. */
void reload_apply(struct cache *cache, struct poller *poller, const struct conf *before,
                  const struct conf *conf);
/* Reads the file of `started` anew and applies it; logs what is wrong with it, and which keys need a restart.
 * `before` is what was applied last. Returns the new configuration, for the caller to destroy; NULL if it has
 * errors: then nothing has changed. */
struct conf *reload_read(struct cache *cache, struct poller *poller, const struct conf *started,
                         const struct conf *before);

#endif
