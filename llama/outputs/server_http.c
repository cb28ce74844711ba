/*
 * One request at a time on each connection: read its head through lws, check it (server_rules), let the API
 * or the assets answer, and write the answer in chunks. lws's own answers are used nowhere, so every byte of
 * a head is written here.
 */
#include "server_internal.h"

#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#define SEND_TIMEOUT_S  20 /* without any progress */
#define CHUNKS_PER_TURN 8
#define SPIN_MS         1000 /* this long without progress and with input that nobody reads */

/* On every answer, lws's own included. */
#define CSP                                                                                               \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " \
    "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
static const struct lws_protocol_vhost_options referrer_policy = {.name = "Referrer-Policy:",
                                                                  .value = "no-referrer"};
static const struct lws_protocol_vhost_options content_type_options = {
    .next = &referrer_policy, .name = "X-Content-Type-Options:", .value = "nosniff"};
const struct lws_protocol_vhost_options server_security_headers = {
    .next = &content_type_options, .name = "Content-Security-Policy:", .value = CSP};

/* ---- reading a request ---- */

struct request {
    struct rules_request rules;
    struct buf path; /* decoded, terminated */
    struct buf encoded_path, query;
    char host[300], origin[300], content_length[32], fetch_site[32], connection[32], version[16];
    char if_none_match[1024];
    bool http_1_0;
};

/* The header's value in `buffer`, NULL when it is absent; what does not fit reads as "?", which nothing
 * accepts. */
static const char *header(struct lws *wsi, enum lws_token_indexes token, char *buffer, size_t size)
{
    if (lws_hdr_total_length(wsi, token) <= 0) {
        return NULL;
    }
    if (lws_hdr_copy(wsi, buffer, (int)size, token) < 0) {
        memcpy(buffer, "?", 2);
    }
    return buffer;
}

static enum lws_token_indexes method_of(struct lws *wsi, enum api_method *ret_method)
{
    static const struct {
        enum lws_token_indexes token;
        enum api_method method;
    } methods[] = {{WSI_TOKEN_GET_URI, API_GET},      {WSI_TOKEN_HEAD_URI, API_HEAD},
                   {WSI_TOKEN_POST_URI, API_POST},    {WSI_TOKEN_DELETE_URI, API_DELETE},
                   {WSI_TOKEN_PUT_URI, API_OTHER},    {WSI_TOKEN_PATCH_URI, API_OTHER},
                   {WSI_TOKEN_OPTIONS_URI, API_OTHER}};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (lws_hdr_total_length(wsi, methods[i].token) > 0) {
            *ret_method = methods[i].method;
            return methods[i].token;
        }
    }
    *ret_method = API_OTHER;
    return WSI_TOKEN_GET_URI;
}

/* lws has decoded the URL and split it at `&` and `;`, in the path too: a second piece of path means that it
 * was cut. */
static void read_url(struct server *server, struct lws *wsi, enum lws_token_indexes token,
                     struct request *request)
{
    char *piece = (char *)server->scratch;
    int size = LIMIT_HEADERS + 1;
    int n = lws_hdr_copy_fragment(wsi, piece, size, token, 0);
    if (n > 0) {
        buf_append(&request->path, piece, (size_t)n);
        rules_encode_path(&request->encoded_path, piece, (size_t)n);
        request->rules.url_len += (size_t)n;
    }
    request->rules.path_cut = lws_hdr_copy_fragment(wsi, piece, size, token, 1) >= 0;
    for (int i = 0; (n = lws_hdr_copy_fragment(wsi, piece, size, WSI_TOKEN_HTTP_URI_ARGS, i)) >= 0; i++) {
        request->rules.url_len += (size_t)n + 1;
        if (n > 0) {
            rules_encode_param(&request->query, piece, (size_t)n);
        }
    }
    request->rules.path = buf_terminate(&request->path);
    request->rules.path_len = request->path.len;
}

