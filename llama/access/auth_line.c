#include "auth_line.h"

#include "utf8.h"

#include <string.h>

const char *auth_scope_name(enum auth_scope scope)
{
    static const char *const names[] = {[AUTH_NONE] = "none", [AUTH_READ] = "read", [AUTH_ADMIN] = "admin"};
    return names[scope];
}

bool auth_scope_parse(const char *text, size_t len, enum auth_scope *ret_scope)
{
    for (enum auth_scope scope = AUTH_READ; scope <= AUTH_ADMIN; scope++) {
        if (len == strlen(auth_scope_name(scope)) && memcmp(text, auth_scope_name(scope), len) == 0) {
            *ret_scope = scope;
            return true;
        }
    }
    return false;
}

const char *auth_name_fault(const char *name, size_t len)
{
    if (len == 0 || len > AUTH_NAME_MAX) {
        return "a name has 1 to 64 bytes";
    }
    if (!utf8_valid(name, len)) {
        return "a name is UTF-8";
    }
    if (name[0] == '#' || name[0] == ' ' || name[len - 1] == ' ') {
        return "a name does not begin with #, nor with or end in a space";
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f || name[i] == ':') {
            return "a name has no colon and no control character";
        }
    }
    return NULL;
}

static void split(struct auth_line *line, const char *text, size_t len)
{
    const char *end = text + len;
    line->count = 0;
    for (;;) {
        const char *colon = memchr(text, ':', (size_t)(end - text));
        const char *stop = colon ? colon : end;
        if (line->count < AUTH_LINE_FIELDS) {
            line->fields[line->count].text = text;
            line->fields[line->count].len = (size_t)(stop - text);
        }
        line->count++;
        if (!colon) {
            return;
        }
        text = colon + 1;
    }
}

bool auth_line_next(const char **at, const char *end, struct auth_line *line)
{
    while (*at < end) {
        const char *text = *at;
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t len = (size_t)((newline ? newline : end) - text);
        *at = newline ? newline + 1 : end;
        line->number++;
        if (len > 0 && text[len - 1] == '\r') {
            len--;
        }
        if (len > 0 && *text != '#') {
            split(line, text, len);
            return true;
        }
    }
    return false;
}
