#include "app_internal.h"
#include "folders.h"
#include "log.h"
#include "reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define TICK_MS     250
#define KEEPALIVE_S 30
/* Of the broker that llamad runs: on this machine, so one that hangs is noticed sooner. */
#define OWN_KEEPALIVE_S 10
#define OWN_CONNACK_MS  5000
#define OWN_START_MS    150  /* what the broker that llamad runs needs until it listens */
#define OWN_BACKOFF_MS  200  /* between tries to reach the broker that llamad runs itself */
#define BACKOFF_MAX_MS  5000 /* the longest wait for any broker: there is one llamad, and all wait for it */

static int make_instance(struct app *app)
{
    unsigned char random[APP_INSTANCE_LEN / 2];
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
    app->broker_config_dir = folders_broker_config_dir();
    if (!app->broker_config_dir) {
        log_error(
            "llamad: broker-config was not found beside the program; LLAMAD_BROKER_CONFIG_DIR can name it");
        return -ENOENT;
    }
    if (app_certs_start(app) != 0) {
        return -EIO;
    }
    const struct broker_options options = {
        .listen = app->config.broker.listen,
        .port = app->config.broker.port,
        .tls_listen = app->config.broker.tls_listen,
        .tls_port = app->config.broker.tls_port,
        .tls_cert = app->config.broker.tls_cert,
        .tls_key = app->config.broker.tls_key,
        .client_ca = app->config.broker.client_ca,
        .acl_file = app->config.broker.acl_file,
        .base_topic = app->config.mqtt.base_topic,
        .ha_prefix = app->config.home_assistant.prefix,
        .state_dir = app->state_dir,
        .config_dir = app->broker_config_dir,
    };
    const char *error = "";
    app->broker = broker_create(app->loop, &options, &error);
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
    app->poller = poller_create(app->loop, app->cache, app->fetch, &options, app_changed, app, &error);
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
    app->discovery = discovery_create(app->loop, app->cache, app->fetch, &options, app_changed, app);
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
        .changed = app_changed, .url_allowed = app_url_allowed, .other = app_on_message, .user = app};
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
        snprintf(url, size, "http%s://%s%s%s:%u/", app->config.http.tls_cert ? "s" : "", v6 ? "[" : "",
                 listen, v6 ? "]" : "", app->config.http.port);
    }
}

struct home_assistant *app_make_home_assistant(struct app *app)
{
    char url[256] = "";
    dashboard_url(app, url, sizeof url);
    const struct home_assistant_options options = {
        .enabled = app->config.home_assistant.enabled,
        .prefix = app->config.home_assistant.prefix,
        .base_topic = app->config.mqtt.base_topic,
        .version = PROJECT_VERSION,
        .url = url,
        .repeat = app_repeat_state,
        .repeat_all = app_repeat_states,
        .user = app,
    };
    return home_assistant_create(app->loop, app->cache, ingest_mqtt(app->ingest), &options);
}

static int start_states(struct app *app)
{
    char broker[256];
    snprintf(broker, sizeof broker, "%s:%u", app->config.mqtt.host, app->config.mqtt.port);
    const struct states_watch watch = {
        .published = app_on_state_published, .gone = app_on_node_gone, .user = app};
    struct mqtt *mqtt = ingest_mqtt(app->ingest);
    app->home_assistant = app_make_home_assistant(app);
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
        .proxies = app->config.http.proxies,
        .proxy_count = app->config.http.proxy_count,
        .tls_cert = app->config.http.tls_cert,
        .tls_key = app->config.http.tls_key,
        .users_file = app->config.http.users_file,
        .tokens_file = app->config.http.tokens_file,
        .anonymous_reads = app->config.http.anonymous,
        .web_dir = web_dir,
    };
    const struct api_actions actions = {
        .refresh = app_refresh,
        .forget = app_forget,
        .health = app_write_health,
        .metrics = app_write_metrics,
        .search = app_search,
        .search_cancel = app_search_cancel,
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
    static const int numbers[APP_SIGNALS] = {SIGTERM, SIGINT, SIGHUP};
    app->tick_timer = loop_timer_create(app->loop, app_on_tick, app);
    app->connect_timer = loop_timer_create(app->loop, app_on_connect, app);
    app->stop_timer = loop_timer_create(app->loop, app_on_stop_poll, app);
    app->deadline_timer = loop_timer_create(app->loop, app_on_deadline, app);
    bool all = app->tick_timer && app->connect_timer && app->stop_timer && app->deadline_timer;
    for (size_t i = 0; i < APP_SIGNALS; i++) {
        app->signals[i] = loop_signal_create(app->loop, numbers[i], app_on_signal, app);
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
    log_info("llamad %s started: http%s://%s%s%s:%u/, broker %s:%u%s, instance %s", PROJECT_VERSION,
             app->config.http.tls_cert ? "s" : "", v6 ? "[" : "", listen, v6 ? "]" : "",
             server_port(app->server), app->config.mqtt.host, app->config.mqtt.port,
             app->config.broker.run ? " (run by llamad)" : "", app->instance);
    if (app->config.http.open_to_all) {
        bool logins = app->config.http.users_file || app->config.http.tokens_file;
        log_warning("http.allow_anonymous: everybody who reaches %s may read everything%s", listen,
                    logins ? "" : " and forget nodes");
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
int app_start(struct app *app)
{
    int e = make_instance(app);
    if (e == 0 && !(app->loop = loop_create())) {
        e = -errno;
    }
    e = e ? e : notify_create(app->loop, &app->notify);
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
    reload_apply(app, NULL, app->conf);
    keeper_restore_nodes(app->keeper, app_url_allowed, app);
    e = start_discovery(app); /* after the manual nodes: whom it finds may be one of them */
    if (e != 0) {
        return e;
    }
    log_start(app);
    notify_ready(app->notify); /* what serves does not wait for the broker */
    loop_timer_start(app->connect_timer, app->broker ? OWN_START_MS : 0, 0);
    return 0;
}
