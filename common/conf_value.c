/* A node of the tree, a variable or a default, turned into a key's value. */
#include "conf_check.h"
#include "conf_internal.h"
#include "log.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Strings in one element of the key's list. */
static size_t width_of(const struct conf_key *key)
{
    return key->type == CONF_RECORDS || key->type == CONF_MAP ? 2 : 1;
}

void conf_value_finish(struct conf_value *value, const struct conf_key *key)
{
    size_t n = value->count * width_of(key);
    for (size_t i = 0; i < n; i++) {
        free(value->items[i]);
    }
    free(value->items);
    free(value->text);
    free(value->origin);
    *value = (struct conf_value){0};
}

char *conf_copy(struct conf *conf, const char *text)
{
    char *copy = strdup(text);
    if (!copy) {
        conf->no_memory = true;
    }
    return copy;
}

/* --- single values --- */

static const char *describe_choices(const struct conf_key *key, char *buffer, size_t size)
{
    size_t used = 0;
    buffer[0] = '\0';
    for (size_t i = 0; key->choices[i] && used < size; i++) {
        const char *glue = i == 0 ? "" : key->choices[i + 1] ? ", " : " or ";
        used += (size_t)snprintf(buffer + used, size - used, "%s%s", glue, key->choices[i]);
    }
    return buffer;
}

static bool read_string(struct conf_place *place, const char *text, struct conf_value *value)
{
    const struct conf_key *key = place->key;
    if (key->choices) {
        size_t i = 0;
        while (key->choices[i] && strcmp(key->choices[i], text) != 0) {
            i++;
        }
        if (!key->choices[i]) {
            char expected[128];
            conf_report_unexpected(place, describe_choices(key, expected, sizeof expected), text);
            return false;
        }
    }
    if (!conf_passes(place, key->check, NULL, text)) {
        return false;
    }
    value->text = conf_copy(place->conf, text);
    return value->text;
}

static bool read_number(struct conf_place *place, const char *text, struct conf_value *value)
{
    const struct conf_key *key = place->key;
    double number = 0;
    bool ok = key->type == CONF_INT ? conf_parse_int(text, &number) : conf_parse_duration(text, &number);
    if (ok && key->type == CONF_DURATION && number != floor(number)) {
        ok = false;
    }
    if (ok && number >= key->min && number <= key->max) {
        value->number = number;
        return true;
    }
    char expected[128];
    static const char *const kinds[] = {[CONF_INT] = "a whole number",
                                        [CONF_DURATION] = "whole seconds (or 5m, 2h, 7d)",
                                        [CONF_SECONDS] = "seconds (or 5m, 2h, 7d)"};
    snprintf(expected, sizeof expected, "%s from %.15g to %.15g", kinds[key->type], key->min, key->max);
    conf_report_unexpected(place, expected, text);
    return false;
}

static bool read_bool(struct conf_place *place, const char *text, struct conf_value *value)
{
    bool yes;
    if (!conf_parse_bool(text, &yes)) {
        conf_report_unexpected(place, "true or false", text);
        return false;
    }
    value->number = yes;
    return true;
}

static bool read_single(struct conf_place *place, const char *text, struct conf_value *value)
{
    switch (place->key->type) {
    case CONF_STRING:
        return read_string(place, text, value);
    case CONF_BOOL:
        return read_bool(place, text, value);
    default:
        return read_number(place, text, value);
    }
}

/* --- lists --- */

#define LIST_MAX 1000 /* elements; far more than a cluster has */

static bool add_item(struct conf_place *place, struct conf_value *value, const char *first,
                     const char *second)
{
    size_t width = width_of(place->key);
    if (value->count >= LIST_MAX) {
        conf_problem_add(place->conf, CONF_ERROR, place->where, "%s: more than %d elements", place->key->name,
                         LIST_MAX);
        return false;
    }
    char **items = realloc(value->items, (value->count + 1) * width * sizeof *items);
    if (!items) {
        place->conf->no_memory = true;
        return false;
    }
    value->items = items;
    assert((second != NULL) == (width == 2));
    char *a = conf_copy(place->conf, first);
    char *b = second && a ? conf_copy(place->conf, second) : NULL;
    if (!a || (second && !b)) {
        free(a);
        return false;
    }
    items[value->count * width] = a;
    if (second) {
        items[value->count * width + 1] = b;
    }
    value->count++;
    return true;
}

