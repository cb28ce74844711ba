/*
 * bench_tls: a WebSocket over TLS for the load generators. The certificate is not looked at; any failure ends
 * the program.
 */
#ifndef BENCH_TLS_H
#define BENCH_TLS_H

#include "bench_net.h"

struct tls_client;
struct tls_client *tls_ws_client(int port, const char *path); /* upgraded, non-blocking; never freed */
int tls_fd(const struct tls_client *client);
/* Reads what is there. False at the end of the stream. */
bool tls_fill(struct tls_client *client, struct inbox *inbox);

#endif
