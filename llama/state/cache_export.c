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
    if (entry->master != master) {
        export_detach(entry);
        entry->master = master;
        entry->next_export = master->exports;
        master->exports = entry;
    }
    memcpy(entry->node.master, master->node.name, sizeof master->node.name);
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

/* Does its master hold it in its list only because nobody else has brought it here? */
static bool has_lapsed(const struct entry *entry)
{
    return entry->node.snapshots[REPORT_READINGS].origin != ORIGIN_MASTER;
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
    return !entry->master || entry->master == pass->speaker || has_lapsed(entry) ||
           node->verdict.state != STATE_ONLINE;
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

static bool in_pass(const struct pass *pass, const struct entry *entry)
{
    for (size_t i = 1; i < pass->group_count; i++) {
        if (pass->groups[i].entry == entry) {
            return true;
        }
    }
    return false;
}

/* Room for one more node of the speaker's, at the cost of one that it no longer re-exports: names that come
 * and go must not fill the cache. */
static bool make_room(struct pass *pass)
{
    size_t count = 0;
    struct entry *oldest = NULL;
    for (struct entry *entry = pass->speaker->exports; entry; entry = entry->next_export, count++) {
        if (has_lapsed(entry) && !in_pass(pass, entry)) {
            oldest = entry;
        }
    }
    if (count < LIMIT_REEXPORTED) {
        return true;
    }
    if (oldest && oldest->node.found == FOUND_MASTER) {
        cache_remove(pass->cache, oldest);
    } else if (oldest) {
        export_detach(oldest);
    }
    return oldest != NULL;
}

/* The node by that name, as one of the speaker's. NULL: not to be spoken for, or no room (counted). */
static struct entry *claim(struct pass *pass, const char *name)
{
    struct cache *cache = pass->cache;
    size_t len = strlen(name);
    struct node *node = cache_find(cache, name, len);
    if (node && !may_speak_for(pass, entry_of(node))) {
        return NULL;
    }
    bool held = node && entry_of(node)->master && entry_of(node)->master == pass->speaker;
    if (!held && !make_room(pass)) {
        cache_fault(cache, pass->speaker, pass->fault, REJECT_TOO_MANY, "re-exports more than %d nodes",
                    LIMIT_REEXPORTED);
        return NULL;
    }
    struct fault fault;
    node = cache_add(cache, name, len, FOUND_MASTER, pass->now, &fault);
    if (!node) {
        if (pass->fault) {
            *pass->fault = fault;
        }
        return NULL;
    }
    attach(pass->speaker, entry_of(node));
    return entry_of(node);
}

static struct group *open_group(struct pass *pass, const char *name)
{
    if (pass->group_count == 1 + LIMIT_REEXPORTED) {
        cache_fault(pass->cache, pass->speaker, pass->fault, REJECT_TOO_MANY, "re-exports more than %d nodes",
                    LIMIT_REEXPORTED);
        return NULL;
    }
    return group_begin(pass, claim(pass, name), name);
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
        source->captured_mono_ms == 0 ||
        (group->newest_ms == entry->message_wall_ms && (source->kept || !entry->node.evidence.edge.kept))) {
        return;
    }
    int64_t age_ms = source->captured_wall_ms - group->newest_ms;
    int64_t mono_ms = source->captured_mono_ms - (age_ms > 0 ? age_ms : 0);
    cache_edge_heard(pass->cache, entry, group->newest_ms, mono_ms);
    entry->node.evidence.edge.kept = source->kept;
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

/* The master no longer re-exports it. Where nothing else is known of it, it stays in the master's list, which
 * is limited. */
static void lapse(struct cache *cache, struct entry *entry)
{
    if (has_lapsed(entry) && !entry->node.master[0]) {
        return;
    }
    entry->node.master[0] = '\0';
    if (!has_lapsed(entry)) {
        entry->node.snapshots[REPORT_READINGS] = (struct snapshot){.captured_wall_ms = TIMESTAMP_NONE};
        cache_drop_items(cache, entry, ITEM_READING);
    }
    if (entry->node.found != FOUND_MASTER) {
        export_detach(entry);
    }
    cache_touch(cache, entry);
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
            lapse(pass->cache, entry);
        }
    }
}

const struct node *cache_next_export(const struct node *master, const struct node *after)
{
    const struct entry *entry = after ? ((const struct entry *)(const void *)after)->next_export
                                      : ((const struct entry *)(const void *)master)->exports;
    while (entry && has_lapsed(entry)) {
        entry = entry->next_export;
    }
    return entry ? &entry->node : NULL;
}

void export_drop_all(struct cache *cache, struct entry *master)
{
    while (master->exports) {
        struct entry *entry = master->exports;
        if (entry->node.found == FOUND_MASTER) {
            cache_remove(cache, entry); /* or a master that comes and goes would fill the cache */
        } else {
            lapse(cache, entry);
            export_detach(entry);
        }
    }
}
