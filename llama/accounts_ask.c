#include "accounts_ask.h"

#include "auth_users.h"
#include "tool.h"
#include "utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* A line of standard input without its end, at most `size` - 1 bytes; false at the end of input. */
static bool read_line(char *line, size_t size)
{
    if (!fgets(line, (int)size, stdin)) {
        return false;
    }
    line[strcspn(line, "\r\n")] = '\0';
    return true;
}

static bool prompt(const char *text, char *line, size_t size)
{
    struct termios before, quiet;
    if (tcgetattr(STDIN_FILENO, &before) != 0) {
        return false;
    }
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    fprintf(stderr, "%s: ", text);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    bool read = read_line(line, size);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fputc('\n', stderr);
    return read;
}

static size_t characters(const char *text)
{
    size_t count = 0;
    for (; *text; text++) {
        count += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return count;
}

static const char *fault(const char *password)
{
    if (!utf8_valid(password, strlen(password))) {
        return "the password is not UTF-8";
    }
    if (characters(password) < AUTH_PASSWORD_MIN) {
        return "a password has at least 8 characters";
    }
    return strlen(password) > AUTH_PASSWORD_MAX ? "a password has at most 256 bytes" : NULL;
}

char *accounts_ask_password(const char *tool)
{
    char first[AUTH_PASSWORD_MAX + 8] = "", second[AUTH_PASSWORD_MAX + 8] = "";
    bool terminal = isatty(STDIN_FILENO);
    bool read = terminal ? prompt("New password", first, sizeof first) : read_line(first, sizeof first);
    const char *why = read ? fault(first) : "no password came";
    if (!why && terminal && (!prompt("Again", second, sizeof second) || strcmp(first, second) != 0)) {
        why = "the two are not the same";
    }
    char *password = why ? NULL : strdup(first);
    if (!password) {
        tool_error(tool, "%s", why ? why : "out of memory");
    }
    explicit_bzero(first, sizeof first);
    explicit_bzero(second, sizeof second);
    return password;
}
