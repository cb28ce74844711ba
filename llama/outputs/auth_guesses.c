#include "auth_guesses.h"

#include <stdlib.h>
#include <string.h>

struct count {
    unsigned failures;
    int64_t until_ms;
    int64_t heard_ms; /* 0 = unused */
};

struct source {
    struct count count;
    enum guesses_kind kind;
    struct peer peer;
};

struct name {
    struct count count;
    char name[AUTH_NAME_MAX + 1];
    struct peer good[GUESSES_GOOD_PER_NAME]; /* sources of logins, the newest first */
    unsigned good_count;
};

struct guesses {
    struct source sources[GUESSES_SOURCES];
    struct name names[GUESSES_NAMES];
};

struct guesses *guesses_create(void)
{
    return calloc(1, sizeof(struct guesses));
}

void guesses_destroy(struct guesses *guesses)
{
    free(guesses);
}

/* ---- one count ---- */

static void refresh(struct count *count, int64_t now_ms)
{
    int64_t from_ms = count->until_ms > count->heard_ms ? count->until_ms : count->heard_ms;
    if (now_ms - from_ms > GUESSES_FORGET_MS) {
        count->failures = 0;
        count->until_ms = 0;
    }
}

static unsigned wait_of(struct count *count, int64_t now_ms)
{
    refresh(count, now_ms);
    return count->until_ms > now_ms ? (unsigned)((count->until_ms - now_ms + 999) / 1000) : 0;
}

static void fail(struct count *count, unsigned free_of_charge, unsigned most_s, int64_t now_ms)
{
    count->heard_ms = now_ms;
    count->failures++;
    if (count->failures > free_of_charge) {
        unsigned doublings = count->failures - free_of_charge - 1;
        unsigned wait_s = doublings < 16 ? 1u << doublings : most_s;
        count->until_ms = now_ms + 1000 * (int64_t)(wait_s < most_s ? wait_s : most_s);
    }
}

static void unfail(struct count *count)
{
    if (count->failures > 0) {
        count->failures--;
        count->until_ms = 0;
    }
}

/* ---- the tables ---- */

static struct source *find_source(struct guesses *guesses, enum guesses_kind kind, const struct peer *peer)
{
    struct peer wanted = peer_source(peer);
    for (size_t i = 0; i < GUESSES_SOURCES; i++) {
        struct source *source = &guesses->sources[i];
        if (source->count.heard_ms && source->kind == kind && peer_equal(&source->peer, &wanted)) {
            return source;
        }
    }
    return NULL;
}

/* In the place of the longest unheard. */
static struct source *new_source(struct guesses *guesses, enum guesses_kind kind, const struct peer *peer)
{
    struct source *source = guesses->sources;
    for (size_t i = 1; i < GUESSES_SOURCES && source->count.heard_ms; i++) {
        if (guesses->sources[i].count.heard_ms < source->count.heard_ms) {
            source = &guesses->sources[i];
        }
    }
    *source = (struct source){.kind = kind, .peer = peer_source(peer)};
    return source;
}

static struct name *find_name(struct guesses *guesses, const char *text)
{
    for (size_t i = 0; text && i < GUESSES_NAMES; i++) {
        struct name *name = &guesses->names[i];
        if (name->count.heard_ms && strcmp(name->name, text) == 0) {
            return name;
        }
    }
    return NULL;
}

/* Those that somebody has logged in under stay: they are names of users, and fewer than there is room for. */
static struct name *new_name(struct guesses *guesses, const char *text)
{
    struct name *oldest = NULL;
    for (size_t i = 0; i < GUESSES_NAMES; i++) {
        struct name *name = &guesses->names[i];
        if (name->good_count == 0 && (!oldest || name->count.heard_ms < oldest->count.heard_ms)) {
            oldest = name;
        }
    }
    if (!oldest) {
        oldest = guesses->names; /* users came and went: any one will do */
    }
    *oldest = (struct name){.count = {.heard_ms = 0}};
    memcpy(oldest->name, text, strnlen(text, AUTH_NAME_MAX));
    return oldest;
}

static bool is_good(const struct name *name, const struct peer *peer)
{
    struct peer source = peer_source(peer);
    for (unsigned i = 0; i < name->good_count; i++) {
        if (peer_equal(&name->good[i], &source)) {
            return true;
        }
    }
    return false;
}

static void add_good(struct name *name, const struct peer *peer)
{
    if (is_good(name, peer)) {
        return;
    }
    memmove(name->good + 1, name->good, (GUESSES_GOOD_PER_NAME - 1) * sizeof *name->good);
    name->good[0] = peer_source(peer);
    name->good_count += name->good_count < GUESSES_GOOD_PER_NAME;
}

/* ---- interface ---- */

unsigned guesses_begin(struct guesses *guesses, enum guesses_kind kind, const struct peer *peer,
                       const char *name, int64_t now_ms)
{
    struct source *source = find_source(guesses, kind, peer);
    struct name *user = find_name(guesses, name);
    unsigned wait_s = source ? wait_of(&source->count, now_ms) : 0;
    bool known = user && is_good(user, peer);
    if (wait_s == 0 && user && !known) {
        wait_s = wait_of(&user->count, now_ms);
    }
    if (wait_s > 0) {
        return wait_s;
    }
    source = source ? source : new_source(guesses, kind, peer);
    fail(&source->count, GUESSES_FREE_SOURCE, GUESSES_MAX_SOURCE_S, now_ms);
    if (name && !known) {
        user = user ? user : new_name(guesses, name);
        fail(&user->count, GUESSES_FREE_NAME, GUESSES_MAX_NAME_S, now_ms);
    }
    return 0;
}

void guesses_right(struct guesses *guesses, enum guesses_kind kind, const struct peer *peer, const char *name,
                   int64_t now_ms)
{
    struct source *source = find_source(guesses, kind, peer);
    if (source) {
        *source = (struct source){.count = {.heard_ms = 0}};
    }
    struct name *user = find_name(guesses, name);
    if (name && !user) {
        user = new_name(guesses, name);
    }
    if (user) {
        if (!is_good(user, peer)) {
            unfail(&user->count); /* what others did goes on counting, for them */
        }
        user->count.heard_ms = now_ms;
        add_good(user, peer);
    }
}

void guesses_void(struct guesses *guesses, enum guesses_kind kind, const struct peer *peer, const char *name)
{
    struct source *source = find_source(guesses, kind, peer);
    struct name *user = find_name(guesses, name);
    if (source) {
        unfail(&source->count);
    }
    if (user && !is_good(user, peer)) {
        unfail(&user->count);
    }
}
