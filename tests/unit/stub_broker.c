#include "stub_broker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define INPUT_MAX   (1 << 20)
#define CONNECT_MAX 512

struct client {
    struct stub_broker *stub;
    int fd;
    struct loop_io *io;
    uint8_t level;
    bool deaf; /* whatever comes is thrown away: a TLS handshake is no MQTT */
    uint8_t *input;
    size_t len;
};

struct stub_broker {
    struct loop *loop;
    int fd;
    struct loop_io *io;
    enum stub_action script[STUB_CONNECTIONS_MAX];
    size_t script_len;
    struct client clients[STUB_CONNECTIONS_MAX];
    size_t client_count;
    uint8_t levels[STUB_CONNECTIONS_MAX];
    uint8_t connects[STUB_CONNECTIONS_MAX][CONNECT_MAX];
    size_t connect_lens[STUB_CONNECTIONS_MAX];
    size_t connect_count, publishes, disconnects;
    uint8_t puback, suback;
    uint32_t max_packet;
    int acknowledge;
};

static void close_client(struct client *client)
{
    loop_io_destroy(client->io);
    client->io = NULL;
    if (client->fd >= 0) {
        close(client->fd);
    }
    client->fd = -1;
    free(client->input);
    client->input = NULL;
}

static void send_to(struct client *client, const void *bytes, size_t len)
{
    assert_int_equal(send(client->fd, bytes, len, MSG_NOSIGNAL), len);
}

static void send_connack(struct client *client)
{
    uint32_t m = client->stub->max_packet;
    if (client->level < 5) {
        send_to(client, "\x20\x02\x00\x00", 4);
    } else if (m == 0) {
        send_to(client, "\x20\x03\x00\x00\x00", 5);
    } else {
        uint8_t bytes[] = {
            0x20, 0x08, 0, 0, 5, 0x27, (uint8_t)(m >> 24), (uint8_t)(m >> 16), (uint8_t)(m >> 8), (uint8_t)m};
        send_to(client, bytes, sizeof bytes);
    }
}

/* True while the client stands. */
static bool on_connect(struct client *client, const uint8_t *packet, size_t len, size_t header)
{
    struct stub_broker *stub = client->stub;
    size_t i = stub->connect_count < STUB_CONNECTIONS_MAX ? stub->connect_count++ : STUB_CONNECTIONS_MAX - 1;
    client->level = packet[header + 6]; /* behind "MQTT" and its length */
    stub->levels[i] = client->level;
    stub->connect_lens[i] = len < CONNECT_MAX ? len : CONNECT_MAX;
    memcpy(stub->connects[i], packet, stub->connect_lens[i]);
    switch (stub->script[i < stub->script_len ? i : stub->script_len - 1]) {
    case STUB_ACCEPT:
        send_connack(client);
        return true;
    case STUB_ACCEPT_AND_CLOSE:
        send_connack(client);
        break;
    case STUB_TAKE_OVER:
        send_connack(client);
        send_to(client, "\xe0\x02\x8e\x00", 4);
        return true;
    case STUB_VERSION_5_FORM:
        send_to(client, "\x20\x03\x00\x84\x00", 5);
        break;
    case STUB_VERSION_3_FORM:
        send_to(client, "\x20\x02\x00\x01", 4);
        break;
    case STUB_NOT_AUTHORIZED:
        send_to(client, "\x20\x03\x00\x87\x00", 5);
        break;
    case STUB_CLOSE:
        break;
    case STUB_SILENT:
        client->deaf = true;
        return true;
    }
    close_client(client);
    return false;
}

static void on_publish(struct client *client, const uint8_t *packet, size_t header)
{
    struct stub_broker *stub = client->stub;
    stub->publishes++;
    if ((packet[0] & 0x06) == 0 || !stub->acknowledge) {
        return;
    }
    size_t topic_len = (size_t)packet[header] << 8 | packet[header + 1];
    const uint8_t *mid = packet + header + 2 + topic_len;
    uint8_t v5[] = {0x40, 0x03, mid[0], mid[1], stub->puback};
    uint8_t v3[] = {0x40, 0x02, mid[0], mid[1]};
    if (client->level >= 5 && stub->puback) {
        send_to(client, v5, sizeof v5);
    } else {
        send_to(client, v3, sizeof v3);
    }
}

static bool on_packet(struct client *client, const uint8_t *packet, size_t len, size_t header)
{
    switch (packet[0] >> 4) {
    case 1:
        return on_connect(client, packet, len, header);
    case 3:
        on_publish(client, packet, header);
        return true;
    case 8: {
        uint8_t v5[] = {0x90, 0x04, packet[header], packet[header + 1], 0, client->stub->suback};
        uint8_t v3[] = {0x90, 0x03, packet[header], packet[header + 1], client->stub->suback};
        send_to(client, client->level >= 5 ? v5 : v3, client->level >= 5 ? sizeof v5 : sizeof v3);
        return true;
    }
    case 12:
        send_to(client, "\xd0\x00", 2);
        return true;
    case 14:
        client->stub->disconnects++;
        close_client(client);
        return false;
    default:
        return true;
    }
}

