#include "enrolment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CRC_BYTES 4
#define PEM_WIDTH 64

/* --- base64 --- */

static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* The 1 to 3 bytes as 2 to 4 characters. */
static size_t encode_group(const unsigned char *data, size_t len, const char *alphabet, char text[4])
{
    unsigned bits =
        (unsigned)data[0] << 16 | (len > 1 ? (unsigned)data[1] << 8 : 0) | (len > 2 ? data[2] : 0);
    for (size_t i = 0; i <= len; i++) {
        text[i] = alphabet[bits >> (18 - 6 * i) & 0x3f];
    }
    return len + 1;
}

static void encode(const unsigned char *data, size_t len, struct buf *out)
{
    for (size_t i = 0; i < len; i += 3) {
        char text[4];
        buf_append(out, text, encode_group(data + i, len - i < 3 ? len - i : 3, url_safe, text));
    }
}

/* False for anything that no encoder makes: other characters, a lone one at the end, bits left over. */
static bool decode(const char *text, size_t len, struct buf *out)
{
    unsigned bits = 0, count = 0;
    for (size_t i = 0; i < len; i++) {
        const char *at = text[i] ? strchr(url_safe, text[i]) : NULL;
        if (!at) {
            return false;
        }
        bits = bits << 6 | (unsigned)(at - url_safe);
        count += 6;
        if (count >= 8) {
            count -= 8;
            buf_char(out, (char)(bits >> count & 0xff));
        }
    }
    return count < 6 && (bits & ((1u << count) - 1)) == 0 && !out->failed;
}

void enrolment_write_ca(const struct enrolment *enrolment, struct buf *out)
{
    buf_str(out, "-----BEGIN CERTIFICATE-----\n");
    for (size_t i = 0, column = 0; i < enrolment->ca_len; i += 3) {
        size_t len = enrolment->ca_len - i < 3 ? enrolment->ca_len - i : 3;
        char text[4] = {'=', '=', '=', '='};
        encode_group(enrolment->ca + i, len, plain, text);
        buf_append(out, text, sizeof text);
        column = (column + 4) % PEM_WIDTH;
        if (column == 0 || i + 3 >= enrolment->ca_len) {
            buf_char(out, '\n');
        }
    }
    buf_str(out, "-----END CERTIFICATE-----\n");
}

/* --- the word --- */

/* CRC-32 as in ISO 3309, bit by bit: a word is short. */
static uint32_t checksum(const void *data, size_t len)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < len; i++) {
        crc ^= ((const unsigned char *)data)[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xedb88320) : 0);
        }
    }
    return ~crc;
}

static void put(struct buf *out, const char *text)
{
    buf_append(out, text, strlen(text) + 1);
}

int enrolment_encode(const struct enrolment *enrolment, struct buf *out)
{
    struct buf raw = BUF_INIT;
    if (!enrolment->node[0] || !enrolment->password[0] || !enrolment->base_topic[0] || enrolment->port == 0 ||
        enrolment->host_count == 0 || enrolment->host_count > ENROLMENT_HOSTS_MAX ||
        enrolment->ca_len > ENROLMENT_CA_MAX || (enrolment->tls == ENROLMENT_CA) != (enrolment->ca_len > 0)) {
        return -EINVAL;
    }
    put(&raw, enrolment->node);
    put(&raw, enrolment->password);
    put(&raw, enrolment->base_topic);
    buf_printf(&raw, "%u", enrolment->port);
    buf_char(&raw, '\0');
    for (size_t i = 0; i < enrolment->host_count; i++) {
        put(&raw, enrolment->hosts[i]);
    }
    buf_char(&raw, '\0');
    buf_char(&raw, (char)enrolment->tls);
    buf_append(&raw, enrolment->ca, enrolment->ca_len);
    uint32_t crc = checksum(raw.data, raw.failed ? 0 : raw.len);
    for (int i = 0; i < CRC_BYTES; i++) {
        buf_char(&raw, (char)(crc >> 8 * i & 0xff));
    }
    if (raw.failed) {
        return -ENOMEM;
    }
    buf_str(out, ENROLMENT_PREFIX);
    encode((const unsigned char *)raw.data, raw.len, out);
    explicit_bzero(raw.data, raw.len);
    buf_finish(&raw);
    return 0;
}

/* What is left to read. */
struct rest {
    const char *data;
    size_t len;
};

