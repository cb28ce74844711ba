#include "names.h"

#include <assert.h>
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

void names_add(struct names *names, struct names_entry *entry, const char *name)
{
    size_t len = strlen(name);
    assert(len <= NODE_NAME_MAX);
    memcpy(entry->name, name, len + 1);
    struct names_entry **bucket = &names->buckets[bucket_of(name)];
    entry->next = *bucket;
    *bucket = entry;
    names->count++;
}

void names_remove(struct names *names, struct names_entry *entry)
{
    struct names_entry **place = &names->buckets[bucket_of(entry->name)];
    while (*place != entry) {
        place = &(*place)->next;
    }
    *place = entry->next;
    names->count--;
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
