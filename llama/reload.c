#include "reload.h"

#include "config.h"
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- manual nodes --- */

static const char *node_name(const struct conf *conf, size_t i)
{
    return conf_list_get(conf, "cluster.manual_nodes", i, "name");
}

static bool lists_node(const struct conf *conf, const char *name)
{
    for (size_t i = 0; i < conf_list_len(conf, "cluster.manual_nodes"); i++) {
        if (strcmp(node_name(conf, i), name) == 0) {
            return true;
        }
    }
    return false;
}

static void drop_nodes(struct cache *cache, const struct conf *before, const struct conf *conf)
{
    size_t count = before ? conf_list_len(before, "cluster.manual_nodes") : 0;
    for (size_t i = 0; i < count; i++) {
        const char *name = node_name(before, i);
        if (!lists_node(conf, name)) {
            char escaped[LOG_TEXT];
            bool stays = cache_drop_manual(cache, name, clock_now());
            log_info("config: cluster.manual_nodes: %s was removed%s",
                     log_escape(escaped, sizeof escaped, name, strlen(name)),
                     stays ? "; it stays, since it is heard otherwise" : "");
        }
    }
}

static void add_nodes(struct cache *cache, const struct conf *conf)
{
    size_t count = conf_list_len(conf, "cluster.manual_nodes");
    for (size_t i = 0; i < count; i++) {
        const char *name = node_name(conf, i);
        const char *url = conf_list_get(conf, "cluster.manual_nodes", i, "url");
        int e = cache_add_manual(cache, name, url, clock_now());
        if (e != 0) {
            char escaped[LOG_TEXT];
            log_error("config: cluster.manual_nodes: cannot add %s: %s",
                      log_escape(escaped, sizeof escaped, name, strlen(name)), strerror(-e));
        }
    }
}

/* --- the parts --- */

/* What may be asked of nodes, and where. */
static int set_requests(struct app *app, const struct app_config *config)
{
    const struct poller_options polls = {.timeout_ms = config->poll.timeout_ms,
                                         .item_limit = config->poll.item_limit,
                                         .allow = config->poll.allow,
                                         .allow_count = config->poll.allow_count};
    const struct search_options searches = {.timeout_ms = config->poll.timeout_ms,
                                            .allow = config->poll.allow,
                                            .allow_count = config->poll.allow_count};
    const struct discovery_options discoveries = {.timeout_ms = config->poll.timeout_ms,
                                                  .allow = config->poll.allow,
                                                  .allow_count = config->poll.allow_count};
    int e = poller_set_requests(app->poller, &polls);
    e = e ? e : search_set_requests(app->search, &searches);
    e = e || !app->discovery ? e : discovery_set_requests(app->discovery, &discoveries);
    cache_judge_urls(app->cache, app_url_allowed, app);
    return e;
}

/* Announces everything, or takes back what was announced. */
static int set_home_assistant(struct app *app, bool enabled)
{
    if (!app->home_assistant || enabled == app->config.home_assistant.enabled) {
        return 0;
    }
    app->config.home_assistant.enabled = enabled;
    home_assistant_destroy(app->home_assistant);
    app->home_assistant = app_make_home_assistant(app);
    if (!app->home_assistant) {
        return -ENOMEM;
    }
    states_repeat_all(app->states);
    return 0;
}

static void apply_parts(struct app *app, const struct conf *fresh)
{
    struct app_config config;
    if (config_read(fresh, &config) != 0) {
        return; /* it has said why */
    }
    int e = set_requests(app, &config);
    e = e ? e : server_set_hosts(app->server, config.http.hosts, config.http.host_count);
    e = e ? e : set_home_assistant(app, config.home_assistant.enabled);
    if (e != 0) {
        log_error("config: %s: some of it is not in force", strerror(-e));
    }
    config_finish(&config);
}

/* --- interface --- */

void reload_apply(struct app *app, const struct conf *before, const struct conf *conf)
{
    cache_set_retain(app->cache, config_retain_ms(conf));
    drop_nodes(app->cache, before, conf);
    add_nodes(app->cache, conf);
    poller_set_interval(app->poller, config_poll_interval_ms(conf));
}

void reload(struct app *app)
{
    const struct conf *before = app->reloaded ? app->reloaded : app->conf;
    struct conf *fresh = conf_reload(app->conf);
    if (!fresh) {
        log_error("config: %s", strerror(errno));
        return;
    }
    config_check(fresh);
    conf_log_problems(fresh);
    if (conf_has_errors(fresh)) {
        log_error("config: not taken over: what was read before stays in force");
        conf_destroy(fresh);
        return;
    }
    struct conf_changes changes = conf_log_changes(app->conf, before, fresh, CONF_LLAMAD);
    apply_parts(app, fresh);
    reload_apply(app, before, fresh);
    server_reload(app->server);
    conf_apply_log(fresh);
    log_info("config: read again%s",
             changes.live || changes.restart ? "" : "; no key of llamad's has changed");
    conf_destroy(app->reloaded);
    app->reloaded = fresh;
    app_changed(app);
}
