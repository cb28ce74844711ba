/*
 * /metrics. Of a large cluster it is some megabytes, which take many times as long as pushing a change to all
 * browsers: so it is written in portions, one at a turn of the loop, while the cache goes on changing
 * (metrics.h says what that means). All who ask meanwhile get the same.
 */
#include "api_internal.h"
#include "exposition.h"
#include "metrics.h"

#include <stdlib.h>

#define PORTION ((size_t)32 * 1024) /* about 0.1 ms */

struct scrape {
    struct buf out;
    struct now now; /* of the beginning */
    uint64_t revision;
    bool begun;
    struct metrics_place place;
    struct metrics_wait *waits; /* for it, the last one first; never none while it is api->scrape */
};

struct metrics_wait {
    struct api_wait base; /* first */
    struct api *api;
    struct scrape *scrape;     /* NULL once it is written */
    struct body *body;         /* then; NULL: there was no memory */
    struct metrics_wait *next; /* of the scrape's */
};

/* ---- writing ---- */

/* What llamad says of itself is a portion of its own. True if that was the last one. */
static bool write_some(struct api *api, struct scrape *scrape)
{
    struct buf *out = &scrape->out;
    if (scrape->begun) {
        return metrics_write_some(out, api->cache, scrape->now, &scrape->place, PORTION);
    }
    scrape->begun = true;
    exposition_family(out, "llamad_build_info", "gauge", "1; the version of llamad.");
    exposition_sample(out, "llamad_build_info");
    exposition_word(out, "version", api->version);
    exposition_int(out, 1);
    if (api->actions.metrics) {
        api->actions.metrics(api->actions.user, out);
    }
    return false;
}

/* Its body, with a reference for the caller; NULL without memory. */
static struct body *finish(struct api *api, struct scrape *scrape)
{
    size_t len = 0;
    char *data = buf_take(&scrape->out, &len);
    struct body *body = data ? body_take(data, len) : NULL;
    if (body) {
        store_put(&api->store, "/metrics", scrape->revision, scrape->now.mono_ms, body);
    }
    buf_finish(&scrape->out);
    return body;
}

bool api_metrics_work(struct api *api)
{
    struct scrape *scrape = api->scrape;
    if (!scrape) {
        return false;
    }
    if (!write_some(api, scrape)) {
        return true;
    }
    struct body *body = finish(api, scrape);
    api->scrape = NULL;
    for (struct metrics_wait *wait = scrape->waits, *next; wait; wait = next) {
        next = wait->next;
        wait->scrape = NULL;
        wait->body = body ? body_ref(body) : NULL;
        wait->base.ready(wait->base.user);
    }
    body_unref(body);
    free(scrape);
    return false;
}

/* ---- waiting ---- */

/* Takes the body's reference. */
static void answer(struct body *body, struct api_response *response)
{
    if (body) {
        *response = (struct api_response){.status = 200, .content_type = EXPOSITION_TYPE, .body = body};
    } else {
        api_error(503, "unavailable", "out of memory", response);
    }
}

static void collect(struct api_wait *base, struct now now, struct api_response *ret_response)
{
    struct metrics_wait *wait = (struct metrics_wait *)base;
    (void)now;
    answer(wait->body, ret_response);
    free(wait);
}

/* What nobody waits for any more is not written. */
static void leave(struct api *api, struct scrape *scrape, const struct metrics_wait *wait)
{
    struct metrics_wait **place = &scrape->waits;
    while (*place != wait) {
        place = &(*place)->next;
    }
    *place = wait->next;
    if (!scrape->waits) {
        api->scrape = NULL;
        buf_finish(&scrape->out);
        free(scrape);
    }
}

static void abandon(struct api_wait *base)
{
    struct metrics_wait *wait = (struct metrics_wait *)base;
    if (wait->scrape) {
        leave(wait->api, wait->scrape, wait);
    }
    body_unref(wait->body);
    free(wait);
}

/* ---- asking ---- */

static struct scrape begin(const struct api *api, struct now now)
{
    return (struct scrape){.now = now, .revision = cache_revision(api->cache)};
}

/* NULL without memory. */
static struct api_wait *join(struct api *api, struct now now)
{
    static const struct api_wait_kind kind = {collect, abandon};
    struct metrics_wait *wait = calloc(1, sizeof *wait);
    struct scrape *scrape = api->scrape;
    if (wait && !scrape && (scrape = malloc(sizeof *scrape))) {
        *scrape = begin(api, now);
    }
    if (!wait || !scrape) {
        free(wait);
        return NULL;
    }
    api_wait_init(&wait->base, &kind);
    wait->api = api;
    wait->scrape = api->scrape = scrape;
    wait->next = scrape->waits;
    scrape->waits = wait;
    return &wait->base;
}

static struct body *write_at_once(struct api *api, struct now now)
{
    struct scrape scrape = begin(api, now);
    while (!write_some(api, &scrape)) {
    }
    return finish(api, &scrape);
}

void api_answer_metrics(struct api *api, const struct api_route *route, const struct api_request *request,
                        struct now now, struct api_response *response)
{
    struct body *body = store_get(&api->store, route->path, cache_revision(api->cache), now.mono_ms);
    struct api_wait *wait = body || !request->can_wait ? NULL : join(api, now);
    if (wait) {
        *response = (struct api_response){.wait = wait};
        return;
    }
    answer(body || request->can_wait ? body : write_at_once(api, now), response);
}
