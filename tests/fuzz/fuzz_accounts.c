/* The files of those who may: users, tokens, accounts at the broker and their journal; the first byte says
 * which. What is taken reads the same when it was written again; what is not has a line and a reason. */
#include "auth_tokens.h"
#include "auth_users.h"
#include "fuzz.h"
#include "mqtt_accounts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void check_users(const char *text, size_t len)
{
    struct auth_users users, again;
    struct auth_problem problem = {0};
    struct buf out = BUF_INIT;
    if (auth_users_parse(text, len, &users, &problem) != 0) {
        require(problem.text && problem.line > 0);
        return;
    }
    require(users.count <= AUTH_ENTRIES_MAX);
    auth_users_write(&users, &out);
    require(!out.failed && auth_users_parse(out.data, out.len, &again, &problem) == 0);
    require(again.count == users.count);
    for (size_t i = 0; i < users.count; i++) {
        const struct auth_user *user = &users.users[i], *other = &again.users[i];
        require(strcmp(user->name, other->name) == 0 && strcmp(user->hash, other->hash) == 0);
        require(user->scope == other->scope && user->scope != AUTH_NONE);
        require(!auth_name_fault(user->name, strlen(user->name)));
        require(auth_users_find(&users, user->name) == user);
    }
    auth_users_finish(&users);
    auth_users_finish(&again);
    buf_finish(&out);
}

static void check_tokens(const char *text, size_t len)
{
    struct auth_tokens tokens, again;
    struct auth_problem problem = {0};
    struct buf out = BUF_INIT;
    if (auth_tokens_parse(text, len, &tokens, &problem) != 0) {
        require(problem.text && problem.line > 0);
        return;
    }
    require(tokens.count <= AUTH_ENTRIES_MAX);
    auth_tokens_write(&tokens, &out);
    require(!out.failed && auth_tokens_parse(out.data, out.len, &again, &problem) == 0);
    require(again.count == tokens.count);
    for (size_t i = 0; i < tokens.count; i++) {
        const struct auth_token *token = &tokens.tokens[i], *other = &again.tokens[i];
        require(strcmp(token->name, other->name) == 0 && strcmp(token->made, other->made) == 0);
        require(token->scope == other->scope && token->scope != AUTH_NONE);
        require(auth_digest_equal(token->digest, other->digest, AUTH_DIGEST_LEN));
        require(auth_tokens_match(&tokens, token->digest) != NULL);
    }
    auth_tokens_finish(&tokens);
    auth_tokens_finish(&again);
    buf_finish(&out);
}

/* ---- at the broker ---- */

static void write_file(const char *path, const char *text, size_t len)
{
    FILE *file = fopen(path, "w");
    require(file != NULL && fwrite(text, 1, len, file) == len && fclose(file) == 0);
}

static const struct account *find(const struct account *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i].name, name) == 0) {
            return &list[i];
        }
    }
    return NULL;
}

/* `count` of the list, which is freed. *ret_state: of "pi-new"; -1 = not in it. */
static size_t list_of(const char *path, int *ret_state)
{
    char error[MQTT_ACCOUNTS_ERROR_SIZE];
    struct account *list = NULL;
    size_t count = 0;
    require(mqtt_accounts_list(path, &list, &count, error) == 0 && count <= MQTT_ACCOUNTS_MAX);
    for (size_t i = 0; i < count; i++) {
        require(list[i].name[0] && strlen(list[i].name) <= NODE_NAME_MAX);
        require((list[i].state == ACCOUNT_THERE) == (list[i].since_s == 0) || list[i].since_s == 0);
    }
    const struct account *own = find(list, count, "pi-new");
    *ret_state = own ? (int)own->state : -1;
    free(list);
    return count;
}

static char folder[32], passwd[64], journal[64], lock[64];

static void remove_folder(void)
{
    unlink(lock);
    rmdir(folder);
}

/* In memory where there is such a place: every file is synchronised with the disk. */
static void make_folder(void)
{
    snprintf(folder, sizeof folder, "%s/fuzz_accounts.XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    require(mkdtemp(folder) != NULL);
    snprintf(passwd, sizeof passwd, "%s/passwd", folder);
    snprintf(journal, sizeof journal, "%s/passwd.journal", folder);
    snprintf(lock, sizeof lock, "%s/passwd.lock", folder);
    atexit(remove_folder);
}

/* Whatever the files hold, one can be enrolled and revoked, and the others stay who they are. */
static void check_accounts(const char *text, size_t len)
{
    char password[MQTT_ACCOUNTS_PASSWORD_SIZE], error[MQTT_ACCOUNTS_ERROR_SIZE];
    const char *half = memchr(text, '\x1e', len);
    size_t first = half ? (size_t)(half - text) : len;
    bool fresh;
    int state;
    if (!*folder) {
        make_folder();
    }
    write_file(passwd, text, first);
    write_file(journal, half ? half + 1 : "", half ? len - first - 1 : 0);
    list_of(passwd, &state);
    require(mqtt_accounts_set(passwd, "pi-new", 1800000000, password, &fresh, error) == 0);
    require(strlen(password) == MQTT_ACCOUNTS_PASSWORD_SIZE - 1);
    size_t with = list_of(passwd, &state);
    require(state == ACCOUNT_ENROLLED || with == MQTT_ACCOUNTS_MAX);
    require(mqtt_accounts_revoke(passwd, "pi-new", 1800000001, error) == 0);
    size_t without = list_of(passwd, &state);
    require(state == ACCOUNT_REVOKED || without == MQTT_ACCOUNTS_MAX);
    require(mqtt_accounts_revoke(passwd, "pi-new", 1800000002, error) == -ENOENT);
    require(with == without);
    unlink(passwd);
    unlink(journal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    if (size > 0 && text[0] == 'u') {
        check_users(text + 1, size - 1);
    } else if (size > 0 && text[0] == 't') {
        check_tokens(text + 1, size - 1);
    } else if (size > 0) {
        check_accounts(text + 1, size - 1);
    }
    free(text);
    return 0;
}
