#include "discovery.h"

#include "allow.h"
#include "complaint.h"
#include "discovery_avahi.h"
#include "mdns_services.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCAN_MS       500
#define MDNS_CHECK_MS 3000 /* a new node is to be seen within 5 s, be it a hanging one */
#define BODY_MAX      65536
#define URL_SIZE      (SIGHTING_URL_MAX + 16)

struct check {
    struct discovery *discovery;
    struct check *next; /* of those under way */
    struct fetch_get *get;
    uint64_t id; /* of the service */
};

struct discovery {
    struct cache *cache;
    struct fetch *fetch;
    struct allow *allow;
    struct mdns_services *services;
    struct discovery_avahi *avahi;
    struct loop_timer *scan_timer;
    struct loop_after *scan_soon;
    struct check *checks;
    struct complaints complaints;
    uint32_t timeout_ms;
    uint64_t check_count;
    void (*changed)(void *user);
    void *user;
};

/* ---- asking who it is ---- */

static void finish_check(struct check *check, const char *node_name)
{
    struct discovery *discovery = check->discovery;
    struct check **link = &discovery->checks;
    while (*link != check) {
        link = &(*link)->next;
    }
    *link = check->next;
    struct now now = clock_now();
    struct fault fault;
    bool told = mdns_services_checked(discovery->services, check->id, node_name, now, &fault);
    free(check);
    if (fault.reason != REJECT_NONE) {
        complain(&discovery->complaints, "mdns", "discovery", strlen("discovery"), &fault, now.mono_ms);
    }
    loop_after_arm(discovery->scan_soon);
    if (told) {
        discovery->changed(discovery->user);
    }
}

static void on_answer(void *user, const struct fetch_answer *answer)
{
    struct check *check = user;
    char name[NODE_NAME_MAX + 1] = "";
    struct json_error error;
    check->get = NULL;
    if (!answer->error && answer->status == 200 &&
        json_check(answer->body.data, answer->body.len, JSON_MAX_DEPTH, &error)) {
        size_t len = 0;
        struct json_slice body = json_root(answer->body.data, answer->body.len);
        if (json_string(json_member(body, "node_name"), name, sizeof name, &len) != 0 ||
            !node_name_valid(name, len, NULL)) {
            name[0] = '\0';
        }
    }
    finish_check(check, name);
}

static bool may_connect(void *user, const struct sockaddr *address)
{
    const struct check *check = user;
    return allow_address(check->discovery->allow, address);
}

static void start_check(struct discovery *discovery, const char *base, uint64_t id)
{
    char url[URL_SIZE];
    snprintf(url, sizeof url, "%s/api/stats", base);
    struct fault fault;
    struct check *check = calloc(1, sizeof *check);
    if (!check) {
        mdns_services_checked(discovery->services, id, "", clock_now(), &fault);
        return;
    }
    check->discovery = discovery;
    check->id = id;
    check->next = discovery->checks;
    discovery->checks = check;
    discovery->check_count++;
    check->get =
        fetch_start(discovery->fetch, url, discovery->timeout_ms, BODY_MAX, may_connect, on_answer, check);
    if (!check->get) {
        finish_check(check, "");
    }
}

static void scan(void *user)
{
    struct discovery *discovery = user;
    uint64_t id;
    const char *url;
    while ((url = mdns_services_next_check(discovery->services, clock_now(), &id))) {
        start_check(discovery, url, id);
    }
}

/* ---- what Avahi tells ---- */

static void on_found(void *user, const struct mdns_answer *answer)
{
    struct discovery *discovery = user;
    mdns_services_found(discovery->services, answer, clock_now());
    loop_after_arm(discovery->scan_soon);
    discovery->changed(discovery->user);
}

static void on_gone(void *user, const char *instance, int interface)
{
    struct discovery *discovery = user;
    if (mdns_services_gone(discovery->services, instance, interface, clock_now())) {
        discovery->changed(discovery->user);
    }
}

static bool url_allowed(void *user, const char *url)
{
    const struct discovery *discovery = user;
    return allow_url(discovery->allow, url);
}

/* ---- interface ---- */

static void set_timeout(struct discovery *discovery, const struct discovery_options *options)
{
    discovery->timeout_ms = options->timeout_ms < MDNS_CHECK_MS ? options->timeout_ms : MDNS_CHECK_MS;
}

int discovery_set_requests(struct discovery *discovery, const struct discovery_options *options)
{
    int e = allow_replace(&discovery->allow, options->allow, options->allow_count);
    if (e == 0) {
        set_timeout(discovery, options);
    }
    return e;
}

struct discovery *discovery_create(struct loop *loop, struct cache *cache, struct fetch *fetch,
                                   const struct discovery_options *options, void (*changed)(void *user),
                                   void *user)
{
    struct discovery *discovery = calloc(1, sizeof *discovery);
    if (!discovery) {
        return NULL;
    }
    const char *bad;
    const struct discovery_avahi_callbacks callbacks = {
        .found = on_found, .gone = on_gone, .user = discovery};
    discovery->cache = cache;
    discovery->fetch = fetch;
    discovery->changed = changed;
    discovery->user = user;
    set_timeout(discovery, options);
    discovery->allow = allow_create(options->allow, options->allow_count, &bad);
    discovery->services = mdns_services_create(cache, url_allowed, discovery);
    discovery->scan_timer = loop_timer_create(loop, scan, discovery);
    discovery->scan_soon = loop_after_create(loop, scan, discovery);
    if (!discovery->allow || !discovery->services || !discovery->scan_timer || !discovery->scan_soon ||
        !(discovery->avahi = discovery_avahi_create(loop, options->service_type, &callbacks))) {
        discovery_destroy(discovery);
        return NULL;
    }
    loop_timer_start(discovery->scan_timer, SCAN_MS, SCAN_MS);
    return discovery;
}

void discovery_destroy(struct discovery *discovery)
{
    if (!discovery) {
        return;
    }
    discovery_avahi_destroy(discovery->avahi);
    while (discovery->checks) {
        struct check *check = discovery->checks;
        discovery->checks = check->next;
        fetch_cancel(check->get);
        free(check);
    }
    mdns_services_destroy(discovery->services);
    loop_timer_destroy(discovery->scan_timer);
    loop_after_destroy(discovery->scan_soon);
    allow_destroy(discovery->allow);
    free(discovery);
}

struct discovery_stats discovery_stats(const struct discovery *discovery)
{
    struct mdns_services_stats services = mdns_services_stats(discovery->services);
    return (struct discovery_stats){
        .running = discovery_avahi_is_running(discovery->avahi),
        .services = services.services,
        .unproven = services.unproven,
        .checks = discovery->check_count,
        .dropped = services.dropped + discovery_avahi_dropped(discovery->avahi),
    };
}
