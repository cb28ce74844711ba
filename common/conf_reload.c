/* A configuration that was read again: what is another than before, and what becomes of that. */
#include "conf.h"

#include "conf_internal.h"
#include "log.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct conf *conf_reload(const struct conf *running)
{
    struct conf *conf = conf_load_with(running->path, running->layer, getenv);
    if (conf) {
        conf->log = running->log;
    }
    return conf;
}

static bool same_value(const struct conf *a, const struct conf *b, size_t i)
{
    const struct conf_value *x = &a->values[i], *y = &b->values[i];
    if (conf_keys[i].type == CONF_STRING) {
        return x->text && y->text ? strcmp(x->text, y->text) == 0 : x->text == y->text;
    }
    struct buf left = BUF_INIT, right = BUF_INIT;
    conf_print_value(&conf_keys[i], x, &left);
    conf_print_value(&conf_keys[i], y, &right);
    bool same = !left.failed && !right.failed && left.len == right.len &&
                memcmp(left.data, right.data, left.len) == 0;
    buf_finish(&left);
    buf_finish(&right);
    return same;
}

bool conf_same(const struct conf *a, const struct conf *b, const char *key)
{
    int i = conf_key_find(key);
    assert(i >= 0);
    return same_value(a, b, (size_t)i);
}

static void log_change(const struct conf *fresh, size_t i, enum conf_use use)
{
    char shown[LOG_TEXT];
    struct buf text = BUF_INIT;
    const struct conf_value *value = &fresh->values[i];
    conf_print_value(&conf_keys[i], value, &text);
    log_escape(shown, sizeof shown, text.data ? text.data : "", text.len);
    buf_finish(&text);
    log_write(use == CONF_RESTART ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "config: %s: %s = %s: %s",
              value->origin ? value->origin : "default", conf_keys[i].name, shown,
              use == CONF_LIVE        ? "in force"
              : use == CONF_RECONNECT ? "connects anew with it"
                                      : "takes effect with the next start");
}

struct conf_changes conf_log_changes(const struct conf *started, const struct conf *before,
                                     const struct conf *fresh, enum conf_who who)
{
    struct conf_changes changes = {.live = false};
    for (size_t i = 0; i < conf_key_count; i++) {
        enum conf_use use = who == CONF_AGENT ? conf_keys[i].agent : conf_keys[i].llamad;
        if (use == CONF_UNUSED || same_value(use == CONF_RESTART ? started : before, fresh, i)) {
            continue;
        }
        log_change(fresh, i, use);
        changes.live = changes.live || use == CONF_LIVE;
        changes.reconnect = changes.reconnect || use == CONF_RECONNECT;
        changes.restart = changes.restart || use == CONF_RESTART;
    }
    return changes;
}
