#include "store.h"

#include <stdlib.h>
#include <string.h>

static void entry_clear(struct store *store, struct store_entry *entry)
{
    if (!entry->key) {
        return;
    }
    store->bytes -= entry->body->len;
    body_unref(entry->body);
    free(entry->key);
    *entry = (struct store_entry){0};
}

static struct store_entry *find(struct store *store, const char *key)
{
    for (size_t i = 0; i < STORE_ENTRIES; i++) {
        struct store_entry *entry = &store->entries[i];
        if (entry->key && strcmp(entry->key, key) == 0) {
            return entry;
        }
    }
    return NULL;
}

/* A free slot, or else the least recently used one. */
static struct store_entry *oldest(struct store *store)
{
    struct store_entry *found = &store->entries[0];
    for (size_t i = 0; i < STORE_ENTRIES && found->key; i++) {
        struct store_entry *entry = &store->entries[i];
        if (!entry->key || entry->used < found->used) {
            found = entry;
        }
    }
    return found;
}

static struct store_entry *oldest_taken(struct store *store)
{
    struct store_entry *found = NULL;
    for (size_t i = 0; i < STORE_ENTRIES; i++) {
        struct store_entry *entry = &store->entries[i];
        if (entry->key && (!found || entry->used < found->used)) {
            found = entry;
        }
    }
    return found;
}

static bool counts(const struct store_entry *entry, uint64_t revision, int64_t now_mono_ms)
{
    return entry->revision == revision && now_mono_ms - entry->rendered_mono_ms <= STORE_MAX_AGE_MS;
}

struct body *store_get(struct store *store, const char *key, uint64_t revision, int64_t now_mono_ms)
{
    struct store_entry *entry = find(store, key);
    if (!entry) {
        return NULL;
    }
    if (!counts(entry, revision, now_mono_ms)) {
        entry_clear(store, entry); /* it can never count again */
        return NULL;
    }
    entry->used = ++store->tick;
    return body_ref(entry->body);
}

void store_put(struct store *store, const char *key, uint64_t revision, int64_t now_mono_ms,
               struct body *body)
{
    if (body->len > STORE_BYTES) {
        return;
    }
    struct store_entry *entry = find(store, key);
    if (entry) {
        entry_clear(store, entry);
    }
    while (store->bytes + body->len > STORE_BYTES) {
        entry_clear(store, oldest_taken(store));
    }
    char *copy = strdup(key);
    if (!copy) {
        return;
    }
    entry = oldest(store);
    entry_clear(store, entry);
    *entry = (struct store_entry){.key = copy,
                                  .revision = revision,
                                  .rendered_mono_ms = now_mono_ms,
                                  .used = ++store->tick,
                                  .body = body_ref(body)};
    store->bytes += body->len;
}

bool store_expire(struct store *store, uint64_t revision, int64_t now_mono_ms)
{
    bool kept = false;
    for (size_t i = 0; i < STORE_ENTRIES; i++) {
        struct store_entry *entry = &store->entries[i];
        if (entry->key && !counts(entry, revision, now_mono_ms)) {
            entry_clear(store, entry);
        }
        kept = kept || entry->key;
    }
    return kept;
}

void store_finish(struct store *store)
{
    for (size_t i = 0; i < STORE_ENTRIES; i++) {
        entry_clear(store, &store->entries[i]);
    }
}
