/*
 * ask: one node's own search, asked once: first who answers there (not at a manual URL), then the question,
 * on one connection and within one time limit.
 *
 * It knows its node by name, and gives up when that was forgotten or moved to another URL meanwhile.
 */
#ifndef ASK_H
#define ASK_H

#include "allow.h"
#include "complaint.h"
#include "fetch.h"
#include "findings.h"

struct ask;

/* Shared by all asks; borrowed. */
struct ask_context {
    struct cache *cache;
    struct fetch *fetch;
    struct allow *allow;
    struct complaints complaints;
    uint64_t requests; /* sent */
    /* The ask is over, and freed after this call. `user` is that of ask_start. */
    void (*finished)(void *user, struct ask *ask);
};

/* Why the node can't be asked at all ("no_url", "forbidden_address"); NULL = it can. */
const char *ask_refusal(const struct node *node);
/* Asks node `i` of the findings, which must be known and have a URL, until `deadline_ms` (monotonic). Borrows
 * findings and `path` ("/api/…?…") until it is over; the node's word is set by then, and its items are taken.
 * NULL when nothing could be sent (the word is set; no `finished`). */
struct ask *ask_start(struct ask_context *context, struct findings *findings, size_t i,
                      const struct node *node, const char *path, int64_t deadline_ms, void *user);
void ask_cancel(struct ask *ask, const char *word); /* without `finished` */
const char *ask_node(const struct ask *ask);
struct ask **ask_link(struct ask *ask); /* of the owner's list */
const void *ask_user(const struct ask *ask);

#endif
