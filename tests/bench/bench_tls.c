#include "bench_tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ssl.h>

#define ROOM (4u << 20)

struct tls_client {
    int fd;
    SSL *ssl;
};

static void upgrade(SSL *ssl, int port, const char *path)
{
    char text[1024];
    int len =
        snprintf(text, sizeof text,
                 "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                 path, port);
    if (SSL_write(ssl, text, len) != len)
        die("the server closed during the WebSocket handshake");
    size_t got = 0; /* byte by byte up to the empty line: a frame may follow at once */
    while (got < sizeof text - 1 && !(got >= 4 && memcmp(text + got - 4, "\r\n\r\n", 4) == 0)) {
        if (SSL_read(ssl, text + got, 1) != 1)
            die("the server closed during the WebSocket handshake");
        got++;
    }
    text[got] = '\0';
    if (strncmp(text, "HTTP/1.1 101", 12) != 0)
        die("no upgrade: %s", text);
}

struct tls_client *tls_ws_client(int port, const char *path)
{
    struct tls_client *client = calloc(1, sizeof *client);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = context ? SSL_new(context) : NULL;
    if (!client || !ssl)
        die("out of memory");
    client->fd = net_connect(port);
    client->ssl = ssl;
    if (SSL_set_fd(ssl, client->fd) != 1 || SSL_connect(ssl) != 1)
        die("no TLS at port %d", port);
    upgrade(ssl, port, path);
    net_nonblocking(client->fd);
    return client;
}

int tls_fd(const struct tls_client *client)
{
    return client->fd;
}

bool tls_fill(struct tls_client *client, struct inbox *inbox)
{
    if (!inbox->data) {
        inbox->data = malloc(ROOM);
        inbox->cap = ROOM;
    }
    if (!inbox->data)
        die("out of memory");
    memmove(inbox->data, inbox->data + inbox->used, inbox->len - inbox->used);
    inbox->len -= inbox->used;
    inbox->used = 0;
    for (;;) {
        size_t n = 0;
        if (SSL_read_ex(client->ssl, inbox->data + inbox->len, inbox->cap - inbox->len, &n) != 1)
            return SSL_get_error(client->ssl, 0) == SSL_ERROR_WANT_READ;
        inbox->len += n;
    }
}
