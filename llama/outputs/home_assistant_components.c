#include "home_assistant_components.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void ha_components_finish(struct ha_components *components)
{
    free(components->list);
    *components = (struct ha_components){0};
}

struct ha_component *ha_components_add(struct ha_components *components, const char *key, enum ha_kind kind,
                                       bool removed)
{
    if (components->count == components->cap) {
        size_t cap = components->cap ? 2 * components->cap : 32;
        struct ha_component *list = realloc(components->list, cap * sizeof *list);
        if (!list) {
            return NULL;
        }
        components->list = list;
        components->cap = cap;
    }
    struct ha_component *component = &components->list[components->count++];
    *component = (struct ha_component){.kind = kind, .removed = removed};
    memcpy(component->key, key, strnlen(key, sizeof component->key - 1));
    return component;
}

static int by_key(const void *a, const void *b)
{
    const struct ha_component *x = a, *y = b;
    return strcmp(x->key, y->key);
}

void ha_components_sort(struct ha_components *components)
{
    if (components->count > 0) {
        qsort(components->list, components->count, sizeof *components->list, by_key);
    }
}

const struct ha_component *ha_components_find(const struct ha_components *components, const char *key)
{
    struct ha_component wanted = {.kind = HA_NONE};
    memcpy(wanted.key, key, strnlen(key, sizeof wanted.key - 1));
    return components->count ? bsearch(&wanted, components->list, components->count, sizeof wanted, by_key)
                             : NULL;
}

static int read_list(struct json_slice list, struct ha_components *components)
{
    for (struct json_iter it = json_iter(list); json_next(&it);) {
        char key[HA_KEY_SIZE];
        bool binary = json_string_is(json_member(it.value, "platform"), "binary_sensor");
        bool number = json_member(it.value, "state_class").data != NULL;
        enum ha_kind kind = binary ? HA_BINARY : number ? HA_NUMBER : HA_TEXT;
        if (json_string(it.key, key, sizeof key, NULL) != 0) {
            continue;
        }
        if (components->count == HA_COMPONENTS_MAX) {
            return -E2BIG;
        }
        if (!ha_components_add(components, key, kind, json_count(it.value) == 1)) {
            return -ENOMEM;
        }
    }
    return 0;
}

int ha_components_read(const char *payload, size_t len, struct ha_components *ret_components)
{
    if (!json_check(payload, len, JSON_MAX_DEPTH, NULL)) {
        return -EBADMSG;
    }
    struct json_slice root = json_root(payload, len);
    if (!json_string_is(json_member(json_member(root, "origin"), "name"), HA_ORIGIN)) {
        return -EPERM;
    }
    struct ha_components components = {0};
    int e = read_list(json_member(root, "components"), &components);
    if (e != 0) {
        ha_components_finish(&components);
        return e;
    }
    ha_components_sort(&components);
    *ret_components = components;
    return 0;
}
