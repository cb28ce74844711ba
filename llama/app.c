#include "app.h"

#include "announce.h"
#include "broker.h"
#include "config.h"
#include "discovery.h"
#include "folders.h"
#include "home_assistant.h"
#include "ingest.h"
#include "journal.h"
#include "keeper.h"
#include "log.h"
#include "poller.h"
#include "reload.h"
#include "search.h"
#include "server.h"
#include "states.h"
#include "status.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define TICK_MS     250
#define KEEPALIVE_S 30
/* Of the broker that llamad runs: on this machine, so one that hangs is noticed sooner. */
#define OWN_KEEPALIVE_S 10
#define OWN_CONNACK_MS  5000
#define OWN_START_MS    150  /* what the broker that llamad runs needs until it listens */
#define OWN_BACKOFF_MS  200  /* between tries to reach the broker that llamad runs itself */
#define BACKOFF_MAX_MS  5000 /* the longest wait for any broker: there is one llamad, and all wait for it */
/* Shutdown, 2 s in all: goodbyes to broker and browsers, then the child. */
#define GOODBYE_MS     800
#define BROKER_STOP_MS 800
#define SHUTDOWN_MS    1850
#define STOP_POLL_MS   10
#define SIGNALS        3
#define INSTANCE_LEN   16 /* hex digits */

struct app {
    struct conf *conf;     /* of the start, owned: `config` borrows from it */
    struct conf *reloaded; /* the last one read since, owned; NULL = none */
    struct app_config config;
    struct loop *loop;
    struct cache *cache;
    char *state_dir;       /* owned; NULL = there is none that may be written to */
    struct keeper *keeper; /* NULL: nothing is kept over a restart */
    struct broker *broker; /* NULL unless broker.run */
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
    struct loop_signal *signals[SIGNALS];
    char instance[INSTANCE_LEN + 1];
    char client_id[INSTANCE_LEN + 8];
    struct journal journal;
    int64_t started_wall_ms;
    int64_t stop_until_ms; /* monotonic; 0 = not stopping */
    bool mqtt_stopped;
    bool broker_stopping;
    bool broker_stopped;
};

/* --- changes --- */

static void changed(void *user)
{
    struct app *app = user;
    struct now now = clock_now();
    journal_write(&app->journal, app->cache, now);
    keeper_changed(app->keeper, now);
    announce_changed(app->announce);
    states_changed(app->states);
    home_assistant_tick(app->home_assistant);
    if (app->server) {
        server_changed(app->server);
    }
}

static void on_tick(void *user)
{
    struct app *app = user;
    cache_tick(app->cache, clock_now());
    if (app->broker) {
        broker_check(app->broker, mqtt_stats(ingest_mqtt(app->ingest))->unanswered);
    }
    changed(app);
}

static void on_connect(void *user)
{
    struct app *app = user;
    ingest_start(app->ingest);
}

static bool url_allowed(void *user, const char *url)
{
    const struct app *app = user;
    return poller_url_allowed(app->poller, url);
}

static bool on_message(void *user, const struct mqtt_message *message)
{
    struct app *app = user;
    return states_message(app->states, message) || home_assistant_message(app->home_assistant, message);
}

static void on_state_published(void *user, const struct node *node)
{
    struct app *app = user;
    home_assistant_node(app->home_assistant, node);
}

static void on_node_gone(void *user, const char *name)
{
    struct app *app = user;
    home_assistant_gone(app->home_assistant, name);
}

static void repeat_state(void *user, const char *name)
{
    struct app *app = user;
    states_repeat(app->states, name);
}

static void repeat_states(void *user)
{
    struct app *app = user;
    states_repeat_all(app->states);
}

/* --- what the API asks for --- */

static int action_refresh(void *user, struct node *node)
{
    struct app *app = user;
    if (node->evidence.agent.ever && mqtt_is_up(ingest_mqtt(app->ingest)) &&
        !cache_wants_poll(app->cache, node, clock_now())) {
        return ingest_refresh(app->ingest, node->name);
    }
    return poller_poke(app->poller, node);
}

/* What is retained at the broker would bring the node back, so it goes first. */
static int action_forget(void *user, struct node *node)
{
    struct app *app = user;
    if (node->manual_url[0]) {
        return -EBUSY;
    }
    if (node->evidence.agent.ever) {
        int e = ingest_clear(app->ingest, node->name);
        if (e != 0) {
            return e;
        }
    }
    char name[LOG_TEXT];
    log_escape(name, sizeof name, node->name, strlen(node->name));
    int e = cache_forget(app->cache, node);
    if (e == 0) {
        log_info("node %s: to be forgotten, on request", name);
        keeper_forgot(app->keeper);
    }
    changed(app);
    return e;
}

