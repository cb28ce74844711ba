/*
 * One request at a time on each connection: read its head through lws, check it (server_rules), let the API
 * or the assets answer, and write the answer in chunks. lws's own answers are used nowhere, so every byte of
 * a head is written here.
 */
#include "server_internal.h"

#include "assets_pack.h"

#include "log.h"

#include <string.h>
#include <strings.h>

/* ---- deciding the answer ---- */

static void count_refusal(struct server_stats *stats, int status)
{
    if (status == 421) {
        stats->refused_host++;
    } else if (status == 403) {
        stats->refused_origin++;
    } else {
        stats->bad_requests++;
    }
}

/* True if the request may be served; else the response says why not. */
static bool admit(struct server *server, struct lws *wsi, struct request *request,
                  struct api_response *response)
{
    struct refusal refusal;
    server->stats.requests++;
    struct connection *connection = lws_get_opaque_user_data(wsi);
    if (connection) {
        connection->asked = true;
    }
    if (!server_read_request(server, wsi, request) || server->stopping) {
        api_error(503, "unavailable", server->stopping ? "llamad is stopping" : "out of memory", response);
        return false;
    }
    struct rules rules = server->rules;
    rules.tls = request->https;
    if (!rules_check(&rules, &request->rules, &refusal)) {
        count_refusal(&server->stats, refusal.status);
        server_say(server, &request->peer, refusal.message);
        api_error(refusal.status, refusal.code, refusal.message, response);
        return false;
    }
    return server_identify(server, request, response) && server_permits(server, request, response);
}

/* A body would have to be read first, and an answer that is awaited leaves that to nobody. */
static bool can_wait(const struct request *request)
{
    const char *length = request->rules.content_length;
    bool reads = request->rules.method == API_GET || request->rules.method == API_HEAD;
    return reads && (!length || rules_content_length(length) == 0);
}

/* `waits`: the exchange can be answered later. */
static void serve(struct server *server, const struct request *request, bool waits,
                  struct api_response *response)
{
    const char *path = request->rules.path;
    const char *if_none_match = *request->if_none_match ? request->if_none_match : NULL;
    if (strncmp(path, "/api/", 5) != 0 && strcmp(path, "/api") != 0 && strcmp(path, "/metrics") != 0) {
        assets_handle(server->assets, request->rules.method, path, if_none_match,
                      assets_takes_gzip(request->accept_encoding), response);
        return;
    }
    const struct api_request asked = {.method = request->rules.method,
                                      .path = request->api_path,
                                      .query = request->query.len ? request->query.data : "",
                                      .if_none_match = if_none_match,
                                      .can_wait = waits && can_wait(request),
                                      .brief = request->who.scope < AUTH_READ};
    api_handle(server->api, &asked, clock_now(), response);
}

/* ---- exchanges ---- */

/* What is to become of the connection, as lws will have it. */
static void judge_connection(const struct request *request, struct exchange *exchange)
{
    bool keep_alive = strcasecmp(request->connection, "keep-alive") == 0;
    bool closes = strcasecmp(request->connection, "close") == 0;
    exchange->close = closes || (request->http_1_0 && !keep_alive);
    exchange->keep_alive_1_0 = request->http_1_0 && keep_alive;
}

/* Without the query, in which secrets may stand. */
static void debug_request(struct lws *wsi, const struct request *request, const struct api_response *response)
{
    static const char *const methods[] = {[API_GET] = "GET",
                                          [API_HEAD] = "HEAD",
                                          [API_POST] = "POST",
                                          [API_DELETE] = "DELETE",
                                          [API_OTHER] = "?"};
    char peer[64] = "?", path[LOG_TEXT];
    lws_get_peer_simple(wsi, peer, sizeof peer);
    log_escape(path, sizeof path, request->encoded_path.len ? request->encoded_path.data : "",
               request->encoded_path.len);
    if (response->wait) {
        log_debug(LOG_HTTP, "%s %s %s: is being worked out", peer, methods[request->rules.method], path);
    } else {
        log_debug(LOG_HTTP, "%s %s %s: %d, %zu bytes", peer, methods[request->rules.method], path,
                  response->status, response->body ? response->body->len : 0);
    }
}

