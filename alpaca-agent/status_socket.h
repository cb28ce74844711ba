/*
 * status_socket: where `alpaca-agent status` asks a running agent how it is: a local socket that tells
 * whoever connects, and closes. So the answer is never older than the question, and a dead agent gives none.
 *
 * It is <folder>/<node>.sock in the first of these folders that can be written: ALPACA_RUNTIME_DIR (then no
 * other), RUNTIME_DIRECTORY (systemd's), /run/alpaca-agent, $XDG_RUNTIME_DIR/alpaca-agent. Everybody on the
 * machine may ask: no secret is told. Source: unix(7).
 */
#ifndef STATUS_SOCKET_H
#define STATUS_SOCKET_H

#include "buf.h"
#include "loop.h"

struct status_socket;

/* Writes the answer: one JSON object. */
typedef void status_socket_fn(void *user, struct buf *out);

/* Borrows the loop. 0 with *ret_socket; -EADDRINUSE: another agent of this name runs here; -ENOENT: no folder
 * for it; another -errno. */
int status_socket_create(struct loop *loop, const char *node, status_socket_fn *write, void *user,
                         struct status_socket **ret_socket);
void status_socket_destroy(struct status_socket *status); /* accepts NULL; removes the socket's file */

/* ---- the other side ---- */

/*
 * Asks the agent of that node on this machine, with NULL the only one that there is; waits. 0 with
 * *ret_answer (what it said, not checked, the caller's to free); -ECONNREFUSED: none runs, -ETIMEDOUT: one
 * runs and does not answer, -ENOTUNIQ: there are several, another -errno: it cannot be told.
 */
int status_socket_ask(const char *node, uint32_t timeout_ms, char **ret_answer, size_t *ret_len);

#endif
