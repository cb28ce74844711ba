/*
 * server_cookie: the cookie of a session, on its way in and out (RFC 6265). Pure.
 *
 * Cookies know no ports: the name has llamad's own, so that two of them on one machine don't log each other's
 * users out. `__Host-` has browsers take it over TLS from this very host only; it needs the path /.
 */
#ifndef SERVER_COOKIE_H
#define SERVER_COOKIE_H

#include "buf.h"

#define COOKIE_NAME_MAX 32
#define COOKIE_PATH_MAX 64 /* bytes of a path prefix */

struct cookie_form {
    uint16_t port;                  /* that llamad listens on */
    bool secure;                    /* the browser speaks TLS, to us or to a proxy of ours */
    char path[COOKIE_PATH_MAX + 1]; /* "/" or a prefix with slashes at both ends */
};

/* May that stand in a cookie's Path? It begins and ends with a slash. */
bool cookie_path_valid(const char *path);
void cookie_name(const struct cookie_form *form, char ret[COOKIE_NAME_MAX]);
/* The value of Set-Cookie. `value` "" and max_age_s 0 take the cookie away. */
void cookie_write(struct buf *out, const struct cookie_form *form, const char *value, int64_t max_age_s);
/* The next cookie of that name in a Cookie header, from *at (which begins at the header) on. Its value in
 * *ret_value and *ret_len; false if there is none. */
bool cookie_next(const char **at, const char *name, const char **ret_value, size_t *ret_len);

#endif
