/*
 * auth_line: the common form of the files of users and tokens. Pure.
 *
 * One entry a line, fields divided by colons; empty lines and those that begin with # are skipped. The first
 * field is the entry's name, unique in its file.
 */
#ifndef AUTH_LINE_H
#define AUTH_LINE_H

#include "auth_scope.h"

#define AUTH_LINE_FIELDS 4
#define AUTH_ENTRIES_MAX 256 /* in one file */

struct auth_problem {
    unsigned line;    /* from 1; 0 = the file as a whole */
    const char *text; /* static */
};

struct auth_line {
    unsigned number; /* from 1 */
    size_t count;    /* of fields; more than AUTH_LINE_FIELDS only says that there are too many */
    struct {
        const char *text; /* borrowed from the file's text, not terminated */
        size_t len;
    } fields[AUTH_LINE_FIELDS];
};

/* Walks over the entries: start with *at = the text, and a zeroed line. False behind the last one. */
bool auth_line_next(const char **at, const char *end, struct auth_line *line);
/* A name: 1–64 bytes of UTF-8 without colon and control characters, not beginning with #, without space at
 * its ends. NULL if so, else what is wrong with it. */
const char *auth_name_fault(const char *name, size_t len);

#endif