/* False without memory. */
static bool read_request(struct server *server, struct lws *wsi, struct request *request)
{
    struct rules_request *rules = &request->rules;
    char fragment[2];
    read_url(server, wsi, method_of(wsi, &rules->method), request);
    rules->host = header(wsi, WSI_TOKEN_HOST, request->host, sizeof request->host);
    /* too small a buffer is -1 as well, so ask for the length first */
    rules->many_hosts = lws_hdr_fragment_length(wsi, WSI_TOKEN_HOST, 1) > 0 ||
                        lws_hdr_copy_fragment(wsi, fragment, sizeof fragment, WSI_TOKEN_HOST, 1) >= 0;
    rules->origin = header(wsi, WSI_TOKEN_ORIGIN, request->origin, sizeof request->origin);
    rules->content_length =
        header(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, request->content_length, sizeof request->content_length);
    rules->transfer_encoding = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0;
    int n = lws_hdr_custom_copy(wsi, request->fetch_site, sizeof request->fetch_site, "sec-fetch-site:", 15);
    if (n >= 0 || lws_hdr_custom_length(wsi, "sec-fetch-site:", 15) >= 0) {
        rules->fetch_site = n >= 0 ? request->fetch_site : "?";
    }
    header(wsi, WSI_TOKEN_HTTP_IF_NONE_MATCH, request->if_none_match, sizeof request->if_none_match);
    header(wsi, WSI_TOKEN_CONNECTION, request->connection, sizeof request->connection);
    rules->version = header(wsi, WSI_TOKEN_HTTP, request->version, sizeof request->version);
    request->http_1_0 = rules->version && strcmp(rules->version, "HTTP/1.0") == 0;
    buf_terminate(&request->encoded_path);
    buf_terminate(&request->query);
    return !request->path.failed && !request->encoded_path.failed && !request->query.failed;
}

static void finish_request(struct request *request)
{
    buf_finish(&request->path);
    buf_finish(&request->encoded_path);
    buf_finish(&request->query);
}

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
    if (!read_request(server, wsi, request) || server->stopping) {
        api_error(503, "unavailable", server->stopping ? "llamad is stopping" : "out of memory", response);
        return false;
    }
    if (!rules_check(&server->rules, &request->rules, &refusal)) {
        count_refusal(&server->stats, refusal.status);
        api_error(refusal.status, refusal.code, refusal.message, response);
        return false;
    }
    return true;
}

static void serve(struct server *server, const struct request *request, struct api_response *response)
{
    const char *path = request->rules.path;
    const char *if_none_match = *request->if_none_match ? request->if_none_match : NULL;
    if (strncmp(path, "/api/", 5) != 0 && strcmp(path, "/api") != 0) {
        assets_handle(server->assets, request->rules.method, path, if_none_match, response);
        return;
    }
    const struct api_request asked = {.method = request->rules.method,
                                      .path = request->encoded_path.data,
                                      .query = request->query.len ? request->query.data : "",
                                      .if_none_match = if_none_match};
    api_handle(server->api, &asked, clock_now(), response);
}

/* ---- writing the answer ---- */

static const char *status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {{200, "OK"},
                 {202, "Accepted"},
                 {204, "No Content"},
                 {304, "Not Modified"},
                 {400, "Bad Request"},
                 {403, "Forbidden"},
                 {404, "Not Found"},
                 {405, "Method Not Allowed"},
                 {409, "Conflict"},
                 {413, "Content Too Large"},
                 {414, "URI Too Long"},
                 {421, "Misdirected Request"},
                 {426, "Upgrade Required"},
                 {429, "Too Many Requests"},
                 {503, "Service Unavailable"}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i].status == status) {
            return texts[i].text;
        }
    }
    return "Error";
}

static const char *date_now(struct server *server)
{
    time_t now_s = (time_t)(clock_now().wall_ms / 1000);
    struct tm tm;
    if (server->date_s != (int64_t)now_s && gmtime_r(&now_s, &tm)) {
        strftime(server->date, sizeof server->date, "%a, %d %b %Y %H:%M:%S GMT", &tm); /* C locale */
        server->date_s = (int64_t)now_s;
    }
    return server->date;
}

static void write_head(struct server *server, const struct exchange *exchange, struct buf *out)
{
    const struct api_response *response = &exchange->response;
    buf_printf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\n", response->status, status_text(response->status),
               date_now(server));
    if (response->content_type) {
        buf_printf(out, "Content-Type: %s\r\n", response->content_type);
    }
    if (response->status != 204 && response->status != 304) {
        buf_printf(out, "Content-Length: %zu\r\n", response->body ? response->body->len : 0);
    }
    if (*response->etag) {
        buf_printf(out, "ETag: %s\r\n", response->etag);
    }
    buf_printf(out, "Cache-Control: %s\r\n", *response->etag ? "no-cache" : "no-store");
    if (response->allow) {
        buf_printf(out, "Allow: %s\r\n", response->allow);
    }
    if (response->retry_after_s) {
        buf_printf(out, "Retry-After: %u\r\n", response->retry_after_s);
    }
    if (response->status == 426) {
        buf_str(out, "Upgrade: websocket\r\n");
    }
    if (exchange->close || exchange->keep_alive_1_0) {
        buf_str(out, exchange->close ? "Connection: close\r\n" : "Connection: keep-alive\r\n");
    }
    for (const struct lws_protocol_vhost_options *line = &server_security_headers; line; line = line->next) {
        buf_printf(out, "%s %s\r\n", line->name, line->value);
    }
    buf_str(out, "\r\n");
}

