#include "assets_pack.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ZLIB_CONST /* it only reads its input */
#include <zlib.h>

#define GZIP_FORMAT 16 /* added to the bits of the window */

char *assets_pack(const char *data, size_t len, size_t *ret_len)
{
    z_stream stream = {0};
    size_t room = len - len / 10;
    char *packed = malloc(room + 1);
    if (!packed || deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, MAX_WBITS + GZIP_FORMAT, 9,
                                Z_DEFAULT_STRATEGY) != Z_OK) {
        free(packed);
        return NULL;
    }
    stream.next_in = (const Bytef *)data;
    stream.avail_in = (uInt)len;
    stream.next_out = (Bytef *)packed;
    stream.avail_out = (uInt)room;
    int end = deflate(&stream, Z_FINISH);
    *ret_len = room - stream.avail_out;
    deflateEnd(&stream);
    if (end != Z_STREAM_END) { /* it does not fit: not worth it */
        free(packed);
        return NULL;
    }
    return packed;
}

/* q=0, q=0.0 and so on. */
static bool refuses(const char *parameters, size_t len)
{
    for (size_t i = 0; i + 2 < len; i++) {
        if ((parameters[i] == 'q' || parameters[i] == 'Q') && parameters[i + 1] == '=') {
            size_t digits = i + 2;
            while (digits < len && (parameters[digits] == '0' || parameters[digits] == '.')) {
                digits++;
            }
            return digits == len || parameters[digits] == ' ' || parameters[digits] == '\t';
        }
    }
    return false;
}

bool assets_takes_gzip(const char *accept_encoding)
{
    bool any = false;
    for (const char *p = accept_encoding; p && *p;) {
        p += strspn(p, " \t,");
        size_t len = strcspn(p, ","), name = strcspn(p, " \t,;");
        bool takes = name > 0 && !refuses(p + name, len - name);
        if (name == 4 && strncasecmp(p, "gzip", 4) == 0) {
            return takes;
        }
        any = any || (name == 1 && *p == '*' && takes);
        p += len;
    }
    return any;
}
