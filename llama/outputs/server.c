#include "server_internal.h"

#include "log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG           512
#define DESCRIPTORS_SPARE 256 /* for the broker, polled nodes, files */
#define SHARE             4   /* one source may have the fourth part of all connections */

/* ---- upkeep ---- */

static void sweep(void *user)
{
    struct server *server = user;
    if (server->paused) {
        server_watch_listener(server);
    }
    bool keeps = api_expire(server->api, clock_now());
    if (server->connections == 0) {
        if (!keeps) {
            loop_timer_stop(server->sweep);
        }
        return;
    }
    live_sweep(server->live);
    server_sweep_answers(server);
    lws_cancel_service(server->context); /* its timeouts are armed only when one of its descriptors stirs */
}

/* What comes in meanwhile is served between two portions. */
static void work(void *user)
{
    struct server *server = user;
    if (api_work(server->api)) {
        loop_after_arm(server->work);
    }
}

/* ---- listening ---- */

static const char *fail(const char *listen, uint16_t port, const char *what)
{
    static char text[160]; /* read by the caller at once, at start */
    snprintf(text, sizeof text, "%.64s:%u: %s", listen, port, what);
    return text;
}

static int open_listener(struct server *server, const char *listen_address, uint16_t port,
                         const char **ret_error)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    bool is_v6 = inet_pton(AF_INET6, listen_address, &v6.sin6_addr) == 1;
    if (!is_v6 && inet_pton(AF_INET, listen_address, &v4.sin_addr) != 1) {
        *ret_error = fail(listen_address, port, "not a numeric address");
        return -EINVAL;
    }
    const void *address = is_v6 ? (const void *)&v6 : (const void *)&v4;
    socklen_t len = is_v6 ? sizeof v6 : sizeof v4;
    int on = 1;
    int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, address, len) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, is_v6 ? (void *)&v6 : (void *)&v4, &len) != 0) {
        int e = errno;
        *ret_error = fail(listen_address, port, e == EADDRINUSE ? "address already in use" : strerror(e));
        if (fd >= 0) {
            close(fd);
        }
        return -e;
    }
    server->listen_fd = fd;
    server->port = ntohs(is_v6 ? v6.sin6_port : v4.sin_port);
    return 0;
}

static void close_listener(struct server *server)
{
    loop_io_destroy(server->listener);
    server->listener = NULL;
    if (server->listen_fd >= 0) {
        close(server->listen_fd);
    }
    server->listen_fd = -1;
}

/* Raises the soft limit of descriptors as far as it helps, and says how many connections fit. */
static uint32_t connections_that_fit(void)
{
    struct rlimit limit;
    rlim_t wanted = LIMIT_CONNECTIONS + DESCRIPTORS_SPARE;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return DESCRIPTORS_SPARE;
    }
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    rlim_t fit = limit.rlim_cur < wanted ? limit.rlim_cur : wanted;
    return (uint32_t)(fit > 2 * DESCRIPTORS_SPARE ? fit - DESCRIPTORS_SPARE : fit / 2);
}

/* ---- life ---- */

static void free_hosts(char **hosts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(hosts[i]);
    }
    free(hosts);
}

int server_set_hosts(struct server *server, const char *const *hosts, size_t count)
{
    char **copies = calloc(count + 1, sizeof *copies);
    for (size_t i = 0; copies && i < count; i++) {
        copies[i] = strdup(hosts[i]);
        if (!copies[i]) {
            free_hosts(copies, i);
            return -ENOMEM;
        }
    }
    if (!copies) {
        return -ENOMEM;
    }
    free_hosts(server->hosts, server->rules.host_count);
    server->hosts = copies;
    server->rules.hosts = (const char *const *)copies;
    server->rules.host_count = count;
    return 0;
}

static int copy_options(struct server *server, const struct server_options *options, const char *instance)
{
    char machine[256] = "";
    gethostname(machine, sizeof machine - 1);
    server->instance = strdup(instance);
    server->machine = strdup(machine);
    server->public_url = options->public_url ? strdup(options->public_url) : NULL;
    if (!server->instance || !server->machine || (options->public_url && !server->public_url) ||
        server_set_hosts(server, options->hosts, options->host_count) != 0) {
        return -ENOMEM;
    }
    server->proxies = calloc(options->proxy_count + 1, sizeof *server->proxies);
    if (!server->proxies) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < options->proxy_count; i++) {
        server->proxy_count += peer_network_parse(options->proxies[i], &server->proxies[server->proxy_count]);
    }
    if (!options->public_url || !forwarded_public_path(options->public_url, server->public_path)) {
        memcpy(server->public_path, "/", 2);
    }
    server->rules.machine = server->machine;
    server->rules.public_url = server->public_url;
    return 0;
}

