/*
 * certificate: X.509 made and read, in memory (OpenSSL 3). What belongs where is authority's business.
 *
 * Fallible functions return 0, -ENOMEM, or -EBADMSG, after which certificate_error says what OpenSSL had
 * against it. What they give is the caller's to free.
 */
#ifndef CERTIFICATE_H
#define CERTIFICATE_H

#include "authority.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

struct certificate_wish {
    const char *name;                    /* common name, UTF-8 */
    const struct authority_names *names; /* of a server; NULL = a client */
    int64_t from_s, until_s;
};

EVP_PKEY *certificate_make_key(void); /* EC P-256 */
int certificate_make_authority(EVP_PKEY *key, int64_t from_s, int64_t until_s, X509 **ret_certificate);
int certificate_sign(const struct certificate_wish *wish, EVP_PKEY *key, X509 *ca, EVP_PKEY *ca_key,
                     X509 **ret_certificate);
/* Is it that key's, and signed by that authority? */
bool certificate_fits(X509 *certificate, EVP_PKEY *key, X509 *ca);
void certificate_describe(const X509 *certificate, struct authority_certificate *ret);

int certificate_from_pem(const char *text, size_t len, X509 **ret_certificate);
int certificate_key_from_pem(const char *text, size_t len, EVP_PKEY **ret_key);
int certificate_to_pem(const X509 *certificate, char **ret_text, size_t *ret_len);
int certificate_key_to_pem(const EVP_PKEY *key, char **ret_text, size_t *ret_len);
int certificate_pem_to_der(const char *text, size_t len, unsigned char **ret_der, size_t *ret_len);
/* The oldest error that OpenSSL remembers, which is then forgotten with all others. */
const char *certificate_error(void);

#endif
