#include "line.h"

#include "timestamp.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CRC_BEFORE ",\"crc\":\""
#define CRC_AFTER  "\"}"
#define CRC_DIGITS 8
#define TAIL_LEN   (sizeof CRC_BEFORE - 1 + CRC_DIGITS + sizeof CRC_AFTER - 1)

uint32_t line_checksum(const char *data, size_t len)
{
    static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
                                       0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                       0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < len; i++) {
        crc ^= (unsigned char)data[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
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
