#include "poll.h"

#include "timestamp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX       ((size_t)4 * 1024 * 1024)
#define URL_SIZE       (URL_MAX + 64)
#define MIN_REQUEST_MS 10 /* with less time left the next request is not worth sending */
#define OFFSET_STEP_MS (15 * 60 * 1000)
#define OFFSET_MAX_S   (14 * 3600)

struct poll {
    struct poll_context *context;
    struct poll *next; /* of the owner */
    char node[NODE_NAME_MAX + 1];
    char url[URL_MAX + 1]; /* without a slash at the end */
    bool manual;
    size_t step;                       /* of `steps` */
    int64_t deadline_ms;               /* monotonic */
    struct fetch_get *get;             /* under way */
    int32_t utc_offset_s;              /* of the node, as far as known */
    bool usable;                       /* stats or readings came */
    bool answered;                     /* any HTTP answer came */
    bool wrong_node;                   /* somebody else answers there: that proves nothing about this one */
    uint32_t latency_ms;               /* of the first answer */
    char error[24];                    /* the first one; "" */
    char node_name[NODE_NAME_MAX + 1]; /* what /api/stats said; "" */
};

static const struct {
    enum report_kind kind;
    const char *path;
    bool limited;            /* takes limit= */
    const char *off_message; /* in a 503: the feature is not in use; NULL = has no such */
} steps[] = {
    {REPORT_STATS, "/api/stats", false, NULL},
    {REPORT_READINGS, "/api/readings", false, "No reading manager available"},
    {REPORT_OBSERVATIONS, "/api/observations?hours=0", true, "No memory store available"},
    {REPORT_MEMORIES, "/api/memories?query=", true, "No memory store available"},
};
#define STEPS (sizeof steps / sizeof *steps)

/* --- the end --- */

static struct node *find_node(const struct poll *poll)
{
    struct node *node = cache_find(poll->context->cache, poll->node, strlen(poll->node));
    /* A node that was forgotten and came back is another one: nobody is asking that yet. */
    return node && node->poll_in_flight ? node : NULL;
}

static void poll_free(struct poll *poll)
{
    fetch_cancel(poll->get);
    free(poll);
}

static enum probe_outcome tell_cache(const struct poll *poll)
{
    struct node *node = find_node(poll);
    bool answered = poll->answered && !poll->wrong_node;
    struct probe_result result = {
        .outcome = poll->usable ? PROBE_OK
                   : answered   ? PROBE_UNUSABLE
                                : PROBE_FAILED,
        .answered = answered,
        .error = poll->error[0] && !poll->usable ? poll->error : NULL,
        .latency_ms = answered ? poll->latency_ms : 0,
        .node_name = poll->node_name[0] ? poll->node_name : NULL,
    };
    if (node) {
        node->poll_in_flight = false;
        cache_poll_finished(poll->context->cache, node, &result, clock_now());
    }
    return result.outcome;
}

static void finish(struct poll *poll)
{
    struct poll_context *context = poll->context;
    enum probe_outcome outcome = tell_cache(poll);
    context->finished(context->user, poll, outcome);
    poll_free(poll);
    context->changed(context->user);
}

static void note_error(struct poll *poll, const char *word)
{
    if (!poll->error[0]) {
        snprintf(poll->error, sizeof poll->error, "%s", word);
    }
}

static void reject(struct poll *poll, struct node *node, const struct fault *fault)
{
    char subject[NODE_NAME_MAX + 64];
    int len = snprintf(subject, sizeof subject, "%s %.*s", poll->node,
                       (int)strcspn(steps[poll->step].path, "?"), steps[poll->step].path);
    cache_reject(poll->context->cache, node, fault);
    complain(&poll->context->complaints, "poller", subject, (size_t)len, fault, clock_now().mono_ms);
}

/* --- what an answer says --- */

/* A node's clock shows local time in the body and UTC in the Date header, written in the same second. */
static void learn_offset(struct poll *poll, struct json_slice body, int64_t date_ms)
{
    char text[64];
    size_t len;
    if (date_ms == TIMESTAMP_NONE ||
        json_string(json_member(body, "timestamp"), text, sizeof text, &len) != 0 ||
        !timestamp_is_naive(text, len)) {
        return;
    }
    int64_t local_ms = timestamp_parse(text, len, 0);
    if (local_ms == TIMESTAMP_NONE) {
        return;
    }
    int64_t difference = local_ms - date_ms;
    int64_t half = difference >= 0 ? OFFSET_STEP_MS / 2 : -(OFFSET_STEP_MS / 2);
    int64_t offset_s = (difference + half) / OFFSET_STEP_MS * (OFFSET_STEP_MS / 1000);
    if (offset_s >= -OFFSET_MAX_S && offset_s <= OFFSET_MAX_S) {
        poll->utc_offset_s = (int32_t)offset_s;
    }
}

