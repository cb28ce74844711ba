/*
 * topic: MQTT topics of the contract and the node names in them. Pure.
 */
#ifndef TOPIC_H
#define TOPIC_H

#include <stdbool.h>
#include <stddef.h>

#define NODE_NAME_MAX  64 /* bytes of UTF-8 */
#define BASE_TOPIC_MAX 64 /* bytes of [A-Za-z0-9_-] */
#define TOPIC_SIZE     (BASE_TOPIC_MAX + NODE_NAME_MAX + 32)

enum topic_kind {
    TOPIC_OTHER, /* none of ours */
    TOPIC_READINGS,
    TOPIC_OBSERVATIONS,
    TOPIC_MEMORIES,
    TOPIC_STATS,
    TOPIC_STATUS,
    TOPIC_HEALTH,
    TOPIC_REFRESH,
    TOPIC_EDGE_READINGS, /* smollama/<node>/readings */
};
#define REPORT_KINDS 4 /* TOPIC_READINGS … TOPIC_STATS, as enum report_kind in report.h */

struct topic {
    enum topic_kind kind;
    const char *node; /* borrowed from the topic parsed, not NUL-terminated */
    size_t node_len;
};

/* 1–64 bytes of UTF-8; no / + #, no control, bidi or format characters (Cc, Cf, Zl, Zp), no noncharacters
 * (brokers refuse them), no space at either end, no leading `$`, not "." or "..". *ret_why (optional) is a
 * static text that completes "the name …". */
bool node_name_valid(const char *name, size_t len, const char **ret_why);
/* 1–64 of A-Z a-z 0-9 _ -, and none of smollama, llama, homeassistant. */
bool base_topic_valid(const char *base, const char **ret_why);

/* True if `topic` is <base>/<node>/<kind> with a kind of ours, or smollama/<node>/readings. The node's name
 * is not checked: a bad one is the caller's to report. Otherwise ret_topic->kind is TOPIC_OTHER. */
bool topic_parse(const char *base, const char *topic, struct topic *ret_topic);
/* "<base>/<node>/<kind>", or "smollama/<node>/readings" for TOPIC_EDGE_READINGS (to subscribe, never to
 * publish). 0, or -E2BIG. `node` may be "+" for subscriptions. */
int topic_format(const char *base, const char *node, enum topic_kind kind, char *buffer, size_t size);
const char *topic_kind_name(enum topic_kind kind); /* "readings", … */

/* Percent-encoding for URLs (RFC 3986 unreserved characters stay). `buffer` must have room for 3 × len + 1.
 * Returns the length without the NUL. */
size_t percent_encode(const char *text, size_t len, char *buffer);
/* Decodes %XX and puts a NUL behind. 0, or -EINVAL for a bad escape or an encoded NUL, -E2BIG. `+` stays. */
int percent_decode(const char *text, size_t len, char *buffer, size_t size, size_t *ret_len);

#endif
