/*
 * authority: a private certificate authority in a folder, and the certificates that it signs (OpenSSL 3).
 *
 *   ca.crt, ca.key           the authority: EC P-256, 10 years; its certificate is what agents are given
 *   server.crt, server.key   of this machine's servers: broker and https; 825 days at most
 *   <name>.crt, <name>.key   of a client that has to show one
 *
 * Keys have mode 0600, certificates 0644; files belong to the owner of the key that was
 * there, else to that of the folder, whoever writes them. All
 * are replaced at once, the key before its certificate, by one process at a time (ca.lock). Sources: RFC
 * 5280; CA/Browser Forum's 825 days, which Apple's clients hold private authorities to. Blocking; nothing
 * here logs.
 */
#ifndef AUTHORITY_H
#define AUTHORITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUTHORITY_CA_DAYS      3652
#define AUTHORITY_DAYS         825
#define AUTHORITY_NAMES_MAX    48
#define AUTHORITY_NAME_MAX     253 /* bytes of a DNS name */
#define AUTHORITY_ERROR_SIZE   512
#define AUTHORITY_SUBJECT_SIZE 128

/* What a server is reached by: DNS names (a leading `*.` is one) and numeric addresses, as text. */
struct authority_names {
    char list[AUTHORITY_NAMES_MAX][AUTHORITY_NAME_MAX + 1];
    size_t count;
};

struct authority_certificate {
    char subject[AUTHORITY_SUBJECT_SIZE]; /* the common name */
    int64_t from_s, until_s;              /* UTC, epoch */
    struct authority_names names;         /* of a server */
};

/* Neither doubled nor beyond AUTHORITY_NAMES_MAX. False if it is no name or address, or there is no room. */
bool authority_names_add(struct authority_names *names, const char *name);
bool authority_names_have(const struct authority_names *names, const char *name);
/* This machine's: localhost, its host name (also with .local), and every address that others may know. */
void authority_names_of_machine(struct authority_names *names);

/* 0; -ENOENT; another -errno with `error` filled in. */
int authority_read(const char *folder, const char *name, struct authority_certificate *ret_certificate,
                   char error[AUTHORITY_ERROR_SIZE]);
/* The same of any certificate's file: of a chain, the first. */
int authority_read_file(const char *path, struct authority_certificate *ret_certificate,
                        char error[AUTHORITY_ERROR_SIZE]);
/* Has less than a third of its life left (or has ended). */
bool authority_is_due(const struct authority_certificate *certificate, int64_t now_s);

/* Makes the folder (0755) and the authority where there is none. With `renew`, its certificate anew with the
 * same key: what it has signed stays good. *ret_made: it was made or renewed. 0 or -errno with `error`. */
int authority_make(const char *folder, bool renew, int64_t now_s, bool *ret_made,
                   char error[AUTHORITY_ERROR_SIZE]);
/* A new key, and a certificate signed by the authority in the folder; not longer than that lives itself. With
 * names (one at least): of a server. Without: of the client `name`. 0 or -errno with `error`. */
int authority_issue(const char *folder, const char *name, const struct authority_names *names, int64_t now_s,
                    char error[AUTHORITY_ERROR_SIZE]);
/* What a daemon does at its start and then daily: makes authority and server certificate where they are
 * missing, renews the latter when it is due, lacks one of `names` (and keeps those it has), or does not fit
 * its key or the authority. *ret_made: there is a new one. -EBUSY if another process is at it for longer than
 * `wait_ms`, as secret_file_lock has it. 0 or -errno with `error`. */
int authority_keep(const char *folder, const struct authority_names *names, int64_t now_s, unsigned wait_ms,
                   bool *ret_made, char error[AUTHORITY_ERROR_SIZE]);
/* The authority's certificate as DER, which is the shortest form of it. malloc'ed. 0 or -errno with `error`.
 */
int authority_der(const char *ca_file, unsigned char **ret_der, size_t *ret_len,
                  char error[AUTHORITY_ERROR_SIZE]);

#endif
