#include "ha_lint.h"

#include "home_assistant_check.h"
#include "home_assistant_config.h"
#include "log.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX   (16 * 1024 * 1024)
#define STATE_TEXT 255 /* characters of a state */
#define OPEN_MAX   16

enum { EXIT_USAGE = 64 };

static const char usage[] =
    "Usage: llamad ha-lint FILE|FOLDER...\n"
    "Says which entities Home Assistant would refuse, and why, and what is announced otherwise than it "
    "came.\n"
    "\n"
    "A FILE holds an answer of /api/readings, an edge message of Smollama, a discovery message, or lines of\n"
    "mosquitto_sub -v with messages of the latter two kinds:\n"
    "    mosquitto_sub -v -W 2 -t 'homeassistant/device/alpaca/#' > seen; llamad ha-lint seen\n"
    "Exit status: 0 nothing is refused, 1 something is or cannot be read, 64 wrong usage.\n";

/* What is being looked at; nftw takes no user data. */
static struct lint {
    const char *path;
    unsigned messages, entities, refused;
    bool failed, in_folder;
} lint;

static void complain(void *user, const char *component, size_t key_len, const char *why)
{
    char key[LOG_TEXT], path[LOG_TEXT];
    (void)user;
    lint.refused++;
    log_escape(key, sizeof key, component ? component : "", key_len);
    printf("%s: refused: %s%s%s\n", log_escape(path, sizeof path, lint.path, strlen(lint.path)),
           component ? key : "the whole message", ": ", why);
}

static void note(const struct item *item, const char *what)
{
    char id[LOG_TEXT], path[LOG_TEXT];
    printf("%s: note: %s: %s\n", log_escape(path, sizeof path, lint.path, strlen(lint.path)),
           log_escape(id, sizeof id, item->id, item->id_len), what);
}

/* What becomes of a reading that is not simply itself. */
static void note_reading(const struct item *item)
{
    struct reading reading = node_state_reading(item);
    char slug[HA_SLUG_SIZE];
    ha_slug(item->id, item->id_len, slug);
    enum ha_kind kind = ha_kind_of(reading);
    bool is_self =
        item->id_len == strlen(NODE_STATE_SELF) && memcmp(item->id, NODE_STATE_SELF, item->id_len) == 0;
    if (is_self) {
        note(item, "left out: the name is taken");
    } else if (kind == HA_NONE) {
        note(item, "has neither value nor unit: announced with its first value");
    } else if (kind == HA_TEXT && json_string_len(reading.value) > STATE_TEXT) {
        note(item, "the first 255 characters are shown");
    } else if (kind == HA_TEXT && json_type(reading.value) != JSON_STRING) {
        note(item, "a list or an object: shown as JSON, the first 255 characters");
    } else if (kind != HA_TEXT && json_type(reading.value) == JSON_NULL) {
        note(item, "has no value: unknown");
    } else if (json_type(reading.value) == JSON_NUMBER && item->number != item->number) {
        note(item, "a number that no double holds: unknown");
    } else if (kind == HA_NUMBER && json_type(reading.unit) == JSON_STRING && ha_unit_is_foreign(item)) {
        note(item, "a unit that Home Assistant knows no device class for: shown as it is");
    }
}

/* The node's message, as llamad would publish it. */
static void lint_node(const struct node *node)
{
    const struct ha_options options = {
        .base_topic = "alpaca", .url = "http://llama/", .version = PROJECT_VERSION};
    const struct ha_components before = {0};
    struct ha_message message;
    struct buf out = BUF_INIT;
    ha_write_node(&out, &options, node, &before, NODE_STATE_MAX, 0, &message);
    for (const struct item *item = node->items[ITEM_READING]; item; item = item->next) {
        note_reading(item);
    }
    if (message.left_out > 0) {
        printf("%s: note: %u readings do not fit into one message\n", lint.path, (unsigned)message.left_out);
    }
    if (out.failed) {
        lint.failed = true;
    } else {
        ha_check_message(out.data, out.len, complain, NULL);
    }
    lint.messages++;
    lint.entities += (unsigned)message.after.count;
    ha_components_finish(&message.after);
    buf_finish(&out);
}

