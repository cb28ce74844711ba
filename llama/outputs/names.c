#include "names.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static size_t bucket_of(const char *name)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *name; name++) {
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    }
    return hash % NAMES_BUCKETS;
}

struct names_entry *names_find(const struct names *names, const char *name)
{
    struct names_entry *entry = names->buckets[bucket_of(name)];
    while (entry && strcmp(entry->name, name) != 0) {
        entry = entry->next;
    }
    return entry;
}

struct names_entry *names_add(struct names *names, const char *name, size_t size)
{
    size_t len = strlen(name);
    struct names_entry *entry = names_find(names, name);
    assert(len <= NODE_NAME_MAX && size >= sizeof *entry);
    if (entry || !(entry = calloc(1, size))) {
        return entry;
    }
    memcpy(entry->name, name, len + 1);
    struct names_entry **bucket = &names->buckets[bucket_of(name)];
    entry->next = *bucket;
    *bucket = entry;
    names->count++;
    return entry;
}

void names_remove(struct names *names, struct names_entry *entry)
{
    struct names_entry **place = &names->buckets[bucket_of(entry->name)];
    assert(!entry->listed);
    while (*place != entry) {
        place = &(*place)->next;
    }
    *place = entry->next;
    names->count--;
    free(entry);
}

struct names_entry *names_next(const struct names *names, const struct names_entry *after)
{
    if (after && after->next) {
        return after->next;
    }
    for (size_t i = after ? bucket_of(after->name) + 1 : 0; i < NAMES_BUCKETS; i++) {
        if (names->buckets[i]) {
            return names->buckets[i];
        }
    }
    return NULL;
}

void names_finish(struct names *names)
{
    for (size_t i = 0; i < NAMES_BUCKETS; i++) {
        for (struct names_entry *entry = names->buckets[i], *next; entry; entry = next) {
            next = entry->next;
            free(entry);
        }
    }
    *names = (struct names){0};
}

void names_put(struct names_list *list, struct names_entry *entry)
{
    assert(!entry->listed);
    entry->after = NULL;
    entry->listed = true;
    if (list->last) {
        list->last->after = entry;
    } else {
        list->first = entry;
    }
    list->last = entry;
    list->count++;
}

struct names_entry *names_take(struct names_list *list)
{
    struct names_entry *entry = list->first;
    list->first = entry->after;
    if (!list->first) {
        list->last = NULL;
    }
    list->count--;
    entry->listed = false;
    return entry;
}
