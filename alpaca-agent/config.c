#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The machine's name up to the first dot. */
static void host_name(char buffer[NODE_NAME_MAX + 1])
{
    char name[HOST_NAME_MAX + 1] = "";
    if (gethostname(name, sizeof name) != 0) {
        name[0] = '\0';
    }
    name[strcspn(name, ".")] = '\0';
    snprintf(buffer, NODE_NAME_MAX + 1, "%.*s", NODE_NAME_MAX, name);
}

static bool is_text(const char *value)
{
    return value && value[0];
}

/* --- checks across keys --- */

static void check_name(struct conf *conf)
{
    char name[NODE_NAME_MAX + 1];
    const char *why = NULL;
    if (is_text(conf_string(conf, "node.name"))) {
        return; /* checked where it was read */
    }
    host_name(name);
    if (!node_name_valid(name, strlen(name), &why)) {
        conf_report(conf, CONF_ERROR, "node.name", "not set, and the host name %s; set one", why);
    }
}

static void check_source(struct conf *conf)
{
    struct url url;
    const char *why = NULL;
    const char *text = conf_string(conf, "alpaca.url");
    if (strcmp(conf_string(conf, "alpaca.source"), "system") == 0) {
        return;
    }
    if (url_parse(text ? text : "", &url, &why) != 0) {
        conf_report(conf, CONF_ERROR, "alpaca.url", "the URL %s", why);
    } else if (url.https && url.ipv6) {
        conf_report(conf, CONF_ERROR, "alpaca.url",
                    "https needs a name or an IPv4 address, to check the certificate by");
    }
}

static enum announce announce_mode(const char *text)
{
    if (!is_text(text) || strcmp(text, "none") == 0) {
        return ANNOUNCE_NOTHING;
    }
    return strcmp(text, "auto") == 0 ? ANNOUNCE_AUTO : ANNOUNCE_URL;
}

static void check_announcement(struct conf *conf)
{
    struct url url;
    const char *why = NULL, *text = conf_string(conf, "alpaca.announce_url");
    if (announce_mode(text) != ANNOUNCE_URL) {
        return;
    }
    if (url_parse(text, &url, &why) != 0) {
        conf_report(conf, CONF_ERROR, "alpaca.announce_url", "neither auto nor none, and as a URL it %s",
                    why);
    } else if (strlen(text) > URL_MAX) {
        conf_report(conf, CONF_ERROR, "alpaca.announce_url", "longer than %d bytes", URL_MAX);
    }
}

static void check_labels(struct conf *conf)
{
    size_t count = conf_list_len(conf, "alpaca.labels");
    if (count > LABELS_MAX) {
        conf_report(conf, CONF_ERROR, "alpaca.labels", "%zu labels; a node may have %d", count, LABELS_MAX);
    }
    for (size_t i = 0; i < count; i++) { /* conf has seen that they are texts, and none of them is empty */
        size_t key_len = strlen(conf_list_key(conf, "alpaca.labels", i));
        size_t value_len = strlen(conf_list_get(conf, "alpaca.labels", i, NULL));
        if (key_len > LABEL_KEY_MAX || value_len > LABEL_VALUE_MAX) {
            conf_report(conf, CONF_ERROR, "alpaca.labels",
                        "label %zu: a key has at most %d bytes, a value %d", i + 1, LABEL_KEY_MAX,
                        LABEL_VALUE_MAX);
        }
    }
}

/* A file that is no good would end the agent at the next reload, or keep it from starting. */
static void check_tls(struct conf *conf)
{
    conf_check_authority(conf, "mqtt.tls.ca");
    conf_check_key_pair(conf, "mqtt.tls.cert", "mqtt.tls.key");
    bool cert = is_text(conf_string(conf, "mqtt.tls.cert")), key = is_text(conf_string(conf, "mqtt.tls.key"));
    if (cert != key) {
        conf_report(conf, CONF_ERROR, cert ? "mqtt.tls.cert" : "mqtt.tls.key",
                    "cert and key need each other");
    }
    if (cert && !is_text(conf_string(conf, "mqtt.tls.ca"))) {
        conf_report(conf, CONF_ERROR, "mqtt.tls.cert", "mqtt.tls.ca is not set, so there would be no TLS");
    }
}

static void check_password(struct conf *conf)
{
    conf_check_secret(conf, "mqtt.password_file");
    if (is_text(conf_string(conf, "mqtt.password_file")) && is_text(conf_string(conf, "mqtt.password"))) {
        conf_report(conf, CONF_WARNING, "mqtt.password", "not used: mqtt.password_file is set as well");
    }
    conf_check_username(conf);
}

