/*
 * A body becomes items: one pass over the array, in which each element is matched with what the node had
 * before.
 *
 * Mostly a body has the same items in the same order as the last one: then the item under the cursor is the
 * one. Else a hash table finds it, which is made for the pass and only when it is needed. What the pass did
 * not see is removed.
 */
#include "cache_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SMALL_GROUP 8 /* up to here a walk is as fast as a table */

static const struct {
    enum report_kind report;
    uint32_t limit;
} kinds[ITEM_KINDS] = {
    [ITEM_READING] = {REPORT_READINGS, LIMIT_READINGS},
    [ITEM_OBSERVATION] = {REPORT_OBSERVATIONS, LIMIT_OBSERVATIONS},
    [ITEM_MEMORY] = {REPORT_MEMORIES, LIMIT_MEMORIES},
};

/* ---- groups and slots ---- */

struct group *group_begin(struct pass *pass, struct entry *entry, const char *name)
{
    struct group *group = &pass->groups[pass->group_count++];
    *group = (struct group){.entry = entry, .ordered = true, .newest_ms = TIMESTAMP_NONE};
    memcpy(group->name, name, strlen(name) + 1);
    group->cursor = entry ? entry->node.items[pass->kind] : NULL;
    return group;
}

static bool grow_slots(struct cache *cache)
{
    size_t cap = cache->slot_cap ? 2 * cache->slot_cap : 64;
    struct slot *slots = realloc(cache->slots, cap * sizeof *slots);
    if (!slots) {
        return false;
    }
    cache->slots = slots;
    cache->slot_cap = cap;
    return true;
}

/* Cuts the array into slots, so that one that is too long changes nothing. */
static int collect(struct pass *pass, struct json_slice body, uint32_t *ret_count)
{
    const char *name = report_kind_name(kinds[pass->kind].report);
    struct json_slice array = json_member(body, name);
    if (json_type(array) != JSON_ARRAY) {
        cache_fault(pass->cache, pass->speaker, pass->fault, REJECT_BAD_BODY, "%s: %s", name,
                    array.data ? "not an array" : "missing");
        return -EBADMSG;
    }
    uint32_t count = 0;
    for (struct json_iter it = json_iter(array); json_next(&it); count++) {
        if (count == kinds[pass->kind].limit) {
            cache_fault(pass->cache, pass->speaker, pass->fault, REJECT_TOO_MANY, "%s: more than %u items",
                        name, kinds[pass->kind].limit);
            return -EBADMSG;
        }
        if (count == pass->cache->slot_cap && !grow_slots(pass->cache)) {
            return -ENOMEM;
        }
        pass->cache->slots[count] = (struct slot){.slice = it.value};
    }
    *ret_count = count;
    return 0;
}

/* ---- the table of a pass ---- */

static void lookup_put(struct pass *pass, struct item *item)
{
    struct cache *cache = pass->cache;
    size_t i = item->hash & (cache->lookup_cap - 1);
    while (cache->lookup[i]) {
        i = (i + 1) & (cache->lookup_cap - 1);
    }
    cache->lookup[i] = item;
    pass->lookup_count++;
}

/* Room for `more` items at half load. What is in the table already stays. */
static bool lookup_reserve(struct pass *pass, size_t more)
{
    struct cache *cache = pass->cache;
    size_t needed = 2 * (pass->lookup_count + more);
    if (needed <= cache->lookup_cap) {
        if (pass->lookup_count == 0) {
            memset(cache->lookup, 0, cache->lookup_cap * sizeof(struct item *));
        }
        return true;
    }
    size_t old_cap = cache->lookup_cap, cap = old_cap ? old_cap : 64;
    while (cap < needed) {
        cap *= 2;
    }
    struct item **table = calloc(cap, sizeof(struct item *)), **old = cache->lookup;
    if (!table) {
        return false;
    }
    size_t old_count = pass->lookup_count;
    cache->lookup = table;
    cache->lookup_cap = cap;
    pass->lookup_count = 0;
    for (size_t i = 0; old_count > 0 && i < old_cap; i++) {
        if (old[i]) {
            lookup_put(pass, old[i]);
        }
    }
    free(old);
    return true;
}

