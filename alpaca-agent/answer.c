#include "answer.h"

#include "json.h"

#include <stdio.h>

bool answer_is_http(const struct answer *answer)
{
    return answer->status != 0;
}

static void fail(struct answer_verdict *verdict, const char *word)
{
    verdict->worth = ANSWER_FAILED;
    snprintf(verdict->word, sizeof verdict->word, "%s", word);
}

/* Smollama's own words for a feature that is not set up. */
static bool says_feature_is_off(const struct answer *answer)
{
    struct json_error error;
    if (!json_check(answer->body, answer->len, JSON_MAX_DEPTH, &error)) {
        return false;
    }
    struct json_slice said = json_member(json_root(answer->body, answer->len), "error");
    return json_string_is(said, "No memory store available") ||
           json_string_is(said, "No reading manager available");
}

static void judge_body(enum report_kind kind, const struct answer *answer, struct answer_verdict *verdict)
{
    struct json_error error;
    if (!json_check(answer->body, answer->len, JSON_MAX_DEPTH, &error)) {
        fail(verdict, "bad_body");
        snprintf(verdict->detail, sizeof verdict->detail, "byte %zu: %s", error.offset, error.message);
    } else if (!report_body_usable(kind, json_root(answer->body, answer->len))) {
        fail(verdict, "bad_body");
        snprintf(verdict->detail, sizeof verdict->detail, "no %s in it",
                 kind == REPORT_STATS ? "node_name" : report_kind_name(kind));
    } else {
        verdict->worth = ANSWER_USABLE;
    }
}

static void judge_complete(enum report_kind kind, const struct answer *answer, struct answer_verdict *verdict)
{
    if (answer->status == 200) {
        judge_body(kind, answer, verdict);
    } else if (answer->status == 503 && says_feature_is_off(answer)) {
        verdict->worth = ANSWER_OFF;
        snprintf(verdict->word, sizeof verdict->word, "off");
    } else if (answer->status < 100 || answer->status > 999) {
        fail(verdict, "bad_body");
        snprintf(verdict->detail, sizeof verdict->detail, "no valid HTTP status");
    } else {
        char word[16];
        snprintf(word, sizeof word, "http_%u", answer->status);
        fail(verdict, word);
    }
}

void answer_judge(enum report_kind kind, const struct answer *answer, struct answer_verdict *ret_verdict)
{
    struct answer_verdict verdict = {.worth = ANSWER_FAILED};
    if (answer->detail) {
        snprintf(verdict.detail, sizeof verdict.detail, "%s", answer->detail);
    }
    switch (answer->end) {
    case ANSWER_COMPLETE:
        judge_complete(kind, answer, &verdict);
        break;
    case ANSWER_REFUSED:
        fail(&verdict, "refused");
        break;
    case ANSWER_DNS:
        fail(&verdict, "dns");
        break;
    case ANSWER_TIMEOUT:
        fail(&verdict, "timeout");
        break;
    case ANSWER_TOO_LARGE:
        fail(&verdict, "too_large");
        snprintf(verdict.detail, sizeof verdict.detail, "a body above %d bytes", REPORT_MAX);
        break;
    case ANSWER_BROKEN:
        fail(&verdict, "bad_body");
        snprintf(verdict.detail, sizeof verdict.detail,
                 "the connection ended before a whole HTTP answer had come");
        break;
    }
    *ret_verdict = verdict;
}
