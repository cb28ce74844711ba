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

/* --- interface --- */

void reload_apply(struct cache *cache, struct poller *poller, const struct conf *before,
                  const struct conf *conf)
{
    poller_set_interval(poller, config_poll_interval_ms(conf));
    cache_set_retain(cache, config_retain_ms(conf));
    drop_nodes(cache, before, conf);
    add_nodes(cache, conf);
}

struct conf *reload_read(struct cache *cache, struct poller *poller, const struct conf *started,
                         const struct conf *before)
{
    struct conf *fresh = conf_reload(started);
    if (!fresh) {
        log_error("config: %s", strerror(errno));
        return NULL;
    }
    config_check(fresh);
    conf_log_problems(fresh);
    if (conf_has_errors(fresh)) {
        log_error("config: not taken over: what was read before stays in force");
        conf_destroy(fresh);
        return NULL;
    }
    config_log_restart_needed(started, fresh);
    reload_apply(cache, poller, before, fresh);
    conf_apply_log(fresh);
    log_info("config: read again");
    return fresh;
}
