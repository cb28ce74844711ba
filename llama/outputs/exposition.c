#include "exposition.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void exposition_family(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_str(out, "# HELP ");
    buf_str(out, name);
    buf_char(out, ' ');
    buf_str(out, help);
    buf_str(out, "\n# TYPE ");
    buf_str(out, name);
    buf_char(out, ' ');
    buf_str(out, type);
    buf_char(out, '\n');
}

void exposition_sample(struct buf *out, const char *name)
{
    buf_str(out, name);
}

/* A label ends with a quote, a family's name never does. */
static bool after_label(const struct buf *out)
{
    return out->len > 0 && out->data[out->len - 1] == '"';
}

#define ESCAPED_MAX 3 /* bytes that one may become */

static char *put_escaped(char *to, char c)
{
    switch (c) {
    case '\\':
    case '"':
        *to++ = '\\';
        *to++ = c;
        break;
    case '\n':
        *to++ = '\\';
        *to++ = 'n';
        break;
    case '\0':
        memcpy(to, "\xef\xbf\xbd", 3);
        to += 3;
        break;
    default:
        *to++ = c;
    }
    return to;
}

/* Most of /metrics is labels: the room is asked for once. */
void exposition_label(struct buf *out, const char *name, const char *value, size_t len)
{
    size_t name_len = strlen(name);
    char *begin = buf_reserve(out, strlen(",=\"\"") + name_len + ESCAPED_MAX * len), *to = begin;
    if (!begin) {
        return;
    }
    *to++ = after_label(out) ? ',' : '{';
    memcpy(to, name, name_len);
    to += name_len;
    *to++ = '=';
    *to++ = '"';
    for (size_t i = 0; i < len; i++) {
        to = put_escaped(to, value[i]);
    }
    *to++ = '"';
    out->len += (size_t)(to - begin);
}

void exposition_word(struct buf *out, const char *name, const char *value)
{
    exposition_label(out, name, value, strlen(value));
}

static void begin_value(struct buf *out)
{
    buf_str(out, after_label(out) ? "} " : " ");
}

void exposition_int(struct buf *out, int64_t value)
{
    begin_value(out);
    buf_json_int(out, value);
    buf_char(out, '\n');
}

static void write_double(struct buf *out, double value)
{
    if (isfinite(value)) {
        buf_json_double(out, value);
    } else {
        buf_str(out, isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
    }
}

void exposition_double(struct buf *out, double value)
{
    begin_value(out);
    write_double(out, value);
    buf_char(out, '\n');
}

void exposition_digits(struct buf *out, const char *digits, size_t len)
{
    begin_value(out);
    buf_append(out, digits, len);
    buf_char(out, '\n');
}

void exposition_one(struct buf *out, const char *name, const char *type, const char *help, double value)
{
    exposition_family(out, name, type, help);
    exposition_sample(out, name);
    exposition_double(out, value);
}

static void write_bucket(struct buf *out, const char *name, const char *bound, uint64_t count)
{
    exposition_sample(out, name);
    buf_str(out, "_bucket");
    exposition_word(out, "le", bound);
    exposition_int(out, (int64_t)count);
}

void exposition_histogram(struct buf *out, const char *name, const char *help,
                          const struct histogram *histogram)
{
    uint64_t count = 0;
    exposition_family(out, name, "histogram", help);
    for (size_t i = 0; i < histogram->bound_count; i++) {
        char bound[32];
        snprintf(bound, sizeof bound, "%g", histogram->bounds_s[i]);
        count += histogram->counts[i];
        write_bucket(out, name, bound, count);
    }
    count += histogram->counts[histogram->bound_count];
    write_bucket(out, name, "+Inf", count);
    exposition_sample(out, name);
    buf_str(out, "_sum");
    exposition_double(out, histogram->sum_s);
    exposition_sample(out, name);
    buf_str(out, "_count");
    exposition_int(out, (int64_t)count);
}