static int action_search(void *user, const struct question *question, search_done_fn *done, void *done_user,
                         struct search_wait **ret_wait, struct findings **ret_findings,
                         unsigned *ret_retry_after_s)
{
    struct app *app = user;
    return search_ask(app->search, question, done, done_user, ret_wait, ret_findings, ret_retry_after_s);
}

static void action_search_cancel(void *user, struct search_wait *wait)
{
    struct app *app = user;
    search_cancel(app->search, wait);
}

static struct status_parts parts_of(const struct app *app)
{
    return (struct status_parts){
        .cache = app->cache,
        .keeper = app->keeper,
        .ingest = app->ingest,
        .announce = app->announce,
        .states = app->states,
        .home_assistant = app->home_assistant,
        .poller = app->poller,
        .discovery = app->discovery,
        .server = app->server,
        .broker = app->broker,
        .host = app->config.mqtt.host,
        .port = app->config.mqtt.port,
        .loop = app->loop,
        .started_wall_ms = app->started_wall_ms,
    };
}

static void action_health(void *user, struct buf *out)
{
    const struct status_parts parts = parts_of(user);
    status_write_health(&parts, out);
}

static void action_metrics(void *user, struct buf *out)
{
    const struct status_parts parts = parts_of(user);
    status_write_metrics(&parts, out);
}

/* --- the end --- */

/* What is kept over a restart may take until the deadline; a slow disk holds up nobody else's goodbye. */
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
 * it. */
static void on_stop_poll(void *user)
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

static void on_deadline(void *user)
{
    struct app *app = user;
    loop_stop(app->loop);
}

static void begin_stop(struct app *app, int signal_number)
{
    log_info("llamad: ends on %s", signal_number == SIGTERM ? "SIGTERM" : "SIGINT");
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

static void on_hangup(struct app *app)
{
    const struct conf *before = app->reloaded ? app->reloaded : app->conf;
    struct conf *fresh = reload_read(app->cache, app->poller, app->conf, before);
    if (fresh) {
        conf_destroy(app->reloaded);
        app->reloaded = fresh;
        changed(app);
    }
}

static void on_signal(void *user, int signal_number)
{
    struct app *app = user;
    if (signal_number == SIGHUP) {
        if (app->stop_until_ms == 0) {
            on_hangup(app);
        }
    } else if (app->stop_until_ms == 0) {
        begin_stop(app, signal_number);
    } else {
        log_warning("llamad: ends at once, on a second signal");
        _exit(EXIT_FAILURE); /* the broker child ends with us, by its parent's death */
    }
}

/* --- the beginning --- */

static int make_instance(struct app *app)
{
    unsigned char random[INSTANCE_LEN / 2];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
        return -EIO;
    }
    for (size_t i = 0; i < sizeof random; i++) {
        snprintf(app->instance + 2 * i, 3, "%02x", random[i]);
    }
    snprintf(app->client_id, sizeof app->client_id, "llamad-%s", app->instance);
    return 0;
}

static int start_broker(struct app *app)
{
    if (!app->config.broker.run) {
        return 0;
    }
    char *config_dir = folders_broker_config_dir();
    if (!config_dir) {
        log_error(
            "llamad: broker-config was not found beside the program; LLAMAD_BROKER_CONFIG_DIR can name it");
        return -ENOENT;
    }
    const struct broker_options options = {
        .listen = app->config.broker.listen,
        .port = app->config.broker.port,
        .state_dir = app->state_dir,
        .config_dir = config_dir,
    };
    const char *error = "";
    app->broker = broker_create(app->loop, &options, &error);
    free(config_dir);
    if (!app->broker) {
        log_error("llamad: %s", error);
    }
    return app->broker ? 0 : -EIO;
}

static int start_poller(struct app *app)
{
    const struct poller_options options = {
        .interval_ms = config_poll_interval_ms(app->conf),
        .timeout_ms = app->config.poll.timeout_ms,
        .item_limit = app->config.poll.item_limit,
        .allow = app->config.poll.allow,
        .allow_count = app->config.poll.allow_count,
    };
    const char *error = "";
    app->fetch = fetch_create(app->loop);
    if (!app->fetch) {
        int e = -errno;
        log_error("llamad: cannot prepare HTTP requests: %s", strerror(-e));
        return e;
    }
    app->poller = poller_create(app->loop, app->cache, app->fetch, &options, changed, app, &error);
    if (!app->poller) {
        log_error("llamad: cluster.poll_allow: %s", error);
    }
    return app->poller ? 0 : -EINVAL;
}

