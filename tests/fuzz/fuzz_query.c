/* A request for /api/… or /metrics: method, path and query, as "GET path?query". JSON comes back, whatever it
 * is. */
#include "api.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static void fill(struct fuzz_world *world)
{
    static const char readings[] =
        "{\"readings\":[{\"full_id\":\"system:cpu_temp\",\"value\":45.5,\"unit\":\"celsius\","
        "\"timestamp\":\"2026-11-23T09:00:00\"},{\"full_id\":\"a\",\"value\":\"x\"}]}";
    static const char observations[] =
        "{\"observations\":[{\"id\":1,\"timestamp\":\"2026-11-23T09:00:00\",\"text\":\"warm\","
        "\"type\":\"general\"}],\"memories\":[{\"id\":2,\"content\":\"warm\",\"times_confirmed\":3}]}";
    struct fault fault;
    cache_edge(world->cache, world->edge, json_root(readings, strlen(readings)), world->now.wall_ms,
               world->now, &fault);
    struct node *node = cache_add(world->cache, "p q", 3, FOUND_MQTT, world->now, &fault);
    cache_poll_started(world->cache, node, world->now);
    struct json_slice body = json_root(observations, strlen(observations));
    cache_poll_body(world->cache, node, REPORT_OBSERVATIONS, body, world->now.wall_ms, 0, world->now, &fault);
    cache_poll_body(world->cache, node, REPORT_MEMORIES, body, world->now.wall_ms, 0, world->now, &fault);
}

/* "GET /path?query" taken apart; what is missing is empty. */
static struct api_request request_of(char *text)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "DELETE", "PUT"};
    struct api_request request = {.method = API_OTHER, .query = ""};
    char *path = strchr(text, ' '), *query;
    if (path) {
        *path++ = '\0';
    }
    for (int i = 0; i < 4; i++) {
        request.method = strcmp(text, names[i]) == 0 ? (enum api_method)i : request.method;
    }
    request.path = path ? path : text;
    query = path ? strchr(path, '?') : NULL;
    if (query) {
        *query++ = '\0';
        request.query = query;
    }
    return request;
}

static void check(const struct api_request *request, const struct api_response *response)
{
    require(response->status >= 200 && response->status < 600);
    require((response->body == NULL) == (response->content_type == NULL));
    if (response->body && strcmp(response->content_type, "application/json") == 0) {
        require(json_check(response->body->data, response->body->len, JSON_DEPTH_LIMIT, NULL));
    }
    require(response->status != 200 || request->method == API_GET || request->method == API_HEAD);
}

/* Without actions nothing that is asked for changes the cache: one serves all. */
static struct api *api_of(struct fuzz_world *world)
{
    static struct api *api;
    if (!api) {
        fuzz_world_open(world);
        fill(world);
        api = api_create(world->cache, "instance", "1", NULL, world->now);
        require(api != NULL);
    }
    return api;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fuzz_world world;
    struct api_response response;
    struct api *api = api_of(&world);
    char *text = fuzz_text(data, size);
    const struct api_request request = request_of(text);
    for (int again = 0; again < 2; again++) { /* the second may come from the store */
        api_handle(api, &request, world.now, &response);
        check(&request, &response);
        body_unref(response.body);
    }
    free(text);
    return 0;
}
