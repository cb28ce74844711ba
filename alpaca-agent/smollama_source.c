#include "smollama_source.h"

#include "buf.h"
#include "log.h"
#include "resolver.h"

#include <assert.h>
#include <errno.h>
#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEADLINE_MS 5000
#define BODY_KEEP   65536 /* a larger body buffer is given back after use */
#define FD_LIMIT    32    /* of libwebsockets; it must be below RLIMIT_NOFILE */
#define DRAIN_TURNS 200
#define MARKS       8 /* more than connections can be dying at once */
#define TARGET_SIZE (URL_PATH_MAX + 64)

enum state {
    STATE_IDLE,
    STATE_RESOLVING,
    STATE_ASKING,    /* libwebsockets is at it */
    STATE_NEXT,      /* no connection: another address is to be tried */
    STATE_CONCLUDED, /* the answer is to be delivered */
};

struct smollama_source {
    struct loop *loop;
    smollama_source_fn *answered;
    void *user;
    struct url url;
    unsigned limit;
    uint32_t deadline_ms;
    struct lws_context *context; /* cleared by libwebsockets when it is really gone */
    struct lws_protocols protocols[2];
    struct resolver *resolver;
    struct loop_timer *deadline;
    /* What a callback of libwebsockets leads to happens here, never inside it. */
    struct loop_after *after;

    /* the request under way */
    enum state state;
    enum answer_end end; /* valid when concluded */
    enum report_kind kind;
    int64_t began_ms;
    size_t address;    /* number of the address tried */
    size_t attempt;    /* the connection that counts is marked by &marks[attempt]; others are dying */
    struct lws *wsi;   /* that connection; NULL when there is none; owned by libwebsockets */
    char marks[MARKS]; /* only their addresses matter */
    bool connected;
    unsigned status;
    struct buf body;
    char detail[96]; /* what libwebsockets said of a failed connection, escaped; "" = nothing */
};

/* --- the end of a request --- */

static void conclude(struct smollama_source *source, enum answer_end end)
{
    if (source->state == STATE_IDLE || source->state == STATE_CONCLUDED) {
        return;
    }
    source->state = STATE_CONCLUDED;
    source->end = end;
    loop_timer_stop(source->deadline);
    loop_after_arm(source->after);
}

static void drop_connection(struct smollama_source *source)
{
    struct lws *wsi = source->wsi;
    source->wsi = NULL;
    source->attempt = (source->attempt + 1) % MARKS; /* its last callbacks concern nobody any more */
    if (wsi) {
        lws_set_timeout(wsi, PENDING_TIMEOUT_KILLED_BY_PARENT, LWS_TO_KILL_SYNC);
    }
}

static void debug_answer(const struct smollama_source *source)
{
    static const char *const ends[] = {
        [ANSWER_COMPLETE] = "complete", [ANSWER_REFUSED] = "refused",     [ANSWER_DNS] = "no address",
        [ANSWER_TIMEOUT] = "timeout",   [ANSWER_TOO_LARGE] = "too large", [ANSWER_BROKEN] = "broken off"};
    log_debug(LOG_HTTP, "%s: %s, status %u, %zu bytes, %lld ms", report_kind_name(source->kind),
              ends[source->end], source->status, source->body.len,
              (long long)(clock_now().mono_ms - source->began_ms));
}

static void deliver(struct smollama_source *source)
{
    if (log_debugs(LOG_HTTP)) {
        debug_answer(source);
    }
    if (source->connected) {
        resolver_prefer(source->resolver, source->address);
    } else if (source->end == ANSWER_TIMEOUT) {
        resolver_skip(source->resolver, source->address);
    }
    struct answer answer = {
        .end = source->end,
        .connected = source->connected,
        .status = source->status,
        .body = source->body.len ? source->body.data : "",
        .len = source->body.len,
        .latency_ms = (uint32_t)(clock_now().mono_ms - source->began_ms),
        .detail = source->detail[0] ? source->detail : NULL,
    };
    /* The callee may ask for the next fetch at once, so the body must outlive the state. */
    struct buf body = source->body;
    source->body = BUF_INIT;
    source->state = STATE_IDLE;
    source->answered(source->user, &answer);
    if (body.cap <= BODY_KEEP && source->body.cap == 0) {
        source->body = body;
        buf_reset(&source->body);
    } else {
        buf_finish(&body);
    }
}

/* --- libwebsockets --- */

static const char *target(const struct smollama_source *source, char buffer[TARGET_SIZE])
{
    switch (source->kind) {
    case REPORT_READINGS:
        snprintf(buffer, TARGET_SIZE, "%s/api/readings", source->url.path);
        break;
    case REPORT_OBSERVATIONS:
        /* hours is broken there: it compares local time with UTC. 0 turns it off. */
        snprintf(buffer, TARGET_SIZE, "%s/api/observations?limit=%u&hours=0", source->url.path,
                 source->limit);
        break;
    case REPORT_MEMORIES:
        snprintf(buffer, TARGET_SIZE, "%s/api/memories?limit=%u", source->url.path, source->limit);
        break;
    case REPORT_STATS:
        snprintf(buffer, TARGET_SIZE, "%s/api/stats", source->url.path);
        break;
    }
    return buffer;
}

