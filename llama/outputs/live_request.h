/*
 * live_request: what a client of /api/cluster/live asks for in its query. Pure.
 */
#ifndef LIVE_REQUEST_H
#define LIVE_REQUEST_H

#include "topic.h"

#include <stdbool.h>
#include <stdint.h>

#define LIVE_REQUEST_PARAMS "node since instance parts pace"

struct live_request {
    char node[NODE_NAME_MAX + 1]; /* "" = all nodes */
    bool parts;                   /* snapshots are to come in parts */
    uint32_t pace_ms;             /* at most one frame in so long; 0 = as they come, else up to 10,000 */
    bool resumes;                 /* the client has seen `since` of this instance */
    uint64_t since;
};

#define LIVE_PACE_MAX_MS 10000

/* Reads the parameters above of the query (encoded); the server is at `revision` of
 * `instance`. 0, or -EINVAL with *ret_why, a static sentence for the one who asked. */
int live_request_read(const char *raw, const char *instance, uint64_t revision,
                      struct live_request *ret_request, const char **ret_why);

#endif
