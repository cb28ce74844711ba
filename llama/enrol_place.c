#include "enrol_place.h"

#include "clock.h"
#include "config.h"
#include "secret_file.h"
#include "tool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(ENROLMENT_HOST_MAX == AUTHORITY_NAME_MAX, "copied as they are");

#define NAME     "enrol"
#define TLS_PORT 8883

/* --- where the accounts are --- */

/* llamad holds a lock on its state folder while it runs. */
static bool llamad_runs(const char *state)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/llamad.lock", state);
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    bool held = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (fd >= 0) {
        close(fd);
    }
    return held;
}

static int make_folder(const char *state, const char *folder)
{
    struct secret_owner owner;
    if (mkdir(folder, 0750) != 0) {
        if (errno == EEXIST) {
            return 0;
        }
    } else if (secret_owner_of(state, &owner) == 0 &&
               (!owner.change || chown(folder, owner.uid, owner.gid) == 0)) {
        return 0;
    }
    tool_error(NAME, "cannot make %s: %s", folder, strerror(errno));
    return EXIT_FAILURE;
}

static int find_own(const struct conf *conf, struct enrol_place *place)
{
    char folder[PATH_MAX];
    if (!conf_is_set(conf, "broker.tls.listen") && config_is_loopback(conf_string(conf, "broker.listen"))) {
        tool_error(NAME, "the broker that llamad runs cannot be reached from other machines, and needs no "
                         "accounts on this one: set broker.tls.listen, to 0.0.0.0 say, and restart llamad");
        return TOOL_CONFIG;
    }
    char *state = tool_folder(NAME, conf, "");
    if (!state) {
        return TOOL_CONFIG;
    }
    state[strlen(state) - 1] = '\0'; /* the slash */
    snprintf(folder, sizeof folder, "%.4000s/broker", state);
    snprintf(place->accounts, sizeof place->accounts, "%.4000s/broker/passwd", state);
    place->running = llamad_runs(state);
    int status = make_folder(state, folder);
    free(state);
    return status;
}

int enrol_place_find(const struct conf *conf, struct enrol_place *ret_place)
{
    *ret_place = (struct enrol_place){.own = conf_bool(conf, "broker.run")};
    if (ret_place->own) {
        return find_own(conf, ret_place);
    }
    const char *file = conf_string(conf, "broker.password_file");
    if (!file) {
        tool_error(NAME, "llamad does not run the broker here (broker.run), so it must be told where that "
                         "one's accounts are: broker.password_file, mosquitto's password_file");
        return TOOL_CONFIG;
    }
    snprintf(ret_place->accounts, sizeof ret_place->accounts, "%s", file);
    return 0;
}

/* --- how it is reached --- */

static bool is_address(const char *host)
{
    unsigned char number[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, number) == 1 || inet_pton(AF_INET6, host, number) == 1;
}

/* Names before addresses, which change more often; those of other machines alone. */
static void choose_hosts(const struct authority_names *names, struct enrolment *ret)
{
    for (int addresses = 0; addresses < 2; addresses++) {
        for (size_t i = 0; i < names->count && ret->host_count < ENROLMENT_HOSTS_MAX; i++) {
            const char *name = names->list[i];
            if (is_address(name) != (addresses == 1) || config_is_loopback(name) || name[0] == '*' ||
                strcmp(name, "0.0.0.0") == 0 || strcmp(name, "::") == 0) {
                continue;
            }
            snprintf(ret->hosts[ret->host_count++], ENROLMENT_HOST_MAX + 1, "%s", name);
        }
    }
}

/* Makes sure that llamad's own certificate is good for the wanted hosts; its names are added to `names`. */
static int use_own_certificate(const struct conf *conf, const struct enrol_wish *wish,
                               struct enrol_place *place, struct authority_names *names)
{
    char error[AUTHORITY_ERROR_SIZE];
    bool made = false;
    struct authority_certificate server;
    char *folder = tool_folder(NAME, conf, "certs");
    if (!folder) {
        return TOOL_CONFIG;
    }
    struct authority_names wanted = wish->hosts;
    authority_names_of_machine(&wanted);
    if (conf_is_set(conf, "broker.tls.listen")) {
        authority_names_add(&wanted, conf_string(conf, "broker.tls.listen"));
    }
    int e = authority_keep(folder, &wanted, clock_now().wall_ms / 1000, SECRET_LOCK_MS, &made, error);
    e = e ? e : authority_read(folder, "server", &server, error);
    for (size_t i = 0; e == 0 && i < server.names.count; i++) {
        authority_names_add(names, server.names.list[i]);
    }
    snprintf(place->ca, sizeof place->ca, "%.4000s/ca.crt", folder);
    free(folder);
    if (e != 0) {
        tool_error(NAME, "%s", error);
    }
    return e ? EXIT_FAILURE : 0;
}

