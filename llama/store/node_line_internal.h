/*
 * node_line_internal: what writing and reading share.
 */
#ifndef NODE_LINE_INTERNAL_H
#define NODE_LINE_INTERNAL_H

#include "node_line.h"

#define NODE_LINE_CONTENT "nodes"
#define NODE_LINE_VERSION 1

/* discovered_by of a node, but for what a master or nobody tells. */
#define FOUND_NAMES 4
struct found_name {
    unsigned bit;
    const char *name;
};
extern const struct found_name found_names[FOUND_NAMES];

#endif
