#include "password_hash.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#define RANDOM_BYTES ((MQTT_ACCOUNTS_PASSWORD_SIZE - 1) / 4 * 3)
#define ROUNDS       101 /* mosquitto_passwd's */
#define SALT_BYTES   12
#define HASH_BYTES   64

int password_make(char ret_password[MQTT_ACCOUNTS_PASSWORD_SIZE])
{
    unsigned char random[RANDOM_BYTES];
    if (RAND_bytes(random, sizeof random) != 1) {
        return -EIO;
    }
    EVP_EncodeBlock((unsigned char *)ret_password, random, sizeof random);
    for (char *c = ret_password; *c; c++) { /* base64url: nothing that a shell or YAML would take otherwise */
        *c = (char)(*c == '+' ? '-' : *c == '/' ? '_' : *c);
    }
    OPENSSL_cleanse(random, sizeof random);
    return 0;
}

int password_hash(const char *password, char ret_hash[PASSWORD_HASH_SIZE])
{
    unsigned char salt[SALT_BYTES], hash[HASH_BYTES];
    char salt_text[SALT_BYTES * 2], hash_text[HASH_BYTES * 2];
    if (RAND_bytes(salt, sizeof salt) != 1 ||
        PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt, sizeof salt, ROUNDS, EVP_sha512(),
                          sizeof hash, hash) != 1) {
        return -EIO;
    }
    EVP_EncodeBlock((unsigned char *)salt_text, salt, sizeof salt);
    EVP_EncodeBlock((unsigned char *)hash_text, hash, sizeof hash);
    snprintf(ret_hash, PASSWORD_HASH_SIZE, "$7$%d$%s$%s", ROUNDS, salt_text, hash_text);
    return 0;
}
