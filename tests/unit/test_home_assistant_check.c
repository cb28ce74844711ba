/* Each rule of the check: one thing changed in a message that is fine. */
#include "home_assistant_check.h"

#include "buf.h"
#include "cache_world.h"
#include "home_assistant_config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct heard {
    unsigned count;
    char component[64]; /* of the last one; "" = the whole message */
    char why[128];
};

static void hear(void *user, const char *component, size_t key_len, const char *why)
{
    struct heard *heard = user;
    heard->count++;
    snprintf(heard->component, sizeof heard->component, "%.*s", component ? (int)key_len : 0,
             component ? component : "");
    snprintf(heard->why, sizeof heard->why, "%s", why);
}

static struct heard check(const char *payload)
{
    struct heard heard = {0};
    unsigned count = ha_check_message(payload, strlen(payload), hear, &heard);
    assert_int_equal(count, heard.count);
    return heard;
}

#define DEVICE       "\"device\":{\"identifiers\":[\"x\"],\"name\":\"X\"}"
#define ORIGIN       "\"origin\":{\"name\":\"o\"}"
#define ROOT(rest)   "{" DEVICE "," ORIGIN "," rest "}"
#define ONE(members) ROOT("\"state_topic\":\"a\",\"components\":{\"t\":{" members "}}")
#define SENSOR       "\"platform\":\"sensor\",\"unique_id\":\"u\""
#define BINARY       "\"platform\":\"binary_sensor\",\"unique_id\":\"u\""

static void assert_fine(const char *payload)
{
    struct heard heard = check(payload);
    if (heard.count > 0) {
        fail_msg("%s: %s of %s", heard.why, heard.component, payload);
    }
}

static void assert_refused(const char *payload, const char *component, const char *why)
{
    struct heard heard = check(payload);
    if (heard.count != 1 || strcmp(heard.why, why) != 0 || strcmp(heard.component, component) != 0) {
        fail_msg("%u complaints, the last one of '%s': %s\nexpected of '%s': %s\nin %s", heard.count,
                 heard.component, heard.why, component, why, payload);
    }
}

static void what_is_fine_is_let_pass(void **state)
{
    (void)state;
    static const char *const messages[] = {
        ONE(SENSOR),
        ONE(SENSOR ",\"device_class\":\"temperature\",\"unit_of_measurement\":\"°C\",\"state_class\":"
                   "\"measurement\""),
        ONE(SENSOR ",\"device_class\":\"timestamp\""),
        ONE(SENSOR ",\"unit_of_measurement\":\"furlong\""),
        ONE(SENSOR ",\"entity_category\":\"diagnostic\",\"default_entity_id\":\"sensor.a_b\""),
        ONE(SENSOR ",\"availability\":[{\"topic\":\"a\"},{\"topic\":\"b\"}],\"availability_mode\":\"all\""),
        ONE(BINARY ",\"device_class\":\"connectivity\",\"payload_on\":\"1\",\"payload_off\":\"0\""),
        ONE("\"platform\":\"sensor\""), /* removed */
        ROOT("\"components\":{\"t\":{" SENSOR ",\"state_topic\":\"a\"}}"),
        "{\"device\":{\"connections\":[[\"mac\",\"x\"]],\"configuration_url\":\"https://x/\"}," ORIGIN
        ",\"components\":{\"t\":{\"platform\":\"sensor\"}}}",
    };
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        assert_fine(messages[i]);
    }
}

