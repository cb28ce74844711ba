#include "topic.h"

#include "utf8.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define EDGE_ROOT "smollama"

/* In the order of enum topic_kind. */
static const char *const kind_names[] = {
    "other", "readings", "observations", "memories", "stats", "status", "health", "refresh", "readings",
};

const char *topic_kind_name(enum topic_kind kind)
{
    assert((size_t)kind < sizeof(kind_names) / sizeof(kind_names[0]));
    return kind_names[kind];
}

/* Spaces of every width (Unicode's category Zs): at an end they cannot be seen either. */
static bool is_space(uint32_t code_point)
{
    return code_point == ' ' || code_point == 0xa0 || code_point == 0x1680 ||
           (code_point >= 0x2000 && code_point <= 0x200a) || code_point == 0x202f || code_point == 0x205f ||
           code_point == 0x3000;
}

/* Why this character may not stand in a node's name, or NULL. */
static const char *character_fault(uint32_t code_point, bool first, bool last)
{
    if (code_point == '/' || code_point == '+' || code_point == '#') {
        return "contains /, + or #";
    }
    if (first && code_point == '$') {
        return "starts with $";
    }
    if ((first || last) && is_space(code_point)) {
        return "starts or ends with a space";
    }
    if (utf8_is_invisible(code_point)) {
        return "contains a control or format character";
    }
    /* Unicode's noncharacters: brokers close the connection that sends one in a topic. */
    if ((code_point & 0xfffe) == 0xfffe || (code_point >= 0xfdd0 && code_point <= 0xfdef)) {
        return "contains a code point that is no character";
    }
    return NULL;
}

static const char *name_fault(const char *name, size_t len)
{
    if (len == 0) {
        return "is empty";
    }
    if (len > NODE_NAME_MAX) {
        return "is longer than 64 bytes";
    }
    if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'))) {
        return "is . or ..";
    }
    for (size_t i = 0; i < len;) {
        uint32_t code_point;
        unsigned n = utf8_decode(name + i, len - i, &code_point);
        if (n == 0) {
            return "is not UTF-8";
        }
        const char *why = character_fault(code_point, i == 0, i + n == len);
        if (why) {
            return why;
        }
        i += n;
    }
    return NULL;
}

bool node_name_valid(const char *name, size_t len, const char **ret_why)
{
    const char *why = name_fault(name, len);
    if (why && ret_why) {
        *ret_why = why;
    }
    return !why;
}

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static const char *base_fault(const char *base)
{
    size_t len = strlen(base);
    if (len == 0) {
        return "is empty";
    }
    if (len > BASE_TOPIC_MAX) {
        return "is longer than 64 bytes";
    }
    for (size_t i = 0; i < len; i++) {
        if (!is_alphanumeric(base[i]) && base[i] != '_' && base[i] != '-') {
            return "contains something else than A-Z a-z 0-9 _ -";
        }
    }
    static const char *const taken[] = {EDGE_ROOT, "llama", "homeassistant"};
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        if (strcmp(base, taken[i]) == 0) {
            return "is one that others publish under";
        }
    }
    return NULL;
}

bool base_topic_valid(const char *base, const char **ret_why)
{
    const char *why = base_fault(base);
    if (why && ret_why) {
        *ret_why = why;
    }
    return !why;
}

/* The part of `topic` behind "<root>/", or NULL. */
static const char *behind_root(const char *root, const char *topic)
{
    size_t len = strlen(root);
    return strncmp(topic, root, len) == 0 && topic[len] == '/' ? topic + len + 1 : NULL;
}

bool topic_parse(const char *base, const char *topic, struct topic *ret_topic)
{
    *ret_topic = (struct topic){.kind = TOPIC_OTHER};
    enum topic_kind first = TOPIC_READINGS, last = TOPIC_REFRESH;
    const char *node = behind_root(base, topic);
    if (!node) {
        first = last = TOPIC_EDGE_READINGS;
        node = behind_root(EDGE_ROOT, topic);
    }
    const char *slash = node ? strchr(node, '/') : NULL;
    if (!slash) {
        return false;
    }
    for (enum topic_kind kind = first; kind <= last; kind++) {
        if (strcmp(slash + 1, kind_names[kind]) == 0) {
            *ret_topic = (struct topic){.kind = kind, .node = node, .node_len = (size_t)(slash - node)};
            return true;
        }
    }
    return false;
}

int topic_format(const char *base, const char *node, enum topic_kind kind, char *buffer, size_t size)
{
    assert(kind != TOPIC_OTHER);
    int n = snprintf(buffer, size, "%s/%s/%s", kind == TOPIC_EDGE_READINGS ? EDGE_ROOT : base, node,
                     topic_kind_name(kind));
    return n < 0 || (size_t)n >= size ? -E2BIG : 0;
}

size_t percent_encode(const char *text, size_t len, char *buffer)
{
    static const char hex[] = "0123456789ABCDEF";
    char *p = buffer;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (is_alphanumeric(text[i]) || (c && strchr("-._~", c))) {
            *p++ = text[i];
        } else {
            *p++ = '%';
            *p++ = hex[c >> 4];
            *p++ = hex[c & 15];
        }
    }
    *p = '\0';
    return (size_t)(p - buffer);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int percent_decode(const char *text, size_t len, char *buffer, size_t size, size_t *ret_len)
{
    size_t used = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '%') {
            int high = i + 2 < len ? hex_digit(text[i + 1]) : -1;
            int low = i + 2 < len ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0 || (high == 0 && low == 0)) {
                return -EINVAL;
            }
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (used + 1 >= size) {
            return -E2BIG;
        }
        buffer[used++] = c;
    }
    if (size == 0) {
        return -E2BIG;
    }
    buffer[used] = '\0';
    *ret_len = used;
    return 0;
}
