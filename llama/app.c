#include "app.h"

#include "app_internal.h"
#include "folders.h"
#include "log.h"
#include "reload.h"

#include <stdlib.h>
#include <unistd.h>

/* Shutdown, 2 s in all: goodbyes to broker and browsers, then the child. */
#define GOODBYE_MS     800
#define BROKER_STOP_MS 800
#define SHUTDOWN_MS    1850
#define STOP_POLL_MS   10

/* --- the end --- */

static void on_broker_stopped(void *user)
{
    struct app *app = user;
    app->broker_stopped = true;
}

static void on_mqtt_stopped(void *user)
{
    struct app *app = user;
    app->mqtt_stopped = true;
}

/* Browsers and broker first, so that both hear a goodbye; the broker child last, since that goodbye goes to
 * it. What is kept over a restart may take until the deadline; a slow disk holds up nobody else's goodbye. */
void app_on_stop_poll(void *user)
{
    struct app *app = user;
    bool said = app->mqtt_stopped && server_is_idle(app->server);
    if (!app->broker_stopping && (said || clock_now().mono_ms >= app->stop_until_ms)) {
        app->broker_stopping = true;
        if (app->broker) {
            broker_stop(app->broker, BROKER_STOP_MS, on_broker_stopped, app);
        } else {
            app->broker_stopped = true;
        }
    }
    if (app->broker_stopped && keeper_is_idle(app->keeper)) {
        loop_stop(app->loop);
    }
}

void app_on_deadline(void *user)
{
    struct app *app = user;
    loop_stop(app->loop);
}

static void begin_stop(struct app *app, int signal_number)
{
    log_info("llamad: ends on %s", signal_number == SIGTERM ? "SIGTERM" : "SIGINT");
    notify_stopping(app->notify);
    app->stop_until_ms = clock_now().mono_ms + GOODBYE_MS;
    loop_timer_stop(app->tick_timer);
    loop_timer_stop(app->connect_timer);
    loop_timer_start(app->deadline_timer, SHUTDOWN_MS, 0);
    loop_timer_start(app->stop_timer, STOP_POLL_MS, STOP_POLL_MS);
    server_stop(app->server);
    home_assistant_stop(app->home_assistant);
    states_stop(app->states);
    ingest_stop(app->ingest, GOODBYE_MS, on_mqtt_stopped, app);
    keeper_stop(app->keeper);
}

/* --- signals --- */

void app_on_signal(void *user, int signal_number)
{
    struct app *app = user;
    if (signal_number == SIGHUP) {
        if (app->stop_until_ms == 0) {
            notify_reloading(app->notify);
            reload(app);
            notify_ready(app->notify);
        }
    } else if (app->stop_until_ms == 0) {
        begin_stop(app, signal_number);
    } else {
        log_warning("llamad: ends at once, on a second signal");
        _exit(EXIT_FAILURE); /* the broker child ends with us, by its parent's death */
    }
}

/* Accepts a half-started app. True if nothing was left behind on a worker. */
static bool finish(struct app *app)
{
    /* First what calls the parts: some of them turn the loop once more on their way out. */
    for (size_t i = 0; i < APP_SIGNALS; i++) {
        loop_signal_destroy(app->signals[i]);
    }
    loop_timer_destroy(app->tick_timer);
    loop_timer_destroy(app->connect_timer);
    loop_timer_destroy(app->stop_timer);
    loop_timer_destroy(app->deadline_timer);
    app_certs_finish(app);
    announce_destroy(app->announce);
    app->announce = NULL;
    states_destroy(app->states);
    app->states = NULL;
    home_assistant_destroy(app->home_assistant);
    app->home_assistant = NULL;
    bool clean = ingest_destroy(app->ingest);
    server_destroy(app->server);
    api_destroy(app->api);
    search_destroy(app->search);
    discovery_destroy(app->discovery);
    poller_destroy(app->poller);
    fetch_destroy(app->fetch);
    broker_destroy(app->broker);
    keeper_destroy(app->keeper);
    notify_destroy(app->notify);
    cache_destroy(app->cache);
    clean = clean && (!app->loop || loop_work_pending(app->loop) == 0);
    if (clean) {
        loop_destroy(app->loop);
    }
    config_finish(&app->config);
    free(app->broker_config_dir);
    free(app->state_dir);
    conf_destroy(app->reloaded);
    conf_destroy(app->conf);
    return clean;
}

/* Without a folder for state llamad runs all the same, unless its broker needs it. */
static int find_state_dir(struct app *app)
{
    int e = folders_state_dir(app->conf, &app->state_dir);
    if (e != 0 && app->config.broker.run) {
        log_error("llamad: broker.run needs a folder for state");
        return e;
    }
    if (e != 0) {
        log_warning("llamad: nothing is kept over a restart, for want of a folder for state");
    }
    return 0;
}

struct app_end app_run(struct conf *conf)
{
    struct app app = {.conf = conf, .started_wall_ms = clock_now().wall_ms};
    struct app_end end = {.status = EXIT_SUCCESS};
    if (config_read(conf, &app.config) != 0) {
        conf_destroy(conf);
        return (struct app_end){.status = 78};
    }
    if (find_state_dir(&app) != 0) {
        config_finish(&app.config);
        conf_destroy(conf);
        return (struct app_end){.status = 78};
    }
    if (app_start(&app) == 0) {
        loop_run(app.loop);
        log_info("llamad: ended");
    } else {
        end.status = EXIT_FAILURE;
    }
    end.hung = !finish(&app);
    return end;
}
