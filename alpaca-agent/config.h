/*
 * config: what the agent wants of the configuration, checked across keys and brought into its own types.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include "conf.h"
#include "report.h"
#include "topic.h"
#include "url.h"

#include <stdbool.h>
#include <stdint.h>

enum announce { ANNOUNCE_AUTO, ANNOUNCE_NOTHING, ANNOUNCE_URL };

/* Strings are borrowed from the conf it was read from, which must outlive it, unless said otherwise. */
struct config {
    char node[NODE_NAME_MAX + 1];
    bool node_is_host_name; /* nobody configured a name */
    enum node_type type;
    struct label labels[LABELS_MAX];
    size_t label_count;

    const char *broker;
    uint16_t broker_port;
    const char *username;
    char *password; /* owned */
    const char *tls_ca, *tls_cert, *tls_key;
    const char *base_topic;

    enum source_kind source;
    struct url url; /* of Smollama; unset when the source is system */
    unsigned limit;
    enum announce announce;
    const char *announce_url; /* with ANNOUNCE_URL */

    uint32_t heartbeat_s;
    uint32_t interval_s[REPORT_KINDS];
    uint32_t retain_for_s;
};

/* Reports what is wrong across keys to `conf`. For conf_main. */
void config_check(struct conf *conf);
/* 0, or -errno. Requires a conf without errors that config_check has seen. End with config_finish. */
int config_read(const struct conf *conf, struct config *ret_config);
void config_finish(struct config *config);
/* The node's name, also of a configuration that config_check has not seen: node.name, or the host's. */
void config_node_name(const struct conf *conf, char name[NODE_NAME_MAX + 1]);
/* Have both the same password, or none? It may stand in a file whose name is the same. */
bool config_same_password(const struct config *a, const struct config *b);
/* Do both speak of the same node at the same broker? */
bool config_same_node(const struct config *a, const struct config *b);

#endif
