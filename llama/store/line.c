#include "line.h"

#include "timestamp.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CRC_BEFORE ",\"crc\":\""
#define CRC_AFTER  "\"}"
#define CRC_DIGITS 8
#define TAIL_LEN   (sizeof CRC_BEFORE - 1 + CRC_DIGITS + sizeof CRC_AFTER - 1)

/* The reversed polynomial. */
#define POLYNOMIAL 0xedb88320u
#define LONG_TEXT  4096 /* from here on it pays to make the large table */

static uint32_t shift_out(uint32_t crc, int bits)
{
    for (int i = 0; i < bits; i++) {
        crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
    }
    return crc;
}

/* Half a byte at a time. */
static uint32_t add_short(uint32_t crc, const unsigned char *data, size_t len)
{
    uint32_t table[16];
    for (uint32_t i = 0; i < 16; i++) {
        table[i] = shift_out(i, 4);
    }
    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return crc;
}

/* Eight bytes at a time ("slicing by 8", Kounavis and Berry 2005): files may have 64 MiB. */
static uint32_t add_long(uint32_t crc, const unsigned char *data, size_t len)
{
    uint32_t t[8][256]; /* t[n][i]: what the byte i does to the checksum n bytes further on */
    for (uint32_t i = 0; i < 256; i++) {
        t[0][i] = shift_out(i, 8);
    }
    for (int n = 1; n < 8; n++) {
        for (int i = 0; i < 256; i++) {
            t[n][i] = t[n - 1][i] >> 8 ^ t[0][t[n - 1][i] & 255];
        }
    }
    for (; len >= 8; data += 8, len -= 8) {
        crc ^= (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
        crc = t[7][crc & 255] ^ t[6][crc >> 8 & 255] ^ t[5][crc >> 16 & 255] ^ t[4][crc >> 24] ^
              t[3][data[4]] ^ t[2][data[5]] ^ t[1][data[6]] ^ t[0][data[7]];
    }
    return add_short(crc, data, len);
}

uint32_t line_checksum(const char *data, size_t len)
{
    const unsigned char *bytes = (const unsigned char *)data;
    return ~(len < LONG_TEXT ? add_short(UINT32_MAX, bytes, len) : add_long(UINT32_MAX, bytes, len));
}

static void replace_breaks(char *data, size_t len)
{
    static const char breaks[] = {'\n', '\r'};
    for (size_t i = 0; i < sizeof breaks; i++) {
        char *at = data, *end = data + len;
        while ((at = memchr(at, breaks[i], (size_t)(end - at)))) {
            *at = ' ';
        }
    }
}

void line_seal(struct buf *out, size_t from)
{
    if (out->failed) {
        return;
    }
    size_t len = out->len - from;
    replace_breaks(out->data + from, len);
    uint32_t crc = line_checksum(out->data + from, len);
    buf_printf(out, CRC_BEFORE "%08" PRIx32 CRC_AFTER "\n", crc);
}

static bool is_whole(const char *line, size_t len, unsigned max_depth)
{
    char tail[TAIL_LEN + 1];
    if (len <= TAIL_LEN) {
        return false;
    }
    size_t body_len = len - TAIL_LEN;
    snprintf(tail, sizeof tail, CRC_BEFORE "%08" PRIx32 CRC_AFTER, line_checksum(line, body_len));
    return memcmp(line + body_len, tail, TAIL_LEN) == 0 && line[0] == '{' &&
           json_check(line, len, max_depth, NULL);
}

enum line_kind line_next(struct line_reader *reader, unsigned max_depth, struct json_slice *ret_object,
                         size_t *ret_offset)
{
    const char *line = reader->text + reader->offset;
    size_t rest = reader->len - reader->offset;
    *ret_offset = reader->offset;
    if (rest == 0) {
        return LINE_END;
    }
    const char *end = memchr(line, '\n', rest);
    if (!end) {
        reader->offset = reader->len;
        return LINE_TORN;
    }
    size_t len = (size_t)(end - line);
    reader->offset += len + 1;
    if (!is_whole(line, len, max_depth)) {
        return LINE_BAD;
    }
    *ret_object = json_root(line, len);
    return LINE_GOOD;
}

void line_write_header(struct buf *out, const char *content, unsigned version)
{
    size_t from = out->len;
    buf_char(out, '{');
    buf_json_key(out, "llamad");
    buf_json_cstr(out, content);
    buf_json_key(out, "v");
    buf_json_int(out, version);
    line_seal(out, from);
}

bool line_is_header(struct json_slice object, const char *content, unsigned version)
{
    int64_t number;
    return json_string_is(json_member(object, "llamad"), content) &&
           json_int(json_member(object, "v"), &number) == 0 && number == (int64_t)version;
}

bool line_text(struct json_slice value, char *buffer, size_t size)
{
    size_t len;
    return json_string(value, buffer, size, &len) == 0 && !memchr(buffer, '\0', len);
}

bool line_time(struct json_slice value, int64_t *ret_wall_ms)
{
    char text[TIMESTAMP_SIZE];
    *ret_wall_ms = TIMESTAMP_NONE;
    if (json_type(value) == JSON_NULL) {
        return true;
    }
    if (!line_text(value, text, sizeof text)) {
        return false;
    }
    *ret_wall_ms = timestamp_parse(text, strlen(text), TIMESTAMP_OFFSET_UNKNOWN);
    return *ret_wall_ms != TIMESTAMP_NONE;
}
