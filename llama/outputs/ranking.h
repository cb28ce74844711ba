/*
 * ranking: the best `limit` items of many, in order, without sorting them all. Pure; borrows the items.
 */
#ifndef RANKING_H
#define RANKING_H

#include "cache.h"

/* Negative if `a` comes before `b`. */
typedef int ranking_order(const struct item *a, const struct item *b);

struct ranking {
    const struct item **items; /* a heap, the last in order on top; sorted after ranking_sort */
    size_t count, limit;
    ranking_order *order;
};

/* 0 or -ENOMEM. */
int ranking_init(struct ranking *ranking, size_t limit, ranking_order *order);
void ranking_offer(struct ranking *ranking, const struct item *item);
void ranking_sort(struct ranking *ranking);
void ranking_finish(struct ranking *ranking);

/* Newest first by `at`, unknown times last; then by node, then by id. */
int ranking_newest(const struct item *a, const struct item *b);
/* By times_confirmed, the most first; then as ranking_newest. */
int ranking_confirmed(const struct item *a, const struct item *b);

#endif
