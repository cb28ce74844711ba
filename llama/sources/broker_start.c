/* What is looked at before the child is started. */
#include "broker_files.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT_WAIT_MS  2000 /* for a predecessor that is just ending */
#define PORT_RETRY_MS 50

/* --- the port --- */

/* 0 if the port is free, else an errno. Bound and released again as mosquitto would bind it. */
static int try_port(const struct addrinfo *address)
{
    int on = 1;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    int e = bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, 1) == 0 ? 0 : errno;
    close(fd);
    return e;
}

int broker_check_port(const char *listen, uint16_t number, const char *key, char error[BROKER_ERROR_SIZE])
{
    char port[8];
    struct addrinfo *address = NULL;
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_PASSIVE};
    snprintf(port, sizeof port, "%u", number);
    const char *host = strcmp(listen, "localhost") == 0 ? "127.0.0.1" : listen;
    int e = getaddrinfo(host, port, &hints, &address);
    if (e != 0) {
        snprintf(error, BROKER_ERROR_SIZE, "%s.listen: \"%s\" is not a numeric address", key, listen);
        return -1;
    }
    for (int waited_ms = 0; (e = try_port(address)) == EADDRINUSE && waited_ms < PORT_WAIT_MS;
         waited_ms += PORT_RETRY_MS) {
        usleep(PORT_RETRY_MS * 1000);
    }
    freeaddrinfo(address);
    if (e == EADDRINUSE) {
        snprintf(error, BROKER_ERROR_SIZE,
                 "%s:%u is in use: a broker runs there already? Use it (broker.run: false), or set another "
                 "%s.port",
                 listen, number, key);
    } else if (e != 0) {
        snprintf(error, BROKER_ERROR_SIZE, "cannot listen on %s:%u: %s", listen, number, strerror(e));
    }
    return e ? -1 : 0;
}

/* --- the program --- */

static bool is_program(const char *folder, size_t folder_len, const char *name, char *buffer, size_t size)
{
    int len = snprintf(buffer, size, "%.*s/%s", (int)folder_len, folder, name);
    return len > 0 && (size_t)len < size && access(buffer, X_OK) == 0;
}

int broker_find_program(const char *name, char *buffer, size_t size)
{
    static const char *const admin_folders[] = {"/usr/sbin", "/usr/local/sbin", "/sbin"};
    if (strchr(name, '/')) {
        return (size_t)snprintf(buffer, size, "%s", name) < size && access(buffer, X_OK) == 0 ? 0 : -ENOENT;
    }
    for (const char *path = getenv("PATH"); path && *path;) {
        size_t len = strcspn(path, ":");
        if (len > 0 && is_program(path, len, name, buffer, size)) {
            return 0;
        }
        path += len + (path[len] == ':');
    }
    for (size_t i = 0; i < sizeof admin_folders / sizeof *admin_folders; i++) {
        if (is_program(admin_folders[i], strlen(admin_folders[i]), name, buffer, size)) {
            return 0;
        }
    }
    return -ENOENT;
}
