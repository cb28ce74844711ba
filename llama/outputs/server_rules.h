/*
 * server_rules: what every request has to pass before anything is done for it, WebSocket included. Pure.
 *
 * A page of any site can make its visitor's browser send requests here. So Host must be a name of ours (DNS
 * rebinding), Origin and Sec-Fetch-Site must be our own page's, and whatever can be read in two ways is
 * refused. Source: contract section 4 (docs/api.md).
 */
#ifndef SERVER_RULES_H
#define SERVER_RULES_H

#include "api.h"
#include "buf.h"

struct rules {
    const char
        *machine; /* this machine's name; NULL = none. Also accepted: its first label, and that with .local */
    const char *const *hosts; /* http.hosts */
    size_t host_count;
    const char *public_url; /* NULL = none; its origin is accepted, and its host as Host */
    bool tls;               /* the scheme of the requests is https */
};

struct rules_request {
    enum api_method method;
    bool many_hosts; /* more than one Host header came */
    const char
        *version;     /* "HTTP/1.1"; a %0d or %0a in the URL ends the line for libwebsockets, before this */
    const char *host; /* these are NULL when the header is absent */
    const char *origin;
    const char *fetch_site; /* Sec-Fetch-Site */
    const char *content_length;
    bool transfer_encoding;
    bool path_cut; /* the path held a raw `;` or `&`, or %00: what is left of it is not what was asked for */
    const char *path;         /* decoded; path_len bytes */
    size_t path_len, url_len; /* url_len: path and query, decoded */
};

struct refusal {
    int status;
    const char *code, *message; /* static */
};

/* True if the request may go on; else *ret_refusal is what to answer. */
bool rules_check(const struct rules *rules, const struct rules_request *request, struct refusal *ret_refusal);
/* The host of a Host header or of an origin's authority: "name", "name:80", "[::1]:80". */
bool rules_host_allowed(const struct rules *rules, const char *host);
/* Is it, with its port, that of http.public_url? Then *ret_https is that one's scheme. */
bool rules_host_public(const struct rules *rules, const char *host, bool *ret_https);
bool rules_origin_allowed(const struct rules *rules, const char *origin, const char *host);
/* Content-Length: digits only, up to 18 of them. -1 if it is anything else. */
int64_t rules_content_length(const char *text);

/* Decoded parts of a URL, encoded again without ambiguity. A parameter is "name=value" or "name"; the first
 * `=` divides. */
void rules_encode_path(struct buf *out, const char *path, size_t len);
void rules_encode_param(struct buf *out, const char *param, size_t len);

#endif