/* The items of the last body, and those that this one has added so far. */
static bool lookup_fill(struct pass *pass, struct group *group)
{
    if (!lookup_reserve(pass, group->entry->node.item_count[pass->kind] + group->added + 1)) {
        return false;
    }
    for (struct item *item = group->entry->node.items[pass->kind]; item; item = item->next) {
        lookup_put(pass, item);
    }
    for (uint32_t at = group->head; at; at = pass->cache->slots[at - 1].next_group) {
        struct item *item = pass->cache->slots[at - 1].item;
        if (item->revision == 0) {
            lookup_put(pass, item);
        }
    }
    group->in_lookup = true;
    return true;
}

static struct item *lookup_get(struct pass *pass, struct group *group, uint32_t hash, const char *id,
                               size_t len)
{
    struct cache *cache = pass->cache;
    for (size_t i = hash & (cache->lookup_cap - 1); cache->lookup[i]; i = (i + 1) & (cache->lookup_cap - 1)) {
        struct item *item = cache->lookup[i];
        if (item->node == &group->entry->node && item_is(item, hash, id, len)) {
            return item;
        }
    }
    return NULL;
}

static struct item *walk(struct pass *pass, struct group *group, uint32_t hash, const char *id, size_t len)
{
    for (struct item *item = group->entry->node.items[pass->kind]; item; item = item->next) {
        if (item_is(item, hash, id, len)) {
            return item;
        }
    }
    for (uint32_t at = group->head; at; at = pass->cache->slots[at - 1].next_group) {
        struct item *item = pass->cache->slots[at - 1].item;
        if (item_is(item, hash, id, len)) {
            return item;
        }
    }
    return NULL;
}

static struct item *find_item(struct pass *pass, struct group *group, uint32_t hash,
                              const struct parsed *parsed)
{
    if (group->cursor && item_is(group->cursor, hash, parsed->key, parsed->key_len)) {
        return group->cursor;
    }
    if (!group->in_lookup && (group->entry->node.item_count[pass->kind] + group->added <= SMALL_GROUP ||
                              !lookup_fill(pass, group))) {
        return walk(pass, group, hash, parsed->key, parsed->key_len);
    }
    return lookup_get(pass, group, hash, parsed->key, parsed->key_len);
}

/* ---- one element ---- */

/* The element at `slot` is `item`: takes its place in the group's order. */
static void place(struct pass *pass, struct group *group, struct slot *slot, struct item *item)
{
    if (item == group->cursor) {
        group->cursor = item->next;
    } else {
        group->ordered = false;
        if (item->revision != 0) {
            group->cursor = item->next;
        }
    }
    if (item->mark == pass->cache->mark) {
        return; /* repeated: it has its place */
    }
    item->mark = pass->cache->mark;
    slot->item = item;
    uint32_t at = (uint32_t)(slot - pass->cache->slots) + 1;
    if (group->tail) {
        pass->cache->slots[group->tail - 1].next_group = at;
    } else {
        group->head = at;
    }
    group->tail = at;
    group->count++;
}

static struct item *add_item(struct pass *pass, struct group *group, uint32_t hash,
                             const struct parsed *parsed)
{
    if (group->in_lookup && !lookup_reserve(pass, 1)) {
        return NULL;
    }
    struct item *item = item_create(pass->kind, hash, parsed->key, parsed->key_len);
    if (!item) {
        return NULL;
    }
    item->node = &group->entry->node;
    return item;
}

/* Is it what stands under the cursor, but for its time at most? Then nothing else needs to be read. */
static bool is_known(struct pass *pass, const struct group *own, struct json_slice slice)
{
    struct item *item = own->cursor;
    if (!item || item->json_len != slice.len ||
        pass->speaker->body_offset_s[pass->kind] != pass->source->utc_offset_s) {
        return false;
    }
    return memcmp(item->json, slice.data, slice.len) == 0 ||
           item_retime(item, slice, pass->source->utc_offset_s);
}

