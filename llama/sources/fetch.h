/*
 * fetch: many bounded HTTP GETs at a time (libcurl multi on the loop).
 *
 * No redirects, no proxy, http and https only, body, headers and time limited, connections reused, and the
 * address connected to is asked about first, on new and reused connections alike. Names are resolved on
 * threads of libcurl's.
 */
#ifndef FETCH_H
#define FETCH_H

#include "json.h"
#include "loop.h"

#include <sys/socket.h>

struct fetch;
struct fetch_get; /* one under way */

struct fetch_answer {
    int status; /* HTTP status; 0 = none came */
    /* NULL if a whole answer came (of any status but 3xx); else a word: refused, timeout, no_route, dns,
     * forbidden_address, too_large, truncated, closed (without an answer), not_http, redirect, tls, error */
    const char *error;
    struct json_slice body; /* borrowed for the call; what has arrived, also when there is an error */
    int64_t date_ms;        /* Date header, or TIMESTAMP_NONE */
    uint32_t latency_ms;    /* to the first byte of the answer */
    bool answered;          /* an HTTP status line came, whatever happened then */
    char peer[64];          /* numeric address connected to; "" = none */
    unsigned peer_port;
};
typedef void fetch_done_fn(void *user, const struct fetch_answer *answer);
/* True if this address may be connected to. Must not call into fetch. */
typedef bool fetch_address_fn(void *user, const struct sockaddr *address);

struct fetch *fetch_create(struct loop *loop); /* NULL with errno */
/* For GETs from now on: a token to send (Authorization: Bearer), and the one certificate that https servers
 * must have, whatever name it is for (instead of the system's authorities). Both copied; NULL = none. 0 or
 * -ENOMEM. */
int fetch_use(struct fetch *fetch, const char *token, const char *certificate_file);
/* Starts a GET; copies the URL. `allowed` may be NULL (any address). `done` comes exactly once, later, on the
 * loop, unless it is cancelled; it may start and cancel others. NULL with errno (EINVAL: not an http or https
 * URL). */
struct fetch_get *fetch_start(struct fetch *fetch, const char *url, uint32_t timeout_ms, size_t max_bytes,
                              fetch_address_fn *allowed, fetch_done_fn *done, void *user);
void fetch_cancel(struct fetch_get *get); /* accepts NULL; not for one whose `done` was called */
void fetch_destroy(struct fetch *fetch);  /* cancels all; not inside `done` */

#endif
