/*
 * server_internal: what the server's parts share: server.c (life, listener), server_accept.c (connections),
 * server_lws.c (the library), server_http.c (what lws reports), server_request.c (reading a request's head),
 * server_auth.c (who asks) and server_answer.c (writing an answer).
 */
#ifndef SERVER_INTERNAL_H
#define SERVER_INTERNAL_H

#include "assets.h"
#include "auth.h"
#include "file_watch.h"
#include "live.h"
#include "server.h"
#include "server_cookie.h"
#include "server_crowd.h"
#include "server_forwarded.h"
#include "server_limits.h"
#include "server_peers.h"
#include "server_rules.h"
#include "server_tls.h"

#include <libwebsockets.h>

#define HEAD_MAX           2048                /* bytes of an answer's status line and headers */
#define CHUNK_MAX          ((size_t)64 * 1024) /* bytes of an answer handed to lws at a time */
#define SCRATCH            (HEAD_MAX + CHUNK_MAX)
#define SWEEP_MS           1000 /* between looks at what has stalled */
#define COOKIE_MAX         256  /* bytes of a Set-Cookie */

#define AUTH_SESSION_MAX_S (30 * 24 * 3600) /* the browser forgets when llamad does: auth_sessions.h */

struct server {
    struct loop *loop;
    struct cache *cache;
    struct api *api;
    char *instance, *machine, *public_url; /* owned */
    char **hosts;                          /* owned; rules.host_count of them */
    struct rules rules;                    /* borrows these */
    struct peer_network *proxies;          /* owned; proxy_count of them: those that are trusted */
    size_t proxy_count;
    char public_path[COOKIE_PATH_MAX + 1]; /* of public_url; "/" */
    struct assets *assets;
    struct auth *auth;
    struct server_peers *peers;
    struct server_crowd *crowd;
    struct server_tls *tls; /* NULL = plain HTTP, as the next */
    struct file_watch *tls_watch;
    struct live *live;
    struct lws_context *context;
    struct lws_vhost *vhost;
    int listen_fd; /* -1 = none */
    struct loop_io *listener;
    struct loop_after *work;  /* of the API, a portion a turn */
    struct loop_timer *sweep; /* once a second while there are connections or bodies */
    uint16_t port;
    uint32_t connections, max_connections;
    struct exchange
        *blocked;  /* those that wait: for their client to read or to send a body, or for the API */
    uint32_t busy; /* answers under way */
    bool paused;   /* not accepting: full, or out of descriptors */
    bool stopping;
    struct server_stats stats;
    char date[40]; /* of the last answer, and its second */
    int64_t date_s;
    unsigned char scratch[LWS_PRE + SCRATCH]; /* lws writes in front of what it is given */
};

/* What is kept of a connection from its beginning to its end, beside lws's own: its opaque user data. */
struct connection {
    struct crowd_member *member; /* NULL = not counted */
    struct peer peer;
    int64_t opened_ms; /* monotonic */
    bool asked;        /* a request has come */
};

enum exchange_state {
    EXCHANGE_NONE,
    EXCHANGE_BODY_AWAITED,
    EXCHANGE_ANSWER_AWAITED, /* the API will have it later */
    EXCHANGE_ANSWER_READY,   /* to be sent when lws calls */
    EXCHANGE_SENDING,
    EXCHANGE_SENT
};

/* The memory of a connection that lws gives us: one request and its answer, or one live session. */
struct exchange {
    enum exchange_state state;
    struct api_response response;
    struct api_wait *wait;    /* for the response; NULL = it is there */
    struct auth_login *login; /* likewise: the response is what becomes of it */
    struct auth_who who;      /* who logs in, before that, and how; of a login alone */
    struct peer peer;
    struct cookie_form form;
    char cookie[COOKIE_MAX]; /* the value of Set-Cookie; "" = none */
    size_t sent;             /* of the body */
    bool head;               /* answered without its body */
    bool close;              /* the connection ends with this answer */
    bool has_body; /* the request has one, or may have: content of its own, or a POST of unknown length */
    bool keep_alive_1_0;
    struct lws *wsi;
    struct exchange *next, *prev; /* of server.blocked */
    int64_t blocked_ms;           /* monotonic; since the last progress. 0 = not in the list */
    struct live_session session;
};