/* Starts on the next address, or concludes if there is none left. */
static void connect_next(struct smollama_source *source)
{
    const char *address = resolver_address(source->resolver, source->address);
    if (!address) {
        resolver_skip(source->resolver, source->address);
        conclude(source, source->address ? ANSWER_REFUSED : ANSWER_DNS);
        return;
    }
    char authority[URL_AUTHORITY_SIZE], path[TARGET_SIZE];
    source->state = STATE_ASKING;
    source->attempt = (source->attempt + 1) % MARKS;
    struct lws_client_connect_info info = {
        .context = source->context,
        .address = address,
        .port = source->url.port,
        .ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT | (source->url.https ? LCCSCF_USE_SSL : 0),
        .path = target(source, path),
        .host = url_authority(&source->url, authority),
        .method = "GET",
        .alpn = "http/1.1",
        .protocol = source->protocols[0].name,
        .pwsi = &source->wsi,
        .opaque_user_data = &source->marks[source->attempt],
    };
    if (!lws_client_connect_via_info(&info) && source->state == STATE_ASKING) {
        source->wsi = NULL;
        source->state = STATE_NEXT;
        loop_after_arm(source->after);
    }
}

static void on_connection_error(struct smollama_source *source, const char *reason, size_t len)
{
    source->wsi = NULL; /* libwebsockets frees it after this callback */
    if (source->state != STATE_ASKING) {
        return; /* the connection was ended here */
    }
    /* Some of its texts count their NUL. What OpenSSL did not like goes to the debug log only. */
    len = reason ? strnlen(reason, len) : 0;
    if (len && memmem(reason, len, "SSL", 3)) {
        snprintf(source->detail, sizeof source->detail, "the TLS handshake failed; -D http says why");
    } else {
        log_escape(source->detail, sizeof source->detail, reason ? reason : "", len);
    }
    if (source->connected) {
        conclude(source, ANSWER_BROKEN);
    } else {
        source->state = STATE_NEXT;
        loop_after_arm(source->after);
    }
}

