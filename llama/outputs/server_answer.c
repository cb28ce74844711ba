#include "server_internal.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define SEND_TIMEOUT_S  20 /* without any progress */
#define CHUNKS_PER_TURN 8
#define SPIN_MS         1000  /* this long without progress and with input that nobody reads */
#define BODY_MS         10000 /* for a request's body to come in */

/* On every answer, lws's own included. */
#define CSP                                                                                         \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " \
    "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
static const struct lws_protocol_vhost_options referrer_policy = {.name = "Referrer-Policy:",
                                                                  .value = "no-referrer"};
static const struct lws_protocol_vhost_options content_type_options = {
    .next = &referrer_policy, .name = "X-Content-Type-Options:", .value = "nosniff"};
const struct lws_protocol_vhost_options server_security_headers = {
    .next = &content_type_options, .name = "Content-Security-Policy:", .value = CSP};

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
                 {401, "Unauthorized"},
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
    if (response->gzip) {
        buf_str(out, "Content-Encoding: gzip\r\n");
    }
    if (response->varies) {
        buf_str(out, "Vary: Accept-Encoding\r\n");
    }
    if (*response->etag) {
        buf_printf(out, "ETag: %s\r\n", response->etag);
    }
    buf_printf(out, "Cache-Control: %s\r\n", *response->etag ? "private, no-cache" : "no-store");
    if (response->allow) {
        buf_printf(out, "Allow: %s\r\n", response->allow);
    }
    if (response->retry_after_s) {
        buf_printf(out, "Retry-After: %u\r\n", response->retry_after_s);
    }
    if (response->status == 401) {
        buf_str(out, "WWW-Authenticate: Bearer realm=\"llamad\"\r\n");
    }
    if (*exchange->cookie) {
        buf_printf(out, "Set-Cookie: %s\r\n", exchange->cookie);
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

void server_await_body(struct server *server, struct lws *wsi, struct exchange *exchange)
{
    exchange->state = EXCHANGE_BODY_AWAITED;
    set_blocked(server, wsi, exchange);
}

void server_answer_is_ready(struct exchange *exchange)
{
    exchange->state = EXCHANGE_ANSWER_READY;
    lws_rx_flow_control(exchange->wsi, 1);
    lws_callback_on_writable(exchange->wsi);
}

static void on_answer_ready(void *user)
{
    server_answer_is_ready(user);
}

/* Input is not even asked for meanwhile, or what a client sends too early, or its leaving, would keep the
 * loop spinning: the sweep looks for those who have left. Whoever answers later has a time limit. */
void server_await_answer(struct server *server, struct lws *wsi, struct exchange *exchange)
{
    exchange->state = EXCHANGE_ANSWER_AWAITED;
    exchange->wait = exchange->response.wait;
    exchange->response.wait = NULL;
    set_blocked(server, wsi, exchange);
    lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
    lws_rx_flow_control(wsi, 0);
    if (exchange->wait) {
        api_await(exchange->wait, on_answer_ready, exchange);
    }
    loop_after_arm(server->work);
}

int server_send_awaited(struct server *server, struct lws *wsi, struct exchange *exchange)
{
    set_unblocked(server, exchange);
    if (exchange->wait) {
        struct api_wait *wait = exchange->wait;
        exchange->wait = NULL;
        api_collect(wait, clock_now(), &exchange->response);
    }
    return server_start_sending(server, wsi, exchange);
}

static void drop_wait(struct exchange *exchange)
{
    api_abandon(exchange->wait);
    exchange->wait = NULL;
    auth_login_abandon(exchange->login);
    exchange->login = NULL;
}

void server_end_waits(struct server *server)
{
    for (struct exchange *exchange = server->blocked; exchange; exchange = exchange->next) {
        if (exchange->state == EXCHANGE_ANSWER_AWAITED) {
            drop_wait(exchange);
            exchange->close = true;
            api_error(503, "unavailable", "llamad is stopping", &exchange->response);
            server_answer_is_ready(exchange);
        }
    }
}

static bool has_left(int fd)
{
    struct pollfd end = {.fd = fd, .events = POLLRDHUP};
    return poll(&end, 1, 0) > 0;
}

/*
 * While an answer is under way libwebsockets reads nothing, but keeps asking the loop for input. A client
 * that does not read, and has sent more or closed its half, would have the loop spin until the timeout.
 */
static bool spins(int fd)
{
    struct pollfd input = {.fd = fd, .events = POLLIN | POLLRDHUP};
    return poll(&input, 1, 0) > 0;
}

void server_sweep_answers(struct server *server)
{
    int64_t now_ms = clock_now().mono_ms;
    for (struct exchange *exchange = server->blocked, *next; exchange; exchange = next) {
        next = exchange->next;
        int fd = lws_get_socket_fd(exchange->wsi);
        int64_t waits_ms = now_ms - exchange->blocked_ms;
        if (exchange->state == EXCHANGE_ANSWER_AWAITED || exchange->state == EXCHANGE_ANSWER_READY) {
            if (has_left(fd)) {
                lws_set_timeout(exchange->wsi, PENDING_TIMEOUT_HTTP_CONTENT, LWS_TO_KILL_ASYNC);
            }
            continue;
        }
        bool awaited =
            exchange->state == EXCHANGE_BODY_AWAITED; /* lws's own timeout starts anew at each byte */
        if (awaited ? waits_ms >= BODY_MS : waits_ms >= SPIN_MS && spins(fd)) {
            set_unblocked(server, exchange);
            shutdown(fd, SHUT_RDWR); /* lws notices and closes */
        }
    }
}

void server_clear_exchange(struct server *server, struct exchange *exchange)
{
    set_unblocked(server, exchange);
    if (exchange->state != EXCHANGE_NONE) {
        server->busy--;
    }
    exchange->state = EXCHANGE_NONE;
    exchange->cookie[0] = '\0';
    drop_wait(exchange);
    body_unref(exchange->response.body);
    exchange->response.body = NULL;
}

/* All was handed to lws. 0, or -1 to close. The exchange's memory may be gone afterwards. */
int server_finish_exchange(struct server *server, struct lws *wsi, struct exchange *exchange)
{
    bool closes = exchange->close;
    if (lws_partial_buffered(wsi)) {
        exchange->state = EXCHANGE_SENT; /* lws calls when its buffer is out */
        set_blocked(server, wsi, exchange);
        lws_callback_on_writable(wsi);
        return 0;
    }
    server_clear_exchange(server, exchange);
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
int server_send_some(struct server *server, struct lws *wsi, struct exchange *exchange, size_t used)
{
    for (unsigned i = 0; i < CHUNKS_PER_TURN; i++, used = 0) {
        if (write_chunk(server, wsi, exchange, used) < 0) {
            return -1;
        }
        if (all_written(exchange)) {
            lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, SEND_TIMEOUT_S);
            return server_finish_exchange(server, wsi, exchange);
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

int server_start_sending(struct server *server, struct lws *wsi, struct exchange *exchange)
{
    struct buf head = {.data = (char *)server->scratch + LWS_PRE, .cap = HEAD_MAX, .limit = HEAD_MAX - 1};
    write_head(server, exchange, &head);
    if (head.failed) {
        return -1; /* cannot be: all of it is ours and bounded */
    }
    exchange->state = EXCHANGE_SENDING;
    return server_send_some(server, wsi, exchange, head.len);
}

/* The whole answer at once: what the socket does not take lws keeps, and completes the transaction when it is
 * out. */
int server_answer_whole(struct server *server, struct lws *wsi, struct exchange *exchange)
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
    exchange->response.body = NULL;
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, SEND_TIMEOUT_S);
    return n < 0 ? -1 : 1;
}