static struct item *find_or_add(struct pass *pass, struct group *group, const struct parsed *parsed)
{
    uint32_t hash = item_hash(parsed->key, parsed->key_len);
    struct item *item = find_item(pass, group, hash, parsed);
    return item ? item : add_item(pass, group, hash, parsed);
}

static void note_newest(struct group *group, int64_t at_ms)
{
    if (at_ms != TIMESTAMP_NONE && (group->newest_ms == TIMESTAMP_NONE || at_ms > group->newest_ms)) {
        group->newest_ms = at_ms;
    }
}

/* When did the reading hold its value? Its own time, seen from that of the body it came in: what is wrong
 * with the node's clock is wrong with both. Where that cannot be told, the time of the body. */
static int64_t sample_time(const struct pass *pass, const struct item *item)
{
    const struct source *source = pass->source;
    const struct node *node = &pass->speaker->node;
    if (item->at_ms == TIMESTAMP_NONE || source->captured_wall_ms == TIMESTAMP_NONE) {
        return source->captured_mono_ms;
    }
    int64_t age_ms = source->captured_wall_ms - item->at_ms;
    if (source->origin == ORIGIN_POLL) { /* captured by our clock */
        age_ms = node->has_clock_skew ? age_ms + node->clock_skew_ms : 0;
    }
    bool plausible = age_ms >= 0 && age_ms <= HISTORY_SPAN_MS;
    return source->captured_mono_ms - (plausible ? age_ms : 0);
}

/* A reading came. One whose own time has not moved is the same sample, however often it is reported. */
static void note_sample(struct pass *pass, struct item *item, int64_t at_before_ms, bool changed)
{
    bool moved = changed || item->at_ms != at_before_ms || item->at_ms == TIMESTAMP_NONE;
    bool dated = pass->source->captured_mono_ms != 0; /* else kept, and nobody knows for how long */
    if (pass->kind == ITEM_READING && moved && dated) {
        history_add(&item->history, &pass->cache->history, sample_time(pass, item), item->number,
                    pass->now.mono_ms);
    }
}

/* Since when does it tell this time? Read with another UTC offset than before (`shift_ms`), the same time
 * looks as if it had moved by that much. */
static void note_moved(const struct pass *pass, struct item *item, int64_t at_before_ms, int64_t shift_ms)
{
    bool same = item->at_ms != TIMESTAMP_NONE && at_before_ms != TIMESTAMP_NONE &&
                (item->at_ms == at_before_ms || item->at_ms - at_before_ms == shift_ms);
    if (!same || item->moved_ms == 0) {
        item->moved_ms = pass->source->captured_mono_ms;
    }
}

static int64_t shift_of(int32_t offset_before_s, int32_t offset_s)
{
    bool known = offset_before_s != TIMESTAMP_OFFSET_UNKNOWN && offset_s != TIMESTAMP_OFFSET_UNKNOWN;
    return known ? ((int64_t)offset_before_s - offset_s) * 1000 : 0;
}

static void take_parsed(struct pass *pass, struct slot *slot, struct parsed *parsed)
{
    struct group *group = pass->kind == ITEM_READING ? export_attribute(pass, parsed) : &pass->groups[0];
    struct item *item = group ? find_or_add(pass, group, parsed) : NULL;
    if (!item) {
        pass->out_of_memory = pass->out_of_memory || group;
        return;
    }
    bool times_anew = group->entry->body_offset_s[pass->kind] != pass->source->utc_offset_s;
    int32_t offset_s = pass->kind == ITEM_MEMORY ? 0 : pass->source->utc_offset_s; /* created_at is UTC */
    int64_t at_before_ms = item->at_ms;
    int stored = item_store(item, parsed, offset_s, times_anew);
    pass->out_of_memory = pass->out_of_memory || stored < 0;
    if (!item->json) {
        item_free(item); /* a new one that found no room */
        return;
    }
    bool is_new = item->revision == 0 && item->mark != pass->cache->mark;
    place(pass, group, slot, item);
    if (is_new) {
        group->added++;
        if (group->in_lookup) {
            lookup_put(pass, item);
        }
    } else if (stored > 0 && item->revision != 0) {
        cache_touch_item(pass->cache, item);
    }
    note_newest(group, item->at_ms);
    note_moved(pass, item, at_before_ms, shift_of(group->entry->body_offset_s[pass->kind], offset_s));
    note_sample(pass, item, at_before_ms, stored > 0);
}

