/*
 * poller: asks nodes over HTTP while MQTT is silent about them: who is due when. One poll of one node is
 * visit.h. Nodes that hang delay each other, not those that answer. Source: contract section 2
 * (docs/operations.md).
 */
#ifndef POLLER_H
#define POLLER_H

#include "cache.h"
#include "fetch.h"
#include "histogram.h"

struct poller;
struct poller_options {
    uint32_t interval_ms;     /* cluster.aggregation_interval */
    uint32_t timeout_ms;      /* cluster.request_timeout: for all four endpoints of one node together */
    unsigned parallel;        /* nodes at once; 0 = 64 */
    uint32_t item_limit;      /* limit= for observations and memories */
    const char *const *allow; /* CIDRs, perhaps none; NULL = RFC 1918, 100.64/10, fc00::/7 */
    size_t allow_count;
};
struct poller_stats {
    uint64_t polls, usable, unusable, failed; /* finished ones */
    uint64_t requests;
    struct histogram duration; /* of the polls that were sent: all of a node's endpoints together */
    unsigned in_flight;        /* nodes being asked now */
    unsigned waiting; /* due, but there is no place: `parallel` others are being asked, or those whose last
                       * poll gave nothing have theirs, three of four, taken */
};

/* `changed` after the cache may have changed. NULL with *ret_error: the entry of options->allow that is no
 * address range, or "out of memory". Borrows cache and fetch. */
struct poller *poller_create(struct loop *loop, struct cache *cache, struct fetch *fetch,
                             const struct poller_options *options, void (*changed)(void *user), void *user,
                             const char **ret_error);
/* May the URL be polled as far as its text tells? (Numeric addresses are checked here, names when
 * connecting.) */
bool poller_url_allowed(const struct poller *poller, const char *url);
/* Asks this node within the next second, whatever its schedule says; at most once per request_timeout. 0
 * (also when it was asked just now), -EINVAL without a URL that may be polled or when MQTT is fresh about it.
 */
int poller_poke(struct poller *poller, struct node *node);
/* For a changed configuration: takes effect with each node's next poll. */
void poller_set_interval(struct poller *poller, uint32_t interval_ms);
/* timeout_ms, item_limit, allow of the options, for what is asked from now on. 0, or -errno and all is as
 * before. */
int poller_set_requests(struct poller *poller, const struct poller_options *options);
const struct poller_stats *poller_stats(const struct poller *poller);
void poller_destroy(struct poller *poller);

#endif
