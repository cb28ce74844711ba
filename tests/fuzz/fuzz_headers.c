/* What a client says of itself in headers: "cookie \n authorization \n x-forwarded-for \n -proto \n -prefix
 * \n host \n origin", and how it came. Cookies are found whole or not at all; a login is what base64 says;
 * nobody but a trusted proxy is believed; what stands in a cookie that we set can stand there. */
#include "auth_digest.h"
#include "fuzz.h"
#include "peer.h"
#include "server_cookie.h"
#include "server_forwarded.h"
#include "server_rules.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEADERS 7

/* The pair stands in the header as RFC 6265 has it: at its beginning or behind a semicolon. */
static void check_pair(const char *header, const char *name, const char *value, size_t len)
{
    const char *pair = value - strlen(name) - 1;
    require(pair >= header && value + len <= header + strlen(header));
    require(memcmp(pair, name, strlen(name)) == 0 && value[-1] == '=');
    require(!memchr(value, ';', len));
    for (const char *before = pair; before > header; before--) {
        if (before[-1] == ';') {
            break;
        }
        require(before[-1] == ' ' || before[-1] == '\t');
    }
}

static void check_cookies(const char *header, const struct cookie_form *form)
{
    char name[COOKIE_NAME_MAX];
    const char *at = header, *value;
    size_t len, found = 0;
    cookie_name(form, name);
    while (cookie_next(&at, name, &value, &len)) {
        check_pair(header, name, value, len);
        require(++found <= strlen(header));
    }
    require(*at == '\0');
}

/* One that we set comes back, whatever the browser has beside it. */
static void check_own_cookie(const char *others, const struct cookie_form *form)
{
    static const char secret[] = "0123456789abcdefghijABCDEFGHIJ-_0123456789x";
    struct buf set = BUF_INIT, sent = BUF_INIT;
    char name[COOKIE_NAME_MAX];
    cookie_name(form, name);
    cookie_write(&set, form, secret, 60);
    require(buf_terminate(&set) && !strpbrk(set.data, "\r\n"));
    require(strncmp(set.data, name, strlen(name)) == 0);
    require(!form->secure == !strstr(set.data, "; Secure"));
    buf_printf(&sent, "%s;%s=%s", others, name, secret);
    const char *at = buf_terminate(&sent), *value;
    size_t len;
    bool found = false;
    require(at != NULL);
    while (cookie_next(&at, name, &value, &len)) {
        found = found || (len == strlen(secret) && memcmp(value, secret, len) == 0);
    }
    require(found);
    buf_finish(&set);
    buf_finish(&sent);
}

static void check_base64(const char *text)
{
    char small[16], large[4096];
    size_t len = 0;
    bool fits = auth_base64_decode(text, strlen(text), small, sizeof small, &len);
    require(!fits || (len < sizeof small && small[len] == '\0'));
    if (auth_base64_decode(text, strlen(text), large, sizeof large, &len)) {
        require(len <= strlen(text) / 4 * 3 && large[len] == '\0');
        require(!fits || memcmp(small, large, len) == 0);
    }
}

static struct peer address(const char *text)
{
    struct peer peer;
    require(peer_parse(text, &peer));
    return peer;
}

/* From a stranger nothing counts; from a proxy of ours all of it may, and is what it should be. */
static void check_forwarded(char *const texts[HEADERS], struct cookie_form *form)
{
    struct peer_network ours[2];
    const struct forwarded_headers headers = {.x_for = texts[2], .x_proto = texts[3], .x_prefix = texts[4]};
    require(peer_network_parse("10.0.0.0/8", &ours[0]) && peer_network_parse("fd00::/16", &ours[1]));
    struct forwarded stranger = {.peer = address("192.0.2.7"), .path = "/"}, proxy = {.path = "/"};
    forwarded_read(&headers, ours, 2, &stranger);
    const struct peer before = address("192.0.2.7");
    require(peer_equal(&stranger.peer, &before) && !stranger.https && strcmp(stranger.path, "/") == 0);
    proxy.peer = address("10.1.2.3");
    forwarded_read(&headers, ours, 2, &proxy);
    require(cookie_path_valid(proxy.path));
    form->secure = proxy.https;
    memcpy(form->path, proxy.path, sizeof form->path);
    char text[PEER_TEXT];
    struct peer again;
    peer_format(&proxy.peer, text);
    require(peer_parse(text, &again) && peer_equal(&again, &proxy.peer));
}

/* Nobody is let in under a name that is none of ours. */
static void check_host(const char *host, const char *origin)
{
    static const char *const hosts[] = {"dash.example"};
    const struct rules rules = {
        .machine = "llama.lan", .hosts = hosts, .host_count = 1, .public_url = "https://dash.example/x/"};
    bool https = false;
    if (rules_host_public(&rules, host, &https)) {
        require(https && rules_host_allowed(&rules, host));
    }
    if (!rules_host_allowed(&rules, host)) {
        return; /* refused before anybody looks at its origin */
    }
    require(!strpbrk(host, "/@?#\\ \t\r\n,"));
    if (rules_origin_allowed(&rules, origin, host)) {
        require(strncasecmp(origin, "http", 4) == 0 && !strpbrk(origin + 8, "/@?#\\ \t\r\n,"));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char none[] = "";
    char *text = fuzz_text(data, size), *texts[HEADERS], *rest = text;
    struct cookie_form form = {.port = 8090};
    for (size_t i = 0; i < HEADERS; i++) {
        texts[i] = rest ? strsep(&rest, "\n") : none;
    }
    check_forwarded(texts, &form);
    check_cookies(texts[0], &form);
    check_own_cookie(texts[0], &form);
    check_base64(texts[1]);
    check_host(texts[5], texts[6]);
    free(text);
    return 0;
}
