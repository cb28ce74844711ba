/*
 * visit: one node asked over HTTP once: stats, readings, observations, memories, on one connection and within
 * one time limit. What has arrived by its end counts.
 *
 * A visit knows its node by name and looks it up again after each answer: it may be forgotten meanwhile.
 * Announced URLs (not configured by hand) give data only after their /api/stats said the node's name.
 */
#ifndef VISIT_H
#define VISIT_H

#include "allow.h"
#include "cache.h"
#include "complaint.h"
#include "fetch.h"

struct visit;

/* Shared by all visits of a poller; borrowed. */
struct visit_context {
    struct cache *cache;
    struct fetch *fetch;
    struct allow *allow;
    struct complaints complaints;
    uint32_t timeout_ms;
    uint32_t item_limit;
    uint64_t *requests; /* counts those sent */
    void (*changed)(void *user);
    /* The visit is over, and freed after this call; the cache was told. */
    void (*finished)(void *user, struct visit *visit, enum probe_outcome outcome);
    void *user;
};

/* Begins asking `node` (which has a URL): later, `finished` is called once. NULL if it could not even be sent
 * (the cache was told; no `finished`). */
struct visit *visit_start(struct visit_context *context, struct node *node);
const char *visit_node(const struct visit *visit); /* the name */
int64_t visit_age_ms(const struct visit *visit, struct now now);
void visit_cancel(struct visit *visit); /* without `finished`; the cache is not told */
/* Links of the owner's list. */
struct visit **visit_link(struct visit *visit);

#endif
