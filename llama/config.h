/*
 * config: the keys of the configuration that llamad uses, typed, and the checks that span keys.
 *
 * Strings are borrowed from the conf they were read from, unless said otherwise.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include "conf.h"

struct app_config {
    struct {
        const char *host;
        uint16_t port;
        const char *username;
        char *password; /* owned; NULL = none */
        const char *base_topic;
        const char *tls_ca, *tls_cert, *tls_key;
    } mqtt;       /* with broker.run, host and port are that broker's */
    bool publish; /* false: a replica, which says nothing itself */
    struct {
        uint32_t timeout_ms, item_limit;
        const char **allow; /* owned array; NULL = the poller's default */
        size_t allow_count;
    } poll;
    struct {
        bool run;
        const char *listen;
        uint16_t port;
        const char *tls_listen; /* NULL: no TLS */
        uint16_t tls_port;
        const char *tls_cert, *tls_key; /* NULL: of llamad's own authority */
        const char *client_ca, *acl_file;
    } broker;
    struct {
        const char *listen;
        uint16_t port;
        const char **hosts; /* owned array */
        size_t host_count;
        const char **proxies; /* owned array; http.trusted_proxies */
        size_t proxy_count;
        const char *public_url;
        const char *tls_cert, *tls_key;       /* NULL = plain HTTP */
        const char *users_file, *tokens_file; /* NULL = none */
        bool anonymous;   /* who is not logged in may read; without users and tokens, everything */
        bool open_to_all; /* beyond loopback without login: the configuration allows it, the log says it */
    } http;
    struct {
        bool enabled;
        const char *prefix;
    } home_assistant;
    struct {
        bool mdns; /* look for nodes on the local network */
        const char *service_type;
    } discovery;
};

/* Reports by conf_report what llamad can't run with: for conf_main. */
void config_check(struct conf *conf);
void config_check_http(struct conf *conf); /* its part in config_http.c */
/* 0, or -errno with the reason logged. */
int config_read(const struct conf *conf, struct app_config *ret_config);
void config_finish(struct app_config *config);
/* What a reload takes over at once. */
uint32_t config_poll_interval_ms(const struct conf *conf);
int64_t config_retain_ms(const struct conf *conf); /* a node not heard for as long is forgotten */
/* True for 127.0.0.0/8, ::1 and localhost. */
bool config_is_loopback(const char *address);
/* http.listen as a number; borrowed from conf, or static. */
const char *config_http_address(const struct conf *conf);

#endif
