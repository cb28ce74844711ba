/*
 * api: the cluster API. State and request in, status and body out; pure (no sockets, no clock).
 *
 * Bodies are rendered once per change (ages at most 1 s old) and shared by all who ask: a reference-counted
 * body, kept in a small bounded store by path and query. Source: contract section 4 (docs/api.md).
 */
#ifndef API_H
#define API_H

#include "cache.h"
#include "findings.h"

#include <stdbool.h>
#include <stddef.h>

struct api;

/* Bytes shared by many readers; freed with the last reference. One thread only. */
struct body {
    unsigned references;
    size_t len;
    char *data;
    size_t *ends; /* of several messages in a row: where each ends, the last one at len; NULL = it is one.
                     Owned */
};
struct body *
body_take(char *data, size_t len); /* takes malloc'ed data; one reference; NULL (data freed) without memory */
struct body *body_ref(struct body *body);
void body_unref(struct body *body); /* accepts NULL */

/* What the API asks the rest of llamad to do. */
struct api_actions {
    /* Ask a node for its last snapshots (MQTT refresh, or a poll now). 0 or -errno. */
    int (*refresh)(void *user, struct node *node);
    /* Forget: clears the retained topics and the cache. 0, -EBUSY manual, -ENOTCONN broker away. */
    int (*forget)(void *user, struct node *node);
    /* Appends members (`"broker":{…}`, …) to the object of /api/health. May be NULL. */
    void (*health)(void *user, struct buf *out);
    /* Appends families (exposition.h) to /metrics. May be NULL. */
    void (*metrics)(void *user, struct buf *out);
    /* Put a question to the nodes' own search. 0 with *ret_findings (a reference) or *ret_wait (`done` comes
     * once, later, unless it is cancelled); -EAGAIN with *ret_retry_after_s, -ENOMEM. May be NULL, both: then
     * deep=1 is ignored. */
    int (*search)(void *user, const struct question *question, search_done_fn *done, void *done_user,
                  struct search_wait **ret_wait, struct findings **ret_findings, unsigned *ret_retry_after_s);
    void (*search_cancel)(void *user, struct search_wait *wait);
    void *user;
};
struct api *api_create(struct cache *cache, const char *instance, const char *version,
                       const struct api_actions *actions, struct now now);
void api_destroy(struct api *api);

enum api_method { API_GET, API_HEAD, API_POST, API_DELETE, API_OTHER };
struct api_request {
    enum api_method method;
    const char *path;          /* percent-encoded, as it came: "/api/cluster/nodes/pi%20kitchen" */
    const char *query;         /* as it came, without `?`; "" if none */
    const char *if_none_match; /* NULL if none */
    bool can_wait;             /* whoever asks can be answered later */
    bool brief;                /* whoever asks may know of /api/health the status alone, and nothing else */
};
/* The addresses there are, as /api/openapi.json names them ("/api/cluster/nodes/{name}"), with the methods
 * ("GET, HEAD") and parameters ("node limit") that each takes. NULL behind the last one. */
const char *api_route(size_t index, const char **ret_methods, const char **ret_params);
struct api_wait; /* an answer that is not there yet */
struct api_response {
    int status;
    const char *content_type; /* static; NULL without body */
    struct body *body;        /* a reference that the caller drops; NULL for 204 and 304 */
    char etag[80];            /* "" if none; with quotes */
    const char *allow;        /* for 405; static */
    bool gzip;                /* the body is packed */
    bool varies;              /* it would not be for everybody */
    unsigned retry_after_s;   /* 0 = none */
    struct api_wait *wait;    /* the answer comes later: see api_await. Then all the rest is empty */
};
/* Answers whatever starts with /api/, and /metrics. */
void api_handle(struct api *api, const struct api_request *request, struct now now,
                struct api_response *ret_response);
/* `ready` comes once, later, never from within these three functions. Then api_collect gives the answer. Each
 * wait ends with api_collect or api_abandon (also before it is ready); all must have ended before
 * api_destroy. */
void api_await(struct api_wait *wait, void (*ready)(void *user), void *user);
void api_collect(struct api_wait *wait, struct now now, struct api_response *ret_response);
void api_abandon(struct api_wait *wait); /* accepts NULL */
/* Does the next portion of what takes long, about 0.1 ms of it; those who wait may become ready within. Call
 * it once a turn of the loop after api_handle has had somebody wait, as long as it returns true. */
bool api_work(struct api *api);
/* Once a second or so: lets go of rendered bodies that nobody can get any more. True while others stay. */
bool api_expire(struct api *api, struct now now);
/* An error in the API's form, for the server's own refusals (421, 403, 413, 414, …). */
void api_error(int status, const char *code, const char *message, struct api_response *ret_response);
/* A body of JSON in `out`, whose bytes it takes. */
void api_answer_json_body(int status, struct buf *out, struct api_response *ret_response);
/* Does If-None-Match name this ETag: weak comparison with a list of entity tags, or `*`? */
bool api_etag_listed(const char *if_none_match, const char *etag);

/* Writers shared with the live frames. */
void api_write_node(struct buf *out, const struct node *node, struct now now, bool with_age);
void api_write_item(struct buf *out, const struct item *item);
void api_write_stats(struct buf *out, const struct cache *cache,
                     uint64_t since /* by_node: only newer; 0 = all */, const struct node *only);
/* `"incidents"`: what concerns the whole cluster. */
void api_write_incidents(struct buf *out, const struct cache *cache);
/* `"broker_down_since"`: since when llamad has had no broker; null while it has one. And the incidents. */
void api_write_broker(struct buf *out, const struct cache *cache, struct now now);
void api_write_event(struct buf *out, const struct event *event);

#endif
