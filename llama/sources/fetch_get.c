/*
 * One GET of fetch: what is asked, to which address, and what the answer was.
 */
#include "fetch_internal.h"

#include "timestamp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define HEADERS_MAX 65536 /* bytes of all header lines of one answer, interim answers included */
/* Nodes close idle connections after 5 s; asking on one that is about to close would cost a round trip. */
#define IDLE_MAX_S 4L

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

void fetch_read_answer(const struct fetch_get *get, CURLcode result, struct fetch_answer *ret_answer)
{
    long status = 0;
    curl_off_t first_byte_us = 0;
    const char *peer = NULL;
    long peer_port = 0;
    curl_easy_getinfo(get->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(get->easy, CURLINFO_STARTTRANSFER_TIME_T, &first_byte_us);
    curl_easy_getinfo(get->easy, CURLINFO_PRIMARY_IP, &peer);
    curl_easy_getinfo(get->easy, CURLINFO_PRIMARY_PORT, &peer_port);
    *ret_answer = (struct fetch_answer){
        .status = get->answered ? (int)status : 0,
        .error = error_word(get, result, status),
        .body = {.data = get->body.data ? get->body.data : "", .len = get->body.len},
        .date_ms = get->date_ms,
        .latency_ms = (uint32_t)(first_byte_us / 1000),
        .answered = get->answered,
        .peer_port = peer_port > 0 ? (unsigned)peer_port : 0,
    };
    if (peer) {
        strncpy(ret_answer->peer, peer, sizeof ret_answer->peer - 1);
    }
}

/* --- the request --- */

CURLcode fetch_set_request(struct fetch_get *get, const struct fetch_extras *extras, const char *url,
                           uint32_t timeout_ms, size_t max_bytes)
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
    SET(CURLOPT_HTTPHEADER, extras->headers);
    if (extras->certificate_file) { /* libcurl takes any certificate in it as an anchor, a server's own too */
        SET(CURLOPT_CAINFO, extras->certificate_file);
        SET(CURLOPT_CAPATH, NULL);
        SET(CURLOPT_SSL_VERIFYHOST, 0L);
    }
#undef SET
    return e;
}
