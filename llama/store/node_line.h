/*
 * node_line: what was last known of polled and edge nodes as lines of a file, and back. Pure.
 *
 *     {"llamad":"nodes","v":1,"crc":…}
 *     {"node":"kitchen","found":["manual"],"type":"alpaca","agent":false,"answered":true,"edge_interval_ms":0,
 *      "utc_offset_s":3600,"seen":"2026-…Z","mdns_url":"","crc":…}
 *     {"node":"kitchen","kind":"readings","origin":"poll","captured_at":"…","received_at":"…","body":{…},"crc":…}
 *     {"end":true,"lines":3,"crc":…}
 *
 * What agents said is not among it: the broker gives that back. A body's items are the node's own bytes;
 * those that a master re-exports stand in the master's body, as it sent them.
 */
#ifndef NODE_LINE_H
#define NODE_LINE_H

#include "buf.h"
#include "cache.h"

/* What a file would hold now; two equal numbers mean the same content. */
uint64_t node_lines_mark(const struct cache *cache);

struct node_writer {               /* embedded; start zeroed */
    char after[NODE_NAME_MAX + 1]; /* the last node looked at */
    size_t lines;
    size_t left_out; /* nodes for which there was no room in `limit` */
};
/* Appends nodes until `out` has grown by `slice` bytes, and the first and the last line where they belong.
 * True when all is written. Nodes may come and go between two calls. `limit` is for the whole text. */
bool node_lines_write(struct node_writer *writer, const struct cache *cache, struct now now, size_t slice,
                      size_t limit, struct buf *out);

struct node_lines { /* what was found */
    size_t nodes;   /* taken */
    size_t bad;     /* lines that are not ours, wrong, or refused by the cache; or the last one is missing */
    size_t bad_offset; /* the first of them */
    bool wrong_version;
};
/* Restores all that is good in the text. `url_allowed`: may a URL from mDNS be polled as far as its text
 * tells? */
struct node_lines node_lines_read(const char *text, size_t len, struct cache *cache, struct now now,
                                  bool (*url_allowed)(void *user, const char *url), void *user);

#endif