/* Non-zero ends the connection. */
static int on_head(struct smollama_source *source, struct lws *wsi)
{
    char length[24] = "";
    source->status = lws_http_client_http_response(wsi);
    if (lws_hdr_copy(wsi, length, sizeof length, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0 &&
        strtoull(length, NULL, 10) > REPORT_MAX) {
        conclude(source, ANSWER_TOO_LARGE);
        return -1;
    }
    return 0;
}

/* Non-zero ends the connection. */
static int on_body(struct smollama_source *source, const void *data, size_t len)
{
    /* A broken chunk size arrives here as an enormous length. */
    if (len > REPORT_MAX - source->body.len) {
        conclude(source, ANSWER_TOO_LARGE);
        return -1;
    }
    buf_append(&source->body, data, len);
    if (source->body.failed) {
        conclude(source, ANSWER_TOO_LARGE);
        return -1;
    }
    return 0;
}

static int on_event_of_request(struct smollama_source *source, struct lws *wsi,
                               enum lws_callback_reasons reason, void *in, size_t len)
{
    switch (reason) {
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER: /* about to write the request */
        source->connected = true;
        return 0;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        on_connection_error(source, in, len);
        return 0;
    case LWS_CALLBACK_ESTABLISHED_CLIENT_HTTP:
        return on_head(source, wsi);
    case LWS_CALLBACK_RECEIVE_CLIENT_HTTP: {
        char *data = NULL; /* libwebsockets reads into its own buffer */
        int size = 0;
        return lws_http_client_read(wsi, &data, &size) < 0 ? -1 : 0;
    }
    case LWS_CALLBACK_RECEIVE_CLIENT_HTTP_READ:
        return on_body(source, in, len);
    case LWS_CALLBACK_COMPLETED_CLIENT_HTTP:
        conclude(source, ANSWER_COMPLETE);
        return -1; /* one connection per request: Smollama closes idle ones anyway */
    case LWS_CALLBACK_CLOSED_CLIENT_HTTP:
        source->wsi = NULL;
        conclude(source, ANSWER_BROKEN);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        source->wsi = NULL;
        return 0;
    default:
        return 0;
    }
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *session, void *in, size_t len)
{
    (void)session;
    if (!wsi) {
        return 0;
    }
    struct smollama_source *source = lws_context_user(lws_get_context(wsi));
    /* Also called for the library's own affairs, and for connections that were given up. */
    bool counts = lws_get_opaque_user_data(wsi) == &source->marks[source->attempt];
    return counts ? on_event_of_request(source, wsi, reason, in, len) : 0;
}

static const char *escape_line(char text[LOG_TEXT], const char *line)
{
    return log_escape(text, LOG_TEXT, line, strcspn(line, "\n"));
}

static void emit_at_start(int level, const char *line)
{
    char text[LOG_TEXT];
    log_write(level & LLL_ERR ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, "libwebsockets: %s",
              escape_line(text, line));
}

/* A peer can cause these with each request; what it means for the source is logged once, by the owner. */
static void emit_later(int level, const char *line)
{
    char text[LOG_TEXT];
    (void)level;
    log_debug(LOG_HTTP, "libwebsockets: %s", escape_line(text, line));
}

/* --- the request --- */

static void on_after(void *user)
{
    struct smollama_source *source = user;
    if (source->state == STATE_NEXT) {
        source->address++;
        connect_next(source);
    } else if (source->state == STATE_CONCLUDED) {
        drop_connection(source);
        deliver(source);
    }
}

static void on_deadline(void *user)
{
    struct smollama_source *source = user;
    conclude(source, source->state == STATE_RESOLVING ? ANSWER_DNS : ANSWER_TIMEOUT);
}

static void on_resolved(void *user)
{
    struct smollama_source *source = user;
    if (source->state == STATE_RESOLVING) {
        connect_next(source);
    }
}

void smollama_source_set_limit(struct smollama_source *source, unsigned limit)
{
    source->limit = limit;
}

void smollama_source_fetch(struct smollama_source *source, enum report_kind kind)
{
    assert(source->state == STATE_IDLE);
    source->state = STATE_RESOLVING;
    source->kind = kind;
    source->began_ms = clock_now().mono_ms;
    source->address = 0;
    source->connected = false;
    source->status = 0;
    source->detail[0] = '\0';
    loop_timer_start(source->deadline, source->deadline_ms, 0);
    if (resolver_start(source->resolver)) {
        connect_next(source);
    }
}

/* --- set-up --- */

static int create_context(struct smollama_source *source, const char **ret_why)
{
    /* libwebsockets would send requests for a neighbour through a proxy. */
    const char *proxies[] = {"http_proxy", "https_proxy", "all_proxy", "socks_proxy"};
    for (size_t i = 0; i < sizeof proxies / sizeof *proxies; i++) {
        unsetenv(proxies[i]);
    }
    source->protocols[0] = (struct lws_protocols){.name = "smollama", .callback = on_event};
    void *loops[1] = {loop_native(source->loop)};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = source->protocols,
        .gid = -1,
        .uid = -1,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_UV_NO_SIGSEGV_SIGFPE_SPIN |
                   LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME |
                   (source->url.https ? LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT : 0),
        .user = source,
        .foreign_loops = loops,
        .fd_limit_per_thread = FD_LIMIT,
        .max_http_header_pool = 2,
        .pcontext = &source->context,
    };
    lws_set_log_level(LLL_ERR | LLL_WARN, emit_at_start);
    errno = 0;
    source->context = lws_create_context(&info);
    if (!source->context) {
        errno = errno ? errno : ENOTSUP;
        *ret_why = "libwebsockets does not start on libuv; is the package libwebsockets-evlib-uv installed?";
        return -errno;
    }
    lws_set_log_level(LLL_ERR | LLL_WARN, emit_later);
    return 0;
}

struct smollama_source *smollama_source_create(struct loop *loop,
                                               const struct smollama_source_options *options,
                                               smollama_source_fn *answered, void *user, const char **ret_why)
{
    *ret_why = "no memory";
    struct smollama_source *source = calloc(1, sizeof *source);
    if (!source) {
        return NULL;
    }
    source->loop = loop;
    source->answered = answered;
    source->user = user;
    source->url = *options->url;
    source->limit = options->limit;
    source->deadline_ms = options->deadline_ms ? options->deadline_ms : DEADLINE_MS;
    source->resolver = resolver_create(loop, source->url.host, on_resolved, source);
    source->deadline = loop_timer_create(loop, on_deadline, source);
    source->after = loop_after_create(loop, on_after, source);
    if (!source->resolver || !source->deadline || !source->after || create_context(source, ret_why) != 0) {
        int e = errno;
        smollama_source_destroy(source);
        errno = e;
        return NULL;
    }
    return source;
}

/* On a foreign loop its handles close turn by turn, and only the last one frees the context. */
static void destroy_context(struct smollama_source *source)
{
    if (!source->context) {
        return;
    }
    lws_context_destroy(source->context);
    for (int i = 0; i < DRAIN_TURNS && source->context; i++) {
        loop_turn(source->loop, false);
    }
    if (source->context) {
        lws_context_destroy(source->context);
    }
}

bool smollama_source_destroy(struct smollama_source *source)
{
    if (!source) {
        return true;
    }
    source->state = STATE_IDLE;
    drop_connection(source);
    destroy_context(source);
    loop_after_destroy(source->after);
    loop_timer_destroy(source->deadline);
    bool idle = resolver_destroy(source->resolver);
    buf_finish(&source->body);
    free(source);
    return idle;
}