/* What was read of a request's head, in the memory of this struct and its buffers. Zeroed before
 * server_read_request. */
struct request {
    struct rules_request rules;
    struct buf path; /* decoded, terminated */
    struct buf encoded_path, query;
    char host[300], origin[300], content_length[32], fetch_site[32], connection[32], version[16];
    char if_none_match[1024], authorization[1024], cookie[4096], accept_encoding[256];
    bool http_1_0;
    struct peer peer;        /* who sent it, as far as our proxies tell */
    bool https;              /* so the browser sees it */
    const char *api_path;    /* encoded, without the prefix under which a proxy shows us */
    struct cookie_form form; /* of the session's cookie */
    struct auth_who who;     /* by server_identify */
};

/* server_request.c. False without memory; finish in any case. */
bool server_read_request(struct server *server, struct lws *wsi, struct request *request);
void server_finish_request(struct request *request);

/* server_lws.c. 0, or -errno with *ret_error. */
int server_start_lws(struct server *server, const struct server_options *options, const char **ret_error);
void server_stop_lws(struct server *server); /* may run the loop */

/* server_auth.c. */
/* Fills request->who. False with the answer if what it says of itself is wrong. */
bool server_identify(struct server *server, struct request *request, struct api_response *response);
/* May that one ask for this? False with the answer. */
bool server_permits(struct server *server, const struct request *request, struct api_response *response);
bool server_is_session(const struct request *request);
/* Answers /api/session, or has exchange->login answer later. */
void server_session(struct server *server, struct exchange *exchange, const struct request *request);
/* Logs a refusal: once a minute for each source and reason, which is static. */
void server_say(struct server *server, const struct peer *peer, const char *reason);

/* server_answer.c. Those that return int: 0, or -1 to close the connection. The exchange's memory may be gone
 * afterwards. */
extern const struct lws_protocol_vhost_options server_security_headers; /* a list; for lws's own answers */
int server_start_sending(struct server *server, struct lws *wsi, struct exchange *exchange);
/* Writes what the socket takes. `used` bytes of head stand in the scratch memory. */
int server_send_some(struct server *server, struct lws *wsi, struct exchange *exchange, size_t used);
/* All was handed to lws. */
int server_finish_exchange(struct server *server, struct lws *wsi, struct exchange *exchange);
void server_clear_exchange(struct server *server, struct exchange *exchange);
/* The whole answer at once, before there is an exchange: 1, or -1. Drops the body. */
int server_answer_whole(struct server *server, struct lws *wsi, struct exchange *exchange);
/* The answer waits for the request's body. */
void server_await_body(struct server *server, struct lws *wsi, struct exchange *exchange);
/* The answer comes later. */
void server_await_answer(struct server *server, struct lws *wsi, struct exchange *exchange);
/* It is there: lws is to call. */
void server_answer_is_ready(struct exchange *exchange);
/* Sends it. */
int server_send_awaited(struct server *server, struct lws *wsi, struct exchange *exchange);
/* Nothing is awaited any more: all get a 503. */
void server_end_waits(struct server *server);
/* Once a second: ends answers that would keep the loop spinning, and requests whose body takes too long. */
void server_sweep_answers(struct server *server);

/* The protocol of our one vhost. */
int server_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len);
/* server_accept.c. Stops accepting when full, or goes on; takes what has come; a connection came or went. */
void server_watch_listener(struct server *server);
void server_on_listener(void *user, unsigned events);
void server_connection_opened(struct server *server);
void server_connection_closed(struct server *server, struct connection *connection);

#endif
