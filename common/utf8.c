#include "utf8.h"

#include <stdio.h>
#include <string.h>

#define ELLIPSIS "\xe2\x80\xa6"

unsigned utf8_decode(const char *text, size_t len, uint32_t *ret_code_point)
{
    const unsigned char *s = (const unsigned char *)text;
    if (len == 0) {
        return 0;
    }
    if (s[0] < 0x80) {
        *ret_code_point = s[0];
        return 1;
    }
    unsigned n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (s[0] < 0xc2 || s[0] > 0xf4 || len < n) {
        return 0;
    }
    uint32_t code_point = s[0] & (0x7fu >> n);
    for (unsigned i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
        code_point = code_point << 6 | (s[i] & 0x3fu);
    }
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code_point < smallest[n] || code_point > 0x10ffff || (code_point >= 0xd800 && code_point <= 0xdfff)) {
        return 0;
    }
    *ret_code_point = code_point;
    return n;
}

bool utf8_valid(const char *text, size_t len)
{
    const char *end = text + len;
    while (text < end) {
        uint64_t word;
        if (end - text >= 8 && (memcpy(&word, text, 8), (word & 0x8080808080808080u) == 0)) {
            text += 8;
            continue;
        }
        uint32_t code_point;
        unsigned n = utf8_decode(text, (size_t)(end - text), &code_point);
        if (n == 0) {
            return false;
        }
        text += n;
    }
    return true;
}

unsigned utf8_encode(uint32_t code_point, char buffer[4])
{
    if (code_point > 0x10ffff || (code_point >= 0xd800 && code_point <= 0xdfff)) {
        code_point = 0xfffd;
    }
    if (code_point < 0x80) {
        buffer[0] = (char)code_point;
        return 1;
    }
    unsigned n = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    for (unsigned i = n - 1; i > 0; i--) {
        buffer[i] = (char)(0x80 | (code_point & 0x3f));
        code_point >>= 6;
    }
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    buffer[0] = (char)(lead[n] | code_point);
    return n;
}

size_t utf8_cut(const char *text, size_t len, size_t max)
{
    if (len <= max) {
        return len;
    }
    while (max > 0 && ((unsigned char)text[max] & 0xc0) == 0x80) {
        max--;
    }
    return max;
}

bool utf8_is_invisible(uint32_t code_point)
{
    /* General categories Cc, Cf, Zl and Zp of Unicode 15, plus the tags block as a whole. */
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        {0x0000, 0x001f},   {0x007f, 0x009f},   {0x00ad, 0x00ad},   {0x0600, 0x0605},   {0x061c, 0x061c},
        {0x06dd, 0x06dd},   {0x070f, 0x070f},   {0x0890, 0x0891},   {0x08e2, 0x08e2},   {0x180e, 0x180e},
        {0x200b, 0x200f},   {0x2028, 0x202e},   {0x2060, 0x206f},   {0xfeff, 0xfeff},   {0xfff9, 0xfffb},
        {0x110bd, 0x110bd}, {0x110cd, 0x110cd}, {0x13430, 0x1343f}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
        {0xe0000, 0xe007f},
    };
    if (code_point >= 0x20 && code_point < 0x7f) {
        return false;
    }
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        if (code_point <= ranges[i].last) {
            return code_point >= ranges[i].first;
        }
    }
    return false;
}

/* Writes the shown form of the character at `text` and says how many bytes it took; *ret_len is the form's
 * length. */
static unsigned escape_one(const char *text, size_t len, char form[16], size_t *ret_len)
{
    uint32_t code_point;
    unsigned n = utf8_decode(text, len, &code_point);
    if (n == 0 || code_point < 0x20 || code_point == 0x7f || code_point == '\\') {
        *ret_len = (size_t)snprintf(form, 16, "\\x%02x", (unsigned)(unsigned char)text[0]);
    } else if (utf8_is_invisible(code_point)) {
        *ret_len = (size_t)snprintf(form, 16, "\\u{%x}", (unsigned)code_point);
    } else {
        memcpy(form, text, *ret_len = n);
    }
    return n == 0 ? 1 : n;
}

const char *utf8_escape(char *buffer, size_t size, const char *text, size_t len)
{
    size_t used = 0;
    size_t room_before_ellipsis = 0; /* where the text is cut if the rest turns out not to fit */
    while (len > 0) {
        char form[16];
        size_t form_len;
        unsigned n = escape_one(text, len, form, &form_len);
        if (used + form_len + 1 > size) {
            used = room_before_ellipsis;
            memcpy(buffer + used, ELLIPSIS, strlen(ELLIPSIS));
            used += strlen(ELLIPSIS);
            break;
        }
        memcpy(buffer + used, form, form_len);
        used += form_len;
        if (used + strlen(ELLIPSIS) + 1 <= size) {
            room_before_ellipsis = used;
        }
        text += n;
        len -= n;
    }
    buffer[used] = '\0';
    return buffer;
}
