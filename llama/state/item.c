#include "cache_internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TIME_MAX 64 /* bytes of a timestamp worth reading */

struct json_slice item_json(const struct item *item)
{
    return (struct json_slice){.data = item->json, .len = item->json_len};
}

/* ---- parsing ---- */

enum key { KEY_OTHER, KEY_FORBIDDEN, KEY_ID, KEY_VALUE, KEY_TIME, KEY_METADATA };

struct key_name {
    const char *name;
    enum key key;
};
static const struct key_name reading_keys[] = {
    {"full_id", KEY_ID},     {"value", KEY_VALUE},  {"timestamp", KEY_TIME}, {"metadata", KEY_METADATA},
    {"node", KEY_FORBIDDEN}, {"at", KEY_FORBIDDEN}, {NULL, KEY_OTHER},
};
static const struct key_name observation_keys[] = {
    {"id", KEY_ID},        {"timestamp", KEY_TIME}, {"node", KEY_FORBIDDEN},
    {"at", KEY_FORBIDDEN}, {NULL, KEY_OTHER},
};
static const struct key_name memory_keys[] = {
    {"id", KEY_ID},          {"times_confirmed", KEY_VALUE}, {"created_at", KEY_TIME},
    {"node", KEY_FORBIDDEN}, {"at", KEY_FORBIDDEN},          {NULL, KEY_OTHER},
};

static enum key key_of(const struct key_name *names, struct json_slice key)
{
    bool escaped = memchr(key.data, '\\', key.len) != NULL;
    for (; names->name; names++) {
        size_t len = strlen(names->name);
        if (escaped ? json_key_is(key, names->name)
                    : key.len == len + 2 && memcmp(key.data + 1, names->name, len) == 0) {
            return names->key;
        }
    }
    return KEY_OTHER;
}

static enum reject parse_full_id(struct parsed *parsed, const char **ret_why)
{
    if (!parsed->id.data || json_type(parsed->id) != JSON_STRING) {
        *ret_why = parsed->id.data ? ".full_id: not a string" : ".full_id: missing";
        return REJECT_BAD_TYPE;
    }
    parsed->key = parsed->id.data + 1;
    parsed->key_len = parsed->id.len - 2;
    if (memchr(parsed->key, '\\', parsed->key_len)) {
        parsed->key = parsed->buffer;
        if (json_string(parsed->id, parsed->buffer, sizeof parsed->buffer, &parsed->key_len) < 0) {
            parsed->key_len = LIMIT_FULL_ID + 1;
        }
    }
    if (parsed->key_len == 0) {
        *ret_why = ".full_id: empty";
        return REJECT_BAD_TYPE;
    }
    if (parsed->key_len > LIMIT_FULL_ID) {
        *ret_why = ".full_id: too long";
        return REJECT_TOO_LARGE;
    }
    return REJECT_NONE;
}

static enum reject parse_id(struct parsed *parsed, const char **ret_why)
{
    enum json_type type = json_type(parsed->id);
    if (type != JSON_NUMBER && type != JSON_STRING) {
        *ret_why = parsed->id.data ? ".id: neither a number nor a string" : ".id: missing";
        return REJECT_BAD_TYPE;
    }
    if (parsed->id.len > LIMIT_FULL_ID) {
        *ret_why = ".id: too long";
        return REJECT_TOO_LARGE;
    }
    parsed->key = parsed->id.data;
    parsed->key_len = parsed->id.len;
    return REJECT_NONE;
}

enum reject item_parse(enum item_kind kind, struct json_slice slice, struct parsed *ret_parsed,
                       const char **ret_why)
{
    static const struct key_name *const names[ITEM_KINDS] = {reading_keys, observation_keys, memory_keys};
    if (json_type(slice) != JSON_OBJECT) {
        *ret_why = ": not an object";
        return REJECT_BAD_TYPE;
    }
    if (slice.len > LIMIT_ITEM) {
        *ret_why = ": too large";
        return REJECT_TOO_LARGE;
    }
    struct json_slice found[KEY_METADATA + 1] = {{0}};
    for (struct json_iter it = json_iter(slice); json_next(&it);) {
        found[key_of(names[kind], it.key)] = it.value; /* of a repeated key the last one counts */
    }
    if (found[KEY_FORBIDDEN].data) {
        *ret_why = ": brings a key \"node\" or \"at\" of its own";
        return REJECT_FORBIDDEN_KEY;
    }
    ret_parsed->json = slice;
    ret_parsed->id = found[KEY_ID];
    ret_parsed->value = found[KEY_VALUE];
    ret_parsed->time = found[KEY_TIME];
    ret_parsed->metadata = found[KEY_METADATA];
    return kind == ITEM_READING ? parse_full_id(ret_parsed, ret_why) : parse_id(ret_parsed, ret_why);
}

