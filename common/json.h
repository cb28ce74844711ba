/*
 * json: RFC 8259 checked strictly, read without copying.
 *
 * A JSON text from a peer is checked once by json_check(); after that it is walked as slices: pointers into
 * the peer's own bytes. So numbers keep their digits, strings keep U+0000, and storing an item is storing its
 * bytes. Small documents of fixed form (heartbeats, status) are read through cJSON with the checked getters
 * below; they are refused if they contain U+0000, which cJSON's C strings cannot carry.
 *
 * Slices borrow the text they were cut from. All functions below json_check require text that it accepted.
 */
#ifndef JSON_H
#define JSON_H

#include "utf8.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cJSON;

struct json_slice {
    const char *data; /* first byte of the value; NULL = absent */
    size_t len;       /* exactly the value, no white space around it */
};

enum json_type {
    JSON_ABSENT,
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

enum json_fault { JSON_OK, JSON_NOT_JSON, JSON_NOT_UTF8, JSON_TOO_DEEP };

struct json_error {
    enum json_fault fault;
    size_t offset;       /* byte where it was seen */
    const char *message; /* static text, e.g. "unexpected character", "truncated" */
};

#define JSON_MAX_DEPTH   32                 /* what programs pass as max_depth unless they have a reason */
#define JSON_DEPTH_LIMIT 64                 /* the most that max_depth may be */
#define JSON_EXACT_MAX   9007199254740992.0 /* 2^53: up to here a double holds every integer */

/* One value with optional white space around. Lone surrogate escapes are accepted (Python writes them) and
 * decode to U+FFFD. Depth above `max_depth` nested arrays/objects is refused. True if all is well; else
 * *ret_error (optional) says what and where. */
bool json_check(const char *text, size_t len, unsigned max_depth, struct json_error *ret_error);

/*
 * Python's json.dumps writes bare NaN, Infinity and -Infinity. Replaces each that stands where a value may
 * stand (never inside a string) by `null`, padded with spaces to the length of the word; only NaN is shorter
 * than null, so what follows it moves by one byte. `text` need not be checked. Returns a malloc'ed copy
 * (free() it; no NUL behind) with *ret_len, or NULL when nothing had to change (use the original) or memory
 * ran out (*ret_len is then SIZE_MAX).
 */
char *json_replace_nonfinite(const char *text, size_t len, size_t *ret_len);

/* The whole document, without the white space around it. */
struct json_slice json_root(const char *text, size_t len);
enum json_type json_type(struct json_slice value);

/*
 * Walking. Embedded; borrows the text.
 *     struct json_iter it = json_iter(object);
 *     while (json_next(&it)) … it.key (raw, quotes included; absent in arrays), it.value …
 */
struct json_iter {
    const char *next, *end;
    bool object;
    struct json_slice key, value;
};
struct json_iter json_iter(struct json_slice container); /* of anything but a container: no elements */
bool json_next(struct json_iter *it);
/* True if the raw key (quotes included) unescapes to `name`: "\u006eode" is node. */
bool json_key_is(struct json_slice key, const char *name);
/* The member of that name; the last one when it repeats (as Python has it); absent when there is none. */
struct json_slice json_member(struct json_slice object, const char *name);
size_t json_count(struct json_slice container);

/* Strings: decoded to UTF-8, U+0000 kept (so a length comes with it, and a NUL behind). */
/* Length after decoding, without the NUL; 0 for a non-string. */
size_t json_string_len(struct json_slice string);
/* Decodes into `buffer`. 0 with *ret_len (optional), or -E2BIG if it does not fit with its NUL (the buffer's
 * content is then undefined), or -EINVAL for a non-string. */
int json_string(struct json_slice string, char *buffer, size_t size, size_t *ret_len);
/* Decodes what fits into `buffer` (size ≥ 1), cut between two characters, U+0000 as U+FFFD. The length; 0 for
 * a non-string. */
size_t json_string_cut(struct json_slice string, char *buffer, size_t size);
bool json_string_is(struct json_slice string, const char *expected);
/* Case-insensitive (ASCII letters only) substring in the decoded text. An empty needle is found in every
 * string. Takes up to text × needle steps: callers limit the needle. */
bool json_string_contains(struct json_slice string, const char *needle, size_t needle_len);

/* Numbers: -ERANGE beyond double/int64, -EINVAL for other types, -ENOMEM. json_int accepts 3 and 3.0, not 3.5
 * (-EINVAL). What is too small for a double is 0. */
int json_double(struct json_slice number, double *ret_value);
int json_int(struct json_slice number, int64_t *ret_value);

bool json_equal(struct json_slice a, struct json_slice b); /* same bytes */

/*
 * cJSON for small documents of fixed form: checks (depth 16, no U+0000), then parses. NULL with *ret_error
 * (optional); free with json_free. Getters: names are case-sensitive, of repeated ones the last counts; NULL
 * or false (*ret_value untouched) when absent, of another type, or outside of min … max.
 */
struct cJSON *json_parse(const char *text, size_t len, struct json_error *ret_error);
void json_free(struct cJSON *document);
const struct cJSON *json_get(const struct cJSON *object, const char *name);
bool json_is_object(const struct cJSON *value);                            /* NULL is none */
const char *json_get_string(const struct cJSON *object, const char *name); /* borrowed */
bool json_get_int(const struct cJSON *object, const char *name, int64_t min, int64_t max, int64_t *ret_value);
bool json_get_double(const struct cJSON *object, const char *name, double *ret_value);
bool json_get_bool(const struct cJSON *object, const char *name, bool *ret_value);

#endif
