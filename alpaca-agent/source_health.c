#include "source_health.h"

#include <stdio.h>

#define FAILURES 2

void source_health_init(struct source_health *health, struct now now)
{
    *health = (struct source_health){.ok = true, .since_wall_ms = now.wall_ms};
}

static void turn(struct source_health *health, struct now now, bool ok)
{
    if (health->ok != ok) {
        health->ok = ok;
        health->since_wall_ms = now.wall_ms;
    }
}

static void note_failure(struct source_health *health, struct now now, unsigned bit,
                         const struct answer *answer, const char *word)
{
    health->failing |= bit;
    if (!(health->known & bit) || !answer->connected) {
        health->failed_in_a_row++;
    }
    if (health->failed_in_a_row >= FAILURES) {
        turn(health, now, false);
    }
    if (!health->ok) {
        snprintf(health->error, sizeof health->error, "%s", word);
    }
}

void source_health_note(struct source_health *health, struct now now, enum report_kind kind,
                        const struct answer *answer, const struct answer_verdict *verdict)
{
    unsigned bit = 1u << kind;
    if (answer_is_http(answer)) {
        health->latency_ms = answer->latency_ms;
    }
    switch (verdict->worth) {
    case ANSWER_USABLE:
        health->failing &= ~bit;
        health->known = health->failing;
        health->failed_in_a_row = 0;
        health->error[0] = '\0';
        turn(health, now, true);
        break;
    case ANSWER_OFF: /* an answer as it should be, which proves nothing about the rest */
        health->failing &= ~bit;
        health->known &= ~bit;
        break;
    case ANSWER_FAILED:
        note_failure(health, now, bit, answer, verdict->word);
        break;
    }
}