/* ---- items ---- */

uint32_t item_hash(const char *id, size_t len)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ (unsigned char)id[i]) * 16777619u;
    }
    return hash;
}

bool item_is(const struct item *item, uint32_t hash, const char *id, size_t len)
{
    return item->hash == hash && item->id_len == len && memcmp(item->id, id, len) == 0;
}

struct item *item_create(enum item_kind kind, uint32_t hash, const char *id, size_t len)
{
    struct item *item = calloc(1, sizeof *item + len + 1);
    if (!item) {
        return NULL;
    }
    item->kind = kind;
    item->hash = hash;
    item->id_len = (uint16_t)len;
    memcpy(item->id, id, len);
    const char *colon = memchr(id, ':', len);
    item->type_len = (uint16_t)(colon ? (size_t)(colon - id) : len);
    item->at_ms = TIMESTAMP_NONE;
    item->number = NAN;
    return item;
}

void item_free(struct item *item)
{
    if (item) {
        free(item->json);
        free(item);
    }
}

static int64_t time_of(struct json_slice string, int32_t utc_offset_s)
{
    char text[TIME_MAX];
    size_t len;
    if (json_string(string, text, sizeof text, &len) < 0) {
        return TIMESTAMP_NONE;
    }
    return timestamp_parse(text, len, utc_offset_s);
}

static double number_of(struct json_slice value)
{
    double number;
    return json_double(value, &number) == 0 && isfinite(number) ? number : (double)NAN;
}

/* Room for `len` bytes. malloc hands out 16 n + 8: no byte of that is wasted, and a timestamp that got its
 * fraction back still fits. */
static int make_room(struct item *item, size_t len)
{
    bool fits = item->json && len <= item->json_cap && (item->json_cap <= 256 || len >= item->json_cap / 4);
    if (fits) {
        return 0;
    }
    size_t cap = ((len + 15) & ~(size_t)15) + 8;
    char *json = malloc(cap);
    if (!json) {
        return item->json && len <= item->json_cap ? 0 : -ENOMEM;
    }
    free(item->json);
    item->json = json;
    item->json_cap = (uint32_t)cap;
    return 0;
}

static bool same_bytes(const struct item *item, struct json_slice json)
{
    return item->json_len == json.len && memcmp(item->json, json.data, json.len) == 0;
}

/* Do they differ in nothing but the value of their timestamp? */
static bool same_but_time(const struct item *item, struct json_slice json, size_t time_pos, size_t time_len)
{
    size_t rest = item->json_len - item->time_pos - item->time_len;
    return item->time_len > 0 && time_len > 0 && item->time_pos == time_pos &&
           json.len - time_pos - time_len == rest && memcmp(item->json, json.data, time_pos) == 0 &&
           memcmp(item->json + item->time_pos + item->time_len, json.data + time_pos + time_len, rest) == 0;
}

int item_store(struct item *item, const struct parsed *parsed, int32_t utc_offset_s, bool times_anew)
{
    struct json_slice json = parsed->json;
    int64_t at_ms = item->at_ms;
    if (item->json && same_bytes(item, json)) {
        if (times_anew) {
            item->at_ms = time_of(parsed->time, utc_offset_s);
        }
        return item->at_ms != at_ms;
    }
    size_t time_pos = parsed->time.data ? (size_t)(parsed->time.data - json.data) : 0;
    bool same =
        item->json && item->kind == ITEM_READING && same_but_time(item, json, time_pos, parsed->time.len);
    if (make_room(item, json.len) < 0) {
        return -ENOMEM;
    }
    memcpy(item->json, json.data, json.len);
    item->json_len = (uint32_t)json.len;
    item->time_pos = (uint32_t)time_pos;
    item->time_len = (uint32_t)parsed->time.len;
    item->at_ms = time_of(parsed->time, utc_offset_s);
    if (!same) {
        item->number = number_of(parsed->value);
    }
    return !same;
}

bool item_retime(struct item *item, struct json_slice json, int32_t utc_offset_s)
{
    size_t end = item->time_pos + item->time_len;
    if (item->kind != ITEM_READING || item->time_len < 2 || item->json_len != json.len ||
        memcmp(item->json, json.data, item->time_pos) != 0 ||
        memcmp(item->json + end, json.data + end, json.len - end) != 0) {
        return false;
    }
    /* One plain string, or else further members could hide between what is equal. */
    struct json_slice time = {.data = json.data + item->time_pos, .len = item->time_len};
    if (time.data[0] != '"' || memchr(time.data, '\\', time.len) ||
        memchr(time.data + 1, '"', time.len - 1) != time.data + time.len - 1) {
        return false;
    }
    memcpy(item->json + item->time_pos, time.data, time.len);
    item->at_ms = time_of(time, utc_offset_s);
    return true;
}
