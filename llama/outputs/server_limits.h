/*
 * server_limits: what a client of the HTTP server may ask of it; shown in /api/health.
 */
#ifndef SERVER_LIMITS_H
#define SERVER_LIMITS_H

#define LIMIT_URL         8192  /* bytes of path and query, decoded */
#define LIMIT_HEADERS     16384 /* bytes of a request's line and headers, as libwebsockets keeps them */
#define LIMIT_BODY        65536 /* bytes of a request's body; no request needs one */
#define LIMIT_SESSIONS    4096  /* live sessions */
#define LIMIT_CONNECTIONS 8192  /* TCP connections, live sessions included, where RLIMIT_NOFILE allows */
#define LIMIT_MESSAGE     1024  /* bytes of a message from a live client, which has nothing to say */

#endif
