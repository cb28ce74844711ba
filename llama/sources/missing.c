#include "missing.h"

#include "log.h"

#include <stdlib.h>
#include <string.h>

#define PASS_MS      5000   /* between two looks for missing snapshots, and the first pause of a node */
#define PAUSE_MAX_MS 600000 /* of a node that does not deliver */
#define QUIET_MS     1000   /* without a retained message: the replay has ended, */
#define REPLAY_MS    60000  /* and it has when it took so long */
#define STEP         50     /* nodes asked at once, */
#define STEP_MS      1000   /* and the pause between two steps */

struct missing {
    struct cache *cache;
    struct loop_timer *timer;
    missing_ask_fn *ask;
    void *user;
    char asked_last[NODE_NAME_MAX + 1]; /* in this pass; "" = it begins */
    unsigned asked;                     /* in this pass */
    struct {
        bool told;
        unsigned nodes, snapshots;
        int64_t began_ms, last_ms; /* monotonic; last_ms: of the last retained message */
    } replay;
};

/* ---- how complete is the replay? ---- */

static bool goes_on(const struct missing *missing, int64_t now_ms)
{
    return !missing->replay.told && now_ms - missing->replay.last_ms < QUIET_MS &&
           now_ms - missing->replay.began_ms < REPLAY_MS;
}

static void tell_replay(struct missing *missing)
{
    unsigned nodes = 0, snapshots = 0;
    for (const struct node *node = cache_first_node(missing->cache); node; node = node->next) {
        unsigned count = cache_missing(missing->cache, node);
        nodes += count > 0;
        snapshots += count;
    }
    missing->replay.told = true;
    log_write(snapshots > 0 ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
              "ingest: %u nodes and %u snapshots were restored from retained messages; %u are missing (of %u "
              "nodes)",
              missing->replay.nodes, missing->replay.snapshots, snapshots, nodes);
}

void missing_replayed(struct missing *missing, bool heartbeat, bool snapshot)
{
    missing->replay.nodes += heartbeat;
    missing->replay.snapshots += snapshot;
    missing->replay.last_ms = clock_now().mono_ms;
}

/* ---- asking ---- */

static void begin_pass(struct missing *missing)
{
    missing->asked = 0;
    missing->asked_last[0] = '\0';
    loop_timer_start(missing->timer, PASS_MS, 0);
}

static void end_pass(struct missing *missing)
{
    if (missing->asked > 0) {
        log_warning(
            "ingest: the broker has not delivered all snapshots of %u nodes; asked them to send again "
            "(is its max_queued_messages large enough?)",
            missing->asked);
    }
    begin_pass(missing);
}

static void forget_pause(struct missing *missing, const struct node *found)
{
    if (found->ask_pause_ms > 0) {
        struct node *node = cache_find(missing->cache, found->name, strlen(found->name));
        node->ask_pause_ms = 0;
        node->next_ask_ms = 0;
    }
}

/* Is it this one's turn? Who has delivered is asked soon when something is missing again. */
static bool is_due(struct missing *missing, const struct node *found, int64_t now_ms)
{
    if (cache_wants_refresh(missing->cache, found)) {
        return now_ms >= found->next_ask_ms;
    }
    if (cache_missing(missing->cache, found) == 0) {
        forget_pause(missing, found);
    }
    return false;
}

static void note_asked(struct missing *missing, const char *name, int64_t now_ms)
{
    struct node *node = cache_find(missing->cache, name, strlen(name));
    uint32_t pause_ms = node->ask_pause_ms ? 2 * node->ask_pause_ms : PASS_MS;
    node->ask_pause_ms = pause_ms < PAUSE_MAX_MS ? pause_ms : PAUSE_MAX_MS;
    node->next_ask_ms = now_ms + node->ask_pause_ms;
    memcpy(missing->asked_last, node->name, sizeof missing->asked_last);
    missing->asked++;
}

static void on_timer(void *user)
{
    struct missing *missing = user;
    int64_t now_ms = clock_now().mono_ms;
    unsigned asked = 0;
    if (goes_on(missing, now_ms)) {
        loop_timer_start(missing->timer, QUIET_MS, 0);
        return;
    }
    if (!missing->replay.told) {
        tell_replay(missing);
    }
    for (const struct node *node = cache_first_node(missing->cache); node; node = node->next) {
        if (strcmp(node->name, missing->asked_last) <= 0 || !is_due(missing, node, now_ms)) {
            continue;
        }
        if (asked == STEP) {
            loop_timer_start(missing->timer, STEP_MS, 0);
            return;
        }
        /* Too much is under way: later. Or the link is down: the next connect begins anew. */
        if (missing->ask(missing->user, node->name) != 0) {
            begin_pass(missing);
            return;
        }
        note_asked(missing, node->name, now_ms);
        asked++;
    }
    end_pass(missing);
}

/* --- interface --- */

struct missing *missing_create(struct loop *loop, struct cache *cache, missing_ask_fn *ask, void *user)
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
    for (const struct node *found = cache_first_node(missing->cache); found; found = found->next) {
        forget_pause(missing, found);
    }
    memset(&missing->replay, 0, sizeof missing->replay);
    missing->replay.began_ms = clock_now().mono_ms;
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
