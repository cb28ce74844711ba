#include "accounts.h"

#include "accounts_ask.h"
#include "auth_file.h"
#include "auth_load.h"
#include "secret_file.h"
#include "tool.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct order {
    const char *tool; /* "passwd" */
    const char *key;  /* "http.users_file" */
    const char *config, *name;
    char *path;     /* owned */
    char *password; /* owned; of passwd */
    int lock;       /* -1 = none */
    bool list, remove, scoped;
    enum auth_scope scope;
};

/* ---- the command line ---- */

static const char passwd_help[] =
    "Usage: llamad passwd [-c FILE] [-f FILE] [--read|--admin] NAME\n"
    "       llamad passwd [-c FILE] [-f FILE] --list | --remove NAME\n"
    "Adds a user of llamad's dashboard and API, or changes the password: asked for on a terminal, else the "
    "first\n"
    "line of standard input. Users may do everything unless --read says that they may change nothing.\n";
static const char token_help[] =
    "Usage: llamad token [-c FILE] [-f FILE] [--admin] NAME\n"
    "       llamad token [-c FILE] [-f FILE] --list | --remove NAME\n"
    "Makes a token with which a program may ask llamad's API (Authorization: Bearer TOKEN), and prints it: "
    "it\n"
    "is kept nowhere else. It may only read, unless --admin lets it forget nodes as well.\n";
static const char options_help[] =
    "\n"
    "  -c, --config FILE  llamad's configuration, which names the file that is changed; without it that of "
    "the\n"
    "                     service, /etc/llamad/config.yaml, and without that one where llamad looks for it\n"
    "  -f, --file FILE    change this file instead\n"
    "      --list         say who is in it\n"
    "      --remove       take NAME out of it\n"
    "A running llamad takes the change over within seconds, and ends sessions of who is out.\n";

#define SHORT_OPTIONS ":c:f:h"

/* -1 to go on, else the exit status. */
static int read_arguments(int argc, char **argv, const char *help, struct order *order, const char **ret_file)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"file", required_argument, NULL, 'f'},
        {"list", no_argument, NULL, 'l'},         {"remove", no_argument, NULL, 'x'},
        {"read", no_argument, NULL, 'r'},         {"admin", no_argument, NULL, 'a'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    char typed[CONF_OPTION_SIZE];
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, SHORT_OPTIONS, options, NULL)) != -1) {
        switch (option) {
        case 'c':
            order->config = optarg;
            break;
        case 'f':
            *ret_file = optarg;
            break;
        case 'l':
            order->list = true;
            break;
        case 'x':
            order->remove = true;
            break;
        case 'r':
        case 'a':
            order->scoped = true;
            order->scope = option == 'r' ? AUTH_READ : AUTH_ADMIN;
            break;
        case 'h':
            printf("%s%s", help, options_help);
            return EXIT_SUCCESS;
        case ':':
            return tool_usage(order->tool, "a file name is missing behind", argv[optind - 1]);
        default:
            return tool_usage(order->tool, "unknown option", conf_wrong_option(argv, SHORT_OPTIONS, typed));
        }
    }
    order->name = optind < argc ? argv[optind] : NULL;
    if (argc - optind != (order->list ? 0 : 1) || (order->list && order->remove)) {
        return tool_usage(order->tool, order->list ? "--list stands alone" : "expected one NAME", NULL);
    }
    const char *fault = order->name ? auth_name_fault(order->name, strlen(order->name)) : NULL;
    return fault ? tool_usage(order->tool, fault, NULL) : -1;
}

