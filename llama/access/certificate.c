#include "certificate.h"

#include "buf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SERIAL_BYTES 16 /* RFC 5280 allows 20; CA/Browser Forum wants 8 random ones at least */
#define X509_V3      2

const char *certificate_error(void)
{
    unsigned long code = ERR_get_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    ERR_clear_error();
    return reason ? reason : "OpenSSL does not say why";
}

EVP_PKEY *certificate_make_key(void)
{
    return EVP_EC_gen("P-256");
}

/* --- making --- */

static bool set_serial(X509 *certificate)
{
    unsigned char bytes[SERIAL_BYTES];
    if (RAND_bytes(bytes, sizeof bytes) != 1) {
        return false;
    }
    bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40); /* positive, and always of the same length */
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool set = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    return set;
}

static bool add_name(X509 *certificate, const char *field, const char *value)
{
    return X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), field, MBSTRING_UTF8,
                                      (const unsigned char *)value, -1, -1, 0) == 1;
}

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool added = extension && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

/* Everything but names, extensions and signature. */
static X509 *begin(EVP_PKEY *key, int64_t from_s, int64_t until_s)
{
    X509 *certificate = X509_new();
    if (certificate && X509_set_version(certificate, X509_V3) == 1 && set_serial(certificate) &&
        ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)from_s) &&
        ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)until_s) &&
        X509_set_pubkey(certificate, key) == 1) {
        return certificate;
    }
    X509_free(certificate);
    return NULL;
}

int certificate_make_authority(EVP_PKEY *key, int64_t from_s, int64_t until_s, X509 **ret_certificate)
{
    /* The organisation tells people what it is for, the host's name which one of several it is. */
    char host[64] = "";
    char name[64];
    gethostname(host, sizeof host - 1);
    host[strcspn(host, ".")] = '\0';
    snprintf(name, sizeof name, "smollama-cluster CA %.40s", host);
    X509 *certificate = begin(key, from_s, until_s);
    if (certificate && add_name(certificate, "CN", name) &&
        X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) == 1 &&
        add_extension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
        add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign") &&
        add_extension(certificate, certificate, NID_subject_key_identifier, "hash") &&
        X509_sign(certificate, key, EVP_sha256()) > 0) {
        *ret_certificate = certificate;
        return 0;
    }
    X509_free(certificate);
    return -EBADMSG;
}

/* "DNS:llama.lan,IP:192.168.1.2": authority_names_add has let in nothing that would mean more here. */
static bool add_names(X509 *certificate, X509 *ca, const struct authority_names *names)
{
    struct buf text = BUF_INIT;
    for (size_t i = 0; i < names->count; i++) {
        unsigned char number[sizeof(struct in6_addr)];
        const char *name = names->list[i];
        bool address = inet_pton(AF_INET, name, number) == 1 || inet_pton(AF_INET6, name, number) == 1;
        buf_printf(&text, "%s%s:%s", i ? "," : "", address ? "IP" : "DNS", name);
    }
    const char *value = buf_terminate(&text);
    bool added = value && add_extension(certificate, ca, NID_subject_alt_name, value);
    buf_finish(&text);
    return added;
}

