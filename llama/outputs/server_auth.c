/*
 * Who is asking, for HTTP and WebSocket alike: an Authorization header, else the session's cookie, else
 * anybody; what that one may do; and /api/session, where people log in and out.
 */
#include "server_internal.h"

#include "log.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define SESSION_PATH "/api/session"

static const char bad_token[] = "a token that is not known";
static const char bad_login[] = "a wrong name or password";
static const char too_often[] = "too many wrong ones before";

/* ---- saying it ---- */

void server_say(struct server *server, const struct peer *peer, const char *reason)
{
    uint64_t before = 0;
    char address[PEER_TEXT], more[64] = "";
    if (!server_peers_say(server->peers, peer, reason, clock_now().mono_ms, &before)) {
        return;
    }
    peer_format(peer, address);
    if (before > 0) {
        snprintf(more, sizeof more, " (and %llu more like it)", (unsigned long long)before);
    }
    log_warning("http: %s: refused: %s%s", *address ? address : "?", reason, more);
}

/* ---- who it is ---- */

/* What follows the scheme in an Authorization header; NULL if that is another one. */
static const char *credentials(const char *header, const char *scheme)
{
    size_t len = strlen(scheme);
    if (strncasecmp(header, scheme, len) != 0 || header[len] != ' ') {
        return NULL;
    }
    return header + len + strspn(header + len, " ");
}

static bool identify_token(struct server *server, struct request *request, const char *token,
                           struct api_response *response)
{
    unsigned wait_s = 0;
    int e = auth_by_token(server->auth, token, strlen(token), &request->peer, clock_now().mono_ms,
                          &request->who, &wait_s);
    if (e == 0) {
        return true;
    }
    if (e == -EAGAIN) {
        server_say(server, &request->peer, too_often);
        api_error(429, "rate_limited", "too many wrong tokens came from there; see Retry-After", response);
        response->retry_after_s = wait_s;
    } else {
        server_say(server, &request->peer, bad_token);
        api_error(401, "unauthorized", "this token is not known (any more)", response);
    }
    return false;
}

static void identify_session(struct server *server, struct request *request)
{
    char name[COOKIE_NAME_MAX];
    const char *at = request->cookie, *value;
    size_t len;
    int64_t now_ms = clock_now().mono_ms;
    cookie_name(&request->form, name);
    while (cookie_next(&at, name, &value, &len)) {
        if (auth_by_session(server->auth, value, len, now_ms, &request->who)) {
            return;
        }
    }
}

bool server_identify(struct server *server, struct request *request, struct api_response *response)
{
    request->who = auth_anybody(server->auth);
    if (!auth_has_logins(server->auth)) {
        return true;
    }
    const char *token = credentials(request->authorization, "Bearer");
    if (token && auth_has_tokens(server->auth)) {
        return identify_token(server, request, token, response);
    }
    identify_session(server, request);
    return true;
}

/* ---- what it may do ---- */

static bool is_api(const char *path)
{
    return strncmp(path, "/api/", 5) == 0 || strcmp(path, "/api") == 0 || strcmp(path, "/metrics") == 0;
}

/* The dashboard's files are the same for all, and the page for logging in is one of them. Of health everybody
 * gets the one word. */
static enum auth_scope scope_needed(const struct request *request)
{
    const char *path = request->rules.path;
    if (!is_api(path) || strcmp(path, SESSION_PATH) == 0 || strcmp(path, "/api/health") == 0) {
        return AUTH_NONE;
    }
    enum api_method method = request->rules.method;
    return method == API_POST || method == API_DELETE ? AUTH_ADMIN : AUTH_READ;
}

bool server_permits(struct server *server, const struct request *request, struct api_response *response)
{
    if (request->who.scope >= scope_needed(request)) {
        return true;
    }
    if (request->who.kind == AUTH_ANYBODY) {
        server->stats.unauthorized++;
        api_error(401, "unauthorized",
                  "log in (POST /api/session), or send a token (Authorization: Bearer …)", response);
    } else {
        server->stats.forbidden++;
        api_error(403, "forbidden", "whoever you are may read only", response);
    }
    return false;
}

/* ---- /api/session ---- */

bool server_is_session(const struct request *request)
{
    return strcmp(request->rules.path, SESSION_PATH) == 0;
}

static void answer_who(struct server *server, const struct auth_who *who, struct api_response *response)
{
    static const char *const kinds[] = {
        [AUTH_ANYBODY] = "anybody", [AUTH_USER] = "user", [AUTH_TOKEN] = "token"};
    struct buf out = BUF_INIT;
    buf_str(&out, "{\"logins\":");
    buf_json_bool(&out, auth_has_logins(server->auth));
    buf_str(&out, ",\"kind\":");
    buf_json_cstr(&out, kinds[who->kind]);
    buf_str(&out, ",\"name\":");
    buf_json_cstr(&out, who->kind == AUTH_ANYBODY ? NULL : who->name);
    buf_str(&out, ",\"scope\":");
    buf_json_cstr(&out, auth_scope_name(who->scope));
    buf_char(&out, '}');
    api_answer_json_body(200, &out, response);
}

