#include "home_assistant_check.h"

#include "json.h"

#include <stdbool.h>
#include <string.h>

#define VALUE_MAX 256 /* bytes of a value worth comparing */

struct check {
    ha_complaint_fn *complain;
    void *user;
    unsigned count;
    struct json_slice root, key; /* of the component in hand; absent = the whole message */
};

static void refuse(struct check *check, const char *why)
{
    check->count++;
    check->complain(check->user, check->key.data, check->key.len, why);
}

static bool is_one_of(struct json_slice string, const char *const *list)
{
    for (; *list; list++) {
        if (json_string_is(string, *list)) {
            return true;
        }
    }
    return false;
}

static bool has(struct json_slice object, const char *name)
{
    return json_member(object, name).data != NULL;
}

static bool is_filled(struct json_slice string)
{
    return json_type(string) == JSON_STRING && json_string_len(string) > 0;
}

static bool is_id(const char *text, size_t len)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    for (size_t i = 0; i < len; i++) {
        if (!text[i] || !strchr(allowed, text[i])) {
            return false;
        }
    }
    return len > 0;
}

/* Does every key stand in the list, and no null? */
static void check_keys(struct check *check, struct json_slice object, const char *const *list,
                       const char *unknown)
{
    for (struct json_iter it = json_iter(object); json_next(&it);) {
        if (!is_one_of(it.key, list)) {
            refuse(check, unknown);
        }
        if (json_type(it.value) == JSON_NULL) {
            refuse(check, "null as a value");
        }
    }
}

/* ---- components ---- */

struct device_class {
    const char *name;
    const char *units[8];
};
static const struct device_class sensor_classes[] = {
    {"temperature", {"°C", "°F", "K"}},
    {"humidity", {"%"}},
    {"frequency", {"Hz", "kHz", "MHz", "GHz"}},
    {"data_size", {"bit", "kbit", "B", "kB", "MB", "GB", "TB"}},
    {"distance", {"km", "m", "cm", "mm"}},
    {"duration", {"d", "h", "min", "s", "ms"}},
    {"timestamp", {NULL}},
};
static const char *const binary_classes[] = {"connectivity", "problem", "running", NULL};

static void check_sensor(struct check *check, struct json_slice component)
{
    static const char *const state_classes[] = {"measurement", "total", "total_increasing", NULL};
    struct json_slice wanted = json_member(component, "device_class");
    struct json_slice unit = json_member(component, "unit_of_measurement");
    struct json_slice state_class = json_member(component, "state_class");
    const struct device_class *found = NULL;
    for (size_t i = 0; wanted.data && i < sizeof sensor_classes / sizeof *sensor_classes; i++) {
        found = json_string_is(wanted, sensor_classes[i].name) ? &sensor_classes[i] : found;
    }
    if (wanted.data && !found) {
        refuse(check, "an unknown device_class");
    }
    if (unit.data && !is_filled(unit)) {
        refuse(check, "an empty unit_of_measurement");
    }
    if (found && !found->units[0] && (unit.data || state_class.data)) {
        refuse(check, "a timestamp has neither unit_of_measurement nor state_class");
    } else if (found && found->units[0] && !is_one_of(unit, found->units)) {
        refuse(check, "a unit_of_measurement that does not fit its device_class");
    }
    if (state_class.data && !is_one_of(state_class, state_classes)) {
        refuse(check, "an unknown state_class");
    }
}

static void check_availability(struct check *check, struct json_slice component)
{
    static const char *const modes[] = {"all", "any", "latest", NULL};
    struct json_slice mode = json_member(component, "availability_mode");
    bool list = has(component, "availability") || has(check->root, "availability");
    bool topic = has(component, "availability_topic") || has(check->root, "availability_topic");
    if (list && topic) {
        refuse(check, "availability and availability_topic, here or at the root");
    }
    if (mode.data && !is_one_of(mode, modes)) {
        refuse(check, "an unknown availability_mode");
    }
    for (struct json_iter it = json_iter(json_member(component, "availability")); json_next(&it);) {
        if (!is_filled(json_member(it.value, "topic"))) {
            refuse(check, "an availability without topic");
        }
    }
}

static void check_entity_id(struct check *check, struct json_slice component, const char *platform)
{
    char text[VALUE_MAX];
    struct json_slice id = json_member(component, "default_entity_id");
    if (!id.data) {
        return;
    }
    size_t len = strlen(platform);
    if (json_string(id, text, sizeof text, NULL) != 0 || strncmp(text, platform, len) != 0 ||
        text[len] != '.' ||
        text[len + 1 + strspn(text + len + 1, "abcdefghijklmnopqrstuvwxyz0123456789_")] != '\0') {
        refuse(check, "a default_entity_id of another domain, or with other characters than a-z, 0-9 and _");
    }
}

static const char *const common_keys[] = {"platform",
                                          "unique_id",
                                          "name",
                                          "default_entity_id",
                                          "device_class",
                                          "state_topic",
                                          "value_template",
                                          "availability",
                                          "availability_mode",
                                          "availability_topic",
                                          "entity_category",
                                          "icon",
                                          "enabled_by_default",
                                          "json_attributes_topic",
                                          "json_attributes_template",
                                          "unit_of_measurement",
                                          "state_class",
                                          "suggested_display_precision",
                                          "payload_on",
                                          "payload_off",
                                          NULL};

