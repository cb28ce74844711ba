/* What is wrong with a configuration, and where. */
#include "conf_internal.h"
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void keep_problem(struct conf *conf, enum conf_severity severity, char *text)
{
    if (conf->problem_count == conf->problem_capacity) {
        size_t capacity = conf->problem_capacity ? 2 * conf->problem_capacity : 8;
        struct conf_problem *problems = realloc(conf->problems, capacity * sizeof *problems);
        if (!problems) {
            conf->no_memory = true;
            free(text);
            return;
        }
        conf->problems = problems;
        conf->problem_capacity = capacity;
    }
    conf->problems[conf->problem_count++] = (struct conf_problem){.severity = severity, .text = text};
}

static char *format_problem(const char *where, const char *format, va_list arguments)
{
    char *what = NULL, *text = NULL;
    if (vasprintf(&what, format, arguments) < 0) {
        return NULL;
    }
    if (asprintf(&text, "%s: %s", where, what) < 0) {
        text = NULL;
    }
    free(what);
    return text;
}

void conf_problem_add(struct conf *conf, enum conf_severity severity, const char *where, const char *format,
                      ...)
{
    if (conf->problem_count > CONF_PROBLEMS_MAX) {
        return;
    }
    char *text;
    if (conf->problem_count == CONF_PROBLEMS_MAX) {
        severity = CONF_ERROR; /* what is not listed may be one */
        text = conf_copy(conf, "too many problems: the rest is not listed");
    } else {
        va_list arguments;
        va_start(arguments, format);
        text = format_problem(where, format, arguments);
        va_end(arguments);
    }
    if (!text) {
        conf->no_memory = true;
        return;
    }
    keep_problem(conf, severity, text);
}

void conf_place_node(struct conf_place *place, const char *file, unsigned line)
{
    snprintf(place->where, sizeof place->where, "%s:%u", file, line);
}

/* A value as it may stand in a log: what is in front of an @ may be the password of a URL. */
static const char *show_value(char shown[LOG_TEXT], const char *value)
{
    const char *at = strrchr(value, '@');
    const char *scheme = strstr(value, "://");
    if (!at) {
        return log_escape(shown, LOG_TEXT, value, strlen(value));
    }
    char front[16] = "", rest[LOG_TEXT - 32];
    if (scheme && scheme < at) {
        log_escape(front, sizeof front, value, (size_t)(scheme - value) + 3);
    }
    log_escape(rest, sizeof rest, at, strlen(at));
    snprintf(shown, LOG_TEXT, "%s…%s", front, rest);
    return shown;
}

void conf_report_unexpected(struct conf_place *place, const char *expected, const char *value)
{
    char shown[LOG_TEXT];
    if (place->key->secret || !value) {
        conf_problem_add(place->conf, CONF_ERROR, place->where, "%s: expected %s", place->key->name,
                         expected);
        return;
    }
    conf_problem_add(place->conf, CONF_ERROR, place->where, "%s: expected %s, not \"%s\"", place->key->name,
                     expected, show_value(shown, value));
}

bool conf_passes(struct conf_place *place, conf_check_fn *check, const char *part, const char *value)
{
    const char *why = check ? check(value) : NULL;
    if (!why) {
        return true;
    }
    char shown[LOG_TEXT];
    const char *text = place->key->secret ? "the value" : show_value(shown, value);
    const char *quote = place->key->secret ? "" : "\"";
    conf_problem_add(place->conf, CONF_ERROR, place->where, "%s%s%s: %s%s%s %s", place->key->name,
                     part ? "." : "", part ? part : "", quote, text, quote, why);
    return false;
}
