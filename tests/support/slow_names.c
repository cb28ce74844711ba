/* Preloaded: a name that ends in ".slow" is looked up for half a minute, in vain, as where no DNS server
 * answers. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    size_t len = node ? strlen(node) : 0;
    if (len > 5 && strcmp(node + len - 5, ".slow") == 0) {
        sleep(30);
        return EAI_AGAIN;
    }
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(node, service, hints, result);
}