static void check_component(struct check *check, struct json_slice component)
{
    struct json_slice category = json_member(component, "entity_category");
    bool binary = json_string_is(json_member(component, "platform"), "binary_sensor");
    check_keys(check, component, common_keys, "a key that Home Assistant drops");
    check_availability(check, component);
    check_entity_id(check, component, binary ? "binary_sensor" : "sensor");
    if (category.data && !json_string_is(category, "diagnostic")) {
        refuse(check, "an entity_category other than diagnostic");
    }
    if (!has(component, "state_topic") && !has(check->root, "state_topic")) {
        refuse(check, "no state_topic");
    }
    if (!binary) {
        check_sensor(check, component);
    } else if (has(component, "device_class") &&
               !is_one_of(json_member(component, "device_class"), binary_classes)) {
        refuse(check, "an unknown device_class");
    } else if (has(component, "unit_of_measurement") || has(component, "state_class")) {
        refuse(check, "a binary_sensor with a unit_of_measurement or state_class");
    }
}

/* ---- the message ---- */

static void check_device(struct check *check)
{
    static const char *const device_keys[] = {
        "identifiers",       "connections", "name",       "manufacturer",  "model",
        "model_id",          "sw_version",  "hw_version", "serial_number", "suggested_area",
        "configuration_url", "via_device",  NULL};
    static const char *const origin_keys[] = {"name", "sw_version", "support_url", NULL};
    struct json_slice device = json_member(check->root, "device");
    struct json_slice origin = json_member(check->root, "origin");
    char url[VALUE_MAX];
    if (json_type(device) != JSON_OBJECT || json_type(origin) != JSON_OBJECT) {
        refuse(check, "no device, or no origin");
        return;
    }
    check_keys(check, device, device_keys, "an unknown key of the device");
    check_keys(check, origin, origin_keys, "an unknown key of the origin");
    if (!has(device, "identifiers") && !has(device, "connections")) {
        refuse(check, "a device without identifiers");
    }
    if (!is_filled(json_member(origin, "name"))) {
        refuse(check, "an origin without name");
    }
    if (has(device, "configuration_url") &&
        (json_string(json_member(device, "configuration_url"), url, sizeof url, NULL) != 0 ||
         (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0))) {
        refuse(check, "a configuration_url that is none");
    }
}

static void check_components(struct check *check)
{
    static const char *const platforms[] = {"sensor", "binary_sensor", NULL};
    struct json_slice components = json_member(check->root, "components");
    if (json_type(components) != JSON_OBJECT || json_count(components) == 0) {
        refuse(check, "no components");
        return;
    }
    for (struct json_iter it = json_iter(components); json_next(&it);) {
        struct json_slice platform = json_member(it.value, "platform");
        const char *whole = !is_id(it.key.data + 1, it.key.len - 2)
                                ? "a component key with other characters than A-Z, a-z, 0-9, _ and -"
                            : !is_one_of(platform, platforms) ? "a component without a platform that is known"
                            : json_count(it.value) > 1 && !is_filled(json_member(it.value, "unique_id"))
                                ? "a component without unique_id"
                                : NULL;
        if (whole) {
            refuse(check, whole);              /* one such component costs all of them */
        } else if (json_count(it.value) > 1) { /* else it is to be removed */
            check->key = it.key;
            check_component(check, it.value);
            check->key = (struct json_slice){0};
        }
    }
}

unsigned ha_check_message(const char *payload, size_t len, ha_complaint_fn *complain, void *user)
{
    static const char *const root_keys[] = {"device",
                                            "origin",
                                            "components",
                                            "availability",
                                            "availability_mode",
                                            "availability_topic",
                                            "availability_template",
                                            "payload_available",
                                            "payload_not_available",
                                            "state_topic",
                                            "command_topic",
                                            NULL};
    struct check check = {.complain = complain, .user = user};
    if (!json_check(payload, len, JSON_MAX_DEPTH, NULL)) {
        refuse(&check, "no JSON (NaN is none)");
        return check.count;
    }
    check.root = json_root(payload, len);
    if (json_type(check.root) != JSON_OBJECT) {
        refuse(&check, "no object");
        return check.count;
    }
    check_keys(&check, check.root, root_keys, "an unknown key at the root");
    check_device(&check);
    check_components(&check);
    return check.count;
}

unsigned ha_check_topic(const char *topic, ha_complaint_fn *complain, void *user)
{
    struct check check = {.complain = complain, .user = user};
    const char *levels[5] = {topic};
    size_t count = 1;
    for (const char *p = strchr(topic, '/'); p && count < 5; p = strchr(p + 1, '/')) {
        levels[count++] = p + 1;
    }
    bool fits = count >= 4 && !strchr(levels[count - 1], '/') && strcmp(levels[count - 1], "config") == 0 &&
                strncmp(levels[1], "device/", 7) == 0;
    for (size_t i = 2; fits && i + 1 < count; i++) {
        fits = is_id(levels[i], (size_t)(levels[i + 1] - levels[i]) - 1);
    }
    if (!fits) {
        refuse(&check, "a topic that is not subscribed to: <prefix>/device/[<node id>/]<object id>/config, "
                       "ids of A-Z, a-z, 0-9, _ and -");
    }
    return check.count;
}
