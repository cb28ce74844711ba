/*
 * metrics: the cluster for Prometheus: state in, text out. Pure (docs/prometheus.md).
 *
 * - Names of nodes, sources and units are what peers said: they stand in the values of labels only.
 * - A reading is there as long as its node is known to be alive and tells it anew; then its series ends, so
 *   that a graph shows a gap and no line of old values. Texts, NaN and what is beyond a double are no
 * samples.
 * - No two samples have the same labels.
 */
#ifndef METRICS_H
#define METRICS_H

#include "cache.h"

/* Families about the nodes (smollama_…) and about what llamad holds of them (llamad_…). */
void metrics_write_cluster(struct buf *out, const struct cache *cache, struct now now);

#endif
