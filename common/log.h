/*
 * log: one line per event to stderr: time, level, text. Peer text must pass log_escape.
 *
 * Format: "2026-01-02T03:04:05.678Z warning mqtt: …". Written with one write(2) per line, so lines never
 * interleave.
 */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_level(enum log_level level); /* default info */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define log_error(...)   log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

/*
 * Peer text made safe for a log line: control characters (C0, DEL, C1), bidi and line separators, invalid
 * UTF-8 and backslashes are written as \xNN or \u{…}; cut with … when it does not fit. `size` at least 8.
 * Returns `buffer`, so that it can stand in an argument list.
 */
const char *log_escape(char *buffer, size_t size, const char *text, size_t len);
#define LOG_TEXT 160 /* a buffer of this size fits the peer text of one log line */

/* Once a minute per limiter: true if the caller should log now; *ret_suppressed is how many were swallowed
 * since. */
struct log_limit {
    int64_t next_mono_ms;
    uint64_t suppressed;
};
bool log_limit_pass(struct log_limit *limit, int64_t mono_ms, uint64_t *ret_suppressed);

#endif
