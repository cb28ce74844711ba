#include "visit.h"

#include "node_answer.h"
#include "place.h"
#include "timestamp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define URL_SIZE       (URL_MAX + 64)
#define MIN_REQUEST_MS 10 /* with less time left the next request is not worth sending */

struct visit {
    struct visit_context *context;
    struct visit *next; /* of the owner */
    char node[NODE_NAME_MAX + 1];
    char url[URL_MAX + 1]; /* without a slash at the end */
    bool manual;
    size_t step;                       /* of `steps` */
    int64_t began_ms, deadline_ms;     /* monotonic */
    struct fetch_get *get;             /* under way */
    int32_t utc_offset_s;              /* of the node, as far as known */
    bool usable;                       /* stats or readings came */
    bool answered;                     /* any HTTP answer came */
    bool wrong_node;                   /* somebody else answers there: that proves nothing about this one */
    uint32_t latency_ms;               /* of the first answer */
    char error[24];                    /* the first one; "" */
    char node_name[NODE_NAME_MAX + 1]; /* what /api/stats said; "" */
    char places[PLACES_MAX];           /* a manual node's: where it said so */
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

static struct node *find_node(const struct visit *visit)
{
    struct node *node = cache_find(visit->context->cache, visit->node, strlen(visit->node));
    /* A node that was forgotten and came back is another one: nobody is asking that yet. And so is one whose
     * alias that name is by now. */
    return node && node->poll_in_flight && strcmp(node->name, visit->node) == 0 ? node : NULL;
}

static void visit_free(struct visit *visit)
{
    fetch_cancel(visit->get);
    free(visit);
}

static enum probe_outcome tell_cache(const struct visit *visit)
{
    struct node *node = find_node(visit);
    bool answered = visit->answered && !visit->wrong_node;
    struct probe_result result = {
        .outcome = visit->usable ? PROBE_OK
                   : answered    ? PROBE_UNUSABLE
                                 : PROBE_FAILED,
        .answered = answered,
        .error = visit->error[0] && !visit->usable ? visit->error : NULL,
        .latency_ms = answered ? visit->latency_ms : 0,
        .node_name = visit->node_name[0] ? visit->node_name : NULL,
        .places = visit->places[0] ? visit->places : NULL,
    };
    if (node) {
        node->poll_in_flight = false;
        cache_poll_finished(visit->context->cache, node, &result, clock_now());
    }
    return result.outcome;
}

static void finish(struct visit *visit)
{
    struct visit_context *context = visit->context;
    enum probe_outcome outcome = tell_cache(visit);
    context->finished(context->user, visit, outcome);
    visit_free(visit);
    context->changed(context->user);
}

static void note_error(struct visit *visit, const char *word)
{
    if (!visit->error[0]) {
        snprintf(visit->error, sizeof visit->error, "%s", word);
    }
}

static void reject(struct visit *visit, struct node *node, const struct fault *fault)
{
    char subject[NODE_NAME_MAX + 64];
    int len = snprintf(subject, sizeof subject, "%s %.*s", visit->node,
                       (int)strcspn(steps[visit->step].path, "?"), steps[visit->step].path);
    cache_reject(visit->context->cache, node, fault);
    complain(&visit->context->complaints, "poller", subject, (size_t)len, fault, clock_now().mono_ms);
}

/* --- what an answer says --- */

/* The Date was written at some time between request and answer, and has whole seconds. */
static void learn_clock(const struct visit *visit, struct node *node, const struct fetch_answer *answer,
                        struct now now)
{
    if (answer->date_ms != TIMESTAMP_NONE) {
        int64_t asked_ms = now.wall_ms - (int64_t)answer->latency_ms / 2;
        cache_poll_clock(visit->context->cache, node, answer->date_ms + 500 - asked_ms, now);
    }
}

static bool is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

/* Others know this machine's own Smollama by any of its addresses. */
static void add_own_places(char places[PLACES_MAX], unsigned port)
{
    struct ifaddrs *all;
    if (getifaddrs(&all) != 0) {
        places[0] = '\0'; /* not known */
        return;
    }
    for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
        char text[INET6_ADDRSTRLEN];
        int family = i->ifa_addr ? i->ifa_addr->sa_family : AF_UNSPEC;
        const void *address =
            family == AF_INET
                ? (const void *)&((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr
            : family == AF_INET6
                ? (const void *)&((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr
                : NULL;
        if (address && !(i->ifa_flags & IFF_LOOPBACK) && inet_ntop(family, address, text, sizeof text)) {
            place_add(places, text, port);
        }
    }
    freeifaddrs(all);
}

static void note_place(struct visit *visit, const struct fetch_answer *answer)
{
    visit->places[0] = '\0';
    if (answer->peer[0]) {
        place_add(visit->places, answer->peer, answer->peer_port);
    }
    if (is_loopback(answer->peer)) {
        add_own_places(visit->places, answer->peer_port);
    }
}

/* Checks a 200 and gives it to the cache. False: nothing more is to be asked of this URL. */
static bool take_body(struct visit *visit, struct node *node, const struct fetch_answer *answer)
{
    enum report_kind kind = steps[visit->step].kind;
    struct fault fault = {.reason = REJECT_NONE};
    struct json_error error;
    if (!json_check(answer->body.data, answer->body.len, JSON_MAX_DEPTH, &error)) {
        fault_set(&fault, REJECT_BAD_BODY, "byte %zu: %s", error.offset, error.message);
    } else if (!report_body_usable(kind, json_root(answer->body.data, answer->body.len))) {
        fault_set(&fault, REJECT_BAD_BODY, "not what this endpoint answers");
    }
    if (fault.reason != REJECT_NONE) {
        note_error(visit, "bad_body");
        reject(visit, node, &fault);
        return true;
    }
    struct json_slice body = json_root(answer->body.data, answer->body.len);
    if (kind == REPORT_STATS &&
        !node_answer_is_of(visit->context->cache, node, visit->manual, body, visit->node_name, &fault)) {
        visit->wrong_node = true;
        note_error(visit, "wrong_node");
        reject(visit, node, &fault);
        return false;
    }
    if (kind == REPORT_STATS && visit->manual) {
        note_place(visit, answer);
    }
    visit->utc_offset_s = node_answer_offset(body, answer->date_ms, visit->utc_offset_s);
    struct now now = clock_now();
    learn_clock(visit, node, answer, now);
    int e = cache_poll_body(visit->context->cache, node, kind, body, now.wall_ms, visit->utc_offset_s, now,
                            &fault);
    if ((e == 0 || e == -EALREADY) && (kind == REPORT_STATS || kind == REPORT_READINGS)) {
        visit->usable = true;
    }
    if (e == -EBADMSG) {
        note_error(visit, "bad_body");
    }
    if (fault.reason != REJECT_NONE) { /* the cache has counted it */
        complain(&visit->context->complaints, "poller", visit->node, strlen(visit->node), &fault,
                 now.mono_ms);
    }
    return true;
}

/* Broken answers are counted as rejects; what never came is no reject but an error of the visit. */
static void take_error(struct visit *visit, struct node *node, const struct fetch_answer *answer)
{
    struct fault fault = {.reason = REJECT_NONE};
    if (strcmp(answer->error, "truncated") == 0) {
        fault_set(&fault, REJECT_TRUNCATED, "ended after %zu bytes", answer->body.len);
    } else if (strcmp(answer->error, "too_large") == 0) {
        fault_set(&fault, REJECT_TOO_LARGE, "more than %zu bytes", NODE_ANSWER_MAX);
    } else if (strcmp(answer->error, "redirect") == 0) {
        fault_set(&fault, REJECT_HTTP_REDIRECT, "status %d; redirects are not followed", answer->status);
    } else if (strcmp(answer->error, "not_http") == 0) {
        fault_set(&fault, REJECT_BAD_BODY, "what answers there does not speak HTTP");
    }
    note_error(visit, answer->error);
    if (fault.reason != REJECT_NONE) {
        reject(visit, node, &fault);
    }
}

/* True if the next endpoint should be asked. */
static bool take_answer(struct visit *visit, struct node *node, const struct fetch_answer *answer)
{
    if (answer->answered && !visit->answered) {
        visit->answered = true;
        visit->latency_ms = answer->latency_ms;
    }
    /* At an announced URL nothing is believed before its /api/stats was. */
    bool identified = visit->manual || visit->step > 0;
    if (answer->error) {
        take_error(visit, node, answer);
        return answer->answered && identified && strcmp(answer->error, "timeout") != 0;
    }
    if (answer->status == 200) {
        return take_body(visit, node, answer) && (identified || visit->node_name[0]);
    }
    if (!node_answer_is_off(answer, steps[visit->step].off_message)) {
        char word[24];
        snprintf(word, sizeof word, "http_%d", answer->status);
        note_error(visit, word);
    }
    return identified;
}

/* --- asking --- */

static bool may_connect(void *user, const struct sockaddr *address)
{
    const struct visit *visit = user;
    return visit->manual || allow_address(visit->context->allow, address);
}

static void on_answer(void *user, const struct fetch_answer *answer);

/* Sends the request of the current step. False if it can't: the visit is over. */
static bool send_request(struct visit *visit)
{
    char url[URL_SIZE];
    int64_t left_ms = visit->deadline_ms - clock_now().mono_ms;
    int len = steps[visit->step].limited
                  ? snprintf(url, sizeof url, "%s%s&limit=%u", visit->url, steps[visit->step].path,
                             (unsigned)visit->context->item_limit)
                  : snprintf(url, sizeof url, "%s%s", visit->url, steps[visit->step].path);
    if (left_ms < MIN_REQUEST_MS) {
        note_error(visit, "timeout");
        return false;
    }
    if (len > 0 && (size_t)len < sizeof url) {
        visit->get = fetch_start(visit->context->fetch, url, (uint32_t)left_ms, NODE_ANSWER_MAX, may_connect,
                                 on_answer, visit);
    }
    if (!visit->get) {
        note_error(visit, "error");
        return false;
    }
    ++*visit->context->requests;
    return true;
}

static void on_answer(void *user, const struct fetch_answer *answer)
{
    struct visit *visit = user;
    visit->get = NULL; /* ends with this call */
    struct node *node = find_node(visit);
    bool more = node && take_answer(visit, node, answer);
    visit->context->changed(visit->context->user);
    visit->step++;
    /* Heard over MQTT again: what is here counts, the rest comes from the agent. */
    more = more && visit->step < STEPS && cache_wants_poll(visit->context->cache, node, clock_now());
    if (!more || !send_request(visit)) {
        finish(visit);
    }
}

/* --- interface --- */

struct visit *visit_start(struct visit_context *context, struct node *node)
{
    struct visit *visit = calloc(1, sizeof *visit);
    if (!visit) {
        return NULL;
    }
    visit->context = context;
    memcpy(visit->node, node->name, sizeof visit->node);
    node_answer_base(node->url, visit->url);
    visit->manual = node->manual_url[0] && strcmp(node->url, node->manual_url) == 0;
    visit->utc_offset_s = node->utc_offset_s;
    struct now now = clock_now();
    visit->began_ms = now.mono_ms;
    visit->deadline_ms = now.mono_ms + context->timeout_ms;
    node->poll_in_flight = true;
    cache_poll_started(context->cache, node, now);
    if (!send_request(visit)) {
        tell_cache(visit);
        visit_free(visit);
        return NULL;
    }
    return visit;
}

const char *visit_node(const struct visit *visit)
{
    return visit->node;
}

int64_t visit_age_ms(const struct visit *visit, struct now now)
{
    return now.mono_ms - visit->began_ms;
}

void visit_cancel(struct visit *visit)
{
    visit_free(visit);
}

struct visit **visit_link(struct visit *visit)
{
    return &visit->next;
}