/* Whose answers are these? False, with the fault, for an announced URL at which another node answers. */
static bool is_this_node(struct poll *poll, const struct node *node, struct json_slice body,
                         struct fault *ret_fault)
{
    char name[NODE_NAME_MAX + 1];
    size_t len;
    bool valid = json_string(json_member(body, "node_name"), name, sizeof name, &len) == 0 &&
                 node_name_valid(name, len, NULL);
    bool vouched = poll->manual || (valid && strcmp(name, node->name) == 0);
    /* An agent may be configured with another name than its Smollama: its live heartbeat vouches for that
     * one, unless it is taken. (A retained heartbeat may be anybody's of last week.) */
    if (!vouched && valid && node->has_heartbeat && node->evidence.agent.heartbeat_ms > 0 &&
        strcmp(name, node->heartbeat.source.node_name) == 0) {
        const struct node *owner = cache_get(poll->context->cache, name, len);
        vouched = !owner || owner == node;
    }
    if (vouched) {
        memcpy(poll->node_name, valid ? name : "", valid ? len + 1 : 1);
        return true;
    }
    poll->wrong_node = true;
    char escaped[LOG_TEXT];
    log_escape(escaped, sizeof escaped, valid ? name : "", valid ? len : 0);
    fault_set(ret_fault, REJECT_WRONG_NODE, "the node there says it is \"%s\"", escaped);
    return false;
}

static bool is_off(const struct poll *poll, const struct fetch_answer *answer)
{
    const char *message = steps[poll->step].off_message;
    struct json_error error;
    if (answer->status != 503 || !message ||
        !json_check(answer->body.data, answer->body.len, JSON_MAX_DEPTH, &error)) {
        return false;
    }
    return json_string_contains(json_member(json_root(answer->body.data, answer->body.len), "error"), message,
                                strlen(message));
}

/* Checks a 200 and gives it to the cache. False: nothing more is to be asked of this URL. */
static bool take_body(struct poll *poll, struct node *node, const struct fetch_answer *answer)
{
    enum report_kind kind = steps[poll->step].kind;
    struct fault fault = {.reason = REJECT_NONE};
    struct json_error error;
    if (!json_check(answer->body.data, answer->body.len, JSON_MAX_DEPTH, &error)) {
        fault_set(&fault, REJECT_BAD_BODY, "byte %zu: %s", error.offset, error.message);
    } else if (!report_body_usable(kind, json_root(answer->body.data, answer->body.len))) {
        fault_set(&fault, REJECT_BAD_BODY, "not what this endpoint answers");
    }
    if (fault.reason != REJECT_NONE) {
        note_error(poll, "bad_body");
        reject(poll, node, &fault);
        return true;
    }
    struct json_slice body = json_root(answer->body.data, answer->body.len);
    if (kind == REPORT_STATS && !is_this_node(poll, node, body, &fault)) {
        note_error(poll, "wrong_node");
        reject(poll, node, &fault);
        return false;
    }
    learn_offset(poll, body, answer->date_ms);
    struct now now = clock_now();
    int e =
        cache_poll_body(poll->context->cache, node, kind, body, now.wall_ms, poll->utc_offset_s, now, &fault);
    if ((e == 0 || e == -EALREADY) && (kind == REPORT_STATS || kind == REPORT_READINGS)) {
        poll->usable = true;
    }
    if (e == -EBADMSG) {
        note_error(poll, "bad_body");
    }
    if (fault.reason != REJECT_NONE) { /* the cache has counted it */
        complain(&poll->context->complaints, "poller", poll->node, strlen(poll->node), &fault, now.mono_ms);
    }
    return true;
}