void config_check(struct conf *conf)
{
    check_name(conf);
    check_source(conf);
    check_announcement(conf);
    check_labels(conf);
    check_password(conf);
    check_tls(conf);
}

/* --- reading --- */

static const char *text_or_null(const struct conf *conf, const char *key)
{
    const char *text = conf_string(conf, key);
    return is_text(text) ? text : NULL;
}

/* The table lets all of them be 1 second to 10 years. */
static uint32_t seconds(const struct conf *conf, const char *key)
{
    return (uint32_t)conf_int(conf, key);
}

void config_node_name(const struct conf *conf, char name[NODE_NAME_MAX + 1])
{
    const char *configured = text_or_null(conf, "node.name");
    if (configured) {
        snprintf(name, NODE_NAME_MAX + 1, "%s", configured);
    } else {
        host_name(name);
    }
}

static void read_node(const struct conf *conf, struct config *config)
{
    config->node_is_host_name = !text_or_null(conf, "node.name");
    config_node_name(conf, config->node);
    const char *type = text_or_null(conf, "alpaca.type");
    bool llama = type ? strcmp(type, "llama") == 0 : conf_bool(conf, "mem0.bridge_enabled");
    config->type = llama ? NODE_LLAMA : NODE_ALPACA;
    for (size_t i = 0; i < conf_list_len(conf, "alpaca.labels") && i < LABELS_MAX; i++) {
        struct label *label = &config->labels[config->label_count++];
        snprintf(label->key, sizeof label->key, "%s", conf_list_key(conf, "alpaca.labels", i));
        snprintf(label->value, sizeof label->value, "%s", conf_list_get(conf, "alpaca.labels", i, NULL));
    }
}

static int read_broker(const struct conf *conf, struct config *config)
{
    config->broker = conf_string(conf, "mqtt.broker");
    config->broker_port = (uint16_t)conf_int(conf, "mqtt.port");
    config->username = text_or_null(conf, "mqtt.username");
    config->tls_ca = text_or_null(conf, "mqtt.tls.ca");
    config->tls_cert = text_or_null(conf, "mqtt.tls.cert");
    config->tls_key = text_or_null(conf, "mqtt.tls.key");
    config->base_topic = conf_string(conf, "mqtt.base_topic");
    const char *file = text_or_null(conf, "mqtt.password_file"),
               *password = text_or_null(conf, "mqtt.password");
    if (file) {
        config->password = conf_read_secret(file);
        return config->password ? 0 : -errno;
    }
    if (password) {
        config->password = strdup(password);
        return config->password ? 0 : -ENOMEM;
    }
    return 0;
}

static int read_source(const struct conf *conf, struct config *config)
{
    config->limit = (unsigned)conf_int(conf, "alpaca.limit");
    config->heartbeat_s = seconds(conf, "alpaca.heartbeat_interval");
    config->retain_for_s = seconds(conf, "alpaca.retain_for");
    config->interval_s[REPORT_READINGS] = seconds(conf, "alpaca.readings_interval");
    config->interval_s[REPORT_STATS] = seconds(conf, "alpaca.stats_interval");
    if (strcmp(conf_string(conf, "alpaca.source"), "system") == 0) {
        config->source = SOURCE_SYSTEM;
        config->announce = ANNOUNCE_NOTHING; /* nobody serves an API here */
        return 0;
    }
    config->source = SOURCE_SMOLLAMA;
    config->interval_s[REPORT_OBSERVATIONS] = seconds(conf, "alpaca.observations_interval");
    config->interval_s[REPORT_MEMORIES] = seconds(conf, "alpaca.memories_interval");
    config->announce_url = conf_string(conf, "alpaca.announce_url");
    config->announce = announce_mode(config->announce_url);
    return url_parse(conf_string(conf, "alpaca.url"), &config->url, NULL);
}

int config_read(const struct conf *conf, struct config *ret_config)
{
    struct config config = {0};
    read_node(conf, &config);
    int e = read_source(conf, &config);
    if (e == 0) {
        e = read_broker(conf, &config);
    }
    if (e) {
        config_finish(&config);
        return e;
    }
    *ret_config = config;
    return 0;
}

void config_finish(struct config *config)
{
    if (config->password) {
        explicit_bzero(config->password, strlen(config->password));
    }
    free(config->password);
    config->password = NULL;
}

bool config_same_password(const struct config *a, const struct config *b)
{
    return a->password && b->password ? strcmp(a->password, b->password) == 0 : a->password == b->password;
}

bool config_same_node(const struct config *a, const struct config *b)
{
    return strcmp(a->node, b->node) == 0 && strcmp(a->base_topic, b->base_topic) == 0 &&
           strcmp(a->broker, b->broker) == 0 && a->broker_port == b->broker_port;
}
