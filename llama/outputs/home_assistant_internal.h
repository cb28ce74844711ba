/*
 * home_assistant_internal: what the files of home_assistant share.
 *
 *   home_assistant.c          who is to be announced, turns, connections
 *   home_assistant_publish.c  the messages
 *   home_assistant_heard.c    what the broker has, and Home Assistant says
 */
#ifndef HOME_ASSISTANT_INTERNAL_H
#define HOME_ASSISTANT_INTERNAL_H

#include "home_assistant.h"
#include "home_assistant_config.h"
#include "names.h"
#include "outlet.h"

/* A node's readings come one after the other; and so does what follows a removal. */
#define HA_DEBOUNCE_MS 2000
#define HA_READ_MS     1500 /* for the broker to send what it has */
#define HA_URL_SIZE    256

struct record {
    struct names_entry entry;     /* first; under its slug; in the list `waiting` until it is published */
    char name[NODE_NAME_MAX + 1]; /* of the node; "" = known only by what the broker had */
    uint64_t shape;               /* of the node, when it was last looked at */
    uint64_t sent;                /* hash of what the broker has; 0 = nothing, or not known */
    struct ha_components announced;
    int64_t due_ms, since_ms; /* monotonic: to be published then; waiting since */
    int64_t look_again_ms;    /* monotonic; its message changes then; 0 = not by time */
    bool gone;
    bool inherited; /* what is announced is an earlier run's */
    bool reborn;    /* to be published since Home Assistant has started */
};

struct home_assistant {
    const struct cache *cache;
    struct outlet outlet;
    struct loop_timer *timer;
    struct home_assistant_options options;
    char prefix[128], base_topic[BASE_TOPIC_MAX + 1], version[32], url[HA_URL_SIZE];
    struct ha_options config;
    struct names records;
    struct names_list waiting;
    size_t components; /* of all records */
    uint64_t connection;
    int64_t read_until_ms;        /* after a connect; 0 = all is read */
    int64_t orphans_ms, birth_ms; /* 0 = not due */
    size_t reborn;                /* so many records are */
    bool orphans_done, stopped, repeat_states;
    bool idles; /* the timer runs for what is due later */
    uint64_t llama_sent;
    struct buf text;
    struct home_assistant_stats stats;
    struct log_limit foreign_limit;
};

/* ---- home_assistant.c ---- */

/* To be published when nothing has changed for `delay_ms`, but not put off for ever. */
void home_assistant_schedule(struct home_assistant *ha, struct record *record, int64_t now_ms,
                             int64_t delay_ms);
/* Takes the list. */
void home_assistant_set_announced(struct home_assistant *ha, struct record *record,
                                  struct ha_components *components);

/* ---- home_assistant_publish.c; 0, or a negative errno: later ---- */

/* The first of `waiting`; it stays there when it has to wait. */
int home_assistant_publish_first(struct home_assistant *ha, int64_t now_ms);
int home_assistant_publish_llama(struct home_assistant *ha);

/* ---- home_assistant_heard.c ---- */

void home_assistant_subscribe(struct home_assistant *ha); /* at each connect */
/* What the broker had was read. */
void home_assistant_end_reading(struct home_assistant *ha);

#endif
