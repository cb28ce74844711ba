/*
 * messages: what the agent says of itself, encoded: status and heartbeat. Source: contract section 1
 * (docs/protocol.md).
 */
#ifndef MESSAGES_H
#define MESSAGES_H

#include "agent.h"
#include "config.h"

/* Appends a status. A failure is in the buffer. */
void message_status(const char *session, bool online, bool stopped, int64_t at_ms, struct buf *out);
/* Appends the heartbeat of that number. `address`: this machine's, as the broker sees it; NULL = not known,
 * then `announce_url: auto` announces nothing. 0 or -errno. */
int message_heartbeat(const struct config *config, const struct agent *agent, uint64_t seq,
                      const char *address, struct now now, struct buf *out);

#endif
