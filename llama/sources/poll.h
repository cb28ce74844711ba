/*
 * poll: one node asked over HTTP once: stats, readings, observations, memories, on one connection and within
 * one time limit. What has arrived by its end counts.
 *
 * A poll knows its node by name and looks it up again after each answer: it may be forgotten meanwhile.
 * Announced URLs (not configured by hand) give data only after their /api/stats said the node's name.
 */
#ifndef POLL_H
#define POLL_H

#include "allow.h"
#include "cache.h"
#include "complaint.h"
#include "fetch.h"

struct poll;

/* Shared by all polls of a poller; borrowed. */
struct poll_context {
    struct cache *cache;
    struct fetch *fetch;
    struct allow *allow;
    struct complaints complaints;
    uint32_t timeout_ms;
    uint32_t item_limit;
    uint64_t *requests; /* counts those sent */
    void (*changed)(void *user);
    /* The poll is over and freed after this call; the cache was told. */
    void (*finished)(void *user, struct poll *poll, enum probe_outcome outcome);
    void *user;
};

/* Begins asking `node` (which has a URL): later, `finished` is called once. NULL if it could not even be sent
 * (the cache was told; no `finished`). */
struct poll *poll_start(struct poll_context *context, struct node *node);
const char *poll_node(const struct poll *poll); /* the name */
void poll_cancel(struct poll *poll);            /* without `finished`; the cache is not told */
/* Links of the owner's list. */
struct poll **poll_link(struct poll *poll);

#endif
