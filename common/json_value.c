/*
 * What strings and numbers of a checked text mean. As in json.c, nothing is read outside of the slice.
 */
#include "json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* ---- strings ---- */

/* The bytes between the quotes, still escaped. */
struct inside {
    const char *p, *end;
};

static struct inside inside_of(struct json_slice string)
{
    if (json_type(string) != JSON_STRING || string.len < 2) {
        return (struct inside){0};
    }
    return (struct inside){.p = string.data + 1, .end = string.data + string.len - 1};
}

static bool has_escape(struct inside in)
{
    return in.p && memchr(in.p, '\\', (size_t)(in.end - in.p));
}

static uint32_t hex4(const char *p)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        value = value << 4 | (uint32_t)(is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

/* At \u: the code point, with its second half where it is a surrogate pair. utf8_encode makes lone halves
 * U+FFFD. */
static uint32_t read_unicode_escape(struct inside *in)
{
    if (in->end - in->p < 6) {
        in->p = in->end;
        return 0xfffd;
    }
    uint32_t code_point = hex4(in->p + 2);
    in->p += 6;
    if (code_point < 0xd800 || code_point > 0xdbff || in->end - in->p < 6 || in->p[0] != '\\' ||
        in->p[1] != 'u') {
        return code_point;
    }
    uint32_t low = hex4(in->p + 2);
    if (low < 0xdc00 || low > 0xdfff) {
        return code_point;
    }
    in->p += 6;
    return 0x10000 + ((code_point - 0xd800) << 10) + (low - 0xdc00);
}

/* The next decoded bytes: one raw byte, or the one to four of an escape. 0 at the end. */
static unsigned next_bytes(struct inside *in, char bytes[4])
{
    if (in->p >= in->end) {
        return 0;
    }
    if (*in->p != '\\') {
        bytes[0] = *in->p++;
        return 1;
    }
    if (in->end - in->p >= 2 && in->p[1] == 'u') {
        return utf8_encode(read_unicode_escape(in), bytes);
    }
    char c = in->end - in->p >= 2 ? in->p[1] : '\\';
    static const char names[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    const char *name = c ? strchr(names, c) : NULL;
    bytes[0] = name ? meanings[name - names] : c;
    in->p += in->end - in->p >= 2 ? 2 : 1;
    return 1;
}

size_t json_string_len(struct json_slice string)
{
    struct inside in = inside_of(string);
    if (!has_escape(in)) {
        return in.p ? (size_t)(in.end - in.p) : 0;
    }
    size_t len = 0;
    char bytes[4];
    for (unsigned n; (n = next_bytes(&in, bytes)) > 0;) {
        len += n;
    }
    return len;
}

int json_string(struct json_slice string, char *buffer, size_t size, size_t *ret_len)
{
    struct inside in = inside_of(string);
    if (!in.p) {
        return -EINVAL;
    }
    size_t len = 0;
    if (!has_escape(in)) {
        len = (size_t)(in.end - in.p);
        if (len >= size) {
            return -E2BIG;
        }
        memcpy(buffer, in.p, len);
    } else {
        char bytes[4];
        for (unsigned n; (n = next_bytes(&in, bytes)) > 0; len += n) {
            if (n >= size - len) {
                return -E2BIG;
            }
            memcpy(buffer + len, bytes, n);
        }
    }
    buffer[len] = '\0';
    if (ret_len) {
        *ret_len = len;
    }
    return 0;
}

size_t json_string_cut(struct json_slice string, char *buffer, size_t size)
{
    struct inside in = inside_of(string);
    size_t len = 0;
    bool full = false;
    char bytes[4];
    for (unsigned n; !full && (n = next_bytes(&in, bytes)) > 0;) {
        if (n == 1 && bytes[0] == '\0') {
            n = utf8_encode(0xfffd, bytes);
        }
        full = n >= size - len;
        if (!full) {
            memcpy(buffer + len, bytes, n);
            len += n;
        }
    }
    if (full) { /* raw bytes come one by one: the last character may have come in part */
        size_t start = len;
        while (start > 0 && ((unsigned char)buffer[start - 1] & 0xc0) == 0x80) {
            start--;
        }
        uint32_t code_point;
        if (start > 0 && utf8_decode(buffer + start - 1, len - (start - 1), &code_point) == 0) {
            len = start - 1;
        }
    }
    buffer[len] = '\0';
    return len;
}

static bool decodes_to(struct inside in, const char *expected, size_t len)
{
    char bytes[4];
    unsigned n;
    for (; (n = next_bytes(&in, bytes)) > 0; expected += n, len -= n) {
        if (n > len || memcmp(bytes, expected, n) != 0) {
            return false;
        }
    }
    return len == 0;
}

bool json_string_is(struct json_slice string, const char *expected)
{
    struct inside in = inside_of(string);
    if (!in.p) {
        return false;
    }
    size_t raw_len = (size_t)(in.end - in.p), len = strlen(expected);
    if (raw_len < len) {
        return false; /* escapes are longer than what they stand for */
    }
    if (!has_escape(in)) {
        return raw_len == len && memcmp(in.p, expected, len) == 0;
    }
    return decodes_to(in, expected, len);
}

bool json_key_is(struct json_slice key, const char *name)
{
    return json_string_is(key, name);
}

static inline char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool starts_with(struct inside in, const char *needle, size_t len)
{
    char bytes[4];
    while (len > 0) {
        unsigned n = next_bytes(&in, bytes);
        if (n == 0) {
            return false;
        }
        for (unsigned i = 0; i < n && len > 0; i++, needle++, len--) {
            if (lower(bytes[i]) != lower(*needle)) {
                return false;
            }
        }
    }
    return true;
}

/* The same where nothing has to be decoded, which is nearly always. */
static bool contains_raw(const char *text, size_t len, const char *needle, size_t needle_len)
{
    if (needle_len == 0) {
        return true;
    }
    for (char first = lower(*needle); len >= needle_len; text++, len--) {
        size_t same = lower(*text) == first;
        while (same > 0 && same < needle_len && lower(text[same]) == lower(needle[same])) {
            same++;
        }
        if (same == needle_len) {
            return true;
        }
    }
    return false;
}

bool json_string_contains(struct json_slice string, const char *needle, size_t needle_len)
{
    struct inside in = inside_of(string);
    if (!in.p) {
        return false;
    }
    if (!has_escape(in)) {
        return contains_raw(in.p, (size_t)(in.end - in.p), needle, needle_len);
    }
    char bytes[4];
    do {
        if (starts_with(in, needle, needle_len)) {
            return true;
        }
    } while (next_bytes(&in, bytes) > 0);
    return false;
}

/* ---- numbers ---- */

/* Up to 15 digits and a small power of ten are exact in a double, and so is their quotient's rounding
 * (Clinger 1990): that is nearly every reading, without strtod. */
static bool simple_double(struct json_slice number, double *ret_value)
{
    static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    const char *p = number.data, *end = p + number.len;
    bool negative = *p == '-';
    p += negative;
    if (end - p > 16) { /* 15 digits and a point */
        return false;
    }
    uint64_t digits = 0;
    size_t count = 0, decimals = 0;
    bool point = false;
    for (; p < end; p++) {
        if (*p == '.' && !point) {
            point = true;
            continue;
        }
        if (!is_digit(*p)) {
            return false;
        }
        digits = digits * 10 + (uint64_t)(*p - '0');
        count++;
        decimals += point;
    }
    if (count > 15) {
        return false;
    }
    double value = (double)digits / powers[decimals];
    *ret_value = negative ? -value : value;
    return true;
}

int json_double(struct json_slice number, double *ret_value)
{
    if (json_type(number) != JSON_NUMBER) {
        return -EINVAL;
    }
    if (simple_double(number, ret_value)) {
        return 0;
    }
    char small[64];
    char *text = number.len < sizeof(small) ? small : malloc(number.len + 1);
    if (!text) {
        return -ENOMEM;
    }
    memcpy(text, number.data, number.len);
    text[number.len] = '\0';
    double value = strtod(text, NULL);
    if (text != small) {
        free(text);
    }
    if (!isfinite(value)) {
        return -ERANGE;
    }
    *ret_value = value;
    return 0;
}

/* Only digits with an optional sign. False if the text has another form. */
static bool plain_int(struct json_slice number, bool *ret_overflow, int64_t *ret_value)
{
    const char *p = number.data, *end = p + number.len;
    bool negative = *p == '-';
    int64_t value = 0; /* counted downwards: INT64_MIN has no positive twin */
    *ret_overflow = false;
    for (p += negative; p < end; p++) {
        if (!is_digit(*p)) {
            return false;
        }
        *ret_overflow |= __builtin_mul_overflow(value, 10, &value);
        *ret_overflow |= __builtin_sub_overflow(value, *p - '0', &value);
    }
    if (!negative) {
        *ret_overflow |= __builtin_sub_overflow(0, value, &value);
    }
    *ret_value = value;
    return true;
}

int json_int(struct json_slice number, int64_t *ret_value)
{
    if (json_type(number) != JSON_NUMBER) {
        return -EINVAL;
    }
    bool overflow;
    int64_t value;
    if (plain_int(number, &overflow, &value)) {
        if (overflow) {
            return -ERANGE;
        }
        *ret_value = value;
        return 0;
    }
    double real;
    int r = json_double(number, &real);
    if (r < 0) {
        return r;
    }
    if (fabs(real) > JSON_EXACT_MAX) { /* beyond, a double is no longer one integer */
        return -ERANGE;
    }
    if (real != trunc(real)) {
        return -EINVAL;
    }
    *ret_value = (int64_t)real;
    return 0;
}
