/*
 * http_stub: a small HTTP server on threads of its own, whose answers a test writes byte for byte.
 */
#ifndef HTTP_STUB_H
#define HTTP_STUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_stub;
/* Answers one request on `fd`. False closes the connection. Runs on a thread of the stub's. */
typedef bool http_stub_serve_fn(int fd, const char *path, void *user);

struct http_stub *http_stub_start(http_stub_serve_fn *serve, void *user); /* on 127.0.0.1, any free port */
uint16_t http_stub_port(const struct http_stub *stub);
unsigned http_stub_connections(struct http_stub *stub); /* accepted so far */
unsigned http_stub_requests(struct http_stub *stub);    /* read so far */
/* "path\npath\n…" of all requests in their order. Borrowed until the next call. */
const char *http_stub_paths(struct http_stub *stub);
void http_stub_stop(struct http_stub *stub);

/* Helpers for serve functions. */
bool http_stub_write(int fd, const char *data, size_t len); /* false when the other side is gone */
/* 200 or another status with Date, Content-Length and this body; keeps the connection. */
bool http_stub_answer(int fd, int status, const char *date, const char *body, size_t len);
/* Until the other side closes. */
bool http_stub_hang(int fd);

#endif