/* The node's text, or NULL after a report. */
static const char *text_of(struct conf_place *place, const struct yaml_node *node, const char *expected)
{
    if (node->kind == YAML_ALIAS) {
        conf_problem_add(place->conf, CONF_ERROR, place->where, "%s: aliases (*name) are not followed here",
                         place->key->name);
        return NULL;
    }
    if (node->kind != YAML_TEXT || yaml_is_null(node)) {
        conf_report_unexpected(place, expected, NULL);
        return NULL;
    }
    if (strlen(node->text) != node->text_len) {
        conf_problem_add(place->conf, CONF_ERROR, place->where, "%s: contains a NUL", place->key->name);
        return NULL;
    }
    return node->text;
}

static bool read_list(struct conf_place *place, const char *file, const struct yaml_node *node,
                      struct conf_value *value)
{
    bool ok = true;
    for (size_t i = 0; i < node->count; i++) {
        conf_place_node(place, file, node->children[i].line);
        const char *text = text_of(place, &node->children[i], "a list of texts");
        ok = text && conf_passes(place, place->key->check, NULL, text) &&
             add_item(place, value, text, NULL) && ok;
    }
    return ok;
}

/* {name: …, url: …}: each field once, none else. */
static bool read_record(struct conf_place *place, const char *file, const struct yaml_node *node,
                        struct conf_value *value)
{
    const struct conf_key *key = place->key;
    const char *fields[CONF_FIELDS_MAX] = {NULL};
    bool ok = true;
    unsigned first_line = node->line;
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *entry = &node->children[i];
        conf_place_node(place, file, entry->key_line);
        size_t f = 0;
        while (f < CONF_FIELDS_MAX && strcmp(key->fields[f].name, entry->key) != 0) {
            f++;
        }
        if (f == CONF_FIELDS_MAX) {
            char shown[LOG_TEXT];
            conf_problem_add(place->conf, CONF_ERROR, place->where,
                             "%s.%s: unknown key; the known ones are %s and %s", key->name,
                             log_escape(shown, sizeof shown, entry->key, strlen(entry->key)),
                             key->fields[0].name, key->fields[1].name);
            ok = false;
            continue;
        }
        if (fields[f]) {
            conf_problem_add(place->conf, CONF_ERROR, place->where, "%s.%s: stands twice in one element",
                             key->name, entry->key);
            ok = false;
        }
        conf_place_node(place, file, entry->line);
        const char *text = text_of(place, entry, "a list of {name: …, url: …}");
        ok = text && conf_passes(place, key->fields[f].check, key->fields[f].name, text) && ok;
        fields[f] = text ? text : "";
    }
    conf_place_node(place, file, first_line);
    for (size_t f = 0; f < CONF_FIELDS_MAX; f++) {
        if (!fields[f]) {
            conf_problem_add(place->conf, CONF_ERROR, place->where, "%s: an element without %s", key->name,
                             key->fields[f].name);
            ok = false;
        }
    }
    return ok && add_item(place, value, fields[0], fields[1]);
}

static bool read_records(struct conf_place *place, const char *file, const struct yaml_node *node,
                         struct conf_value *value)
{
    bool ok = true;
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *element = &node->children[i];
        conf_place_node(place, file, element->line);
        if (element->kind != YAML_MAP) {
            conf_report_unexpected(place, "a list of {name: …, url: …}", NULL);
            ok = false;
            continue;
        }
        size_t before = value->count;
        ok = read_record(place, file, element, value) && ok;
        for (size_t j = 0; value->count > before && j < before; j++) {
            if (strcmp(value->items[j * 2], value->items[before * 2]) == 0) {
                char shown[LOG_TEXT];
                const char *name = value->items[j * 2];
                conf_problem_add(place->conf, CONF_ERROR, place->where, "%s: a second element named \"%s\"",
                                 place->key->name, log_escape(shown, sizeof shown, name, strlen(name)));
                ok = false;
                break;
            }
        }
    }
    return ok;
}

/* Over what is there already: `base` is the value so far, from the file that the overlay lies over. */
static bool read_map(struct conf_place *place, const char *file, const struct yaml_node *node,
                     const struct conf_value *base, struct conf_value *value)
{
    bool ok = true;
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *entry = &node->children[i];
        conf_place_node(place, file, entry->line);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(node->children[j].key, entry->key) == 0) {
                char shown[LOG_TEXT];
                conf_problem_add(place->conf, CONF_ERROR, place->where, "%s: \"%s\" stands here twice",
                                 place->key->name,
                                 log_escape(shown, sizeof shown, entry->key, strlen(entry->key)));
                ok = false;
                break;
            }
        }
        const char *text = text_of(place, entry, "texts ({key: text})");
        ok = text && conf_passes(place, place->key->check, NULL, entry->key) &&
             conf_passes(place, place->key->check, NULL, text) && add_item(place, value, entry->key, text) &&
             ok;
    }
    size_t own = value->count;
    for (size_t i = 0; ok && i < base->count; i++) {
        size_t j = 0;
        while (j < own && strcmp(value->items[j * 2], base->items[i * 2]) != 0) {
            j++;
        }
        ok = j < own || add_item(place, value, base->items[i * 2], base->items[i * 2 + 1]);
    }
    return ok;
}

