/*
 * source_health: is the Smollama behind the endpoints all right? Pure.
 *
 * It is not after two failed fetches in a row without a usable one between, and is again with the next usable
 * one.
 *
 * One endpoint may fail by itself for good (a NaN makes /api/readings answer 500, a vector search breaks
 * /api/memories). Once another endpoint answered while it failed, that is known: it is the snapshot's error,
 * and its further failures say nothing about the source. Only a connection that does not come about always
 * counts: it concerns them all.
 */
#ifndef SOURCE_HEALTH_H
#define SOURCE_HEALTH_H

#include "answer.h"
#include "clock.h"

#include <stdbool.h>
#include <stdint.h>

/* Embedded; written by the functions below only. */
struct source_health {
    bool ok;
    char error[SOURCE_ERROR_MAX + 1]; /* the last failure's word while not ok, else "" */
    int64_t since_wall_ms;            /* since when ok or not ok */
    uint32_t latency_ms;              /* of the last HTTP answer; 0 until one came */
    unsigned failed_in_a_row;
    unsigned failing; /* bit per kind: its last fetch failed */
    unsigned known;   /* of those: failing while another endpoint answered */
};

void source_health_init(struct source_health *health, struct now now);
void source_health_note(struct source_health *health, struct now now, enum report_kind kind,
                        const struct answer *answer, const struct answer_verdict *verdict);

#endif
