/*
 * The nodes of the cache: finding, adding and removing them.
 */
#include "cache_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names and aliases ---- */

static bool link_is(const struct name_link *link, uint32_t hash, const char *name, size_t len)
{
    return link->hash == hash && strncmp(link->name, name, len) == 0 && link->name[len] == '\0';
}

static struct entry *find(const struct cache *cache, const char *name, size_t len)
{
    if (cache->bucket_count == 0 || len == 0 || len > NODE_NAME_MAX || memchr(name, '\0', len)) {
        return NULL;
    }
    uint32_t hash = item_hash(name, len);
    struct entry *alias = NULL;
    for (struct name_link *link = cache->buckets[hash & (cache->bucket_count - 1)]; link; link = link->next) {
        if (link_is(link, hash, name, len)) {
            if (link == &link->entry->name_link) {
                return link->entry;
            }
            alias = link->entry;
        }
    }
    return alias;
}

struct node *cache_find(struct cache *cache, const char *name, size_t len)
{
    struct entry *entry = find(cache, name, len);
    return entry ? &entry->node : NULL;
}

const struct node *cache_get(const struct cache *cache, const char *name, size_t len)
{
    struct entry *entry = find(cache, name, len);
    return entry ? &entry->node : NULL;
}

bool entry_is_called(const struct entry *entry, const char *name, size_t len)
{
    if (len == 0 || len > NODE_NAME_MAX || memchr(name, '\0', len)) {
        return false;
    }
    return (strncmp(entry->node.name, name, len) == 0 && entry->node.name[len] == '\0') ||
           (strncmp(entry->node.alias, name, len) == 0 && entry->node.alias[len] == '\0');
}

static int grow_buckets(struct cache *cache)
{
    if (cache->link_count < cache->bucket_count) {
        return 0;
    }
    size_t count = cache->bucket_count ? 2 * cache->bucket_count : 16;
    struct name_link **buckets = calloc(count, sizeof(struct name_link *));
    if (!buckets) {
        return cache->bucket_count ? 0 : -ENOMEM; /* longer chains do as well */
    }
    for (size_t i = 0; i < cache->bucket_count; i++) {
        for (struct name_link *link = cache->buckets[i], *next; link; link = next) {
            next = link->next;
            link->next = buckets[link->hash & (count - 1)];
            buckets[link->hash & (count - 1)] = link;
        }
    }
    free(cache->buckets);
    cache->buckets = buckets;
    cache->bucket_count = count;
    return 0;
}

static int link_name(struct cache *cache, struct name_link *link, struct entry *entry, const char *name)
{
    int e = grow_buckets(cache);
    if (e < 0) {
        return e;
    }
    link->entry = entry;
    link->name = name;
    link->hash = item_hash(name, strlen(name));
    struct name_link **bucket = &cache->buckets[link->hash & (cache->bucket_count - 1)];
    link->next = *bucket;
    *bucket = link;
    link->linked = true;
    cache->link_count++;
    return 0;
}

static void unlink_name(struct cache *cache, struct name_link *link)
{
    if (!link->linked) {
        return;
    }
    struct name_link **at = &cache->buckets[link->hash & (cache->bucket_count - 1)];
    while (*at != link) {
        at = &(*at)->next;
    }
    *at = link->next;
    link->linked = false;
    cache->link_count--;
}

void cache_set_alias(struct cache *cache, struct entry *entry, const char *alias)
{
    unlink_name(cache, &entry->alias_link);
    entry->node.alias[0] = '\0';
    if (alias[0]) {
        memcpy(entry->node.alias, alias, strlen(alias) + 1);
        if (link_name(cache, &entry->alias_link, entry, entry->node.alias) < 0) {
            entry->node.alias[0] = '\0';
        }
    }
}

/* ---- in the order of their names ---- */

