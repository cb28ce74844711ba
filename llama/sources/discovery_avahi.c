#include "discovery_avahi.h"

#include "avahi_loop.h"
#include "log.h"
#include "mdns_senders.h"

#include <avahi-common/error.h>
#include <avahi-common/malloc.h>
#include <avahi-core/core.h>
#include <avahi-core/log.h>
#include <avahi-core/lookup.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS        500
#define RESOLVE_MAX    64 /* services whose records are awaited at a time */
#define RETRY_MS       60000
#define RETRY_MAX_MS   (16 * 60000)
#define RESTART_MS     30000 /* after Avahi failed */
#define FOUND_AGAIN_MS 20000 /* after a new beginning: who is not, is gone */
#define JUMP_MS        2000  /* the wall clock moved against the monotonic one */

/* A service that Avahi's browser holds. */
struct seen {
    struct seen *next; /* newest first; owner: the browser */
    struct discovery_avahi *avahi;
    struct mdns_sender who;
    AvahiSServiceResolver *resolver; /* NULL = not asked for yet, or failed */
    bool pending;                    /* no answer of the resolver yet */
    bool lost;                       /* of before the last beginning, and not found again */
    bool told;                       /* `found` was called, with: */
    struct mdns_answer answer;
    uint32_t retry_ms; /* the last pause; 0 = never failed */
    int64_t next_ms;   /* when to resolve */
};

struct discovery_avahi {
    struct loop *loop;
    struct discovery_avahi_callbacks callbacks;
    char *type;
    struct avahi_loop adapter;
    AvahiServer *server; /* NULL = not running */
    struct seen *first;
    unsigned count, pending;
    uint64_t dropped;
    struct mdns_senders *senders;
    struct loop_timer *tick_timer;
    struct loop_after *restart_soon;
    int64_t clock_offset_ms; /* wall minus monotonic */
    int64_t start_ms;        /* when to start, while it does not run; monotonic */
    int64_t sweep_ms;        /* when those not found again go; 0 = nobody was lost */
    bool failure_logged;
};

static struct seen **find_seen(struct discovery_avahi *avahi, const char *instance, int interface)
{
    struct seen **link = &avahi->first;
    while (*link && !mdns_sender_is(&(*link)->who, instance, interface)) {
        link = &(*link)->next;
    }
    return link;
}

static void tell(struct seen *seen)
{
    struct discovery_avahi *avahi = seen->avahi;
    seen->answer.source = seen->who.source;
    seen->told = true;
    avahi->callbacks.found(avahi->callbacks.user, &seen->answer);
}

static bool on_sender(void *user, const struct mdns_sender *sender)
{
    struct seen *seen = *find_seen(user, sender->instance, sender->interface);
    if (!seen) {
        return false;
    }
    bool moved = seen->who.source.s_addr != sender->source.s_addr;
    seen->who.source = sender->source;
    if (moved && seen->told) {
        tell(seen); /* a node whose record is 127.0.1.1 still, has another address: Avahi sees no change */
    }
    return true;
}

/* ---- resolving ---- */

static void stop_resolving(struct seen *seen)
{
    seen->avahi->pending -= seen->pending;
    seen->pending = false;
    if (seen->resolver) {
        avahi_s_service_resolver_free(seen->resolver);
        seen->resolver = NULL;
    }
}

static void resolve_later(struct seen *seen)
{
    stop_resolving(seen);
    seen->retry_ms = seen->retry_ms ? 2 * seen->retry_ms : RETRY_MS;
    seen->retry_ms = seen->retry_ms < RETRY_MAX_MS ? seen->retry_ms : RETRY_MAX_MS;
    seen->next_ms = clock_now().mono_ms + seen->retry_ms;
}