static void set_cookie(struct exchange *exchange, const char *secret, int64_t max_age_s)
{
    struct buf out = {
        .data = exchange->cookie, .cap = sizeof exchange->cookie, .limit = sizeof exchange->cookie - 1};
    cookie_write(&out, &exchange->form, secret, max_age_s);
    buf_terminate(&out);
    if (out.failed) {
        exchange->cookie[0] = '\0'; /* cannot be: all parts are bounded */
    }
}

static void on_login_done(void *user)
{
    struct exchange *exchange = user;
    struct server *server = lws_context_user(lws_get_context(exchange->wsi));
    struct api_response *response = &exchange->response;
    char secret[AUTH_SECRET_LEN + 1], name[LOG_TEXT], address[PEER_TEXT];
    struct auth_who who, before = exchange->who;
    int e = auth_login_collect(exchange->login, secret, &who);
    exchange->login = NULL;
    if (e == 0) {
        auth_log_out(server->auth, &before); /* a login makes a new session */
        set_cookie(exchange, secret, AUTH_SESSION_MAX_S);
        explicit_bzero(secret, sizeof secret);
        answer_who(server, &who, response);
        peer_format(&exchange->peer, address);
        log_info("http: %s: %s logged in", address,
                 log_escape(name, sizeof name, who.name, strlen(who.name)));
    } else if (e == -EACCES) {
        server_say(server, &exchange->peer, bad_login);
        api_error(401, "wrong_login", "no such name with this password", response);
    } else {
        api_error(503, "unavailable", "the password could not be checked", response);
    }
    server_answer_is_ready(exchange);
}

/* "Basic …" (RFC 7617), as the header of a login alone: no browser asks for it by itself. False if it is not
 * there or nonsense. */
static bool read_login(const struct request *request, char *text, size_t size, char **ret_password)
{
    const char *encoded = credentials(request->authorization, "Basic");
    size_t len = 0;
    if (!encoded || !auth_base64_decode(encoded, strlen(encoded), text, size, &len) ||
        memchr(text, '\0', len)) {
        return false;
    }
    char *colon = strchr(text, ':');
    if (!colon) {
        return false;
    }
    *colon = '\0';
    *ret_password = colon + 1;
    return true;
}

static void begin_login(struct server *server, struct exchange *exchange, const struct request *request)
{
    struct api_response *response = &exchange->response;
    char text[AUTH_NAME_MAX + AUTH_PASSWORD_MAX + 4], *password = NULL;
    unsigned wait_s = 0;
    if (!read_login(request, text, sizeof text, &password)) {
        api_error(400, "bad_request", "a login is a POST with Authorization: Basic, of name and password",
                  response);
        return;
    }
    exchange->who = request->who;
    exchange->peer = request->peer;
    exchange->form = request->form;
    int e = auth_login_begin(server->auth, text, password, &request->peer, on_login_done, exchange,
                             &exchange->login, &wait_s);
    explicit_bzero(text, sizeof text);
    if (e == -EAGAIN) {
        server_say(server, &request->peer, too_often);
        api_error(429, "rate_limited", "too many wrong passwords; see Retry-After", response);
        response->retry_after_s = wait_s;
    } else if (e == -EINVAL) {
        api_error(401, "wrong_login", "no such name with this password", response);
    } else if (e != 0) {
        api_error(503, "unavailable", "too many are logging in at once", response);
        response->retry_after_s = 1;
    }
}

static void log_out(struct server *server, struct exchange *exchange, const struct request *request)
{
    char name[LOG_TEXT];
    if (request->who.kind == AUTH_USER) {
        log_info("http: %s logged out",
                 log_escape(name, sizeof name, request->who.name, strlen(request->who.name)));
    }
    auth_log_out(server->auth, &request->who);
    exchange->form = request->form;
    set_cookie(exchange, "", 0);
    exchange->response = (struct api_response){.status = 204};
}

void server_session(struct server *server, struct exchange *exchange, const struct request *request)
{
    struct api_response *response = &exchange->response;
    switch (request->rules.method) {
    case API_GET:
    case API_HEAD:
        answer_who(server, &request->who, response);
        break;
    case API_POST:
        if (auth_has_logins(server->auth)) {
            begin_login(server, exchange, request);
        } else {
            api_error(404, "not_found", "nobody has to log in here: http.users_file is not set", response);
        }
        break;
    case API_DELETE:
        log_out(server, exchange, request);
        break;
    default:
        api_error(405, "method_not_allowed", "this address does not know that method", response);
        response->allow = "GET, HEAD, POST, DELETE";
    }
}
