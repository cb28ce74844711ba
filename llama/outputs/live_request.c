#include "live_request.h"

#include "query.h"

#include <errno.h>
#include <string.h>

static int read_params(const struct query *query, const char *instance, uint64_t revision,
                       struct live_request *ret, const char **ret_why)
{
    const struct query_param *node = query_find(query, "node");
    const struct query_param *since = query_find(query, "since");
    if (node) {
        for (size_t i = 0; i < query->count; i++) {
            const struct query_param *other = &query->params[i];
            if (strcmp(other->name, "node") == 0 && other->value_len &&
                strcmp(other->value, node->value) != 0) {
                *ret_why = "a live session watches one node, or all";
                return -EINVAL;
            }
        }
        if (!node_name_valid(node->value, node->value_len, NULL)) {
            *ret_why = "node is not the name of a node";
            return -EINVAL;
        }
        memcpy(ret->node, node->value, node->value_len + 1);
    }
    if (!query_uint(query, "since", &ret->since)) {
        *ret_why = "since must be a revision";
        return -EINVAL;
    }
    uint64_t pace_ms = 0;
    if (!query_uint(query, "pace", &pace_ms) || pace_ms > LIVE_PACE_MAX_MS) {
        *ret_why = "pace must be milliseconds, up to 10000";
        return -EINVAL;
    }
    ret->pace_ms = (uint32_t)pace_ms;
    ret->parts = query_is(query, "parts", "1");
    ret->resumes = since && query_is(query, "instance", instance) && ret->since <= revision;
    return 0;
}

int live_request_read(const char *raw, const char *instance, uint64_t revision,
                      struct live_request *ret_request, const char **ret_why)
{
    struct query query;
    *ret_request = (struct live_request){0};
    *ret_why = "out of memory";
    if (query_parse(raw, &query, ret_why) != 0) {
        return -EINVAL;
    }
    query_keep(&query, LIVE_REQUEST_PARAMS);
    int e = read_params(&query, instance, revision, ret_request, ret_why);
    query_finish(&query);
    return e;
}
