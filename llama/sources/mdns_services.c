#include "mdns_services.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mdns_service {
    struct mdns_service *next; /* newest first; owner: the services */
    uint64_t id;
    struct mdns_answer answer;
    char url[SIGHTING_URL_MAX + 1];
    bool allowed;                 /* to be fetched */
    bool checking;                /* being asked */
    bool proven;                  /* it answered in the name of `node` */
    bool unproven_counted;        /* nothing but its name tells of `node` */
    bool forgotten;               /* its node was: only an answer brings it back */
    bool hurried;                 /* asked again sooner than usual */
    char node[NODE_NAME_MAX + 1]; /* whose sighting the cache holds; "" = none */
    int64_t looked_ms;            /* for an agent whose Smollama it is */
    int64_t checked_ms;           /* 0 = not since the address is known */
};

/* An address and port that was asked. */
struct asked {
    uint64_t target;
    int64_t at_ms;
};

struct mdns_services {
    struct cache *cache;
    struct asked asked[MDNS_CHECKS_S]; /* ring, by time: what fell out is MDNS_PACE_MS ago */
    unsigned next_asked;
    bool (*url_allowed)(void *user, const char *url);
    void *user;
    struct mdns_service *first;
    uint64_t last_id;
    struct mdns_services_stats stats;
};

/* ---- what an answer says ---- */

static bool is_useful(struct in_addr address)
{
    uint32_t a = ntohl(address.s_addr);
    bool unspecified = a >> 24 == 0;
    bool loopback = a >> 24 == 127;
    bool link_local = a >> 16 == 0xA9FE;
    bool multicast_or_worse = a >> 28 >= 0xE;
    return !unspecified && !loopback && !link_local && !multicast_or_worse;
}

struct in_addr mdns_choose_address(const struct mdns_answer *answer)
{
    return !is_useful(answer->address) && is_useful(answer->source) ? answer->source : answer->address;
}

enum node_type mdns_node_type(const char *value, size_t len)
{
    if (len == 5 && memcmp(value, "llama", len) == 0) {
        return NODE_LLAMA;
    }
    return len == 6 && memcmp(value, "alpaca", len) == 0 ? NODE_ALPACA : NODE_UNKNOWN;
}

static void write_url(const struct mdns_answer *answer, char url[SIGHTING_URL_MAX + 1])
{
    char text[INET_ADDRSTRLEN];
    struct in_addr address = mdns_choose_address(answer);
    inet_ntop(AF_INET, &address, text, sizeof text);
    snprintf(url, SIGHTING_URL_MAX + 1, "http://%s:%u", text, (unsigned)answer->port);
}

static uint64_t target_of(const struct mdns_service *service)
{
    return (uint64_t)mdns_choose_address(&service->answer).s_addr << 16 | service->answer.port;
}

/* ---- how often ---- */

static bool pace_allows(const struct mdns_services *services, int64_t now_ms)
{
    int64_t oldest_ms = services->asked[services->next_asked].at_ms;
    return oldest_ms == 0 || now_ms - oldest_ms >= MDNS_PACE_MS;
}

static bool was_just_asked(const struct mdns_services *services, uint64_t target, int64_t now_ms)
{
    for (size_t i = 0; i < MDNS_CHECKS_S; i++) {
        const struct asked *asked = &services->asked[i];
        if (asked->at_ms != 0 && asked->target == target && now_ms - asked->at_ms < MDNS_PACE_MS) {
            return true;
        }
    }
    return false;
}

static void note_asked(struct mdns_services *services, uint64_t target, int64_t now_ms)
{
    services->asked[services->next_asked] = (struct asked){.target = target, .at_ms = now_ms};
    services->next_asked = (services->next_asked + 1) % MDNS_CHECKS_S;
}

/* ---- telling the cache ---- */

static struct sighting sighting_of(const struct mdns_service *service)
{
    struct sighting sighting = {.allowed = service->allowed};
    memcpy(sighting.instance, service->answer.instance, sizeof sighting.instance);
    memcpy(sighting.url, service->url, sizeof sighting.url);
    return sighting;
}

/* The same, seen on another interface? Then the cache lists it once. */
static bool is_told_twice(const struct mdns_services *services, const struct mdns_service *service)
{
    for (const struct mdns_service *s = services->first; s; s = s->next) {
        if (s != service && strcmp(s->node, service->node) == 0 && strcmp(s->url, service->url) == 0 &&
            strcmp(s->answer.instance, service->answer.instance) == 0) {
            return true;
        }
    }
    return false;
}

static void set_unproven(struct mdns_services *services, struct mdns_service *service, bool unproven)
{
    services->stats.unproven += (unsigned)unproven - (unsigned)service->unproven_counted;
    service->unproven_counted = unproven;
}