static enum node_type read_type(AvahiStringList *txt)
{
    static const char key[] = "node_type=";
    AvahiStringList *entry = avahi_string_list_find(txt, "node_type");
    size_t len = entry ? avahi_string_list_get_size(entry) : 0;
    return len >= sizeof key - 1
               ? mdns_node_type((const char *)avahi_string_list_get_text(entry) + sizeof key - 1,
                                len - (sizeof key - 1))
               : NODE_UNKNOWN;
}

static void debug_service(const char *what, const char *instance, int interface)
{
    char shown[LOG_TEXT];
    if (log_debugs(LOG_MDNS)) {
        log_debug(LOG_MDNS, "%s: %s, interface %d", what,
                  log_escape(shown, sizeof shown, instance, strlen(instance)), interface);
    }
}

static void on_resolved(AvahiSServiceResolver *resolver, AvahiIfIndex interface, AvahiProtocol protocol,
                        AvahiResolverEvent event, const char *name, const char *type, const char *domain,
                        const char *host, const AvahiAddress *address, uint16_t port, AvahiStringList *txt,
                        AvahiLookupResultFlags flags, void *userdata)
{
    (void)resolver;
    (void)interface;
    (void)protocol;
    (void)name;
    (void)type;
    (void)domain;
    (void)host;
    (void)flags;
    struct seen *seen = userdata;
    struct discovery_avahi *avahi = seen->avahi;
    if (event != AVAHI_RESOLVER_FOUND || !address || address->proto != AVAHI_PROTO_INET) {
        resolve_later(seen);
        return;
    }
    avahi->pending -= seen->pending;
    seen->pending = false;
    seen->retry_ms = 0;
    debug_service("resolved", seen->who.instance, seen->who.interface);
    seen->answer = (struct mdns_answer){.interface = seen->who.interface,
                                        .address = {.s_addr = address->data.ipv4.address},
                                        .port = port,
                                        .type = read_type(txt)};
    memcpy(seen->answer.instance, seen->who.instance, sizeof seen->answer.instance);
    tell(seen);
}

/* The newest first: who floods the network with names keeps no newcomer waiting for long. */
static void resolve_next(struct discovery_avahi *avahi)
{
    int64_t now_ms = clock_now().mono_ms;
    for (struct seen *seen = avahi->first; seen && avahi->pending < RESOLVE_MAX; seen = seen->next) {
        if (seen->resolver || seen->lost || seen->next_ms > now_ms) {
            continue;
        }
        seen->resolver = avahi_s_service_resolver_new(avahi->server, seen->who.interface, AVAHI_PROTO_INET,
                                                      seen->who.instance, avahi->type, "local",
                                                      AVAHI_PROTO_INET, 0, on_resolved, seen);
        if (seen->resolver) {
            seen->pending = true;
            avahi->pending++;
        } else {
            resolve_later(seen);
        }
    }
}

/* ---- browsing ---- */

static void remove_seen(struct discovery_avahi *avahi, struct seen **link)
{
    struct seen *seen = *link;
    debug_service("lost", seen->who.instance, seen->who.interface);
    stop_resolving(seen);
    *link = seen->next;
    avahi->count--;
    if (seen->told) {
        avahi->callbacks.gone(avahi->callbacks.user, seen->who.instance, seen->who.interface);
    }
    free(seen);
}

static void add_seen(struct discovery_avahi *avahi, const char *name, int interface)
{
    struct seen *seen = avahi->count < MDNS_SERVICES_MAX ? calloc(1, sizeof *seen) : NULL;
    if (!seen) {
        if (avahi->dropped++ == 0) {
            log_warning("mdns: more than %d services: the others are left out", MDNS_SERVICES_MAX);
        }
        return;
    }
    seen->avahi = avahi;
    memcpy(seen->who.instance, name, strlen(name) + 1);
    seen->who.interface = interface;
    seen->who.source = mdns_senders_find(avahi->senders, name, interface);
    seen->next = avahi->first;
    avahi->first = seen;
    avahi->count++;
    debug_service("found", name, interface);
}

