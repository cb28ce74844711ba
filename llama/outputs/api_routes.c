/*
 * Which address is answered by whom. The table is all there is: what it does not have is 404, and a method
 * that a row does not have is 405.
 */
#include "api_internal.h"
#include "live_request.h"
#include "openapi.h"

#include <errno.h>
#include <string.h>

#define ROOT "/api/cluster/"
#define READ "GET, HEAD"

/* ---- one node ---- */

static void refresh_node(struct api *api, struct node *node, struct api_response *response)
{
    int e = api->actions.refresh ? api->actions.refresh(api->actions.user, node) : -ENOTSUP;
    if (e != 0) {
        api_error(503, "unavailable", "the node cannot be asked now: neither the broker nor its URL is there",
                  response);
        return;
    }
    struct buf out = BUF_INIT;
    buf_str(&out, "{\"node\":");
    buf_json_cstr(&out, node->name);
    buf_str(&out, ",\"refresh\":\"requested\"}");
    api_answer_json(response, 202, &out);
}

static void forget_node(struct api *api, struct node *node, const char *name, const struct api_route *route,
                        const char *raw_query, struct api_response *response)
{
    struct query query;
    const char *why = "out of memory";
    if (query_parse(raw_query, &query, &why) != 0) {
        api_error(400, "bad_request", why, response);
        return;
    }
    query_keep(&query, route->params);
    bool confirmed = query_find(&query, "confirm") != NULL;
    for (size_t i = 0; i < query.count; i++) {
        if (strcmp(query.params[i].name, "confirm") == 0 && strcmp(query.params[i].value, name) != 0) {
            confirmed = false;
        }
    }
    query_finish(&query);
    if (!confirmed) {
        api_error(400, "bad_request", "confirm= must repeat the name of the node to forget", response);
        return;
    }
    int e = api->actions.forget ? api->actions.forget(api->actions.user, node) : -ENOTSUP;
    if (e == -EBUSY) {
        api_error(409, "manual_node",
                  "the node is in the configuration (cluster.manual_nodes): remove it there", response);
    } else if (e == -ENOTCONN) {
        api_error(503, "unavailable", "the broker is away, and what it keeps of the node cannot be cleared",
                  response);
    } else if (e != 0) {
        api_error(503, "unavailable", "the node could not be forgotten", response);
    } else {
        response->status = 204;
    }
}

/* The node that the segment after "nodes/" names; NULL when that was answered. */
static struct node *named_node(struct api *api, const struct api_request *request,
                               char name[3 * NODE_NAME_MAX + 1], struct api_response *response)
{
    const char *segment = request->path + strlen(ROOT "nodes/");
    size_t raw_len = strcspn(segment, "/"), len = 0;
    struct node *node = NULL;
    if (raw_len > 3 * NODE_NAME_MAX) {
        api_error(404, "not_found", "there is nothing at this address", response);
    } else if (percent_decode(segment, raw_len, name, 3 * NODE_NAME_MAX + 1, &len) != 0 ||
               !utf8_valid(name, len)) {
        api_error(400, "bad_request", "the name of the node is not percent-encoded UTF-8", response);
    } else {
        name[len] = '\0';
        node = cache_find(api->cache, name, len);
        if (!node) {
            api_error(404, "unknown_node", "there is no node of that name", response);
        }
    }
    return node;
}

static void answer_node(struct api *api, const struct api_route *route, const struct api_request *request,
                        struct now now, struct api_response *response)
{
    char name[3 * NODE_NAME_MAX + 1];
    struct node *node = named_node(api, request, name, response);
    if (node && request->method == API_DELETE) {
        forget_node(api, node, name, route, request->query, response);
    } else if (node) {
        struct buf out = BUF_INIT;
        api_render_node(node, now, &out);
        api_answer_json(response, 200, &out);
    }
}

static void answer_refresh(struct api *api, const struct api_route *route, const struct api_request *request,
                           struct now now, struct api_response *response)
{
    (void)route, (void)now;
    char name[3 * NODE_NAME_MAX + 1];
    struct node *node = named_node(api, request, name, response);
    if (node) {
        refresh_node(api, node, response);
    }
}

/* ---- the rest ---- */

static void answer_health(struct api *api, const struct api_route *route, const struct api_request *request,
                          struct now now, struct api_response *response)
{
    (void)route;
    struct buf out = BUF_INIT;
    if (request->brief) {
        api_render_brief_health(api, &out);
    } else {
        api_render_health(api, now, &out);
    }
    api_answer_json(response, 200, &out);
}

