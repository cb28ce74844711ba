/* The checks of the section http, which look into the files that it names. */
#include "config.h"

#include "auth_load.h"

#include <errno.h>
#include <string.h>

static void report_file(struct conf *conf, const char *key, int e, bool open_to_all, size_t count,
                        const char *why, const char *command)
{
    if (e == -ENOENT) {
        conf_report(conf, CONF_ERROR, key, "%s; `%s NAME` makes it", why, command);
    } else if (e != 0) {
        conf_report(conf, CONF_ERROR, key, "%s", why);
    } else if (open_to_all) {
        conf_report(conf, CONF_WARNING, key, "everybody on this machine may read or write %s: chmod o= it",
                    conf_string(conf, key));
    }
    if (e == 0 && count == 0) {
        conf_report(conf, CONF_WARNING, key, "nobody is in %s yet: `%s NAME` adds somebody",
                    conf_string(conf, key), command);
    }
}

static void check_accounts(struct conf *conf)
{
    static const char users_key[] = "http.users_file", tokens_key[] = "http.tokens_file";
    char why[AUTH_WHY];
    bool open_to_all = false;
    if (conf_string(conf, users_key)) {
        struct auth_users users = {0};
        int e = auth_load_users(conf_string(conf, users_key), &users, &open_to_all, why);
        report_file(conf, users_key, e, open_to_all, users.count, why, "llamad passwd");
        auth_users_finish(&users);
    }
    if (conf_string(conf, tokens_key)) {
        struct auth_tokens tokens = {0};
        int e = auth_load_tokens(conf_string(conf, tokens_key), &tokens, &open_to_all, why);
        report_file(conf, tokens_key, e, open_to_all, tokens.count, why, "llamad token");
        auth_tokens_finish(&tokens);
    }
}

static void check_tls(struct conf *conf)
{
    bool cert = conf_is_set(conf, "http.tls.cert"), key = conf_is_set(conf, "http.tls.key");
    if (cert != key) {
        conf_report(conf, CONF_ERROR, cert ? "http.tls.cert" : "http.tls.key",
                    "http.tls.cert and http.tls.key belong together");
    }
    conf_check_key_pair(conf, "http.tls.cert", "http.tls.key");
}

static bool begins_with(const char *path, const char *segment)
{
    size_t len = strlen(segment);
    return strncmp(path, segment, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* Its path becomes that of a cookie, and may be cut off what proxies ask for. */
static void check_public_url(struct conf *conf)
{
    static const char taken[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    const char *url = conf_string(conf, "http.public_url");
    const char *host = url ? strstr(url, "://") : NULL;
    const char *path = host ? strchr(host + 3, '/') : NULL;
    if (!path) {
        return;
    }
    if (strlen(path) >= 64 || strspn(path, taken) != strlen(path) || strstr(path, "//")) {
        conf_report(conf, CONF_ERROR, "http.public_url",
                    "its path may have 63 bytes of A-Z a-z 0-9 - . _ ~, between single slashes");
    } else if (begins_with(path, "/api") || begins_with(path, "/metrics")) {
        conf_report(conf, CONF_ERROR, "http.public_url",
                    "its path may not be one of llamad's own: /api, /metrics");
    }
}

void config_check_http(struct conf *conf)
{
    check_tls(conf);
    check_public_url(conf);
    check_accounts(conf);
    const char *listen = conf_string(conf, "http.listen");
    bool logins = conf_string(conf, "http.users_file") || conf_string(conf, "http.tokens_file");
    if (!config_is_loopback(listen) && !logins && !conf_bool(conf, "http.allow_anonymous")) {
        conf_report(
            conf, CONF_ERROR, "http.listen",
            "%s is not loopback and there are no logins, so everybody there could read and forget nodes: "
            "set http.users_file (`llamad passwd`) or http.tokens_file, or say "
            "http.allow_anonymous: true if that is wanted",
            listen);
    }
}
