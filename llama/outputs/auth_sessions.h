/*
 * auth_sessions: who is logged in. Pure, but for the secrets.
 *
 * A session is known by the digest of its secret, which only the browser has. It ends when it was not used
 * for AUTH_SESSION_IDLE_MS, AUTH_SESSION_MAX_MS after the login in any case, at a logout, or when its user is
 * gone or has another password. All are lost when llamad ends. Bounded: where there is no room, the one
 * not used for longest has to go, of the same user first.
 */
#ifndef AUTH_SESSIONS_H
#define AUTH_SESSIONS_H

#include "auth_digest.h"
#include "auth_scope.h"

#include <stdint.h>

#define AUTH_SESSIONS_MAX    1024
#define AUTH_SESSIONS_USER   32 /* of one user */
#define AUTH_SESSION_IDLE_MS (INT64_C(7) * 24 * 3600 * 1000)
#define AUTH_SESSION_MAX_MS  (INT64_C(30) * 24 * 3600 * 1000)

struct auth_session {
    unsigned char digest[AUTH_DIGEST_LEN];
    char user[AUTH_NAME_MAX + 1];
    int64_t made_ms, used_ms; /* monotonic */
};

struct auth_sessions {
    struct auth_session *sessions; /* owned; AUTH_SESSIONS_MAX of them at most */
    size_t count, room;
};

/* A new session of `user`, with its secret for the browser. 0, -ENOMEM or -EIO. */
int auth_sessions_add(struct auth_sessions *sessions, const char *user, int64_t now_ms,
                      char ret_secret[AUTH_SECRET_LEN + 1]);
/* The session of that digest, which counts as used now; NULL if there is none (any more). */
const struct auth_session *auth_sessions_use(struct auth_sessions *sessions,
                                             const unsigned char digest[AUTH_DIGEST_LEN], int64_t now_ms);
/* False if there is none. */
bool auth_sessions_remove(struct auth_sessions *sessions, const unsigned char digest[AUTH_DIGEST_LEN]);
/* All of that user; how many they were. */
size_t auth_sessions_remove_user(struct auth_sessions *sessions, const char *user);
void auth_sessions_finish(struct auth_sessions *sessions);

#endif
