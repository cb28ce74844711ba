#include "app.h"

#include "config.h"
#include "log.h"
#include "loop.h"
#include "notify.h"
#include "run.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SIGNALS 3
/* A SIGHUP waits so long for further ones, and for a SIGTERM behind it, which it would keep from saying
 * goodbye. */
#define RELOAD_MS 100

struct app {
    struct loop *loop;
    struct notify *notify; /* NULL: no service manager listens */
    /* They outlive the runs: a signal that nobody handles ends the program. */
    struct loop_signal *signals[SIGNALS];
    struct loop_timer *reload;
    struct conf *conf; /* of `run` */
    struct run *run;
    struct conf *next; /* what the next run gets; NULL = there is none */
    bool stopping;     /* there is no run, or it is being ended */
    bool quit;
};

/* --- the end of a run --- */

static void on_stopped(void *user)
{
    struct app *app = user;
    loop_stop(app->loop);
}

static void stop(struct app *app, bool say_offline)
{
    if (!app->stopping) {
        app->stopping = true;
        run_stop(app->run, say_offline, on_stopped, app);
    }
}

/* --- reload --- */

/* The new configuration, checked; NULL if it has errors, which are logged. */
static struct conf *load_again(const struct app *app)
{
    struct conf *conf = conf_reload(app->conf);
    if (!conf) {
        log_error("reload: %s", strerror(errno));
        return NULL;
    }
    config_check(conf);
    conf_log_problems(conf);
    if (conf_has_errors(conf)) {
        log_error("config: not taken over: what was read before stays in force");
        conf_destroy(conf);
        return NULL;
    }
    return conf;
}

/* The run keeps its session and its connection. Takes conf and config. */
static void go_on(struct app *app, struct conf *conf, struct config *config, bool changed)
{
    run_reconfigure(app->run, config);
    conf_destroy(app->conf); /* only now: the run borrowed from it */
    app->conf = conf;
    notify_ready(app->notify);
    log_info("config: read again%s", changed ? "" : "; no key of the agent's has changed");
}

static void on_reload(void *user)
{
    struct app *app = user;
    struct config next;
    if (app->stopping) { /* the next run's turn */
        loop_timer_start(app->reload, RELOAD_MS, 0);
        return;
    }
    struct conf *conf = load_again(app);
    if (!conf) {
        return;
    }
    int e = config_read(conf, &next);
    if (e) {
        log_error("reload: %s; going on as before", strerror(-e));
        conf_destroy(conf);
        return;
    }
    notify_reloading(app->notify);
    struct conf_changes changes = conf_log_changes(app->conf, app->conf, conf, CONF_AGENT);
    conf_apply_log(conf);
    if (!changes.reconnect && config_same_password(run_config(app->run), &next)) {
        go_on(app, conf, &next, changes.live);
        return;
    }
    log_info(
        "config: read again; starting anew with it"); /* and the manager hears when the next run has begun */
    app->next = conf;
    /* Who comes back under the same name in a moment was not away. */
    stop(app, !config_same_node(run_config(app->run), &next));
    config_finish(&next);
}

static void on_signal(void *user, int signal_number)
{
    struct app *app = user;
    if (signal_number == SIGHUP) {
        if (!loop_timer_active(app->reload)) {
            loop_timer_start(app->reload, RELOAD_MS, 0);
        }
        return;
    }
    if (!app->quit) {
        log_info("%s: stopping", signal_number == SIGTERM ? "SIGTERM" : "SIGINT");
    }
    app->quit = true;
    notify_stopping(app->notify);
    stop(app, true);
}

/* --- life --- */

static int start(struct app *app)
{
    static const int numbers[SIGNALS] = {SIGTERM, SIGINT, SIGHUP};
    app->loop = loop_create();
    if (!app->loop) {
        return -errno;
    }
    int e = notify_create(app->loop, &app->notify);
    if (e) {
        return e;
    }
    for (size_t i = 0; i < SIGNALS; i++) {
        app->signals[i] = loop_signal_create(app->loop, numbers[i], on_signal, app);
        if (!app->signals[i]) {
            return -errno;
        }
    }
    app->reload = loop_timer_create(app->loop, on_reload, app);
    return app->reload ? 0 : -ENOMEM;
}

/* One run from its start to its end, and then `conf` is the next one's. The exit status. */
static int run_once(struct app *app)
{
    app->run = run_create(app->loop, app->conf, app->notify);
    bool created = app->run;
    if (created) {
        app->stopping = false;
        run_start(app->run);
        notify_ready(app->notify); /* heartbeats wait for no broker, and the start does not either */
        loop_run(app->loop);
    }
    run_destroy(app->run);
    app->run = NULL;
    conf_destroy(app->conf);
    app->conf = app->next;
    app->next = NULL;
    return created ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* False if a worker hangs. */
static bool finish(struct app *app)
{
    bool idle = !app->loop || loop_work_pending(app->loop) == 0;
    conf_destroy(app->conf);
    loop_timer_destroy(app->reload);
    notify_destroy(app->notify);
    for (size_t i = 0; i < SIGNALS; i++) {
        loop_signal_destroy(app->signals[i]);
    }
    loop_destroy(app->loop);
    return idle;
}

struct app_end app_run(struct conf *conf)
{
    struct app app = {.conf = conf, .stopping = true};
    struct app_end end = {.status = EXIT_FAILURE};
    int e = start(&app);
    if (e) {
        log_error("no event loop: %s", strerror(-e));
    }
    while (e == 0 && app.conf && !app.quit) {
        end.status = run_once(&app);
    }
    end.hung = !finish(&app);
    return end;
}
