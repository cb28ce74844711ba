#include "ranking.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int ranking_init(struct ranking *ranking, size_t limit, ranking_order *order)
{
    *ranking = (struct ranking){.limit = limit, .order = order};
    ranking->items = malloc(limit * sizeof *ranking->items);
    return ranking->items ? 0 : -ENOMEM;
}

void ranking_finish(struct ranking *ranking)
{
    free(ranking->items);
    *ranking = (struct ranking){0};
}

static void swap(struct ranked *a, struct ranked *b)
{
    struct ranked kept = *a;
    *a = *b;
    *b = kept;
}

static void sink(struct ranking *ranking, size_t count)
{
    struct ranked *items = ranking->items;
    for (size_t i = 0;;) {
        size_t last = i, child = 2 * i + 1;
        for (size_t end = child + 2; child < end && child < count; child++) {
            if (ranking->order(&items[child], &items[last]) > 0) {
                last = child;
            }
        }
        if (last == i) {
            return;
        }
        swap(&items[i], &items[last]);
        i = last;
    }
}

void ranking_offer(struct ranking *ranking, const struct item *item, const struct node *node)
{
    struct ranked *items = ranking->items;
    struct ranked offered = {item, cache_our_time(node, item->at_ms)};
    if (ranking->count == ranking->limit) {
        if (ranking->order(&offered, &items[0]) < 0) {
            items[0] = offered;
            sink(ranking, ranking->count);
        }
        return;
    }
    size_t i = ranking->count++;
    items[i] = offered;
    for (; i > 0 && ranking->order(&items[i], &items[(i - 1) / 2]) > 0; i = (i - 1) / 2) {
        swap(&items[i], &items[(i - 1) / 2]);
    }
}

void ranking_sort(struct ranking *ranking)
{
    for (size_t end = ranking->count; end > 1; end--) {
        swap(&ranking->items[0], &ranking->items[end - 1]);
        sink(ranking, end - 1);
    }
}

/* Ids are raw JSON; nearly always integers, which compare by value. */
static int compare_ids(const struct item *a, const struct item *b)
{
    int64_t x, y;
    if (json_int((struct json_slice){a->id, a->id_len}, &x) == 0 &&
        json_int((struct json_slice){b->id, b->id_len}, &y) == 0) {
        return (x > y) - (x < y);
    }
    size_t shorter = a->id_len < b->id_len ? a->id_len : b->id_len;
    int order = memcmp(a->id, b->id, shorter);
    return order ? order : (a->id_len > b->id_len) - (a->id_len < b->id_len);
}

int ranking_newest(const struct ranked *a, const struct ranked *b)
{
    if (a->at_ms != b->at_ms) {
        return a->at_ms > b->at_ms ? -1 : 1; /* TIMESTAMP_NONE is the least of all */
    }
    /* what a node's own search found is not of the cache's node, but of its name */
    const struct node *of_a = a->item->node, *of_b = b->item->node;
    int order = of_a != of_b ? strcmp(of_a->name, of_b->name) : 0;
    return order ? order : compare_ids(a->item, b->item);
}

int ranking_confirmed(const struct ranked *a, const struct ranked *b)
{
    double x = isnan(a->item->number) ? -HUGE_VAL : a->item->number;
    double y = isnan(b->item->number) ? -HUGE_VAL : b->item->number;
    if (x != y) {
        return x > y ? -1 : 1;
    }
    return ranking_newest(a, b);
}
