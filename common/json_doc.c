/*
 * Small documents of fixed form, through cJSON. json_check comes first: cJSON alone takes 01, raw control
 * characters and bad UTF-8, and its strings end at U+0000.
 */
#include "json.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

#define DOCUMENT_DEPTH 16

/* The offset of an escaped U+0000 in checked text, or SIZE_MAX. Backslashes stand only in strings, each with
 * what it escapes: "\\u0000" with a doubled one is no escape of U+0000. */
static size_t find_nul(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i += 2) {
        const char *backslash = memchr(text + i, '\\', len - i);
        if (!backslash)
            break;
        i = (size_t)(backslash - text);
        if (len - i >= 6 && memcmp(backslash, "\\u0000", 6) == 0)
            return i;
    }
    return SIZE_MAX;
}

struct cJSON *json_parse(const char *text, size_t len, struct json_error *ret_error)
{
    struct json_error error;
    if (!json_check(text, len, DOCUMENT_DEPTH, &error))
        goto fail;
    size_t nul = find_nul(text, len);
    if (nul != SIZE_MAX) {
        error = (struct json_error){.fault = JSON_NOT_JSON, .offset = nul, .message = "U+0000 in a string"};
        goto fail;
    }
    struct cJSON *document = cJSON_ParseWithLength(text, len);
    if (document)
        return document;
    /* What the check lets pass and cJSON does not: half of a surrogate pair, numbers over 63 characters. */
    error = (struct json_error){.fault = JSON_NOT_JSON,
                                .message = "lone surrogate, overlong number, or no memory"};
fail:
    if (ret_error)
        *ret_error = error;
    return NULL;
}

void json_free(struct cJSON *document)
{
    cJSON_Delete(document);
}

const struct cJSON *json_get(const struct cJSON *object, const char *name)
{
    const struct cJSON *found = NULL;
    if (!cJSON_IsObject(object))
        return NULL;
    for (const struct cJSON *child = object->child; child; child = child->next) {
        if (strcmp(child->string, name) == 0)
            found = child;
    }
    return found;
}

bool json_is_object(const struct cJSON *value)
{
    return cJSON_IsObject(value);
}

const char *json_get_string(const struct cJSON *object, const char *name)
{
    return cJSON_GetStringValue(json_get(object, name));
}

bool json_get_double(const struct cJSON *object, const char *name, double *ret_value)
{
    const struct cJSON *number = json_get(object, name);
    if (!cJSON_IsNumber(number) || !isfinite(number->valuedouble))
        return false;
    *ret_value = number->valuedouble;
    return true;
}

bool json_get_int(const struct cJSON *object, const char *name, int64_t min, int64_t max, int64_t *ret_value)
{
    double value;
    if (!json_get_double(object, name, &value) || fabs(value) > JSON_EXACT_MAX || value != trunc(value))
        return false;
    int64_t integer = (int64_t)value;
    if (integer < min || integer > max)
        return false;
    *ret_value = integer;
    return true;
}

bool json_get_bool(const struct cJSON *object, const char *name, bool *ret_value)
{
    const struct cJSON *value = json_get(object, name);
    if (!cJSON_IsBool(value))
        return false;
    *ret_value = cJSON_IsTrue(value);
    return true;
}
