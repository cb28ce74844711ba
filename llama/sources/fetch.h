/*
 * fetch: many bounded HTTP GETs at a time (libcurl multi on the loop).
 *
 * No redirects, no proxy, http and https only, body and time limited, connections reused, and the address connected to is asked
 * about first, on new and reused connections alike.
 */
#ifndef FETCH_H
#define FETCH_H

#include "json.h"
#include "loop.h"

#include <sys/socket.h>

struct fetch;
struct fetch_get; /* one under way */

struct fetch_answer {
    int status;               /* HTTP status; 0 = none came */
    const char *error;        /* NULL if a whole answer came; else a word: refused, timeout, no_route, dns, forbidden_address, too_large, truncated,
                                 redirect, tls, error */
    struct json_slice body;   /* borrowed for the call */
    int64_t date_ms;          /* Date header, or TIMESTAMP_NONE */
    uint32_t latency_ms;      /* to the first byte of the answer */
    bool answered;            /* an HTTP status line came, whatever happened then */
    char peer[64];            /* numeric address connected to; "" = none */
};
typedef void fetch_done_fn(void *user, const struct fetch_answer *answer);
/* True if this address may be connected to. */
typedef bool fetch_address_fn(void *user, const struct sockaddr *address);

struct fetch *fetch_create(struct loop *loop);
/* Starts a GET. `allowed` may be NULL (any address). `done` comes exactly once, later, on the loop, unless it is cancelled. NULL with errno. */
struct fetch_get *fetch_start(struct fetch *fetch, const char *url, uint32_t timeout_ms, size_t max_bytes, fetch_address_fn *allowed,
                              fetch_done_fn *done, void *user);
void fetch_cancel(struct fetch_get *get);
void fetch_destroy(struct fetch *fetch); /* cancels all */

#endif
