/* The names that a server is reached by. */
#include "authority.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <limits.h>
#include <linux/if_addr.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define LABEL_MAX   63
#define IPV6_GLOBAL 0 /* of the scopes in /proc/net/if_inet6 */

/* Letters, digits, hyphens and underscores in labels of up to 63; a first one of `*` stands for any. */
static bool is_dns_name(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > AUTHORITY_NAME_MAX) {
        return false;
    }
    const char *label = strncmp(name, "*.", 2) == 0 ? name + 2 : name;
    while (true) {
        size_t size = strspn(label, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
        if (size == 0 || size > LABEL_MAX || label[0] == '-' || label[size - 1] == '-') {
            return false;
        }
        if (label[size] == '\0') {
            return true;
        }
        if (label[size] != '.') {
            return false;
        }
        label += size + 1;
    }
}

/* In the form in which it is compared and shown; false for what is neither address nor name. */
static bool normalise(const char *name, char text[AUTHORITY_NAME_MAX + 1])
{
    unsigned char number[sizeof(struct in6_addr)];
    for (int i = 0; i < 2; i++) {
        int family = i ? AF_INET6 : AF_INET;
        if (inet_pton(family, name, number) == 1) {
            return inet_ntop(family, number, text, AUTHORITY_NAME_MAX + 1) != NULL;
        }
    }
    /* "1.2.3" and the like would pass as names, and never be reached. */
    if (!is_dns_name(name) || strspn(name, "0123456789.") == strlen(name)) {
        return false;
    }
    snprintf(text, AUTHORITY_NAME_MAX + 1, "%s", name);
    return true;
}

bool authority_names_have(const struct authority_names *names, const char *name)
{
    char text[AUTHORITY_NAME_MAX + 1];
    if (!normalise(name, text)) {
        return false;
    }
    for (size_t i = 0; i < names->count; i++) {
        if (strcasecmp(names->list[i], text) == 0) {
            return true;
        }
    }
    return false;
}

bool authority_names_add(struct authority_names *names, const char *name)
{
    char text[AUTHORITY_NAME_MAX + 1];
    if (!normalise(name, text)) {
        return false;
    }
    if (authority_names_have(names, text)) {
        return true;
    }
    if (names->count == AUTHORITY_NAMES_MAX) {
        return false;
    }
    memcpy(names->list[names->count++], text, sizeof text);
    return true;
}

/* Link-local addresses are of no use here: none of the broker's clients looks for it there. */
static void add_ipv4(struct authority_names *names)
{
    struct ifaddrs *list = NULL;
    char text[INET_ADDRSTRLEN];
    if (getifaddrs(&list) != 0) {
        return;
    }
    for (const struct ifaddrs *one = list; one; one = one->ifa_next) {
        struct sockaddr_in address;
        if (!one->ifa_addr || one->ifa_addr->sa_family != AF_INET || !(one->ifa_flags & IFF_UP)) {
            continue;
        }
        memcpy(&address, one->ifa_addr, sizeof address);
        bool link_local = ntohl(address.sin_addr.s_addr) >> 16 == 0xa9fe;
        if (!link_local && inet_ntop(AF_INET, &address.sin_addr, text, sizeof text)) {
            authority_names_add(names, text);
        }
    }
    freeifaddrs(list);
}

/* From the kernel's own list, which tells temporary addresses (RFC 8981): they change daily. Through
 * /proc/self, which is there under ProcSubset=pid too. */
static void add_ipv6(struct authority_names *names)
{
    char line[128], hex[33];
    FILE *list = fopen("/proc/self/net/if_inet6", "re");
    while (list && fgets(line, sizeof line, list)) {
        unsigned scope, flags, part[8];
        char text[INET6_ADDRSTRLEN];
        if (sscanf(line, "%32s %*x %*x %x %x", hex, &scope, &flags) != 3 || scope != IPV6_GLOBAL ||
            (flags & (IFA_F_TEMPORARY | IFA_F_DEPRECATED)) ||
            sscanf(hex, "%4x%4x%4x%4x%4x%4x%4x%4x", &part[0], &part[1], &part[2], &part[3], &part[4],
                   &part[5], &part[6], &part[7]) != 8) {
            continue;
        }
        snprintf(text, sizeof text, "%x:%x:%x:%x:%x:%x:%x:%x", part[0], part[1], part[2], part[3], part[4],
                 part[5], part[6], part[7]);
        authority_names_add(names, text);
    }
    if (list) {
        fclose(list);
    }
}

void authority_names_of_machine(struct authority_names *names)
{
    char host[HOST_NAME_MAX + 1] = "", local[HOST_NAME_MAX + 8];
    gethostname(host, sizeof host - 1);
    authority_names_add(names, host);
    snprintf(local, sizeof local, "%.*s.local", (int)strcspn(host, "."), host);
    authority_names_add(names, local);
    authority_names_add(names, "localhost");
    authority_names_add(names, "127.0.0.1");
    authority_names_add(names, "::1");
    add_ipv4(names);
    add_ipv6(names);
}