/* Histories are far away in memory by now: those that come next may come nearer while this item is read. */
static void look_ahead(const struct item *next)
{
    if (next) {
        history_expect(next->history);
    }
    if (next && next->next) {
        __builtin_prefetch(next->next->history);
    }
}

static void take(struct pass *pass, uint32_t i)
{
    struct slot *slot = &pass->cache->slots[i];
    struct group *own = &pass->groups[0];
    struct item *next = own->cursor;
    int64_t at_before_ms = next ? next->at_ms : TIMESTAMP_NONE;
    look_ahead(next);
    if (next && is_known(pass, own, slot->slice)) {
        place(pass, own, slot, next);
        note_moved(pass, next, at_before_ms, 0);
        note_sample(pass, next, at_before_ms, false);
        return;
    }
    struct parsed parsed;
    const char *why = "";
    enum reject reject = item_parse(pass->kind, slot->slice, &parsed, &why);
    if (reject != REJECT_NONE) {
        cache_fault(pass->cache, pass->speaker, pass->fault, reject, "%s[%u]%s",
                    report_kind_name(kinds[pass->kind].report), i, why);
        return;
    }
    take_parsed(pass, slot, &parsed);
}

/* ---- the end of a pass ---- */

static void remove_item(struct cache *cache, struct item *item)
{
    cache_bury(cache, item->node, item);
    cache_unlink_item(cache, item);
    cache->item_count[item->kind]--;
    history_free(item->history, &cache->history);
    item_free(item);
}

/* Gives the node exactly what the pass saw, in its order. */
static void finish_group(struct pass *pass, struct group *group)
{
    struct cache *cache = pass->cache;
    struct node *node = &group->entry->node;
    group->entry->body_offset_s[pass->kind] = pass->source->utc_offset_s;
    if (group->ordered && !group->cursor && group->added == 0) {
        return; /* the same items in the same order */
    }
    for (struct item *item = node->items[pass->kind], *next; item; item = next) {
        next = item->next;
        if (item->mark != cache->mark) {
            remove_item(cache, item);
        }
    }
    struct item **at = &node->items[pass->kind];
    for (uint32_t i = group->head; i; i = cache->slots[i - 1].next_group) {
        struct item *item = cache->slots[i - 1].item;
        if (item->revision == 0) {
            cache->item_count[pass->kind]++;
            cache_touch_item(cache, item);
        }
        *at = item;
        at = &item->next;
    }
    *at = NULL;
    node->item_count[pass->kind] = group->count;
}

int cache_replace_items(struct cache *cache, struct entry *entry, enum item_kind kind, struct json_slice body,
                        const struct source *source, struct now now, struct fault *ret_fault)
{
    struct pass pass;
    pass.cache = cache;
    pass.speaker = entry;
    pass.source = source;
    pass.now = now;
    pass.kind = kind;
    pass.fault = ret_fault;
    pass.out_of_memory = false;
    pass.lookup_count = 0;
    pass.group_count = 0;
    uint32_t count;
    int e = collect(&pass, body, &count);
    if (e < 0) {
        return e;
    }
    cache->mark++;
    group_begin(&pass, entry, entry->node.name);
    for (uint32_t i = 0; i < count; i++) {
        take(&pass, i);
    }
    for (size_t i = 0; i < pass.group_count; i++) {
        if (pass.groups[i].entry) {
            finish_group(&pass, &pass.groups[i]);
        }
    }
    if (kind == ITEM_READING) {
        export_finish(&pass);
    }
    return pass.out_of_memory ? -ENOMEM : 0;
}

void cache_drop_items(struct cache *cache, struct entry *entry, enum item_kind kind)
{
    for (struct item *item = entry->node.items[kind], *next; item; item = next) {
        next = item->next;
        remove_item(cache, item);
    }
    entry->node.items[kind] = NULL;
    entry->node.item_count[kind] = 0;
}