static int start_discovery(struct app *app)
{
    const struct discovery_options options = {
        .service_type = app->config.discovery.service_type,
        .timeout_ms = app->config.poll.timeout_ms,
        .allow = app->config.poll.allow,
        .allow_count = app->config.poll.allow_count,
    };
    if (!app->config.discovery.mdns) {
        return 0;
    }
    app->discovery = discovery_create(app->loop, app->cache, app->fetch, &options, changed, app);
    if (!app->discovery) {
        log_error("llamad: out of memory");
    }
    return app->discovery ? 0 : -ENOMEM;
}

static int start_search(struct app *app)
{
    const struct search_options options = {
        .timeout_ms = app->config.poll.timeout_ms,
        .allow = app->config.poll.allow,
        .allow_count = app->config.poll.allow_count,
    };
    app->search = search_create(app->loop, app->cache, app->fetch, &options);
    if (!app->search) {
        log_error("llamad: out of memory");
    }
    return app->search ? 0 : -ENOMEM;
}

static int start_ingest(struct app *app)
{
    const struct mqtt_options options = {
        .host = app->config.mqtt.host,
        .port = app->config.mqtt.port,
        .client_id = app->client_id,
        .client_id_is_unique = true,
        .username = app->config.mqtt.username,
        .password = app->config.mqtt.password,
        .tls_ca = app->config.mqtt.tls_ca,
        .tls_cert = app->config.mqtt.tls_cert,
        .tls_key = app->config.mqtt.tls_key,
        .keepalive_s = app->config.broker.run ? OWN_KEEPALIVE_S : KEEPALIVE_S,
        .connack_timeout_ms = app->config.broker.run ? OWN_CONNACK_MS : 0,
        .min_backoff_ms = app->config.broker.run ? OWN_BACKOFF_MS : 0,
        .max_backoff_ms = BACKOFF_MAX_MS,
    };
    const struct ingest_callbacks callbacks = {
        .changed = changed, .url_allowed = url_allowed, .other = on_message, .user = app};
    const char *error = "";
    app->ingest =
        ingest_create(app->loop, app->cache, app->config.mqtt.base_topic, &options, &callbacks, &error);
    if (!app->ingest) {
        log_error("llamad: MQTT: %s", error ? error : strerror(errno));
    }
    return app->ingest ? 0 : -EIO;
}

/* Where people reach the dashboard, as far as the configuration tells. */
static void dashboard_url(const struct app *app, char *url, size_t size)
{
    const char *listen = app->config.http.listen;
    bool everywhere = strcmp(listen, "0.0.0.0") == 0 || strcmp(listen, "::") == 0;
    bool v6 = strchr(listen, ':') != NULL;
    if (app->config.http.public_url) {
        snprintf(url, size, "%s", app->config.http.public_url);
    } else if (!everywhere) {
        snprintf(url, size, "http://%s%s%s:%u/", v6 ? "[" : "", listen, v6 ? "]" : "", app->config.http.port);
    }
}

static int start_states(struct app *app)
{
    char broker[256], url[256] = "";
    snprintf(broker, sizeof broker, "%s:%u", app->config.mqtt.host, app->config.mqtt.port);
    dashboard_url(app, url, sizeof url);
    const struct home_assistant_options options = {
        .enabled = app->config.home_assistant.enabled,
        .prefix = app->config.home_assistant.prefix,
        .base_topic = app->config.mqtt.base_topic,
        .version = PROJECT_VERSION,
        .url = url,
        .repeat = repeat_state,
        .repeat_all = repeat_states,
        .user = app,
    };
    const struct states_watch watch = {.published = on_state_published, .gone = on_node_gone, .user = app};
    struct mqtt *mqtt = ingest_mqtt(app->ingest);
    app->home_assistant = home_assistant_create(app->loop, app->cache, mqtt, &options);
    app->states = states_create(app->loop, app->cache, mqtt, broker, PROJECT_VERSION, &watch);
    if (!app->home_assistant || !app->states) {
        log_error("llamad: out of memory");
        return -ENOMEM;
    }
    return 0;
}

/* After the events of earlier runs were put back: they were told then. */
static int start_announce(struct app *app)
{
    if (!app->config.publish) {
        return 0;
    }
    app->announce = announce_create(app->cache, ingest_mqtt(app->ingest));
    if (!app->announce) {
        log_error("llamad: out of memory");
        return -ENOMEM;
    }
    return start_states(app);
}

