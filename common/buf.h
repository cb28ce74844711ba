/*
 * buf: a growing byte buffer, and JSON written by hand into it.
 *
 * Failure is sticky: after an allocation fails (or `limit` is exceeded) all further calls do nothing and
 * `failed` stays true, so that writers check once, at the end. Embedded; start with BUF_INIT or zeroed
 * memory.
 */
#ifndef BUF_H
#define BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data; /* owned; not NUL-terminated unless buf_terminate was called */
    size_t len, cap;
    size_t limit; /* most bytes it may hold; 0 = no limit */
    bool failed;
};
#define BUF_INIT ((struct buf){0})

void buf_finish(struct buf *b); /* frees the bytes; `b` is empty and reusable afterwards */
void buf_reset(struct buf *b);  /* len 0, failed false, keeps the memory */
/* Room for `n` more bytes. Returns where to write them (the caller then adds to len), NULL on failure. */
char *buf_reserve(struct buf *b, size_t n);
void buf_append(struct buf *b, const void *data, size_t len);
void buf_str(struct buf *b, const char *s);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Ensures a NUL behind the last byte, not counted in len. NULL when failed. Borrowed from the buffer. */
const char *buf_terminate(struct buf *b);
/* Hands the bytes to the caller (free() them); the buffer is empty afterwards. NULL when failed. */
char *buf_take(struct buf *b, size_t *ret_len);

/* JSON: a quoted string (control characters, quote and backslash escaped; valid UTF-8 passes; bytes that are
 * not UTF-8 become U+FFFD), numbers, and separators. */
void buf_json_string(struct buf *b, const char *s, size_t len);
void buf_json_cstr(struct buf *b, const char *s_or_null); /* NULL writes null */
void buf_json_int(struct buf *b, int64_t value);
/* The shortest form that reads back; NaN and infinities write null. */
void buf_json_double(struct buf *b, double value);
void buf_json_bool(struct buf *b, bool value);
/* "2026-01-02T03:04:05.678Z"; TIMESTAMP_NONE writes null. */
void buf_json_time(struct buf *b, int64_t wall_ms);
/* `,` unless the last byte opened an object or array, or is a colon or comma; then "key":. The key is written
 * as it is: a word of ours, without anything to escape. */
void buf_json_key(struct buf *b, const char *key);
/* `,` by the same rule: before each element of an array. */
void buf_json_sep(struct buf *b);

#endif
