#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char *no_environment(const char *name)
{
    (void)name;
    return NULL;
}

static struct conf *load(const char *text)
{
    struct conf *conf = conf_load_text("test.yaml", text, no_environment);
    assert_non_null(conf);
    config_check(conf);
    return conf;
}

static void read_good(const char *text, struct conf **ret_conf, struct config *ret_config)
{
    *ret_conf = load(text);
    if (conf_has_errors(*ret_conf)) {
        fail_msg("%s", conf_problem(*ret_conf, 0)->text);
    }
    assert_int_equal(config_read(*ret_conf, ret_config), 0);
}

static void done(struct conf *conf, struct config *config)
{
    config_finish(config);
    conf_destroy(conf);
}

static void defaults_are_those_of_the_contract(void **state)
{
    (void)state;
    struct conf *conf;
    struct config c;
    read_good("node: {name: pi-kitchen}\n", &conf, &c);
    assert_string_equal(c.node, "pi-kitchen");
    assert_false(c.node_is_host_name);
    assert_int_equal(c.type, NODE_ALPACA);
    assert_string_equal(c.broker, "localhost");
    assert_int_equal(c.broker_port, 1883);
    assert_string_equal(c.base_topic, "alpaca");
    assert_null(c.username);
    assert_null(c.password);
    assert_null(c.tls_ca);
    assert_int_equal(c.source, SOURCE_SMOLLAMA);
    assert_string_equal(c.url.host, "127.0.0.1");
    assert_int_equal(c.url.port, 8080);
    assert_int_equal(c.limit, 100);
    assert_int_equal(c.announce, ANNOUNCE_AUTO);
    assert_int_equal(c.heartbeat_s, 10);
    assert_int_equal(c.interval_s[REPORT_READINGS], 5);
    assert_int_equal(c.interval_s[REPORT_OBSERVATIONS], 30);
    assert_int_equal(c.interval_s[REPORT_MEMORIES], 60);
    assert_int_equal(c.interval_s[REPORT_STATS], 30);
    assert_int_equal(c.retain_for_s, 7 * 86400);
    assert_int_equal(c.label_count, 0);
    done(conf, &c);
}

static void the_host_name_stands_in_for_a_missing_name(void **state)
{
    (void)state;
    struct conf *conf;
    struct config c;
    char name[256] = "";
    gethostname(name, sizeof name - 1);
    name[strcspn(name, ".")] = '\0';
    read_good("mqtt: {port: 1884}\n", &conf, &c);
    assert_string_equal(c.node, name);
    assert_true(c.node_is_host_name);
    done(conf, &c);
}

/* What is in the files is looked at by config_check. */
static void tls_files_are_taken_as_they_are_called(void **state)
{
    (void)state;
    struct config c;
    struct conf *conf = conf_load_text(
        "test.yaml", "node: {name: n}\nmqtt: {tls: {ca: /dev/null, cert: /dev/zero, key: /dev/full}}\n",
        getenv);
    assert_int_equal(config_read(conf, &c), 0);
    assert_string_equal(c.tls_ca, "/dev/null");
    assert_string_equal(c.tls_cert, "/dev/zero");
    assert_string_equal(c.tls_key, "/dev/full");
    done(conf, &c);
}

static void everything_set_is_taken(void **state)
{
    (void)state;
    struct conf *conf;
    struct config c;
    read_good(
        "node: {name: n}\n"
        "mqtt: {broker: b.example, port: 8883, username: u, password: p, base_topic: farm}\n"
        "mem0: {bridge_enabled: true}\n"
        "alpaca: {url: \"https://pi.example:444/x/\", announce_url: \"http://10.1.2.3:9\", labels: {room: "
        "kitchen, "
        "floor: '1'}, retain_for: 1d, heartbeat_interval: 7, readings_interval: 1, observations_interval: 2, "
        "stats_interval: 3, memories_interval: 4, limit: 9}\n",
        &conf, &c);
    assert_int_equal(c.type, NODE_LLAMA);
    assert_string_equal(c.broker, "b.example");
    assert_int_equal(c.broker_port, 8883);
    assert_string_equal(c.username, "u");
    assert_string_equal(c.password, "p");
    assert_string_equal(c.base_topic, "farm");
    assert_true(c.url.https);
    assert_string_equal(c.url.path, "/x");
    assert_int_equal(c.announce, ANNOUNCE_URL);
    assert_string_equal(c.announce_url, "http://10.1.2.3:9");
    assert_int_equal(c.label_count, 2);
    assert_string_equal(c.labels[0].key, "room");
    assert_string_equal(c.labels[0].value, "kitchen");
    assert_int_equal(c.retain_for_s, 86400);
    assert_int_equal(c.heartbeat_s, 7);
    assert_int_equal(c.interval_s[REPORT_READINGS], 1);
    assert_int_equal(c.interval_s[REPORT_OBSERVATIONS], 2);
    assert_int_equal(c.interval_s[REPORT_STATS], 3);
    assert_int_equal(c.interval_s[REPORT_MEMORIES], 4);
    assert_int_equal(c.limit, 9);
    done(conf, &c);
}

static void a_written_type_wins_over_the_bridge(void **state)
{
    (void)state;
    struct conf *conf;
    struct config c;
    read_good("node: {name: n}\nmem0: {bridge_enabled: true}\nalpaca: {type: alpaca}\n", &conf, &c);
    assert_int_equal(c.type, NODE_ALPACA);
    done(conf, &c);
}

