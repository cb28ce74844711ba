#include "enrol.h"

#include "clock.h"
#include "enrol_place.h"
#include "log.h"
#include "mqtt_accounts.h"
#include "tool.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME          "enrol"
#define SHORT_OPTIONS ":c:h"

static const char usage[] =
    "Usage: llamad enrol [-c FILE] [--host HOST]... [--port PORT] [--ca FILE|public] [--plain] NAME\n"
    "       llamad enrol [-c FILE] --list\n"
    "       llamad enrol [-c FILE] --revoke NAME\n"
    "Makes an account at the broker for the node NAME, or a new password for it, and prints the one command "
    "to "
    "run\n"
    "on that node. The services llamad, llamad-replica, homeassistant and smollama get accounts as well.\n"
    "\n"
    "  -c, --config FILE     configuration (default: the service's)\n"
    "      --host HOST       a name or address by which the node reaches the broker; the best one first\n"
    "      --port PORT       the broker's port\n"
    "      --ca FILE         the authority of a broker that has a certificate of its own; public: a public "
    "one\n"
    "      --plain           without TLS: the password crosses the network in the clear\n"
    "      --list            show who has an account, and whose was revoked\n"
    "      --revoke NAME     remove that account; its connection ends at once\n"
    "\n"
    "Exit status: 0 done, 1 failed, 64 wrong usage, 78 wrong configuration.\n"
    "More in docs/mqtt-security.md.\n";

/* Accounts that the access rules know by name: no node can be called so. */
static const char *const services[] = {"llamad", "llamad-replica", "homeassistant", "smollama"};

