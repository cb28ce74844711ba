/*
 * place: where a node answers, and whether a URL leads somewhere else. Pure.
 *
 * Two machines may call themselves the same: a copied configuration, or Smollama's default name. What a node
 * announces of itself is compared with where llamad reached the other one.
 */
#ifndef PLACE_H
#define PLACE_H

#include <stdbool.h>
#include <stddef.h>

#define PLACES_MAX 1024 /* bytes of a list */

/*
 * Is `url` certainly not where a node is that is known by `own_url` and answered at `places`? Those are
 * addresses and ports, "10.0.0.2:8080 [fd00::2]:8080"; NULL = not known. False where it can't be told: no
 * URL, one with a host name, one that nobody else can use (loopback), or no places.
 */
bool place_is_elsewhere(const char *places, const char *own_url, const char *url);

/* Appends one to the list; false if there is no room. `address` is numeric. */
bool place_add(char places[PLACES_MAX], const char *address, unsigned port);

#endif
