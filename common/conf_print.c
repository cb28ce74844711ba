/* The configuration as text: its values with their origins, and the reference of all keys. */
#include "conf.h"

#include "conf_internal.h"

#include <stdio.h>
#include <string.h>

/* --- values --- */

static void print_list(const struct conf_key *key, const struct conf_value *value, struct buf *out)
{
    buf_char(out, key->type == CONF_MAP ? '{' : '[');
    for (size_t i = 0; i < value->count; i++) {
        buf_str(out, i ? ", " : "");
        if (key->type == CONF_LIST) {
            buf_json_cstr(out, value->items[i]);
        } else if (key->type == CONF_MAP) {
            buf_json_cstr(out, value->items[2 * i]);
            buf_str(out, ": ");
            buf_json_cstr(out, value->items[2 * i + 1]);
        } else {
            for (size_t f = 0; f < CONF_FIELDS_MAX; f++) {
                buf_printf(out, "%s%s: ", f ? ", " : "{", key->fields[f].name);
                buf_json_cstr(out, value->items[2 * i + f]);
            }
            buf_char(out, '}');
        }
    }
    buf_char(out, key->type == CONF_MAP ? '}' : ']');
}

void conf_print_value(const struct conf_key *key, const struct conf_value *value, struct buf *out)
{
    switch (key->type) {
    case CONF_STRING:
        if (!value->text) {
            buf_str(out, "(not set)");
        } else if (key->secret) {
            buf_str(out, "(set)");
        } else {
            buf_json_cstr(out, value->text);
        }
        break;
    case CONF_BOOL:
        buf_str(out, value->number > 0 ? "true" : "false");
        break;
    case CONF_INT:
        buf_printf(out, "%.15g", value->number);
        break;
    case CONF_DURATION:
    case CONF_SECONDS:
        buf_printf(out, "%.15gs", value->number);
        break;
    default:
        print_list(key, value, out);
    }
}

void conf_print(const struct conf *conf, struct buf *out)
{
    for (size_t i = 0; i < conf_key_count; i++) {
        const struct conf_key *key = &conf_keys[i];
        const struct conf_value *value = &conf->values[i];
        if (key->type == CONF_IGNORED) {
            continue;
        }
        buf_printf(out, "%s = ", key->name);
        conf_print_value(key, value, out);
        buf_printf(out, "  # %s\n", value->origin ? value->origin : "default");
    }
}

/* --- the reference in docs/ --- */

/* "1 day", "1 s", "0.1": a bound of a duration. */
static void print_bound(double seconds, struct buf *out)
{
    static const struct {
        double seconds;
        const char *name;
    } units[] = {{3650 * 86400.0, "10 years"}, {86400.0, "1 day"}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (seconds == units[i].seconds) {
            buf_str(out, units[i].name);
            return;
        }
    }
    buf_printf(out, "%.15g s", seconds);
}

static void print_choices(const struct conf_key *key, struct buf *out)
{
    for (size_t i = 0; key->choices[i]; i++) {
        const char *glue = i == 0 ? "" : key->choices[i + 1] ? ", " : " or ";
        buf_printf(out, "%s`%s`", glue, key->choices[i]);
    }
}

static void print_type(const struct conf_key *key, struct buf *out)
{
    switch (key->type) {
    case CONF_INT:
        buf_printf(out, "number, %.15g–%.15g", key->min, key->max);
        break;
    case CONF_DURATION:
    case CONF_SECONDS:
        buf_str(out, key->type == CONF_SECONDS ? "duration, with decimals, " : "duration, ");
        print_bound(key->min, out);
        buf_str(out, "–");
        print_bound(key->max, out);
        break;
    case CONF_BOOL:
        buf_str(out, "true or false");
        break;
    case CONF_LIST:
        buf_str(out, "list of texts");
        break;
    case CONF_RECORDS:
        buf_printf(out, "list of `{%s, %s}`", key->fields[0].name, key->fields[1].name);
        break;
    case CONF_MAP:
        buf_str(out, "map of texts");
        break;
    default:
        if (key->choices) {
            print_choices(key, out);
        } else {
            buf_str(out, "text");
        }
    }
}

/* "at once", "reconnects", "restart"; of both programs where they differ. */
static void print_use(const struct conf_key *key, struct buf *out)
{
    static const char *const words[] = {[CONF_UNUSED] = "",
                                        [CONF_LIVE] = "at once",
                                        [CONF_RECONNECT] = "reconnects",
                                        [CONF_RESTART] = "restart"};
    if (key->agent != CONF_UNUSED && key->llamad != CONF_UNUSED && key->agent != key->llamad) {
        buf_printf(out, "agent: %s; llamad: %s", words[key->agent], words[key->llamad]);
    } else {
        buf_str(out, words[key->agent != CONF_UNUSED ? key->agent : key->llamad]);
    }
}

static void print_row(const struct conf_key *key, struct buf *out)
{
    buf_printf(out, "| `%s` | ", key->name);
    print_type(key, out);
    buf_printf(out, key->fallback ? " | `%s` | " : " | – | ", key->fallback);
    buf_str(out, key->help);
    if (key->variable) {
        buf_printf(out, " Variable: `%s`.", key->variable);
    }
    buf_str(out, " | ");
    print_use(key, out);
    buf_str(out, " |\n");
}

void conf_print_reference(struct buf *out)
{
    char section[32] = "";
    for (size_t i = 0; i < conf_key_count; i++) {
        const struct conf_key *key = &conf_keys[i];
        size_t len = strcspn(key->name, ".");
        if (key->type == CONF_IGNORED) {
            continue;
        }
        if (strlen(section) != len || strncmp(section, key->name, len) != 0) {
            snprintf(section, sizeof section, "%.*s", (int)len, key->name);
            const char *text = conf_section_text(section);
            buf_printf(out, "%s### %s\n%s\n\n", i ? "\n" : "", section, text ? text : "");
            buf_str(
                out,
                "| key | what it holds | default | meaning | reload |\n| --- | --- | --- | --- | --- |\n");
        }
        print_row(key, out);
    }
}
