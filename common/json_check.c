/*
 * The strict checker: one pass, no recursion, no allocation. And the repair of what Python's json.dumps
 * writes for numbers that JSON has no word for.
 */
#include "json.h"

#include "json_swar.h"

#include <assert.h>
#include <stdlib.h>

struct scanner {
    const char *start, *p, *end;
    uint64_t objects; /* one bit per open container, the innermost lowest: 1 = object, 0 = array */
    unsigned depth, max_depth;
    struct json_error error;
};

/* What to do after a step of the scanner. */
enum step {
    STEP_FAIL,
    STEP_VALUE, /* a value must follow */
    STEP_AFTER, /* a value has just ended */
};

static enum step fail_at(struct scanner *s, const char *where, enum json_fault fault, const char *message)
{
    s->error = (struct json_error){.fault = fault, .offset = (size_t)(where - s->start), .message = message};
    return STEP_FAIL;
}

/* The byte at `p` cannot stand there, or the text ends. */
static enum step fail_here(struct scanner *s, const char *message)
{
    uint32_t code_point;
    if (s->p >= s->end) {
        return fail_at(s, s->end, JSON_NOT_JSON, "truncated");
    }
    if (utf8_decode(s->p, (size_t)(s->end - s->p), &code_point) == 0) {
        return fail_at(s, s->p, JSON_NOT_UTF8, "invalid UTF-8");
    }
    return fail_at(s, s->p, JSON_NOT_JSON, message);
}

static inline bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline void skip_space(struct scanner *s)
{
    while (s->p < s->end && is_space(*s->p)) {
        s->p++;
    }
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* At a backslash. */
static bool check_escape(struct scanner *s)
{
    s->p++;
    if (s->p < s->end && *s->p == 'u') {
        s->p++;
        for (int i = 0; i < 4; i++, s->p++) {
            if (s->p >= s->end || !is_hex(*s->p)) {
                return fail_here(s, "\\u without four hexadecimal digits") != STEP_FAIL;
            }
        }
        return true;
    }
    if (s->p >= s->end || *s->p == '\0' || !strchr("\"\\/bfnrt", *s->p)) {
        return fail_here(s, "unknown escape") != STEP_FAIL;
    }
    s->p++;
    return true;
}

/* At the opening quote; afterwards behind the closing one. */
static bool check_string(struct scanner *s)
{
    s->p++;
    for (;;) {
        while (s->end - s->p >= 8) {
            uint64_t stops = swar_not_plain(swar_load(s->p));
            if (stops) {
                s->p += swar_first(stops);
                break;
            }
            s->p += 8;
        }
        if (s->p >= s->end) {
            return fail_here(s, NULL) != STEP_FAIL;
        }
        unsigned char c = (unsigned char)*s->p;
        if (c == '"') {
            s->p++;
            return true;
        }
        if (c < 0x20) {
            return fail_here(s, "control character in a string") != STEP_FAIL;
        }
        if (c == '\\') {
            if (!check_escape(s)) {
                return false;
            }
            continue;
        }
        uint32_t code_point;
        unsigned n = utf8_decode(s->p, (size_t)(s->end - s->p), &code_point);
        if (n == 0) {
            return fail_here(s, NULL) != STEP_FAIL;
        }
        s->p += n;
    }
}

/* At least one digit. */
static bool check_digits(struct scanner *s)
{
    if (s->p >= s->end || !is_digit(*s->p)) {
        return fail_here(s, "digit expected") != STEP_FAIL;
    }
    while (s->p < s->end && is_digit(*s->p)) {
        s->p++;
    }
    return true;
}

static enum step check_number(struct scanner *s)
{
    if (*s->p == '-') {
        s->p++;
    }
    if (s->p < s->end && *s->p == '0') {
        s->p++;
        if (s->p < s->end && is_digit(*s->p)) {
            return fail_here(s, "number with a leading zero");
        }
    } else if (!check_digits(s)) {
        return STEP_FAIL;
    }
    if (s->p < s->end && *s->p == '.') {
        s->p++;
        if (!check_digits(s)) {
            return STEP_FAIL;
        }
    }
    if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
        s->p++;
        if (s->p < s->end && (*s->p == '+' || *s->p == '-')) {
            s->p++;
        }
        if (!check_digits(s)) {
            return STEP_FAIL;
        }
    }
    return STEP_AFTER;
}

static enum step check_literal(struct scanner *s, const char *literal)
{
    for (; *literal; literal++, s->p++) {
        if (s->p >= s->end || *s->p != *literal) {
            return fail_here(s, "unexpected character");
        }
    }
    return STEP_AFTER;
}

/* The key of a member and its colon. */
static enum step check_key(struct scanner *s)
{
    skip_space(s);
    if (s->p >= s->end || *s->p != '"') {
        return fail_here(s, "key expected");
    }
    if (!check_string(s)) {
        return STEP_FAIL;
    }
    skip_space(s);
    if (s->p >= s->end || *s->p != ':') {
        return fail_here(s, "colon expected");
    }
    s->p++;
    return STEP_VALUE;
}

