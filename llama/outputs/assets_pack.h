/*
 * assets_pack: gzip (RFC 1952) of what is served often, and whom it may be served to. Pure.
 */
#ifndef ASSETS_PACK_H
#define ASSETS_PACK_H

#include <stdbool.h>
#include <stddef.h>

/* The bytes packed as small as can be, malloc'ed, with *ret_len. NULL where that saves less than a tenth, or
 * without memory. */
char *assets_pack(const char *data, size_t len, size_t *ret_len);
/* Does Accept-Encoding (RFC 9110, 12.5.3) take gzip? NULL is no header: no. */
bool assets_takes_gzip(const char *accept_encoding);

#endif