/* The next text, of at most size - 1 bytes; false if there is none. */
static bool take(struct rest *rest, char *text, size_t size)
{
    const char *end = memchr(rest->data, '\0', rest->len);
    size_t len = end ? (size_t)(end - rest->data) : 0;
    if (!end || len >= size) {
        return false;
    }
    memcpy(text, rest->data, len + 1);
    rest->data += len + 1;
    rest->len -= len + 1;
    return true;
}

static bool take_hosts(struct rest *rest, struct enrolment *enrolment)
{
    char host[ENROLMENT_HOST_MAX + 1];
    while (take(rest, host, sizeof host)) {
        if (!host[0]) {
            return enrolment->host_count > 0;
        }
        /* Names and addresses; what else a host could do in a file or on a line stays out. */
        if (enrolment->host_count == ENROLMENT_HOSTS_MAX ||
            strspn(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:") !=
                strlen(host)) {
            return false;
        }
        memcpy(enrolment->hosts[enrolment->host_count++], host, sizeof host);
    }
    return false;
}

static bool take_ca(struct rest *rest, struct enrolment *enrolment)
{
    if (rest->len == 0) {
        return false;
    }
    enrolment->tls = (enum enrolment_tls)rest->data[0];
    enrolment->ca_len = rest->len - 1;
    if (enrolment->ca_len > sizeof enrolment->ca) {
        return false;
    }
    memcpy(enrolment->ca, rest->data + 1, enrolment->ca_len);
    if (enrolment->tls == ENROLMENT_CA) {
        return enrolment->ca_len > 0;
    }
    return enrolment->ca_len == 0 &&
           (enrolment->tls == ENROLMENT_PLAIN || enrolment->tls == ENROLMENT_PUBLIC);
}

/* A right checksum says that it is as it was made, not that we made it: everything is looked at. */
static const char *read_all(struct rest rest, struct enrolment *enrolment)
{
    char port[8];
    const char *why = NULL;
    if (!take(&rest, enrolment->node, sizeof enrolment->node) ||
        !take(&rest, enrolment->password, sizeof enrolment->password) ||
        !take(&rest, enrolment->base_topic, sizeof enrolment->base_topic) ||
        !take(&rest, port, sizeof port) || !take_hosts(&rest, enrolment) || !take_ca(&rest, enrolment)) {
        return "holds something that this version does not know";
    }
    if (!node_name_valid(enrolment->node, strlen(enrolment->node), &why) ||
        !base_topic_valid(enrolment->base_topic, &why)) {
        return "holds a name that none can have";
    }
    size_t digits = strspn(port, "0123456789");
    long number = digits > 0 && port[digits] == '\0' ? strtol(port, NULL, 10) : 0;
    if (number < 1 || number > 65535) {
        return "holds a port that none is";
    }
    if (!enrolment->password[0] ||
        strspn(enrolment->password, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") !=
            strlen(enrolment->password)) {
        return "holds a password that llamad does not make";
    }
    enrolment->port = (uint16_t)number;
    return NULL;
}

int enrolment_decode(const char *word, struct enrolment *ret_enrolment, const char **ret_why)
{
    static const char prefix[] = ENROLMENT_PREFIX;
    struct buf raw = BUF_INIT;
    struct enrolment enrolment = {0};
    word += strspn(word, " \t\r\n");
    size_t len = strcspn(word, " \t\r\n");
    const char *why = "does not begin with " ENROLMENT_PREFIX;
    if (word[len + strspn(word + len, " \t\r\n")] != '\0') {
        why = "has a space in it";
    } else if (len > ENROLMENT_WORD_MAX) {
        why = "is longer than any that llamad makes";
    } else if (strncmp(word, prefix, strlen(prefix)) == 0) {
        why = "is not whole, or was changed: copy all of it";
        bool decoded = decode(word + strlen(prefix), len - strlen(prefix), &raw) && raw.len > CRC_BYTES;
        uint32_t crc = 0;
        for (int i = 0; decoded && i < CRC_BYTES; i++) {
            crc |= (uint32_t)(unsigned char)raw.data[raw.len - CRC_BYTES + (size_t)i] << 8 * i;
        }
        if (decoded && crc == checksum(raw.data, raw.len - CRC_BYTES)) {
            why = read_all((struct rest){raw.data, raw.len - CRC_BYTES}, &enrolment);
        }
    }
    if (raw.data) {
        explicit_bzero(raw.data, raw.len);
    }
    buf_finish(&raw);
    if (why) {
        *ret_why = why;
        return -EBADMSG;
    }
    *ret_enrolment = enrolment;
    explicit_bzero(&enrolment, sizeof enrolment);
    return 0;
}
