/*
 * search: questions put to the nodes' own search, many nodes at a time and within bounds.
 *
 * A node is asked one question at a time, SEARCH_PARALLEL nodes at once, each within the time limit of a
 * poll; who waits for a node that another question holds waits no longer than that. Those that are
 * unreachable are asked last. A whole question takes at most four time limits (a thousand hanging nodes;
 * whoever was not asked by then is "not_asked"). It is put
 * SEARCH_PER_MINUTE times a minute at most: the same one again joins the one under way, or gets what that
 * found for SEARCH_KEPT_MS.
 *
 * Words of nodes: ok, off (no store there), no_url, forbidden_address, wrong_node, forgotten, busy (held by
 * another question all the time), not_asked, http_<status>, bad_body, too_large, error, and fetch's.
 */
#ifndef SEARCH_H
#define SEARCH_H

#include "cache.h"
#include "fetch.h"
#include "findings.h"
#include "loop.h"

struct search;
struct search_options {
    uint32_t timeout_ms;      /* cluster.request_timeout */
    const char *const *allow; /* as poller_options */
    size_t allow_count;
};

/* Borrows all. NULL without memory, or if allow holds what is no address range. */
struct search *search_create(struct loop *loop, struct cache *cache, struct fetch *fetch,
                             const struct search_options *options);
/* Other options, for searches from now on. 0, or -errno and all is as before. */
int search_set_requests(struct search *search, const struct search_options *options);
/*
 * 0 with *ret_findings (a reference), when they are there already, or with *ret_wait: then `done` comes once,
 * later, on the loop, unless it is cancelled; the other one is NULL. Else -EAGAIN with *ret_retry_after_s, or
 * -ENOMEM.
 */
int search_ask(struct search *search, const struct question *question, search_done_fn *done, void *user,
               struct search_wait **ret_wait, struct findings **ret_findings, unsigned *ret_retry_after_s);
/* The one who asked has left; what was asked goes on, for whoever asks the same. Not after `done`. */
void search_cancel(struct search *search, struct search_wait *wait);
/* No wait may be left. */
void search_destroy(struct search *search);

#endif
