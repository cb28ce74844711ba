/*
 * server: HTTP on libwebsockets: the checks that every request passes, the dashboard's files, the API, and
 * the live WebSocket (live.h).
 */
#ifndef SERVER_H
#define SERVER_H

#include "api.h"
#include "auth.h"
#include "loop.h"

struct server;

struct server_options {
    const char *listen;       /* numeric address; copied, as all strings here */
    uint16_t port;            /* 0 = any free one (tests) */
    const char *const *hosts; /* http.hosts: further names accepted in Host */
    size_t host_count;
    const char *public_url;               /* NULL = none */
    const char *tls_cert, *tls_key;       /* PEM files; both, or NULL = plain HTTP */
    const char *users_file, *tokens_file; /* NULL = none */
    bool anonymous_reads;                 /* whoever is neither may read; without both, everything */
    const char *const *proxies;           /* http.trusted_proxies: networks */
    size_t proxy_count;
    const char *web_dir; /* loaded into memory at start; NULL or unreadable: a page that says so */
};

struct server_stats {
    uint64_t requests, refused_host, refused_origin, bad_requests, live_opened, live_dropped, frames_out;
    uint64_t connections, crowded_out; /* of one source, which had too many */
    uint64_t silent;                   /* connections that waited for a request in vain */
    uint64_t unauthorized, forbidden;  /* nobody known asked; somebody who may read only */
    uint64_t bytes_out;                /* of answers and frames */
    uint64_t live_bytes_out;           /* of frames alone */
    uint32_t live_clients, open_connections;
};

/* Listens. Borrows loop, cache, api; NULL with *ret_error (a static or owned text such as "127.0.0.1:8090:
 * address already in use"). */
struct server *server_create(struct loop *loop, const struct server_options *options, struct cache *cache,
                             struct api *api, const char *instance, const char **ret_error);
uint16_t server_port(const struct server *server);
/* The cache has changed: live sessions get what is newer, at the end of this turn. Cheap; call after each
 * batch. */
void server_changed(struct server *server);
const struct server_stats *server_stats(const struct server *server);
const struct auth_stats *server_auth_stats(const struct server *server);
/* Other names under which browsers may ask (http.hosts), copied. 0 or -ENOMEM, and all is as before. */
int server_set_hosts(struct server *server, const char *const *hosts, size_t count);
/* Reads anew what is in files beside the configuration; what is wrong with them is logged. */
void server_reload(struct server *server);
/* Stops listening, closes sessions with 1001 and answers nothing new; destroy after at most some turns of the
 * loop. */
void server_stop(struct server *server);
bool server_is_idle(const struct server *server);
void server_destroy(struct server *server);

#endif
