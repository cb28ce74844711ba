/*
 * publisher: the MQTT side of the agent: status and will, heartbeats, reports, refresh.
 *
 * It sends what the agent holds and decides nothing about it. After each CONNACK it says who is there:
 * status, all reports, a heartbeat. While the broker is slow to take what was sent, reports wait here as one
 * mark per kind, so the newest goes out when there is room and nothing piles up. Source: contract section 1
 * (docs/protocol.md).
 */
#ifndef PUBLISHER_H
#define PUBLISHER_H

#include "agent.h"
#include "config.h"
#include "loop.h"

#include <stdbool.h>
#include <stdint.h>

struct publisher;

/* The link to the broker stands (`why` NULL), or does not, and why; also after each further attempt. */
typedef void publisher_link_fn(void *user, const char *why);

/* Borrows all but the session, until destroyed. NULL with errno; *ret_why is a static text or NULL. */
struct publisher *publisher_create(struct loop *loop, const struct config *config, struct agent *agent,
                                   const char *session, publisher_link_fn *link, void *link_user,
                                   const char **ret_why);
/* Starts connecting and beating. */
void publisher_start(struct publisher *publisher);
/* Appends "connected", "protocol", "connects", "failed_attempts", "messages_out" and "refused" to an object.
 */
void publisher_write_status(const struct publisher *publisher, struct buf *out);
uint64_t publisher_heartbeats(const struct publisher *publisher); /* sent */
/* The config that it borrows says other things than before of the heartbeat (interval, type, labels, URL) and
 * of how long messages are kept: so does the publisher, at once. Keep-alive and will follow with the next
 * connect. */
void publisher_config_changed(struct publisher *publisher);
/* The agent has a new report of this kind. */
void publisher_report(struct publisher *publisher, enum report_kind kind);
/* Publishes a clean offline if `say_offline`, sends DISCONNECT, and calls `done` once: when all is sent, or
 * after timeout_ms. */
void publisher_stop(struct publisher *publisher, bool say_offline, uint32_t timeout_ms,
                    void (*done)(void *user), void *user);
/* A look-up that hangs goes on, and shows in loop_work_pending. */
void publisher_destroy(struct publisher *publisher);

#endif
