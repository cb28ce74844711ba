#include "app_internal.h"
#include "log.h"
#include "status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* --- for the service manager --- */

/* "broker connected; 5 nodes: 4 online, 1 stale" */
static void tell_manager(struct app *app)
{
    static const enum state states[] = {STATE_ONLINE, STATE_DEGRADED, STATE_STALE, STATE_UNREACHABLE,
                                        STATE_UNKNOWN};
    char text[NOTIFY_STATUS_MAX] = "";
    size_t total = 0, used = 0;
    for (size_t i = 0; app->notify && i < sizeof states / sizeof *states; i++) {
        unsigned count = (unsigned)cache_state_count(app->cache, states[i]);
        if (count > 0 && used < sizeof text) {
            used += (size_t)snprintf(text + used, sizeof text - used, "%s %u %s", total ? "," : ":", count,
                                     state_name(states[i]));
        }
        total += count;
    }
    notify_status(app->notify, "broker %s; %zu node%s%s",
                  mqtt_is_up(ingest_mqtt(app->ingest)) ? "connected" : "not connected", total,
                  total == 1 ? "" : "s", text);
}

/* --- changes --- */

void app_changed(void *user)
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

void app_on_tick(void *user)
{
    struct app *app = user;
    cache_tick(app->cache, clock_now());
    if (app->broker) {
        broker_reload(app->broker);
        broker_check(app->broker, mqtt_stats(ingest_mqtt(app->ingest))->unanswered);
    }
    app_changed(app);
    tell_manager(app);
}

void app_on_connect(void *user)
{
    struct app *app = user;
    ingest_start(app->ingest);
}

bool app_url_allowed(void *user, const char *url)
{
    const struct app *app = user;
    return poller_url_allowed(app->poller, url);
}

bool app_on_message(void *user, const struct mqtt_message *message)
{
    struct app *app = user;
    return states_message(app->states, message) || home_assistant_message(app->home_assistant, message);
}

void app_on_state_published(void *user, const struct node *node)
{
    struct app *app = user;
    home_assistant_node(app->home_assistant, node);
}

bool app_on_node_gone(void *user, const char *name)
{
    struct app *app = user;
    return home_assistant_gone(app->home_assistant, name);
}

void app_repeat_state(void *user, const char *name)
{
    struct app *app = user;
    states_repeat(app->states, name);
}

void app_repeat_states(void *user)
{
    struct app *app = user;
    states_repeat_all(app->states);
}

/* --- what the API asks for --- */

int app_refresh(void *user, struct node *node)
{
    struct app *app = user;
    if (node->evidence.agent.ever && mqtt_is_up(ingest_mqtt(app->ingest)) &&
        !cache_wants_poll(app->cache, node, clock_now())) {
        return ingest_refresh(app->ingest, node->name);
    }
    return poller_poke(app->poller, node);
}

/* What is retained at the broker would bring the node back, so it goes first. */
int app_forget(void *user, struct node *node)
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
    app_changed(app);
    return e;
}

int app_search(void *user, const struct question *question, search_done_fn *done, void *done_user,
               struct search_wait **ret_wait, struct findings **ret_findings, unsigned *ret_retry_after_s)
{
    struct app *app = user;
    return search_ask(app->search, question, done, done_user, ret_wait, ret_findings, ret_retry_after_s);
}

void app_search_cancel(void *user, struct search_wait *wait)
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

void app_write_health(void *user, struct buf *out)
{
    const struct status_parts parts = parts_of(user);
    status_write_health(&parts, out);
}

void app_write_metrics(void *user, struct buf *out)
{
    const struct status_parts parts = parts_of(user);
    status_write_metrics(&parts, out);
}