static int on_request(struct server *server, struct lws *wsi, struct exchange *exchange)
{
    struct request request = {0};
    struct api_response *response = &exchange->response;
    server->busy++;
    exchange->state = EXCHANGE_SENDING;
    bool admitted = admit(server, wsi, &request, response);
    if (admitted && server_is_session(&request)) {
        server_session(server, exchange, &request);
    } else if (admitted) {
        serve(server, &request, true, response);
    }
    if (log_debugs(LOG_HTTP)) {
        debug_request(wsi, &request, response);
    }
    judge_connection(&request, exchange);
    exchange->head = request.rules.method == API_HEAD;
    bool post = request.rules.method == API_POST, sized = request.rules.content_length != NULL;
    bool open_ended =
        !sized && (post || request.rules.method == API_OTHER); /* lws waits for a body without end */
    int64_t body_len = sized ? rules_content_length(request.rules.content_length) : 0;
    server_finish_request(&request);
    exchange->has_body = open_ended || body_len != 0;
    if (response->wait || exchange->login) {
        exchange->close = exchange->close || exchange->has_body;
        server_await_answer(server, wsi, exchange);
        return 0;
    }
    if (!admitted || open_ended) {
        exchange->close = true; /* nothing may follow what has no sure end */
    } else if (exchange->has_body || (post && sized)) {
        server_await_body(server, wsi, exchange); /* lws reads it first, and tells the end */
        return 0;
    }
    return server_start_sending(server, wsi, exchange);
}

/*
 * A connection ends with the first body: when more requests wait in libwebsockets' buffer behind one, its
 * loop over that buffer goes on until a read consumes something or fails, so it must fail. What was handed
 * over before is still sent.
 */
static int on_body_complete(struct server *server, struct lws *wsi, struct exchange *exchange)
{
    bool awaited = exchange->state == EXCHANGE_BODY_AWAITED;
    if (awaited && !exchange->has_body) {
        return server_start_sending(server, wsi, exchange);
    }
    if (awaited) {
        exchange->close = true;
        server_answer_whole(server, wsi, exchange);
    }
    return exchange->has_body ? -1 : 0;
}

static int on_writable(struct server *server, struct lws *wsi, struct exchange *exchange)
{
    if (exchange->state == EXCHANGE_SENT) {
        return server_finish_exchange(server, wsi, exchange);
    }
    if (exchange->state == EXCHANGE_ANSWER_READY) {
        return server_send_awaited(server, wsi, exchange);
    }
    return exchange->state == EXCHANGE_SENDING ? server_send_some(server, wsi, exchange, 0) : 0;
}

/* ---- upgrades ---- */

/* Refuses what live cannot take; true if the handshake may go on. */
static bool admit_session(struct server *server, const struct request *request, struct api_response *response)
{
    struct live_request asked;
    const char *why;
    if (request->rules.method != API_GET || strcmp(request->rules.path, "/api/cluster/live") != 0) {
        api_error(404, "not_found", "there is no WebSocket at this address", response);
    } else if (live_parse(server->live, request->query.len ? request->query.data : "", &asked, &why) != 0) {
        api_error(400, "bad_request", why, response);
    } else if (live_is_full(server->live)) {
        api_error(503, "unavailable", "as many live sessions as can be are open", response);
        response->retry_after_s = 10;
    } else {
        return true;
    }
    return false;
}

