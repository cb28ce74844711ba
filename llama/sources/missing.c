#include "missing.h"

#include "log.h"

#include <stdlib.h>
#include <string.h>

#define PASS_MS     5000 /* between two looks for missing snapshots */
#define PASS_MAX_MS 600000
#define STEP        50   /* nodes asked at once, */
#define STEP_MS     1000 /* and the pause between two steps */

struct missing {
    const struct cache *cache;
    struct loop_timer *timer;
    missing_ask_fn *ask;
    void *user;
    uint32_t pass_ms;
    char asked_last[NODE_NAME_MAX + 1]; /* in this pass; "" = it begins */
    unsigned asked;                     /* in this pass */
};

static void begin_pass(struct missing *missing)
{
    missing->asked = 0;
    missing->asked_last[0] = '\0';
    loop_timer_start(missing->timer, missing->pass_ms, 0);
}

static void end_pass(struct missing *missing)
{
    if (missing->asked > 0) {
        log_warning(
            "ingest: the broker has not delivered all snapshots of %u nodes; asked them to send again "
            "(is its max_queued_messages large enough?)",
            missing->asked);
        missing->pass_ms = missing->pass_ms < PASS_MAX_MS / 2 ? 2 * missing->pass_ms : PASS_MAX_MS;
    } else {
        missing->pass_ms = PASS_MS;
    }
    begin_pass(missing);
}

static void on_timer(void *user)
{
    struct missing *missing = user;
    unsigned asked = 0;
    for (const struct node *node = cache_first_node(missing->cache); node; node = node->next) {
        if (strcmp(node->name, missing->asked_last) <= 0 || !cache_wants_refresh(missing->cache, node)) {
            continue;
        }
        if (asked == STEP) {
            loop_timer_start(missing->timer, STEP_MS, 0);
            return;
        }
        if (missing->ask(missing->user, node->name) != 0) {
            return; /* the link is down: the next connect begins anew */
        }
        memcpy(missing->asked_last, node->name, sizeof missing->asked_last);
        asked++;
        missing->asked++;
    }
    end_pass(missing);
}

/* --- interface --- */

struct missing *missing_create(struct loop *loop, const struct cache *cache, missing_ask_fn *ask, void *user)
{
    struct missing *missing = calloc(1, sizeof *missing);
    if (!missing) {
        return NULL;
    }
    missing->cache = cache;
    missing->ask = ask;
    missing->user = user;
    missing->timer = loop_timer_create(loop, on_timer, missing);
    if (!missing->timer) {
        free(missing);
        return NULL;
    }
    return missing;
}

void missing_begin(struct missing *missing)
{
    missing->pass_ms = PASS_MS;
    begin_pass(missing);
}

void missing_end(struct missing *missing)
{
    loop_timer_stop(missing->timer);
}

void missing_destroy(struct missing *missing)
{
    if (missing) {
        loop_timer_destroy(missing->timer);
        free(missing);
    }
}
