/*
 * live: the sessions of /api/cluster/live. Internal to outputs: server.c owns it, server_http.c calls it for
 * lws.
 *
 * A session stores one number, the revision it has seen. What is newer is rendered once for all sessions at
 * the same revision and filter, and written in chunks of that shared frame, so a client that does not read
 * costs one chunk at most. A session with a pace gets what is newer at the beats of its pace, which those
 * with the same pace share. A burst of changes collapses: whoever is behind gets the latest values when its
 * socket can take them. Broadcasts that cost much CPU are spaced so that they take at most half of the time.
 */
#ifndef LIVE_H
#define LIVE_H

#include "auth.h"
#include "live_request.h"
#include "loop.h"
#include "server.h"

struct lws;
struct live;

/* Embedded in the connection's memory; zeroed before live_open. Owner of all fields: live. */
struct live_session {
    struct lws *wsi;
    struct live_session *next, *prev; /* of live's sessions */
    struct body *frame;               /* being written; NULL = none */
    size_t offset;                    /* what of it was handed to lws */
    size_t message;                   /* which of its messages is being written */
    uint64_t frame_revision;
    uint64_t seen;      /* revision; without meaning while `fresh` */
    int64_t blocked_ms; /* since when its socket takes nothing; 0 = it does. Monotonic, as the next */
    int64_t pinged_ms, unanswered_ms; /* last ping; first one without a pong, 0 = none */
    int64_t next_ms;                  /* monotonic: no frame before that; 0 with no pace */
    uint32_t pace_ms;                 /* 0 = frames as they come */
    uint32_t message_len;             /* of the message coming in */
    uint32_t messages;                /* since the last ping */
    bool open;                        /* counted in live */
    bool linked;                      /* in live's list: gets frames */
    bool fresh;                       /* needs a snapshot */
    bool parts;                       /* takes snapshots in parts */
    char node[NODE_NAME_MAX + 1];     /* "" = all nodes */
    struct auth_who who;
};

/* Borrows all. NULL without memory. */
struct live *live_create(struct loop *loop, struct cache *cache, const char *instance,
                         struct server_stats *stats);
void live_destroy(struct live *live); /* no session may be open */
/* See live_request_read. */
int live_parse(const struct live *live, const char *query, struct live_request *ret_request,
               const char **ret_why);
bool live_is_full(const struct live *live);

void live_open(struct live *live, struct live_session *session, struct lws *wsi,
               const struct live_request *request, const struct auth_who *who);
/* These three: 0, or -1 to close the connection. */
int live_writable(struct live *live, struct live_session *session);
int live_received(struct live *live, struct live_session *session, size_t len, bool final);
/* `gone`: the connection is closed; else it only is no session any more. Harmless when repeated. */
void live_close(struct live *live, struct live_session *session, bool gone);
void live_pong(struct live_session *session);

/* Whoever `allowed` says no to, when asked once a second and by live_check, is closed (1008). */
void live_guard(struct live *live, bool (*allowed)(void *user, const struct auth_who *who), void *user);
void live_check(struct live *live);

void live_changed(struct live *live);
void live_sweep(struct live *live); /* once a second: pings, and drops who makes no progress */
void live_stop(struct live *live);  /* closes all with 1001 */

#endif
