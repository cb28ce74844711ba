#include "auth_digest.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

int auth_digest(const void *data, size_t len, unsigned char ret[AUTH_DIGEST_LEN])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_len = 0;
    if (EVP_Digest(data, len, digest, &digest_len, EVP_sha256(), NULL) != 1 ||
        digest_len != AUTH_DIGEST_LEN) {
        return -EIO;
    }
    memcpy(ret, digest, AUTH_DIGEST_LEN);
    return 0;
}

int auth_secret(char ret[AUTH_SECRET_LEN + 1])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char random[33] = {0}; /* the last one stays 0: 43 digits of 6 bits are 258 */
    if (getrandom(random, 32, 0) != 32) {
        return -EIO;
    }
    for (size_t i = 0; i < AUTH_SECRET_LEN; i++) {
        size_t bit = 6 * i, byte = bit / 8;
        unsigned two = (unsigned)random[byte] << 8 | random[byte + 1 < sizeof random ? byte + 1 : byte];
        ret[i] = digits[two >> (10 - bit % 8) & 63];
    }
    ret[AUTH_SECRET_LEN] = '\0';
    explicit_bzero(random, sizeof random);
    return 0;
}

bool auth_digest_equal(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}

void auth_digest_hex(const unsigned char digest[AUTH_DIGEST_LEN], char ret[2 * AUTH_DIGEST_LEN + 1])
{
    for (size_t i = 0; i < AUTH_DIGEST_LEN; i++) {
        snprintf(ret + 2 * i, 3, "%02x", digest[i]);
    }
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool auth_digest_unhex(const char *text, size_t len, unsigned char ret[AUTH_DIGEST_LEN])
{
    unsigned char digest[AUTH_DIGEST_LEN];
    if (len != sizeof digest * 2) {
        return false;
    }
    for (size_t i = 0; i < sizeof digest; i++) {
        int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        digest[i] = (unsigned char)(high << 4 | low);
    }
    memcpy(ret, digest, sizeof digest);
    return true;
}

bool auth_base64_decode(const char *text, size_t len, char *buffer, size_t size, size_t *ret_len)
{
    if (len == 0 || len % 4 != 0 || len / 4 * 3 + 1 > size) {
        return false;
    }
    size_t padding = (size_t)(text[len - 1] == '=') + (size_t)(text[len - 2] == '=');
    if (memchr(text, '=', len - padding) ||
        EVP_DecodeBlock((unsigned char *)buffer, (const unsigned char *)text, (int)len) !=
            (int)(len / 4 * 3)) {
        return false;
    }
    *ret_len = len / 4 * 3 - padding;
    buffer[*ret_len] = '\0';
    return true;
}
