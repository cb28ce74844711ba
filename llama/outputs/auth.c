#include "auth_internal.h"

#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- who it is ---- */

bool auth_has_logins(const struct auth *auth)
{
    return auth->users_file || auth->tokens_file;
}

bool auth_has_tokens(const struct auth *auth)
{
    return auth->tokens_file != NULL;
}

struct auth_who auth_anybody(const struct auth *auth)
{
    enum auth_scope scope = !auth_has_logins(auth)  ? AUTH_ADMIN
                            : auth->anonymous_reads ? AUTH_READ
                                                    : AUTH_NONE;
    return (struct auth_who){.kind = AUTH_ANYBODY, .scope = scope};
}

struct auth_who auth_who_user(const struct auth_user *user, const unsigned char digest[AUTH_DIGEST_LEN])
{
    struct auth_who who = {.kind = AUTH_USER, .scope = user->scope};
    memcpy(who.name, user->name, sizeof who.name);
    memcpy(who.digest, digest, AUTH_DIGEST_LEN);
    return who;
}

/* The user of that session; NULL if it is over. */
static const struct auth_user *user_of(struct auth *auth, const unsigned char digest[AUTH_DIGEST_LEN],
                                       int64_t now_ms)
{
    const struct auth_session *session = auth_sessions_use(&auth->sessions, digest, now_ms);
    auth->stats.sessions = (uint32_t)auth->sessions.count;
    return session ? auth_users_find(&auth->users, session->user) : NULL;
}

bool auth_by_session(struct auth *auth, const char *secret, size_t len, int64_t now_ms,
                     struct auth_who *ret_who)
{
    unsigned char digest[AUTH_DIGEST_LEN];
    if (len != AUTH_SECRET_LEN || auth_digest(secret, len, digest) != 0) {
        return false;
    }
    const struct auth_user *user = user_of(auth, digest, now_ms);
    if (user) {
        *ret_who = auth_who_user(user, digest);
    }
    return user != NULL;
}

int auth_by_token(struct auth *auth, const char *text, size_t len, const struct peer *peer, int64_t now_ms,
                  struct auth_who *ret_who, unsigned *ret_wait_s)
{
    unsigned char digest[AUTH_DIGEST_LEN];
    const struct auth_token *token = NULL;
    if (len == AUTH_TOKEN_LEN && auth_digest(text, len, digest) == 0) {
        token = auth_tokens_match(&auth->tokens, digest);
    }
    if (token) {
        *ret_who = (struct auth_who){.kind = AUTH_TOKEN, .scope = token->scope};
        memcpy(ret_who->name, token->name, sizeof ret_who->name);
        memcpy(ret_who->digest, digest, AUTH_DIGEST_LEN);
        return 0;
    }
    unsigned wait_s = guesses_begin(auth->guesses, GUESSES_TOKEN, peer, NULL, now_ms);
    if (wait_s > 0) {
        auth->stats.limited++;
        *ret_wait_s = wait_s;
        return -EAGAIN;
    }
    auth->stats.bad_tokens++;
    return -EACCES;
}

bool auth_still(struct auth *auth, const struct auth_who *who, int64_t now_ms)
{
    if (who->kind == AUTH_USER) {
        return user_of(auth, who->digest, now_ms) != NULL;
    }
    if (who->kind == AUTH_TOKEN) {
        return auth_tokens_match(&auth->tokens, who->digest) != NULL;
    }
    return auth_anybody(auth).scope >= AUTH_READ;
}

void auth_log_out(struct auth *auth, const struct auth_who *who)
{
    if (who->kind == AUTH_USER && auth_sessions_remove(&auth->sessions, who->digest)) {
        auth->stats.sessions = (uint32_t)auth->sessions.count;
        auth->changed(auth->user);
    }
}

/* ---- the files ---- */

static void warn_of_readers(const char *key, const char *path, bool open_to_all)
{
    if (open_to_all) {
        log_warning("%s: everybody on this machine may read or write %s: chmod o= it", key, path);
    }
}

