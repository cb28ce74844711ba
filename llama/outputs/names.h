/*
 * names: a table of records by node name, for outputs that keep something of a node beside the cache (whose
 * nodes come and go). Pure.
 *
 * Entries are embedded at the beginning of the record and owned by whoever keeps the table. Embedded; start
 * with zeroed memory.
 */
#ifndef NAMES_H
#define NAMES_H

#include "topic.h"

#include <stdint.h>

#define NAMES_BUCKETS 4096

struct names_entry {
    struct names_entry *next; /* of its bucket; owner: the table */
    char name[NODE_NAME_MAX + 1];
};
struct names {
    struct names_entry *buckets[NAMES_BUCKETS];
    size_t count;
};

struct names_entry *names_find(const struct names *names, const char *name);
/* `name` has at most NODE_NAME_MAX bytes and is not in the table yet; copied. */
void names_add(struct names *names, struct names_entry *entry, const char *name);
void names_remove(struct names *names, struct names_entry *entry);
/* All, in no order; NULL begins and ends. Get the next one before removing one. */
struct names_entry *names_next(const struct names *names, const struct names_entry *after);

#endif
