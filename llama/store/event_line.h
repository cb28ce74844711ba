/*
 * event_line: events as lines of a file, and back. Pure.
 *
 *     {"llamad":"events","v":1,"crc":…}
 *     {"id":7,"at":"2026-…Z","node":"kitchen","from":"online","to":"stale","cause":"late","reason":"…","crc":…}
 *
 * `node` is null for the whole cluster. Ids rise; one is missing only where a line was lost.
 *
 * A second file names the last id, so that none is given twice when the first one is lost:
 *
 *     {"llamad":"last event","v":1,"crc":…}
 *     {"id":7,"crc":…}
 */
#ifndef EVENT_LINE_H
#define EVENT_LINE_H

#include "buf.h"
#include "events.h"

/* Bytes of a line at most: names and reasons may need escapes. */
#define EVENT_LINE_MAX 4096

void event_line_header(struct buf *out);
void event_line_write(struct buf *out, const struct event *event);

struct event_lines {      /* embedded; start zeroed */
    struct event *events; /* owned; oldest first, ids rise */
    size_t count;
    size_t lines;      /* good ones, the header included */
    size_t whole_len;  /* bytes up to the end of the last line that ends */
    bool torn;         /* more bytes follow: a line that was not finished */
    size_t bad;        /* lines that are not ours, wrong, or out of order, */
    size_t bad_offset; /* the first of them */
};
/* 0, -EBADMSG (not a file of events of this version: nothing is taken) or -ENOMEM. */
int event_lines_read(const char *text, size_t len, struct event_lines *ret_lines);
void event_lines_finish(struct event_lines *lines);

#define EVENT_ID_TEXT_MAX 256
void event_id_write(struct buf *out, uint64_t id);
/* 0 or -EBADMSG. */
int event_id_read(const char *text, size_t len, uint64_t *ret_id);

#endif
