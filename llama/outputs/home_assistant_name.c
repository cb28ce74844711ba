#include "home_assistant_name.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HASH_DIGITS 12
#define STEM_MAX    (HA_SLUG_MAX - HASH_DIGITS - 1)
#define LABEL_MAX   100
#define NODE_STEM   64 /* bytes of each half of an entity id */

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Runs of what may not stand in a slug become one `_`; none at either end. The length. */
static size_t stem_of(const char *name, size_t len, const char *more, char *stem, size_t max)
{
    size_t used = 0;
    for (size_t i = 0; i < len && used < max; i++) {
        char c = name[i];
        if (is_alnum(c) || (c && strchr(more, c))) {
            stem[used++] = lower(c);
        } else if (used > 0 && stem[used - 1] != '_') {
            stem[used++] = '_';
        }
    }
    while (used > 0 && stem[used - 1] == '_') {
        used--;
    }
    size_t skip = 0;
    while (skip < used && stem[skip] == '_') {
        skip++;
    }
    memmove(stem, stem + skip, used - skip);
    stem[used - skip] = '\0';
    return used - skip;
}

/* Could it be the slug of a name that got its hash? */
static bool looks_hashed(const char *stem, size_t len)
{
    return len > HASH_DIGITS && stem[len - HASH_DIGITS - 1] == '_' &&
           strspn(stem + len - HASH_DIGITS, "0123456789abcdef") == HASH_DIGITS;
}

void ha_slug(const char *name, size_t len, char slug[HA_SLUG_SIZE])
{
    char stem[STEM_MAX + 1];
    size_t used = stem_of(name, len, "_-", stem, STEM_MAX);
    if (used > 0 && used == len && memcmp(stem, name, len) == 0 && !looks_hashed(stem, used)) {
        memcpy(slug, stem, used + 1);
        return;
    }
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ (unsigned char)name[i]) * UINT64_C(1099511628211);
    }
    snprintf(slug, HA_SLUG_SIZE, "%s_%012" PRIx64, used ? stem : "x", hash >> 16);
}

void ha_write_entity_id(struct buf *out, const char *domain, const char *node, const char *name, size_t len)
{
    char of_node[NODE_STEM + 1], of_name[NODE_STEM + 1];
    size_t node_len = stem_of(node, strlen(node), "_", of_node, NODE_STEM);
    size_t name_len = stem_of(name, len, "_", of_name, NODE_STEM);
    buf_printf(out, "\"%s.%s_%s\"", domain, node_len ? of_node : "node", name_len ? of_name : "reading");
}

void ha_write_label(struct buf *out, const char *name, size_t len)
{
    char label[LABEL_MAX + 1];
    size_t used = 0;
    while (used < len && used < LABEL_MAX) {
        char c = name[used];
        label[used++] = (unsigned char)c < 0x20 || c == 0x7f || c == '_' || c == ':' ? ' ' : c;
    }
    while (used > 0 && used < len && ((unsigned char)name[used] & 0xc0) == 0x80) {
        used--; /* between two characters */
    }
    while (used > 0 && label[used - 1] == ' ') {
        used--;
    }
    buf_json_string(out, used ? label : "?", used ? used : 1);
}

void ha_write_literal(struct buf *out, const char *text, size_t len)
{
    buf_char(out, '\'');
    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)text[i];
        if (is_alnum(text[i]) || (c && strchr("_:.- ", c))) {
            buf_char(out, text[i++]);
            continue;
        }
        size_t more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
        uint32_t code = more == 0 ? c : c & (0x3fu >> more);
        for (i++; more > 0 && i < len; more--, i++) {
            code = code << 6 | ((unsigned char)text[i] & 0x3f);
        }
        /* the backslash of the literal is escaped in JSON */
        buf_printf(out, code > 0xffff ? "\\\\U%08x" : "\\\\u%04x", (unsigned)code);
    }
    buf_char(out, '\'');
}