static void whole_messages_are_refused_for_what_they_are(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"{\"device\":NaN}", "no JSON (NaN is none)"},
        {"[1]", "no object"},
        {ROOT("\"state_topic\":\"a\",\"qos\":1,\"components\":{\"t\":{" SENSOR "}}"),
         "an unknown key at the root"},
        {ROOT("\"state_topic\":null,\"components\":{\"t\":{\"platform\":\"sensor\"}}"), "null as a value"},
        {ROOT("\"state_topic\":\"a\""), "no components"},
        {ROOT("\"components\":{}"), "no components"},
        {ROOT("\"components\":[]"), "no components"},
        {"{" ORIGIN ",\"state_topic\":\"a\",\"components\":{\"t\":{" SENSOR "}}}", "no device, or no origin"},
        {"{" DEVICE ",\"state_topic\":\"a\",\"components\":{\"t\":{" SENSOR "}}}", "no device, or no origin"},
        {"{\"device\":{\"name\":\"X\"}," ORIGIN ",\"state_topic\":\"a\",\"components\":{\"t\":{" SENSOR "}}}",
         "a device without identifiers"},
        {"{\"device\":{\"identifiers\":[\"x\"],\"colour\":\"red\"}," ORIGIN
         ",\"state_topic\":\"a\",\"components\":{\"t\":{" SENSOR "}}}",
         "an unknown key of the device"},
        {"{\"device\":{\"identifiers\":[\"x\"],\"model\":null}," ORIGIN
         ",\"state_topic\":\"a\",\"components\":{\"t\":{" SENSOR "}}}",
         "null as a value"},
        {"{" DEVICE ",\"origin\":{\"name\":\"\"},\"state_topic\":\"a\",\"components\":{\"t\":{" SENSOR "}}}",
         "an origin without name"},
        {"{" DEVICE
         ",\"origin\":{\"name\":\"o\",\"url\":\"x\"},\"state_topic\":\"a\",\"components\":{\"t\":{" SENSOR
         "}}}",
         "an unknown key of the origin"},
        {"{\"device\":{\"identifiers\":[\"x\"],\"configuration_url\":\"ftp://x\"}," ORIGIN
         ",\"state_topic\":\"a\",\"components\":{\"t\":{" SENSOR "}}}",
         "a configuration_url that is none"},
        {ROOT("\"state_topic\":\"a\",\"components\":{\"a b\":{" SENSOR "}}"),
         "a component key with other characters than A-Z, a-z, 0-9, _ and -"},
        {ROOT("\"state_topic\":\"a\",\"components\":{\"\":{" SENSOR "}}"),
         "a component key with other characters than A-Z, a-z, 0-9, _ and -"},
        {ROOT("\"state_topic\":\"a\",\"components\":{\"a\\u0062\":{" SENSOR "}}"),
         "a component key with other characters than A-Z, a-z, 0-9, _ and -"},
        {ONE("\"platform\":\"light\",\"unique_id\":\"u\""), "a component without a platform that is known"},
        {ONE("\"unique_id\":\"u\""), "a component without a platform that is known"},
        {ONE("\"platform\":\"sensor\",\"name\":\"x\""), "a component without unique_id"},
        {ONE("\"platform\":\"sensor\",\"unique_id\":\"\""), "a component without unique_id"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_refused(rows[i][0], "", rows[i][1]);
    }
}

static void components_are_refused_alone(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {ONE(SENSOR ",\"device_class\":\"warmth\""), "an unknown device_class"},
        {ONE(BINARY ",\"device_class\":\"temperature\""), "an unknown device_class"},
        {ONE(SENSOR ",\"device_class\":\"temperature\",\"unit_of_measurement\":\"celsius\""),
         "a unit_of_measurement that does not fit its device_class"},
        {ONE(SENSOR ",\"device_class\":\"humidity\""),
         "a unit_of_measurement that does not fit its device_class"},
        {ONE(SENSOR ",\"device_class\":\"timestamp\",\"state_class\":\"measurement\""),
         "a timestamp has neither unit_of_measurement nor state_class"},
        {ONE(SENSOR ",\"unit_of_measurement\":\"\""), "an empty unit_of_measurement"},
        {ONE(SENSOR ",\"state_class\":\"often\""), "an unknown state_class"},
        {ONE(BINARY ",\"state_class\":\"measurement\""),
         "a binary_sensor with a unit_of_measurement or state_class"},
        {ONE(BINARY ",\"unit_of_measurement\":\"W\""),
         "a binary_sensor with a unit_of_measurement or state_class"},
        {ONE(SENSOR ",\"object_id\":\"x\""), "a key that Home Assistant drops"},
        {ONE(SENSOR ",\"icon\":null"), "null as a value"},
        {ONE(SENSOR ",\"entity_category\":\"config\""), "an entity_category other than diagnostic"},
        {ONE(SENSOR ",\"availability_mode\":\"some\""), "an unknown availability_mode"},
        {ONE(SENSOR ",\"availability\":[{\"payload\":\"x\"}]"), "an availability without topic"},
        {ONE(SENSOR ",\"availability\":[{\"topic\":\"a\"}],\"availability_topic\":\"b\""),
         "availability and availability_topic, here or at the root"},
        {ROOT("\"state_topic\":\"a\",\"availability\":[{\"topic\":\"a\"}],\"components\":{\"t\":{" SENSOR
              ",\"availability_topic\":\"b\"}}"),
         "availability and availability_topic, here or at the root"},
        {ONE(SENSOR ",\"default_entity_id\":\"light.x\""),
         "a default_entity_id of another domain, or with other characters than a-z, 0-9 and _"},
        {ONE(SENSOR ",\"default_entity_id\":\"sensor.A\""),
         "a default_entity_id of another domain, or with other characters than a-z, 0-9 and _"},
        {ROOT("\"components\":{\"t\":{" SENSOR "}}"), "no state_topic"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_refused(rows[i][0], "\"t\"", rows[i][1]);
    }
}