static int start_server(struct app *app)
{
    char *web_dir = folders_web_dir(); /* NULL: served without the dashboard, which says so */
    const struct server_options options = {
        .listen = app->config.http.listen,
        .port = app->config.http.port,
        .hosts = app->config.http.hosts,
        .host_count = app->config.http.host_count,
        .public_url = app->config.http.public_url,
        .web_dir = web_dir,
    };
    const struct api_actions actions = {
        .refresh = action_refresh,
        .forget = action_forget,
        .health = action_health,
        .metrics = action_metrics,
        .search = action_search,
        .search_cancel = action_search_cancel,
        .user = app,
    };
    const char *error = "";
    app->api = api_create(app->cache, app->instance, PROJECT_VERSION, &actions, clock_now());
    if (!app->api) {
        log_error("llamad: out of memory");
        free(web_dir);
        return -ENOMEM;
    }
    app->server = server_create(app->loop, &options, app->cache, app->api, app->instance, &error);
    free(web_dir);
    if (!app->server) {
        log_error("llamad: %s", error);
    }
    return app->server ? 0 : -EIO;
}

static int start_timers(struct app *app)
{
    static const int numbers[SIGNALS] = {SIGTERM, SIGINT, SIGHUP};
    app->tick_timer = loop_timer_create(app->loop, on_tick, app);
    app->connect_timer = loop_timer_create(app->loop, on_connect, app);
    app->stop_timer = loop_timer_create(app->loop, on_stop_poll, app);
    app->deadline_timer = loop_timer_create(app->loop, on_deadline, app);
    bool all = app->tick_timer && app->connect_timer && app->stop_timer && app->deadline_timer;
    for (size_t i = 0; i < SIGNALS; i++) {
        app->signals[i] = loop_signal_create(app->loop, numbers[i], on_signal, app);
        all = all && app->signals[i];
    }
    if (!all) {
        log_error("llamad: out of memory");
        return -ENOMEM;
    }
    loop_timer_start(app->tick_timer, TICK_MS, TICK_MS);
    return 0;
}

static void log_start(const struct app *app)
{
    const char *listen = app->config.http.listen;
    bool v6 = strchr(listen, ':') != NULL;
    log_info("llamad %s started: http://%s%s%s:%u/, broker %s:%u%s, instance %s", PROJECT_VERSION,
             v6 ? "[" : "", listen, v6 ? "]" : "", server_port(app->server), app->config.mqtt.host,
             app->config.mqtt.port, app->config.broker.run ? " (run by llamad)" : "", app->instance);
    if (app->config.http.open_to_all) {
        log_warning("http.allow_anonymous: everybody who reaches %s may read everything and forget nodes",
                    listen);
    }
    if (app->discovery) {
        log_info("mdns: looking for %s nodes on the local network", app->config.discovery.service_type);
    }
}

static void start_keeper(struct app *app)
{
    if (app->state_dir) {
        app->keeper = keeper_create(app->loop, app->cache, app->state_dir);
        app->journal.event = events_last_id(cache_events(app->cache)); /* logged when they happened */
    }
}

/* The port first: a second llamad must not start a broker before it finds that out. */
static int start(struct app *app)
{
    int e = make_instance(app);
    if (e == 0 && !(app->loop = loop_create())) {
        e = -errno;
    }
    if (e == 0 && !(app->cache = cache_create(clock_now()))) {
        e = -ENOMEM;
    }
    if (e != 0) {
        log_error("llamad: %s", strerror(-e));
        return e;
    }
    e = start_timers(app);
    start_keeper(app);
    e = e ? e : start_poller(app);
    e = e ? e : start_search(app);
    e = e ? e : start_ingest(app);
    e = e ? e : start_announce(app);
    e = e ? e : start_server(app);
    e = e ? e : start_broker(app);
    if (e != 0) {
        return e;
    }
    reload_apply(app->cache, app->poller, NULL, app->conf);
    keeper_restore_nodes(app->keeper, url_allowed, app);
    e = start_discovery(app); /* after the manual nodes: whom it finds may be one of them */
    if (e != 0) {
        return e;
    }
    log_start(app);
    loop_timer_start(app->connect_timer, app->broker ? OWN_START_MS : 0, 0);
    return 0;
}

/* Accepts a half-started app. True if nothing was left behind on a worker. */
static bool finish(struct app *app)
{
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
    for (size_t i = 0; i < SIGNALS; i++) {
        loop_signal_destroy(app->signals[i]);
    }
    loop_timer_destroy(app->tick_timer);
    loop_timer_destroy(app->connect_timer);
    loop_timer_destroy(app->stop_timer);
    loop_timer_destroy(app->deadline_timer);
    cache_destroy(app->cache);
    clean = clean && (!app->loop || loop_work_pending(app->loop) == 0);
    if (clean) {
        loop_destroy(app->loop);
    }
    config_finish(&app->config);
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
    if (start(&app) == 0) {
        loop_run(app.loop);
        log_info("llamad: ended");
    } else {
        end.status = EXIT_FAILURE;
    }
    end.hung = !finish(&app);
    return end;
}
