/*
 * auth_tokens: the secrets with which programs ask. Pure, but for the digests.
 *
 * The file has a line `name:scope:digest:made` for each: scope is `read` or `admin`, the digest is that of
 * the token (auth_digest.h), and `made` the day it was made on. The token itself stands nowhere.
 */
#ifndef AUTH_TOKENS_H
#define AUTH_TOKENS_H

#include "auth_digest.h"
#include "auth_line.h"
#include "buf.h"

/* What tokens begin with, so that a scanner of repositories, or a person, sees what has leaked. */
#define AUTH_TOKEN_PREFIX "llamad_"
#define AUTH_TOKEN_LEN    (sizeof AUTH_TOKEN_PREFIX - 1 + AUTH_SECRET_LEN)
#define AUTH_MADE_LEN     10 /* "2026-11-29" */

struct auth_token {
    char name[AUTH_NAME_MAX + 1];
    char made[AUTH_MADE_LEN + 1];
    enum auth_scope scope;
    unsigned char digest[AUTH_DIGEST_LEN];
};

struct auth_tokens {
    struct auth_token *tokens; /* owned */
    size_t count;
};

/* 0, -ENOMEM, or -EINVAL with *ret_problem: then there are no tokens at all. `ret` is zeroed before. */
int auth_tokens_parse(const char *text, size_t len, struct auth_tokens *ret,
                      struct auth_problem *ret_problem);
void auth_tokens_finish(struct auth_tokens *tokens);
void auth_tokens_write(const struct auth_tokens *tokens, struct buf *out);

const struct auth_token *auth_tokens_find(const struct auth_tokens *tokens, const char *name);
/* Looks at all of them, whichever it is. */
const struct auth_token *auth_tokens_match(const struct auth_tokens *tokens,
                                           const unsigned char digest[AUTH_DIGEST_LEN]);
/* Copies. 0, -ENOMEM, -EEXIST, or -E2BIG when there are too many. */
int auth_tokens_add(struct auth_tokens *tokens, const struct auth_token *token);
bool auth_tokens_remove(struct auth_tokens *tokens, const char *name);

#endif
