/*
 * allow: which addresses llamad may connect to on somebody else's word (`cluster.poll_allow`). Pure.
 *
 * Nodes announce URLs themselves; without this list, whoever may publish could make llamad ask any server
 * that it reaches. Loopback, link-local, multicast and unspecified addresses pass only if an entry lies
 * within those ranges: 0.0.0.0/0 does not open 127.0.0.1.
 */
#ifndef ALLOW_H
#define ALLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct allow;

/* `cidrs` are "192.168.0.0/16", "fd00::/8", or single addresses; count 0 allows nothing. NULL = RFC 1918,
 * 100.64.0.0/10, fc00::/7. NULL is returned with *ret_bad (borrowed from cidrs; NULL if memory ran out) for
 * one that is none. */
struct allow *allow_create(const char *const *cidrs, size_t count, const char **ret_bad);
/* Puts another list in its place. 0; -EINVAL or -ENOMEM, after which the old one stands. */
int allow_replace(struct allow **allow, const char *const *cidrs, size_t count);
void allow_destroy(struct allow *allow);
/* IPv4 addresses mapped into IPv6 are judged as IPv4. */
bool allow_address(const struct allow *allow, const struct sockaddr *address);
/* As far as the text tells: http or https, no user name in it, no query or fragment, and a numeric host is in
 * the list. Names pass: what they resolve to is for allow_address when connecting. */
bool allow_url(const struct allow *allow, const char *url);

#endif
