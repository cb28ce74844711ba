#include "buf.h"

#include "timestamp.h"
#include "utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 256

void buf_finish(struct buf *b)
{
    free(b->data);
    *b = (struct buf){.limit = b->limit};
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

/* Makes the memory hold `size` bytes in all; the limit was checked by the caller. */
static bool grow(struct buf *b, size_t size)
{
    if (size <= b->cap) {
        return true;
    }
    size_t cap = b->cap ? b->cap : FIRST_SIZE;
    while (cap < size) {
        if (cap > SIZE_MAX / 2) {
            cap = size;
            break;
        }
        cap *= 2;
    }
    char *data = realloc(b->data, cap);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

char *buf_reserve(struct buf *b, size_t n)
{
    if (b->failed) {
        return NULL;
    }
    /* one byte more than asked for, so that buf_terminate seldom has to move the bytes */
    if (n >= SIZE_MAX - b->len || (b->limit && b->len + n > b->limit)) {
        b->failed = true;
        return NULL;
    }
    return grow(b, b->len + n + 1) ? b->data + b->len : NULL;
}

void buf_append(struct buf *b, const void *data, size_t len)
{
    char *to = buf_reserve(b, len);
    if (!to || len == 0) {
        return;
    }
    memcpy(to, data, len);
    b->len += len;
}

void buf_str(struct buf *b, const char *s)
{
    buf_append(b, s, strlen(s));
}

void buf_char(struct buf *b, char c)
{
    char *to = buf_reserve(b, 1);
    if (to) {
        *to = c;
        b->len++;
    }
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *to = n < 0 ? NULL : buf_reserve(b, (size_t)n);
    if (n < 0) {
        b->failed = true;
    }
    if (to) {
        vsnprintf(to, (size_t)n + 1, format, again); /* buf_reserve left room for the NUL */
        b->len += (size_t)n;
    }
    va_end(again);
}

const char *buf_terminate(struct buf *b)
{
    if (b->failed || !grow(b, b->len + 1)) {
        return NULL;
    }
    b->data[b->len] = '\0';
    return b->data;
}

char *buf_take(struct buf *b, size_t *ret_len)
{
    if (!buf_terminate(b)) {
        return NULL;
    }
    char *data = b->data;
    *ret_len = b->len;
    *b = (struct buf){.limit = b->limit};
    return data;
}

/* The escape of one ASCII byte that may not stand in a JSON string as it is. */
static void json_escape(struct buf *b, unsigned char c)
{
    static const char letters[] = "btn?fr"; /* for 8 … 13; 11 has none */
    char escape[8];
    if (c == '"' || c == '\\') {
        snprintf(escape, sizeof(escape), "\\%c", c);
    } else if (c >= 8 && c <= 13 && c != 11) {
        snprintf(escape, sizeof(escape), "\\%c", letters[c - 8]);
    } else {
        snprintf(escape, sizeof(escape), "\\u%04x", c);
    }
    buf_str(b, escape);
}

void buf_json_string(struct buf *b, const char *s, size_t len)
{
    buf_char(b, '"');
    size_t plain = 0; /* bytes from `s` on that are copied as they are */
    while (plain < len) {
        unsigned char c = (unsigned char)s[plain];
        uint32_t code_point;
        unsigned n = c < 0x80 ? 1 : utf8_decode(s + plain, len - plain, &code_point);
        if (n > 0 && c >= 0x20 && c != '"' && c != '\\') {
            plain += n;
            continue;
        }
        buf_append(b, s, plain);
        if (n == 0) {
            buf_str(b, UTF8_REPLACEMENT);
        } else {
            json_escape(b, c);
        }
        s += plain + 1;
        len -= plain + 1;
        plain = 0;
    }
    buf_append(b, s, plain);
    buf_char(b, '"');
}

void buf_json_cstr(struct buf *b, const char *s_or_null)
{
    if (s_or_null) {
        buf_json_string(b, s_or_null, strlen(s_or_null));
    } else {
        buf_str(b, "null");
    }
}

void buf_json_int(struct buf *b, int64_t value)
{
    char digits[24];
    char *p = digits + sizeof(digits);
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--p = (char)('0' + rest % 10);
    } while (rest /= 10);
    if (value < 0) {
        *--p = '-';
    }
    buf_append(b, p, (size_t)(digits + sizeof(digits) - p));
}

/* Most numbers of ours have at most three decimals: ages, skews, means. Those are written without printf,
 * which would cost more than all the rest of a node. False if the value is none of them. */
static bool json_short_double(struct buf *b, double value)
{
    double thousandths = nearbyint(value * 1000);
    if (fabs(thousandths) >= 1e15 || thousandths / 1000 != value || (value == 0 && signbit(value))) {
        return false;
    }
    int64_t rest = (int64_t)fabs(thousandths);
    if (value < 0) {
        buf_char(b, '-');
    }
    buf_json_int(b, rest / 1000);
    rest %= 1000;
    if (rest > 0) {
        char decimals[] = {'.', (char)('0' + rest / 100), (char)('0' + rest / 10 % 10),
                           (char)('0' + rest % 10)};
        size_t len = rest % 10 ? 4 : rest % 100 ? 3 : 2;
        buf_append(b, decimals, len);
    }
    return true;
}

void buf_json_double(struct buf *b, double value)
{
    if (!isfinite(value)) {
        buf_str(b, "null");
        return;
    }
    if (json_short_double(b, value)) {
        return;
    }
    char text[32];
    int precision = 15;
    do {
        snprintf(text, sizeof(text), "%.*g", precision, value);
    } while (strtod(text, NULL) != value && ++precision <= 17);
    buf_str(b, text);
}

void buf_json_bool(struct buf *b, bool value)
{
    buf_str(b, value ? "true" : "false");
}

void buf_json_time(struct buf *b, int64_t wall_ms)
{
    char text[TIMESTAMP_SIZE];
    timestamp_format(wall_ms, text);
    if (text[0] == '-') {
        buf_str(b, "null");
    } else {
        buf_json_cstr(b, text);
    }
}

void buf_json_sep(struct buf *b)
{
    char last = b->len > 0 ? b->data[b->len - 1] : '{';
    if (last != '{' && last != '[' && last != ':' && last != ',') {
        buf_char(b, ',');
    }
}

/* Keys are our own words: nothing in them needs an escape. */
void buf_json_key(struct buf *b, const char *key)
{
    size_t len = strlen(key);
    buf_json_sep(b);
    char *to = buf_reserve(b, len + 3);
    if (to) {
        to[0] = '"';
        memcpy(to + 1, key, len);
        memcpy(to + 1 + len, "\":", 2);
        b->len += len + 3;
    }
}
