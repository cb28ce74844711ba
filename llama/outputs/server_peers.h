/*
 * server_peers: what is refused, said once a minute for each source and reason. Pure.
 *
 * Bounded: of SERVER_PEERS_MAX sources and reasons, and of SERVER_PEERS_LINES lines a minute in all; what is
 * not said is counted, and told with the next line of that source. The longest unheard is forgotten first.
 */
#ifndef SERVER_PEERS_H
#define SERVER_PEERS_H

#include "peer.h"

#define SERVER_PEERS_MAX   512
#define SERVER_PEERS_LINES 60

struct server_peers;
struct server_peers *server_peers_create(void); /* NULL without memory */
void server_peers_destroy(struct server_peers *peers);
/* True if this refusal should be logged; *ret_before is how many like it were not since the last line.
 * `reason` is static: its address tells reasons apart. */
bool server_peers_say(struct server_peers *peers, const struct peer *peer, const char *reason, int64_t now_ms,
                      uint64_t *ret_before);

#endif
