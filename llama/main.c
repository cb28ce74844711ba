/*
 * llamad: one live picture of all Smollama nodes: keeps the last value of everything they say, works out how
 * each one really is, and serves the dashboard, the cluster API and live push.
 *
 *   main              command line
 *   config, folders   what llamad wants of the configuration
 *   app               signals, shutdown; app_start makes the parts, app_calls is what they want of each other
 *     app_certs         looks after the certificate of llamad's own broker
 *     reload            the configuration read again, on SIGHUP
 *     status            what llamad says of itself in /api/health
 *     accounts          the subcommands for users and tokens; accounts_ask prompts
 *     certs, enrol      the subcommands that make certificates, and accounts at the broker (enrol_place:
 *                       which, and where); tool is what they share
 *     status_tool       the subcommand that asks a running llamad how it is
 *     ha_lint           the subcommand that checks what Home Assistant would refuse
 *     journal           what becomes of the nodes, in the log
 *   access/           certificates, accounts at the broker and at the HTTP server
 *   sources/          ingest (MQTT), poller, search, fetch (HTTP), discovery (mDNS), broker (mosquitto)
 *   state/            cache, verdict, events, history (pure)
 *   store/            events and last values kept over a restart
 *   outputs/          api, frame (pure), server (HTTP), live (WebSocket); announce, states and home_assistant
 *                     (MQTT)
 */
#include "accounts.h"
#include "app.h"
#include "certs.h"
#include "conf.h"
#include "config.h"
#include "enrol.h"
#include "ha_lint.h"
#include "log.h"
#include "status_tool.h"

#include <string.h>
#include <unistd.h>

static const char help[] =
    "Usage: llamad [-c FILE] [--check] [-D TOPICS] [-v] [--log-format FORMAT]\n"
    "       llamad certs|enrol|ha-lint|passwd|status|token ...\n"
    "Gathers what the Smollama nodes of a cluster say and serves it: dashboard, API and live push.\n"
    "\n"
    "  -c, --config FILE  configuration; Smollama's own config.yaml will do. Without it: ./config.yaml,\n"
    "                     ./config.yml, ~/.smollama/config.yaml, ~/.smollama/config.yml\n"
    "      --check        check the configuration, print every effective value and where it comes from\n"
    "  -D, --debug TOPICS log in detail: mqtt, http, live, poll, mdns, broker; several with commas, or all\n"
    "  -v, --verbose      the same as -D all\n"
    "      --log-format F text (default) or json: one object a line\n"
    "      --help-config  print all keys of the configuration, as a table in Markdown\n"
    "      --version      print the version\n"
    "  -h, --help         print this text\n"
    "      certs          make and renew a private authority and certificates\n"
    "      enrol          make, list and revoke accounts at the broker, for one node each\n"
    "      ha-lint        say what Home Assistant would refuse of these readings or messages, and why\n"
    "      passwd         add a user of dashboard and API, or change the password\n"
    "      status         say how the running llamad is, and which nodes are not online\n"
    "      token          make a token with which a program may ask the API\n"
    "\n"
    "SIGTERM and SIGINT end it within 2 seconds, a second one at once; SIGHUP reads the configuration "
    "again.\n"
    "Exit status: 0 clean, 1 could not start, 64 wrong usage, 78 wrong configuration.\n"
    "States, causes and troubleshooting are described in docs/operations.md.\n";

static const struct conf_program program = {
    .name = "llamad", .help = help, .topics = LOG_TOPICS_ALL, .check = config_check};

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv); /* gets the arguments from the name on; the exit status */
} commands[] = {
    {"certs", certs_main},   {"enrol", enrol_main},        {"ha-lint", ha_lint_main},
    {"passwd", passwd_main}, {"status", status_tool_main}, {"token", token_main},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    struct conf *conf = NULL;
    int status = conf_main(argc, argv, &program, &conf);
    if (status >= 0) {
        return status;
    }
    struct app_end end = app_run(conf);
    if (end.hung) {
        log_warning("left a name look-up or a write to the disk unfinished");
        _exit(end.status);
    }
    return end.status;
}