static void on_browsed(AvahiSServiceBrowser *browser, AvahiIfIndex interface, AvahiProtocol protocol,
                       AvahiBrowserEvent event, const char *name, const char *type, const char *domain,
                       AvahiLookupResultFlags flags, void *userdata)
{
    (void)browser;
    (void)protocol;
    (void)type;
    (void)domain;
    (void)flags;
    struct discovery_avahi *avahi = userdata;
    if (event == AVAHI_BROWSER_FAILURE) {
        loop_after_arm(avahi->restart_soon);
        return;
    }
    if ((event != AVAHI_BROWSER_NEW && event != AVAHI_BROWSER_REMOVE) || !name[0] ||
        strlen(name) > MDNS_LABEL_MAX) {
        return;
    }
    struct seen **link = find_seen(avahi, name, interface);
    if (event == AVAHI_BROWSER_REMOVE) {
        if (*link) {
            remove_seen(avahi, link);
        }
    } else if (*link) {
        (*link)->lost = false;
    } else {
        add_seen(avahi, name, interface);
    }
    resolve_next(avahi);
}

/* ---- beginning, and beginning again ---- */

static void on_avahi_log(AvahiLogLevel level, const char *text)
{
    (void)level; /* what it warns of (another stack here, a strange packet) is no trouble of ours */
    char escaped[LOG_TEXT];
    log_debug(LOG_MDNS, "%s", log_escape(escaped, sizeof escaped, text, strlen(text)));
}

static void on_server(AvahiServer *server, AvahiServerState state, void *userdata)
{
    struct discovery_avahi *avahi = userdata;
    (void)server;
    if (state == AVAHI_SERVER_FAILURE) {
        loop_after_arm(avahi->restart_soon);
    }
}

static void stop_server(struct discovery_avahi *avahi)
{
    for (struct seen *seen = avahi->first; seen; seen = seen->next) {
        stop_resolving(seen);
        seen->lost = true;
        seen->next_ms = 0;
    }
    if (avahi->server) {
        avahi_server_free(avahi->server); /* with its browser */
        avahi->server = NULL;
    }
}

static void fail(struct discovery_avahi *avahi, const char *what, int error)
{
    if (!avahi->failure_logged) {
        log_warning("mdns: %s: %s; tried again every %d s", what, avahi_strerror(error), RESTART_MS / 1000);
        avahi->failure_logged = true;
    }
    stop_server(avahi);
    avahi->start_ms = clock_now().mono_ms + RESTART_MS;
}

static void start_server(struct discovery_avahi *avahi)
{
    AvahiServerConfig config;
    int error = AVAHI_OK;
    avahi_server_config_init(&config);
    config.use_ipv6 = 0;
    /* What this machine announces comes on its other interfaces as well, with addresses that can be asked. */
    config.deny_interfaces = avahi_string_list_new("lo", NULL);
    config.publish_hinfo = config.publish_addresses = config.publish_workstation = config.publish_domain = 0;
    config.publish_aaaa_on_ipv4 = config.publish_a_on_ipv6 = 0;
    config.disable_publishing = 1;
    config.enable_wide_area = 0;
    struct now now = clock_now();
    avahi->clock_offset_ms = now.wall_ms - now.mono_ms;
    avahi->server = avahi_server_new(&avahi->adapter.api, &config, on_server, avahi, &error);
    avahi_server_config_free(&config);
    if (!avahi->server) {
        fail(avahi, "cannot listen", error);
        return;
    }
    if (!avahi_s_service_browser_new(avahi->server, AVAHI_IF_UNSPEC, AVAHI_PROTO_INET, avahi->type, "local",
                                     0, on_browsed, avahi)) {
        fail(avahi, "cannot browse", avahi_server_errno(avahi->server));
        return;
    }
    avahi->failure_logged = false;
}

static void begin_again(struct discovery_avahi *avahi, int64_t after_ms)
{
    int64_t now_ms = clock_now().mono_ms;
    stop_server(avahi);
    avahi->start_ms = now_ms + after_ms;
    avahi->sweep_ms = avahi->start_ms + FOUND_AGAIN_MS;
    if (after_ms == 0) {
        start_server(avahi);
    }
}

