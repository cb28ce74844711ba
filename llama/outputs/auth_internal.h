/*
 * auth_internal: what auth.c (who it is) and auth_login.c (passwords, off the loop) share.
 */
#ifndef AUTH_INTERNAL_H
#define AUTH_INTERNAL_H

#include "auth.h"
#include "auth_load.h"
#include "auth_sessions.h"
#include "file_watch.h"

struct auth {
    struct loop *loop;
    char *users_file, *tokens_file; /* owned; NULL = none */
    bool anonymous_reads;
    struct auth_users users;
    struct auth_tokens tokens;
    struct auth_sessions sessions;
    struct guesses *guesses;
    struct file_watch *watch;
    void (*changed)(void *user);
    void *user;
    struct auth_login *logins; /* all, the first one first; their owner */
    unsigned login_count, running;
    struct auth_stats stats;
    char why[AUTH_WHY];
};

/* Lets all logins go. */
void auth_end_logins(struct auth *auth);
struct auth_who auth_who_user(const struct auth_user *user, const unsigned char digest[AUTH_DIGEST_LEN]);

#endif