static bool is_service(const char *name)
{
    for (size_t i = 0; i < sizeof services / sizeof *services; i++) {
        if (strcmp(services[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* --- telling --- */

/* When the broker knows of the change. */
static void print_effect(const struct enrol_place *place)
{
    if (!place->own) {
        printf("Then let the broker read its accounts again:\n\n    sudo systemctl reload mosquitto\n");
    } else if (place->running) {
        printf("llamad runs, and its broker knows within a second.\n");
    } else {
        printf("llamad does not run now; its broker knows when it starts.\n");
    }
}

static void print_hosts(const struct enrolment *enrolment)
{
    for (size_t i = 0; i < enrolment->host_count; i++) {
        printf("%s%s", i ? " or " : "", enrolment->hosts[i]);
    }
    printf(", port %u", enrolment->port);
}

static int print_node(const struct enrolment *enrolment, const struct enrol_place *place, bool fresh)
{
    struct buf word = BUF_INIT;
    if (enrolment_encode(enrolment, &word) != 0 || !buf_terminate(&word)) {
        buf_finish(&word);
        tool_error(NAME, "out of memory");
        return EXIT_FAILURE;
    }
    printf("%s has %s at the broker (", enrolment->node,
           fresh ? "an account" : "a new password for its account");
    print_hosts(enrolment);
    printf("). Run this on it:\n\n    sudo alpaca-agent enrol %s\n\n", word.data);
    printf("The word holds the password: whoever has it is %s.%s\n", enrolment->node,
           enrolment->tls == ENROLMENT_PLAIN ? " Without TLS it crosses the network in the clear." : "");
    print_effect(place);
    explicit_bzero(word.data, word.len);
    buf_finish(&word);
    return EXIT_SUCCESS;
}

static int print_service(const struct enrolment *enrolment, const struct enrol_place *place, bool fresh)
{
    printf("%s has %s at the broker; the password is shown this once:\n\n    broker    ", enrolment->node,
           fresh ? "an account" : "a new password for its account");
    print_hosts(enrolment);
    printf("\n    user      %s\n    password  %s\n", enrolment->node, enrolment->password);
    if (enrolment->tls == ENROLMENT_CA) {
        printf("    authority %s\n", place->ca);
    } else if (enrolment->tls == ENROLMENT_PLAIN) {
        printf("    without TLS: the password crosses the network in the clear\n");
    }
    putchar('\n');
    print_effect(place);
    return EXIT_SUCCESS;
}

/* --- doing --- */

static int enrol(const struct conf *conf, const struct enrol_wish *wish, struct enrol_place *place)
{
    static struct enrolment enrolment;
    char error[MQTT_ACCOUNTS_ERROR_SIZE], password[MQTT_ACCOUNTS_PASSWORD_SIZE];
    bool fresh = false;
    int status = enrol_place_describe(conf, wish, place, &enrolment);
    if (status != 0) {
        return status;
    }
    if (mqtt_accounts_set(place->accounts, wish->name, clock_now().wall_ms / 1000, password, &fresh, error) !=
        0) {
        tool_error(NAME, "%s", error);
        return EXIT_FAILURE;
    }
    snprintf(enrolment.node, sizeof enrolment.node, "%s", wish->name);
    snprintf(enrolment.password, sizeof enrolment.password, "%s", password);
    status = is_service(wish->name) ? print_service(&enrolment, place, fresh)
                                    : print_node(&enrolment, place, fresh);
    explicit_bzero(&enrolment, sizeof enrolment);
    explicit_bzero(password, sizeof password);
    return status;
}

static int revoke(const struct enrol_wish *wish, const struct enrol_place *place)
{
    char error[MQTT_ACCOUNTS_ERROR_SIZE], name[LOG_TEXT];
    int e = mqtt_accounts_revoke(place->accounts, wish->name, clock_now().wall_ms / 1000, error);
    log_escape(name, sizeof name, wish->name, strlen(wish->name));
    if (e == -ENOENT) {
        tool_error(NAME, "%s has no account (llamad enrol --list shows who has)", name);
        return EXIT_FAILURE;
    }
    if (e != 0) {
        tool_error(NAME, "%s", error);
        return EXIT_FAILURE;
    }
    printf("%s is revoked: its connection ends, and it does not get in again.\n", name);
    print_effect(place);
    if (!is_service(wish->name)) {
        printf(
            "What it said last stays until it expires; 'Forget' on its page of the dashboard removes it.\n");
    }
    return EXIT_SUCCESS;
}

static int list(const struct enrol_place *place)
{
    static const char *const states[] = {"there", "enrolled", "revoked"};
    char error[MQTT_ACCOUNTS_ERROR_SIZE], date[TOOL_DATE_SIZE], name[LOG_TEXT];
    struct account *accounts = NULL;
    size_t count = 0;
    if (mqtt_accounts_list(place->accounts, &accounts, &count, error) != 0) {
        tool_error(NAME, "%s", error);
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < count; i++) {
        const struct account *account = &accounts[i];
        printf("%-10s %-10s %s%s\n", states[account->state],
               account->state == ACCOUNT_THERE ? "-" : tool_date(account->since_s, date),
               log_escape(name, sizeof name, account->name, strlen(account->name)),
               is_service(account->name) ? " (service)" : "");
    }
    if (count == 0) {
        printf("nobody has an account\n");
    }
    free(accounts);
    return EXIT_SUCCESS;
}

/* --- command line --- */

static int take_port(const char *text, struct enrol_wish *wish)
{
    size_t digits = strspn(text, "0123456789");
    long port = digits > 0 && text[digits] == '\0' ? strtol(text, NULL, 10) : 0;
    if (port < 1 || port > 65535) {
        return tool_usage(NAME, "no port:", text);
    }
    wish->port = (uint16_t)port;
    return -1;
}

static int take_option(int option, char **argv, struct enrol_wish *wish)
{
    char typed[CONF_OPTION_SIZE];
    switch (option) {
    case 'c':
        wish->config = optarg;
        return -1;
    case 'H':
        return authority_names_add(&wish->hosts, optarg) ? -1
                                                         : tool_usage(NAME, "no name or address:", optarg);
    case 'p':
        return take_port(optarg, wish);
    case 'a':
        wish->ca = optarg;
        return -1;
    case 'P':
        wish->plain = true;
        return -1;
    case 'l':
        wish->list = true;
        return -1;
    case 'r':
        wish->revoke = true;
        wish->name = optarg;
        return -1;
    case 'h':
        fputs(usage, stdout);
        return EXIT_SUCCESS;
    case ':':
        return tool_usage(NAME, "something is missing behind", argv[optind - 1]);
    default:
        return tool_usage(NAME, "unknown option", conf_wrong_option(argv, SHORT_OPTIONS, typed));
    }
}

/* -1 to go on, else the exit status. */
static int parse(int argc, char **argv, struct enrol_wish *wish)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"host", required_argument, NULL, 'H'},
        {"port", required_argument, NULL, 'p'},
        {"ca", required_argument, NULL, 'a'},
        {"plain", no_argument, NULL, 'P'},
        {"list", no_argument, NULL, 'l'},
        {"revoke", required_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *why = NULL;
    int option, status = -1;
    opterr = 0;
    optind = 0;
    while (status < 0 && (option = getopt_long(argc, argv, SHORT_OPTIONS, options, NULL)) != -1) {
        status = take_option(option, argv, wish);
    }
    if (status >= 0) {
        return status;
    }
    if (!wish->list && !wish->revoke && optind < argc) {
        wish->name = argv[optind++];
    }
    if (optind < argc) {
        return tool_usage(NAME, "unexpected argument", argv[optind]);
    }
    if (!wish->list && !wish->name) {
        return tool_usage(NAME, "who is to be enrolled? NAME is missing", NULL);
    }
    if (!wish->list && !mqtt_accounts_name_valid(wish->name, &why)) {
        tool_error(NAME, "the name %s", why);
        return TOOL_USAGE;
    }
    return -1;
}

int enrol_main(int argc, char **argv)
{
    static struct enrol_wish wish;
    struct enrol_place place;
    int status = parse(argc, argv, &wish);
    if (status >= 0) {
        return status;
    }
    struct conf *conf = tool_conf(NAME, wish.config);
    status = conf ? enrol_place_find(conf, &place) : TOOL_CONFIG;
    if (status == 0) {
        status = wish.list ? list(&place) : wish.revoke ? revoke(&wish, &place) : enrol(conf, &wish, &place);
    }
    conf_destroy(conf);
    return status;
}