/* The length of the first packet in the buffer with *ret_header, 0 if it is not whole yet. */
static size_t packet_len(const struct client *client, size_t *ret_header)
{
    size_t rest = 0;
    for (size_t i = 1; i < client->len && i <= 4; i++) {
        rest |= (size_t)(client->input[i] & 0x7f) << (7 * (i - 1));
        if (!(client->input[i] & 0x80)) {
            *ret_header = i + 1;
            return client->len >= i + 1 + rest ? i + 1 + rest : 0;
        }
    }
    return 0;
}

static void on_client(void *user, unsigned events)
{
    (void)events;
    struct client *client = user;
    ssize_t n = recv(client->fd, client->input + client->len, INPUT_MAX - client->len, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        close_client(client);
        return;
    }
    client->len = client->deaf ? 0 : client->len + (n > 0 ? (size_t)n : 0);
    size_t len, header;
    while (!client->deaf && (len = packet_len(client, &header)) > 0) {
        if (!on_packet(client, client->input, len, header)) {
            return;
        }
        client->len -= len;
        memmove(client->input, client->input + len, client->len);
    }
}

static void on_accept(void *user, unsigned events)
{
    (void)events;
    struct stub_broker *stub = user;
    int fd = accept4(stub->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        return;
    }
    struct client *client = NULL;
    for (size_t i = 0; i < STUB_CONNECTIONS_MAX && !client; i++) {
        client = stub->clients[i].fd < 0 ? &stub->clients[i] : NULL;
    }
    assert_non_null(client);
    client->stub = stub;
    client->fd = fd;
    client->deaf = false;
    client->len = 0;
    client->input = malloc(INPUT_MAX);
    assert_non_null(client->input);
    client->io = loop_io_create(stub->loop, fd, on_client, client);
    assert_non_null(client->io);
    loop_io_watch(client->io, LOOP_READ);
}

struct stub_broker *stub_create(struct loop *loop, const enum stub_action *script, size_t len)
{
    struct stub_broker *stub = calloc(1, sizeof *stub);
    assert_non_null(stub);
    stub->loop = loop;
    stub->script_len = len;
    stub->acknowledge = 1;
    memcpy(stub->script, script, len * sizeof *script);
    for (size_t i = 0; i < STUB_CONNECTIONS_MAX; i++) {
        stub->clients[i].fd = -1;
    }
    stub->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(stub->fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(stub->fd, 16), 0);
    stub->io = loop_io_create(loop, stub->fd, on_accept, stub);
    assert_non_null(stub->io);
    loop_io_watch(stub->io, LOOP_READ);
    return stub;
}

void stub_destroy(struct stub_broker *stub)
{
    for (size_t i = 0; i < STUB_CONNECTIONS_MAX; i++) {
        close_client(&stub->clients[i]);
    }
    loop_io_destroy(stub->io);
    close(stub->fd);
    free(stub);
}

uint16_t stub_port(const struct stub_broker *stub)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    assert_int_equal(getsockname(stub->fd, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin_port);
}

void stub_set_codes(struct stub_broker *stub, uint8_t puback, uint8_t suback)
{
    stub->puback = puback;
    stub->suback = suback;
}

void stub_set_max_packet(struct stub_broker *stub, uint32_t max_packet)
{
    stub->max_packet = max_packet;
}

void stub_set_acknowledge(struct stub_broker *stub, int acknowledge)
{
    stub->acknowledge = acknowledge;
}

size_t stub_connects(const struct stub_broker *stub)
{
    return stub->connect_count;
}

uint8_t stub_level(const struct stub_broker *stub, size_t i)
{
    return stub->levels[i];
}

const uint8_t *stub_connect_bytes(const struct stub_broker *stub, size_t i, size_t *ret_len)
{
    *ret_len = stub->connect_lens[i];
    return stub->connects[i];
}

size_t stub_publishes(const struct stub_broker *stub)
{
    return stub->publishes;
}

size_t stub_disconnects(const struct stub_broker *stub)
{
    return stub->disconnects;
}

void stub_send(struct stub_broker *stub, const void *bytes, size_t len)
{
    for (size_t i = STUB_CONNECTIONS_MAX; i-- > 0;) {
        if (stub->clients[i].fd >= 0) {
            send_to(&stub->clients[i], bytes, len);
            return;
        }
    }
    fail_msg("nobody is connected");
}
