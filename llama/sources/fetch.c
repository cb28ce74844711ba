#include "fetch.h"

#include "buf.h"
#include "log.h"
#include "timestamp.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <unistd.h>

#define HEADERS_MAX     65536 /* bytes of all header lines of one answer, interim answers included */
#define CONNECTIONS_MAX 128L  /* kept open, idle ones included */
/* A node closes an idle connection after 5 s; asking on one that is about to close would cost a round trip.
 */
#define IDLE_MAX_S 4L

struct fetch_get {
    struct fetch *fetch;
    CURL *easy;
    fetch_address_fn *allowed;
    fetch_done_fn *done;
    void *user;
    struct buf body;
    size_t header_bytes;
    int64_t date_ms;
    bool answered;
    bool too_large; /* body or headers passed their limit */
    bool forbidden; /* an address was refused by `allowed` */
    bool permitted; /* an address was not */
    LIST_ENTRY(fetch_get) link;
};

/* One socket of libcurl's that it wants to be told about. */
struct fetch_socket {
    struct fetch *fetch;
    struct loop_io *io;
    curl_socket_t fd;
    LIST_ENTRY(fetch_socket) link;
};

struct fetch {
    struct loop *loop;
    CURLM *multi;
    struct loop_timer *timer;
    LIST_HEAD(, fetch_get) gets;
    LIST_HEAD(, fetch_socket) sockets;
};

/* --- the address --- */

static bool address_allowed(struct fetch_get *get, const struct sockaddr *address)
{
    bool allowed = !get->allowed || get->allowed(get->user, address);
    if (allowed) {
        get->permitted = true;
    } else {
        get->forbidden = true;
    }
    return allowed;
}

/* For new connections, before the connect. */
static curl_socket_t open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    if (!address_allowed(user, &address->addr)) {
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* For every request, before it is sent: a reused connection passes here only. */
static int before_request(void *user, char *peer, char *local, int peer_port, int local_port)
{
    (void)local;
    (void)local_port;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {0};
    if (inet_pton(AF_INET, peer, &address.v4.sin_addr) == 1) {
        address.v4.sin_family = AF_INET;
        address.v4.sin_port = htons((uint16_t)peer_port);
    } else if (inet_pton(AF_INET6, peer, &address.v6.sin6_addr) == 1) {
        address.v6.sin6_family = AF_INET6;
        address.v6.sin6_port = htons((uint16_t)peer_port);
    } else {
        return CURL_PREREQFUNC_ABORT;
    }
    return address_allowed(user, &address.any) ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

/* --- the answer --- */

static size_t on_header(char *data, size_t size, size_t count, void *user)
{
    struct fetch_get *get = user;
    size_t len = size * count;
    get->header_bytes += len;
    if (get->header_bytes > HEADERS_MAX) {
        get->too_large = true;
        return 0;
    }
    if (len >= 5 && memcmp(data, "HTTP/", 5) == 0) {
        get->answered = true;
        get->date_ms = TIMESTAMP_NONE;
    } else if (len > 5 && strncasecmp(data, "date:", 5) == 0) {
        const char *start = data + 5;
        const char *end = data + len;
        while (start < end && (*start == ' ' || *start == '\t')) {
            start++;
        }
        while (end > start && strchr(" \t\r\n", end[-1])) {
            end--;
        }
        get->date_ms = timestamp_parse_http(start, (size_t)(end - start));
    }
    return len;
}

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    struct fetch_get *get = user;
    size_t len = size * count;
    if (len > get->body.limit - get->body.len) {
        get->too_large = true;
        return 0;
    }
    buf_append(&get->body, data, len);
    return get->body.failed ? 0 : len;
}

static const char *connect_error(const struct fetch_get *get)
{
    if (get->forbidden && !get->permitted) {
        return "forbidden_address";
    }
    long os_error = 0;
    curl_easy_getinfo(get->easy, CURLINFO_OS_ERRNO, &os_error);
    switch (os_error) {
    case ECONNREFUSED:
        return "refused";
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
    case EADDRNOTAVAIL:
        return "no_route";
    case ETIMEDOUT:
        return "timeout";
    default:
        return get->forbidden ? "forbidden_address" : "error";
    }
}

static const char *error_word(const struct fetch_get *get, CURLcode result, long status)
{
    if (get->too_large) {
        return "too_large";
    }
    switch (result) {
    case CURLE_OK:
        return status >= 300 && status < 400 ? "redirect" : NULL;
    case CURLE_OPERATION_TIMEDOUT:
        return "timeout";
    case CURLE_COULDNT_RESOLVE_HOST:
        return "dns";
    case CURLE_COULDNT_CONNECT:
        return connect_error(get);
    case CURLE_ABORTED_BY_CALLBACK:
        return "forbidden_address";
    case CURLE_FILESIZE_EXCEEDED:
        return "too_large";
    case CURLE_PARTIAL_FILE:
        return "truncated";
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        return get->answered ? "truncated" : "closed";
    case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9, that is: no status line */
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return "not_http";
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_USE_SSL_FAILED:
        return "tls";
    default:
        return "error";
    }
}

static void get_free(struct fetch_get *get)
{
    if (get->easy) {
        curl_multi_remove_handle(get->fetch->multi, get->easy);
        curl_easy_cleanup(get->easy);
    }
    buf_finish(&get->body);
    free(get);
}

static void get_finish(struct fetch_get *get, CURLcode result)
{
    long status = 0;
    curl_off_t first_byte_us = 0;
    const char *peer = NULL;
    curl_easy_getinfo(get->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(get->easy, CURLINFO_STARTTRANSFER_TIME_T, &first_byte_us);
    curl_easy_getinfo(get->easy, CURLINFO_PRIMARY_IP, &peer);
    struct fetch_answer answer = {
        .status = get->answered ? (int)status : 0,
        .error = error_word(get, result, status),
        .body = {.data = get->body.data ? get->body.data : "", .len = get->body.len},
        .date_ms = get->date_ms,
        .latency_ms = (uint32_t)(first_byte_us / 1000),
        .answered = get->answered,
    };
    if (peer) {
        strncpy(answer.peer, peer, sizeof answer.peer - 1);
    }
    log_debug("fetch: %s: %s (%s)", answer.peer, answer.error ? answer.error : "answered",
              curl_easy_strerror(result));
    /* Taken out first: its connection is then free for the request that `done` may start. */
    LIST_REMOVE(get, link);
    curl_multi_remove_handle(get->fetch->multi, get->easy);
    get->done(get->user, &answer);
    get_free(get);
}

/* --- libcurl on the loop --- */

static void finish_done(struct fetch *fetch)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(fetch->multi, &left))) {
        if (message->msg == CURLMSG_DONE) {
            struct fetch_get *get = NULL;
            CURLcode result = message->data.result; /* gone once the handle is removed */
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&get);
            get_finish(get, result);
        }
    }
}

