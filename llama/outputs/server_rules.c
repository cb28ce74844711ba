#include "server_rules.h"

#include "json.h"
#include "server_limits.h"
#include "topic.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HOST_MAX 255

/* ---- authorities and origins ---- */

struct authority {
    char host[HOST_MAX + 1]; /* without brackets and trailing dot */
    bool literal;            /* an IP address */
    unsigned port;           /* 0 = none given */
};

static bool parse_port(const char *text, unsigned *ret_port)
{
    size_t len = strlen(text);
    if (len == 0 || len > 5 || strspn(text, "0123456789") != len) {
        return false;
    }
    unsigned long port = strtoul(text, NULL, 10);
    if (port < 1 || port > 65535) {
        return false;
    }
    *ret_port = (unsigned)port;
    return true;
}

/* "name", "name:80", "192.0.2.1:80", "[2001:db8::1]:80". */
static bool parse_authority(const char *text, struct authority *ret)
{
    const char *begin = text, *end, *rest;
    struct in6_addr address;
    *ret = (struct authority){0};
    if (*text == '[') {
        begin = text + 1;
        end = strchr(begin, ']');
        if (!end) {
            return false;
        }
        rest = end + 1;
    } else {
        end = rest = text + strcspn(text, ":");
    }
    if (end == begin || end - begin > HOST_MAX || (*rest && *rest != ':')) {
        return false;
    }
    memcpy(ret->host, begin, (size_t)(end - begin));
    if (*rest == ':' && !parse_port(rest + 1, &ret->port)) {
        return false;
    }
    ret->literal = inet_pton(*text == '[' ? AF_INET6 : AF_INET, ret->host, &address) == 1;
    if (*text == '[') {
        return ret->literal;
    }
    size_t len = strlen(ret->host);
    if (len > 1 && ret->host[len - 1] == '.') {
        ret->host[len - 1] = '\0';
    }
    return true;
}

static bool same_authority(const struct authority *a, unsigned a_default, const struct authority *b,
                           unsigned b_default)
{
    return strcasecmp(a->host, b->host) == 0 &&
           (a->port ? a->port : a_default) == (b->port ? b->port : b_default);
}

struct web_origin {
    bool https;
    struct authority authority;
};

/* "https://name:port", and whatever path follows when it is a URL. */
static bool parse_origin(const char *text, bool url, struct web_origin *ret)
{
    char authority[HOST_MAX + 16];
    if (strncasecmp(text, "http://", 7) == 0) {
        ret->https = false;
        text += 7;
    } else if (strncasecmp(text, "https://", 8) == 0) {
        ret->https = true;
        text += 8;
    } else {
        return false;
    }
    size_t len = strcspn(text, "/?#");
    if (len >= sizeof authority || (!url && text[len])) {
        return false;
    }
    memcpy(authority, text, len);
    authority[len] = '\0';
    return parse_authority(authority, &ret->authority);
}

static unsigned default_port(bool https)
{
    return https ? 443 : 80;
}

/* ---- Host and Origin ---- */

/* The machine's own name, its first label, and that label with .local. */
static bool is_machine(const char *machine, const char *host)
{
    size_t label = strcspn(machine, ".");
    if (label == 0) {
        return false;
    }
    if (strcasecmp(machine, host) == 0) {
        return true;
    }
    return strncasecmp(machine, host, label) == 0 &&
           (host[label] == '\0' || strcasecmp(host + label, ".local") == 0);
}

bool rules_host_allowed(const struct rules *rules, const char *host)
{
    struct authority authority, accepted;
    struct web_origin public_origin;
    if (!parse_authority(host, &authority)) {
        return false;
    }
    if (authority.literal || strcasecmp(authority.host, "localhost") == 0 ||
        (rules->machine && is_machine(rules->machine, authority.host))) {
        return true;
    }
    for (size_t i = 0; i < rules->host_count; i++) {
        if (parse_authority(rules->hosts[i], &accepted) && strcasecmp(accepted.host, authority.host) == 0) {
            return true;
        }
    }
    return rules->public_url && parse_origin(rules->public_url, true, &public_origin) &&
           strcasecmp(public_origin.authority.host, authority.host) == 0;
}

bool rules_host_public(const struct rules *rules, const char *host, bool *ret_https)
{
    struct authority own;
    struct web_origin public_origin;
    if (!rules->public_url || !parse_origin(rules->public_url, true, &public_origin) ||
        !parse_authority(host, &own)) {
        return false;
    }
    unsigned port = default_port(public_origin.https);
    *ret_https = public_origin.https;
    return same_authority(&own, port, &public_origin.authority, port);
}

