#include "api_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- answers ---- */

int api_fault(struct api_fault *fault, int status, const char *code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fault->status = status;
    fault->code = code;
    vsnprintf(fault->message, sizeof fault->message, format, args);
    va_end(args);
    return status;
}

void api_answer_json(struct api_response *response, int status, struct buf *out)
{
    size_t len = 0;
    char *data = buf_take(out, &len);
    struct body *body = data ? body_take(data, len) : NULL;
    buf_finish(out);
    response->status = body ? status : 503;
    response->content_type = body ? API_JSON_TYPE : NULL;
    response->body = body;
}

void api_error(int status, const char *code, const char *message, struct api_response *ret_response)
{
    struct buf out = BUF_INIT;
    *ret_response = (struct api_response){0};
    buf_str(&out, "{\"error\":{\"code\":");
    buf_json_cstr(&out, code);
    buf_str(&out, ",\"message\":");
    buf_json_cstr(&out, message);
    buf_str(&out, "}}");
    api_answer_json(ret_response, status, &out);
}

void api_answer_json_body(int status, struct buf *out, struct api_response *ret_response)
{
    *ret_response = (struct api_response){0};
    api_answer_json(ret_response, status, out);
}

void api_answer_fault(struct api_response *response, const struct api_fault *fault)
{
    api_error(fault->status, fault->code, fault->message, response);
}

void api_answer_method(struct api_response *response, const char *allow)
{
    api_error(405, "method_not_allowed", "this address does not know that method", response);
    response->allow = allow;
}

/* ---- ETag ---- */

static uint64_t hash_of(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (; *text; text++) {
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    }
    return hash;
}

static void make_etag(const struct api *api, const char *key, char etag[80])
{
    snprintf(etag, 80, "\"%.32s-%llx-%016llx\"", api->instance,
             (unsigned long long)cache_revision(api->cache), (unsigned long long)hash_of(key));
}

/* Weak comparison (RFC 9110, 13.1.2) with a list of entity tags, or `*`. */
bool api_etag_listed(const char *list, const char *etag)
{
    size_t len = strlen(etag);
    const char *p = list + strspn(list, " \t");
    if (*p == '*') {
        return true;
    }
    while (*p) {
        p += strspn(p, " \t,");
        if (strncmp(p, "W/", 2) == 0) {
            p += 2;
        }
        if (strncmp(p, etag, len) == 0) {
            return true;
        }
        const char *end = *p == '"' ? strchr(p + 1, '"') : NULL;
        if (!end) {
            return false;
        }
        p = end + 1;
    }
    return false;
}

/* ---- selection of nodes ---- */

static int compare_nodes(const void *a, const void *b)
{
    return strcmp((*(const struct node *const *)a)->name, (*(const struct node *const *)b)->name);
}

static int select_named(struct selection *selection, const struct api *api, const struct query *query,
                        struct api_fault *fault)
{
    for (size_t i = 0; i < query->count; i++) {
        const struct query_param *param = &query->params[i];
        if (strcmp(param->name, "node") != 0 || param->value_len == 0) {
            continue;
        }
        const struct node *node = cache_get(api->cache, param->value, param->value_len);
        if (!node) {
            return api_fault(fault, 404, "unknown_node", "there is no node of that name");
        }
        selection->nodes[selection->count++] = node;
    }
    qsort(selection->nodes, selection->count, sizeof(const struct node *), compare_nodes);
    size_t kept = 0;
    for (size_t i = 0; i < selection->count; i++) {
        if (kept == 0 || selection->nodes[kept - 1] != selection->nodes[i]) {
            selection->nodes[kept++] = selection->nodes[i];
        }
    }
    selection->count = kept;
    return 0;
}

int api_select_nodes(const struct api *api, const struct query *query, struct selection *ret,
                     struct api_fault *fault)
{
    size_t room = cache_node_count(api->cache);
    *ret = (struct selection){.all = !query_find(query, "node")};
    room = ret->all ? room : query->count;
    ret->nodes = malloc((room + 1) * sizeof(const struct node *));
    if (!ret->nodes) {
        return api_fault(fault, 503, "unavailable", "out of memory");
    }
    if (!ret->all) {
        return select_named(ret, api, query, fault);
    }
    for (const struct node *node = cache_first_node(api->cache); node && ret->count < room;
         node = node->next) {
        ret->nodes[ret->count++] = node;
    }
    return 0;
}