static void on_socket(void *user, unsigned events)
{
    struct fetch_socket *fetch_socket = user;
    struct fetch *fetch = fetch_socket->fetch;
    int action =
        ((events & LOOP_READ) ? CURL_CSELECT_IN : 0) | ((events & LOOP_WRITE) ? CURL_CSELECT_OUT : 0);
    int running;
    curl_multi_socket_action(fetch->multi, fetch_socket->fd, action, &running); /* may free fetch_socket */
    finish_done(fetch);
}

static void on_timeout(void *user)
{
    struct fetch *fetch = user;
    int running;
    curl_multi_socket_action(fetch->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    finish_done(fetch);
}

static int set_timer(CURLM *multi, long timeout_ms, void *user)
{
    (void)multi;
    struct fetch *fetch = user;
    if (timeout_ms < 0) {
        loop_timer_stop(fetch->timer);
    } else {
        loop_timer_start(fetch->timer, (uint64_t)timeout_ms, 0);
    }
    return 0;
}

static void socket_destroy(struct fetch_socket *fetch_socket)
{
    loop_io_destroy(fetch_socket->io);
    LIST_REMOVE(fetch_socket, link);
    free(fetch_socket);
}

static struct fetch_socket *socket_create(struct fetch *fetch, curl_socket_t fd)
{
    struct fetch_socket *fetch_socket = calloc(1, sizeof *fetch_socket);
    if (!fetch_socket) {
        return NULL;
    }
    fetch_socket->fetch = fetch;
    fetch_socket->fd = fd;
    fetch_socket->io = loop_io_create(fetch->loop, fd, on_socket, fetch_socket);
    if (!fetch_socket->io) {
        free(fetch_socket);
        return NULL;
    }
    LIST_INSERT_HEAD(&fetch->sockets, fetch_socket, link);
    curl_multi_assign(fetch->multi, fd, fetch_socket);
    return fetch_socket;
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *assigned)
{
    (void)easy;
    struct fetch_socket *fetch_socket = assigned;
    if (what == CURL_POLL_REMOVE) {
        if (fetch_socket) {
            socket_destroy(fetch_socket);
            curl_multi_assign(((struct fetch *)user)->multi, fd, NULL);
        }
        return 0;
    }
    if (!fetch_socket) {
        fetch_socket = socket_create(user, fd);
    }
    if (!fetch_socket) {
        return 0; /* unwatched, it ends by its time-out; -1 would fail every transfer of the multi handle */
    }
    unsigned events = ((what & CURL_POLL_IN) ? LOOP_READ : 0) | ((what & CURL_POLL_OUT) ? LOOP_WRITE : 0);
    loop_io_watch(fetch_socket->io, events);
    return 0;
}

/* --- interface --- */

struct fetch *fetch_create(struct loop *loop)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        errno = ENOMEM;
        return NULL;
    }
    struct fetch *fetch = calloc(1, sizeof *fetch);
    if (!fetch) {
        curl_global_cleanup();
        return NULL;
    }
    fetch->loop = loop;
    LIST_INIT(&fetch->gets);
    LIST_INIT(&fetch->sockets);
    fetch->timer = loop_timer_create(loop, on_timeout, fetch);
    fetch->multi = curl_multi_init();
    if (!fetch->timer || !fetch->multi) {
        fetch_destroy(fetch);
        errno = ENOMEM;
        return NULL;
    }
    curl_multi_setopt(fetch->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(fetch->multi, CURLMOPT_SOCKETDATA, fetch);
    curl_multi_setopt(fetch->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(fetch->multi, CURLMOPT_TIMERDATA, fetch);
    curl_multi_setopt(fetch->multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_MAX);
    return fetch;
}

/* What is asked, and what may come back. */
static CURLcode set_request(struct fetch_get *get, const char *url, uint32_t timeout_ms, size_t max_bytes)
{
    CURL *easy = get->easy;
    CURLcode e = curl_easy_setopt(easy, CURLOPT_URL, url);
#define SET(option, value) e = e ? e : curl_easy_setopt(easy, option, value)
    SET(CURLOPT_PRIVATE, get);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_USERAGENT, "llamad/" PROJECT_VERSION);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    SET(CURLOPT_PROXY, ""); /* also keeps http_proxy and its kin from being read */
    SET(CURLOPT_NOPROXY, "*");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)timeout_ms);
    SET(CURLOPT_MAXAGE_CONN, IDLE_MAX_S);
    SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)max_bytes);
    /* A look-up that outlives its request goes on alone: libcurl would wait for its thread, and stop the
     * loop. */
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_OPENSOCKETDATA, get);
    SET(CURLOPT_PREREQFUNCTION, before_request);
    SET(CURLOPT_PREREQDATA, get);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, get);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, get);
