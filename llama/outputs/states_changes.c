#include "states_internal.h"

#include <string.h>

const struct node *states_node_of(const struct states *states, const struct record *record)
{
    const char *name = record->entry.name;
    const struct node *node = cache_get(states->cache, name, strlen(name));
    return node && strcmp(node->name, name) == 0 ? node : NULL; /* not one that has it for an alias */
}

void states_mark(struct states *states, struct record *record)
{
    record->dirty = true;
    if (!record->entry.listed) {
        names_put(&states->ready, &record->entry);
    }
}

static void mark_node(struct states *states, const struct node *node)
{
    struct record *record = (struct record *)names_add(&states->names, node->name, sizeof *record);
    if (record) { /* else it comes with its next change */
        record->gone = record->orphan = false;
        states_mark(states, record);
    }
}

void states_mark_gone(struct states *states, struct record *record)
{
    if (!record->gone) {
        record->gone = true;
        states_mark(states, record);
        if (states->watch.gone) {
            states->watch.gone(states->watch.user, record->entry.name);
        }
    }
}

void states_mark_all(struct states *states)
{
    for (const struct node *node = cache_first_node(states->cache); node; node = node->next) {
        mark_node(states, node);
    }
    for (struct names_entry *e = names_next(&states->names, NULL); e; e = names_next(&states->names, e)) {
        struct record *record = (struct record *)e;
        if (!record->orphan && !states_node_of(states, record)) {
            states_mark_gone(states, record);
        }
    }
}

static void mark_items(struct states *states, enum item_kind kind)
{
    const struct node *last = NULL;
    for (const struct item *item = cache_newest_item(states->cache, kind);
         item && item->revision > states->seen; item = item->older) {
        if (item->node != last) {
            last = item->node;
            mark_node(states, last);
        }
    }
}

static void mark_removed(struct states *states)
{
    for (const struct tombstone *stone = cache_newest_tombstone(states->cache);
         stone && stone->revision > states->seen; stone = cache_older_tombstone(states->cache, stone)) {
        struct record *record = (struct record *)names_find(&states->names, stone->node);
        if (record && states_node_of(states, record)) {
            states_mark(states, record);
        } else if (record) {
            states_mark_gone(states, record);
        }
    }
}

void states_walk(struct states *states, int64_t now_ms)
{
    states->walked_ms = now_ms;
    if (states->seen == cache_revision(states->cache)) {
        return;
    }
    if (states->seen < cache_delta_floor(states->cache)) {
        states_mark_all(states);
    } else {
        mark_removed(states);
        for (const struct node *node = cache_newest_node(states->cache);
             node && node->revision > states->seen; node = node->older) {
            mark_node(states, node);
        }
        mark_items(states, ITEM_READING);
        mark_items(states, ITEM_OBSERVATION);
    }
    states->seen = cache_revision(states->cache);
}
