#include "auth_tokens.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *read_entry(const struct auth_line *line, struct auth_token *token)
{
    if (line->count != 4) {
        return "expected name:scope:digest:made";
    }
    const char *fault = auth_name_fault(line->fields[0].text, line->fields[0].len);
    if (fault) {
        return fault;
    }
    *token = (struct auth_token){0};
    memcpy(token->name, line->fields[0].text, line->fields[0].len);
    if (!auth_scope_parse(line->fields[1].text, line->fields[1].len, &token->scope)) {
        return "the scope is neither admin nor read";
    }
    if (!auth_digest_unhex(line->fields[2].text, line->fields[2].len, token->digest)) {
        return "the digest is not 64 hexadecimal digits; make a token with `llamad token`";
    }
    if (line->fields[3].len != AUTH_MADE_LEN) {
        return "the last field is no day such as 2026-01-31";
    }
    memcpy(token->made, line->fields[3].text, AUTH_MADE_LEN);
    return strspn(token->made, "0123456789-") == AUTH_MADE_LEN
               ? NULL
               : "the last field is no day such as 2026-01-31";
}

int auth_tokens_parse(const char *text, size_t len, struct auth_tokens *ret, struct auth_problem *ret_problem)
{
    struct auth_tokens tokens = {0};
    struct auth_line line = {0};
    struct auth_problem problem = {.text = NULL};
    const char *at = text;
    int e = 0;
    while (e == 0 && !problem.text && auth_line_next(&at, text + len, &line)) {
        struct auth_token token;
        problem = (struct auth_problem){line.number, read_entry(&line, &token)};
        e = problem.text ? 0 : auth_tokens_add(&tokens, &token);
        problem.text = e == -EEXIST  ? "this name is there already"
                       : e == -E2BIG ? "more than 256 tokens"
                                     : problem.text;
    }
    if (e != 0 || problem.text) {
        auth_tokens_finish(&tokens);
        *ret_problem = problem;
        return problem.text ? -EINVAL : e;
    }
    *ret = tokens;
    return 0;
}

void auth_tokens_finish(struct auth_tokens *tokens)
{
    free(tokens->tokens);
    *tokens = (struct auth_tokens){0};
}

void auth_tokens_write(const struct auth_tokens *tokens, struct buf *out)
{
    buf_str(out, "# Tokens of llamad's API: name:scope:SHA-256 of the token:day. Made by `llamad token`.\n");
    for (size_t i = 0; i < tokens->count; i++) {
        const struct auth_token *token = &tokens->tokens[i];
        char hex[2 * AUTH_DIGEST_LEN + 1];
        auth_digest_hex(token->digest, hex);
        buf_printf(out, "%s:%s:%s:%s\n", token->name, auth_scope_name(token->scope), hex, token->made);
    }
}

static struct auth_token *find(const struct auth_tokens *tokens, const char *name)
{
    for (size_t i = 0; i < tokens->count; i++) {
        if (strcmp(tokens->tokens[i].name, name) == 0) {
            return &tokens->tokens[i];
        }
    }
    return NULL;
}

const struct auth_token *auth_tokens_find(const struct auth_tokens *tokens, const char *name)
{
    return find(tokens, name);
}

const struct auth_token *auth_tokens_match(const struct auth_tokens *tokens,
                                           const unsigned char digest[AUTH_DIGEST_LEN])
{
    const struct auth_token *found = NULL;
    for (size_t i = 0; i < tokens->count; i++) {
        if (auth_digest_equal(tokens->tokens[i].digest, digest, AUTH_DIGEST_LEN)) {
            found = &tokens->tokens[i];
        }
    }
    return found;
}

int auth_tokens_add(struct auth_tokens *tokens, const struct auth_token *token)
{
    if (find(tokens, token->name)) {
        return -EEXIST;
    }
    if (tokens->count == AUTH_ENTRIES_MAX) {
        return -E2BIG;
    }
    struct auth_token *grown = realloc(tokens->tokens, (tokens->count + 1) * sizeof *grown);
    if (!grown) {
        return -ENOMEM;
    }
    tokens->tokens = grown;
    grown[tokens->count++] = *token;
    return 0;
}

bool auth_tokens_remove(struct auth_tokens *tokens, const char *name)
{
    struct auth_token *token = find(tokens, name);
    if (!token) {
        return false;
    }
    size_t at = (size_t)(token - tokens->tokens);
    memmove(token, token + 1, (tokens->count - at - 1) * sizeof *token);
    tokens->count--;
    return true;
}
