#include "certs.h"

#include "authority.h"
#include "clock.h"
#include "log.h"
#include "secret_file.h"
#include "tool.h"
#include "topic.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME          "certs"
#define SHORT_OPTIONS ":c:h"

static const char usage[] =
    "Usage: llamad certs [-c FILE] [--dir FOLDER] [--name NAME]... [--renew] [--renew-ca] [client NAME]\n"
    "Makes a private certificate authority and this machine's certificate, where they are missing, and shows "
    "them.\n"
    "\n"
    "  -c, --config FILE  configuration; the files go to <cluster.state_dir>/certs\n"
    "      --dir FOLDER   or to this folder\n"
    "      --name NAME    a name or address by which this machine is reached, besides its own; it stays\n"
    "      --renew        renew what has less than a third of its life left\n"
    "      --renew-ca     renew the authority's certificate, with the same key: what it signed stays good\n"
    "      client NAME    a certificate for a client, where the broker asks for one (broker.tls.client_ca)\n"
    "\n"
    "Exit status: 0 done, 1 failed, 64 wrong usage, 78 wrong configuration.\n"
    "More in docs/mqtt-security.md.\n";

struct wish {
    const char *config, *folder, *client;
    bool renew, renew_ca;
    struct authority_names names;
};

/* --- telling --- */

static void print_certificate(const char *folder, const char *name, const char *what)
{
    struct authority_certificate certificate;
    char error[AUTHORITY_ERROR_SIZE], subject[LOG_TEXT], date[TOOL_DATE_SIZE];
    if (authority_read(folder, name, &certificate, error) != 0) {
        return;
    }
    printf("%-7s %s/%s.crt: \"%s\", until %s\n", what, folder, name,
           log_escape(subject, sizeof subject, certificate.subject, strlen(certificate.subject)),
           tool_date(certificate.until_s, date));
    for (size_t i = 0; i < certificate.names.count; i++) {
        printf("%s%s%s", i ? ", " : "        for ", certificate.names.list[i],
               i + 1 == certificate.names.count ? "\n" : "");
    }
}

/* The authority's own end needs somebody to act, years ahead. */
static void warn_of_end(const char *folder, int64_t now_s)
{
    struct authority_certificate authority;
    char error[AUTHORITY_ERROR_SIZE], date[TOOL_DATE_SIZE];
    if (authority_read(folder, "ca", &authority, error) == 0 && authority_is_due(&authority, now_s)) {
        printf(
            "The authority ends on %s: renew it (--renew-ca), and enrol the agents again before that day.\n",
            tool_date(authority.until_s, date));
    }
}

/* --- doing --- */

static int keep_server(const struct wish *wish, int64_t now_s, char error[AUTHORITY_ERROR_SIZE])
{
    struct authority_certificate before;
    bool made = false;
    int e = authority_read(wish->folder, "server", &before, error);
    bool had = e == 0, due = had && authority_is_due(&before, now_s);
    struct authority_names names = wish->names;
    if (e != 0 && e != -ENOENT) {
        return e;
    }
    if (!had) {
        authority_names_of_machine(&names);
    } else if (due && !wish->renew) {
        /* What is named by hand is done; the rest waits to be asked for. */
        print_certificate(wish->folder, "server", "due");
        printf("        less than a third of its life is left: llamad certs --renew\n");
        return 0;
    }
    e = authority_keep(wish->folder, &names, now_s, SECRET_LOCK_MS, &made, error);
    if (e == 0) {
        print_certificate(wish->folder, "server", !made ? "kept" : had ? "renewed" : "made");
    }
    return e;
}

static int issue_client(const struct wish *wish, int64_t now_s, char error[AUTHORITY_ERROR_SIZE])
{
    int e = authority_issue(wish->folder, wish->client, NULL, now_s, error);
    if (e == 0) {
        print_certificate(wish->folder, wish->client, "made");
        printf("        with %s/%s.key; both go to the client: mqtt.tls.cert and mqtt.tls.key there\n",
               wish->folder, wish->client);
    }
    return e;
}

static int run(const struct wish *wish)
{
    char error[AUTHORITY_ERROR_SIZE] = "";
    int64_t now_s = clock_now().wall_ms / 1000;
    bool made = false;
    int e = authority_make(wish->folder, wish->renew_ca, now_s, &made, error);
    if (e == 0) {
        print_certificate(wish->folder, "ca", !made ? "kept" : wish->renew_ca ? "renewed" : "made");
        e = wish->client ? issue_client(wish, now_s, error) : keep_server(wish, now_s, error);
    }
    if (e != 0) {
        tool_error(NAME, "%s", error);
        return EXIT_FAILURE;
    }
    warn_of_end(wish->folder, now_s);
    return EXIT_SUCCESS;
}

/* --- command line --- */

static int take_option(int option, char **argv, struct wish *wish)
{
    char typed[CONF_OPTION_SIZE];
    switch (option) {
    case 'c':
        wish->config = optarg;
        return -1;
    case 'd':
        wish->folder = optarg;
        return -1;
    case 'n':
        return authority_names_add(&wish->names, optarg)
                   ? -1
                   : tool_usage(NAME, "neither a DNS name nor an address:", optarg);
    case 'r':
        wish->renew = true;
        return -1;
    case 'a':
        wish->renew_ca = true;
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
static int parse(int argc, char **argv, struct wish *wish)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"dir", required_argument, NULL, 'd'},
        {"name", required_argument, NULL, 'n'},
        {"renew", no_argument, NULL, 'r'},
        {"renew-ca", no_argument, NULL, 'a'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option, status = -1;
    opterr = 0;
    optind = 0;
    while (status < 0 && (option = getopt_long(argc, argv, SHORT_OPTIONS, options, NULL)) != -1) {
        status = take_option(option, argv, wish);
    }
    if (status >= 0 || optind == argc) {
        return status;
    }
    if (strcmp(argv[optind], "client") != 0 || argc != optind + 2) {
        return tool_usage(NAME, "expected nothing or 'client NAME', not", argv[optind]);
    }
    const char *why = NULL;
    wish->client = argv[optind + 1];
    if (!node_name_valid(wish->client, strlen(wish->client), &why)) {
        tool_error(NAME, "the name %s", why);
        return TOOL_USAGE;
    }
    if (strcmp(wish->client, "ca") == 0 || strcmp(wish->client, "server") == 0) {
        return tool_usage(NAME, "ca and server are files of ours already, so no client can be called",
                          wish->client);
    }
    return -1;
}

int certs_main(int argc, char **argv)
{
    static struct wish wish;
    int status = parse(argc, argv, &wish);
    if (status >= 0) {
        return status;
    }
    char *folder = NULL;
    if (!wish.folder) {
        struct conf *conf = tool_conf(NAME, wish.config);
        folder = conf ? tool_folder(NAME, conf, "certs") : NULL;
        conf_destroy(conf);
        if (!folder) {
            return TOOL_CONFIG;
        }
        wish.folder = folder;
    }
    status = run(&wish);
    free(folder);
    return status;
}