static void withdraw(struct mdns_services *services, struct mdns_service *service, struct now now)
{
    if (service->node[0] && !is_told_twice(services, service)) {
        struct sighting sighting = sighting_of(service);
        cache_sighting_gone(services->cache, service->node, strlen(service->node), &sighting, now);
    }
    service->node[0] = '\0';
    service->proven = false;
    set_unproven(services, service, false);
}

/* True if the cache was told. */
static bool tell(struct mdns_services *services, struct mdns_service *service, const char *name, bool proven,
                 struct now now, struct fault *ret_fault)
{
    size_t len = strlen(name);
    bool known = cache_find(services->cache, name, len) != NULL;
    if (strcmp(service->node, name) != 0) {
        withdraw(services, service, now);
        known = cache_find(services->cache, name, len) != NULL; /* unless it lived by this sighting alone */
    } else if (known) {
        known = !service->unproven_counted; /* by more than this service */
    }
    if (!proven && !known && !service->unproven_counted && services->stats.unproven >= MDNS_UNPROVEN_MAX) {
        services->stats.dropped++;
        return false;
    }
    struct sighting sighting = sighting_of(service);
    if (cache_sighting(services->cache, name, len, &sighting, service->answer.type, now, ret_fault) != 0) {
        return true; /* it has counted the fault */
    }
    memcpy(service->node, name, len + 1);
    service->proven = proven;
    set_unproven(services, service, !proven && !known);
    return true;
}

/* ---- coming and going ---- */

struct mdns_services *mdns_services_create(struct cache *cache,
                                           bool (*url_allowed)(void *user, const char *url), void *user)
{
    struct mdns_services *services = calloc(1, sizeof *services);
    if (services) {
        services->cache = cache;
        services->url_allowed = url_allowed;
        services->user = user;
    }
    return services;
}

void mdns_services_destroy(struct mdns_services *services)
{
    while (services && services->first) {
        struct mdns_service *service = services->first;
        services->first = service->next;
        free(service);
    }
    free(services);
}

static struct mdns_service **find_service(struct mdns_services *services, const char *instance, int interface)
{
    struct mdns_service **link = &services->first;
    while (*link &&
           ((*link)->answer.interface != interface || strcmp((*link)->answer.instance, instance) != 0)) {
        link = &(*link)->next;
    }
    return link;
}

static struct mdns_service *find_id(struct mdns_services *services, uint64_t id)
{
    struct mdns_service *service = services->first;
    while (service && service->id != id) {
        service = service->next;
    }
    return service;
}

static struct mdns_service *add_service(struct mdns_services *services)
{
    struct mdns_service *service = calloc(1, sizeof *service);
    if (service) {
        service->next = services->first;
        services->first = service;
        services->stats.services++;
    }
    return service;
}

int mdns_services_found(struct mdns_services *services, const struct mdns_answer *answer, struct now now)
{
    struct mdns_service *service = *find_service(services, answer->instance, answer->interface);
    if (!service && services->stats.services >= MDNS_SERVICES_MAX) {
        services->stats.dropped++;
        return -ENOSPC;
    }
    if (!service && !(service = add_service(services))) {
        return -ENOMEM;
    }
    char url[SIGHTING_URL_MAX + 1];
    write_url(answer, url);
    bool moved = strcmp(url, service->url) != 0;
    if (moved) {
        withdraw(services, service, now);
        memcpy(service->url, url, sizeof service->url);
        service->allowed = answer->port != 0 && services->url_allowed(services->user, url);
        service->checked_ms = 0;
        services->stats.checking -= service->checking;
        service->checking = false;
        service->id = ++services->last_id; /* whatever is under way asked the old address */
    }
    bool changed = service->answer.type != answer->type;
    service->answer = *answer;
    struct fault fault;
    if (moved && !service->allowed) {
        tell(services, service, answer->instance, false, now, &fault); /* listed, and never asked */
    } else if (changed && service->node[0]) {
        char node[NODE_NAME_MAX + 1];
        memcpy(node, service->node, sizeof node);
        tell(services, service, node, service->proven, now, &fault);
    }
    return 0;
}

bool mdns_services_gone(struct mdns_services *services, const char *instance, int interface, struct now now)
{
    struct mdns_service **link = find_service(services, instance, interface);
    struct mdns_service *service = *link;
    if (!service) {
        return false;
    }
    withdraw(services, service, now);
    *link = service->next;
    services->stats.services--;
    services->stats.checking -= service->checking;
    free(service);
    return true;
}

/* ---- who is it? ---- */

/* Has an agent spoken meanwhile whose Smollama it is, under another name? */
static bool is_an_agents(const struct mdns_services *services, struct mdns_service *service,
                         const struct node *node, struct now now)
{
    if (!service->proven || node->found != FOUND_MDNS || now.mono_ms - service->looked_ms < MDNS_HURRY_MS) {
        return false;
    }
    service->looked_ms = now.mono_ms;
    return cache_agent_at(services->cache, service->node, service->url) != NULL;
}

