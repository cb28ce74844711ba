/*
 * metrics: the cluster for Prometheus: state in, text out. Pure (docs/prometheus.md).
 *
 * - Names of nodes, sources and units are what peers said: they stand in the values of labels only.
 * - A reading is there as long as its node is known to be alive and tells it anew; then its series ends, so
 *   that a graph shows a gap and no line of old values. Texts, NaN and what is beyond a double are no
 * samples.
 * - No two samples have the same labels.
 * - It is written in portions, so that nothing else waits for all of it; the cache may change in between. A
 *   node that comes or goes meanwhile stands in some families and not in others, never twice in one; each
 *   node's samples of one family are of one moment.
 */
#ifndef METRICS_H
#define METRICS_H

#include "cache.h"

/* How far it is written. Start with zeroed memory. */
struct metrics_place {
    bool holdings, begun;         /* what llamad holds is written; the family is begun */
    size_t family;                /* the one in hand */
    char node[NODE_NAME_MAX + 1]; /* the last one written of it; "" = none yet */
};
/* Appends the next portion of the families about what llamad holds (llamad_…) and about the nodes
 * (smollama_…): about `portion` bytes (> 0), or all readings of one node. True if that was the last one.
 * `now` is the same for all of them. A failure shows in `out`. */
bool metrics_write_some(struct buf *out, const struct cache *cache, struct now now,
                        struct metrics_place *place, size_t portion);

#endif
