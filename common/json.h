/*
 * json: RFC 8259 checked strictly, read without copying.
 *
 * A JSON text from a peer is checked once by json_check(); after that it is walked as slices: pointers into the peer's own
 * bytes. So numbers keep their digits, strings keep U+0000, and storing an item is storing its bytes. Small documents of fixed
 * form (heartbeats, status) are read through cJSON with the checked getters below; they are refused if they contain U+0000,
 * which cJSON's C strings cannot carry.
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

enum json_type { JSON_ABSENT, JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

enum json_fault { JSON_OK, JSON_NOT_JSON, JSON_NOT_UTF8, JSON_TOO_DEEP };

struct json_error {
    enum json_fault fault;
    size_t offset;       /* byte where it was seen */
    const char *message; /* static text, e.g. "unexpected character", "truncated" */
};

#define JSON_MAX_DEPTH 32

/* One value with optional white space around. Lone surrogate escapes are accepted (Python writes them) and decode to
 * U+FFFD. Depth above `max_depth` nested arrays/objects is refused. True if all is well; else *ret_error says what and where. */
bool json_check(const char *text, size_t len, unsigned max_depth, struct json_error *ret_error);

/*
 * Python's json.dumps writes bare NaN, Infinity and -Infinity. Replaces each that stands where a value may stand (never inside a
 * string) by `null` padded with spaces, in place, same length (NaN is one byte short of null: there the text is moved).
 * Returns a malloc'ed copy (free() it) with *ret_len, or NULL when nothing had to change (use the original) or memory ran
 * out (*ret_len is then SIZE_MAX).
 */
char *json_replace_nonfinite(const char *text, size_t len, size_t *ret_len);

/* The whole document, without the white space around it. */
struct json_slice json_root(const char *text, size_t len);
enum json_type json_type(struct json_slice value);

/* Walking. Embedded; borrows the text.
 *     struct json_iter it = json_iter(object);
 *     while (json_next(&it)) … it.key (raw, quotes included; absent in arrays), it.value …                              */
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
/* Decodes into `buffer`. Returns the length, or -E2BIG if it does not fit with its NUL, or -EINVAL for a non-string. */
int json_string(struct json_slice string, char *buffer, size_t size, size_t *ret_len);
bool json_string_is(struct json_slice string, const char *expected);
/* Case-insensitive (ASCII and simple Unicode case folding by towlower in C.UTF-8 terms is not promised: ASCII only) substring in
 * the decoded text. An empty needle is found everywhere in a string. */
bool json_string_contains(struct json_slice string, const char *needle, size_t needle_len);

/* Numbers: -ERANGE beyond double/int64, -EINVAL for other types. json_int accepts 3 and 3.0, not 3.5. */
int json_double(struct json_slice number, double *ret_value);
int json_int(struct json_slice number, int64_t *ret_value);

bool json_equal(struct json_slice a, struct json_slice b); /* same bytes */

/* cJSON for small documents of fixed form: checks (depth 16, no U+0000), then parses. NULL with *ret_error; free with
 * json_free. Getters: case-sensitive; false or the fallback when absent or of another type. */
struct cJSON *json_parse(const char *text, size_t len, struct json_error *ret_error);
void json_free(struct cJSON *document);
const struct cJSON *json_get(const struct cJSON *object, const char *name);
const char *json_get_string(const struct cJSON *object, const char *name); /* NULL if absent; borrowed */
bool json_get_int(const struct cJSON *object, const char *name, int64_t min, int64_t max, int64_t *ret_value);
bool json_get_double(const struct cJSON *object, const char *name, double *ret_value);
bool json_get_bool(const struct cJSON *object, const char *name, bool *ret_value);

#endif
