#include "config.h"

#include "log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* --- checks --- */

bool config_is_loopback(const char *address)
{
    struct in_addr v4;
    if (strcmp(address, "localhost") == 0) {
        return true;
    }
    if (inet_pton(AF_INET, address, &v4) == 1) {
        return ntohl(v4.s_addr) >> 24 == 127;
    }
    return strcmp(address, "::1") == 0;
}

static void check_mqtt(struct conf *conf)
{
    if (conf_is_set(conf, "mqtt.password") && conf_is_set(conf, "mqtt.password_file")) {
        conf_report(conf, CONF_ERROR, "mqtt.password_file",
                    "mqtt.password is set as well: only one can be meant");
    }
    conf_check_secret(conf, "mqtt.password_file");
    conf_check_username(conf);
    conf_check_authority(conf, "mqtt.tls.ca");
    conf_check_key_pair(conf, "mqtt.tls.cert", "mqtt.tls.key");
    bool cert = conf_is_set(conf, "mqtt.tls.cert");
    bool key = conf_is_set(conf, "mqtt.tls.key");
    if (cert != key) {
        conf_report(conf, CONF_ERROR, cert ? "mqtt.tls.cert" : "mqtt.tls.key",
                    "mqtt.tls.cert and mqtt.tls.key belong together");
    }
    if (cert && key && !conf_is_set(conf, "mqtt.tls.ca")) {
        conf_report(conf, CONF_ERROR, "mqtt.tls.cert",
                    "has no effect without mqtt.tls.ca, which turns TLS on");
    }
}

const char *config_http_address(const struct conf *conf)
{
    const char *listen = conf_string(conf, "http.listen");
    return strcmp(listen, "localhost") == 0 ? "127.0.0.1" : listen;
}

/* Beyond loopback, without TLS. */
static void check_plaintext(struct conf *conf)
{
    const char *listen = conf_string(conf, "broker.listen");
    if (config_is_loopback(listen)) {
        return;
    }
    if (!conf_bool(conf, "broker.allow_plaintext")) {
        conf_report(conf, CONF_ERROR, "broker.listen",
                    "%s is not loopback, and passwords would cross the network in the clear: use "
                    "broker.tls.listen, or say broker.allow_plaintext: true if that is wanted",
                    listen);
    }
    if (!conf_string(conf, "mqtt.username")) {
        conf_report(conf, CONF_ERROR, "broker.listen",
                    "%s is not loopback, so that broker wants an account, from llamad too: 'llamad enrol "
                    "llamad' makes it, mqtt.username and mqtt.password_file name it",
                    listen);
    }
}

static void check_broker_tls(struct conf *conf)
{
    static const char *const useless[] = {"broker.tls.cert", "broker.tls.key", "broker.tls.client_ca"};
    bool listens = conf_is_set(conf, "broker.tls.listen");
    for (size_t i = 0; !listens && i < sizeof useless / sizeof *useless; i++) {
        if (conf_is_set(conf, useless[i])) {
            conf_report(conf, CONF_ERROR, useless[i], "has no effect without broker.tls.listen");
        }
    }
    if (conf_is_set(conf, "broker.tls.cert") != conf_is_set(conf, "broker.tls.key")) {
        conf_report(conf, CONF_ERROR,
                    conf_is_set(conf, "broker.tls.cert") ? "broker.tls.cert" : "broker.tls.key",
                    "broker.tls.cert and broker.tls.key belong together");
    }
    if (listens && conf_int(conf, "broker.tls.port") == conf_int(conf, "broker.port")) {
        conf_report(conf, CONF_ERROR, "broker.tls.port",
                    "is broker.port as well: the one speaks TLS, the other does not");
    }
    if (conf_is_set(conf, "broker.password_file")) {
        conf_report(conf, CONF_WARNING, "broker.password_file",
                    "has no effect with broker.run: the accounts of that broker are in cluster.state_dir");
    }
}

static void check_broker(struct conf *conf)
{
    if (!conf_bool(conf, "broker.run")) {
        return;
    }
    if (conf_is_set(conf, "mqtt.tls.ca")) {
        conf_report(conf, CONF_ERROR, "mqtt.tls.ca",
                    "llamad reaches the broker that it runs (broker.run) without TLS, on this machine");
    }
    check_plaintext(conf);
    check_broker_tls(conf);
    if (conf_is_set(conf, "mqtt.broker") && strcmp(conf_string(conf, "mqtt.broker"), "localhost") != 0 &&
        strcmp(conf_string(conf, "mqtt.broker"), conf_string(conf, "broker.listen")) != 0) {
        conf_report(conf, CONF_WARNING, "mqtt.broker",
                    "broker.run is true, so llamad connects to the broker that it runs, not to this one");
    }
}

/* That it is missing is nothing: it is made. */
static void check_state_dir(struct conf *conf)
{
    struct stat status;
    if (stat(conf_string(conf, "cluster.state_dir"), &status) == 0 && !S_ISDIR(status.st_mode)) {
        conf_report(conf, CONF_ERROR, "cluster.state_dir", "is no folder");
    }
}

void config_check(struct conf *conf)
{
    if (!conf_bool(conf, "cluster.enabled")) {
        conf_report(conf, CONF_ERROR, "cluster.enabled", "is false: llamad has nothing to do here");
    }
    check_state_dir(conf);
    config_check_http(conf);
    check_mqtt(conf);
    check_broker(conf);
}

/* --- reading --- */