bool rules_origin_allowed(const struct rules *rules, const char *origin, const char *host)
{
    struct web_origin asked, accepted;
    struct authority own;
    if (!parse_origin(origin, false, &asked)) {
        return false; /* `null` among others */
    }
    unsigned asked_port = default_port(asked.https);
    if (asked.https == rules->tls && parse_authority(host, &own) &&
        same_authority(&asked.authority, asked_port, &own, default_port(rules->tls))) {
        return true;
    }
    return rules->public_url && parse_origin(rules->public_url, true, &accepted) &&
           asked.https == accepted.https &&
           same_authority(&asked.authority, asked_port, &accepted.authority, asked_port);
}

/* ---- the check ---- */

int64_t rules_content_length(const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || len > 18 || strspn(text, "0123456789") != len) {
        return -1;
    }
    return strtoll(text, NULL, 10);
}

static bool refuse(struct refusal *refusal, int status, const char *code, const char *message)
{
    *refusal = (struct refusal){status, code, message};
    return false;
}

static bool check_form(const struct rules_request *request, struct refusal *refusal)
{
    if (request->url_len > LIMIT_URL) {
        return refuse(refusal, 414, "uri_too_long", "the address is longer than 8 KiB");
    }
    if (request->path_cut || memchr(request->path, '\0', request->path_len)) {
        return refuse(refusal, 400, "bad_request",
                      "the path holds a raw `;` or `&`, or %00: percent-encode it");
    }
    if (!utf8_valid(request->path, request->path_len)) {
        return refuse(refusal, 400, "bad_request", "the path is not UTF-8");
    }
    if (request->transfer_encoding) {
        return refuse(refusal, 400, "bad_request", "requests with a Transfer-Encoding are not taken");
    }
    if (!request->content_length) {
        return true;
    }
    int64_t body_len = rules_content_length(request->content_length);
    if (body_len < 0) {
        return refuse(refusal, 400, "bad_request", "Content-Length is not a number");
    }
    if (body_len > LIMIT_BODY) {
        return refuse(refusal, 413, "too_large",
                      "the body is larger than 64 KiB, and no request here needs one");
    }
    return true;
}

bool rules_check(const struct rules *rules, const struct rules_request *request, struct refusal *ret_refusal)
{
    if (!request->version ||
        (strcmp(request->version, "HTTP/1.1") != 0 && strcmp(request->version, "HTTP/1.0") != 0)) {
        return refuse(ret_refusal, 400, "bad_request", "not a request of HTTP/1.1 or HTTP/1.0");
    }
    if (request->many_hosts) {
        return refuse(ret_refusal, 400, "bad_request", "more than one Host header");
    }
    if (!request->host || !rules_host_allowed(rules, request->host)) {
        return refuse(ret_refusal, 421, "misdirected",
                      "this server does not go by that name: see http.hosts");
    }
    if (request->origin && !rules_origin_allowed(rules, request->origin, request->host)) {
        return refuse(ret_refusal, 403, "foreign_origin", "the request comes from another site's page");
    }
    bool changes = request->method == API_POST || request->method == API_DELETE;
    if (changes && request->fetch_site && strcmp(request->fetch_site, "same-origin") != 0) {
        return refuse(ret_refusal, 403, "foreign_origin",
                      "the request does not come from a page of this server");
    }
    return check_form(request, ret_refusal);
}

/* ---- URLs ---- */

static void encode(struct buf *out, const char *text, size_t len)
{
    char *to = buf_reserve(out, 3 * len + 1);
    if (to) {
        out->len += percent_encode(text, len, to);
    }
}

void rules_encode_path(struct buf *out, const char *path, size_t len)
{
    const char *end = path + len;
    while (path < end) {
        const char *slash = memchr(path, '/', (size_t)(end - path));
        const char *stop = slash ? slash : end;
        encode(out, path, (size_t)(stop - path));
        if (!slash) {
            return;
        }
        buf_char(out, '/');
        path = slash + 1;
    }
}

void rules_encode_param(struct buf *out, const char *param, size_t len)
{
    const char *equals = memchr(param, '=', len);
    size_t name_len = equals ? (size_t)(equals - param) : len;
    if (out->len > 0) {
        buf_char(out, '&');
    }
    encode(out, param, name_len);
    if (equals) {
        buf_char(out, '=');
        encode(out, equals + 1, len - name_len - 1);
    }
}
