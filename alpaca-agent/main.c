/*
 * alpaca-agent: pushes what the Smollama beside it knows to an MQTT broker, and says that it is alive.
 *
 *   main              command line
 *   config            what the agent wants of the configuration
 *   enrol             the subcommand that takes an account: enrol_check tries it, enrol_files writes it
 *   app               the loop, signals, one run after the other
 *   run               puts the parts of one configuration together
 *     status_socket     tells `alpaca-agent status` (status_tool) how it goes
 *   once              prints what would be published
 *   agent             what is due when, what is worth sending (pure)
 *     answer            what an answer of an endpoint is worth (pure)
 *     source_health     whether Smollama as a whole is all right (pure)
 *   smollama_source   asks Smollama's HTTP API
 *     resolver          looks its host's name up off the loop
 *     url               takes its address apart (pure)
 *   system_source     stands in for it: /proc and /sys
 *   messages          status and heartbeat, encoded
 *   publisher         status, heartbeats, reports and refresh over MQTT
 */
#include "app.h"
#include "conf.h"
#include "config.h"
#include "enrol.h"
#include "log.h"
#include "once.h"
#include "status_tool.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "Usage: alpaca-agent [-c FILE] [--check] [-D TOPICS] [-v] [--log-format FORMAT]\n"
    "       alpaca-agent enrol [-c FILE] WORD\n"
    "       alpaca-agent status ...\n"
    "Pushes the readings, observations, memories and statistics of the local Smollama to an MQTT broker.\n"
    "\n"
    "  -c, --config FILE  configuration; Smollama's own config.yaml will do. Without it: ./config.yaml,\n"
    "                     ./config.yml, ~/.smollama/config.yaml, ~/.smollama/config.yml\n"
    "      --check        check the configuration, print every effective value and where it comes from\n"
    "  -D, --debug TOPICS log in detail: mqtt, http; both with a comma, or all\n"
    "  -v, --verbose      the same as -D all\n"
    "      --log-format F text (default) or json: one object a line\n"
    "      --help-config  print all keys of the configuration, as a table in Markdown\n"
    "      --once --print fetch everything once and print what would be published, topic and payload a line\n"
    "      --version      print the version\n"
    "  -h, --help         print this text\n"
    "      enrol          take what 'llamad enrol' printed: the account at the broker, and how to reach it\n"
    "      status         say how the running agent is\n"
    "\n"
    "SIGTERM and SIGINT say goodbye to the broker and end it within 2 seconds; SIGHUP reads the "
    "configuration\n"
    "again. Exit status: 0 clean, 1 could not start, 64 wrong usage, 78 wrong configuration.\n"
    "Topics and payloads are described in docs/protocol.md.\n";

enum { WRONG_USAGE = 64 };

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "status") == 0) {
        return status_tool_main(argc - 1, argv + 1);
    }
    struct conf *conf = NULL;
    bool once = false, print = false;
    const struct conf_flag flags[] = {{"once", &once}, {"print", &print}, {NULL, NULL}};
    const struct conf_program program = {.name = "alpaca-agent",
                                         .help = help,
                                         .topics = LOG_TOPIC_BIT(LOG_MQTT) | LOG_TOPIC_BIT(LOG_HTTP),
                                         .check = config_check,
                                         .layer = ENROL_LAYER,
                                         .flags = flags};
    if (argc > 1 && strcmp(argv[1], "enrol") == 0) {
        return enrol_main(argc - 1, argv + 1);
    }
    int status = conf_main(argc, argv, &program, &conf);
    if (status >= 0) {
        return status;
    }
    if (once != print) {
        fputs("alpaca-agent: --once and --print belong together\n", stderr);
        conf_destroy(conf);
        return WRONG_USAGE;
    }
    struct app_end end = once ? once_print(conf) : app_run(conf);
    if (end.hung) {
        log_warning("left a name look-up unfinished");
        _exit(end.status);
    }
    return end.status;
}
