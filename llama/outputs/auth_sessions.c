#include "auth_sessions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void remove_at(struct auth_sessions *sessions, size_t i)
{
    sessions->sessions[i] = sessions->sessions[--sessions->count];
}

static bool is_over(const struct auth_session *session, int64_t now_ms)
{
    return now_ms - session->used_ms >= AUTH_SESSION_IDLE_MS ||
           now_ms - session->made_ms >= AUTH_SESSION_MAX_MS;
}

/* The one not used for longest; of `user` alone unless that is NULL. The index, or the count if there is
 * none. */
static size_t oldest(const struct auth_sessions *sessions, const char *user)
{
    size_t found = sessions->count;
    for (size_t i = 0; i < sessions->count; i++) {
        const struct auth_session *session = &sessions->sessions[i];
        if ((!user || strcmp(session->user, user) == 0) &&
            (found == sessions->count || session->used_ms < sessions->sessions[found].used_ms)) {
            found = i;
        }
    }
    return found;
}

static void make_room(struct auth_sessions *sessions, const char *user, int64_t now_ms)
{
    size_t own = 0;
    for (size_t i = sessions->count; i-- > 0;) {
        if (is_over(&sessions->sessions[i], now_ms)) {
            remove_at(sessions, i);
        }
    }
    for (size_t i = 0; i < sessions->count; i++) {
        own += strcmp(sessions->sessions[i].user, user) == 0;
    }
    if (own >= AUTH_SESSIONS_USER) {
        remove_at(sessions, oldest(sessions, user));
    } else if (sessions->count >= AUTH_SESSIONS_MAX) {
        remove_at(sessions, oldest(sessions, NULL));
    }
}

static int grow(struct auth_sessions *sessions)
{
    if (sessions->count < sessions->room) {
        return 0;
    }
    size_t room = sessions->room ? 2 * sessions->room : 8;
    struct auth_session *grown = realloc(sessions->sessions, room * sizeof *grown);
    if (!grown) {
        return -ENOMEM;
    }
    sessions->sessions = grown;
    sessions->room = room;
    return 0;
}

int auth_sessions_add(struct auth_sessions *sessions, const char *user, int64_t now_ms,
                      char ret_secret[AUTH_SECRET_LEN + 1])
{
    struct auth_session session = {.made_ms = now_ms, .used_ms = now_ms};
    char secret[AUTH_SECRET_LEN + 1];
    make_room(sessions, user, now_ms);
    int e = grow(sessions);
    e = e ? e : auth_secret(secret);
    e = e ? e : auth_digest(secret, AUTH_SECRET_LEN, session.digest);
    if (e != 0) {
        return e;
    }
    memcpy(session.user, user, strnlen(user, AUTH_NAME_MAX));
    sessions->sessions[sessions->count++] = session;
    memcpy(ret_secret, secret, sizeof secret);
    explicit_bzero(secret, sizeof secret);
    return 0;
}

/* The index, or the count. The digest is of what the client sent: how long the search takes tells it nothing
 * about a secret. */
static size_t find(const struct auth_sessions *sessions, const unsigned char digest[AUTH_DIGEST_LEN])
{
    size_t i = 0;
    while (i < sessions->count && !auth_digest_equal(sessions->sessions[i].digest, digest, AUTH_DIGEST_LEN)) {
        i++;
    }
    return i;
}

const struct auth_session *auth_sessions_use(struct auth_sessions *sessions,
                                             const unsigned char digest[AUTH_DIGEST_LEN], int64_t now_ms)
{
    size_t i = find(sessions, digest);
    if (i == sessions->count) {
        return NULL;
    }
    if (is_over(&sessions->sessions[i], now_ms)) {
        remove_at(sessions, i);
        return NULL;
    }
    sessions->sessions[i].used_ms = now_ms;
    return &sessions->sessions[i];
}

bool auth_sessions_remove(struct auth_sessions *sessions, const unsigned char digest[AUTH_DIGEST_LEN])
{
    size_t i = find(sessions, digest);
    if (i == sessions->count) {
        return false;
    }
    remove_at(sessions, i);
    return true;
}

size_t auth_sessions_remove_user(struct auth_sessions *sessions, const char *user)
{
    size_t before = sessions->count;
    for (size_t i = sessions->count; i-- > 0;) {
        if (strcmp(sessions->sessions[i].user, user) == 0) {
            remove_at(sessions, i);
        }
    }
    return before - sessions->count;
}

void auth_sessions_finish(struct auth_sessions *sessions)
{
    free(sessions->sessions);
    *sessions = (struct auth_sessions){0};
}