/* Whose certificate the broker shows, and for which names. */
static int find_certificate(const struct conf *conf, const struct enrol_wish *wish, struct enrol_place *place,
                            struct authority_names *names)
{
    char error[AUTHORITY_ERROR_SIZE];
    struct authority_certificate server;
    const char *cert = conf_string(conf, "broker.tls.cert"), *ca = wish->ca;
    if (place->own && !cert) {
        return use_own_certificate(conf, wish, place, names);
    }
    if (place->own && authority_read_file(cert, &server, error) == 0) {
        for (size_t i = 0; i < server.names.count; i++) {
            authority_names_add(names, server.names.list[i]);
        }
    }
    ca = ca ? ca : place->own ? NULL : conf_string(conf, "mqtt.tls.ca");
    if (!ca) {
        tool_error(NAME, "which authority signed the broker's certificate? --ca FILE, or --ca public where "
                         "every system trusts it");
        return TOOL_USAGE;
    }
    snprintf(place->ca, sizeof place->ca, "%s", strcmp(ca, "public") == 0 ? "" : ca);
    return 0;
}

static int add_ca(const struct enrol_place *place, struct enrolment *ret)
{
    char error[AUTHORITY_ERROR_SIZE];
    unsigned char *der = NULL;
    size_t len = 0;
    ret->tls = place->ca[0] ? ENROLMENT_CA : ENROLMENT_PUBLIC;
    if (!place->ca[0]) {
        return 0;
    }
    if (authority_der(place->ca, &der, &len, error) != 0) {
        tool_error(NAME, "%s", error);
        return EXIT_FAILURE;
    }
    bool fits = len <= sizeof ret->ca;
    if (fits) {
        memcpy(ret->ca, der, len);
        ret->ca_len = len;
    } else {
        tool_error(NAME, "%s: a certificate of %zu bytes is too large for a command line", place->ca, len);
    }
    free(der);
    return fits ? 0 : EXIT_FAILURE;
}

static uint16_t find_port(const struct conf *conf, const struct enrol_wish *wish, bool own, bool tls)
{
    if (wish->port) {
        return wish->port;
    }
    if (own) {
        return (uint16_t)conf_int(conf, tls ? "broker.tls.port" : "broker.port");
    }
    bool same = tls == conf_is_set(conf, "mqtt.tls.ca"); /* agents reach it as llamad does */
    return same ? (uint16_t)conf_int(conf, "mqtt.port") : TLS_PORT;
}

int enrol_place_describe(const struct conf *conf, const struct enrol_wish *wish, struct enrol_place *place,
                         struct enrolment *ret)
{
    bool tls = !wish->plain && (!place->own || conf_is_set(conf, "broker.tls.listen"));
    struct authority_names names = wish->hosts;
    const char *broker = conf_string(conf, "mqtt.broker");
    int status = tls ? find_certificate(conf, wish, place, &names) : 0;
    status = status || !tls ? status : add_ca(place, ret);
    if (status != 0) {
        return status;
    }
    if (!tls) {
        ret->tls = ENROLMENT_PLAIN;
    }
    if (wish->hosts.count > 0) { /* who names some means these, in this order */
        ret->host_count = wish->hosts.count < ENROLMENT_HOSTS_MAX ? wish->hosts.count : ENROLMENT_HOSTS_MAX;
        memcpy(ret->hosts, wish->hosts.list, ret->host_count * sizeof *ret->hosts);
        names.count = 0;
    } else if (!place->own && !config_is_loopback(broker)) {
        names.count = 0;
        authority_names_add(&names, broker);
    } else if (names.count == 0) {
        authority_names_of_machine(&names);
    }
    choose_hosts(&names, ret);
    if (ret->host_count == 0) {
        tool_error(NAME, "by which name or address do other machines reach the broker? --host HOST");
        return TOOL_USAGE;
    }
    ret->port = find_port(conf, wish, place->own, tls);
    snprintf(ret->base_topic, sizeof ret->base_topic, "%s", conf_string(conf, "mqtt.base_topic"));
    return 0;
}