int certificate_sign(const struct certificate_wish *wish, EVP_PKEY *key, X509 *ca, EVP_PKEY *ca_key,
                     X509 **ret_certificate)
{
    X509 *certificate = begin(key, wish->from_s, wish->until_s);
    const char *usage = wish->names ? "serverAuth" : "clientAuth";
    if (certificate && add_name(certificate, "CN", wish->name) &&
        X509_set_issuer_name(certificate, X509_get_subject_name(ca)) == 1 &&
        add_extension(certificate, ca, NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(certificate, ca, NID_key_usage, "critical,digitalSignature") &&
        add_extension(certificate, ca, NID_ext_key_usage, usage) &&
        add_extension(certificate, ca, NID_subject_key_identifier, "hash") &&
        add_extension(certificate, ca, NID_authority_key_identifier, "keyid:always") &&
        (!wish->names || add_names(certificate, ca, wish->names)) &&
        X509_sign(certificate, ca_key, EVP_sha256()) > 0) {
        *ret_certificate = certificate;
        return 0;
    }
    X509_free(certificate);
    return -EBADMSG;
}

bool certificate_fits(X509 *certificate, EVP_PKEY *key, X509 *ca)
{
    bool fits =
        X509_check_private_key(certificate, key) == 1 && X509_verify(certificate, X509_get0_pubkey(ca)) == 1;
    ERR_clear_error();
    return fits;
}

/* --- reading --- */

static int64_t seconds_of(const ASN1_TIME *time)
{
    struct tm parts;
    return ASN1_TIME_to_tm(time, &parts) == 1 ? (int64_t)timegm(&parts) : 0;
}

static void take_name(const GENERAL_NAME *name, struct authority_names *names)
{
    char text[AUTHORITY_NAME_MAX + 1] = "";
    int type = 0;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
    if (type != GEN_DNS && type != GEN_IPADD) {
        return;
    }
    const unsigned char *data = ASN1_STRING_get0_data(value);
    size_t len = (size_t)ASN1_STRING_length(value);
    if (type == GEN_DNS && len < sizeof text) {
        memcpy(text, data, len);
        text[len] = '\0';
    } else if (type == GEN_IPADD && (len == 4 || len == 16)) {
        inet_ntop(len == 4 ? AF_INET : AF_INET6, data, text, sizeof text);
    }
    authority_names_add(names, text);
}

void certificate_describe(const X509 *certificate, struct authority_certificate *ret)
{
    *ret = (struct authority_certificate){
        .from_s = seconds_of(X509_get0_notBefore(certificate)),
        .until_s = seconds_of(X509_get0_notAfter(certificate)),
    };
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, ret->subject,
                              sizeof ret->subject);
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        take_name(sk_GENERAL_NAME_value(names, i), &ret->names);
    }
    GENERAL_NAMES_free(names);
}

/* --- PEM and DER --- */

int certificate_from_pem(const char *text, size_t len, X509 **ret_certificate)
{
    BIO *in = BIO_new_mem_buf(text, (int)len);
    *ret_certificate = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
    BIO_free(in);
    return *ret_certificate ? 0 : -EBADMSG;
}

/* Never asks on the terminal. */
static int no_passphrase(char *buffer, int size, int for_writing, void *user)
{
    (void)buffer;
    (void)size;
    (void)for_writing;
    (void)user;
    return -1;
}

int certificate_key_from_pem(const char *text, size_t len, EVP_PKEY **ret_key)
{
    BIO *in = BIO_new_mem_buf(text, (int)len);
    *ret_key = in ? PEM_read_bio_PrivateKey(in, NULL, no_passphrase, NULL) : NULL;
    BIO_free(in);
    return *ret_key ? 0 : -EBADMSG;
}

/* Takes `out`. */
static int take_text(BIO *out, bool written, char **ret_text, size_t *ret_len)
{
    char *data = NULL;
    long len = written ? BIO_get_mem_data(out, &data) : 0;
    char *copy = len > 0 ? malloc((size_t)len) : NULL;
    if (copy) {
        memcpy(copy, data, (size_t)len);
        *ret_text = copy;
        *ret_len = (size_t)len;
    }
    BIO_free(out); /* a secure one clears its memory */
    return copy ? 0 : written ? -ENOMEM : -EBADMSG;
}

int certificate_to_pem(const X509 *certificate, char **ret_text, size_t *ret_len)
{
    BIO *out = BIO_new(BIO_s_mem());
    bool written = out && PEM_write_bio_X509(out, certificate) == 1;
    return take_text(out, written, ret_text, ret_len);
}

int certificate_key_to_pem(const EVP_PKEY *key, char **ret_text, size_t *ret_len)
{
    BIO *out = BIO_new(BIO_s_secmem());
    bool written = out && PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1;
    return take_text(out, written, ret_text, ret_len);
}

int certificate_pem_to_der(const char *text, size_t len, unsigned char **ret_der, size_t *ret_len)
{
    X509 *certificate = NULL;
    unsigned char *der = NULL;
    int e = certificate_from_pem(text, len, &certificate);
    int size = e == 0 ? i2d_X509(certificate, &der) : -1;
    X509_free(certificate);
    if (size <= 0) {
        return e ? e : -EBADMSG;
    }
    unsigned char *copy = malloc((size_t)size);
    if (copy) {
        memcpy(copy, der, (size_t)size);
        *ret_der = copy;
        *ret_len = (size_t)size;
    }
    OPENSSL_free(der);
    return copy ? 0 : -ENOMEM;
}