/* From when on it may be asked; 0 = there is nothing to ask. */
static int64_t check_due_ms(struct mdns_services *services, struct mdns_service *service, struct now now)
{
    if (service->checked_ms == 0) {
        return 1; /* at once */
    }
    if (!service->node[0]) {
        return service->checked_ms + (service->hurried ? MDNS_HURRY_MS : MDNS_RECHECK_MS);
    }
    const struct node *node = cache_find(services->cache, service->node, strlen(service->node));
    if (!node) { /* forgotten */
        service->forgotten = service->hurried = true;
        service->node[0] = '\0';
        service->proven = false;
        set_unproven(services, service, false);
        return service->checked_ms + MDNS_HURRY_MS;
    }
    bool used = strcmp(node->url, service->url) == 0;
    if (used && node->evidence.probe.ever_ok) { /* polled in its own name */
        service->proven = true;
    }
    if (service->proven || node->found != FOUND_MDNS) {
        set_unproven(services, service, false);
    }
    if (is_an_agents(services, service, node, now)) {
        return now.mono_ms;
    }
    if (!used) {
        return 0;
    }
    bool another = strcmp(node->evidence.probe.error, "wrong_node") == 0 &&
                   node->evidence.probe.at_ms > service->checked_ms;
    return another ? service->checked_ms + MDNS_HURRY_MS : 0;
}

const char *mdns_services_next_check(struct mdns_services *services, struct now now, uint64_t *ret_id)
{
    if (services->stats.checking >= MDNS_CHECKS || !pace_allows(services, now.mono_ms)) {
        return NULL;
    }
    for (struct mdns_service *service = services->first; service; service = service->next) {
        int64_t due_ms = service->allowed && !service->checking ? check_due_ms(services, service, now) : 0;
        if (due_ms != 0 && due_ms <= now.mono_ms &&
            !was_just_asked(services, target_of(service), now.mono_ms)) {
            note_asked(services, target_of(service), now.mono_ms);
            service->checking = true;
            services->stats.checking++;
            *ret_id = service->id;
            return service->url;
        }
    }
    return NULL;
}

/* The sighting is of the node that was named; or of the agent's that vouches for name and address, and then
 * what was a node by that name and mDNS alone was none. */
static bool tell_named(struct mdns_services *services, struct mdns_service *service, const char *name,
                       struct now now, struct fault *ret_fault)
{
    char before[NODE_NAME_MAX + 1], owner[NODE_NAME_MAX + 1];
    const struct node *agent = cache_agent_at(services->cache, name, service->url);
    memcpy(before, service->node, sizeof before);
    snprintf(owner, sizeof owner, "%s", agent ? agent->name : name);
    bool told = tell(services, service, owner, true, now, ret_fault);
    struct node *left = cache_find(services->cache, before, strlen(before));
    if (agent && left && left->found == FOUND_MDNS && !left->sightings) {
        cache_forget(services->cache, left);
    }
    return told;
}

static bool take_answer(struct mdns_services *services, struct mdns_service *service, const char *node_name,
                        struct now now, struct fault *ret_fault)
{
    service->hurried = false;
    service->checked_ms = now.mono_ms;
    if (node_name[0]) {
        service->forgotten = false;
        return tell_named(services, service, node_name, now, ret_fault);
    }
    /* Nobody speaks there now: whoever it was known to be, it still is. */
    if (service->node[0] || service->forgotten) {
        return false;
    }
    return tell(services, service, service->answer.instance, false, now, ret_fault);
}

bool mdns_services_checked(struct mdns_services *services, uint64_t id, const char *node_name, struct now now,
                           struct fault *ret_fault)
{
    *ret_fault = (struct fault){.reason = REJECT_NONE};
    struct mdns_service *service = find_id(services, id);
    if (!service || !service->checking) {
        return false;
    }
    service->checking = false;
    services->stats.checking--;
    bool told = take_answer(services, service, node_name, now, ret_fault);
    for (struct mdns_service *other = services->first; other; other = other->next) {
        bool same = other != service && other->allowed && !other->checking;
        int64_t due_ms =
            same && strcmp(other->url, service->url) == 0 ? check_due_ms(services, other, now) : 0;
        if (due_ms != 0 && due_ms <= now.mono_ms) { /* the same would be asked there */
            struct fault fault = {.reason = REJECT_NONE};
            told = take_answer(services, other, node_name, now, &fault) || told;
            *ret_fault = fault.reason != REJECT_NONE ? fault : *ret_fault;
        }
    }
    return told;
}

struct mdns_services_stats mdns_services_stats(const struct mdns_services *services)
{
    return services->stats;
}
