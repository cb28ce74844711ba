#include "resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* One look-up. It belongs to the worker until `finished` runs, which may be after the resolver's end. */
struct lookup {
    struct resolver *owner; /* NULL once the resolver is gone; touched on the loop only */
    char host[256];
    char addresses[RESOLVER_ADDRESSES][RESOLVER_ADDRESS_SIZE];
    size_t count;
};

struct resolver {
    struct loop *loop;
    resolver_fn *done;
    void *user;
    char host[256];
    bool numeric;
    char addresses[RESOLVER_ADDRESSES][RESOLVER_ADDRESS_SIZE];
    size_t count, first;
    struct lookup *running;
};

static bool is_number(const char *host)
{
    unsigned char number[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, number) == 1 || inet_pton(AF_INET6, host, number) == 1;
}

struct resolver *resolver_create(struct loop *loop, const char *host, resolver_fn *done, void *user)
{
    struct resolver *resolver = calloc(1, sizeof *resolver);
    if (!resolver) {
        return NULL;
    }
    resolver->loop = loop;
    resolver->done = done;
    resolver->user = user;
    snprintf(resolver->host, sizeof resolver->host, "%s", host);
    resolver->numeric = is_number(host);
    if (resolver->numeric) {
        snprintf(resolver->addresses[0], sizeof resolver->addresses[0], "%s", host);
        resolver->count = 1;
    }
    return resolver;
}

/* On a worker: touches nothing but the look-up. */
static void look_up(void *user)
{
    struct lookup *lookup = user;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    if (getaddrinfo(lookup->host, NULL, &hints, &found) != 0) {
        return;
    }
    for (struct addrinfo *a = found; a && lookup->count < RESOLVER_ADDRESSES; a = a->ai_next) {
        if (getnameinfo(a->ai_addr, a->ai_addrlen, lookup->addresses[lookup->count], RESOLVER_ADDRESS_SIZE,
                        NULL, 0, NI_NUMERICHOST) == 0) {
            lookup->count++;
        }
    }
    freeaddrinfo(found);
}

static void finished(void *user)
{
    struct lookup *lookup = user;
    struct resolver *resolver = lookup->owner;
    if (resolver) {
        resolver->running = NULL;
        memcpy(resolver->addresses, lookup->addresses, sizeof resolver->addresses);
        resolver->count = lookup->count;
        resolver->first = 0;
    }
    free(lookup);
    if (resolver) {
        resolver->done(resolver->user);
    }
}

bool resolver_start(struct resolver *resolver)
{
    if (resolver->count > 0) {
        return true;
    }
    if (resolver->running) {
        return false;
    }
    struct lookup *lookup = calloc(1, sizeof *lookup);
    if (!lookup) {
        return false; /* the request's deadline ends it */
    }
    lookup->owner = resolver;
    snprintf(lookup->host, sizeof lookup->host, "%s", resolver->host);
    if (loop_work(resolver->loop, look_up, finished, lookup) != 0) {
        free(lookup);
        return false;
    }
    resolver->running = lookup;
    return false;
}

const char *resolver_address(const struct resolver *resolver, size_t n)
{
    return n < resolver->count ? resolver->addresses[(resolver->first + n) % resolver->count] : NULL;
}

void resolver_prefer(struct resolver *resolver, size_t n)
{
    if (resolver->count > 0) {
        resolver->first = (resolver->first + n) % resolver->count;
    }
}

void resolver_skip(struct resolver *resolver, size_t n)
{
    resolver->first += n + 1;
    if (resolver->first >= resolver->count) {
        resolver->first = 0;
        resolver->count = resolver->numeric ? 1 : 0;
    }
}

bool resolver_destroy(struct resolver *resolver)
{
    if (!resolver) {
        return true;
    }
    bool idle = !resolver->running;
    if (!idle) {
        resolver->running->owner = NULL;
    }
    free(resolver);
    return idle;
}
