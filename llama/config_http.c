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

void config_check_http(struct conf *conf)
{
    check_tls(conf);
    if (conf_list_len(conf, "http.trusted_proxies") > 0) {
        conf_report(conf, CONF_WARNING, "http.trusted_proxies", "has no effect in this version");
    }
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
