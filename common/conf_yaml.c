/* A YAML text to a tree, within limits. Aliases are not followed, so no file grows beyond its size. */
#include "conf_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct reader {
    yaml_parser_t parser;
    const char *text;
    size_t len;
    size_t nodes;
    int error; /* 0, -ENOMEM, -EINVAL */
    char *message;
};

void yaml_node_finish(struct yaml_node *node)
{
    for (size_t i = 0; i < node->count; i++) {
        yaml_node_finish(&node->children[i]);
    }
    free(node->children);
    free(node->text);
    free(node->key);
    *node = (struct yaml_node){.kind = YAML_MAP};
}

bool yaml_is_null(const struct yaml_node *node)
{
    if (node->kind != YAML_TEXT || !node->plain) {
        return false;
    }
    const char *t = node->text;
    return *t == '\0' || strcmp(t, "~") == 0 || strcmp(t, "null") == 0 || strcmp(t, "Null") == 0 ||
           strcmp(t, "NULL") == 0;
}

static void fail_at(struct reader *r, size_t line, size_t column, const char *what)
{
    if (r->error) {
        return;
    }
    r->error = -EINVAL;
    if (asprintf(&r->message, "%zu:%zu: %s", line, column, what) < 0) {
        r->message = NULL;
        r->error = -ENOMEM;
    }
}

static void fail_mark(struct reader *r, yaml_mark_t mark, const char *what)
{
    fail_at(r, mark.line + 1, mark.column + 1, what);
}

/* libyaml knows no line for bytes that it could not even decode. */
static void fail_offset(struct reader *r, size_t offset, const char *what)
{
    size_t line = 1, column = 1;
    for (size_t i = 0; i < offset && i < r->len; i++) {
        column++;
        if (r->text[i] == '\n') {
            line++;
            column = 1;
        }
    }
    fail_at(r, line, column, what);
}

/* What a problem with a token is in most cases. */
static bool begins_with_tab(const struct reader *r, size_t line)
{
    const char *at = r->text, *end = r->text + r->len;
    for (; line > 0 && at; line--) {
        at = memchr(at, '\n', (size_t)(end - at));
        at = at ? at + 1 : NULL;
    }
    while (at && at < end && *at == ' ') {
        at++;
    }
    return at && at < end && *at == '\t';
}

static bool next_event(struct reader *r, yaml_event_t *event)
{
    if (r->error) {
        return false;
    }
    if (yaml_parser_parse(&r->parser, event)) {
        return true;
    }
    const char *problem = r->parser.problem ? r->parser.problem : "not readable as YAML";
    if (r->parser.error == YAML_MEMORY_ERROR) {
        r->error = -ENOMEM;
    } else if (r->parser.error == YAML_READER_ERROR) {
        fail_offset(r, r->parser.problem_offset, problem);
    } else if (strstr(problem, "token") && begins_with_tab(r, r->parser.problem_mark.line)) {
        fail_mark(r, r->parser.problem_mark, "a tab in front; YAML takes only spaces there");
    } else {
        fail_mark(r, r->parser.problem_mark, problem);
    }
    return false;
}

static struct yaml_node *add_child(struct reader *r, struct yaml_node *parent)
{
    if (parent->count == parent->capacity) {
        size_t capacity = parent->capacity ? 2 * parent->capacity : 4;
        struct yaml_node *children = realloc(parent->children, capacity * sizeof *children);
        if (!children) {
            r->error = -ENOMEM;
            return NULL;
        }
        parent->children = children;
        parent->capacity = capacity;
    }
    struct yaml_node *child = &parent->children[parent->count++];
    *child = (struct yaml_node){.kind = YAML_MAP};
    return child;
}

/* A copy with a NUL behind; the length keeps what a NUL inside would hide. */
static char *copy_scalar(struct reader *r, const yaml_event_t *event)
{
    char *copy = malloc(event->data.scalar.length + 1);
    if (!copy) {
        r->error = -ENOMEM;
        return NULL;
    }
    memcpy(copy, event->data.scalar.value, event->data.scalar.length);
    copy[event->data.scalar.length] = '\0';
    return copy;
}

