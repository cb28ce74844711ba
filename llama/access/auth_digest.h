/*
 * auth_digest: random secrets, and the digests by which they are known afterwards. May be used on any thread.
 *
 * A secret has 256 random bits, so that nobody guesses it, and a plain SHA-256 of it tells nobody what it is:
 * only digests are kept, in memory and in files.
 */
#ifndef AUTH_DIGEST_H
#define AUTH_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

#define AUTH_DIGEST_LEN 32
#define AUTH_SECRET_LEN 43 /* characters of a secret: base64url of 32 bytes, without padding */

/* 0, or -EIO with *ret untouched. */
int auth_digest(const void *data, size_t len, unsigned char ret[AUTH_DIGEST_LEN]);
/* Terminated. 0, or -EIO where the system has no randomness to give. */
int auth_secret(char ret[AUTH_SECRET_LEN + 1]);
/* In constant time. */
bool auth_digest_equal(const void *a, const void *b, size_t len);
/* As 64 lower-case digits, terminated; and back: false if it is anything else. */
void auth_digest_hex(const unsigned char digest[AUTH_DIGEST_LEN], char ret[2 * AUTH_DIGEST_LEN + 1]);
bool auth_digest_unhex(const char *text, size_t len, unsigned char ret[AUTH_DIGEST_LEN]);

/* base64 (RFC 4648, 4), with its padding. The bytes, terminated, and *ret_len; false if `text` is none, or
 * they do not fit with the terminator. */
bool auth_base64_decode(const char *text, size_t len, char *buffer, size_t size, size_t *ret_len);

#endif
