/* Names and passwords: checked by workers, some at a time, in the order they came. */
#include "auth_internal.h"

#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Of a name that nobody has, so that it takes as long as that of a user: yescrypt with libcrypt's defaults.
 */
#define NOBODYS_HASH "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7"

enum login_state { LOGIN_WAITING, LOGIN_RUNNING, LOGIN_DONE };

struct auth_login {
    struct auth *auth; /* NULL once auth is gone */
    struct auth_login *next;
    enum login_state state;
    bool abandoned;
    struct peer peer;
    char name[AUTH_NAME_MAX + 1];
    /* the worker's while it runs */
    char password[AUTH_PASSWORD_MAX + 1];
    char hash[AUTH_HASH_MAX + 1];
    bool matches;
    void (*done)(void *user);
    void *user;
};

static void free_login(struct auth_login *login)
{
    explicit_bzero(login, sizeof *login);
    free(login);
}

static void unlink_login(struct auth_login *login)
{
    struct auth_login **at = &login->auth->logins;
    while (*at != login) {
        at = &(*at)->next;
    }
    *at = login->next;
    login->auth->login_count--;
}

static void check(void *user)
{
    struct auth_login *login = user;
    login->matches = auth_password_matches(login->password, login->hash);
}

static void run_next(struct auth *auth);

static void checked(void *user)
{
    struct auth_login *login = user;
    struct auth *auth = login->auth;
    explicit_bzero(login->password, sizeof login->password);
    login->state = LOGIN_DONE;
    if (auth) {
        auth->running--;
        run_next(auth);
    }
    if (!login->abandoned) {
        login->done(login->user);
        return;
    }
    if (auth) {
        unlink_login(login);
    }
    free_login(login);
}

static void run_next(struct auth *auth)
{
    for (struct auth_login *login = auth->logins; login && auth->running < AUTH_LOGINS_AT_ONCE;
         login = login->next) {
        if (login->state == LOGIN_WAITING && loop_work(auth->loop, check, checked, login) == 0) {
            login->state = LOGIN_RUNNING;
            auth->running++;
        }
    }
}

static struct auth_login *make_login(struct auth *auth, const char *name, const char *password,
                                     const struct peer *peer)
{
    const struct auth_user *user = auth_users_find(&auth->users, name);
    const char *hash = user ? user->hash : auth->users.count > 0 ? auth->users.users[0].hash : NOBODYS_HASH;
    struct auth_login *login = calloc(1, sizeof *login);
    if (login) {
        login->auth = auth;
        login->peer = *peer;
        memcpy(login->name, name, strlen(name));
        memcpy(login->password, password, strlen(password));
        memcpy(login->hash, hash, strlen(hash));
    }
    return login;
}

int auth_login_begin(struct auth *auth, const char *name, const char *password, const struct peer *peer,
                     void (*done)(void *user), void *user, struct auth_login **ret_login,
                     unsigned *ret_wait_s)
{
    if (auth_name_fault(name, strlen(name)) || strlen(password) > AUTH_PASSWORD_MAX) {
        return -EINVAL;
    }
    if (auth->login_count >= AUTH_LOGINS_MAX) {
        return -EBUSY;
    }
    unsigned wait_s = guesses_begin(auth->guesses, GUESSES_PASSWORD, peer, name, clock_now().mono_ms);
    if (wait_s > 0) {
        auth->stats.limited++;
        *ret_wait_s = wait_s;
        return -EAGAIN;
    }
    struct auth_login *login = make_login(auth, name, password, peer);
    if (!login) {
        guesses_void(auth->guesses, GUESSES_PASSWORD, peer, name);
        return -ENOMEM;
    }
    login->done = done;
    login->user = user;
    struct auth_login **end = &auth->logins;
    while (*end) {
        end = &(*end)->next;
    }
    *end = login;
    auth->login_count++;
    run_next(auth);
    if (login->state == LOGIN_WAITING && auth->running == 0) { /* no worker takes it, nor will one come by */
        unlink_login(login);
        free_login(login);
        guesses_void(auth->guesses, GUESSES_PASSWORD, peer, name);
        return -ENOMEM;
    }
    *ret_login = login;
    return 0;
}

/* The hash is compared again: the file may have changed meanwhile. */
static int decide(struct auth_login *login, char ret_secret[AUTH_SECRET_LEN + 1], struct auth_who *ret_who)
{
    struct auth *auth = login->auth;
    int64_t now_ms = clock_now().mono_ms;
    unsigned char digest[AUTH_DIGEST_LEN];
    const struct auth_user *user = auth_users_find(&auth->users, login->name);
    if (!user || !login->matches || strcmp(user->hash, login->hash) != 0) {
        auth->stats.failed_logins++;
        return -EACCES;
    }
    guesses_right(auth->guesses, GUESSES_PASSWORD, &login->peer, login->name, now_ms);
    int e = auth_sessions_add(&auth->sessions, user->name, now_ms, ret_secret);
    e = e ? e : auth_digest(ret_secret, AUTH_SECRET_LEN, digest);
    if (e != 0) {
        return e;
    }
    auth->stats.logins++;
    auth->stats.sessions = (uint32_t)auth->sessions.count;
    *ret_who = auth_who_user(user, digest);
    return 0;
}

int auth_login_collect(struct auth_login *login, char ret_secret[AUTH_SECRET_LEN + 1],
                       struct auth_who *ret_who)
{
    int e = -EIO;
    if (login->auth) {
        e = decide(login, ret_secret, ret_who);
        unlink_login(login);
    }
    free_login(login);
    return e;
}

void auth_login_abandon(struct auth_login *login)
{
    if (!login) {
        return;
    }
    login->abandoned = true;
    if (login->state != LOGIN_RUNNING) {
        if (login->auth) {
            unlink_login(login);
        }
        free_login(login);
    }
}

void auth_end_logins(struct auth *auth)
{
    while (auth->logins) {
        struct auth_login *login = auth->logins;
        auth->logins = login->next;
        login->auth = NULL;
        login->abandoned = true;
        if (login->state != LOGIN_RUNNING) {
            free_login(login);
        }
    }
}
