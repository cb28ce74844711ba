#include "fetch.h"

#include "fetch_internal.h"
#include "log.h"
#include "timestamp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONNECTIONS_MAX 128L /* kept open, idle ones included */

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
    struct fetch_extras extras;
    LIST_HEAD(, fetch_get) gets;
    LIST_HEAD(, fetch_socket) sockets;
};

static void get_free(struct fetch_get *get)
{
    if (get->easy) {
        curl_multi_remove_handle(get->fetch->multi, get->easy);
        curl_easy_cleanup(get->easy);
    }
    buf_finish(&get->body);
    free(get);
}

static void debug_answer(struct fetch_get *get, const struct fetch_answer *answer, CURLcode result)
{
    char shown[LOG_TEXT];
    const char *url = NULL;
    curl_easy_getinfo(get->easy, CURLINFO_EFFECTIVE_URL, &url);
    log_escape(shown, sizeof shown, url ? url : "", url ? strlen(url) : 0);
    if (answer->error) {
        log_debug(LOG_POLL, "%s: %s (%s), at %s", shown, answer->error, curl_easy_strerror(result),
                  answer->peer[0] ? answer->peer : "no address");
    } else {
        log_debug(LOG_POLL, "%s: %d, %zu bytes, %u ms, at %s", shown, answer->status, answer->body.len,
                  (unsigned)answer->latency_ms, answer->peer);
    }
}

static void get_finish(struct fetch_get *get, CURLcode result)
{
    struct fetch_answer answer;
    fetch_read_answer(get, result, &answer);
    if (log_debugs(LOG_POLL)) {
        debug_answer(get, &answer, result);
    }
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

int fetch_use(struct fetch *fetch, const char *token, const char *certificate_file)
{
    if (token) {
        struct buf header = BUF_INIT;
        buf_printf(&header, "Authorization: Bearer %s", token);
        const char *line = buf_terminate(&header);
        struct curl_slist *headers = line ? curl_slist_append(fetch->extras.headers, line) : NULL;
        if (header.data) {
            explicit_bzero(header.data, header.len);
        }
        buf_finish(&header);
        if (!headers) {
            return -ENOMEM;
        }
        fetch->extras.headers = headers;
    }
    if (certificate_file && !(fetch->extras.certificate_file = strdup(certificate_file))) {
        return -ENOMEM;
    }
    return 0;
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
    if (!get->easy ||
        fetch_set_request(get, &fetch->extras, url, timeout_ms ? timeout_ms : 1, max_bytes) != CURLE_OK ||
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
    curl_slist_free_all(fetch->extras.headers);
    free(fetch->extras.certificate_file);
    curl_global_cleanup();
    free(fetch);
}
