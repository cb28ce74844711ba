/*
 * store: answers rendered once and shared by all who ask: bodies by key (path and query). Pure.
 *
 * A body counts as long as the revision is the one it was rendered at and it is at most STORE_MAX_AGE_MS old;
 * the store holds at most STORE_ENTRIES bodies and STORE_BYTES bytes, and lets go of the least recently used
 * first; store_expire lets go of those that no longer count.
 */
#ifndef STORE_H
#define STORE_H

#include "api.h"

#define STORE_ENTRIES    64
#define STORE_BYTES      ((size_t)32 * 1024 * 1024)
#define STORE_MAX_AGE_MS 1000

struct store_entry {
    char *key; /* owned; NULL = free slot */
    uint64_t revision;
    int64_t rendered_mono_ms;
    uint64_t used; /* tick of the last use */
    struct body *body;
};

struct store {
    struct store_entry entries[STORE_ENTRIES];
    size_t bytes;
    uint64_t tick;
};

/* A body that still counts, with a reference for the caller, or NULL. */
struct body *store_get(struct store *store, const char *key, uint64_t revision, int64_t now_mono_ms);
/* Keeps a reference of its own; without memory, or for a body beyond STORE_BYTES, it keeps nothing. */
void store_put(struct store *store, const char *key, uint64_t revision, int64_t now_mono_ms,
               struct body *body);
/* Lets go of bodies that can never count again; true while others are kept. */
bool store_expire(struct store *store, uint64_t revision, int64_t now_mono_ms);
void store_finish(struct store *store);

#endif