/* At an opening bracket or brace. */
static enum step open_container(struct scanner *s, bool object)
{
    if (s->depth >= s->max_depth) {
        return fail_at(s, s->p, JSON_TOO_DEEP, "nested too deeply");
    }
    s->p++;
    skip_space(s);
    if (s->p < s->end && *s->p == (object ? '}' : ']')) {
        s->p++;
        return STEP_AFTER;
    }
    s->depth++;
    s->objects = s->objects << 1 | object;
    return object ? check_key(s) : STEP_VALUE;
}

static enum step check_value(struct scanner *s)
{
    skip_space(s);
    switch (s->p < s->end ? *s->p : '\0') {
    case '{':
        return open_container(s, true);
    case '[':
        return open_container(s, false);
    case '"':
        return check_string(s) ? STEP_AFTER : STEP_FAIL;
    case 't':
        return check_literal(s, "true");
    case 'f':
        return check_literal(s, "false");
    case 'n':
        return check_literal(s, "null");
    default:
        if (s->p < s->end && (*s->p == '-' || is_digit(*s->p))) {
            return check_number(s);
        }
        return fail_here(s, "unexpected character");
    }
}

/* Inside a container, a value has ended: a comma and the next one, or the end of the container. */
static enum step check_after(struct scanner *s)
{
    bool object = s->objects & 1;
    skip_space(s);
    char c = s->p < s->end ? *s->p : '\0';
    if (c == ',') {
        s->p++;
        return object ? check_key(s) : STEP_VALUE;
    }
    if (c != (object ? '}' : ']')) {
        return fail_here(s, object ? "comma or } expected" : "comma or ] expected");
    }
    s->p++;
    s->depth--;
    s->objects >>= 1;
    return STEP_AFTER;
}

bool json_check(const char *text, size_t len, unsigned max_depth, struct json_error *ret_error)
{
    assert(max_depth <= JSON_DEPTH_LIMIT);
    struct scanner s = {.start = text, .p = text, .end = text + len, .max_depth = max_depth};
    enum step step = STEP_VALUE;
    while (step != STEP_FAIL && (step == STEP_VALUE || s.depth > 0)) {
        step = step == STEP_VALUE ? check_value(&s) : check_after(&s);
    }
    if (step != STEP_FAIL) {
        skip_space(&s);
        if (s.p == s.end) {
            return true;
        }
        fail_here(&s, "text after the value");
    }
    if (ret_error) {
        *ret_error = s.error;
    }
    return false;
}

/* The length of NaN, Infinity or -Infinity at `p`, else 0. */
static size_t nonfinite_at(const char *p, const char *end)
{
    static const char *const words[] = {"NaN", "Infinity", "-Infinity"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t len = strlen(words[i]);
        if ((size_t)(end - p) >= len && memcmp(p, words[i], len) == 0) {
            return len;
        }
    }
    return 0;
}

/* May a value stand between these two? The bytes are those next to it that are no white space; 0 = the text's
 * end. */
static bool value_may_stand(char before, char behind)
{
    return (before == '\0' || before == '[' || before == ',' || before == ':') &&
           (behind == '\0' || behind == ',' || behind == ']' || behind == '}');
}

static char next_significant(const char *p, const char *end)
{
    while (p < end && is_space(*p)) {
        p++;
    }
    return p < end ? *p : '\0';
}

/* Behind the closing quote of the string that starts at `p`, or at the end of the text. */
static const char *behind_string(const char *p, const char *end)
{
    for (p++; p < end && *p != '"'; p++) {
        if (*p == '\\' && p + 1 < end) {
            p++;
        }
    }
    return p < end ? p + 1 : end;
}

/* Copies `text` to `out` with each non-finite number replaced; says how long the copy is. With `out` NULL
 * only counts. *ret_found is how many there were. */
static size_t replace_nonfinite(const char *text, size_t len, char *out, size_t *ret_found)
{
    const char *p = text, *end = text + len;
    size_t used = 0;
    char before = '\0';
    *ret_found = 0;
    while (p < end) {
        size_t word = *p == 'N' || *p == 'I' || *p == '-' ? nonfinite_at(p, end) : 0;
        if (word && value_may_stand(before, next_significant(p + word, end))) {
            size_t padded = word < 4 ? 4 : word;
            if (out) {
                memset(out + used, ' ', padded);
                memcpy(out + used, "null", 4);
            }
            ++*ret_found;
            before = 'l';
            used += padded;
            p += word;
            continue;
        }
        const char *to = *p == '"' ? behind_string(p, end) : p + 1;
        if (!is_space(*p)) {
            before = *p;
        }
        if (out) {
            memcpy(out + used, p, (size_t)(to - p));
        }
        used += (size_t)(to - p);
        p = to;
    }
    return used;
}

char *json_replace_nonfinite(const char *text, size_t len, size_t *ret_len)
{
    size_t found;
    size_t size = replace_nonfinite(text, len, NULL, &found);
    if (found == 0) {
        *ret_len = len;
        return NULL;
    }
    char *copy = malloc(size);
    *ret_len = copy ? replace_nonfinite(text, len, copy, &found) : SIZE_MAX;
    return copy;
}