static int load(struct auth *auth, struct auth_users *users, struct auth_tokens *tokens)
{
    bool open_to_all = false;
    int e = 0;
    if (auth->users_file) {
        e = auth_load_users(auth->users_file, users, &open_to_all, auth->why);
        warn_of_readers("http.users_file", auth->users_file, e == 0 && open_to_all);
    }
    if (e == 0 && auth->tokens_file) {
        e = auth_load_tokens(auth->tokens_file, tokens, &open_to_all, auth->why);
        warn_of_readers("http.tokens_file", auth->tokens_file, e == 0 && open_to_all);
    }
    if (e != 0) {
        auth_users_finish(users);
        auth_tokens_finish(tokens);
    }
    return e;
}

/* Whose name is gone, or whose password is another, is logged in no more. */
static size_t end_sessions(struct auth *auth, const struct auth_users *fresh)
{
    size_t ended = 0;
    for (size_t i = 0; i < auth->users.count; i++) {
        const struct auth_user *old = &auth->users.users[i];
        const struct auth_user *user = auth_users_find(fresh, old->name);
        if (!user || strcmp(user->hash, old->hash) != 0) {
            ended += auth_sessions_remove_user(&auth->sessions, old->name);
        }
    }
    auth->stats.sessions = (uint32_t)auth->sessions.count;
    return ended;
}

void auth_reload(struct auth *auth)
{
    struct auth_users users = {0};
    struct auth_tokens tokens = {0};
    if (!auth_has_logins(auth)) {
        return;
    }
    if (load(auth, &users, &tokens) != 0) {
        log_error("http: %s: users and tokens stay as they were", auth->why);
        return;
    }
    size_t ended = end_sessions(auth, &users);
    auth_users_finish(&auth->users);
    auth_tokens_finish(&auth->tokens);
    auth->users = users;
    auth->tokens = tokens;
    log_info("http: %zu users and %zu tokens, read again%s", users.count, tokens.count,
             ended ? "; who is no longer among them is out" : "");
    auth->changed(auth->user);
}

static void on_changed(void *user)
{
    auth_reload(user);
}

/* ---- life ---- */

const struct auth_stats *auth_stats(const struct auth *auth)
{
    return &auth->stats;
}

static int start(struct auth *auth, const struct auth_options *options)
{
    auth->users_file = options->users_file ? strdup(options->users_file) : NULL;
    auth->tokens_file = options->tokens_file ? strdup(options->tokens_file) : NULL;
    auth->guesses = guesses_create();
    if ((options->users_file && !auth->users_file) || (options->tokens_file && !auth->tokens_file) ||
        !auth->guesses) {
        return -ENOMEM;
    }
    if (!auth_has_logins(auth)) {
        return 0;
    }
    const char *paths[] = {auth->users_file, auth->tokens_file};
    auth->watch = file_watch_create(auth->loop, paths, sizeof paths / sizeof *paths, on_changed, auth);
    return auth->watch ? load(auth, &auth->users, &auth->tokens) : -ENOMEM;
}

struct auth *auth_create(struct loop *loop, const struct auth_options *options, void (*changed)(void *user),
                         void *user, const char **ret_error)
{
    static char why[AUTH_WHY]; /* read by the caller at once, at start */
    struct auth *auth = calloc(1, sizeof *auth);
    *ret_error = "out of memory";
    if (!auth) {
        return NULL;
    }
    *auth = (struct auth){
        .loop = loop, .anonymous_reads = options->anonymous_reads, .changed = changed, .user = user};
    if (start(auth, options) != 0) {
        if (*auth->why) {
            memcpy(why, auth->why, sizeof why);
            *ret_error = why;
        }
        auth_destroy(auth);
        return NULL;
    }
    return auth;
}

void auth_destroy(struct auth *auth)
{
    if (!auth) {
        return;
    }
    auth_end_logins(auth);
    file_watch_destroy(auth->watch);
    guesses_destroy(auth->guesses);
    auth_users_finish(&auth->users);
    auth_tokens_finish(&auth->tokens);
    auth_sessions_finish(&auth->sessions);
    free(auth->users_file);
    free(auth->tokens_file);
    free(auth);
}
