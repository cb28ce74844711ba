/*
 * Where mDNS sees the nodes. Anybody on the network may answer mDNS, so an address from there is the last
 * resort, and whoever is known by a better way only lists it.
 */
#include "cache_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct sighting **find_sighting(struct node *node, const struct sighting *seen)
{
    struct sighting **link = &node->sightings;
    while (*link &&
           (strcmp((*link)->instance, seen->instance) != 0 || strcmp((*link)->url, seen->url) != 0)) {
        link = &(*link)->next;
    }
    return link;
}

static size_t count_sightings(const struct node *node)
{
    size_t count = 0;
    for (const struct sighting *sighting = node->sightings; sighting; sighting = sighting->next) {
        count++;
    }
    return count;
}

/* ---- which one counts ---- */

/* What the last polls said stands: it is the same node, seen elsewhere. */
static void go_to(struct entry *entry, const struct sighting *sighting)
{
    struct node *node = &entry->node;
    bool in_use = node->url == node->mdns_url && node->url[0];
    bool moved = strcmp(node->mdns_url, sighting->url) != 0;
    if (!cache_set_text(&entry->mdns_url, sighting->url)) {
        return;
    }
    entry->mdns_allowed = sighting->allowed;
    cache_choose_url(entry);
    if (moved && in_use) {
        node->poll_in_flight = false; /* it ends for nobody, and the next one is due at once */
        node->evidence.probe.pending = false;
        node->next_poll_ms = 0;
    }
}

/* The first that stands stays, so that a newcomer takes nobody's name away; without one, the last address is
 * as good as any. */
static void choose_sighting(struct entry *entry)
{
    const struct sighting *best = NULL;
    for (const struct sighting *s = entry->node.sightings; s; s = s->next) {
        bool current = strcmp(s->url, entry->node.mdns_url) == 0;
        if (!best || (s->allowed && !best->allowed) || (s->allowed == best->allowed && current)) {
            best = s;
        }
    }
    if (best) {
        go_to(entry, best);
    }
}

void sightings_rotate(struct entry *entry)
{
    struct node *node = &entry->node;
    if (node->url != node->mdns_url) {
        return;
    }
    const struct sighting *first = NULL;
    bool passed = false;
    for (const struct sighting *s = node->sightings; s; s = s->next) {
        if (strcmp(s->url, node->mdns_url) == 0) {
            passed = true;
        } else if (s->allowed && (passed || !first)) {
            first = s;
            if (passed) {
                break;
            }
        }
    }
    if (first && cache_set_text(&entry->mdns_url, first->url)) {
        entry->mdns_allowed = true;
        cache_choose_url(entry); /* asked when its turn comes: nobody is hurried by failing */
    }
}

/* ---- coming and going ---- */

/* What they announce of their type counts as far as their address does. */
static void learn_type(struct node *node, enum node_type type)
{
    bool better = node->manual_url[0] || node->evidence.agent.ever || node->type == NODE_EDGE;
    if (type != NODE_UNKNOWN && !better) {
        node->type = type;
    }
}

static int list_sighting(struct cache *cache, struct entry *entry, const struct sighting *seen,
                         struct now now, struct fault *ret_fault)
{
    struct sighting **link = find_sighting(&entry->node, seen);
    if (*link) {
        return 0;
    }
    if (count_sightings(&entry->node) >= LIMIT_SIGHTINGS) {
        cache_fault(cache, entry, ret_fault, REJECT_TOO_MANY, "mDNS sees it at more than %d addresses",
                    LIMIT_SIGHTINGS);
        return -EBADMSG;
    }
    struct sighting *sighting = malloc(sizeof *sighting);
    if (!sighting) {
        return -ENOMEM;
    }
    *sighting = *seen;
    sighting->next = NULL;
    sighting->seen_wall_ms = now.wall_ms;
    *link = sighting;
    return 0;
}

int cache_sighting(struct cache *cache, const char *name, size_t len, const struct sighting *seen,
                   enum node_type type, struct now now, struct fault *ret_fault)
{
    struct node *node = cache_add(cache, name, len, FOUND_MDNS, now, ret_fault);
    if (!node) {
        return -EBADMSG;
    }
    struct entry *entry = entry_of(node);
    int e = list_sighting(cache, entry, seen, now, ret_fault);
    if (e != 0) {
        return e;
    }
    choose_sighting(entry);
    learn_type(node, type);
    cache_touch(cache, entry);
    cache_judge(cache, entry, now, true);
    return 0;
}

void cache_sighting_gone(struct cache *cache, const char *name, size_t len, const struct sighting *seen,
                         struct now now)
{
    struct node *node = cache_find(cache, name, len);
    struct sighting **link = node ? find_sighting(node, seen) : NULL;
    if (!link || !*link) {
        return;
    }
    struct sighting *gone = *link;
    struct entry *entry = entry_of(node);
    *link = gone->next;
    free(gone);
    if (!node->sightings && node->found == FOUND_MDNS && node->last_seen_wall_ms == TIMESTAMP_NONE) {
        cache_remove(cache, entry);
        return;
    }
    choose_sighting(entry);
    cache_touch(cache, entry);
    cache_judge(cache, entry, now, true);
}

static bool same_base(const char *a, const char *b)
{
    size_t len = strlen(a);
    len -= len > 0 && a[len - 1] == '/';
    return strncmp(a, b, len) == 0 && b[len] == '\0';
}

const struct node *cache_agent_at(const struct cache *cache, const char *name, const char *url)
{
    for (const struct node *node = cache_first_node(cache); node; node = node->next) {
        if (node->has_heartbeat && node->evidence.agent.heartbeat_ms != 0 &&
            same_base(node->announced_url, url) && strcmp(node->heartbeat.source.node_name, name) == 0 &&
            strcmp(node->name, name) != 0) {
            return node;
        }
    }
    return NULL;
}

void sightings_move(struct entry *from, struct entry *to)
{
    size_t room = LIMIT_SIGHTINGS - count_sightings(&to->node);
    while (from->node.sightings && room-- > 0) {
        struct sighting *sighting = from->node.sightings;
        from->node.sightings = sighting->next;
        struct sighting **link = find_sighting(&to->node, sighting);
        if (*link) {
            free(sighting);
        } else {
            sighting->next = NULL;
            *link = sighting;
        }
    }
    choose_sighting(to);
}

void sightings_finish(struct entry *entry)
{
    while (entry->node.sightings) {
        struct sighting *sighting = entry->node.sightings;
        entry->node.sightings = sighting->next;
        free(sighting);
    }
    free(entry->mdns_url);
}

void cache_judge_urls(struct cache *cache, bool (*allowed)(void *user, const char *url), void *user)
{
    for (size_t i = 0; i < cache->node_count; i++) {
        struct entry *entry = cache->by_name[i];
        for (struct sighting *s = entry->node.sightings; s; s = s->next) {
            s->allowed = allowed(user, s->url);
        }
        entry->announced_allowed = entry->announced_url && allowed(user, entry->announced_url);
        entry->mdns_allowed = entry->mdns_url && allowed(user, entry->mdns_url);
        choose_sighting(entry);
        cache_choose_url(entry);
    }
}
