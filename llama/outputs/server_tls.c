#include "server_tls.h"

#include "log.h"
#include "secret_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

struct server_tls {
    char *cert, *key; /* paths, owned */
    SSL_CTX *context; /* borrowed; NULL = not there yet */
};

struct pair {
    X509 *leaf;
    STACK_OF(X509) * chain;
    EVP_PKEY *key;
};

static void finish_pair(struct pair *pair)
{
    X509_free(pair->leaf);
    sk_X509_pop_free(pair->chain, X509_free);
    EVP_PKEY_free(pair->key);
    ERR_clear_error();
}

/* NULL if all is well, else what is wrong: static. */
static const char *read_certificates(BIO *bio, struct pair *pair)
{
    pair->leaf = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    pair->chain = sk_X509_new_null();
    if (!pair->leaf) {
        return "holds no certificate (PEM)";
    }
    for (X509 *next; pair->chain && (next = PEM_read_bio_X509(bio, NULL, NULL, NULL));) {
        if (!sk_X509_push(pair->chain, next)) {
            X509_free(next);
            return "is too large: no memory";
        }
    }
    return pair->chain ? NULL : "is too large: no memory";
}

/* Nobody is there who could be asked. */
static int no_passphrase(char *buffer, int size, int for_writing, void *user)
{
    (void)buffer, (void)size, (void)for_writing, (void)user;
    return -1;
}

static const char *read_key(BIO *bio, struct pair *pair)
{
    pair->key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    return pair->key ? NULL : "holds no private key without passphrase (PEM)";
}

static const char *read_file(const char *path, const char *(*read)(BIO *, struct pair *), struct pair *pair)
{
    char *text = NULL;
    size_t len = 0;
    int e = secret_file_read(path, &text, &len);
    if (e != 0) {
        return e == -EINVAL ? "is no regular file" : strerror(-e);
    }
    BIO *bio = BIO_new_mem_buf(text, (int)len);
    const char *why = bio ? read(bio, pair) : "is too large: no memory";
    BIO_free(bio);
    explicit_bzero(text, len);
    free(text);
    return why;
}

/* "2029-03-02" */
static void day_of(const ASN1_TIME *time, char text[16])
{
    struct tm tm;
    if (ASN1_TIME_to_tm(time, &tm) != 1 || strftime(text, 16, "%Y-%m-%d", &tm) == 0) {
        memcpy(text, "?", 2);
    }
}

static bool same_as_before(SSL_CTX *context, const struct pair *pair)
{
    const X509 *before = SSL_CTX_get0_certificate(context);
    return before && X509_cmp(before, pair->leaf) == 0;
}

static void keep(const char *path, const char *why)
{
    log_error("http.tls: %s %s; the certificate stays as it was", path, why);
}

static void take(struct server_tls *tls, struct pair *pair)
{
    char until[16];
    bool same = same_as_before(tls->context, pair);
    if (X509_check_private_key(pair->leaf, pair->key) != 1) {
        keep(tls->key, "is not the key to the certificate in http.tls.cert");
    } else if (SSL_CTX_use_cert_and_key(tls->context, pair->leaf, pair->key, pair->chain, 1) != 1) {
        keep(tls->cert, ERR_reason_error_string(ERR_peek_error()));
    } else if (!same) {
        const ASN1_TIME *end = X509_get0_notAfter(pair->leaf);
        day_of(end, until);
        if (X509_cmp_current_time(end) < 0) {
            log_warning("http.tls: the new certificate ended on %s; is the clock right?", until);
        }
        log_info("http.tls: new certificate taken over, valid until %s", until);
    }
}

void server_tls_reload(struct server_tls *tls)
{
    struct pair pair = {0};
    if (!tls || !tls->context) {
        return;
    }
    const char *path = tls->cert;
    const char *why = read_file(path, read_certificates, &pair);
    if (!why) {
        path = tls->key;
        why = read_file(path, read_key, &pair);
    }
    if (why) {
        keep(path, why);
    } else {
        take(tls, &pair);
    }
    finish_pair(&pair);
}

void server_tls_attach(struct server_tls *tls, void *ssl_ctx)
{
    tls->context = ssl_ctx;
    SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
    SSL_CTX_set_options(tls->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
}

struct server_tls *server_tls_create(const char *cert, const char *key)
{
    struct server_tls *tls = calloc(1, sizeof *tls);
    if (!tls) {
        return NULL;
    }
    tls->cert = strdup(cert);
    tls->key = strdup(key);
    if (!tls->cert || !tls->key) {
        server_tls_destroy(tls);
        return NULL;
    }
    return tls;
}

void server_tls_destroy(struct server_tls *tls)
{
    if (tls) {
        free(tls->cert);
        free(tls->key);
        free(tls);
    }
}
