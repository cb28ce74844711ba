/*
 * A Llama master re-exports the readings of its edge nodes: full_id "<node>:<type>:<id>" with metadata.node
 * "<node>". They belong to that node, without the prefix, unless it is heard in any better way.
 */
#include "cache_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- the prefix ---- */

static unsigned hex4(const char *text)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        char c = text[i];
        value = value << 4 | (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

/* The escape at `raw`: how many bytes it is, and how many it stands for. Checked JSON, so it is whole. */
static size_t escape_len(const char *raw, const char *end, size_t *ret_decoded)
{
    *ret_decoded = 1;
    if (raw[1] != 'u') {
        return 2;
    }
    unsigned unit = hex4(raw + 2);
    bool high = unit >= 0xd800 && unit <= 0xdbff && end - raw >= 12 && raw[6] == '\\' && raw[7] == 'u';
    if (high && hex4(raw + 8) >= 0xdc00 && hex4(raw + 8) <= 0xdfff) {
        *ret_decoded = 4;
        return 12;
    }
    *ret_decoded = unit < 0x80 ? 1 : unit < 0x800 ? 2 : 3;
    return 6;
}

/* How many raw bytes inside the quotes make the first `decoded` ones? */
static size_t raw_prefix_len(struct json_slice string, size_t decoded)
{
    const char *start = string.data + 1, *end = string.data + string.len - 1, *p = start;
    while (p < end && decoded > 0) {
        size_t n = 1, raw = 1;
        if (*p == '\\') {
            raw = escape_len(p, end, &n);
        }
        p += raw;
        decoded -= n < decoded ? n : decoded;
    }
    return (size_t)(p - start);
}

/* A slice behind the cut, in the text that has become shorter. */
static void move_slice(struct json_slice *slice, const char *old, const char *cut, size_t removed,
                       const char *anew)
{
    if (slice->data) {
        slice->data = anew + (slice->data - old) - (slice->data >= cut ? removed : 0);
    }
}

/* Cuts the first `decoded` bytes out of the full_id, and keeps all others. */
static bool strip_prefix(struct pass *pass, struct parsed *parsed, size_t decoded)
{
    struct cache *cache = pass->cache;
    struct json_slice json = parsed->json;
    if (cache->rewritten_cap < json.len) {
        char *grown = realloc(cache->rewritten, json.len + 256);
        if (!grown) {
            pass->out_of_memory = true;
            return false;
        }
        cache->rewritten = grown;
        cache->rewritten_cap = json.len + 256;
    }
    size_t removed = raw_prefix_len(parsed->id, decoded);
    const char *cut = parsed->id.data + 1;
    size_t before = (size_t)(cut - json.data);
    memcpy(cache->rewritten, json.data, before);
    memcpy(cache->rewritten + before, cut + removed, json.len - before - removed);
    move_slice(&parsed->time, json.data, cut, removed, cache->rewritten);
    move_slice(&parsed->value, json.data, cut, removed, cache->rewritten);
    parsed->json = (struct json_slice){.data = cache->rewritten, .len = json.len - removed};
    parsed->key += decoded;
    parsed->key_len -= decoded;
    return true;
}

/* ---- whose is it ---- */

static void attach(struct entry *master, struct entry *entry)
{
    if (entry->master == master) {
        return;
    }
    export_detach(entry);
    entry->master = master;
    entry->next_export = master->exports;
    master->exports = entry;
    strcpy(entry->node.master, master->node.name);
}

void export_detach(struct entry *entry)
{
    if (!entry->master) {
        return;
    }
    struct entry **at = &entry->master->exports;
    while (*at != entry) {
        at = &(*at)->next_export;
    }
    *at = entry->next_export;
    entry->next_export = NULL;
    entry->master = NULL;
    entry->node.master[0] = '\0';
}

/* May the speaker tell of this node? Not if anybody knows better. */
static bool may_speak_for(const struct pass *pass, const struct entry *entry)
{
    const struct node *node = &entry->node;
    if (node->found & (FOUND_MANUAL | FOUND_EDGE) || node->evidence.agent.ever ||
        node->snapshots[REPORT_READINGS].origin > ORIGIN_MASTER) {
        return false;
    }
    /* Two masters that hear the same node: the second takes over when the first has fallen behind. */
    return !entry->master || entry->master == pass->speaker || node->verdict.state != STATE_ONLINE;
}

static struct group *find_group(struct pass *pass, const char *name)
{
    for (size_t i = pass->group_count; i-- > 1;) {
        if (strcmp(pass->groups[i].name, name) == 0) {
            return &pass->groups[i];
        }
    }
    return NULL;
}

static struct group *open_group(struct pass *pass, const char *name)
{
    struct cache *cache = pass->cache;
    if (pass->group_count == 1 + LIMIT_REEXPORTED) {
        cache_fault(cache, pass->speaker, pass->fault, REJECT_TOO_MANY, "re-exports more than %d nodes",
                    LIMIT_REEXPORTED);
        return NULL;
    }
    size_t len = strlen(name);
    struct node *node = cache_find(cache, name, len);
    if (!node) {
        struct fault fault;
        node = cache_add(cache, name, len, FOUND_MASTER, pass->now, &fault);
        if (!node && pass->fault) {
            *pass->fault = fault;
        }
    }
    struct entry *entry = node && may_speak_for(pass, entry_of(node)) ? entry_of(node) : NULL;
    if (entry) {
        entry->node.found |= FOUND_MASTER;
        attach(pass->speaker, entry);
    }
    return group_begin(pass, entry, name);
}

/* The node that this reading says it comes from; "" = the speaker. */
static void read_owner(const struct pass *pass, const struct parsed *parsed, char owner[NODE_NAME_MAX + 1])
{
    owner[0] = '\0';
    size_t len;
    if (json_type(parsed->metadata) != JSON_OBJECT ||
        json_string(json_member(parsed->metadata, "node"), owner, NODE_NAME_MAX + 1, &len) < 0) {
        owner[0] = '\0';
        return;
    }
    if (parsed->key_len <= len + 1 || memcmp(parsed->key, owner, len) != 0 || parsed->key[len] != ':' ||
        !node_name_valid(owner, len, NULL) || entry_is_called(pass->speaker, owner, len)) {
        owner[0] = '\0';
    }
}

struct group *export_attribute(struct pass *pass, struct parsed *parsed)
{
    char owner[NODE_NAME_MAX + 1];
    read_owner(pass, parsed, owner);
    if (!owner[0]) {
        return &pass->groups[0];
    }
    struct group *group = find_group(pass, owner);
    if (!group) {
        group = open_group(pass, owner);
    }
    if (!group || !group->entry || !strip_prefix(pass, parsed, strlen(owner) + 1)) {
        return NULL;
    }
    return group;
}

/* ---- the end of a pass ---- */

/* The node was heard when the newest of its readings was made, as seen from the time of the master's body. */
static void note_message(struct pass *pass, struct group *group)
{
    struct entry *entry = group->entry;
    const struct source *source = pass->source;
    if (group->newest_ms == TIMESTAMP_NONE || source->captured_wall_ms == TIMESTAMP_NONE ||
        group->newest_ms == entry->message_wall_ms) {
        return;
    }
    int64_t age_ms = source->captured_wall_ms - group->newest_ms;
    int64_t mono_ms = source->captured_mono_ms - (age_ms > 0 ? age_ms : 0);
    cache_edge_heard(entry, group->newest_ms, mono_ms);
    cache_seen(entry, mono_ms, pass->now);
}

static void finish_export(struct pass *pass, struct group *group)
{
    struct entry *entry = group->entry;
    struct node *node = &entry->node;
    struct snapshot *snapshot = &node->snapshots[REPORT_READINGS];
    snapshot->origin = ORIGIN_MASTER;
    snapshot->captured_wall_ms = pass->source->captured_wall_ms;
    snapshot->captured_mono_ms = pass->source->captured_mono_ms;
    if (node->type == NODE_UNKNOWN) {
        node->type = NODE_EDGE;
    }
    note_message(pass, group);
    cache_touch(pass->cache, entry);
    cache_judge(pass->cache, entry, pass->now, true);
}

static void drop_export(struct cache *cache, struct entry *entry)
{
    struct snapshot *snapshot = &entry->node.snapshots[REPORT_READINGS];
    export_detach(entry);
    if (snapshot->origin == ORIGIN_MASTER) {
        *snapshot = (struct snapshot){.captured_wall_ms = TIMESTAMP_NONE};
        cache_drop_items(cache, entry, ITEM_READING);
    }
    cache_touch(cache, entry);
}

static bool in_pass(const struct pass *pass, const struct entry *entry)
{
    for (size_t i = 1; i < pass->group_count; i++) {
        if (pass->groups[i].entry == entry) {
            return true;
        }
    }
    return false;
}

void export_finish(struct pass *pass)
{
    for (size_t i = 1; i < pass->group_count; i++) {
        if (pass->groups[i].entry) {
            finish_export(pass, &pass->groups[i]);
        }
    }
    for (struct entry *entry = pass->speaker->exports, *next; entry; entry = next) {
        next = entry->next_export;
        if (!in_pass(pass, entry)) {
            drop_export(pass->cache, entry);
        }
    }
}

void export_drop_all(struct cache *cache, struct entry *master)
{
    while (master->exports) {
        drop_export(cache, master->exports);
    }
}