/* Broken answers are counted as rejects; what never came is no reject but an error of the poll. */
static void take_error(struct poll *poll, struct node *node, const struct fetch_answer *answer)
{
    struct fault fault = {.reason = REJECT_NONE};
    if (strcmp(answer->error, "truncated") == 0) {
        fault_set(&fault, REJECT_TRUNCATED, "ended after %zu bytes", answer->body.len);
    } else if (strcmp(answer->error, "too_large") == 0) {
        fault_set(&fault, REJECT_TOO_LARGE, "more than %zu bytes", BODY_MAX);
    } else if (strcmp(answer->error, "redirect") == 0) {
        fault_set(&fault, REJECT_HTTP_REDIRECT, "status %d; redirects are not followed", answer->status);
    } else if (strcmp(answer->error, "not_http") == 0) {
        fault_set(&fault, REJECT_BAD_BODY, "what answers there does not speak HTTP");
    }
    note_error(poll, answer->error);
    if (fault.reason != REJECT_NONE) {
        reject(poll, node, &fault);
    }
}

/* True if the next endpoint should be asked. */
static bool take_answer(struct poll *poll, struct node *node, const struct fetch_answer *answer)
{
    if (answer->answered && !poll->answered) {
        poll->answered = true;
        poll->latency_ms = answer->latency_ms;
    }
    /* At an announced URL nothing is believed before its /api/stats was. */
    bool identified = poll->manual || poll->step > 0;
    if (answer->error) {
        take_error(poll, node, answer);
        return answer->answered && identified && strcmp(answer->error, "timeout") != 0;
    }
    if (answer->status == 200) {
        return take_body(poll, node, answer) && (identified || poll->node_name[0]);
    }
    if (!is_off(poll, answer)) {
        char word[24];
        snprintf(word, sizeof word, "http_%d", answer->status);
        note_error(poll, word);
    }
    return identified;
}

/* --- asking --- */

static bool may_connect(void *user, const struct sockaddr *address)
{
    const struct poll *poll = user;
    return poll->manual || allow_address(poll->context->allow, address);
}

static void on_answer(void *user, const struct fetch_answer *answer);

/* Sends the request of the current step. False if it can't: the poll is over. */
static bool send_request(struct poll *poll)
{
    char url[URL_SIZE];
    int64_t left_ms = poll->deadline_ms - clock_now().mono_ms;
    int len = steps[poll->step].limited
                  ? snprintf(url, sizeof url, "%s%s&limit=%u", poll->url, steps[poll->step].path,
                             (unsigned)poll->context->item_limit)
                  : snprintf(url, sizeof url, "%s%s", poll->url, steps[poll->step].path);
    if (left_ms < MIN_REQUEST_MS) {
        note_error(poll, "timeout");
        return false;
    }
    if (len > 0 && (size_t)len < sizeof url) {
        poll->get =
            fetch_start(poll->context->fetch, url, (uint32_t)left_ms, BODY_MAX, may_connect, on_answer, poll);
    }
    if (!poll->get) {
        note_error(poll, "error");
        return false;
    }
    ++*poll->context->requests;
    return true;
}

static void on_answer(void *user, const struct fetch_answer *answer)
{
    struct poll *poll = user;
    poll->get = NULL; /* ends with this call */
    struct node *node = find_node(poll);
    bool more = node && take_answer(poll, node, answer);
    poll->context->changed(poll->context->user);
    poll->step++;
    /* Heard over MQTT again: what is here counts, the rest comes from the agent. */
    more = more && poll->step < STEPS && cache_wants_poll(poll->context->cache, node, clock_now());
    if (!more || !send_request(poll)) {
        finish(poll);
    }
}

/* --- interface --- */

struct poll *poll_start(struct poll_context *context, struct node *node)
{
    struct poll *poll = calloc(1, sizeof *poll);
    if (!poll) {
        return NULL;
    }
    poll->context = context;
    strcpy(poll->node, node->name);
    strcpy(poll->url, node->url);
    for (size_t len = strlen(poll->url); len > 0 && poll->url[len - 1] == '/'; len--) {
        poll->url[len - 1] = '\0';
    }
    poll->manual = node->manual_url[0] && strcmp(node->url, node->manual_url) == 0;
    poll->utc_offset_s = node->utc_offset_s;
    struct now now = clock_now();
    poll->deadline_ms = now.mono_ms + context->timeout_ms;
    node->poll_in_flight = true;
    cache_poll_started(context->cache, node, now);
    if (!send_request(poll)) {
        tell_cache(poll);
        poll_free(poll);
        return NULL;
    }
    return poll;
}

const char *poll_node(const struct poll *poll)
{
    return poll->node;
}

void poll_cancel(struct poll *poll)
{
    poll_free(poll);
}

struct poll **poll_link(struct poll *poll)
{
    return &poll->next;
}
