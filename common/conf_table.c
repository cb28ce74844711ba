/*
 * Every key of the configuration, and what may stand in it. The reference in docs/configuration.md follows
 * this table; a test holds them together.
 */
#include "conf_check.h"
#include "conf_internal.h"

#include <string.h>

#define PRIVATE_NETWORKS "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, fc00::/7"
#define DAY              86400.0

static const char *const discovery_methods[] = {"mdns", "manual", NULL};
static const char *const node_types[] = {"alpaca", "llama", NULL};
static const char *const sources[] = {"smollama", "system", NULL};
static const struct conf_field manual_node_fields[CONF_FIELDS_MAX] = {
    {"name", conf_check_node_name},
    {"url", conf_check_url},
};

const struct conf_key conf_keys[] = {
    {.name = "node.name",
     .type = CONF_STRING,
     .check = conf_check_node_name,
     .variable = "SMOLLAMA_NODE_NAME",
     .help = "This node's name, as the cluster shows it. Without it the agent uses the host's name."},

    {.name = "mqtt.broker",
     .type = CONF_STRING,
     .fallback = "localhost",
     .check = conf_check_host,
     .variable = "SMOLLAMA_MQTT_BROKER",
     .help = "Host name or address of the MQTT broker."},
    {.name = "mqtt.port",
     .type = CONF_INT,
     .fallback = "1883",
     .min = 1,
     .max = 65535,
     .variable = "SMOLLAMA_MQTT_PORT",
     .help = "The broker's TCP port (8883 is usual with TLS)."},
    {.name = "mqtt.username",
     .type = CONF_STRING,
     .check = conf_check_text,
     .variable = "SMOLLAMA_MQTT_USERNAME",
     .help = "User name at the broker."},
    {.name = "mqtt.password",
     .type = CONF_STRING,
     .check = conf_check_text,
     .variable = "SMOLLAMA_MQTT_PASSWORD",
     .secret = true,
     .help = "Password at the broker. password_file keeps it out of this file."},
    {.name = "mqtt.password_file",
     .type = CONF_STRING,
     .check = conf_check_path,
     .help = "A file whose first line is the password."},
    {.name = "mqtt.base_topic",
     .type = CONF_STRING,
     .fallback = "alpaca",
     .check = conf_check_base_topic,
     .help = "First level of the topics that agents publish. The same for all of a cluster."},
    {.name = "mqtt.tls.ca",
     .type = CONF_STRING,
     .check = conf_check_path,
     .help = "PEM file of the authority that signed the broker's certificate; setting it turns TLS on."},
    {.name = "mqtt.tls.cert",
     .type = CONF_STRING,
     .check = conf_check_path,
     .help = "PEM file of our own certificate, where the broker asks for one."},
    {.name = "mqtt.tls.key",
     .type = CONF_STRING,
     .check = conf_check_path,
     .help = "PEM file of the key to that certificate, without passphrase."},
    {.name = "mqtt.topics", .type = CONF_IGNORED},

    {.name = "discovery.service_type",
     .type = CONF_STRING,
     .fallback = "_smollama._tcp",
     .check = conf_check_service_type,
     .help = "The mDNS service that Smollama nodes announce."},
    {.name = "discovery.enabled", .type = CONF_IGNORED},
    {.name = "discovery.announce", .type = CONF_IGNORED},
    {.name = "discovery.browse", .type = CONF_IGNORED},
    {.name = "discovery.cache_ttl_seconds", .type = CONF_IGNORED},
    {.name = "discovery.discovery_timeout_seconds", .type = CONF_IGNORED},

    {.name = "mem0.bridge_enabled",
     .type = CONF_BOOL,
     .fallback = "false",
     .variable = "SMOLLAMA_MEM0_BRIDGE_ENABLED",
     .help = "Smollama's mark of the Llama machine: the agent's default type is then llama."},
    {.name = "mem0.enabled", .type = CONF_IGNORED},
    {.name = "mem0.server_url", .type = CONF_IGNORED},
    {.name = "mem0.index_observations", .type = CONF_IGNORED},
    {.name = "mem0.index_memories", .type = CONF_IGNORED},
    {.name = "mem0.bridge_interval_seconds", .type = CONF_IGNORED},
    {.name = "mem0.compose_file", .type = CONF_IGNORED},

    {.name = "cluster.enabled",
     .type = CONF_BOOL,
     .fallback = "true",
     .help = "false: llamad says so and exits with status 78."},
    {.name = "cluster.aggregation_interval",
     .type = CONF_DURATION,
     .fallback = "60",
     .min = 1,
     .max = DAY,
     .help = "How often a node that is silent on MQTT is polled over HTTP."},
    {.name = "cluster.request_timeout",
     .type = CONF_SECONDS,
     .fallback = "5",
     .min = 0.1,
     .max = 300,
     .help = "How long one poll of a node may take in all."},
    {.name = "cluster.discovery_method",
     .type = CONF_STRING,
     .fallback = "mdns",
     .choices = discovery_methods,
     .help = "mdns also looks for nodes on the local network; manual does not. Nodes announced over MQTT and "
             "manual_nodes "
             "are known with both."},
    {.name = "cluster.manual_nodes",
     .type = CONF_RECORDS,
     .fields = manual_node_fields,
     .help = "Nodes with a fixed address: a list of {name, url}."},
    {.name = "cluster.poll_allow",
     .type = CONF_LIST,
     .fallback = PRIVATE_NETWORKS,
     .check = conf_check_network,
     .help =
         "Networks in which announced and discovered addresses may be polled. Replaces the default list."},
    {.name = "cluster.state_dir",
     .type = CONF_STRING,
     .fallback = "/var/lib/llamad",
     .check = conf_check_path,
     .help = "Where llamad and its broker keep what should survive a restart."},
    {.name = "cluster.publish",
     .type = CONF_BOOL,
     .fallback = "true",
     .help = "false: a read-only replica, which publishes nothing under llama/ and homeassistant/."},

    {.name = "broker.run",
     .type = CONF_BOOL,
     .fallback = "false",
     .help = "true: llamad runs mosquitto as a child and connects to it."},
    {.name = "broker.listen",
     .type = CONF_STRING,
     .fallback = "127.0.0.1",
     .check = conf_check_listen,
     .help = "The address that broker listens on."},
    {.name = "broker.port",
     .type = CONF_INT,
     .fallback = "1883",
     .min = 1,
     .max = 65535,
     .help = "The port that broker listens on."},

    {.name = "http.listen",
     .type = CONF_STRING,
     .fallback = "127.0.0.1",
     .check = conf_check_listen,
     .help = "The address of the dashboard and the API; 0.0.0.0 or :: for all."},
    {.name = "http.port",
     .type = CONF_INT,
     .fallback = "8090",
     .min = 1,
     .max = 65535,
     .help = "The port of the dashboard and the API."},
    {.name = "http.hosts",
     .type = CONF_LIST,
     .check = conf_check_host,
     .help =
         "Further names under which browsers may ask, besides addresses, localhost and this machine's name."},
    {.name = "http.tls.cert",
     .type = CONF_STRING,
     .check = conf_check_path,
     .help = "PEM file of the certificate (with its chain); with http.tls.key it turns https on."},
    {.name = "http.tls.key",
     .type = CONF_STRING,
     .check = conf_check_path,
     .help = "PEM file of the key to http.tls.cert."},
    {.name = "http.users_file",
     .type = CONF_STRING,
     .check = conf_check_path,
     .help = "File of those who may log in with a name and a password."},
    {.name = "http.tokens_file",
     .type = CONF_STRING,
     .check = conf_check_path,
     .help = "File of the tokens with which programs may ask."},
    {.name = "http.allow_anonymous",
     .type = CONF_BOOL,
     .fallback = "false",
     .help = "true: listen beyond loopback although everybody may read."},
    {.name = "http.public_url",
     .type = CONF_STRING,
     .check = conf_check_url,
     .help = "The address under which people reach the dashboard, where a proxy stands before it."},
    {.name = "http.trusted_proxies",
     .type = CONF_LIST,
     .check = conf_check_network,
     .help = "Networks of the proxies whose X-Forwarded-For is believed."},

    {.name = "home_assistant.enabled",
     .type = CONF_BOOL,
     .fallback = "true",
     .help = "Announce every node and its readings to Home Assistant over MQTT."},
    {.name = "home_assistant.prefix",
     .type = CONF_STRING,
     .fallback = "homeassistant",
     .check = conf_check_topic,
     .help = "Home Assistant's discovery prefix."},

    {.name = "alpaca.source",
     .type = CONF_STRING,
     .fallback = "smollama",
     .choices = sources,
     .help = "smollama reads the Smollama on this machine; system reads /proc and /sys where there is none."},
    {.name = "alpaca.url",
     .type = CONF_STRING,
     .fallback = "http://127.0.0.1:8080",
     .check = conf_check_url,
     .help = "Where the local Smollama answers."},
    {.name = "alpaca.announce_url",
     .type = CONF_STRING,
     .fallback = "auto",
     .check = conf_check_announce_url,
     .help = "The address under which llamad may poll this node: auto, none, or a URL."},
    {.name = "alpaca.type",
     .type = CONF_STRING,
     .choices = node_types,
     .help = "What this node is. Without it: llama where mem0.bridge_enabled is true, else alpaca."},
    {.name = "alpaca.labels",
     .type = CONF_MAP,
     .check = conf_check_label,
     .help = "Labels of this node, shown with it: {room: kitchen}."},
    {.name = "alpaca.retain_for",
     .type = CONF_DURATION,
     .fallback = "7d",
     .min = 60,
     .max = 3650 * DAY,
     .help =
         "How long the broker keeps this node's last messages; llamad forgets a node not heard for as long."},
    {.name = "alpaca.heartbeat_interval",
     .type = CONF_DURATION,
     .fallback = "10",
     .min = 1,
     .max = 3600,
     .help = "How often the agent says that it lives. A node is late after 2.5 of these."},
    {.name = "alpaca.readings_interval",
     .type = CONF_DURATION,
     .fallback = "5",
     .min = 1,
     .max = DAY,
     .help = "How often /api/readings is asked. Each request reads every sensor."},
    {.name = "alpaca.observations_interval",
     .type = CONF_DURATION,
     .fallback = "30",
     .min = 1,
     .max = DAY,
     .help = "How often /api/observations is asked."},
    {.name = "alpaca.stats_interval",
     .type = CONF_DURATION,
     .fallback = "30",
     .min = 1,
     .max = DAY,
     .help = "How often /api/stats is asked."},
    {.name = "alpaca.memories_interval",
     .type = CONF_DURATION,
     .fallback = "60",
     .min = 1,
     .max = DAY,
     .help = "How often /api/memories is asked."},
    {.name = "alpaca.limit",
     .type = CONF_INT,
     .fallback = "100",
     .min = 1,
     .max = 10000,
     .help = "How many observations and memories are asked for, newest first."},
};
const size_t conf_key_count = sizeof conf_keys / sizeof *conf_keys;