static void on_auth_changed(void *user)
{
    struct server *server = user;
    live_check(server->live);
}

static bool still_allowed(void *user, const struct auth_who *who)
{
    struct server *server = user;
    return auth_still(server->auth, who, clock_now().mono_ms);
}

static void on_tls_changed(void *user)
{
    struct server *server = user;
    server_tls_reload(server->tls);
}

static int start_tls(struct server *server, const struct server_options *options)
{
    const char *const paths[] = {options->tls_cert, options->tls_key};
    server->tls = server_tls_create(options->tls_cert, options->tls_key);
    server->tls_watch = file_watch_create(server->loop, paths, 2, on_tls_changed, server);
    server->rules.tls = true;
    return server->tls && server->tls_watch ? 0 : -ENOMEM;
}

static int start(struct server *server, const struct server_options *options, const char *instance,
                 const char **ret_error)
{
    server->max_connections = connections_that_fit();
    *ret_error = "out of memory";
    if (copy_options(server, options, instance) != 0) {
        return -ENOMEM;
    }
    server->assets = assets_load(options->web_dir);
    server->live = live_create(server->loop, server->cache, server->instance, &server->stats);
    server->peers = server_peers_create();
    server->crowd = server_crowd_create(server->max_connections / SHARE);
    server->sweep = loop_timer_create(server->loop, sweep, server);
    server->work = loop_after_create(server->loop, work, server);
    if (!server->assets || !server->live || !server->sweep || !server->work || !server->peers ||
        !server->crowd) {
        return -ENOMEM;
    }
    const struct auth_options who = {.users_file = options->users_file,
                                     .tokens_file = options->tokens_file,
                                     .anonymous_reads = options->anonymous_reads};
    server->auth = auth_create(server->loop, &who, on_auth_changed, server, ret_error);
    if (!server->auth) {
        return -EINVAL;
    }
    live_guard(server->live, still_allowed, server);
    if (options->tls_cert && start_tls(server, options) != 0) {
        return -ENOMEM;
    }
    int e = open_listener(server, options->listen, options->port, ret_error);
    if (e == 0) {
        e = server_start_lws(server, options, ret_error);
    }
    if (e != 0) {
        return e;
    }
    server->listener = loop_io_create(server->loop, server->listen_fd, server_on_listener, server);
    return server->listener ? loop_io_watch(server->listener, LOOP_READ) : -ENOMEM;
}

struct server *server_create(struct loop *loop, const struct server_options *options, struct cache *cache,
                             struct api *api, const char *instance, const char **ret_error)
{
    struct server *server = calloc(1, sizeof *server);
    if (!server) {
        *ret_error = "out of memory";
        return NULL;
    }
    server->loop = loop;
    server->cache = cache;
    server->api = api;
    server->listen_fd = -1;
    if (start(server, options, instance, ret_error) != 0) {
        server_destroy(server);
        return NULL;
    }
    return server;
}

uint16_t server_port(const struct server *server)
{
    return server->port;
}

void server_changed(struct server *server)
{
    live_changed(server->live);
}

const struct server_stats *server_stats(const struct server *server)
{
    return &server->stats;
}

const struct auth_stats *server_auth_stats(const struct server *server)
{
    return auth_stats(server->auth);
}

void server_reload(struct server *server)
{
    auth_reload(server->auth);
    server_tls_reload(server->tls);
}

void server_stop(struct server *server)
{
    if (server->stopping) {
        return;
    }
    server->stopping = true;
    close_listener(server);
    server_end_waits(server);
    live_stop(server->live);
}

bool server_is_idle(const struct server *server)
{
    return server->busy == 0 && server->stats.live_clients == 0;
}

void server_destroy(struct server *server)
{
    if (!server) {
        return;
    }
    server->stopping = true;
    close_listener(server);
    server_stop_lws(server);
    live_destroy(server->live);
    auth_destroy(server->auth);
    server_peers_destroy(server->peers);
    server_crowd_destroy(server->crowd);
    file_watch_destroy(server->tls_watch);
    server_tls_destroy(server->tls);
    assets_destroy(server->assets);
    loop_timer_destroy(server->sweep);
    loop_after_destroy(server->work);
    free_hosts(server->hosts, server->rules.host_count);
    free(server->proxies);
    free(server->machine);
    free(server->public_url);
    free(server->instance);
    free(server);
}
