#include "node_answer.h"

#include "log.h"
#include "timestamp.h"

#include <string.h>

#define OFFSET_STEP_MS (15 * 60 * 1000)
#define OFFSET_MAX_S   (14 * 3600)

bool node_answer_is_of(const struct cache *cache, const struct node *node, bool manual,
                       struct json_slice stats, char ret_name[NODE_NAME_MAX + 1], struct fault *ret_fault)
{
    char name[NODE_NAME_MAX + 1];
    size_t len;
    bool valid = json_string(json_member(stats, "node_name"), name, sizeof name, &len) == 0 &&
                 node_name_valid(name, len, NULL);
    bool vouched = manual || (valid && strcmp(name, node->name) == 0);
    /* An agent may be configured with another name than its Smollama: its live heartbeat vouches for that
     * one, unless it is taken. (A retained heartbeat may be anybody's of last week.) */
    if (!vouched && valid && node->has_heartbeat && node->evidence.agent.heartbeat_ms > 0 &&
        strcmp(name, node->heartbeat.source.node_name) == 0) {
        const struct node *owner = cache_get(cache, name, len);
        vouched = !owner || owner == node;
    }
    if (vouched) {
        memcpy(ret_name, valid ? name : "", valid ? len + 1 : 1);
        return true;
    }
    char escaped[LOG_TEXT];
    log_escape(escaped, sizeof escaped, valid ? name : "", valid ? len : 0);
    fault_set(ret_fault, REJECT_WRONG_NODE, "the node there says it is \"%s\"", escaped);
    return false;
}

/* A node's clock shows local time in the body and UTC in the Date header, written in the same second. */
int32_t node_answer_offset(struct json_slice body, int64_t date_ms, int32_t known_s)
{
    char text[64];
    size_t len;
    if (date_ms == TIMESTAMP_NONE ||
        json_string(json_member(body, "timestamp"), text, sizeof text, &len) != 0 ||
        !timestamp_is_naive(text, len)) {
        return known_s;
    }
    int64_t local_ms = timestamp_parse(text, len, 0);
    if (local_ms == TIMESTAMP_NONE) {
        return known_s;
    }
    int64_t difference = local_ms - date_ms;
    int64_t half = difference >= 0 ? OFFSET_STEP_MS / 2 : -(OFFSET_STEP_MS / 2);
    int64_t offset_s = (difference + half) / OFFSET_STEP_MS * (OFFSET_STEP_MS / 1000);
    return offset_s >= -OFFSET_MAX_S && offset_s <= OFFSET_MAX_S ? (int32_t)offset_s : known_s;
}

bool node_answer_is_off(const struct fetch_answer *answer, const char *message)
{
    struct json_error error;
    if (answer->status != 503 || !message ||
        !json_check(answer->body.data, answer->body.len, JSON_MAX_DEPTH, &error)) {
        return false;
    }
    return json_string_contains(json_member(json_root(answer->body.data, answer->body.len), "error"), message,
                                strlen(message));
}

void node_answer_base(const char *url, char ret_base[URL_MAX + 1])
{
    size_t len = strnlen(url, URL_MAX);
    while (len > 0 && url[len - 1] == '/') {
        len--;
    }
    memcpy(ret_base, url, len);
    ret_base[len] = '\0';
}
