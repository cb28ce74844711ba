/*
 * deep=1: the list merged with what the nodes' own search finds. The answer waits for the nodes; it is
 * rendered from the cache as it is by then, so a node that was forgotten meanwhile is not in it.
 */
#include "api_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct deep_wait {
    struct api_wait base; /* first */
    struct api *api;
    const struct api_route *route;
    char *key;                /* path and query as they came; owned */
    const char *query;        /* in it */
    struct search_wait *wait; /* NULL once it is over */
    struct findings *findings;
};

/* ---- the answer ---- */

static void render_found(struct api *api, api_render *render, const struct query *query,
                         const struct findings *findings, struct now now, struct api_response *response)
{
    struct call call = {.api = api, .query = query, .now = now, .findings = findings};
    struct api_fault fault;
    struct buf out = BUF_INIT;
    if (api_select_nodes(api, query, &call.nodes, &fault) != 0 || render(&call, &out, &fault) != 0) {
        api_answer_fault(response, &fault);
    } else {
        api_answer_json(response, 200, &out);
    }
    buf_finish(&out);
    free(call.nodes.nodes);
}

/* Many may wait for the same: they share one body. */
static void answer_found(struct api *api, api_render *render, const struct query *query, const char *key,
                         const struct findings *findings, struct now now, struct api_response *response)
{
    uint64_t revision = cache_revision(api->cache);
    struct body *body = store_get(&api->store, key, revision, now.mono_ms);
    if (body) {
        *response = (struct api_response){.status = 200, .content_type = API_JSON_TYPE, .body = body};
        return;
    }
    render_found(api, render, query, findings, now, response);
    if (response->status == 200) {
        store_put(&api->store, key, revision, now.mono_ms, response->body);
    }
}

/* ---- waiting ---- */

static void on_done(void *user, struct findings *findings)
{
    struct deep_wait *wait = user;
    wait->wait = NULL;
    wait->findings = findings_ref(findings);
    wait->base.ready(wait->base.user);
}

static void abandon(struct api_wait *base)
{
    struct deep_wait *wait = (struct deep_wait *)base;
    if (wait->wait) {
        wait->api->actions.search_cancel(wait->api->actions.user, wait->wait);
    }
    findings_unref(wait->findings);
    free(wait->key);
    free(wait);
}

static void collect(struct api_wait *base, struct now now, struct api_response *ret_response)
{
    struct deep_wait *wait = (struct deep_wait *)base;
    struct query query;
    const char *why;
    if (wait->findings && query_parse(wait->query, &query, &why) == 0) {
        query_keep(&query, wait->route->params);
        answer_found(wait->api, wait->route->render, &query, wait->key, wait->findings, now, ret_response);
        query_finish(&query);
    } else {
        api_error(503, "unavailable", "out of memory", ret_response);
    }
    abandon(base);
}

/* ---- asking ---- */

/* The question, or why it can't be put: an HTTP status with the fault. Borrows query and nodes. */
static int read_question(enum item_kind kind, const struct query *query, const struct selection *nodes,
                         struct question *ret_question, struct api_fault *fault)
{
    const struct query_param *text = query_find(query, "query");
    const struct query_param *type = kind == ITEM_OBSERVATION ? query_find(query, "obs_type") : NULL;
    double hours = 0;
    *ret_question = (struct question){.kind = kind,
                                      .text = text ? text->value : NULL,
                                      .text_len = text ? text->value_len : 0,
                                      .type = type ? type->value : NULL,
                                      .type_len = type ? type->value_len : 0,
                                      .limit = API_TEXTS_LIMIT,
                                      .nodes = nodes->nodes,
                                      .node_count = nodes->count,
                                      .all = nodes->all};
    if (!query_limit(query, &ret_question->limit)) {
        return api_bad_limit(fault);
    }
    if (kind == ITEM_OBSERVATION && !query_hours(query, &hours)) {
        return api_fault(fault, 400, "bad_request", "hours must be a positive number, or 0 for all");
    }
    return 0;
}

static struct deep_wait *wait_create(struct api *api, const struct api_route *route,
                                     const struct api_request *request)
{
    static const struct api_wait_kind kind = {collect, abandon};
    struct deep_wait *wait = calloc(1, sizeof *wait);
    size_t path_len = strlen(request->path), size = path_len + strlen(request->query) + 2;
    char *key = malloc(size);
    if (!wait || !key) {
        free(wait);
        free(key);
        return NULL;
    }
    snprintf(key, size, "%s?%s", request->path, request->query);
    *wait = (struct deep_wait){.api = api, .route = route, .key = key, .query = key + path_len + 1};
    api_wait_init(&wait->base, &kind);
    return wait;
}

static void put(struct api *api, const struct api_route *route, const struct question *question,
                const struct query *query, const struct api_request *request, struct now now,
                struct api_response *response)
{
    struct findings *findings = NULL;
    unsigned retry_after_s = 0;
    struct deep_wait *wait = wait_create(api, route, request);
    int e = wait ? api->actions.search(api->actions.user, question, on_done, wait, &wait->wait, &findings,
                                       &retry_after_s)
                 : -ENOMEM;
    if (e == 0 && !findings) {
        *response = (struct api_response){.wait = &wait->base};
        return;
    }
    if (e == 0) {
        answer_found(api, route->render, query, wait->key, findings, now, response);
        findings_unref(findings);
    } else if (e == -EAGAIN) {
        api_error(429, "rate_limited", "as many deep searches as may be in a minute were made", response);
        response->retry_after_s = retry_after_s;
    } else {
        api_error(503, "unavailable", "out of memory", response);
    }
    if (wait) {
        abandon(&wait->base);
    }
}

void api_search(struct api *api, const struct api_route *route, const struct query *query,
                const struct api_request *request, struct now now, struct api_response *response)
{
    struct question question;
    struct selection nodes = {0};
    struct api_fault fault;
    if (request->method != API_GET) {
        api_answer_method(response, "GET"); /* for a head alone nobody is asked */
    } else if (!request->can_wait) {
        api_error(400, "bad_request", "deep=1 goes with no body and no upgrade", response);
    } else if (api_select_nodes(api, query, &nodes, &fault) != 0 ||
               read_question(route->deep, query, &nodes, &question, &fault) != 0) {
        api_answer_fault(response, &fault);
    } else {
        put(api, route, &question, query, request, now, response);
    }
    free(nodes.nodes);
}
