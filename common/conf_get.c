/* What a configuration that was read says: values, origins, problems. */
#include "conf.h"

#include "conf_internal.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *conf_path(const struct conf *conf)
{
    return conf->path;
}

size_t conf_problem_count(const struct conf *conf)
{
    return conf->problem_count;
}

const struct conf_problem *conf_problem(const struct conf *conf, size_t i)
{
    assert(i < conf->problem_count);
    return &conf->problems[i];
}

bool conf_has_errors(const struct conf *conf)
{
    for (size_t i = 0; i < conf->problem_count; i++) {
        if (conf->problems[i].severity == CONF_ERROR) {
            return true;
        }
    }
    return false;
}

static const struct conf_value *value_of(const struct conf *conf, const char *key,
                                         const struct conf_key **ret_row)
{
    int i = conf_key_find(key);
    assert(i >= 0 && conf_keys[i].type != CONF_IGNORED);
    *ret_row = &conf_keys[i];
    return &conf->values[i];
}

void conf_report(struct conf *conf, enum conf_severity severity, const char *key, const char *format, ...)
{
    const struct conf_key *row;
    const struct conf_value *value = value_of(conf, key, &row);
    va_list arguments;
    char *text;
    va_start(arguments, format);
    int n = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (n < 0) {
        conf->no_memory = true;
        return;
    }
    const char *place = value->origin ? value->origin : conf->path ? conf->path : "default";
    conf_problem_add(conf, severity, place, "%s: %s", row->name, text);
    free(text);
}

const char *conf_string(const struct conf *conf, const char *key)
{
    const struct conf_key *row;
    const struct conf_value *value = value_of(conf, key, &row);
    assert(row->type == CONF_STRING);
    return value->text;
}

int64_t conf_int(const struct conf *conf, const char *key)
{
    const struct conf_key *row;
    const struct conf_value *value = value_of(conf, key, &row);
    assert(row->type == CONF_INT || row->type == CONF_DURATION);
    return (int64_t)value->number;
}

double conf_double(const struct conf *conf, const char *key)
{
    const struct conf_key *row;
    const struct conf_value *value = value_of(conf, key, &row);
    assert(row->type == CONF_INT || row->type == CONF_DURATION || row->type == CONF_SECONDS);
    return value->number;
}

bool conf_bool(const struct conf *conf, const char *key)
{
    const struct conf_key *row;
    const struct conf_value *value = value_of(conf, key, &row);
    assert(row->type == CONF_BOOL);
    return value->number > 0;
}

bool conf_is_set(const struct conf *conf, const char *key)
{
    const struct conf_key *row;
    return value_of(conf, key, &row)->set;
}

const char *conf_origin(const struct conf *conf, const char *key)
{
    const struct conf_key *row;
    const struct conf_value *value = value_of(conf, key, &row);
    return value->origin ? value->origin : "default";
}

size_t conf_list_len(const struct conf *conf, const char *key)
{
    const struct conf_key *row;
    const struct conf_value *value = value_of(conf, key, &row);
    assert(row->type == CONF_LIST || row->type == CONF_RECORDS || row->type == CONF_MAP);
    return value->count;
}

const char *conf_list_get(const struct conf *conf, const char *key, size_t i, const char *field)
{
    const struct conf_key *row;
    const struct conf_value *value = value_of(conf, key, &row);
    assert(i < value->count);
    assert((row->type == CONF_RECORDS) == (field != NULL));
    if (row->type == CONF_RECORDS) {
        bool second = strcmp(field, row->fields[0].name) != 0;
        assert(!second || strcmp(field, row->fields[1].name) == 0);
        return value->items[2 * i + second];
    }
    return row->type == CONF_MAP ? value->items[2 * i + 1] : value->items[i];
}

const char *conf_list_key(const struct conf *conf, const char *key, size_t i)
{
    const struct conf_key *row;
    const struct conf_value *value = value_of(conf, key, &row);
    assert(row->type == CONF_MAP && i < value->count);
    return value->items[2 * i];
}
