/* Connections: who may come in, and what becomes of those that ask for nothing. */
#include "server_internal.h"

#include "log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_PER_TURN 64
#define SILENT_MS        5000 /* a connection without a request that was open so long waited in vain */
#define SILENT_MANY      16   /* of one source */

void server_watch_listener(struct server *server)
{
    bool full = server->connections >= server->max_connections;
    if (server->listener && !server->stopping) {
        loop_io_watch(server->listener, full ? 0 : LOOP_READ);
        server->paused = full;
    }
}

void server_connection_opened(struct server *server)
{
    server->connections++;
    server->stats.connections++;
    server->stats.open_connections = server->connections;
    if (!loop_timer_active(server->sweep)) {
        loop_timer_start(server->sweep, SWEEP_MS, SWEEP_MS);
    }
}

/* Browsers open one ahead now and then, so a few that asked for nothing are nothing to tell. */
static void count_silent(struct server *server, const struct connection *connection)
{
    static const char reason[] = "connections that ask for nothing";
    bool waited = clock_now().mono_ms - connection->opened_ms >= SILENT_MS;
    if (connection->asked || !waited || server->stopping) {
        return;
    }
    server->stats.silent++;
    if (crowd_member_count(connection->member) >= SILENT_MANY) {
        server_say(server, &connection->peer, reason);
    }
}

void server_connection_closed(struct server *server, struct connection *connection)
{
    if (connection) {
        count_silent(server, connection);
        server_crowd_leave(server->crowd, connection->member);
        free(connection);
    }
    server->connections--;
    server->stats.open_connections = server->connections;
    if (server->paused) {
        server_watch_listener(server);
    }
}

/* Asked for when it comes: a connection that was reset meanwhile does not tell any more. */
static struct peer peer_of(const struct sockaddr_storage *address)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    bool is_v6 = address->ss_family == AF_INET6;
    char text[PEER_TEXT] = "";
    struct peer peer = {0};
    inet_ntop(address->ss_family, is_v6 ? (const void *)&v6->sin6_addr : &v4->sin_addr, text, sizeof text);
    peer_parse(text, &peer);
    return peer;
}

/* Takes the descriptor. */
static void adopt(struct server *server, int fd, struct peer peer)
{
    static const char reason[] = "as many connections as one address may have are open";
    struct connection *connection = calloc(1, sizeof *connection);
    bool proxy = peer_in(&peer, server->proxies, server->proxy_count);
    if (!connection || (!proxy && !server_crowd_enter(server->crowd, &peer, &connection->member))) {
        server->stats.crowded_out++;
        server_say(server, &peer, reason);
        free(connection);
        close(fd);
        return;
    }
    connection->peer = peer;
    connection->opened_ms = clock_now().mono_ms;
    struct lws *wsi = lws_adopt_socket_vhost(server->vhost, fd); /* closes it on failure */
    if (wsi) {
        lws_set_opaque_user_data(wsi, connection);
    } else {
        server_crowd_leave(server->crowd, connection->member);
        free(connection);
    }
}

/* True if accepting may go on. */
static bool accept_one(struct server *server)
{
    int on = 1;
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    int fd = accept4(server->listen_fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EINTR || errno == ECONNABORTED) {
            return true;
        }
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            /* no descriptors or memory: without a pause the loop would spin */
            log_warning("http: accept: %s", strerror(errno));
            loop_io_watch(server->listener, 0);
            server->paused = true;
            loop_timer_start(server->sweep, SWEEP_MS, SWEEP_MS);
        }
        return false;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    adopt(server, fd, peer_of(&address));
    if (server->connections >= server->max_connections) {
        server_watch_listener(server);
        return false;
    }
    return true;
}

void server_on_listener(void *user, unsigned events)
{
    (void)events;
    struct server *server = user;
    for (int i = 0; i < ACCEPTS_PER_TURN && accept_one(server); i++) {
    }
}