static void set_blocked(struct server *server, struct lws *wsi, struct exchange *exchange)
{
    if (!exchange->blocked_ms) {
        exchange->wsi = wsi;
        exchange->prev = NULL;
        exchange->next = server->blocked;
        if (exchange->next) {
            exchange->next->prev = exchange;
        }
        server->blocked = exchange;
    }
    exchange->blocked_ms = clock_now().mono_ms;
}

static void set_unblocked(struct server *server, struct exchange *exchange)
{
    if (!exchange->blocked_ms) {
        return;
    }
    if (exchange->prev) {
        exchange->prev->next = exchange->next;
    } else {
        server->blocked = exchange->next;
    }
    if (exchange->next) {
        exchange->next->prev = exchange->prev;
    }
    exchange->blocked_ms = 0;
}

/*
 * While an answer is under way libwebsockets reads nothing, but keeps asking the loop for input. A client
 * that does not read, and has sent more or closed its half, would have the loop spin until the timeout.
 */
void server_sweep_answers(struct server *server)
{
    int64_t now_ms = clock_now().mono_ms;
    for (struct exchange *exchange = server->blocked, *next; exchange; exchange = next) {
        next = exchange->next;
        struct pollfd input = {.fd = lws_get_socket_fd(exchange->wsi), .events = POLLIN | POLLRDHUP};
        if (now_ms - exchange->blocked_ms >= SPIN_MS && poll(&input, 1, 0) > 0) {
            set_unblocked(server, exchange);
            shutdown(input.fd, SHUT_RDWR); /* lws notices at its next write and closes */
        }
    }
}

static void clear_exchange(struct server *server, struct exchange *exchange)
{
    set_unblocked(server, exchange);
    if (exchange->state != EXCHANGE_NONE) {
        server->busy--;
    }
    exchange->state = EXCHANGE_NONE;
    body_unref(exchange->response.body);
    exchange->response.body = NULL;
}

/* All was handed to lws. 0, or -1 to close. The exchange's memory may be gone afterwards. */
static int finish_exchange(struct server *server, struct lws *wsi, struct exchange *exchange)
{
    bool closes = exchange->close;
    if (lws_partial_buffered(wsi)) {
        exchange->state = EXCHANGE_SENT; /* lws calls when its buffer is out */
        set_blocked(server, wsi, exchange);
        lws_callback_on_writable(wsi);
        return 0;
    }
    clear_exchange(server, exchange);
    return closes || lws_http_transaction_completed(wsi) ? -1 : 0;
}

/* The next chunk of the body behind what is in `out`, which holds the head or nothing. Negative when the
 * connection is broken. */
static int write_chunk(struct server *server, struct lws *wsi, struct exchange *exchange, size_t used)
{
    const struct body *body = exchange->head ? NULL : exchange->response.body;
    size_t left = body ? body->len - exchange->sent : 0, n = left < CHUNK_MAX ? left : CHUNK_MAX;
    unsigned char *start = server->scratch + LWS_PRE;
    if (n > 0) {
        memcpy(start + used, body->data + exchange->sent, n);
    }
    exchange->sent += n;
    server->stats.bytes_out += used + n;
    return lws_write(wsi, start, used + n, LWS_WRITE_HTTP);
}

static bool all_written(const struct exchange *exchange)
{
    return exchange->head || !exchange->response.body || exchange->sent == exchange->response.body->len;
}

/* Writes what the socket takes. `used` bytes of head stand in the scratch memory. */
static int send_some(struct server *server, struct lws *wsi, struct exchange *exchange, size_t used)
{
    for (unsigned i = 0; i < CHUNKS_PER_TURN; i++, used = 0) {
        if (write_chunk(server, wsi, exchange, used) < 0) {
            return -1;
        }
        if (all_written(exchange)) {
            lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, SEND_TIMEOUT_S);
            return finish_exchange(server, wsi, exchange);
        }
        if (lws_partial_buffered(wsi)) {
            break;
        }
    }
    set_blocked(server, wsi, exchange);
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, SEND_TIMEOUT_S);
    lws_callback_on_writable(wsi);
    return 0;
}

