#include "poller.h"

#include "backoff.h"
#include "visit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCAN_MS         250
#define FIRST_POLL_MS   750 /* with SCAN_MS: well within 2 s of turning silent, not all at once */
#define PARALLEL        64
#define JITTER_FRACTION 10 /* an interval is up to a tenth longer, so that nodes drift apart */
#define MIN_INTERVAL_MS 1000

/* Nodes whose last poll gave nothing have places of their own to hang in: however many they are, those who
 * answer are asked in time. Of four places, they take three at most. */
enum hope { HOPEFUL, DOUBTFUL, HOPES };
#define DOUBTFUL_PLACES(all) ((all) > 1 ? (all) - ((all) + 3) / 4 : 1)

static const double duration_bounds_s[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};

struct poller {
    struct cache *cache;
    struct visit_context context;
    struct loop_timer *scan_timer;
    struct loop_after *scan_soon; /* a place became free while others wait */
    struct visit *visits[HOPES];  /* under way; linked by visit_link */
    unsigned in_flight[HOPES];
    struct backoff jitter;
    uint32_t interval_ms;
    unsigned parallel;
    /* The first node that found no place in the last scan; "" = none. */
    char resume[HOPES][NODE_NAME_MAX + 1];
    struct poller_stats stats;
    void (*changed)(void *user);
    void *user;
};

/* --- schedule --- */

static enum hope hope_of(const struct node *node)
{
    enum probe_outcome last = node->evidence.probe.outcome;
    return last == PROBE_FAILED || last == PROBE_UNUSABLE ? DOUBTFUL : HOPEFUL;
}

static bool has_place(const struct poller *poller, enum hope hope)
{
    return poller->stats.in_flight < poller->parallel &&
           (hope == HOPEFUL || poller->in_flight[hope] < DOUBTFUL_PLACES(poller->parallel));
}

static void leave(struct poller *poller, const struct visit *visit)
{
    for (int hope = 0; hope < HOPES; hope++) {
        for (struct visit **link = &poller->visits[hope]; *link; link = visit_link(*link)) {
            if (*link == visit) {
                *link = *visit_link(*link);
                poller->in_flight[hope]--;
                poller->stats.in_flight--;
                return;
            }
        }
    }
}

static void on_finished(void *user, struct visit *visit, enum probe_outcome outcome)
{
    struct poller *poller = user;
    leave(poller, visit);
    poller->stats.polls++;
    poller->stats.usable += outcome == PROBE_OK;
    poller->stats.unusable += outcome == PROBE_UNUSABLE;
    poller->stats.failed += outcome == PROBE_FAILED;
    histogram_add(&poller->stats.duration, (double)visit_age_ms(visit, clock_now()) / 1000);
    if (poller->stats.waiting > 0) {
        loop_after_arm(poller->scan_soon);
    }
}

static void on_changed(void *user)
{
    struct poller *poller = user;
    poller->changed(poller->user);
}

static bool is_under_way(const struct poller *poller, const char *name)
{
    for (int hope = 0; hope < HOPES; hope++) {
        for (struct visit *visit = poller->visits[hope]; visit; visit = *visit_link(visit)) {
            if (strcmp(visit_node(visit), name) == 0) {
                return true; /* perhaps of a node of this name that was forgotten since */
            }
        }
    }
    return false;
}

static void begin(struct poller *poller, struct node *node, enum hope hope, int64_t mono_ms)
{
    node->polled_ms = mono_ms;
    node->next_poll_ms = mono_ms + poller->interval_ms +
                         backoff_random(&poller->jitter, poller->interval_ms / JITTER_FRACTION + 1);
    struct visit *visit = visit_start(&poller->context, node);
    if (!visit) {
        poller->stats.polls++;
        poller->stats.failed++;
        return;
    }
    *visit_link(visit) = poller->visits[hope];
    poller->visits[hope] = visit;
    poller->in_flight[hope]++;
    poller->stats.in_flight++;
}

/* Starts the node's poll if it is due. False if it is, but there is no place for it. */
static bool consider(struct poller *poller, struct node *node, enum hope hope, struct now now)
{
    if (node->poll_in_flight) {
        return true;
    }
    if (!cache_wants_poll(poller->cache, node, now)) {
        node->next_poll_ms = 0;
        return true;
    }
    if (node->next_poll_ms == 0) {
        node->next_poll_ms = now.mono_ms + backoff_random(&poller->jitter, FIRST_POLL_MS);
        int64_t earliest_ms = node->polled_ms ? node->polled_ms + poller->context.timeout_ms : 0;
        if (node->next_poll_ms < earliest_ms) {
            node->next_poll_ms = earliest_ms; /* a node that flaps is not asked at each flap */
        }
    }
    if (node->next_poll_ms > now.mono_ms || is_under_way(poller, node->name)) {
        return true;
    }
    if (!has_place(poller, hope)) {
        return false;
    }
    begin(poller, node, hope, now.mono_ms);
    return true;
}

