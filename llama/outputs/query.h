/*
 * query: the parameters of a request's URL: decoded, checked to be UTF-8, read with their ranges. Pure.
 *
 * A parameter given without a value counts as not given; of a repeated one the last counts, except where all
 * do (node).
 */
#ifndef QUERY_H
#define QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUERY_PARAMS_MAX 128
#define QUERY_LIMIT_MAX  10000

struct query_param {
    const char *name; /* NUL-terminated, like value; both in query.text */
    const char *value;
    size_t value_len;
};

struct query {
    char *text; /* owned */
    struct query_param params[QUERY_PARAMS_MAX];
    size_t count;
};

/* Decodes "a=1&b=%20" (`+` is a space). 0, -ENOMEM, or -EINVAL with *ret_why, a static sentence for the one
 * who asked. On failure the query is empty and needs no finish. */
int query_parse(const char *raw, struct query *ret_query, const char **ret_why);
/* Leaves those whose name is one of `names`, words with a space between. */
void query_keep(struct query *query, const char *names);
void query_finish(struct query *query);

/* The last of that name that has a value, or NULL. */
const struct query_param *query_find(const struct query *query, const char *name);
/* True if it is there with exactly this value. */
bool query_is(const struct query *query, const char *name, const char *value);
/* Each of these: true and *ret_value if it is given and good, true and untouched if it is not given, false if
 * it is bad. */
bool query_limit(const struct query *query, size_t *ret_value); /* limit=1…QUERY_LIMIT_MAX */
bool query_hours(const struct query *query, double *ret_value); /* hours=: not negative */
bool query_uint(const struct query *query, const char *name, uint64_t *ret_value); /* decimal digits */

#endif
