/*
 * What changed when, and what was removed: lists by revision, and a ring of tombstones.
 */
#include "cache_internal.h"

#include <stdlib.h>
#include <string.h>

uint64_t cache_revision(const struct cache *cache)
{
    return cache->revision;
}

/* ---- nodes ---- */

void cache_unlink_node(struct cache *cache, struct node *node)
{
    if (node->newer) {
        node->newer->older = node->older;
    } else if (cache->newest_node == node) {
        cache->newest_node = node->older;
    }
    if (node->older) {
        node->older->newer = node->newer;
    }
    node->newer = node->older = NULL;
}

/* Every change of a node ends in cache_touch, so this is where the sums are seen to move. */
static void note_part(struct cache *cache, struct entry *entry)
{
    const struct node *node = &entry->node;
    uint32_t sources = node->item_count[ITEM_READING];
    if (entry->part.counted && entry->part.state == node->verdict.state && entry->part.sources == sources &&
        entry->part.readings == node->said_readings && entry->part.observations == node->said_observations &&
        entry->part.memories == node->said_memories) {
        return;
    }
    entry->part.counted = true;
    entry->part.state = node->verdict.state;
    entry->part.sources = sources;
    entry->part.readings = node->said_readings;
    entry->part.observations = node->said_observations;
    entry->part.memories = node->said_memories;
    cache->stats_revision = node->revision;
}

uint64_t cache_link_revision(const struct cache *cache)
{
    return cache->link_revision;
}

uint64_t cache_stats_revision(const struct cache *cache)
{
    return cache->stats_revision;
}

void cache_touch_stats(struct cache *cache, struct entry *entry)
{
    cache_touch(cache, entry);
    entry->node.stats_revision = entry->node.revision;
    cache->stats_revision = entry->node.revision;
}

void cache_touch(struct cache *cache, struct entry *entry)
{
    struct node *node = &entry->node;
    node->revision = ++cache->revision;
    note_part(cache, entry);
    if (cache->newest_node == node) {
        return;
    }
    cache_unlink_node(cache, node);
    node->older = cache->newest_node;
    if (node->older) {
        node->older->newer = node;
    }
    cache->newest_node = node;
}

const struct node *cache_newest_node(const struct cache *cache)
{
    return cache->newest_node;
}

/* ---- items ---- */

void cache_unlink_item(struct cache *cache, struct item *item)
{
    if (item->newer) {
        item->newer->older = item->older;
    } else if (cache->newest_item[item->kind] == item) {
        cache->newest_item[item->kind] = item->older;
    }
    if (item->older) {
        item->older->newer = item->newer;
    }
    item->newer = item->older = NULL;
}

void cache_touch_item(struct cache *cache, struct item *item)
{
    struct item **newest = &cache->newest_item[item->kind];
    item->revision = ++cache->revision;
    if (*newest == item) {
        return;
    }
    cache_unlink_item(cache, item);
    item->older = *newest;
    if (item->older) {
        item->older->newer = item;
    }
    *newest = item;
}

const struct item *cache_newest_item(const struct cache *cache, enum item_kind kind)
{
    return cache->newest_item[kind];
}

/* ---- tombstones ---- */

static struct tombstone *tombstone_at(const struct cache *cache, size_t i)
{
    return &cache->tombstones[(cache->tombstone_first + i) % cache->tombstone_cap];
}

/* Only ever called with `first` at 0: the ring turns only once it has its full size. */
static bool grow_tombstones(struct cache *cache)
{
    size_t cap = cache->tombstone_cap ? 2 * cache->tombstone_cap : 64;
    struct tombstone *tombstones = realloc(cache->tombstones, cap * sizeof *tombstones);
    if (!tombstones) {
        return false;
    }
    memset(tombstones + cache->tombstone_cap, 0, (cap - cache->tombstone_cap) * sizeof *tombstones);
    cache->tombstones = tombstones;
    cache->tombstone_cap = cap;
    return true;
}

/* Everybody who has not seen this revision needs a snapshot. */
static void raise_floor(struct cache *cache, uint64_t revision)
{
    if (revision > cache->floor) {
        cache->floor = revision;
    }
}

/* The place for one more, at the cost of the oldest if need be. NULL without any memory at all. */
static struct tombstone *next_tombstone(struct cache *cache)
{
    bool full = cache->tombstone_count == cache->tombstone_cap;
    bool may_grow = cache->tombstone_cap < LIMIT_TOMBSTONES && cache->tombstone_first == 0;
    if (full && may_grow && grow_tombstones(cache)) {
        full = false;
    }
    if (cache->tombstone_cap == 0) {
        return NULL;
    }
    if (full) {
        struct tombstone *oldest = tombstone_at(cache, 0);
        raise_floor(cache, oldest->revision);
        free(oldest->id);
        oldest->id = NULL;
        cache->tombstone_first = (cache->tombstone_first + 1) % cache->tombstone_cap;
        cache->tombstone_count--;
    }
    return tombstone_at(cache, cache->tombstone_count++);
}

void cache_bury(struct cache *cache, const struct node *node, const struct item *item)
{
    uint64_t revision = ++cache->revision;
    if (!item) {
        cache->stats_revision = revision;
    }
    char *id = NULL;
    if (item && (id = malloc((size_t)item->id_len + 1))) {
        memcpy(id, item->id, (size_t)item->id_len + 1);
    }
    struct tombstone *tombstone = item && !id ? NULL : next_tombstone(cache);
    if (!tombstone) {
        free(id);
        raise_floor(cache, revision); /* what can't be told as a delta takes a snapshot */
        return;
    }
    *tombstone = (struct tombstone){.revision = revision, .is_node = !item, .id = id};
    if (item) {
        tombstone->kind = item->kind;
        tombstone->id_len = item->id_len;
    }
    memcpy(tombstone->node, node->name, sizeof tombstone->node);
}

const struct tombstone *cache_newest_tombstone(const struct cache *cache)
{
    return cache->tombstone_count ? tombstone_at(cache, cache->tombstone_count - 1) : NULL;
}

const struct tombstone *cache_older_tombstone(const struct cache *cache, const struct tombstone *than)
{
    size_t at = (size_t)(than - cache->tombstones);
    size_t i = (at + cache->tombstone_cap - cache->tombstone_first) % cache->tombstone_cap;
    return i > 0 ? tombstone_at(cache, i - 1) : NULL;
}

uint64_t cache_delta_floor(const struct cache *cache)
{
    return cache->floor;
}
