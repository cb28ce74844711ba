/*
 * resolver: a host name's addresses, as numbers, looked up off the loop.
 *
 * The result is kept until none of it works: a daemon asks its neighbour every few seconds and need not ask
 * DNS as often.
 */
#ifndef RESOLVER_H
#define RESOLVER_H

#include "loop.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#define RESOLVER_ADDRESSES    8
#define RESOLVER_ADDRESS_SIZE 64 /* "fe80::…%interface" and its NUL */

struct resolver;

/* Called on the loop when a look-up has ended, with or without addresses. */
typedef void resolver_fn(void *user);

/* `host` (copied) may be a number: then nothing is ever looked up. NULL with errno. */
struct resolver *resolver_create(struct loop *loop, const char *host, resolver_fn *done, void *user);
/* Starts a look-up unless one is under way or addresses are known. True if addresses are known now; else
 * `done` will be called. */
bool resolver_start(struct resolver *resolver);
/* The nth address, counted from the one that worked last; NULL if there are not so many. */
const char *resolver_address(const struct resolver *resolver, size_t n);
/* The nth address worked: it comes first from now on. */
void resolver_prefer(struct resolver *resolver, size_t n);
/* The first n + 1 addresses did not work: go on with the one behind them, or look the name up anew if there
 * is none. */
void resolver_skip(struct resolver *resolver, size_t n);
/* False if a look-up hangs: it is left running, its memory with it, and `done` is not called. */
bool resolver_destroy(struct resolver *resolver);

#endif
