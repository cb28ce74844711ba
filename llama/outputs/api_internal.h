/*
 * api_internal: what the parts of the API share: the request as the renderers see it, and the fault they
 * answer with.
 */
#ifndef API_INTERNAL_H
#define API_INTERNAL_H

#include "api.h"
#include "findings.h"
#include "query.h"
#include "store.h"

/* The beginning of each kind of wait. */
struct api_wait {
    const struct api_wait_kind *kind;
    void (*ready)(void *user);
    void *user;
};
struct api_wait_kind {
    /* Both end the wait. */
    void (*collect)(struct api_wait *wait, struct now now, struct api_response *ret_response);
    void (*abandon)(struct api_wait *wait);
};
void api_wait_init(struct api_wait *wait, const struct api_wait_kind *kind);

struct api {
    struct cache *cache;
    char *instance, *version; /* owned */
    struct api_actions actions;
    int64_t started_mono_ms;
    struct store store;
    struct scrape *scrape;     /* of /metrics, being written; NULL = none */
    int64_t history_offset_ms; /* wall minus monotonic, as histories show it */
};

struct api_fault {
    int status;
    const char *code;
    char message[160];
};

/* The nodes that a request is about: those it names, or all; ordered by name, each once. */
struct selection {
    const struct node **nodes; /* owned */
    size_t count;
    bool all;
};

struct call {
    struct api *api;
    const struct query *query;
    struct selection nodes;
    struct now now;
    const struct findings *findings; /* of a deep answer; else NULL */
};

/* Writes a whole body. 0, or an HTTP status with *ret_fault filled. */
typedef int api_render(const struct call *call, struct buf *out, struct api_fault *ret_fault);
api_render api_render_nodes, api_render_readings, api_render_observations, api_render_memories,
    api_render_stats, api_render_events, api_render_history;
/* An address, and who answers it. */
struct api_route;
typedef void api_answer(struct api *api, const struct api_route *route, const struct api_request *request,
                        struct now now, struct api_response *response);

struct api_route {
    const char *path; /* {name} stands for one segment */
    const char *methods;
    const char *params; /* of its query, words with a space between; whoever answers sees no others */
    api_answer *answer;
    /* of lists only */
    api_render *render;
    const char
        *by_time; /* what it shows depends on the clock when this is given; NULL = never, "" = always */
    enum item_kind deep; /* what deep=1 searches for; readings = nothing */
};

api_answer api_answer_list, api_answer_metrics;
/* Writes the next portion of /metrics, if somebody waits for it. True if there is more to do. */
bool api_metrics_work(struct api *api);
void api_render_health(const struct api *api, struct now now, struct buf *out);
void api_render_brief_health(const struct api *api, struct buf *out);
void api_render_node(const struct node *node, struct now now, struct buf *out);

#define API_JSON_TYPE    "application/json"
#define API_TEXTS_LIMIT  50 /* observations, memories: if limit= is not given */
#define API_SERIES_LIMIT 64 /* histories in one answer */

void api_open_body(struct buf *out, struct now now);
int api_bad_limit(struct api_fault *fault);
int api_no_memory(struct api_fault *fault);

/* 0, or an HTTP status with the fault; free nodes->nodes in any case. */
int api_select_nodes(const struct api *api, const struct query *query, struct selection *ret,
                     struct api_fault *fault);
/* Takes the buffer's bytes as the answer's body; without memory the answer is a bare 503. */
void api_answer_json(struct api_response *response, int status, struct buf *out);
void api_answer_fault(struct api_response *response, const struct api_fault *fault);
void api_answer_method(struct api_response *response, const char *allow);

/* deep=1 on a list: answers, or has the response wait. */
void api_search(struct api *api, const struct api_route *route, const struct query *query,
                const struct api_request *request, struct now now, struct api_response *response);

/* Fills the fault and returns its status. */
int api_fault(struct api_fault *fault, int status, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Stats of some nodes; see api_write_stats. These are the members "nodes" and "totals", and one of "by_node".
 */
void api_write_stats_of(struct buf *out, const struct selection *nodes, uint64_t since);
void api_write_sums(struct buf *out, const struct selection *nodes);
void api_write_node_stats(struct buf *out, const struct node *node);
/* Case-insensitive (ASCII) substring; an empty needle is found everywhere. */
bool api_text_contains(const char *text, size_t len, const char *needle, size_t needle_len);
void api_write_node_members(struct buf *out, const struct node *node, struct now now, bool with_age);
/* Ages and durations in seconds, to the tenth; null for none. */
void api_write_age(struct buf *out, struct now now, int64_t since_mono_ms);

#endif
