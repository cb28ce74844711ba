/*
 * line: lines of a file that outlives llamad: a JSON object each, which ends with a checksum of what stands
 * before it. Pure.
 *
 *     {"id":7,…,"crc":"1f2e3d4c"}
 *
 * So a line that power loss cut, or that somebody changed, is told from a whole one. What is in a whole one
 * is untrusted all the same: anybody can compute a checksum.
 */
#ifndef LINE_H
#define LINE_H

#include "buf.h"
#include "json.h"

/* CRC-32 (IEEE 802.3, as in zip and PNG). */
uint32_t line_checksum(const char *data, size_t len);

/* What was appended since `from` is an object without its closing brace, not empty: ends it, and the line.
 * Line breaks in it, which JSON allows between its parts, become spaces. */
void line_seal(struct buf *out, size_t from);

/* Walks a text that borrows its bytes. */
struct line_reader {
    const char *text;
    size_t len, offset; /* of the next line */
};
enum line_kind {
    LINE_GOOD,
    LINE_BAD,  /* not what line_seal writes */
    LINE_TORN, /* the last one, which does not end: it was being written when the power went */
    LINE_END,
};
/* Of a good line, *ret_object is its checked JSON, nested `max_depth` deep at most. *ret_offset is where the
 * line begins. */
enum line_kind line_next(struct line_reader *reader, unsigned max_depth, struct json_slice *ret_object,
                         size_t *ret_offset);

/* The first line of a file: what is in it, and in which version. */
void line_write_header(struct buf *out, const char *content, unsigned version);
bool line_is_header(struct json_slice object, const char *content, unsigned version);

/* Members of a line. A string decoded, without a NUL in it; false if it is none or does not fit. */
bool line_text(struct json_slice value, char *buffer, size_t size);
/* A time that names its zone, or null: TIMESTAMP_NONE. */
bool line_time(struct json_slice value, int64_t *ret_wall_ms);

#endif
