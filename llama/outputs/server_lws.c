/* libwebsockets made ready, and let go. */
#include "server_internal.h"

#include "log.h"

#include <errno.h>
#include <string.h>

#define IDLE_S      30 /* a connection may wait for its next request */
#define REQUEST_S   10 /* for a request to come in, and for a TLS handshake */
#define DRAIN_TURNS 1000

/* libwebsockets logs to a plain function: this limiter cannot live in a struct. */
static struct log_limit lws_limit;

static void log_lws(int level, const char *line)
{
    char text[LOG_TEXT];
    uint64_t suppressed;
    if (!log_limit_pass(&lws_limit, clock_now().mono_ms, &suppressed)) {
        return;
    }
    log_write(level == LLL_ERR ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "http: libwebsockets: %s%s",
              log_escape(text, sizeof text, line, strcspn(line, "\n")),
              suppressed ? " (others like it were not logged)" : "");
}

int server_start_lws(struct server *server, const struct server_options *options, const char **ret_error)
{
    static const struct lws_protocols protocols[] = {
        {.name = "llamad",
         .callback = server_callback,
         .per_session_data_size = sizeof(struct exchange),
         .rx_buffer_size = 256, /* of a live session: clients have nothing to say */
         .tx_packet_size = SCRATCH},
        {0},
    };
    void *loops[1] = {loop_native(server->loop)};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .protocols = protocols,
        .vhost_name = "llamad",
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
        .foreign_loops = loops,
        .pcontext = &server->context,
        .user = server,
        .gid = -1,
        .uid = -1,
        .fd_limit_per_thread = server->max_connections + 8, /* below RLIMIT_NOFILE, or EMFILE spins */
        .max_http_header_data = LIMIT_HEADERS,
        /* with less, as many half requests as there is room for would keep out everybody else */
        .max_http_header_pool = (unsigned short)server->max_connections,
        .pt_serv_buf_size = 8192,
        .timeout_secs = REQUEST_S,
        .keepalive_timeout = IDLE_S,
        .alpn = "http/1.1",
        .headers = &server_security_headers,
    };
    if (options->tls_cert) {
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
        info.ssl_cert_filepath = options->tls_cert;
        info.ssl_private_key_filepath = options->tls_key;
    }
    lws_set_log_level(LLL_ERR | LLL_WARN, log_lws);
    server->context = lws_create_context(&info);
    if (!server->context) {
        *ret_error = "libwebsockets cannot start: is its libuv plugin installed (Debian package "
                     "libwebsockets-evlib-uv)?";
        return -ENOENT;
    }
    server->vhost = lws_create_vhost(server->context, &info);
    if (!server->vhost) {
        *ret_error = options->tls_cert
                         ? "libwebsockets cannot use http.tls.cert and http.tls.key: see --check"
                         : "libwebsockets cannot create its virtual host";
        return -ENOMEM;
    }
    return 0;
}

/* On a foreign loop the first destroy only begins: the loop must run, and destroy be called again. */
void server_stop_lws(struct server *server)
{
    if (!server->context) {
        return;
    }
    lws_context_destroy(server->context);
    for (int i = 0; i < DRAIN_TURNS && server->context; i++) {
        if (!loop_turn(server->loop, false)) {
            break;
        }
    }
    if (server->context) {
        lws_context_destroy(server->context);
    }
}
