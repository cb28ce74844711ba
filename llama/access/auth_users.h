/*
 * auth_users: those who may log in with a name and a password. Pure, but for the hashing itself.
 *
 * The file has a line `name:hash` or `name:hash:scope` for each; the hash is of crypt(3), and the scope is
 * `admin` if it is not given. Hashing is slow by intent (tens of milliseconds, 16 MiB): off the loop only.
 */
#ifndef AUTH_USERS_H
#define AUTH_USERS_H

#include "auth_line.h"
#include "buf.h"

#define AUTH_HASH_MAX     255
#define AUTH_PASSWORD_MAX 256 /* bytes; a longer one would only cost time */
#define AUTH_PASSWORD_MIN 8   /* characters of one that is made; see NIST SP 800-63B, 3.1.1.2 */

struct auth_user {
    char name[AUTH_NAME_MAX + 1];
    char hash[AUTH_HASH_MAX + 1];
    enum auth_scope scope;
};

struct auth_users {
    struct auth_user *users; /* owned */
    size_t count;
};

/* 0, -ENOMEM, or -EINVAL with *ret_problem: then there are no users at all. `ret` is zeroed before. */
int auth_users_parse(const char *text, size_t len, struct auth_users *ret, struct auth_problem *ret_problem);
void auth_users_finish(struct auth_users *users);
/* The file's text. */
void auth_users_write(const struct auth_users *users, struct buf *out);

const struct auth_user *auth_users_find(const struct auth_users *users, const char *name);
/* Adds or changes; all three within their limits. 0, -ENOMEM, or -E2BIG when there are too many. */
int auth_users_set(struct auth_users *users, const char *name, const char *hash, enum auth_scope scope);
/* False if there is no such user. */
bool auth_users_remove(struct auth_users *users, const char *name);

/* A hash of yescrypt, or of sha512crypt where libcrypt has none. malloc'ed; NULL with errno. Slow. */
char *auth_password_hash(const char *password);
/* Constant time for hashes of one form. Slow. May run on any thread. */
bool auth_password_matches(const char *password, const char *hash);

#endif
