#include "server_cookie.h"

#include <stdio.h>
#include <string.h>

bool cookie_path_valid(const char *path)
{
    static const char taken[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    size_t len = strlen(path);
    return len > 0 && len <= COOKIE_PATH_MAX && path[0] == '/' && path[len - 1] == '/' &&
           strspn(path, taken) == len && !strstr(path, "//");
}

void cookie_name(const struct cookie_form *form, char ret[COOKIE_NAME_MAX])
{
    const char *prefix = !form->secure ? "" : strcmp(form->path, "/") == 0 ? "__Host-" : "__Secure-";
    snprintf(ret, COOKIE_NAME_MAX, "%sllamad-%u", prefix, form->port);
}

void cookie_write(struct buf *out, const struct cookie_form *form, const char *value, int64_t max_age_s)
{
    char name[COOKIE_NAME_MAX];
    cookie_name(form, name);
    buf_printf(out, "%s=%s; Path=%s; Max-Age=%lld; HttpOnly; SameSite=Strict%s", name, value, form->path,
               (long long)max_age_s, form->secure ? "; Secure" : "");
}

bool cookie_next(const char **at, const char *name, const char **ret_value, size_t *ret_len)
{
    size_t name_len = strlen(name);
    while (**at) {
        const char *pair = *at + strspn(*at, " \t;");
        size_t len = strcspn(pair, ";");
        *at = pair + len;
        while (len > 0 && (pair[len - 1] == ' ' || pair[len - 1] == '\t')) {
            len--;
        }
        if (len > name_len && pair[name_len] == '=' && memcmp(pair, name, name_len) == 0) {
            *ret_value = pair + name_len + 1;
            *ret_len = len - name_len - 1;
            return true;
        }
    }
    return false;
}
