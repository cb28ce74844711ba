/*
 * ranking: the best `limit` items of many, in order, without sorting them all. Pure; borrows the items.
 */
#ifndef RANKING_H
#define RANKING_H

#include "cache.h"

struct ranked {
    const struct item *item;
    int64_t at_ms; /* of the item, by llamad's clock (cache_our_time) */
};
/* Negative if `a` comes before `b`. */
typedef int ranking_order(const struct ranked *a, const struct ranked *b);

struct ranking {
    struct ranked *items; /* a heap, the last in order on top; sorted after ranking_sort */
    size_t count, limit;
    ranking_order *order;
};

/* 0 or -ENOMEM. */
int ranking_init(struct ranking *ranking, size_t limit, ranking_order *order);
/* `node` is whose clock told the item's time: the cache's. */
void ranking_offer(struct ranking *ranking, const struct item *item, const struct node *node);
void ranking_sort(struct ranking *ranking);
void ranking_finish(struct ranking *ranking);

/* Newest first, unknown times last; then by node, then by id. */
int ranking_newest(const struct ranked *a, const struct ranked *b);
/* By times_confirmed, the most first; then as ranking_newest. */
int ranking_confirmed(const struct ranked *a, const struct ranked *b);

#endif