static int start_sending(struct server *server, struct lws *wsi, struct exchange *exchange)
{
    struct buf head = {.data = (char *)server->scratch + LWS_PRE, .cap = HEAD_MAX, .limit = HEAD_MAX - 1};
    write_head(server, exchange, &head);
    if (head.failed) {
        return -1; /* cannot be: all of it is ours and bounded */
    }
    exchange->state = EXCHANGE_SENDING;
    return send_some(server, wsi, exchange, head.len);
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

static int on_request(struct server *server, struct lws *wsi, struct exchange *exchange)
{
    struct request request = {0};
    struct api_response *response = &exchange->response;
    server->busy++;
    exchange->state = EXCHANGE_SENDING;
    bool admitted = admit(server, wsi, &request, response);
    if (admitted) {
        serve(server, &request, response);
    }
    judge_connection(&request, exchange);
    exchange->head = request.rules.method == API_HEAD;
    bool post = request.rules.method == API_POST;
    int64_t body_len = request.rules.content_length ? rules_content_length(request.rules.content_length) : -1;
    finish_request(&request);
    /* Where the request ends is not sure, or lws waits for a body without end: nothing may follow on this
     * connection. */
    if (!admitted || (post && body_len < 0)) {
        exchange->close = true;
    } else if (body_len > 0 || (post && body_len == 0)) {
        exchange->state = EXCHANGE_BODY_AWAITED; /* lws reads it first, and tells the end */
        return 0;
    }
    return start_sending(server, wsi, exchange);
}

static int on_body_complete(struct server *server, struct lws *wsi, struct exchange *exchange)
{
    return exchange->state == EXCHANGE_BODY_AWAITED ? start_sending(server, wsi, exchange) : 0;
}

static int on_writable(struct server *server, struct lws *wsi, struct exchange *exchange)
{
    if (exchange->state == EXCHANGE_SENT) {
        return finish_exchange(server, wsi, exchange);
    }
    return exchange->state == EXCHANGE_SENDING ? send_some(server, wsi, exchange, 0) : 0;
}

/* ---- upgrades ---- */

/* The whole answer at once: what the socket does not take lws keeps, and completes the transaction when it is
 * out. */
static int answer_whole(struct server *server, struct lws *wsi, struct exchange *exchange)
{
    struct buf out = BUF_INIT;
    const struct body *body = exchange->head ? NULL : exchange->response.body;
    buf_reserve(&out, LWS_PRE);
    out.len = out.failed ? 0 : LWS_PRE;
    write_head(server, exchange, &out);
    if (body) {
        buf_append(&out, body->data, body->len);
    }
    int n = out.failed
                ? -1
                : lws_write(wsi, (unsigned char *)out.data + LWS_PRE, out.len - LWS_PRE, LWS_WRITE_HTTP);
    buf_finish(&out);
    body_unref(exchange->response.body);
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, SEND_TIMEOUT_S);
    return n < 0 ? -1 : 1;
}

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
        } else {
            serve(server, &request, &exchange.response);
        }
        admitted = false;
    } else if (admitted) {
        admitted = admit_session(server, &request, &exchange.response);
    }
    exchange.head = request.rules.method == API_HEAD;
    finish_request(&request);
    return admitted ? 0 : answer_whole(server, wsi, &exchange);
}

static int on_established(struct server *server, struct lws *wsi, struct exchange *exchange)
{
    struct request request = {0};
    struct live_request asked;
    const char *why;
    bool known = read_request(server, wsi, &request) &&
                 live_parse(server->live, request.query.len ? request.query.data : "", &asked, &why) == 0;
    finish_request(&request);
    if (!known) {
        return -1; /* out of memory: it was checked at the upgrade */
    }
    live_open(server->live, &exchange->session, wsi, &asked);
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
        clear_exchange(server, exchange);
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
        server_connection_closed(server);
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
    case LWS_CALLBACK_RAW_ADOPT: /* what CONNECT becomes */
    case LWS_CALLBACK_RAW_RX:
    case LWS_CALLBACK_RAW_WRITEABLE:
        return -1;
    default:
        return 0;
    }
}
