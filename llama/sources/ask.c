#include "ask.h"

#include "node_answer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATS_PATH     "/api/stats"
#define OFF_MESSAGE    "No memory store available"
#define MIN_REQUEST_MS 10 /* with less time left the next request is not worth sending */

struct ask {
    struct ask_context *context;
    struct ask *next; /* of the owner */
    struct findings *findings;
    size_t index;
    const char *path;
    char url[URL_MAX + 1]; /* as the node had it */
    bool manual;
    bool identified; /* what answers there is the node */
    int32_t utc_offset_s;
    int64_t deadline_ms;
    struct fetch_get *get;
    void *user;
};

const char *ask_refusal(const struct node *node)
{
    return !node->url[0] ? "no_url" : !node->evidence.has_url ? "forbidden_address" : NULL;
}

static bool is_manual(const struct node *node)
{
    return node->manual_url[0] && strcmp(node->url, node->manual_url) == 0;
}

/* NULL when it was forgotten, or is to be asked elsewhere by now. */
static struct node *find_node(const struct ask *ask)
{
    const char *name = ask_node(ask);
    struct node *node = cache_find(ask->context->cache, name, strlen(name));
    bool same = node && strcmp(node->name, name) == 0 && strcmp(node->url, ask->url) == 0 &&
                is_manual(node) == ask->manual && !ask_refusal(node);
    return same ? node : NULL;
}

/* --- the end --- */

static void ask_free(struct ask *ask)
{
    fetch_cancel(ask->get);
    free(ask);
}

static void finish(struct ask *ask, const char *word)
{
    findings_set_word(ask->findings, ask->index, word);
    ask->context->finished(ask->user, ask);
    ask_free(ask);
}

static void reject(struct ask *ask, struct node *node, const struct fault *fault)
{
    if (fault->reason != REJECT_NONE) {
        cache_reject(ask->context->cache, node, fault);
        complain(&ask->context->complaints, "search", node->name, strlen(node->name), fault,
                 clock_now().mono_ms);
    }
}

/* --- what an answer says --- */

/* NULL, or the word that ends the ask. */
static const char *take_stats(struct ask *ask, struct node *node, const struct fetch_answer *answer)
{
    struct fault fault = {.reason = REJECT_NONE};
    struct json_error error;
    char name[NODE_NAME_MAX + 1];
    const char *word = NULL;
    struct json_slice stats = {0};
    if (json_check(answer->body.data, answer->body.len, JSON_MAX_DEPTH, &error)) {
        stats = json_root(answer->body.data, answer->body.len);
    }
    if (!report_body_usable(REPORT_STATS, stats)) {
        fault_set(&fault, REJECT_BAD_BODY, STATS_PATH ": not what this endpoint answers");
        word = "bad_body";
    } else if (!node_answer_is_of(ask->context->cache, node, ask->manual, stats, name, &fault)) {
        word = "wrong_node";
    } else {
        ask->utc_offset_s = node_answer_offset(stats, answer->date_ms, ask->utc_offset_s);
        ask->identified = true;
    }
    reject(ask, node, &fault);
    return word;
}

static const char *take_items(struct ask *ask, struct node *node, const struct fetch_answer *answer)
{
    struct fault fault;
    int e = findings_take(ask->findings, ask->index, answer->body.data, answer->body.len, ask->utc_offset_s,
                          &fault);
    reject(ask, node, &fault);
    return e == 0 ? "ok" : e == -EBADMSG ? "bad_body" : e == -ENOSPC ? "too_large" : "error";
}

/* NULL: the next request may be sent. */
static const char *take_answer(struct ask *ask, const struct fetch_answer *answer, char word[24])
{
    struct node *node = find_node(ask);
    if (!node) {
        return "forgotten";
    }
    if (answer->error) {
        return answer->error;
    }
    if (answer->status == 200) {
        return ask->identified ? take_items(ask, node, answer) : take_stats(ask, node, answer);
    }
    if (ask->identified && node_answer_is_off(answer, OFF_MESSAGE)) {
        return "off";
    }
    snprintf(word, 24, "http_%d", answer->status);
    return word;
}

/* --- asking --- */

static bool may_connect(void *user, const struct sockaddr *address)
{
    const struct ask *ask = user;
    return ask->manual || allow_address(ask->context->allow, address);
}

static void on_answer(void *user, const struct fetch_answer *answer);

/* NULL, or why it can't. */
static const char *send_request(struct ask *ask)
{
    char base[URL_MAX + 1];
    struct buf url = BUF_INIT;
    int64_t left_ms = ask->deadline_ms - clock_now().mono_ms;
    if (left_ms < MIN_REQUEST_MS) {
        return "timeout";
    }
    node_answer_base(ask->url, base);
    buf_str(&url, base);
    buf_str(&url, ask->identified ? ask->path : STATS_PATH);
    const char *text = buf_terminate(&url);
    if (text) {
        ask->get = fetch_start(ask->context->fetch, text, (uint32_t)left_ms, NODE_ANSWER_MAX, may_connect,
                               on_answer, ask);
    }
    buf_finish(&url);
    if (!ask->get) {
        return "error";
    }
    ask->context->requests++;
    return NULL;
}

static void on_answer(void *user, const struct fetch_answer *answer)
{
    struct ask *ask = user;
    char buffer[24];
    ask->get = NULL; /* ends with this call */
    const char *word = take_answer(ask, answer, buffer);
    word = word ? word : send_request(ask);
    if (word) {
        finish(ask, word);
    }
}

/* --- interface --- */

struct ask *ask_start(struct ask_context *context, struct findings *findings, size_t i,
                      const struct node *node, const char *path, int64_t deadline_ms, void *user)
{
    struct ask *ask = calloc(1, sizeof *ask);
    if (!ask) {
        findings_set_word(findings, i, "error");
        return NULL;
    }
    ask->context = context;
    ask->findings = findings;
    ask->index = i;
    ask->path = path;
    ask->manual = ask->identified = is_manual(node);
    ask->utc_offset_s = node->utc_offset_s;
    ask->deadline_ms = deadline_ms;
    ask->user = user;
    snprintf(ask->url, sizeof ask->url, "%s", node->url);
    const char *word = send_request(ask);
    if (word) {
        findings_set_word(findings, i, word);
        ask_free(ask);
        return NULL;
    }
    return ask;
}

void ask_cancel(struct ask *ask, const char *word)
{
    findings_set_word(ask->findings, ask->index, word);
    ask_free(ask);
}

const char *ask_node(const struct ask *ask)
{
    return findings_at(ask->findings, ask->index)->name;
}

struct ask **ask_link(struct ask *ask)
{
    return &ask->next;
}

const void *ask_user(const struct ask *ask)
{
    return ask->user;
}