static void the_system_has_no_store_and_announces_nothing(void **state)
{
    (void)state;
    struct conf *conf;
    struct config c;
    read_good("node: {name: n}\nalpaca: {source: system, announce_url: \"http://10.1.2.3:9\"}\n", &conf, &c);
    assert_int_equal(c.source, SOURCE_SYSTEM);
    assert_int_equal(c.announce, ANNOUNCE_NOTHING);
    assert_int_equal(c.interval_s[REPORT_READINGS], 5);
    assert_int_equal(c.interval_s[REPORT_STATS], 30);
    assert_int_equal(c.interval_s[REPORT_OBSERVATIONS], 0);
    assert_int_equal(c.interval_s[REPORT_MEMORIES], 0);
    done(conf, &c);
}

static void nothing_is_announced_on_request(void **state)
{
    (void)state;
    struct conf *conf;
    struct config c;
    read_good("node: {name: n}\nalpaca: {announce_url: none}\n", &conf, &c);
    assert_int_equal(c.announce, ANNOUNCE_NOTHING);
    done(conf, &c);
}

static void the_password_can_come_from_a_file(void **state)
{
    (void)state;
    char path[] = "/tmp/agent_config.XXXXXX", text[200];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "s3cret \xc3\xbc#\nrest", 15), 15);
    close(fd);
    struct conf *conf;
    struct config c;
    snprintf(text, sizeof text, "node: {name: n}\nmqtt: {username: u, password_file: %s}\n", path);
    read_good(text, &conf, &c);
    assert_string_equal(c.password, "s3cret \xc3\xbc#");
    done(conf, &c);
    unlink(path);
    conf = load(text);
    assert_true(conf_has_errors(conf)); /* said at the start, not at the first connect */
    conf_destroy(conf);
}

static void what_cannot_work_is_an_error_with_its_place(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"node: {name: n}\nalpaca:\n  url: ftp://host\n", "test.yaml:3"},
        {"node: {name: n}\nalpaca:\n  url: http://user:pw@host\n", "test.yaml:3"},
        {"node: {name: n}\nalpaca:\n  url: \"https://[::1]:8080\"\n", "test.yaml:3"},
        {"node: {name: n}\nalpaca:\n  announce_url: everywhere\n", "test.yaml:3"},
        {"node: {name: n}\nmqtt:\n  tls: {cert: /dev/null}\n", "test.yaml:3"},
        {"node: {name: n}\nmqtt:\n  tls: {key: /dev/null, ca: /dev/null}\n", "test.yaml:3"},
        {"node: {name: n}\nmqtt:\n  tls: {ca: /nowhere/ca.pem}\n", "test.yaml:3"},
        {"node: {name: n}\nalpaca:\n  labels: {a-key-that-is-longer-than-thirty-two-bytes: x}\n",
         "test.yaml:3"},
        {"node: {name: n}\nalpaca:\n  labels: {a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1, h: 1, i: 1, j: 1, "
         "k: 1, l: 1, "
         "m: 1, n: 1, o: 1, p: 1, q: 1}\n",
         "test.yaml:3"},
        {"node: {name: n}\nalpaca:\n  labels: {a: \"\\x01\"}\n", "test.yaml:3"},
        {"node: {name: n}\nalpaca:\n  labels: {\"\": x}\n", "test.yaml:3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct conf *conf = load(cases[i][0]);
        bool placed = false;
        for (size_t p = 0; p < conf_problem_count(conf); p++) {
            const struct conf_problem *problem = conf_problem(conf, p);
            placed |= problem->severity == CONF_ERROR && strstr(problem->text, cases[i][1]);
        }
        if (!placed) {
            fail_msg("no error at %s: %s", cases[i][1], cases[i][0]);
        }
        conf_destroy(conf);
    }
}

static void the_same_node_is_known_by_name_topic_and_broker(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool same;
    } cases[] = {
        {"node: {name: n}\nalpaca: {limit: 5, heartbeat_interval: 3}\n", true},
        {"node: {name: m}\n", false},
        {"node: {name: n}\nmqtt: {base_topic: farm}\n", false},
        {"node: {name: n}\nmqtt: {broker: elsewhere}\n", false},
        {"node: {name: n}\nmqtt: {port: 1884}\n", false},
    };
    struct conf *conf, *other_conf;
    struct config c, other;
    read_good("node: {name: n}\n", &conf, &c);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        read_good(cases[i].text, &other_conf, &other);
        assert_int_equal(config_same_node(&c, &other), cases[i].same);
        done(other_conf, &other);
    }
    done(conf, &c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_contract),
        cmocka_unit_test(the_host_name_stands_in_for_a_missing_name),
        cmocka_unit_test(tls_files_are_taken_as_they_are_called),
        cmocka_unit_test(everything_set_is_taken),
        cmocka_unit_test(a_written_type_wins_over_the_bridge),
        cmocka_unit_test(the_system_has_no_store_and_announces_nothing),
        cmocka_unit_test(nothing_is_announced_on_request),
        cmocka_unit_test(the_password_can_come_from_a_file),
        cmocka_unit_test(what_cannot_work_is_an_error_with_its_place),
        cmocka_unit_test(the_same_node_is_known_by_name_topic_and_broker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
