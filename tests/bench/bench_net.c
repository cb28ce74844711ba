#include "bench_net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

int net_connect(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in address = loopback(port);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        die("cannot connect to port %d: %s", port, strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

int net_listen(int *ret_port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 16) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        die("cannot listen: %s", strerror(errno));
    *ret_port = ntohs(address.sin_port);
    return fd;
}

void net_nonblocking(int fd)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* Of the one connection that speaks TLS. */
static SSL *tls;
static int tls_fd = -1;

void net_write(int fd, const void *data, size_t len)
{
    if (fd == tls_fd) {
        if (SSL_write(tls, data, (int)len) != (int)len)
            die("TLS write failed");
        return;
    }
    const char *p = data;
    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
            continue;
        }
        if (n < 0)
            die("write: %s", strerror(errno));
        p += n;
        len -= (size_t)n;
    }
}

bool inbox_fill(struct inbox *inbox, int fd)
{
    if (inbox->used > 0) {
        memmove(inbox->data, inbox->data + inbox->used, inbox->len - inbox->used);
        inbox->len -= inbox->used;
        inbox->used = 0;
    }
    if (inbox->cap - inbox->len < 65536) {
        inbox->cap = inbox->cap ? inbox->cap * 2 : 131072;
        inbox->data = realloc(inbox->data, inbox->cap);
        if (!inbox->data)
            die("out of memory");
    }
    ssize_t n = recv(fd, inbox->data + inbox->len, inbox->cap - inbox->len, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    inbox->len += (size_t)n;
    return n > 0;
}

bool mqtt_next(struct inbox *inbox, struct packet *ret_packet)
{
    const unsigned char *p = inbox->data + inbox->used;
    size_t left = inbox->len - inbox->used, size = 0, head = 1;
    if (left < 2)
        return false;
    for (unsigned shift = 0;; shift += 7, head++) {
        if (head >= left)
            return false;
        size |= (size_t)(p[head] & 0x7f) << shift;
        if (!(p[head] & 0x80))
            break;
    }
    head++;
    if (left < head + size)
        return false;
    *ret_packet = (struct packet){(unsigned char)(p[0] >> 4), p[0] & 0x0f, p + head, size};
    inbox->used += head + size;
    return true;
}

size_t mqtt_publish_size(size_t topic_len, size_t len, int qos)
{
    return 5 + 2 + topic_len + (qos ? 2 : 0) + len;
}

unsigned char *mqtt_put_publish(unsigned char *out, const char *topic, const void *payload, size_t len,
                                int qos)
{
    size_t topic_len = strlen(topic), left = 2 + topic_len + (qos ? 2 : 0) + len;
    *out++ = (unsigned char)(0x30 | qos << 1);
    do {
        unsigned char byte = left & 0x7f;
        left >>= 7;
        *out++ = byte | (left ? 0x80 : 0);
    } while (left);
    *out++ = (unsigned char)(topic_len >> 8);
    *out++ = (unsigned char)topic_len;
    memcpy(out, topic, topic_len);
    out += topic_len;
    if (qos) {
        *out++ = 0;
        *out++ = 1;
    }
    memcpy(out, payload, len);
    return out + len;
}

static void expect(int fd, unsigned char type, const char *what)
{
    struct inbox inbox = {0};
    struct packet packet;
    while (!mqtt_next(&inbox, &packet))
        if (!inbox_fill(&inbox, fd))
            die("the broker closed instead of sending %s", what);
    if (packet.type != type)
        die("packet of type %d instead of %s", packet.type, what);
    free(inbox.data);
}

static size_t put_connect(unsigned char *packet, const char *client_id)
{
    unsigned char *p = packet;
    size_t id_len = strlen(client_id);
    *p++ = 0x10;
    *p++ = (unsigned char)(12 + id_len);
    memcpy(p, "\0\4MQTT\4\2\0\0", 10); /* level 4, clean session, keepalive off */
    p += 10;
    *p++ = 0;
    *p++ = (unsigned char)id_len;
    memcpy(p, client_id, id_len);
    return (size_t)(p - packet) + id_len;
}

int mqtt_client(int port, const char *client_id)
{
    unsigned char packet[128];
    int fd = net_connect(port);
    net_write(fd, packet, put_connect(packet, client_id));
    expect(fd, 2, "CONNACK");
    return fd;
}

int mqtt_client_tls(int port, const char *client_id, const char *ca_file)
{
    unsigned char packet[128];
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    int fd = net_connect(port);
    tls = context ? SSL_new(context) : NULL;
    if (!tls || SSL_CTX_load_verify_file(context, ca_file) != 1 || SSL_set_fd(tls, fd) != 1 ||
        SSL_set1_host(tls, "localhost") != 1)
        die("cannot prepare TLS");
    SSL_set_verify(tls, SSL_VERIFY_PEER, NULL);
    if (SSL_connect(tls) != 1)
        die("TLS failed: %s", ERR_reason_error_string(ERR_get_error()));
    tls_fd = fd;
    net_write(fd, packet, put_connect(packet, client_id));
    if (SSL_read(tls, packet, sizeof packet) < 4 || packet[0] != 0x20 || packet[3] != 0)
        die("no CONNACK over TLS");
    return fd;
}

void mqtt_client_publish(int fd, const char *topic, const char *payload, size_t len)
{
    unsigned char *packet = malloc(mqtt_publish_size(strlen(topic), len, 0));
    if (!packet)
        die("out of memory");
    unsigned char *end = mqtt_put_publish(packet, topic, payload, len, 0);
    net_write(fd, packet, (size_t)(end - packet));
    free(packet);
}

void mqtt_client_subscribe(int fd, const char *filter)
{
    unsigned char packet[256] = {0x82};
    size_t len = strlen(filter);
    packet[1] = (unsigned char)(5 + len);
    packet[3] = 1;
    packet[5] = (unsigned char)len;
    memcpy(packet + 6, filter, len);
    net_write(fd, packet, 7 + len);
    expect(fd, 9, "SUBACK");
}

int ws_client(int port, const char *path)
{
    char text[1024];
    int fd = net_connect(port), len;
    len = snprintf(text, sizeof text,
                   "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                   path, port);
    net_write(fd, text, (size_t)len);
    size_t got = 0; /* byte by byte up to the empty line: a frame may follow at once */
    while (got < sizeof text - 1 && !(got >= 4 && memcmp(text + got - 4, "\r\n\r\n", 4) == 0)) {
        if (recv(fd, text + got, 1, 0) != 1)
            die("the server closed during the WebSocket handshake");
        got++;
    }
    text[got] = '\0';
    if (strncmp(text, "HTTP/1.1 101", 12) != 0)
        die("no upgrade: %s", text);
    return fd;
}

bool ws_next(struct inbox *inbox, int fd, const unsigned char **ret_data, size_t *ret_len, bool *ret_final)
{
    for (;;) {
        const unsigned char *p = inbox->data + inbox->used;
        size_t left = inbox->len - inbox->used, head = 2, len;
        if (left < 2)
            return false;
        len = p[1] & 0x7f;
        if (len >= 126) {
            size_t bytes = len == 126 ? 2 : 8;
            if (left < 2 + bytes)
                return false;
            len = 0;
            for (size_t i = 0; i < bytes; i++)
                len = len << 8 | p[2 + i];
            head += bytes;
        }
        if (left < head + len)
            return false;
        inbox->used += head + len;
        int opcode = p[0] & 0x0f;
        if (opcode == 9) { /* ping: an empty, masked pong will do */
            net_write(fd, "\x8a\x80\0\0\0\0", 6);
            continue;
        }
        if (opcode == 8)
            die("the server closed the WebSocket");
        *ret_data = p + head;
        *ret_len = len;
        *ret_final = p[0] & 0x80;
        return true;
    }
}
