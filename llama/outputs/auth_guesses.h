/*
 * auth_guesses: how soon somebody may try again who was wrong. Pure.
 *
 * Failures count against their source, and those of passwords against the user's name as well, whether there
 * is such a user or not. After some that cost nothing, each one doubles the time until the next try. An
 * attempt counts as failed from its beginning until it turns out right, so that many at once are no way
 * round. A source from which a user has logged in is not held up by what others do to that user's name. Wrong
 * tokens and wrong passwords are counted apart: a forgotten script does not keep its machine's people from
 * logging in. What is remembered is bounded; the longest unheard is forgotten first.
 */
#ifndef AUTH_GUESSES_H
#define AUTH_GUESSES_H

#include "auth_scope.h"
#include "peer.h"

#define GUESSES_SOURCES       1024
#define GUESSES_NAMES         512
#define GUESSES_FREE_SOURCE   5
#define GUESSES_FREE_NAME     10
#define GUESSES_MAX_SOURCE_S  300
#define GUESSES_MAX_NAME_S    60
#define GUESSES_FORGET_MS     (INT64_C(15) * 60 * 1000) /* after the end of the wait */
#define GUESSES_GOOD_PER_NAME 4

enum guesses_kind { GUESSES_PASSWORD, GUESSES_TOKEN };

struct guesses;
struct guesses *guesses_create(void); /* NULL without memory */
void guesses_destroy(struct guesses *guesses);

/* May it be tried now? 0: yes, and it counts. Else: the seconds to wait; then it does not. `name` is NULL for
 * a token. */
unsigned guesses_begin(struct guesses *guesses, enum guesses_kind kind, const struct peer *peer,
                       const char *name, int64_t now_ms);
/* It was right after all. */
void guesses_right(struct guesses *guesses, enum guesses_kind kind, const struct peer *peer, const char *name,
                   int64_t now_ms);
/* It was never looked at. */
void guesses_void(struct guesses *guesses, enum guesses_kind kind, const struct peer *peer, const char *name);

#endif
