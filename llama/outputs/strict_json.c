#include "strict_json.h"

#include <errno.h>
#include <string.h>

#define ESCAPE        6   /* bytes of \uXXXX */
#define DIGITS_ALWAYS 300 /* that many without an exponent always fit into a double */

/* What the escape at `p` says, of which at least ESCAPE bytes are left; -1 if it is none of this form. */
static int code_unit(const char *p)
{
    int unit = 0;
    if (p[0] != '\\' || p[1] != 'u') {
        return -1;
    }
    for (int i = 2; i < ESCAPE; i++) {
        unit = unit * 16 + (p[i] <= '9' ? p[i] - '0' : (p[i] | 0x20) - 'a' + 10);
    }
    return unit;
}

static bool is_high(int unit)
{
    return unit >= 0xd800 && unit <= 0xdbff;
}

static bool is_low(int unit)
{
    return unit >= 0xdc00 && unit <= 0xdfff;
}

/* At a backslash: behind what it begins. */
static const char *write_escape(struct buf *out, const char *p, const char *end)
{
    int unit = end - p >= ESCAPE ? code_unit(p) : -1;
    size_t len = unit < 0 ? 2 : ESCAPE;
    if (is_high(unit) && end - p >= 2 * ESCAPE && is_low(code_unit(p + ESCAPE))) {
        len = 2 * (size_t)ESCAPE;
    } else if (is_high(unit) || is_low(unit)) {
        buf_str(out, "\\ufffd");
        return p + ESCAPE;
    }
    buf_append(out, p, len);
    return p + len;
}

/* At the quote: behind the one that closes it. */
static const char *write_string(struct buf *out, const char *p, const char *end)
{
    const char *begin = p++;
    while (p < end && *p != '"') {
        if (*p != '\\') {
            p++;
            continue;
        }
        buf_append(out, begin, (size_t)(p - begin));
        begin = p = write_escape(out, p, end);
    }
    p += p < end;
    buf_append(out, begin, (size_t)(p - begin));
    return p;
}

static const char *write_number(struct buf *out, const char *p, const char *end)
{
    struct json_slice number = {p, 0};
    double value;
    bool exponent = false;
    for (; p < end && *p && strchr("0123456789+-.eE", *p); p++) {
        exponent = exponent || (*p | 0x20) == 'e';
    }
    number.len = (size_t)(p - number.data);
    if ((exponent || number.len > DIGITS_ALWAYS) && json_double(number, &value) == -ERANGE) {
        buf_str(out, "null");
    } else {
        buf_append(out, number.data, number.len);
    }
    return p;
}

void strict_json_write(struct buf *out, struct json_slice value)
{
    const char *p = value.data, *end = value.data + value.len, *begin = p;
    while (p < end) {
        bool number = *p == '-' || (*p >= '0' && *p <= '9');
        if (!number && *p != '"') {
            p++;
            continue;
        }
        buf_append(out, begin, (size_t)(p - begin));
        begin = p = number ? write_number(out, p, end) : write_string(out, p, end);
    }
    buf_append(out, begin, (size_t)(p - begin));
}
