#include "auth_users.h"

#include "auth_digest.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Those of libcrypt that are not broken; whatever else it knows is too fast. */
static bool is_strong(const char *hash)
{
    static const char *const prefixes[] = {"$y$", "$gy$", "$7$", "$2b$", "$2y$", "$2a$", "$6$", "$5$"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (strncmp(hash, prefixes[i], strlen(prefixes[i])) == 0) {
            int salt = crypt_checksalt(hash);
            return salt == CRYPT_SALT_OK || salt == CRYPT_SALT_METHOD_LEGACY;
        }
    }
    return false;
}

static const char *read_entry(const struct auth_line *line, struct auth_user *user)
{
    if (line->count < 2 || line->count > 3) {
        return "expected name:hash or name:hash:scope";
    }
    const char *fault = auth_name_fault(line->fields[0].text, line->fields[0].len);
    if (fault) {
        return fault;
    }
    if (line->fields[1].len > AUTH_HASH_MAX) {
        return "the hash is too long";
    }
    *user = (struct auth_user){.scope = AUTH_ADMIN};
    memcpy(user->name, line->fields[0].text, line->fields[0].len);
    memcpy(user->hash, line->fields[1].text, line->fields[1].len);
    if (strlen(user->hash) != line->fields[1].len || !is_strong(user->hash)) {
        return "this is no hash of yescrypt, scrypt, bcrypt, sha512crypt or sha256crypt; make one with "
               "`llamad passwd`";
    }
    if (line->count == 3 && !auth_scope_parse(line->fields[2].text, line->fields[2].len, &user->scope)) {
        return "the scope is neither admin nor read";
    }
    return NULL;
}

int auth_users_parse(const char *text, size_t len, struct auth_users *ret, struct auth_problem *ret_problem)
{
    struct auth_users users = {0};
    struct auth_line line = {0};
    struct auth_problem problem = {.text = NULL};
    const char *at = text;
    int e = 0;
    while (e == 0 && !problem.text && auth_line_next(&at, text + len, &line)) {
        struct auth_user user;
        problem = (struct auth_problem){line.number, read_entry(&line, &user)};
        if (!problem.text && auth_users_find(&users, user.name)) {
            problem.text = "this name is there already";
        }
        if (!problem.text) {
            e = auth_users_set(&users, user.name, user.hash, user.scope);
        }
        if (e == -E2BIG) {
            problem.text = "more than 256 users";
        }
    }
    if (e != 0 || problem.text) {
        auth_users_finish(&users);
        *ret_problem = problem;
        return problem.text ? -EINVAL : e;
    }
    *ret = users;
    return 0;
}

void auth_users_finish(struct auth_users *users)
{
    free(users->users);
    *users = (struct auth_users){0};
}

void auth_users_write(const struct auth_users *users, struct buf *out)
{
    buf_str(out,
            "# Users of llamad's dashboard and API: name:hash, and :read for one who may change nothing.\n"
            "# Made by `llamad passwd`.\n");
    for (size_t i = 0; i < users->count; i++) {
        const struct auth_user *user = &users->users[i];
        buf_printf(out, "%s:%s%s\n", user->name, user->hash, user->scope == AUTH_READ ? ":read" : "");
    }
}

static struct auth_user *find(const struct auth_users *users, const char *name)
{
    for (size_t i = 0; i < users->count; i++) {
        if (strcmp(users->users[i].name, name) == 0) {
            return &users->users[i];
        }
    }
    return NULL;
}

const struct auth_user *auth_users_find(const struct auth_users *users, const char *name)
{
    return find(users, name);
}

int auth_users_set(struct auth_users *users, const char *name, const char *hash, enum auth_scope scope)
{
    struct auth_user *user = find(users, name);
    if (!user && users->count == AUTH_ENTRIES_MAX) {
        return -E2BIG;
    }
    if (!user) {
        struct auth_user *grown = realloc(users->users, (users->count + 1) * sizeof *grown);
        if (!grown) {
            return -ENOMEM;
        }
        users->users = grown;
        user = &grown[users->count++];
    }
    *user = (struct auth_user){.scope = scope};
    memcpy(user->name, name, strnlen(name, AUTH_NAME_MAX));
    memcpy(user->hash, hash, strnlen(hash, AUTH_HASH_MAX));
    return 0;
}

bool auth_users_remove(struct auth_users *users, const char *name)
{
    struct auth_user *user = find(users, name);
    if (!user) {
        return false;
    }
    size_t at = (size_t)(user - users->users);
    memmove(user, user + 1, (users->count - at - 1) * sizeof *user);
    users->count--;
    return true;
}

char *auth_password_hash(const char *password)
{
    static const char *const methods[] = {"$y$", "$6$"};
    char *hash = NULL;
    for (size_t i = 0; i < sizeof methods / sizeof *methods && !hash; i++) {
        char *setting = crypt_gensalt_ra(methods[i], 0, NULL, 0);
        void *data = NULL;
        int size = 0;
        const char *made = setting ? crypt_ra(password, setting, &data, &size) : NULL;
        int e = errno;
        hash = made && *made != '*' ? strdup(made) : NULL;
        free(setting);
        if (data) {
            explicit_bzero(data, (size_t)size);
        }
        free(data);
        errno = hash ? 0 : e;
    }
    return hash;
}

bool auth_password_matches(const char *password, const char *hash)
{
    void *data = NULL;
    int size = 0;
    const char *made = crypt_ra(password, hash, &data, &size);
    bool same =
        made && *made != '*' && strlen(made) == strlen(hash) && auth_digest_equal(made, hash, strlen(hash));
    if (data) {
        explicit_bzero(data, (size_t)size);
    }
    free(data);
    return same;
}