static bool read_children(struct reader *r, struct yaml_node *node, unsigned depth);

/* The value that begins with `event`. */
static void read_value(struct reader *r, const yaml_event_t *event, struct yaml_node *node, unsigned depth)
{
    node->line = (unsigned)event->start_mark.line + 1;
    if (++r->nodes > CONF_NODES_MAX) {
        fail_mark(r, event->start_mark, "too many values");
        return;
    }
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        node->kind = YAML_TEXT;
        node->text = copy_scalar(r, event);
        node->text_len = event->data.scalar.length;
        node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        break;
    case YAML_ALIAS_EVENT:
        node->kind = YAML_ALIAS;
        break;
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        node->kind = event->type == YAML_MAPPING_START_EVENT ? YAML_MAP : YAML_LIST;
        if (depth >= CONF_DEPTH_MAX) {
            fail_mark(r, event->start_mark, "nested too deeply");
            break;
        }
        read_children(r, node, depth + 1);
        break;
    default:
        fail_mark(r, event->start_mark, "not readable as YAML");
    }
}

/* A map's key was read: true if the entry is to be read on. */
static bool read_key(struct reader *r, const yaml_event_t *event, struct yaml_node *child)
{
    if (event->type != YAML_SCALAR_EVENT) {
        fail_mark(r, event->start_mark, "a key must be a text");
        return false;
    }
    if (memchr(event->data.scalar.value, 0, event->data.scalar.length)) {
        fail_mark(r, event->start_mark, "a key must not contain a NUL");
        return false;
    }
    child->key = copy_scalar(r, event);
    child->key_line = (unsigned)event->start_mark.line + 1;
    return !r->error;
}

static bool read_children(struct reader *r, struct yaml_node *node, unsigned depth)
{
    yaml_event_t event;
    while (next_event(r, &event)) {
        if (event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            return true;
        }
        struct yaml_node *child = add_child(r, node);
        if (child && node->kind == YAML_MAP) {
            bool have_key = read_key(r, &event, child);
            yaml_event_delete(&event);
            if (!have_key || !next_event(r, &event)) {
                return false;
            }
        }
        if (child) {
            read_value(r, &event, child, depth);
        }
        yaml_event_delete(&event);
    }
    return false;
}

/* The stream's events around the one document. */
static void read_stream(struct reader *r, struct yaml_node *root)
{
    yaml_event_t event;
    bool document = false, value = false, end = false;
    while (!end && next_event(r, &event)) {
        switch (event.type) {
        case YAML_STREAM_END_EVENT:
            end = true;
            break;
        case YAML_DOCUMENT_START_EVENT:
            if (document) {
                fail_mark(r, event.start_mark, "a second document: only one is read");
            }
            document = true;
            break;
        case YAML_STREAM_START_EVENT:
        case YAML_DOCUMENT_END_EVENT:
            break;
        default:
            if (!value) { /* libyaml lets only one through */
                read_value(r, &event, root, 0);
            }
            value = true;
        }
        yaml_event_delete(&event);
    }
    if (r->error || !value || root->kind == YAML_MAP) {
        return;
    }
    if (yaml_is_null(root)) {
        yaml_node_finish(root); /* a file of comments alone, or of a bare --- */
        return;
    }
    fail_at(r, root->line, 1, "sections (name: …) are expected here");
}

int yaml_parse(const char *text, size_t len, struct yaml_node *ret_root, char **ret_message)
{
    struct reader r = {.text = text, .len = len};
    struct yaml_node root = {.kind = YAML_MAP};
    if (len > CONF_FILE_MAX) {
        fail_at(&r, 1, 1, "the file is larger than 1 MiB");
    } else if (!yaml_parser_initialize(&r.parser)) {
        r.error = -ENOMEM;
    } else {
        yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
        read_stream(&r, &root);
        yaml_parser_delete(&r.parser);
    }
    if (r.error) {
        yaml_node_finish(&root);
        if (r.error == -EINVAL) {
            *ret_message = r.message;
        }
        return r.error;
    }
    *ret_root = root;
    return 0;
}