static const char *const our_sections[] = {"cluster", "broker", "http", "home_assistant", "alpaca", NULL};
static const char *const shared_sections[] = {"node", "mqtt", "discovery", "mem0", NULL};
static const char *const smollama_sections[] = {"ollama", "gpio", "agent",   "memory",
                                                "frames", "sync", "plugins", NULL};

static bool is_one_of(const char *name, const char *const *list)
{
    for (; *list; list++) {
        if (strcmp(name, *list) == 0) {
            return true;
        }
    }
    return false;
}

enum conf_section conf_section_kind(const char *name)
{
    if (is_one_of(name, our_sections)) {
        return SECTION_OURS;
    }
    if (is_one_of(name, shared_sections)) {
        return SECTION_SHARED;
    }
    return is_one_of(name, smollama_sections) ? SECTION_SMOLLAMA : SECTION_UNKNOWN;
}

/* Levenshtein's distance. Names beyond any key's length are far from everything. */
unsigned edit_distance(const char *a, const char *b)
{
    enum { LONGEST = 64 };
    size_t a_len = strlen(a), b_len = strlen(b);
    if (a_len > LONGEST || b_len > LONGEST) {
        return LONGEST;
    }
    unsigned row[LONGEST + 1];
    for (unsigned j = 0; j <= b_len; j++) {
        row[j] = j;
    }
    for (unsigned i = 1; i <= a_len; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b_len; j++) {
            unsigned best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            row[j] = best;
        }
    }
    return row[b_len];
}

