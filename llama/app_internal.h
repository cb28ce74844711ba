/*
 * app_internal: what the files of app share: its parts, and what these call.
 *
 *   app.c        from the start to the end; signals
 *   app_start.c  each part made from the configuration
 *   app_certs.c  the broker's certificate
 *   app_calls.c  what the parts want of each other
 */
#ifndef APP_INTERNAL_H
#define APP_INTERNAL_H

#include "announce.h"
#include "api.h"
#include "broker.h"
#include "config.h"
#include "discovery.h"
#include "home_assistant.h"
#include "ingest.h"
#include "journal.h"
#include "keeper.h"
#include "notify.h"
#include "poller.h"
#include "search.h"
#include "server.h"
#include "states.h"

#include <signal.h>

#define APP_SIGNALS      3
#define APP_INSTANCE_LEN 16 /* hex digits */

struct app {
    struct conf *conf;     /* of the start, owned: `config` borrows from it */
    struct conf *reloaded; /* the last one read since, owned; NULL = none */
    struct app_config config;
    struct loop *loop;
    struct notify *notify; /* NULL: no service manager listens */
    struct cache *cache;
    char *state_dir;         /* owned; NULL = there is none that may be written to */
    struct keeper *keeper;   /* NULL: nothing is kept over a restart */
    struct broker *broker;   /* NULL unless broker.run */
    char *broker_config_dir; /* owned, as above */
    struct {
        char *folder, *cert, *key; /* owned; NULL unless the broker that llamad runs needs them */
        struct loop_timer *timer;
    } certs;
    struct fetch *fetch;
    struct poller *poller;
    struct discovery *discovery; /* NULL unless cluster.discovery_method is mdns */
    struct ingest *ingest;
    struct announce *announce; /* NULL with cluster.publish: false, as the next */
    struct states *states;
    struct home_assistant *home_assistant;
    struct search *search;
    struct api *api;
    struct server *server;
    struct loop_timer *tick_timer;
    struct loop_timer *connect_timer;  /* the first connect */
    struct loop_timer *stop_timer;     /* shutdown: is everything said? */
    struct loop_timer *deadline_timer; /* shutdown: enough */
    struct loop_signal *signals[APP_SIGNALS];
    char instance[APP_INSTANCE_LEN + 1];
    char client_id[APP_INSTANCE_LEN + 8];
    struct journal journal;
    int64_t started_wall_ms;
    int64_t stop_until_ms; /* monotonic; 0 = not stopping */
    bool mqtt_stopped;
    bool broker_stopping;
    bool broker_stopped;
};

/* ---- app_start.c ---- */

/* Makes every part and connects. Half-started on error, which it has logged: a negative errno. */
int app_start(struct app *app);
/* As the configuration now has it; NULL without memory. */
struct home_assistant *app_make_home_assistant(struct app *app);

/* ---- app_certs.c ---- */

/* Sees to it that the broker's TLS has a certificate, now and from then on. 0, or -errno, logged. */
int app_certs_start(struct app *app);
void app_certs_finish(struct app *app);

/* ---- app.c; `user` is the app, here and below ---- */

void app_on_signal(void *user, int signal_number);
void app_on_stop_poll(void *user); /* is everything said? */
void app_on_deadline(void *user);

/* ---- app_calls.c ---- */

/* Something in the cache may have changed: tells every output. */
void app_changed(void *user);

void app_on_tick(void *user);
void app_on_connect(void *user); /* the first connect is due */

/* May the node be polled there? */
bool app_url_allowed(void *user, const char *url);

/* What ingest does not know: true if it was for somebody. */
bool app_on_message(void *user, const struct mqtt_message *message);

void app_on_state_published(void *user, const struct node *node);
bool app_on_node_gone(void *user, const char *name);
void app_repeat_state(void *user, const char *name);
void app_repeat_states(void *user);

/* What the API asks for: see struct api_actions. */
int app_refresh(void *user, struct node *node);
int app_forget(void *user, struct node *node);
int app_search(void *user, const struct question *question, search_done_fn *done, void *done_user,
               struct search_wait **ret_wait, struct findings **ret_findings, unsigned *ret_retry_after_s);
void app_search_cancel(void *user, struct search_wait *wait);
void app_write_health(void *user, struct buf *out);
void app_write_metrics(void *user, struct buf *out);

#endif