/* The file that the configuration names. 0, or the exit status. */
static int find_file(struct order *order)
{
    struct conf *conf = tool_conf(order->tool, order->config);
    if (!conf) {
        return TOOL_CONFIG;
    }
    const char *path = conf_string(conf, order->key);
    int status = EXIT_SUCCESS;
    if (!path) {
        tool_error(order->tool, "%s is not set in %s: set it there, or name a file with -f", order->key,
                   conf_path(conf) ? conf_path(conf) : "a configuration (none was found)");
        status = TOOL_CONFIG;
    } else {
        order->path = strdup(path);
        status = order->path ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    conf_destroy(conf);
    return status;
}

/* 0, or the exit status. *order is to be given to finish in any case. */
static int read_order(int argc, char **argv, const char *help, struct order *order)
{
    const char *file = NULL;
    int status = read_arguments(argc, argv, help, order, &file);
    if (status >= 0) {
        return status == EXIT_SUCCESS ? -1 : status;
    }
    if (!file) {
        return find_file(order);
    }
    order->path = strdup(file);
    return order->path ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- both ---- */

/* Whoever changes the file reads it first, and nobody else writes it in between. Nobody is asked for anything
 * meanwhile. 0, or the exit status. */
static int lock(struct order *order)
{
    order->lock = order->list ? -1 : secret_file_lock(order->path, SECRET_LOCK_MS);
    if (order->list || order->lock >= 0) {
        return EXIT_SUCCESS;
    }
    tool_error(order->tool, "cannot lock %s: %s", order->path, strerror(-order->lock));
    return EXIT_FAILURE;
}

static void finish(struct order *order)
{
    if (order->lock >= 0) {
        close(order->lock);
    }
    if (order->password) {
        explicit_bzero(order->password, strlen(order->password));
    }
    free(order->password);
    free(order->path);
}

/* `e` of loading: is there something to go on with? A file that is not there is an empty one. */
static int loaded(const struct order *order, int e, const char *why)
{
    if (e == 0 || (e == -ENOENT && !order->list && !order->remove)) {
        return EXIT_SUCCESS;
    }
    tool_error(order->tool, "%s", why);
    return EXIT_FAILURE;
}

static int save(const struct order *order, struct buf *out, const char *done)
{
    int e = out->failed ? -ENOMEM : auth_file_write(order->path, out->data, out->len);
    buf_finish(out);
    if (e != 0) {
        tool_error(order->tool, "%s: %s", order->path, strerror(-e));
        return EXIT_FAILURE;
    }
    fprintf(stderr, "%s: %s %s\n", order->path, order->name, done);
    return EXIT_SUCCESS;
}

static int refuse(const struct order *order, const char *why)
{
    tool_error(order->tool, "%s: %s %s", order->path, order->name, why);
    return EXIT_FAILURE;
}

/* ---- users ---- */

static int save_users(const struct order *order, const struct auth_users *users, const char *done)
{
    struct buf out = BUF_INIT;
    auth_users_write(users, &out);
    return save(order, &out, done);
}

static int set_user(const struct order *order, struct auth_users *users)
{
    const struct auth_user *known = auth_users_find(users, order->name);
    enum auth_scope scope = order->scoped ? order->scope : known ? known->scope : AUTH_ADMIN;
    char *hash = auth_password_hash(order->password);
    int e = hash ? auth_users_set(users, order->name, hash, scope) : -ENOMEM;
    free(hash);
    if (e != 0) {
        return refuse(order,
                      e == -E2BIG ? "is one too many: there are 256 users" : "was not added: no memory");
    }
    const char *done = scope == AUTH_READ ? "may log in and read" : "may log in and do everything";
    return save_users(order, users, done);
}

static int list_users(const struct auth_users *users)
{
    for (size_t i = 0; i < users->count; i++) {
        printf("%s\t%s\n", users->users[i].name, auth_scope_name(users->users[i].scope));
    }
    return EXIT_SUCCESS;
}

int passwd_main(int argc, char **argv)
{
    struct order order = {.tool = "passwd", .key = "http.users_file", .lock = -1};
    struct auth_users users = {0};
    char why[AUTH_WHY];
    bool open_to_all;
    int status = read_order(argc, argv, passwd_help, &order);
    if (status == EXIT_SUCCESS && !order.list && !order.remove) {
        order.password = accounts_ask_password(order.tool);
        status = order.password ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    status = status ? status : lock(&order);
    if (status == EXIT_SUCCESS) {
        status = loaded(&order, auth_load_users(order.path, &users, &open_to_all, why), why);
        if (status == EXIT_SUCCESS) {
            status = order.list                              ? list_users(&users)
                     : !order.remove                         ? set_user(&order, &users)
                     : auth_users_remove(&users, order.name) ? save_users(&order, &users, "is out")
                                                             : refuse(&order, "is not in it");
        }
    }
    auth_users_finish(&users);
    finish(&order);
    return status < 0 ? EXIT_SUCCESS : status;
}

/* ---- tokens ---- */

static int save_tokens(const struct order *order, const struct auth_tokens *tokens, const char *done)
{
    struct buf out = BUF_INIT;
    auth_tokens_write(tokens, &out);
    return save(order, &out, done);
}

static int make_token(const struct order *order, const char *name, struct auth_tokens *tokens)
{
    char text[AUTH_TOKEN_LEN + 1] = AUTH_TOKEN_PREFIX;
    struct auth_token token = {.scope = order->scoped ? order->scope : AUTH_READ};
    time_t now = time(NULL);
    struct tm tm;
    memcpy(token.name, name, strlen(name));
    if (auth_secret(text + sizeof AUTH_TOKEN_PREFIX - 1) != 0 || !gmtime_r(&now, &tm) ||
        auth_digest(text, AUTH_TOKEN_LEN, token.digest) != 0 ||
        strftime(token.made, sizeof token.made, "%Y-%m-%d", &tm) != AUTH_MADE_LEN) {
        return refuse(order, "was not added: no random numbers, or no date");
    }
    int e = auth_tokens_add(tokens, &token);
    if (e != 0) {
        return refuse(order, e == -EEXIST  ? "has a token already: remove that first, or take another name"
                             : e == -E2BIG ? "is one too many: there are 256 tokens"
                                           : "was not added: no memory");
    }
    int status = save_tokens(order, tokens, token.scope == AUTH_READ ? "may read" : "may do everything");
    if (status == EXIT_SUCCESS) {
        printf("%s\n", text);
    }
    explicit_bzero(text, sizeof text);
    return status;
}

static int list_tokens(const struct auth_tokens *tokens)
{
    for (size_t i = 0; i < tokens->count; i++) {
        const struct auth_token *token = &tokens->tokens[i];
        printf("%s\t%s\t%s\n", token->name, auth_scope_name(token->scope), token->made);
    }
    return EXIT_SUCCESS;
}

int token_main(int argc, char **argv)
{
    struct order order = {.tool = "token", .key = "http.tokens_file", .lock = -1};
    struct auth_tokens tokens = {0};
    char why[AUTH_WHY];
    bool open_to_all;
    int status = read_order(argc, argv, token_help, &order);
    status = status ? status : lock(&order);
    if (status == EXIT_SUCCESS) {
        status = loaded(&order, auth_load_tokens(order.path, &tokens, &open_to_all, why), why);
        if (status == EXIT_SUCCESS) {
            status = order.list      ? list_tokens(&tokens)
                     : !order.remove ? make_token(&order, order.name ? order.name : "", &tokens)
                     : auth_tokens_remove(&tokens, order.name) ? save_tokens(&order, &tokens, "is out")
                                                               : refuse(&order, "is not in it");
        }
    }
    auth_tokens_finish(&tokens);
    finish(&order);
    return status < 0 ? EXIT_SUCCESS : status;
}
