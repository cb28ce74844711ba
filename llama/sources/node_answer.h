/*
 * node_answer: what a node's HTTP answers say of the node itself, for all who ask one. Pure.
 */
#ifndef NODE_ANSWER_H
#define NODE_ANSWER_H

#include "cache.h"
#include "fetch.h"

#define NODE_ANSWER_MAX ((size_t)4 * 1024 * 1024) /* bytes of one answer */

/*
 * Is it this node that answers with `stats`, checked JSON of /api/stats? At an announced URL only one that
 * says its name, or that of its Smollama by its last live heartbeat unless that is another node's; a `manual`
 * URL is the node, whatever it says. True with the name that was said ("" if none or no valid one); false
 * with the fault.
 */
bool node_answer_is_of(const struct cache *cache, const struct node *node, bool manual,
                       struct json_slice stats, char ret_name[NODE_NAME_MAX + 1], struct fault *ret_fault);
/* The node's UTC offset by its body's `timestamp` and its Date header, to 15 minutes; `known_s` where they do
 * not tell. */
int32_t node_answer_offset(struct json_slice body, int64_t date_ms, int32_t known_s);
/* Does the 503 say by this message that the feature is not in use? */
bool node_answer_is_off(const struct fetch_answer *answer, const char *message);
/* Copies a base URL without the slashes at its end. */
void node_answer_base(const char *url, char ret_base[URL_MAX + 1]);

#endif
