/*
 * smollama_source: asks the local Smollama's HTTP API (libwebsockets' client, on the loop).
 *
 * One request at a time, one connection each. The whole request, name look-up included, has one deadline.
 * Nothing blocks: names are resolved on a worker, and libwebsockets only ever gets numbers. Redirects are not
 * followed, proxies not used, a body is cut off at REPORT_MAX.
 */
#ifndef SMOLLAMA_SOURCE_H
#define SMOLLAMA_SOURCE_H

#include "answer.h"
#include "loop.h"
#include "url.h"

#include <stdbool.h>
#include <stdint.h>

struct smollama_source;

struct smollama_source_options {
    const struct url *url; /* copied */
    unsigned limit;        /* newest observations and memories asked for */
    uint32_t deadline_ms;  /* of one request in all; 0 = 5,000 */
};

/* Called once per fetch, never inside smollama_source_fetch. The answer's body is valid during the call. */
typedef void smollama_source_fn(void *user, const struct answer *answer);

/* Borrows the loop. Removes the proxy variables from the environment, so call it before threads run. NULL
 * with errno; *ret_why then is a static text that says what to do. */
struct smollama_source *smollama_source_create(struct loop *loop,
                                               const struct smollama_source_options *options,
                                               smollama_source_fn *answered, void *user,
                                               const char **ret_why);
/* How many observations and memories are asked for from now on. */
void smollama_source_set_limit(struct smollama_source *source, unsigned limit);
/* Asks the endpoint of `kind`. Requires that no fetch is under way. */
void smollama_source_fetch(struct smollama_source *source, enum report_kind kind);
/* Cancels a fetch without calling back. Turns the loop until libwebsockets is gone. False if a worker still
 * hangs in a name look-up: that job's memory is left to it, and the program should end by _exit. */
bool smollama_source_destroy(struct smollama_source *source);

#endif