/* Walks these nodes by name, from where places ran out the last time: no name has a better chance. */
static void scan_those(struct poller *poller, enum hope hope, struct now now)
{
    char resume[NODE_NAME_MAX + 1];
    memcpy(resume, poller->resume[hope], sizeof resume);
    poller->resume[hope][0] = '\0';
    for (int pass = 0; pass < (resume[0] ? 2 : 1); pass++) {
        const struct node *next = cache_first_node(poller->cache);
        while (next) {
            const struct node *node = next;
            next = node->next;
            if (hope_of(node) != hope || (!node->url[0] && node->next_poll_ms == 0)) {
                continue;
            }
            bool second_half = strcmp(node->name, resume) >= 0;
            struct node *found =
                second_half == (pass == 0) ? cache_find(poller->cache, node->name, strlen(node->name)) : NULL;
            if (found && !consider(poller, found, hope, now)) {
                if (!poller->resume[hope][0]) {
                    memcpy(poller->resume[hope], node->name, sizeof poller->resume[hope]);
                }
                poller->stats.waiting++;
            }
        }
    }
}

static void scan(void *user)
{
    struct poller *poller = user;
    struct now now = clock_now();
    poller->stats.waiting = 0;
    scan_those(poller, HOPEFUL, now);
    scan_those(poller, DOUBTFUL, now);
}

/* --- interface --- */

struct poller *poller_create(struct loop *loop, struct cache *cache, struct fetch *fetch,
                             const struct poller_options *options, void (*changed)(void *user), void *user,
                             const char **ret_error)
{
    const char *bad = NULL;
    *ret_error = "out of memory";
    struct poller *poller = calloc(1, sizeof *poller);
    if (!poller) {
        return NULL;
    }
    struct now now = clock_now();
    backoff_init(&poller->jitter, 1, 1, (uint64_t)(now.wall_ms ^ now.mono_ms));
    poller->stats.duration = HISTOGRAM_INIT(duration_bounds_s);
    poller->cache = cache;
    poller->changed = changed;
    poller->user = user;
    poller->parallel = options->parallel ? options->parallel : PARALLEL;
    poller->context = (struct visit_context){
        .cache = cache,
        .fetch = fetch,
        .timeout_ms = options->timeout_ms,
        .item_limit = options->item_limit,
        .requests = &poller->stats.requests,
        .changed = on_changed,
        .finished = on_finished,
        .user = poller,
    };
    poller_set_interval(poller, options->interval_ms);
    poller->context.allow = allow_create(options->allow, options->allow_count, &bad);
    if (bad) {
        *ret_error = bad;
    }
    poller->scan_timer = loop_timer_create(loop, scan, poller);
    poller->scan_soon = loop_after_create(loop, scan, poller);
    if (!poller->context.allow || !poller->scan_timer || !poller->scan_soon) {
        poller_destroy(poller);
        return NULL;
    }
    loop_timer_start(poller->scan_timer, SCAN_MS, SCAN_MS);
    return poller;
}

bool poller_url_allowed(const struct poller *poller, const char *url)
{
    return allow_url(poller->context.allow, url);
}

int poller_poke(struct poller *poller, struct node *node)
{
    struct now now = clock_now();
    if (!node->url[0] || !cache_wants_poll(poller->cache, node, now)) {
        return -EINVAL;
    }
    if (node->poll_in_flight ||
        (node->polled_ms && now.mono_ms < node->polled_ms + poller->context.timeout_ms)) {
        return 0;
    }
    node->next_poll_ms = now.mono_ms;
    loop_after_arm(poller->scan_soon);
    return 0;
}

void poller_set_interval(struct poller *poller, uint32_t interval_ms)
{
    poller->interval_ms = interval_ms >= MIN_INTERVAL_MS ? interval_ms : MIN_INTERVAL_MS;
    uint32_t longest_ms = poller->context.timeout_ms; /* a poll under way may take as long */
    cache_set_poll_interval(poller->cache,
                            poller->interval_ms > longest_ms ? poller->interval_ms : longest_ms);
}

int poller_set_requests(struct poller *poller, const struct poller_options *options)
{
    int e = allow_replace(&poller->context.allow, options->allow, options->allow_count);
    if (e == 0) {
        poller->context.timeout_ms = options->timeout_ms;
        poller->context.item_limit = options->item_limit;
    }
    return e;
}

const struct poller_stats *poller_stats(const struct poller *poller)
{
    return &poller->stats;
}

void poller_destroy(struct poller *poller)
{
    if (!poller) {
        return;
    }
    for (int hope = 0; hope < HOPES; hope++) {
        while (poller->visits[hope]) {
            struct visit *visit = poller->visits[hope];
            poller->visits[hope] = *visit_link(visit);
            visit_cancel(visit);
        }
    }
    loop_timer_destroy(poller->scan_timer);
    loop_after_destroy(poller->scan_soon);
    allow_destroy(poller->context.allow);
    free(poller);
}
