/*
 * notify: what a program tells the service manager that started it: ready, reloading, stopping, how it is,
 * and that its loop still turns.
 *
 * Datagrams to the socket that NOTIFY_SOCKET names; source: sd_notify(3), "Notes", and sd_watchdog_enabled(3)
 * (protocol stable by systemd's interface promise). Written here because libsystemd would be the only library
 * of the agent that nothing else needs. Sending never waits: what the manager does not take at once is sent
 * again until it does, the latest state only.
 */
#ifndef NOTIFY_H
#define NOTIFY_H

#include "loop.h"

struct notify;

/*
 * Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment, so that no child speaks for its
 * parent. If the manager wants to hear of the loop (WATCHDOG_USEC, meant for this process), it does from now
 * on, twice in that time, for as long as the loop turns. Borrows the loop.
 * 0; *ret_notify is NULL where nobody listens, which every function here accepts. Else -ENOMEM, -EINVAL (no
 * address of a local socket) or what socket(2) says.
 */
int notify_create(struct loop *loop, struct notify **ret_notify);
void notify_destroy(struct notify *notify); /* says nothing */

void notify_ready(struct notify *notify);     /* serves; also at the end of a reload */
void notify_reloading(struct notify *notify); /* until notify_ready */
void notify_stopping(struct notify *notify);

/* One line for people (`systemctl status`), cut at NOTIFY_STATUS_MAX bytes. Sent when it differs from the
 * last one, at most once a second. */
#define NOTIFY_STATUS_MAX 240
void notify_status(struct notify *notify, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