static void every_complaint_is_told(void **state)
{
    (void)state;
    struct heard heard = check(
        ROOT("\"x\":1,\"components\":{\"a b\":{" SENSOR "},\"t\":{" SENSOR ",\"y\":1},\"u\":{" BINARY "}}"));
    assert_int_equal(heard.count, 5); /* two of the whole, two of t, one of u */
    assert_string_equal(heard.component, "\"u\"");
}

static void topics_are_of_one_form(void **state)
{
    (void)state;
    static const struct {
        const char *topic;
        unsigned count;
    } rows[] = {
        {"homeassistant/device/alpaca/pi-kitchen/config", 0},
        {"homeassistant/device/pi/config", 0},
        {"ha/device/A_b-0/c/config", 0},
        {"homeassistant/device/a/b/c/config", 1},
        {"homeassistant/device/config", 1},
        {"homeassistant/device//config", 1},
        {"homeassistant/device/a b/config", 1},
        {"homeassistant/device/a.b/c/config", 1},
        {"homeassistant/sensor/a/config", 1},
        {"homeassistant/device/a/b/state", 1},
        {"homeassistant/device/a/config/", 1},
        {"homeassistant", 1},
        {"", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct heard heard = {0};
        if (ha_check_topic(rows[i].topic, hear, &heard) != rows[i].count || heard.count != rows[i].count) {
            fail_msg("%s: %u complaints", rows[i].topic, heard.count);
        }
    }
}

/* And what llamad writes of odd readings is. */
static void our_own_messages_pass(void **state)
{
    (void)state;
    static const struct ha_options options = {.base_topic = "alpaca", .url = "http://llama/", .version = "1"};
    struct world w;
    struct buf out = BUF_INIT;
    struct ha_components none = {0};
    struct ha_message message;
    struct heard heard = {0};
    world_open_live(&w);
    world_beat(&w, "Pi 🦙 \"x\"", "s", 1);
    assert_int_equal(
        world_readings(
            &w, "Pi 🦙 \"x\"", "s", 1,
            "{\"full_id\":\"a/b "
            "c:d\",\"value\":1,\"unit\":\"celsius\"},{\"full_id\":\"🦙\",\"value\":true},"
            "{\"full_id\":\"__\",\"value\":\"x\",\"unit\":\"\\u0001\"},{\"full_id\":\"x_\",\"value\":[1],"
            "\"unit\":\" \"},"
            "{\"full_id\":\"\\u0000\",\"value\":null,\"unit\":\"mS\"},{\"full_id\":\"'{{\",\"value\":0,"
            "\"unit\":\"boolean\"},{\"full_id\":\"dht:humidity\",\"value\":4,\"unit\":\"%\"}"),
        0);
    assert_int_equal(world_report(&w, "Pi 🦙 \"x\"", REPORT_OBSERVATIONS, "s", 1,
                                  "{\"observations\":[{\"id\":1,\"text\":\"t\"}]}"),
                     0);
    ha_write_node(&out, &options, world_node(&w, "Pi 🦙 \"x\""), &none, 100000, 1, &message);
    ha_check_message(out.data, out.len, hear, &heard);
    if (heard.count > 0) {
        fail_msg("%s: %s in %s", heard.component, heard.why, buf_terminate(&out));
    }
    assert_int_equal(message.after.count, 7 + 1 + 9);
    ha_components_finish(&message.after);
    buf_reset(&out);
    ha_write_llama(&out, &options);
    assert_int_equal(ha_check_message(out.data, out.len, hear, &heard), 0);
    buf_finish(&out);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_fine_is_let_pass),
        cmocka_unit_test(whole_messages_are_refused_for_what_they_are),
        cmocka_unit_test(components_are_refused_alone),
        cmocka_unit_test(every_complaint_is_told),
        cmocka_unit_test(topics_are_of_one_form),
        cmocka_unit_test(our_own_messages_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