/* Where `name` stands, or would stand. */
static size_t position_of(const struct cache *cache, const char *name)
{
    size_t low = 0, high = cache->node_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(cache->by_name[middle]->node.name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void insert_by_name(struct cache *cache, struct entry *entry)
{
    size_t at = position_of(cache, entry->node.name);
    struct entry **array = cache->by_name;
    memmove(&array[at + 1], &array[at], (cache->node_count - at) * sizeof(struct entry *));
    array[at] = entry;
    cache->node_count++;
    entry->node.next = at + 1 < cache->node_count ? &array[at + 1]->node : NULL;
    if (at > 0) {
        array[at - 1]->node.next = &entry->node;
    }
}

static void remove_by_name(struct cache *cache, struct entry *entry)
{
    size_t at = position_of(cache, entry->node.name);
    struct entry **array = cache->by_name;
    if (at > 0) {
        array[at - 1]->node.next = entry->node.next;
    }
    cache->node_count--;
    memmove(&array[at], &array[at + 1], (cache->node_count - at) * sizeof(struct entry *));
}

const struct node *cache_first_node(const struct cache *cache)
{
    return cache->node_count ? &cache->by_name[0]->node : NULL;
}

size_t cache_node_count(const struct cache *cache)
{
    return cache->node_count;
}

/* ---- adding ---- */

bool cache_set_text(char **text, const char *value)
{
    if (*text && strcmp(*text, value) == 0) {
        return true;
    }
    char *copy = value[0] ? strdup(value) : NULL;
    if (value[0] && !copy) {
        return false;
    }
    free(*text);
    *text = copy;
    return true;
}

void cache_choose_url(struct entry *entry)
{
    struct node *node = &entry->node;
    node->manual_url = entry->manual_url ? entry->manual_url : "";
    node->announced_url = entry->announced_url ? entry->announced_url : "";
    node->mdns_url = entry->mdns_url ? entry->mdns_url : "";
    if (entry->manual_url) {
        node->url = node->manual_url;
        node->evidence.has_url = true;
    } else if (node->evidence.agent.ever) {
        node->url = node->announced_url;
        node->evidence.has_url = entry->announced_url && entry->announced_allowed;
    } else { /* an agent's word is worth more than that of whoever answers mDNS, even if it names no URL */
        node->url = node->mdns_url;
        node->evidence.has_url = entry->mdns_url && entry->mdns_allowed;
    }
}

static void set_up(struct entry *entry, const char *name, size_t len, struct now now)
{
    struct node *node = &entry->node;
    memcpy(node->name, name, len);
    node->said_readings = node->said_observations = node->said_memories = -1;
    node->utc_offset_s = TIMESTAMP_OFFSET_UNKNOWN;
    node->last_seen_wall_ms = TIMESTAMP_NONE;
    node->evidence.source.since_wall_ms = TIMESTAMP_NONE;
    node->since_wall_ms = now.wall_ms;
    for (size_t i = 0; i < REPORT_KINDS; i++) {
        node->snapshots[i].captured_wall_ms = TIMESTAMP_NONE;
    }
    for (size_t i = 0; i < ITEM_KINDS; i++) {
        entry->body_offset_s[i] = TIMESTAMP_OFFSET_UNKNOWN;
    }
    entry->node.evidence.added_ms = now.mono_ms;
    entry->message_wall_ms = TIMESTAMP_NONE;
    cache_choose_url(entry);
}

static struct entry *add(struct cache *cache, const char *name, size_t len, struct now now)
{
    if (cache->node_count == cache->by_name_cap) {
        size_t cap = cache->by_name_cap ? 2 * cache->by_name_cap : 16;
        struct entry **by_name = realloc(cache->by_name, cap * sizeof(struct entry *));
        if (!by_name) {
            return NULL;
        }
        cache->by_name = by_name;
        cache->by_name_cap = cap;
    }
    struct entry *entry = calloc(1, sizeof *entry);
    if (!entry) {
        return NULL;
    }
    set_up(entry, name, len, now);
    if (link_name(cache, &entry->name_link, entry, entry->node.name) < 0) {
        free(entry);
        return NULL;
    }
    insert_by_name(cache, entry);
    cache->states[entry->node.verdict.state]++;
    cache_touch(cache, entry);
    cache_judge(cache, entry, now, true);
    return entry;
}

struct node *cache_add(struct cache *cache, const char *name, size_t len, unsigned found, struct now now,
                       struct fault *ret_fault)
{
    no_fault(ret_fault);
    struct entry *entry = find(cache, name, len);
    const char *why;
    if (!entry && !node_name_valid(name, len, &why)) {
        int shown = (int)(len < NODE_NAME_MAX ? len : NODE_NAME_MAX);
        cache_fault(cache, NULL, ret_fault, REJECT_BAD_NAME, "\"%.*s\": the name %s", shown, name, why);
        return NULL;
    }
    if (!entry && cache->node_count >= LIMIT_NODES) {
        cache_fault(cache, NULL, ret_fault, REJECT_LIMIT_NODES, "\"%.*s\": no room beyond %d nodes", (int)len,
                    name, LIMIT_NODES);
        return NULL;
    }
    if (!entry) {
        entry = add(cache, name, len, now);
    }
    if (!entry) {
        cache_fault(cache, NULL, ret_fault, REJECT_LIMIT_NODES, "\"%.*s\": out of memory", (int)len, name);
        return NULL;
    }
    if ((entry->node.found | found) != entry->node.found) {
        entry->node.found |= found;
        cache_touch(cache, entry);
    }
    return &entry->node;
}

/* The URL is another one now: what polling the last one said holds no more, a poll under way ends for nobody,
 * and the next one is due at once. */
static void leave_address(struct node *node)
{
    node->evidence.probe.outcome = PROBE_NONE;
    node->evidence.probe.pending = false;
    node->evidence.probe.failures = 0;
    node->evidence.probe.error[0] = '\0';
    node->poll_in_flight = false;
    node->next_poll_ms = 0;
}

static void follow_url(struct entry *entry, const char *before)
{
    cache_choose_url(entry);
    if (strcmp(before, entry->node.url) != 0) {
        leave_address(&entry->node);
    }
}

void cache_follow_url(struct entry *entry)
{
    follow_url(entry, entry->node.url);
}

void cache_take_announced(struct entry *entry, const char *url, bool allowed)
{
    char before[URL_MAX + 1]; /* node.url may lie in the text that is replaced */
    snprintf(before, sizeof before, "%s", entry->node.url);
    if (cache_set_text(&entry->announced_url, url)) {
        entry->announced_allowed = allowed;
        follow_url(entry, before);
    }
}

int cache_add_manual(struct cache *cache, const char *name, const char *url, struct now now)
{
    size_t len = strlen(name);
    if (!node_name_valid(name, len, NULL) || !url[0] || strlen(url) > URL_MAX) {
        return -EINVAL;
    }
    struct entry *entry = find(cache, name, len);
    if (entry && strcmp(entry->node.name, name) != 0) {
        cache_set_alias(cache, entry, ""); /* configured by that name, it is a node of its own */
        cache_touch(cache, entry);
        entry = NULL;
    }
    if (!entry && cache->node_count >= LIMIT_NODES) {
        return -ENOSPC;
    }
    if (!entry && !(entry = add(cache, name, len, now))) {
        return -ENOMEM;
    }
    bool moved = strcmp(entry->node.url, url) != 0;
    if (!cache_set_text(&entry->manual_url, url)) {
        return -ENOMEM;
    }
    entry->node.found |= FOUND_MANUAL;
    entry->node.evidence.manual = true;
    cache_choose_url(entry);
    if (moved) {
        leave_address(&entry->node);
        cache_set_text(&entry->places, "");
    }
    export_detach(entry);
    cache_touch(cache, entry);
    cache_judge(cache, entry, now, true);
    return 0;
}

/* ---- removing ---- */

static void entry_free(struct cache *cache, struct entry *entry)
{
    session_finish(cache, entry);
    for (int kind = 0; kind < ITEM_KINDS; kind++) {
        for (struct item *item = entry->node.items[kind], *next; item; item = next) {
            next = item->next;
            cache_unlink_item(cache, item);
            cache->item_count[kind]--;
            history_free(item->history, &cache->history);
            item_free(item);
        }
    }
    free(entry->node.heartbeat.labels);
    free(entry->node.stats);
    free(entry->manual_url);
    free(entry->announced_url);
    free(entry->places);
    sightings_finish(entry);
    detect_finish(entry);
    free(entry);
}

void cache_remove(struct cache *cache, struct entry *entry)
{
    export_drop_all(cache, entry);
    export_detach(entry);
    cache_bury(cache, &entry->node, NULL);
    unlink_name(cache, &entry->name_link);
    unlink_name(cache, &entry->alias_link);
    cache_unlink_node(cache, &entry->node);
    remove_by_name(cache, entry);
    cache->states[entry->node.verdict.state]--;
    entry_free(cache, entry);
}

int cache_forget(struct cache *cache, struct node *node)
{
    if (node->found & FOUND_MANUAL) {
        return -EBUSY;
    }
    cache_remove(cache, entry_of(node));
    return 0;
}

bool cache_drop_manual(struct cache *cache, const char *name, struct now now)
{
    struct entry *entry = find(cache, name, strlen(name));
    if (!entry || strcmp(entry->node.name, name) != 0 || !(entry->node.found & FOUND_MANUAL)) {
        return entry != NULL;
    }
    struct node *node = &entry->node;
    if (node->alias[0] || !(node->evidence.agent.ever || node->evidence.edge.ever || node->sightings)) {
        cache_remove(cache, entry);
        return false;
    }
    cache_set_text(&entry->manual_url, "");
    node->found &= ~FOUND_MANUAL;
    node->evidence.manual = false;
    cache_choose_url(entry);
    leave_address(node);
    cache_touch(cache, entry);
    cache_judge(cache, entry, now, true);
    return true;
}

void cache_nodes_finish(struct cache *cache)
{
    for (size_t i = 0; i < cache->node_count; i++) {
        entry_free(cache, cache->by_name[i]);
    }
    for (size_t i = 0; i < cache->tombstone_cap; i++) {
        free(cache->tombstones[i].id);
    }
    free(cache->tombstones);
    free(cache->by_name);
    free(cache->buckets);
}
