/*
 * timestamp: the time formats that Smollama nodes use, to and from Unix milliseconds. Pure.
 *
 * Sources: RFC 3339; Python's datetime.isoformat() (naive local time, 0 or 6 fraction digits, or with
 * offset); SQLite's CURRENT_TIMESTAMP ("YYYY-MM-DD HH:MM:SS", UTC); RFC 9110 IMF-fixdate.
 */
#ifndef TIMESTAMP_H
#define TIMESTAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMESTAMP_NONE           INT64_MIN /* no time known */
#define TIMESTAMP_OFFSET_UNKNOWN INT32_MIN
#define TIMESTAMP_OFFSET_MAX     (14 * 3600) /* seconds; no zone is further from UTC, east or west */
#define TIMESTAMP_SIZE           32          /* enough for timestamp_format, NUL included */

/*
 * Parses "YYYY-MM-DD[T ]HH:MM:SS[.fraction][Z|±HH:MM|±HHMM]". A time without zone is local time at `offset_s`
 * seconds east of UTC. Fractions of any length are cut to milliseconds. Years 1970–9999, leap second 60 is
 * taken as 59.999. Returns TIMESTAMP_NONE for anything else, or when the zone is missing and `offset_s` is
 * TIMESTAMP_OFFSET_UNKNOWN.
 */
int64_t timestamp_parse(const char *text, size_t len, int32_t offset_s);
/* True if the text is a time of the above form that names no zone. */
bool timestamp_is_naive(const char *text, size_t len);
/* "Mon, 23 Nov 2026 07:56:41 GMT" → ms, else TIMESTAMP_NONE. */
int64_t timestamp_parse_http(const char *text, size_t len);
/* Seconds since the epoch as JSON writes them (1795420274.2374842) → ms, else TIMESTAMP_NONE. */
int64_t timestamp_from_epoch(double seconds);
/* RFC 3339 with milliseconds and Z. TIMESTAMP_NONE or out of range writes "-". Returns `buffer`. */
const char *timestamp_format(int64_t wall_ms, char buffer[TIMESTAMP_SIZE]);
/* A duration for people: "8 s", "5 min", "3 h", "2 days". Returns `buffer`. */
const char *timestamp_format_age(int64_t age_ms, char buffer[TIMESTAMP_SIZE]);

#endif
