/*
 * auth_scope: what somebody may do. Shared by all of auth.
 */
#ifndef AUTH_SCOPE_H
#define AUTH_SCOPE_H

#include <stdbool.h>
#include <stddef.h>

#define AUTH_NAME_MAX 64 /* bytes of the name of a user or a token */

enum auth_scope { AUTH_NONE, AUTH_READ, AUTH_ADMIN };

/* "none", "read", "admin". */
const char *auth_scope_name(enum auth_scope scope);
/* False for anything but "read" and "admin". */
bool auth_scope_parse(const char *text, size_t len, enum auth_scope *ret_scope);

#endif
