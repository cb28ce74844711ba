/*
 * Walking a text that json_check accepted. Everything here stays within the slice whatever its bytes are,
 * so a caller's mistake gives wrong answers and no wild reads.
 */
#include "json.h"

#include "json_swar.h"

static inline bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* At an opening quote: behind the closing one. */
static const char *skip_string(const char *p, const char *end)
{
    p++;
    for (;;) {
        while (end - p >= 8) {
            uint64_t stops = swar_quote_or_backslash(swar_load(p));
            if (stops) {
                p += swar_first(stops);
                break;
            }
            p += 8;
        }
        while (p < end && *p != '"' && *p != '\\') {
            p++;
        }
        if (p >= end) {
            return end;
        }
        if (*p == '"') {
            return p + 1;
        }
        p += end - p >= 2 ? 2 : 1;
    }
}

enum mark { MARK_NONE, MARK_QUOTE, MARK_OPEN, MARK_CLOSE };

/* At an opening bracket or brace: behind the closing one. */
static const char *skip_container(const char *p, const char *end)
{
    static const unsigned char marks[256] = {
        ['"'] = MARK_QUOTE, ['['] = MARK_OPEN, ['{'] = MARK_OPEN, [']'] = MARK_CLOSE, ['}'] = MARK_CLOSE,
    };
    size_t depth = 0;
    while (p < end) {
        switch (marks[(unsigned char)*p]) {
        case MARK_QUOTE:
            p = skip_string(p, end);
            continue;
        case MARK_OPEN:
            depth++;
            break;
        case MARK_CLOSE:
            if (--depth == 0) {
                return p + 1;
            }
            break;
        default:
            break;
        }
        p++;
    }
    return end;
}

static const char *skip_value(const char *p, const char *end)
{
    if (*p == '"') {
        return skip_string(p, end);
    }
    if (*p == '{' || *p == '[') {
        return skip_container(p, end);
    }
    while (p < end && *p != ',' && *p != '}' && *p != ']' && !is_space(*p)) {
        p++;
    }
    return p;
}

struct json_slice json_root(const char *text, size_t len)
{
    while (len > 0 && is_space(text[0])) {
        text++;
        len--;
    }
    while (len > 0 && is_space(text[len - 1])) {
        len--;
    }
    return len > 0 ? (struct json_slice){.data = text, .len = len} : (struct json_slice){0};
}

enum json_type json_type(struct json_slice value)
{
    switch (value.data && value.len > 0 ? value.data[0] : '\0') {
    case '\0':
        return JSON_ABSENT;
    case 'n':
        return JSON_NULL;
    case 'f':
        return JSON_FALSE;
    case 't':
        return JSON_TRUE;
    case '"':
        return JSON_STRING;
    case '[':
        return JSON_ARRAY;
    case '{':
        return JSON_OBJECT;
    default:
        return JSON_NUMBER;
    }
}

struct json_iter json_iter(struct json_slice container)
{
    enum json_type type = json_type(container);
    if ((type != JSON_ARRAY && type != JSON_OBJECT) || container.len < 2) {
        return (struct json_iter){0};
    }
    return (struct json_iter){
        .next = container.data + 1,
        .end = container.data + container.len - 1, /* the closing bracket */
        .object = type == JSON_OBJECT,
    };
}

bool json_next(struct json_iter *it)
{
    const char *p = it->next, *end = it->end;
    while (p < end && (is_space(*p) || *p == ',')) {
        p++;
    }
    it->next = p;
    if (p >= end) {
        return false;
    }
    if (it->object) {
        const char *key = p;
        p = *p == '"' ? skip_string(p, end) : end;
        it->key = (struct json_slice){.data = key, .len = (size_t)(p - key)};
        while (p < end && (is_space(*p) || *p == ':')) {
            p++;
        }
        if (p >= end) {
            return false;
        }
    }
    it->next = skip_value(p, end);
    it->value = (struct json_slice){.data = p, .len = (size_t)(it->next - p)};
    return it->value.len > 0;
}

struct json_slice json_member(struct json_slice object, const char *name)
{
    struct json_slice found = {0};
    struct json_iter it = json_iter(object);
    if (!it.object) {
        return found;
    }
    while (json_next(&it)) {
        if (json_key_is(it.key, name)) {
            found = it.value;
        }
    }
    return found;
}

size_t json_count(struct json_slice container)
{
    size_t count = 0;
    for (struct json_iter it = json_iter(container); json_next(&it);) {
        count++;
    }
    return count;
}

bool json_equal(struct json_slice a, struct json_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}
