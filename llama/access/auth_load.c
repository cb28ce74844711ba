#include "auth_load.h"

#include "auth_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int read_text(const char *path, char **ret_text, size_t *ret_len, bool *ret_open, char why[AUTH_WHY])
{
    int e = auth_file_read(path, ret_text, ret_len, ret_open);
    if (e != 0) {
        snprintf(why, AUTH_WHY, "%.200s: %s", path,
                 e == -EINVAL  ? "is no regular file"
                 : e == -EFBIG ? "is above 256 KiB"
                               : strerror(-e));
    }
    return e;
}

static void say(const char *path, int e, const struct auth_problem *problem, char why[AUTH_WHY])
{
    if (e == -EINVAL) {
        snprintf(why, AUTH_WHY, "%.200s:%u: %s", path, problem->line, problem->text);
    } else {
        snprintf(why, AUTH_WHY, "%.200s: %s", path, strerror(-e));
    }
}

int auth_load_users(const char *path, struct auth_users *ret, bool *ret_open, char ret_why[AUTH_WHY])
{
    size_t len = 0;
    char *text = NULL;
    struct auth_problem problem = {0};
    int e = read_text(path, &text, &len, ret_open, ret_why);
    if (e != 0) {
        return e;
    }
    e = auth_users_parse(text, len, ret, &problem);
    free(text);
    if (e != 0) {
        say(path, e, &problem, ret_why);
    }
    return e;
}

int auth_load_tokens(const char *path, struct auth_tokens *ret, bool *ret_open, char ret_why[AUTH_WHY])
{
    size_t len = 0;
    char *text = NULL;
    struct auth_problem problem = {0};
    int e = read_text(path, &text, &len, ret_open, ret_why);
    if (e != 0) {
        return e;
    }
    e = auth_tokens_parse(text, len, ret, &problem);
    free(text);
    if (e != 0) {
        say(path, e, &problem, ret_why);
    }
    return e;
}
