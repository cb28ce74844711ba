#include "findings.h"

#include "cache_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct findings {
    unsigned references;
    enum item_kind kind;
    size_t limit; /* items of a node */
    size_t bytes;
    size_t count;
    struct found nodes[];
};

static const enum report_kind reports[ITEM_KINDS] = {
    [ITEM_READING] = REPORT_READINGS,
    [ITEM_OBSERVATION] = REPORT_OBSERVATIONS,
    [ITEM_MEMORY] = REPORT_MEMORIES,
};

/* ---- life ---- */

static void found_clear(struct found *found)
{
    for (struct item *item = found->items, *next; item; item = next) {
        next = item->next;
        item_free(item);
    }
    free(found->self);
    free(found->table);
    found->items = NULL;
    found->self = NULL;
    found->table = NULL;
    found->count = found->table_size = 0;
}

struct findings *findings_create(const struct question *question)
{
    size_t count = question->node_count;
    struct findings *findings = calloc(1, sizeof *findings + count * sizeof findings->nodes[0]);
    if (!findings) {
        return NULL;
    }
    findings->references = 1;
    findings->kind = question->kind;
    size_t most = question->kind == ITEM_MEMORY ? LIMIT_MEMORIES : LIMIT_OBSERVATIONS;
    findings->limit = question->limit < most ? question->limit : most;
    findings->count = count;
    for (size_t i = 0; i < count; i++) {
        memcpy(findings->nodes[i].name, question->nodes[i]->name, sizeof findings->nodes[i].name);
    }
    return findings;
}

struct findings *findings_ref(struct findings *findings)
{
    findings->references++;
    return findings;
}

void findings_unref(struct findings *findings)
{
    if (!findings || --findings->references > 0) {
        return;
    }
    for (size_t i = 0; i < findings->count; i++) {
        found_clear(&findings->nodes[i]);
    }
    free(findings);
}

/* ---- reading ---- */

size_t findings_count(const struct findings *findings)
{
    return findings->count;
}

const struct found *findings_at(const struct findings *findings, size_t i)
{
    return &findings->nodes[i];
}

static int compare_names(const void *name, const void *found)
{
    return strcmp(name, ((const struct found *)found)->name);
}

const struct found *findings_of(const struct findings *findings, const char *name)
{
    return bsearch(name, findings->nodes, findings->count, sizeof findings->nodes[0], compare_names);
}

size_t findings_bytes(const struct findings *findings)
{
    return findings->bytes;
}

void findings_set_word(struct findings *findings, size_t i, const char *word)
{
    char *to = findings->nodes[i].word;
    size_t len = strnlen(word, FINDINGS_WORD_MAX - 1);
    memcpy(to, word, len);
    to[len] = '\0';
}

/* Where the item of this id stands, or would. The table has room. */
static struct item **slot_of(const struct found *found, uint32_t hash, const char *id, size_t len)
{
    uint32_t i = hash & (found->table_size - 1);
    while (found->table[i] && !item_is(found->table[i], hash, id, len)) {
        i = (i + 1) & (found->table_size - 1);
    }
    return &found->table[i];
}

bool found_has(const struct found *found, const struct item *item)
{
    return found->table_size > 0 && *slot_of(found, item->hash, item->id, item->id_len) != NULL;
}

/* ---- taking ---- */

/* Room for `count` items at half load at most, and the node that they name. */
static int prepare(struct found *found, size_t count)
{
    uint32_t size = 4;
    while (size < 2 * count) {
        size *= 2;
    }
    found->self = calloc(1, sizeof *found->self);
    found->table = calloc(size, sizeof(struct item *));
    if (!found->self || !found->table) {
        return -ENOMEM;
    }
    found->table_size = size;
    memcpy(found->self->name, found->name, sizeof found->self->name);
    return 0;
}

/* 0, or -ENOMEM. `end` is where the next new item is hung. */
static int take_item(struct found *found, enum item_kind kind, const struct parsed *parsed,
                     int32_t utc_offset_s, struct item ***end)
{
    uint32_t hash = item_hash(parsed->key, parsed->key_len);
    struct item **slot = slot_of(found, hash, parsed->key, parsed->key_len);
    if (*slot) {
        return item_store(*slot, parsed, utc_offset_s, false) < 0 ? -ENOMEM : 0;
    }
    struct item *item = item_create(kind, hash, parsed->key, parsed->key_len);
    if (!item || item_store(item, parsed, utc_offset_s, false) < 0) {
        item_free(item);
        return -ENOMEM;
    }
    item->node = found->self;
    *slot = item;
    **end = item;
    *end = &item->next;
    found->count++;
    return 0;
}

static int take_array(const struct findings *findings, struct found *found, struct json_slice array,
                      int32_t utc_offset_s, struct fault *ret_fault)
{
    struct item **end = &found->items;
    size_t at = 0;
    for (struct json_iter it = json_iter(array); at < findings->limit && json_next(&it); at++) {
        struct parsed parsed;
        const char *why = "";
        enum reject reject = item_parse(findings->kind, it.value, &parsed, &why);
        if (reject != REJECT_NONE) {
            fault_set(ret_fault, reject, "%s[%zu]%s", report_kind_name(reports[findings->kind]), at, why);
        } else if (take_item(found, findings->kind, &parsed, utc_offset_s, &end) != 0) {
            return -ENOMEM;
        }
    }
    return 0;
}

static size_t bytes_of(const struct found *found)
{
    size_t bytes = sizeof *found->self + found->table_size * sizeof(struct item *);
    for (const struct item *item = found->items; item; item = item->next) {
        bytes += sizeof *item + item->id_len + 1 + item->json_cap;
    }
    return bytes;
}

/* The array of the body, or nothing and the fault. */
static struct json_slice read_array(enum item_kind kind, const char *body, size_t len,
                                    struct fault *ret_fault)
{
    struct json_error error;
    struct json_slice none = {0};
    if (!json_check(body, len, JSON_MAX_DEPTH, &error)) {
        fault_set_json(ret_fault, &error);
        return none;
    }
    struct json_slice array = json_member(json_root(body, len), report_kind_name(reports[kind]));
    if (json_type(array) != JSON_ARRAY) {
        fault_set(ret_fault, REJECT_BAD_BODY, "not what this endpoint answers");
        return none;
    }
    return array;
}

int findings_take(struct findings *findings, size_t i, const char *body, size_t len, int32_t utc_offset_s,
                  struct fault *ret_fault)
{
    struct found *found = &findings->nodes[i];
    no_fault(ret_fault);
    struct json_slice array = read_array(findings->kind, body, len, ret_fault);
    if (!array.data) {
        return -EBADMSG;
    }
    found_clear(found);
    size_t count = json_count(array);
    int32_t offset_s = findings->kind == ITEM_MEMORY ? 0 : utc_offset_s; /* created_at is UTC */
    int e = 0;
    if (count > 0) {
        e = prepare(found, count < findings->limit ? count : findings->limit);
        e = e ? e : take_array(findings, found, array, offset_s, ret_fault);
        if (e == 0 && bytes_of(found) > LIMIT_FINDINGS - findings->bytes) {
            e = -ENOSPC;
        }
    }
    if (e != 0) {
        found_clear(found);
        return e;
    }
    findings->bytes += count > 0 ? bytes_of(found) : 0;
    findings_set_word(findings, i, "ok");
    return 0;
}