/* 0 lets the handshake go on, 1 says that it was answered, -1 closes. No exchange is there yet. */
static int on_upgrade(struct server *server, struct lws *wsi, const char *protocol)
{
    if (lws_hdr_total_length(wsi, WSI_TOKEN_UPGRADE) <= 0) {
        return -1; /* lws answered 403 to a protocol it does not know, and asks about it nevertheless */
    }
    bool websocket = strcasecmp(protocol, "websocket") == 0;
    struct request request = {0};
    struct exchange exchange = {.close = true};
    bool admitted = admit(server, wsi, &request, &exchange.response);
    if (admitted && !websocket) {
        /* h2c may be ignored, and the request answered as it is; one with a body would have to be read first
         */
        if (request.rules.content_length || request.rules.method == API_POST) {
            api_error(400, "bad_request", "no upgrade to HTTP/2 here", &exchange.response);
        } else if (server_is_session(&request)) {
            api_error(400, "bad_request", "no upgrade to HTTP/2 here", &exchange.response);
        } else {
            serve(server, &request, false, &exchange.response);
        }
        admitted = false;
    } else if (admitted) {
        admitted = admit_session(server, &request, &exchange.response);
    }
    exchange.head = request.rules.method == API_HEAD;
    server_finish_request(&request);
    return admitted ? 0 : server_answer_whole(server, wsi, &exchange);
}

static int on_established(struct server *server, struct lws *wsi, struct exchange *exchange)
{
    struct request request = {0};
    struct live_request asked;
    const char *why;
    struct api_response refusal = {0};
    bool known = server_read_request(server, wsi, &request) &&
                 live_parse(server->live, request.query.len ? request.query.data : "", &asked, &why) == 0 &&
                 server_identify(server, &request, &refusal) && server_permits(server, &request, &refusal);
    const struct auth_who who = request.who;
    body_unref(refusal.body);
    server_finish_request(&request);
    if (!known) {
        return -1; /* out of memory, or logged out this moment: it was checked at the upgrade */
    }
    live_open(server->live, &exchange->session, wsi, &asked, &who);
    return 0;
}

/* ---- lws ---- */

static int on_http(struct server *server, struct lws *wsi, enum lws_callback_reasons reason,
                   struct exchange *exchange)
{
    switch (reason) {
    case LWS_CALLBACK_HTTP:
        return on_request(server, wsi, exchange);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return on_body_complete(server, wsi, exchange);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return on_writable(server, wsi, exchange);
    default:
        server_clear_exchange(server, exchange);
        return 0;
    }
}

static int on_live(struct server *server, struct lws *wsi, enum lws_callback_reasons reason,
                   struct exchange *exchange, size_t len)
{
    struct live_session *session = &exchange->session;
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
        return on_established(server, wsi, exchange);
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return live_writable(server->live, session);
    case LWS_CALLBACK_RECEIVE:
        return live_received(server->live, session, len,
                             lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0);
    case LWS_CALLBACK_RECEIVE_PONG:
        live_pong(session);
        return 0;
    default:
        live_close(server->live, session, reason == LWS_CALLBACK_CLOSED);
        return 0;
    }
}

int server_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    struct server *server = lws_context_user(lws_get_context(wsi));
    switch (reason) {
    case LWS_CALLBACK_WSI_CREATE:
        server_connection_opened(server);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        server_connection_closed(server, lws_get_opaque_user_data(wsi));
        return 0;
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return on_upgrade(server, wsi, in);
    case LWS_CALLBACK_HTTP:
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
    case LWS_CALLBACK_HTTP_WRITEABLE:
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
    case LWS_CALLBACK_CLOSED_HTTP:
        return user ? on_http(server, wsi, reason, user) : 0;
    case LWS_CALLBACK_ESTABLISHED:
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_RECEIVE_PONG:
    case LWS_CALLBACK_WS_SERVER_DROP_PROTOCOL:
    case LWS_CALLBACK_CLOSED:
        return user ? on_live(server, wsi, reason, user, len) : 0;
    case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS: /* `user` is the SSL_CTX */
        if (server->tls) {
            server_tls_attach(server->tls, user);
        }
        return 0;
    case LWS_CALLBACK_RAW_ADOPT: /* what CONNECT becomes */
    case LWS_CALLBACK_RAW_RX:
    case LWS_CALLBACK_RAW_WRITEABLE:
        return -1;
    default:
        return 0;
    }
}
