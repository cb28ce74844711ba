#include "query.h"

#include "json.h"
#include "topic.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Decodes in place: what comes out is never longer. */
static int decode(char *text, size_t len, size_t *ret_len, const char **ret_why)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '+') {
            text[i] = ' ';
        }
    }
    if (percent_decode(text, len, text, len + 1, ret_len) != 0) {
        *ret_why = "a parameter holds a bad % escape";
        return -EINVAL;
    }
    if (!utf8_valid(text, *ret_len)) {
        *ret_why = "a parameter is not UTF-8";
        return -EINVAL;
    }
    text[*ret_len] = '\0';
    return 0;
}

static int add_param(struct query *query, char *text, const char **ret_why)
{
    if (query->count == QUERY_PARAMS_MAX) {
        *ret_why = "too many parameters";
        return -EINVAL;
    }
    char *value = strchr(text, '=');
    if (value) {
        *value++ = '\0';
    } else {
        value = text + strlen(text);
    }
    struct query_param *param = &query->params[query->count];
    size_t name_len;
    int e = decode(value, strlen(value), &param->value_len, ret_why);
    if (e == 0) {
        e = decode(text, strlen(text), &name_len, ret_why);
    }
    if (e != 0) {
        return e;
    }
    param->name = text;
    param->value = value;
    query->count++;
    return 0;
}

int query_parse(const char *raw, struct query *ret_query, const char **ret_why)
{
    ret_query->count = 0;
    ret_query->text = strdup(raw);
    if (!ret_query->text) {
        return -ENOMEM;
    }
    for (char *part = ret_query->text, *end; part; part = end) {
        end = strchr(part, '&');
        if (end) {
            *end++ = '\0';
        }
        int e = *part ? add_param(ret_query, part, ret_why) : 0;
        if (e != 0) {
            query_finish(ret_query);
            return e;
        }
    }
    return 0;
}

/* Is the name one of the words? */
static bool is_listed(const char *name, const char *words)
{
    size_t len = strlen(name);
    for (const char *word = words; *word; word += strspn(word, " ")) {
        size_t word_len = strcspn(word, " ");
        if (word_len == len && memcmp(word, name, len) == 0) {
            return true;
        }
        word += word_len;
    }
    return false;
}

void query_keep(struct query *query, const char *names)
{
    size_t kept = 0;
    for (size_t i = 0; i < query->count; i++) {
        if (is_listed(query->params[i].name, names)) {
            query->params[kept++] = query->params[i];
        }
    }
    query->count = kept;
}

void query_finish(struct query *query)
{
    free(query->text);
    query->text = NULL;
    query->count = 0;
}

const struct query_param *query_find(const struct query *query, const char *name)
{
    for (size_t i = query->count; i-- > 0;) {
        if (query->params[i].value_len && strcmp(query->params[i].name, name) == 0) {
            return &query->params[i];
        }
    }
    return NULL;
}

bool query_is(const struct query *query, const char *name, const char *value)
{
    const struct query_param *param = query_find(query, name);
    return param && strcmp(param->value, value) == 0;
}

bool query_uint(const struct query *query, const char *name, uint64_t *ret_value)
{
    const struct query_param *param = query_find(query, name);
    if (!param) {
        return true;
    }
    if (strspn(param->value, "0123456789") != param->value_len) {
        return false;
    }
    errno = 0;
    unsigned long long value = strtoull(param->value, NULL, 10);
    if (errno) {
        return false;
    }
    *ret_value = value;
    return true;
}

bool query_limit(const struct query *query, size_t *ret_value)
{
    uint64_t value = *ret_value;
    if (!query_uint(query, "limit", &value)) {
        return false;
    }
    if (!query_find(query, "limit")) {
        return true;
    }
    if (value < 1 || value > QUERY_LIMIT_MAX) {
        return false;
    }
    *ret_value = (size_t)value;
    return true;
}

bool query_hours(const struct query *query, double *ret_value)
{
    const struct query_param *param = query_find(query, "hours");
    if (!param) {
        return true;
    }
    /* strtod alone would take " 1", "0x10", "inf" and "nan" */
    if (strspn(param->value, "0123456789.eE+-") != param->value_len) {
        return false;
    }
    char *end;
    double value = strtod(param->value, &end);
    if (end != param->value + param->value_len || !isfinite(value) || value < 0) {
        return false;
    }
    *ret_value = value;
    return true;
}
