/* Sections and names of the configuration: whose they are, and which one was probably meant. */
#include "conf_internal.h"

#include <string.h>

static const char *const our_sections[] = {"cluster", "broker", "http", "home_assistant",
                                           "logging", "alpaca", NULL};
static const char *const shared_sections[] = {"node", "mqtt", "discovery", "mem0", NULL};
static const char *const smollama_sections[] = {"ollama", "gpio", "agent",   "memory",
                                                "frames", "sync", "plugins", NULL};

static const struct {
    const char *name, *text;
} section_texts[] = {
    {"node", "Shared with Smollama."},
    {"mqtt", "Shared with Smollama; its `mqtt.topics` is its own and not read."},
    {"discovery", "Shared with Smollama; its other keys are its own and not read."},
    {"mem0", "Shared with Smollama; its other keys are its own and not read."},
    {"cluster", "For `llamad`."},
    {"broker", "For `llamad`: a broker of its own."},
    {"http", "For `llamad`: the dashboard and the API."},
    {"home_assistant", "For `llamad`."},
    {"logging", "For both."},
    {"alpaca", "For `alpaca-agent`. (`agent` is a section of Smollama's.)"},
};

static bool is_one_of(const char *name, const char *const *list)
{
    for (; *list; list++) {
        if (strcmp(name, *list) == 0) {
            return true;
        }
    }
    return false;
}

enum conf_section conf_section_kind(const char *name)
{
    if (is_one_of(name, our_sections)) {
        return SECTION_OURS;
    }
    if (is_one_of(name, shared_sections)) {
        return SECTION_SHARED;
    }
    return is_one_of(name, smollama_sections) ? SECTION_SMOLLAMA : SECTION_UNKNOWN;
}

const char *conf_section_text(const char *name)
{
    for (size_t i = 0; i < sizeof section_texts / sizeof *section_texts; i++) {
        if (strcmp(section_texts[i].name, name) == 0) {
            return section_texts[i].text;
        }
    }
    return NULL;
}

/* Levenshtein's distance. Names beyond any key's length are far from everything. */
unsigned edit_distance(const char *a, const char *b)
{
    enum { LONGEST = 64 };
    size_t a_len = strlen(a), b_len = strlen(b);
    if (a_len > LONGEST || b_len > LONGEST) {
        return (unsigned)(a_len > b_len ? a_len : b_len);
    }
    unsigned row[LONGEST + 1];
    for (unsigned j = 0; j <= b_len; j++) {
        row[j] = j;
    }
    for (unsigned i = 1; i <= a_len; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b_len; j++) {
            unsigned best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            row[j] = best;
        }
    }
    return row[b_len];
}

static void take_nearer(const char *name, const char *const *list, const char **nearest, unsigned *distance)
{
    for (; *list; list++) {
        unsigned d = edit_distance(name, *list);
        if (d < *distance) {
            *distance = d;
            *nearest = *list;
        }
    }
}

const char *conf_section_nearest(const char *name, unsigned *ret_distance)
{
    const char *nearest = our_sections[0];
    *ret_distance = edit_distance(name, nearest);
    take_nearer(name, our_sections, &nearest, ret_distance);
    take_nearer(name, shared_sections, &nearest, ret_distance);
    return nearest;
}

unsigned conf_section_distance_to_ours(const char *name)
{
    const char *nearest = our_sections[0];
    unsigned distance = edit_distance(name, nearest);
    take_nearer(name, our_sections, &nearest, &distance);
    return distance;
}

int conf_key_find(const char *name)
{
    for (size_t i = 0; i < conf_key_count; i++) {
        if (strcmp(conf_keys[i].name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

bool conf_is_group(const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < conf_key_count; i++) {
        if (strncmp(conf_keys[i].name, name, len) == 0 && conf_keys[i].name[len] == '.') {
            return true;
        }
    }
    return false;
}

void conf_key_nearest(const char *group, const char *part, char *buffer, size_t size, unsigned *ret_distance)
{
    size_t group_len = strlen(group);
    *ret_distance = UINT32_MAX;
    buffer[0] = '\0';
    for (size_t i = 0; i < conf_key_count; i++) {
        const char *name = conf_keys[i].name;
        if (strncmp(name, group, group_len) != 0 || name[group_len] != '.') {
            continue;
        }
        const char *rest = name + group_len + 1;
        size_t len = strcspn(rest, ".");
        char candidate[64];
        if (len >= sizeof candidate || len >= size) {
            continue;
        }
        memcpy(candidate, rest, len);
        candidate[len] = '\0';
        unsigned distance = edit_distance(part, candidate);
        if (distance < *ret_distance) {
            *ret_distance = distance;
            memcpy(buffer, candidate, len + 1);
        }
    }
}