/* The server answers it, which knows who is asking; here come those whom it does not let. */
static void answer_session(struct api *api, const struct api_route *route, const struct api_request *request,
                           struct now now, struct api_response *response)
{
    (void)api, (void)route, (void)request, (void)now;
    api_error(404, "not_found", "nobody can log in this way", response);
}

static void answer_live(struct api *api, const struct api_route *route, const struct api_request *request,
                        struct now now, struct api_response *response)
{
    (void)api, (void)route, (void)request, (void)now;
    api_error(426, "upgrade_required", "this address speaks WebSocket only", response);
}

static void answer_openapi(struct api *api, const struct api_route *route, const struct api_request *request,
                           struct now now, struct api_response *response)
{
    (void)api, (void)route, (void)request, (void)now;
    struct buf out = BUF_INIT;
    buf_append(&out, openapi_json, openapi_json_len);
    api_answer_json(response, 200, &out);
}

/* ---- routing ---- */

static const struct api_route routes[] = {
    {ROOT "nodes", READ, "node limit", api_answer_list, api_render_nodes, NULL, ITEM_READING},
    {ROOT "nodes/{name}", READ ", DELETE", "confirm", answer_node, NULL, NULL, ITEM_READING},
    {ROOT "nodes/{name}/refresh", "POST", "", answer_refresh, NULL, NULL, ITEM_READING},
    {ROOT "readings", READ, "node limit source source_type q group", api_answer_list, api_render_readings,
     NULL, ITEM_READING},
    {ROOT "observations", READ, "node limit query deep obs_type hours", api_answer_list,
     api_render_observations, "hours", ITEM_OBSERVATION},
    {ROOT "memories", READ, "node limit query deep", api_answer_list, api_render_memories, NULL, ITEM_MEMORY},
    {ROOT "stats", READ, "node", api_answer_list, api_render_stats, NULL, ITEM_READING},
    {ROOT "events", READ, "node limit since", api_answer_list, api_render_events, NULL, ITEM_READING},
    {ROOT "history", READ, "node source series minutes points", api_answer_list, api_render_history, "",
     ITEM_READING},
    {ROOT "live", READ, LIVE_REQUEST_PARAMS, answer_live, NULL, NULL, ITEM_READING},
    {"/api/health", READ, "", answer_health, NULL, NULL, ITEM_READING},
    {"/api/openapi.json", READ, "", answer_openapi, NULL, NULL, ITEM_READING},
    {"/api/session", READ ", POST, DELETE", "", answer_session, NULL, NULL, ITEM_READING},
    {"/metrics", READ, "", api_answer_metrics, NULL, NULL, ITEM_READING},
};

const char *api_route(size_t index, const char **ret_methods, const char **ret_params)
{
    if (index >= sizeof routes / sizeof *routes) {
        return NULL;
    }
    *ret_methods = routes[index].methods;
    *ret_params = routes[index].params;
    return routes[index].path;
}

/* A segment in braces matches any one, an empty one too. */
static bool matches(const char *pattern, const char *path)
{
    while (*pattern && *path) {
        if (*pattern == '{') {
            pattern += strcspn(pattern, "}") + 1;
            path += strcspn(path, "/");
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0' &&
           (*pattern == '\0' || (*pattern == '{' && pattern[strcspn(pattern, "}") + 1] == '\0'));
}

static bool takes(const struct api_route *route, enum api_method method)
{
    static const char *const names[] = {[API_GET] = "GET",
                                        [API_HEAD] = "HEAD",
                                        [API_POST] = "POST",
                                        [API_DELETE] = "DELETE",
                                        [API_OTHER] = "-"};
    return strstr(route->methods, names[method]) != NULL;
}

void api_handle(struct api *api, const struct api_request *request, struct now now,
                struct api_response *ret_response)
{
    *ret_response = (struct api_response){0};
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (!matches(routes[i].path, request->path)) {
            continue;
        }
        if (takes(&routes[i], request->method)) {
            routes[i].answer(api, &routes[i], request, now, ret_response);
        } else {
            api_answer_method(ret_response, routes[i].methods);
        }
        return;
    }
    api_error(404, "not_found", "there is nothing at this address", ret_response);
}