static void take_nearer(const char *name, const char *const *list, const char **nearest, unsigned *distance)
{
    for (; *list; list++) {
        unsigned d = edit_distance(name, *list);
        if (d < *distance) {
            *distance = d;
            *nearest = *list;
        }
    }
}

const char *conf_section_nearest(const char *name, unsigned *ret_distance)
{
    const char *nearest = our_sections[0];
    *ret_distance = edit_distance(name, nearest);
    take_nearer(name, our_sections, &nearest, ret_distance);
    take_nearer(name, shared_sections, &nearest, ret_distance);
    return nearest;
}

unsigned conf_section_distance_to_ours(const char *name)
{
    const char *nearest = our_sections[0];
    unsigned distance = edit_distance(name, nearest);
    take_nearer(name, our_sections, &nearest, &distance);
    return distance;
}

int conf_key_find(const char *name)
{
    for (size_t i = 0; i < conf_key_count; i++) {
        if (strcmp(conf_keys[i].name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

bool conf_is_group(const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < conf_key_count; i++) {
        if (strncmp(conf_keys[i].name, name, len) == 0 && conf_keys[i].name[len] == '.') {
            return true;
        }
    }
    return false;
}

void conf_key_nearest(const char *group, const char *part, char *buffer, size_t size, unsigned *ret_distance)
{
    size_t group_len = strlen(group);
    *ret_distance = UINT32_MAX;
    buffer[0] = '\0';
    for (size_t i = 0; i < conf_key_count; i++) {
        const char *name = conf_keys[i].name;
        if (strncmp(name, group, group_len) != 0 || name[group_len] != '.') {
            continue;
        }
        const char *rest = name + group_len + 1;
        size_t len = strcspn(rest, ".");
        char candidate[64];
        if (len >= sizeof candidate || len >= size) {
            continue;
        }
        memcpy(candidate, rest, len);
        candidate[len] = '\0';
        unsigned distance = edit_distance(part, candidate);
        if (distance < *ret_distance) {
            *ret_distance = distance;
            memcpy(buffer, candidate, len + 1);
        }
    }
}