/* --- what conf.c calls --- */

/* Puts the finished value in place of the old one; takes its memory in any case. */
static bool settle(struct conf_place *place, struct conf_value *value, bool ok, const char *origin)
{
    struct conf_value *target = &place->conf->values[place->key - conf_keys];
    if (ok && origin) {
        value->origin = conf_copy(place->conf, origin);
        value->set = true;
        ok = value->origin;
    }
    if (!ok) {
        conf_value_finish(value, place->key);
        return false;
    }
    conf_value_finish(target, place->key);
    *target = *value;
    return true;
}

bool conf_set_node(struct conf *conf, size_t key, const char *file, const struct yaml_node *node)
{
    struct conf_place place = {.conf = conf, .key = &conf_keys[key]};
    struct conf_value value = {0};
    bool ok;
    unsigned line = node->key ? node->key_line : node->line;
    conf_place_node(&place, file, line);
    if (place.key->type == CONF_IGNORED) {
        return true;
    }
    if (yaml_is_null(node)) {
        return conf_set_default(conf, key);
    }
    if (place.key->type >= CONF_LIST &&
        node->count > LIST_MAX) { /* said once, and none of them is looked at */
        conf_problem_add(conf, CONF_ERROR, place.where, "%s: more than %d elements", place.key->name,
                         LIST_MAX);
        return false;
    }
    if (place.key->type == CONF_LIST && node->kind == YAML_LIST) {
        ok = read_list(&place, file, node, &value);
    } else if (place.key->type == CONF_RECORDS && node->kind == YAML_LIST) {
        ok = read_records(&place, file, node, &value);
    } else if (place.key->type == CONF_MAP && node->kind == YAML_MAP) {
        ok = read_map(&place, file, node, &conf->values[key], &value);
    } else {
        static const char *const kinds[] = {[CONF_STRING] = "a text",
                                            [CONF_INT] = "a whole number",
                                            [CONF_DURATION] = "a duration",
                                            [CONF_SECONDS] = "a duration",
                                            [CONF_BOOL] = "true or false",
                                            [CONF_LIST] = "a list of texts",
                                            [CONF_RECORDS] = "a list of {name: …, url: …}",
                                            [CONF_MAP] = "texts ({key: text})"};
        bool single = place.key->type < CONF_LIST;
        const char *text = NULL;
        if (single || node->kind == YAML_ALIAS) {
            text = text_of(&place, node, kinds[place.key->type]);
        } else {
            conf_report_unexpected(&place, kinds[place.key->type],
                                   node->kind == YAML_TEXT ? node->text : NULL);
        }
        ok = text && read_single(&place, text, &value);
    }
    conf_place_node(&place, file, line);
    return settle(&place, &value, ok, place.where);
}

bool conf_set_text(struct conf *conf, size_t key, const char *origin, const char *text)
{
    struct conf_place place = {.conf = conf, .key = &conf_keys[key]};
    struct conf_value value = {0};
    snprintf(place.where, sizeof place.where, "%s", origin);
    return settle(&place, &value, read_single(&place, text, &value), place.where);
}

bool conf_set_default(struct conf *conf, size_t key)
{
    struct conf_place place = {.conf = conf, .key = &conf_keys[key], .where = "default"};
    struct conf_value value = {0};
    bool ok = true;
    if (place.key->fallback && place.key->type == CONF_LIST) {
        char *copy = conf_copy(conf, place.key->fallback);
        char *rest = copy;
        char *item;
        ok = copy;
        while (ok && (item = strsep(&rest, ",")) != NULL) {
            item += strspn(item, " ");
            ok = conf_passes(&place, place.key->check, NULL, item) && add_item(&place, &value, item, NULL);
        }
        free(copy);
    } else if (place.key->fallback) {
        ok = read_single(&place, place.key->fallback, &value);
    }
    return settle(&place, &value, ok, NULL);
}