static bool clock_jumped(struct discovery_avahi *avahi)
{
    struct now now = clock_now();
    int64_t offset_ms = now.wall_ms - now.mono_ms;
    int64_t moved_ms = offset_ms - avahi->clock_offset_ms;
    if (moved_ms <= JUMP_MS && moved_ms >= -JUMP_MS) {
        avahi->clock_offset_ms = offset_ms; /* it may be slewed as long as it likes */
        return false;
    }
    return true;
}

static bool on_before(void *user, int fd)
{
    struct discovery_avahi *avahi = user;
    if (clock_jumped(avahi)) {
        loop_after_arm(avahi->restart_soon);
        return false;
    }
    if (fd >= 0) {
        mdns_senders_peek(avahi->senders, fd, on_sender, avahi);
    }
    return true;
}

static void on_restart(void *user)
{
    struct discovery_avahi *avahi = user;
    bool jumped = clock_jumped(avahi);
    log_info("mdns: %s: begins again", jumped ? "the clock was set" : "failed");
    begin_again(avahi, jumped ? 0 : RESTART_MS);
}

static void sweep(struct discovery_avahi *avahi)
{
    for (struct seen **link = &avahi->first; *link;) {
        if ((*link)->lost) {
            remove_seen(avahi, link);
        } else {
            link = &(*link)->next;
        }
    }
    avahi->sweep_ms = 0;
}

static void on_tick(void *user)
{
    struct discovery_avahi *avahi = user;
    int64_t now_ms = clock_now().mono_ms;
    if (!avahi->server) {
        if (now_ms >= avahi->start_ms) {
            start_server(avahi);
        }
    } else if (clock_jumped(avahi)) {
        loop_after_arm(avahi->restart_soon);
    } else {
        resolve_next(avahi);
    }
    if (avahi->sweep_ms != 0 && now_ms >= avahi->sweep_ms) {
        sweep(avahi);
    }
}

/* ---- interface ---- */

struct discovery_avahi *discovery_avahi_create(struct loop *loop, const char *service_type,
                                               const struct discovery_avahi_callbacks *callbacks)
{
    struct discovery_avahi *avahi = calloc(1, sizeof *avahi);
    if (!avahi) {
        return NULL;
    }
    avahi->loop = loop;
    avahi->callbacks = *callbacks;
    avahi->type = strdup(service_type);
    avahi->senders = avahi->type ? mdns_senders_create(avahi->type) : NULL;
    avahi_loop_init(&avahi->adapter, loop, on_before, avahi);
    avahi->tick_timer = loop_timer_create(loop, on_tick, avahi);
    avahi->restart_soon = loop_after_create(loop, on_restart, avahi);
    if (!avahi->senders || !avahi->tick_timer || !avahi->restart_soon) {
        discovery_avahi_destroy(avahi);
        return NULL;
    }
    avahi_set_log_function(on_avahi_log);
    loop_timer_start(avahi->tick_timer, TICK_MS, TICK_MS);
    start_server(avahi);
    return avahi;
}

void discovery_avahi_destroy(struct discovery_avahi *avahi)
{
    if (!avahi) {
        return;
    }
    stop_server(avahi);
    while (avahi->first) {
        struct seen *seen = avahi->first;
        avahi->first = seen->next;
        free(seen);
    }
    loop_timer_destroy(avahi->tick_timer);
    loop_after_destroy(avahi->restart_soon);
    mdns_senders_destroy(avahi->senders);
    free(avahi->type);
    free(avahi);
}

bool discovery_avahi_is_running(const struct discovery_avahi *avahi)
{
    return avahi->server != NULL;
}

uint64_t discovery_avahi_dropped(const struct discovery_avahi *avahi)
{
    return avahi->dropped;
}