#undef SET
    return e;
}

struct fetch_get *fetch_start(struct fetch *fetch, const char *url, uint32_t timeout_ms, size_t max_bytes,
                              fetch_address_fn *allowed, fetch_done_fn *done, void *user)
{
    if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0) {
        errno = EINVAL;
        return NULL;
    }
    struct fetch_get *get = calloc(1, sizeof *get);
    if (!get) {
        return NULL;
    }
    get->fetch = fetch;
    get->allowed = allowed;
    get->done = done;
    get->user = user;
    get->date_ms = TIMESTAMP_NONE;
    get->body.limit = max_bytes;
    get->easy = curl_easy_init();
    if (!get->easy || set_request(get, url, timeout_ms ? timeout_ms : 1, max_bytes) != CURLE_OK ||
        curl_multi_add_handle(fetch->multi, get->easy) != CURLM_OK) {
        get_free(get);
        errno = ENOMEM;
        return NULL;
    }
    LIST_INSERT_HEAD(&fetch->gets, get, link);
    return get;
}

void fetch_cancel(struct fetch_get *get)
{
    if (get) {
        LIST_REMOVE(get, link);
        get_free(get);
    }
}

void fetch_destroy(struct fetch *fetch)
{
    if (!fetch) {
        return;
    }
    for (struct fetch_get *get = LIST_FIRST(&fetch->gets), *next; get; get = next) {
        next = LIST_NEXT(get, link);
        fetch_cancel(get);
    }
    if (fetch->multi) {
        curl_multi_cleanup(fetch->multi); /* closes the idle connections */
    }
    for (struct fetch_socket *left = LIST_FIRST(&fetch->sockets), *next; left; left = next) {
        next = LIST_NEXT(left, link);
        socket_destroy(left);
    }
    loop_timer_destroy(fetch->timer);
    curl_global_cleanup();
    free(fetch);
}