/* An answer of /api/readings, or with `edge` what edge_decode made of a message. */
static bool lint_readings(struct json_slice body, bool edge)
{
    struct now now = clock_now();
    struct fault fault = {.reason = REJECT_NONE};
    struct cache *cache = cache_create(now);
    struct node *node =
        cache ? cache_add(cache, "node", 4, edge ? FOUND_EDGE : FOUND_MASTER, now, &fault) : NULL;
    int e = -ENOMEM;
    if (node && edge) {
        e = cache_edge(cache, node, body, now.wall_ms, now, &fault);
    } else if (node) {
        cache_poll_started(cache, node, now);
        e = cache_poll_body(cache, node, REPORT_READINGS, body, now.wall_ms, 0, now, &fault);
    }
    if (e == 0) {
        for (const struct node *each = cache_first_node(cache); each; each = each->next) {
            lint_node(each);
        }
    }
    if (fault.reason != REJECT_NONE) {
        printf("%s: note: %s\n", lint.path, fault.detail);
    }
    cache_destroy(cache);
    return e == 0;
}

/* One message or answer. False: it is nothing of interest. */
static bool lint_text(const char *topic, const char *text, size_t len)
{
    struct buf body = BUF_INIT;
    char claimed[NODE_NAME_MAX + 1] = "";
    int64_t at_ms;
    struct fault fault = {.reason = REJECT_NONE};
    bool is_json = json_check(text, len, JSON_MAX_DEPTH, NULL);
    struct json_slice root = is_json ? json_root(text, len) : (struct json_slice){0};
    bool discovery = json_member(root, "device").data || json_member(root, "origin").data;
    if (is_json && discovery && json_member(root, "components").data) {
        lint.messages++;
        lint.entities += (unsigned)json_count(json_member(root, "components"));
        if (topic) {
            ha_check_topic(topic, complain, NULL);
        }
        ha_check_message(text, len, complain, NULL);
        return true;
    }
    struct json_slice readings = is_json ? json_member(root, "readings") : (struct json_slice){0};
    struct json_iter first = json_iter(readings);
    bool full = readings.data && (!json_next(&first) || json_member(first.value, "full_id").data);
    if (full) {
        return lint_readings(root, false);
    }
    bool done = false;
    if (len > 0 && *text == '{' &&
        edge_decode(text, len, clock_now().wall_ms, &body, claimed, &at_ms, &fault) == 0 &&
        json_check(body.data, body.len, JSON_MAX_DEPTH, NULL)) {
        done = lint_readings(json_root(body.data, body.len), true);
    }
    buf_finish(&body);
    return done;
}

/* "topic payload" a line. */
static bool lint_lines(char *text)
{
    bool any = false;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *payload = strstr(line, " {"); /* a topic may hold spaces */
        if (payload) {
            *payload++ = '\0';
            any = lint_text(line, payload, strlen(payload)) || any;
        }
    }
    return any;
}

static void lint_file(const char *path)
{
    FILE *file = fopen(path, "rbe");
    char *text = file ? malloc(FILE_MAX + 1) : NULL;
    lint.path = path;
    if (!text) {
        fprintf(stderr, "llamad: %s: %s\n", path, strerror(errno));
        lint.failed = true;
    } else {
        size_t len = fread(text, 1, FILE_MAX, file);
        text[len] = '\0';
        while (len > 0 && strchr(" \t\r\n", text[len - 1])) {
            text[--len] = '\0';
        }
        if (!lint_text(NULL, text, len) && !lint_lines(text) && !lint.in_folder) {
            fprintf(stderr, "llamad: %s: neither readings nor discovery messages\n", path);
            lint.failed = true;
        }
    }
    free(text);
    if (file) {
        fclose(file);
    }
}

static int on_entry(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    if (kind == FTW_F) {
        lint.in_folder = where->level > 0;
        lint_file(path);
    }
    return 0;
}

int ha_lint_main(int argc, char **argv)
{
    if (argc < 2 || argv[1][0] == '-') {
        bool help = argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
        fputs(usage, help ? stdout : stderr);
        return help ? EXIT_SUCCESS : EXIT_USAGE;
    }
    for (int i = 1; i < argc; i++) {
        if (nftw(argv[i], on_entry, OPEN_MAX, FTW_PHYS) != 0) {
            fprintf(stderr, "llamad: %s: %s\n", argv[i], strerror(errno));
            lint.failed = true;
        }
    }
    printf("%u messages, %u entities, %u refused\n", lint.messages, lint.entities, lint.refused);
    return lint.refused > 0 || lint.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
