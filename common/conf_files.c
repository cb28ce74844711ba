/* The files that a configuration names: can they be read, and are they what they should be? */
#include "conf.h"

#include "conf_internal.h"
#include "log.h"
#include "secret_file.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define EXPIRES_SOON_DAYS 14
#define DATE_SIZE         16

/* A file's name as it may stand in a message. */
static const char *shown(char text[LOG_TEXT], const char *path)
{
    return log_escape(text, LOG_TEXT, path, strlen(path));
}

/* False after what is wrong was reported. */
static bool read_named(struct conf *conf, const char *key, char **ret_text, size_t *ret_len)
{
    char name[LOG_TEXT];
    const char *path = conf_string(conf, key);
    int e = secret_file_read(path, ret_text, ret_len);
    if (e == 0) {
        return true;
    }
    const char *why = e == -EINVAL ? "is no regular file" : e == -EFBIG ? "is too large" : strerror(-e);
    conf_report(conf, CONF_ERROR, key, "cannot read %s: %s", shown(name, path), why);
    return false;
}

static void warn_if_open(struct conf *conf, const char *key)
{
    char name[LOG_TEXT];
    struct stat status;
    const char *path = conf_string(conf, key);
    if (stat(path, &status) == 0 && (status.st_mode & S_IRWXO) != 0) {
        conf_report(conf, CONF_WARNING, key, "everybody on this machine can read %s: chmod o= is missing",
                    shown(name, path));
    }
}

void conf_check_secret(struct conf *conf, const char *key)
{
    char name[LOG_TEXT];
    const char *path = conf_string(conf, key);
    if (!path || !*path) {
        return;
    }
    char *secret = conf_read_secret(path);
    if (!secret) {
        int e = errno;
        conf_report(conf, CONF_ERROR, key, "cannot read %s: %s", shown(name, path),
                    e == EINVAL ? "its first line is no password" : strerror(e));
        return;
    }
    if (!*secret) {
        conf_report(conf, CONF_ERROR, key, "the first line of %s is empty", shown(name, path));
    }
    explicit_bzero(secret, strlen(secret));
    free(secret);
    warn_if_open(conf, key);
}

void conf_check_username(struct conf *conf)
{
    static const char *const keys[] = {"mqtt.password", "mqtt.password_file"};
    const char *name = conf_string(conf, "mqtt.username");
    for (size_t i = 0; (!name || !*name) && i < sizeof keys / sizeof *keys; i++) {
        const char *value = conf_string(conf, keys[i]);
        if (value && *value) {
            conf_report(conf, CONF_WARNING, keys[i],
                        "brokers know a password by its user: mqtt.username is not set");
        }
    }
}

/* --- certificates --- */

static const char *date(const ASN1_TIME *time, char text[DATE_SIZE])
{
    struct tm tm;
    if (ASN1_TIME_to_tm(time, &tm) != 1 || strftime(text, DATE_SIZE, "%Y-%m-%d", &tm) == 0) {
        snprintf(text, DATE_SIZE, "?");
    }
    return text;
}

/* A clock that was never set makes good certificates look bad, so none of this keeps a program from
 * starting. */
static void check_dates(struct conf *conf, const char *key, const X509 *certificate)
{
    int days = 0, seconds = 0;
    char text[DATE_SIZE];
    const ASN1_TIME *from = X509_get0_notBefore(certificate), *until = X509_get0_notAfter(certificate);
    if (X509_cmp_current_time(from) > 0) {
        conf_report(conf, CONF_WARNING, key, "the certificate is valid only from %s on; is the clock right?",
                    date(from, text));
    }
    if (X509_cmp_current_time(until) < 0) {
        conf_report(conf, CONF_WARNING, key, "the certificate ended on %s; is the clock right?",
                    date(until, text));
    } else if (ASN1_TIME_diff(&days, &seconds, NULL, until) == 1 && days < EXPIRES_SOON_DAYS) {
        conf_report(conf, CONF_WARNING, key, "the certificate ends on %s", date(until, text));
    }
}

/* The first one, for the caller to free; NULL after what is wrong was reported. */
static X509 *check_certificates(struct conf *conf, const char *key)
{
    char *text = NULL, name[LOG_TEXT];
    size_t len = 0;
    if (!read_named(conf, key, &text, &len)) {
        return NULL;
    }
    X509 *first = NULL, *next;
    BIO *bio = BIO_new_mem_buf(text, (int)len);
    while (bio && (next = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        check_dates(conf, key, next);
        if (first) {
            X509_free(next);
        } else {
            first = next;
        }
    }
    ERR_clear_error(); /* it always ends with one: no more to read */
    BIO_free(bio);
    free(text);
    if (!first) {
        conf_report(conf, CONF_ERROR, key, "%s holds no certificate (PEM)",
                    shown(name, conf_string(conf, key)));
    }
    return first;
}

/* Nobody is asked on the terminal. */
static int no_passphrase(char *buffer, int size, int for_writing, void *user)
{
    (void)buffer;
    (void)size;
    (void)for_writing;
    *(bool *)user = true;
    return -1;
}

static EVP_PKEY *check_key(struct conf *conf, const char *key)
{
    char *text = NULL, name[LOG_TEXT];
    size_t len = 0;
    bool locked = false;
    if (!read_named(conf, key, &text, &len)) {
        return NULL;
    }
    BIO *bio = BIO_new_mem_buf(text, (int)len);
    EVP_PKEY *private_key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &locked) : NULL;
    ERR_clear_error();
    BIO_free(bio);
    explicit_bzero(text, len);
    free(text);
    if (!private_key) {
        conf_report(conf, CONF_ERROR, key, "%s %s", shown(name, conf_string(conf, key)),
                    locked ? "has a passphrase, and nobody is here to type it in"
                           : "holds no private key (PEM)");
    } else {
        warn_if_open(conf, key);
    }
    return private_key;
}

void conf_check_authority(struct conf *conf, const char *key)
{
    if (conf_string(conf, key)) {
        X509_free(check_certificates(conf, key));
    }
}

void conf_check_key_pair(struct conf *conf, const char *certificate_key, const char *key_key)
{
    X509 *certificate = conf_string(conf, certificate_key) ? check_certificates(conf, certificate_key) : NULL;
    EVP_PKEY *private_key = conf_string(conf, key_key) ? check_key(conf, key_key) : NULL;
    if (certificate && private_key && X509_check_private_key(certificate, private_key) != 1) {
        ERR_clear_error();
        conf_report(conf, CONF_ERROR, key_key, "is not the key to the certificate in %s", certificate_key);
    }
    X509_free(certificate);
    EVP_PKEY_free(private_key);
}
