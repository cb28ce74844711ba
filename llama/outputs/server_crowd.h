/*
 * server_crowd: how many connections each source has, so that one of them cannot have all. Pure.
 *
 * This machine's own addresses 127.0.0.1 and ::1 are not counted: they may be a proxy's.
 */
#ifndef SERVER_CROWD_H
#define SERVER_CROWD_H

#include "peer.h"

struct server_crowd;
struct crowd_member; /* one source, as long as it has connections */

/* `share`: the most that one source may have. NULL without memory. */
struct server_crowd *server_crowd_create(uint32_t share);
/* No connection may be counted any more, or they never leave. */
void server_crowd_destroy(struct server_crowd *crowd);
/* One more of that source. False if it has its share already, or without memory. *ret_member is NULL for one
 * that is not counted. */
bool server_crowd_enter(struct server_crowd *crowd, const struct peer *peer,
                        struct crowd_member **ret_member);
/* Its connections; 0 for NULL. */
uint32_t crowd_member_count(const struct crowd_member *member);
/* Accepts NULL. */
void server_crowd_leave(struct server_crowd *crowd, struct crowd_member *member);

#endif
