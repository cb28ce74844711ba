/*
 * auth: who is asking, and what they may: users with sessions, programs with tokens, and everybody else.
 *
 * Without a file of users or tokens everybody may do everything: the configuration lets llamad listen on
 * loopback only then, or says that this is wanted. With one of them, everybody else may do nothing, or read
 * where http.allow_anonymous is true. Both files are read again when they change; who is no longer in them is
 * out at once. Passwords are checked off the loop, some at a time; docs/security.md says what guessers meet.
 */
#ifndef AUTH_H
#define AUTH_H

#include "auth_digest.h"
#include "auth_guesses.h"
#include "auth_scope.h"
#include "auth_users.h"
#include "loop.h"

#define AUTH_LOGINS_AT_ONCE 2  /* of the four workers: name look-ups and the disk need some too */
#define AUTH_LOGINS_MAX     64 /* further ones are asked to come back */

struct auth;

struct auth_options {
    const char *users_file, *tokens_file; /* NULL = none; copied */
    bool anonymous_reads;
};

enum auth_kind { AUTH_ANYBODY, AUTH_USER, AUTH_TOKEN };

struct auth_who {
    enum auth_kind kind;
    enum auth_scope scope;
    char name[AUTH_NAME_MAX + 1];          /* "" for anybody */
    unsigned char digest[AUTH_DIGEST_LEN]; /* of the session's or the token's secret */
};

struct auth_stats {
    uint64_t logins, failed_logins, limited; /* limited: attempts that were not looked at */
    uint64_t bad_tokens;
    uint32_t sessions;
};

/* `changed`: somebody may be out: ask auth_still again. It comes on the loop, never from within these
 * functions but auth_reload and auth_log_out. NULL with *ret_error (static or owned until the next call). */
struct auth *auth_create(struct loop *loop, const struct auth_options *options, void (*changed)(void *user),
                         void *user, const char **ret_error);
/* Logins under way get no answer any more. */
void auth_destroy(struct auth *auth);
/* Reads both files again. What is wrong is logged, and leaves things as they are. */
void auth_reload(struct auth *auth);
const struct auth_stats *auth_stats(const struct auth *auth);
/* Are there users, or tokens at least, so that it matters who asks? */
bool auth_has_logins(const struct auth *auth);
bool auth_has_tokens(const struct auth *auth);

struct auth_who auth_anybody(const struct auth *auth);
/* By the secret of a session. False if there is no such session (any more). */
bool auth_by_session(struct auth *auth, const char *secret, size_t len, int64_t now_ms,
                     struct auth_who *ret_who);
/* By a token. 0; -EACCES; -EAGAIN with *ret_wait_s when its source was wrong too often. */
int auth_by_token(struct auth *auth, const char *token, size_t len, const struct peer *peer, int64_t now_ms,
                  struct auth_who *ret_who, unsigned *ret_wait_s);
/* May who was let in before still read? Counts as use of a session. */
bool auth_still(struct auth *auth, const struct auth_who *who, int64_t now_ms);
void auth_log_out(struct auth *auth, const struct auth_who *who);

/*
 * A login. `done` comes once, on the loop, later. 0 with *ret_login, to be ended by auth_login_collect (after
 * `done`) or auth_login_abandon (at any time); -EAGAIN with *ret_wait_s (guessed wrong too often); -EBUSY
 * (too many at once); -EINVAL (a name or password that nobody can have; not counted); -ENOMEM.
 */
struct auth_login;
int auth_login_begin(struct auth *auth, const char *name, const char *password, const struct peer *peer,
                     void (*done)(void *user), void *user, struct auth_login **ret_login,
                     unsigned *ret_wait_s);
/* 0 with the session's secret for the browser, and who that is; -EACCES for a wrong name or password; -EIO,
 * -ENOMEM. */
int auth_login_collect(struct auth_login *login, char ret_secret[AUTH_SECRET_LEN + 1],
                       struct auth_who *ret_who);
void auth_login_abandon(struct auth_login *login); /* accepts NULL */

#endif
