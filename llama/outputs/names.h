/*
 * names: a table of records by name, for outputs that keep something of a node beside the cache (whose nodes
 * come and go), and lists in which such records wait. Pure.
 *
 * Entries are embedded at the beginning of the record, which the table owns. A record is in one list at most.
 * Tables and lists are embedded; start with zeroed memory.
 */
#ifndef NAMES_H
#define NAMES_H

#include "topic.h"

#include <stdbool.h>
#include <stddef.h>

#define NAMES_BUCKETS 4096

struct names_entry {
    struct names_entry *next;  /* of its bucket; owner: the table */
    struct names_entry *after; /* of the list it is in; owner: that */
    bool listed;
    char name[NODE_NAME_MAX + 1];
};
struct names {
    struct names_entry *buckets[NAMES_BUCKETS];
    size_t count;
};
struct names_list { /* first in, first out */
    struct names_entry *first, *last;
    size_t count;
};

struct names_entry *names_find(const struct names *names, const char *name);
/* The record of that name, or a new one of `size` zeroed bytes; NULL without memory. `name` has at most
 * NODE_NAME_MAX bytes; copied. */
struct names_entry *names_add(struct names *names, const char *name, size_t size);
/* Frees the record; it must be in no list. */
void names_remove(struct names *names, struct names_entry *entry);
/* All, in no order; NULL begins and ends. Get the next one before removing one. */
struct names_entry *names_next(const struct names *names, const struct names_entry *after);
/* Frees all that are left, in lists or not. */
void names_finish(struct names *names);

void names_put(struct names_list *list, struct names_entry *entry); /* at the end */
struct names_entry *names_take(struct names_list *list);            /* the first; there must be one */

#endif
