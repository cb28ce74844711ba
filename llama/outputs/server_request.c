#include "server_internal.h"

#include <string.h>

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

/* A header that libwebsockets has no name for, in lower case with its colon; NULL when it is absent. */
static const char *custom_header(struct lws *wsi, const char *name, char *buffer, size_t size)
{
    int name_len = (int)strlen(name);
    int n = lws_hdr_custom_copy(wsi, buffer, (int)size, name, name_len);
    if (n < 0 && lws_hdr_custom_length(wsi, name, name_len) < 0) {
        return NULL;
    }
    return n >= 0 ? buffer : "?";
}

/* How it came here: straight, or by proxies of ours. */
static void read_way(struct server *server, struct lws *wsi, struct request *request)
{
    char x_proto[32], x_prefix[COOKIE_PATH_MAX + 2];
    const struct connection *connection = lws_get_opaque_user_data(wsi);
    struct forwarded how = {.https = server->rules.tls, .path = "/"};
    if (connection) {
        how.peer = connection->peer;
    }
    bool public_https = false;
    if (request->rules.host && rules_host_public(&server->rules, request->rules.host, &public_https)) {
        how.https = how.https || public_https;
        memcpy(how.path, server->public_path, sizeof how.path);
    }
    const struct forwarded_headers headers = {
        /* All of it, however long: only its end is the proxy's. */
        .x_for = header(wsi, WSI_TOKEN_X_FORWARDED_FOR, (char *)server->scratch, LIMIT_HEADERS + 1),
        .x_proto = custom_header(wsi, "x-forwarded-proto:", x_proto, sizeof x_proto),
        .x_prefix = custom_header(wsi, "x-forwarded-prefix:", x_prefix, sizeof x_prefix)};
    forwarded_read(&headers, server->proxies, server->proxy_count, &how);
    request->peer = how.peer;
    request->https = how.https;
    request->form = (struct cookie_form){.port = server->port, .secure = how.https};
    memcpy(request->form.path, how.path, sizeof how.path);
}

/* Some proxies hand the path on as it came. The prefix needs no encoding, so it stands alike in both. */
static void strip_prefix(const struct server *server, struct request *request)
{
    size_t len = strlen(server->public_path) - 1; /* the last slash stays */
    if (len > 0 && request->api_path && request->rules.path &&
        strncmp(request->rules.path, server->public_path, len + 1) == 0) {
        request->rules.path += len;
        request->rules.path_len -= len;
        request->api_path += len;
    }
}

/* False without memory. */
bool server_read_request(struct server *server, struct lws *wsi, struct request *request)
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
    rules->fetch_site =
        custom_header(wsi, "sec-fetch-site:", request->fetch_site, sizeof request->fetch_site);
    header(wsi, WSI_TOKEN_HTTP_IF_NONE_MATCH, request->if_none_match, sizeof request->if_none_match);
    header(wsi, WSI_TOKEN_HTTP_ACCEPT_ENCODING, request->accept_encoding, sizeof request->accept_encoding);
    header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, request->authorization, sizeof request->authorization);
    header(wsi, WSI_TOKEN_HTTP_COOKIE, request->cookie, sizeof request->cookie);
    read_way(server, wsi, request);
    header(wsi, WSI_TOKEN_CONNECTION, request->connection, sizeof request->connection);
    rules->version = header(wsi, WSI_TOKEN_HTTP, request->version, sizeof request->version);
    request->http_1_0 = rules->version && strcmp(rules->version, "HTTP/1.0") == 0;
    request->api_path = buf_terminate(&request->encoded_path);
    buf_terminate(&request->query);
    strip_prefix(server, request);
    return !request->path.failed && !request->encoded_path.failed && !request->query.failed;
}

void server_finish_request(struct request *request)
{
    buf_finish(&request->path);
    buf_finish(&request->encoded_path);
    buf_finish(&request->query);
}
