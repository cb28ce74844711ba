/*
 * findings: what nodes' own searches answered to one question, beside the cache. Pure.
 *
 * Items pass the same decoding as those of reports (strict JSON, limits, no `node` or `at` of their own), but
 * never enter the cache: a search result is no snapshot. They are shared by all who asked the same, counted
 * by references, on one thread; nothing of them points into the cache.
 */
#ifndef FINDINGS_H
#define FINDINGS_H

#include "cache.h"

#define LIMIT_FINDINGS    ((size_t)16 * 1024 * 1024) /* bytes of all that one question found */
#define LIMIT_DEEP_ANSWER ((size_t)16 * 1024 * 1024) /* bytes of the merged answer */
#define SEARCH_PER_MINUTE 6                          /* questions that nodes are asked, in all */
#define SEARCH_KEPT_MS    30000 /* how long the same question is answered by what was found */
#define SEARCH_PARALLEL   64    /* nodes asked at once */
#define FINDINGS_WORD_MAX 24

/* What is asked of whom; borrowed for the call. */
struct question {
    enum item_kind kind;     /* ITEM_OBSERVATION or ITEM_MEMORY */
    const char *text, *type; /* query=, obs_type=; may hold U+0000. NULL = not given */
    size_t text_len, type_len;
    size_t limit;                    /* ≥ 1 */
    const struct node *const *nodes; /* by name, each once */
    size_t node_count;
    bool all; /* they are all that there are */
};

/* A question that waits for its findings: see the `search` action of api.h. */
struct search_wait;
struct findings;
/* Borrows; NULL without memory. */
typedef void search_done_fn(void *user, struct findings *findings);

struct found { /* of one node */
    char name[NODE_NAME_MAX + 1];
    char word[FINDINGS_WORD_MAX]; /* "ok", or why there is nothing; "" = not known yet */
    struct item *items;           /* by ->next, in the order of the answer; NULL = none. Owner: findings */
    uint32_t count;
    struct node *self;   /* the node of these items: nothing but its name; owned */
    struct item **table; /* by hash; owned */
    uint32_t table_size; /* a power of two, or 0 */
};

/* One reference, no words. NULL without memory. */
struct findings *findings_create(const struct question *question);
struct findings *findings_ref(struct findings *findings);
void findings_unref(struct findings *findings); /* accepts NULL */

size_t findings_count(const struct findings *findings); /* nodes */
const struct found *findings_at(const struct findings *findings, size_t i);
const struct found *findings_of(const struct findings *findings, const char *name); /* NULL = not asked */
size_t findings_bytes(const struct findings *findings);
void findings_set_word(struct findings *findings, size_t i, const char *word);
/*
 * What node i answered, unchecked; naive times are `utc_offset_s` east of UTC (memories' are UTC). Not more
 * than `limit` of the question are taken, of a repeated id the last one. 0 with the word "ok", also when
 * single items were left out (*ret_fault is the last one's); else nothing is taken: -EBADMSG with *ret_fault,
 * -ENOSPC above LIMIT_FINDINGS, -ENOMEM.
 */
int findings_take(struct findings *findings, size_t i, const char *body, size_t len, int32_t utc_offset_s,
                  struct fault *ret_fault);
/* Did the node itself answer an item of this id? Then that one is newer than the cache's. */
bool found_has(const struct found *found, const struct item *item);

#endif
