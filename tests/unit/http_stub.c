#include "http_stub.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 512
#define HEAD_MAX        8192

struct connection {
    struct http_stub *stub;
    pthread_t thread;
    int fd;
};

struct http_stub {
    int fd;
    uint16_t port;
    pthread_t thread;
    pthread_mutex_t mutex;
    http_stub_serve_fn *serve;
    void *user;
    struct connection connections[CONNECTIONS_MAX];
    unsigned connection_count;
    unsigned requests;
    char paths[16384];
    char paths_copy[16384];
};

bool http_stub_write(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        data += n;
        len -= (size_t)n;
    }
    return true;
}

bool http_stub_answer(int fd, int status, const char *date, const char *body, size_t len)
{
    char head[256];
    int n =
        snprintf(head, sizeof head,
                 "HTTP/1.1 %d X\r\ndate: %s\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n",
                 status, date, len);
    return http_stub_write(fd, head, (size_t)n) && http_stub_write(fd, body, len);
}

bool http_stub_hang(int fd)
{
    char byte;
    while (recv(fd, &byte, 1, 0) > 0) {
    }
    return false;
}

/* Reads one request's head. False when the connection ended. */
static bool read_head(int fd, char head[HEAD_MAX])
{
    size_t len = 0;
    while (len < HEAD_MAX - 1) {
        if (recv(fd, head + len, 1, 0) != 1) {
            return false;
        }
        len++;
        head[len] = '\0';
        if (len >= 4 && memcmp(head + len - 4, "\r\n\r\n", 4) == 0) {
            return true;
        }
    }
    return false;
}

static void note_request(struct http_stub *stub, const char *path)
{
    pthread_mutex_lock(&stub->mutex);
    stub->requests++;
    size_t used = strlen(stub->paths);
    snprintf(stub->paths + used, sizeof stub->paths - used, "%s\n", path);
    pthread_mutex_unlock(&stub->mutex);
}

static void *serve_connection(void *argument)
{
    struct connection *connection = argument;
    struct http_stub *stub = connection->stub;
    char head[HEAD_MAX];
    while (read_head(connection->fd, head)) {
        char *path = strchr(head, ' ');
        char *end = path ? strchr(path + 1, ' ') : NULL;
        if (!end) {
            break;
        }
        *end = '\0';
        note_request(stub, path + 1);
        if (!stub->serve(connection->fd, path + 1, stub->user)) {
            break;
        }
    }
    shutdown(connection->fd, SHUT_RDWR);
    return NULL;
}

static void *accept_all(void *argument)
{
    struct http_stub *stub = argument;
    int fd;
    while ((fd = accept(stub->fd, NULL, NULL)) >= 0) {
        pthread_mutex_lock(&stub->mutex);
        if (stub->connection_count == CONNECTIONS_MAX) {
            abort(); /* a test that needs more should say so */
        }
        struct connection *connection = &stub->connections[stub->connection_count++];
        connection->stub = stub;
        connection->fd = fd;
        pthread_create(&connection->thread, NULL, serve_connection, connection);
        pthread_mutex_unlock(&stub->mutex);
    }
    return NULL;
}

struct http_stub *http_stub_start(http_stub_serve_fn *serve, void *user)
{
    struct http_stub *stub = calloc(1, sizeof *stub);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    if (!stub || (stub->fd = socket(AF_INET, SOCK_STREAM, 0)) < 0 ||
        bind(stub->fd, (struct sockaddr *)&address, len) != 0 || listen(stub->fd, 64) != 0 ||
        getsockname(stub->fd, (struct sockaddr *)&address, &len) != 0) {
        abort();
    }
    stub->port = ntohs(address.sin_port);
    stub->serve = serve;
    stub->user = user;
    pthread_mutex_init(&stub->mutex, NULL);
    pthread_create(&stub->thread, NULL, accept_all, stub);
    return stub;
}

uint16_t http_stub_port(const struct http_stub *stub)
{
    return stub->port;
}

static unsigned read_counter(struct http_stub *stub, const unsigned *counter)
{
    pthread_mutex_lock(&stub->mutex);
    unsigned value = *counter;
    pthread_mutex_unlock(&stub->mutex);
    return value;
}

unsigned http_stub_connections(struct http_stub *stub)
{
    return read_counter(stub, &stub->connection_count);
}

unsigned http_stub_requests(struct http_stub *stub)
{
    return read_counter(stub, &stub->requests);
}

const char *http_stub_paths(struct http_stub *stub)
{
    pthread_mutex_lock(&stub->mutex);
    strcpy(stub->paths_copy, stub->paths);
    pthread_mutex_unlock(&stub->mutex);
    return stub->paths_copy;
}

void http_stub_stop(struct http_stub *stub)
{
    shutdown(stub->fd, SHUT_RDWR); /* wakes accept */
    pthread_join(stub->thread, NULL);
    close(stub->fd);
    for (unsigned i = 0; i < stub->connection_count; i++) {
        shutdown(stub->connections[i].fd, SHUT_RDWR);
        pthread_join(stub->connections[i].thread, NULL);
        close(stub->connections[i].fd);
    }
    pthread_mutex_destroy(&stub->mutex);
    free(stub);
}
