/*
 * utf8: the character encoding of everything on the wire (RFC 3629). Pure.
 */
#ifndef UTF8_H
#define UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD, written for what cannot be decoded */

/* UTF-8 by RFC 3629 (no surrogates, nothing overlong, up to U+10FFFF). */
bool utf8_valid(const char *text, size_t len);
/* Decodes one code point; its length in bytes (1–4), or 0 if invalid or at the end. */
unsigned utf8_decode(const char *text, size_t len, uint32_t *ret_code_point);
/* Writes one code point (a surrogate or one above U+10FFFF as U+FFFD); its length in bytes. */
unsigned utf8_encode(uint32_t code_point, char buffer[4]);
/* The most bytes of valid UTF-8 up to `max` that end on a character's boundary. */
size_t utf8_cut(const char *text, size_t len, size_t max);
/* Control and format characters, line and paragraph separators (Cc, Cf, Zl, Zp): what people cannot see, or
 * what changes how the rest looks. */
bool utf8_is_invisible(uint32_t code_point);

/*
 * Peer text made safe to show on one line: invisible characters, invalid bytes and backslashes are written as
 * \xNN or \u{…}; cut with … when it does not fit. `size` at least 8. Returns `buffer`, NUL-terminated.
 */
const char *utf8_escape(char *buffer, size_t size, const char *text, size_t len);

#endif