/* *ret_list stays NULL for a key that nobody set. */
static int read_list(const struct conf *conf, const char *key, const char ***ret_list, size_t *ret_count)
{
    *ret_count = 0;
    *ret_list = NULL;
    if (!conf_is_set(conf, key)) {
        return 0;
    }
    size_t count = conf_list_len(conf, key);
    const char **list = calloc(count + 1, sizeof *list); /* an empty list is not the same as none */
    if (!list) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        list[i] = conf_list_get(conf, key, i, NULL);
    }
    *ret_list = list;
    *ret_count = count;
    return 0;
}

static int read_password(const struct conf *conf, char **ret_password)
{
    const char *file = conf_string(conf, "mqtt.password_file");
    const char *inline_password = conf_string(conf, "mqtt.password");
    *ret_password = NULL;
    if (!file && !inline_password) {
        return 0;
    }
    char *password = file ? conf_read_secret(file) : strdup(inline_password);
    if (!password) {
        int e = errno;
        log_error("%s: mqtt.password_file: cannot read %s: %s", conf_origin(conf, "mqtt.password_file"),
                  file ? file : "it", strerror(e));
        return -e;
    }
    *ret_password = password;
    return 0;
}

static int read_mqtt(const struct conf *conf, struct app_config *config)
{
    bool own = config->broker.run;
    const char *listen = config->broker.listen;
    /* A broker that listens on all addresses is reached on loopback. */
    const char *reach = strcmp(listen, "0.0.0.0") == 0 ? "127.0.0.1"
                        : strcmp(listen, "::") == 0    ? "::1"
                                                       : listen;
    config->mqtt.host = own ? reach : conf_string(conf, "mqtt.broker");
    config->mqtt.port = own ? config->broker.port : (uint16_t)conf_int(conf, "mqtt.port");
    config->mqtt.username = conf_string(conf, "mqtt.username");
    config->mqtt.base_topic = conf_string(conf, "mqtt.base_topic");
    config->mqtt.tls_ca = conf_string(conf, "mqtt.tls.ca");
    config->mqtt.tls_cert = conf_string(conf, "mqtt.tls.cert");
    config->mqtt.tls_key = conf_string(conf, "mqtt.tls.key");
    return read_password(conf, &config->mqtt.password);
}

static int read_http(const struct conf *conf, struct app_config *config)
{
    config->http.listen = config_http_address(conf);
    config->http.port = (uint16_t)conf_int(conf, "http.port");
    config->http.public_url = conf_string(conf, "http.public_url");
    config->http.tls_cert = conf_string(conf, "http.tls.cert");
    config->http.tls_key = conf_string(conf, "http.tls.key");
    config->http.users_file = conf_string(conf, "http.users_file");
    config->http.tokens_file = conf_string(conf, "http.tokens_file");
    config->http.anonymous = conf_bool(conf, "http.allow_anonymous");
    bool logins = config->http.users_file || config->http.tokens_file;
    config->http.open_to_all =
        !config_is_loopback(config->http.listen) && (config->http.anonymous || !logins);
    int e = read_list(conf, "http.trusted_proxies", &config->http.proxies, &config->http.proxy_count);
    return e ? e : read_list(conf, "http.hosts", &config->http.hosts, &config->http.host_count);
}

uint32_t config_poll_interval_ms(const struct conf *conf)
{
    return (uint32_t)conf_int(conf, "cluster.aggregation_interval") * 1000;
}

int64_t config_retain_ms(const struct conf *conf)
{
    return conf_int(conf, "alpaca.retain_for") * 1000;
}

int config_read(const struct conf *conf, struct app_config *ret_config)
{
    struct app_config config = {0};
    config.publish = conf_bool(conf, "cluster.publish");
    config.broker.run = conf_bool(conf, "broker.run");
    config.broker.listen = conf_string(conf, "broker.listen");
    config.broker.port = (uint16_t)conf_int(conf, "broker.port");
    config.broker.tls_listen = conf_string(conf, "broker.tls.listen");
    config.broker.tls_port = (uint16_t)conf_int(conf, "broker.tls.port");
    config.broker.tls_cert = conf_string(conf, "broker.tls.cert");
    config.broker.tls_key = conf_string(conf, "broker.tls.key");
    config.broker.client_ca = conf_string(conf, "broker.tls.client_ca");
    config.broker.acl_file = conf_string(conf, "broker.acl_file");
    config.poll.timeout_ms = (uint32_t)(conf_double(conf, "cluster.request_timeout") * 1000);
    config.poll.item_limit = (uint32_t)conf_int(conf, "alpaca.limit");
    config.home_assistant.enabled = conf_bool(conf, "home_assistant.enabled");
    config.home_assistant.prefix = conf_string(conf, "home_assistant.prefix");
    config.discovery.service_type = conf_string(conf, "discovery.service_type");
    config.discovery.mdns = strcmp(conf_string(conf, "cluster.discovery_method"), "mdns") == 0;
    int e = read_mqtt(conf, &config);
    e = e ? e : read_http(conf, &config);
    e = e ? e : read_list(conf, "cluster.poll_allow", &config.poll.allow, &config.poll.allow_count);
    if (e != 0) {
        config_finish(&config);
        return e;
    }
    *ret_config = config;
    return 0;
}

void config_finish(struct app_config *config)
{
    if (config->mqtt.password) {
        explicit_bzero(config->mqtt.password, strlen(config->mqtt.password));
    }
    free(config->mqtt.password);
    free(config->poll.allow);
    free(config->http.hosts);
    free(config->http.proxies);
    *config = (struct app_config){0};
}