void api_write_stats(struct buf *out, const struct cache *cache, uint64_t since, const struct node *only)
{
    size_t room = only ? 1 : cache_node_count(cache);
    struct selection nodes = {.nodes = malloc((room + 1) * sizeof(const struct node *)), .all = !only};
    if (!nodes.nodes) {
        out->failed = true;
        return;
    }
    for (const struct node *node = only ? only : cache_first_node(cache); node && nodes.count < room;
         node = node->next) {
        nodes.nodes[nodes.count++] = node;
    }
    buf_char(out, '{');
    api_write_stats_of(out, &nodes, since);
    buf_char(out, '}');
    free(nodes.nodes);
}

/* ---- lists ---- */

/* Renders the list, or answers the fault. The body, with a reference for the caller, or NULL when answered.
 */
static struct body *render_list(struct api *api, const struct api_route *route, const struct query *query,
                                struct now now, struct api_response *response)
{
    struct call call = {.api = api, .query = query, .now = now};
    struct api_fault fault;
    struct buf out = BUF_INIT;
    if (api_select_nodes(api, query, &call.nodes, &fault) != 0 || route->render(&call, &out, &fault) != 0) {
        api_answer_fault(response, &fault);
    } else {
        api_answer_json(response, 200, &out);
    }
    buf_finish(&out);
    free(call.nodes.nodes);
    return response->status == 200 ? response->body : NULL;
}

static void answer_list(struct api *api, const struct api_route *route, const struct query *query,
                        const char *key, const struct api_request *request, struct now now,
                        struct api_response *response)
{
    uint64_t revision = cache_revision(api->cache);
    char etag[sizeof response->etag] = "";
    if (!route->by_time || (*route->by_time && !query_find(query, route->by_time))) {
        make_etag(api, key, etag);
    }
    /* an ETag of ours proves that the same question was answered at this revision */
    bool named = *etag && request->if_none_match && !strchr(request->if_none_match, '*') &&
                 api_etag_listed(request->if_none_match, etag);
    struct body *body = named ? NULL : store_get(&api->store, key, revision, now.mono_ms);
    if (body) {
        *response = (struct api_response){.status = 200, .content_type = API_JSON_TYPE, .body = body};
    } else if (!named) {
        body = render_list(api, route, query, now, response);
        if (!body) {
            return;
        }
        store_put(&api->store, key, revision, now.mono_ms, body);
    }
    if (named || (*etag && request->if_none_match && api_etag_listed(request->if_none_match, etag))) {
        body_unref(body);
        *response = (struct api_response){.status = 304};
    }
    memcpy(response->etag, etag, sizeof etag);
}

void api_answer_list(struct api *api, const struct api_route *route, const struct api_request *request,
                     struct now now, struct api_response *response)
{
    struct query query;
    const char *why = "out of memory";
    int e = query_parse(request->query, &query, &why);
    if (e != 0) {
        api_error(e == -ENOMEM ? 503 : 400, e == -ENOMEM ? "unavailable" : "bad_request", why, response);
        return;
    }
    query_keep(&query, route->params);
    if (route->deep != ITEM_READING && query_is(&query, "deep", "1") && api->actions.search) {
        api_search(api, route, &query, request, now, response);
        query_finish(&query);
        return;
    }
    size_t size = strlen(request->path) + strlen(request->query) + 2;
    char *key = malloc(size);
    if (key) {
        snprintf(key, size, "%s?%s", request->path, request->query);
        answer_list(api, route, &query, key, request, now, response);
        free(key);
    } else {
        api_error(503, "unavailable", "out of memory", response);
    }
    query_finish(&query);
}

/* ---- life ---- */

bool api_expire(struct api *api, struct now now)
{
    return store_expire(&api->store, cache_revision(api->cache), now.mono_ms);
}

struct api *api_create(struct cache *cache, const char *instance, const char *version,
                       const struct api_actions *actions, struct now now)
{
    struct api *api = calloc(1, sizeof *api);
    if (!api) {
        return NULL;
    }
    api->cache = cache;
    api->instance = strdup(instance);
    api->version = strdup(version);
    api->started_mono_ms = now.mono_ms;
    if (actions) {
        api->actions = *actions;
    }
    if (!api->instance || !api->version) {
        api_destroy(api);
        return NULL;
    }
    return api;
}

void api_destroy(struct api *api)
{
    if (!api) {
        return;
    }
    store_finish(&api->store);
    free(api->instance);
    free(api->version);
    free(api);
}
