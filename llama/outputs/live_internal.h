/*
 * live_internal: what live.c (frames to sessions) and live_upkeep.c (pings, and who has to go) share.
 */
#ifndef LIVE_INTERNAL_H
#define LIVE_INTERNAL_H

#include "live.h"
#include "live_frames.h"

#include <libwebsockets.h>

/* Of a frame, handed to lws at a time: what a stalled client may cost. */
#define CHUNK ((size_t)16 * 1024)

struct live {
    struct loop *loop;
    struct cache *cache;
    struct server_stats *stats;
    struct loop_after *after;
    struct loop_timer *rest; /* runs while broadcasts rest */
    struct loop_timer *beat; /* runs while a session waits for its pace */
    struct live_session *sessions;
    uint32_t open;
    bool dirty; /* a session may be behind */
    bool (*allowed)(void *user, const struct auth_who *who);
    void *user;
    struct live_frames frames;
    unsigned char scratch[LWS_PRE + CHUNK]; /* lws writes its header in front of what it is given */
};

/* It gets no more frames. Harmless when repeated. */
void live_unlink(struct live *live, struct live_session *session);
/* For one that does not read. */
void live_drop(struct live *live, struct live_session *session);

#endif
