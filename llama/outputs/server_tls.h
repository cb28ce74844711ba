/*
 * server_tls: the certificate of the HTTP server, and its exchange while running. Internal to outputs.
 *
 * libwebsockets makes the SSL_CTX and loads the first pair; later ones are read and checked apart from it,
 * and put in at once. Connections that stand keep what they were made with. Source: OpenSSL 3,
 * SSL_CTX_use_cert_and_key(3).
 */
#ifndef SERVER_TLS_H
#define SERVER_TLS_H

struct server_tls;

/* Copies both paths: PEM files of the certificate with its chain, and of its key. NULL without memory. */
struct server_tls *server_tls_create(const char *cert, const char *key);
void server_tls_destroy(struct server_tls *tls);
/* The SSL_CTX of libwebsockets' virtual host, once it is there: borrowed. TLS 1.2 and 1.3 from here on. */
void server_tls_attach(struct server_tls *tls, void *ssl_ctx);
/* Reads both files again. What is wrong with them is logged, and leaves things as they are. Blocks as long as
 * that takes. */
void server_tls_reload(struct server_tls *tls);

#endif
