/*
 * run: the agent between two readings of its configuration: what is fetched, kept and published, put
 * together.
 *
 * Each run has a session id of its own. Runs follow one another on one loop; app does that.
 */
#ifndef RUN_H
#define RUN_H

#include "conf.h"
#include "config.h"
#include "loop.h"
#include "notify.h"

#include <stdbool.h>

struct run;

/* Borrows the loop, `conf`, which has passed config_check, and `notify` (may be NULL), which hears how it
 * goes, until destroyed. NULL when it could not be put together, which is logged. */
struct run *run_create(struct loop *loop, const struct conf *conf, struct notify *notify);
/* Goes on with another configuration, of which no key differs that needs a new connection; takes `config`
 * over, whose strings are borrowed until the run is destroyed or given another one. */
void run_reconfigure(struct run *run, struct config *config);
/* Starts fetching and connecting. */
void run_start(struct run *run);
/* Ends the connection to the broker, with a goodbye if `say_offline`; calls `done` once, within 1.2 s. */
void run_stop(struct run *run, bool say_offline, void (*done)(void *user), void *user);
/* Turns the loop. A name look-up that hangs goes on, and shows in loop_work_pending. */
void run_destroy(struct run *run);

/* Borrowed from the run. */
const struct config *run_config(const struct run *run);

#endif
