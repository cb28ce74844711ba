/*
 * reload: SIGHUP: the configuration is read again, and what can change while running does. Neither browsers
 * nor the broker notice.
 */
#ifndef RELOAD_H
#define RELOAD_H

#include "app_internal.h"

/* Takes over what the parts do not get when they are made: the manual nodes, how often to poll, how long to
 * remember. Manual nodes of `before` (NULL = none) that `conf` does not list are dropped. */
void reload_apply(struct app *app, const struct conf *before, const struct conf *conf);
/* Reads the file anew and applies it; logs what is wrong with it, or for each key that changed what becomes
 * of it. With errors in it nothing changes. */
void reload(struct app *app);

#endif
