/* llamad's config: what it refuses to run with, and what becomes of the keys. */
#include "config.h"

#include "folders.h"
#include "log_capture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    struct log_capture log;
};

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    log_capture_start(&world->log);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    log_capture_end(&world->log);
    free(world);
    return 0;
}

static unsigned logged(struct world *world, const char *text)
{
    return log_capture_count(&world->log, text);
}

static char *no_environment(const char *name)
{
    (void)name;
    return NULL;
}

static struct conf *load(const char *text)
{
    struct conf *conf = conf_load_text("llamad.yaml", text, no_environment);
    assert_non_null(conf);
    assert_false(conf_has_errors(conf)); /* what follows is ours */
    config_check(conf);
    return conf;
}

static bool has_problem(const struct conf *conf, enum conf_severity severity, const char *text)
{
    for (size_t i = 0; i < conf_problem_count(conf); i++) {
        const struct conf_problem *problem = conf_problem(conf, i);
        if (problem->severity == severity && strstr(problem->text, text)) {
            return true;
        }
    }
    return false;
}

/* --- tests --- */

static void defaults_are_fine(void **state)
{
    (void)state;
    struct conf *conf = load("{}\n");
    struct app_config config;
    assert_false(conf_has_errors(conf));
    assert_int_equal(config_read(conf, &config), 0);
    assert_string_equal(config.mqtt.host, "localhost");
    assert_int_equal(config.mqtt.port, 1883);
    assert_int_equal(config.http.port, 8090);
    assert_false(config.http.open_to_all);
    assert_null(config.poll.allow);
    assert_int_equal(config.poll.timeout_ms, 5000);
    assert_int_equal(config_poll_interval_ms(conf), 60000);
    assert_true(config_retain_ms(conf) == INT64_C(7) * 86400 * 1000);
    config_finish(&config);
    conf_destroy(conf);
}

static void localhost_is_loopback_and_a_number_to_listen_on(void **state)
{
    (void)state;
    struct conf *conf = load("http: {listen: localhost}\n");
    struct app_config config;
    assert_false(conf_has_errors(conf));
    assert_int_equal(config_read(conf, &config), 0);
    assert_string_equal(config.http.listen, "127.0.0.1");
    assert_false(config.http.open_to_all);
    config_finish(&config);
    conf_destroy(conf);
}

static void what_llamad_cannot_run_with_is_an_error_at_its_line(void **state)
{
    static const struct {
        const char *text, *problem;
    } cases[] = {
        {"cluster:\n  enabled: false\n", "llamad.yaml:2: cluster.enabled"},
        {"http:\n  users_file: /etc/users\n", "llamad.yaml:2: http.users_file: /etc/users: No such file"},
        {"http:\n  tokens_file: /etc/tokens\n", "llamad.yaml:2: http.tokens_file: /etc/tokens: No such file"},
        {"http:\n  tls: {cert: /etc/c}\n", "http.tls.key belong together"},
        {"http:\n  public_url: http://x/api/\n", "llamad.yaml:2: http.public_url"},
        {"http:\n  public_url: http://x/a%20b\n", "llamad.yaml:2: http.public_url"},
        {"http:\n  listen: 0.0.0.0\n", "http.allow_anonymous: true"},
        {"http:\n  listen: \"::\"\n", "http.allow_anonymous: true"},
        {"mqtt:\n  password: a\n  password_file: /etc/b\n", "llamad.yaml:3: mqtt.password_file"},
        {"mqtt:\n  tls: {ca: /etc/ca, cert: /etc/c}\n", "mqtt.tls.key belong together"},
        {"mqtt:\n  tls: {cert: /etc/c, key: /etc/k}\n", "no effect without mqtt.tls.ca"},
        {"broker:\n  run: true\n  listen: 0.0.0.0\n", "llamad.yaml:3: broker.listen"},
        {"mqtt:\n  tls: {ca: /etc/ca}\nbroker: {run: true}\n", "without TLS, on this machine"},
        {"mqtt: {username: u}\nbroker: {run: true, listen: 0.0.0.0}\n", "broker.allow_plaintext: true"},
        {"broker: {run: true, listen: 0.0.0.0, allow_plaintext: true}\n", "wants an account"},
        {"broker: {run: true, tls: {cert: /etc/c, key: /etc/k}}\n", "no effect without broker.tls.listen"},
        {"broker: {run: true, tls: {listen: 0.0.0.0, key: /etc/k}}\n", "broker.tls.key belong together"},
        {"broker: {run: true, tls: {listen: 0.0.0.0, port: 1883}}\n", "is broker.port as well"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct conf *conf = conf_load_text("llamad.yaml", cases[i].text, no_environment);
        config_check(conf);
        if (!has_problem(conf, CONF_ERROR, cases[i].problem)) {
            for (size_t j = 0; j < conf_problem_count(conf); j++) {
                print_message("%s\n", conf_problem(conf, j)->text);
            }
            fail_msg("no error \"%s\" for:\n%s", cases[i].problem, cases[i].text);
        }
        conf_destroy(conf);
    }
}

static void own_broker_for_the_network_is_fine_with_a_login(void **state)
{
    static const char *const texts[] = {
        "mqtt: {username: llamad, password: p}\nbroker: {run: true, listen: 0.0.0.0, allow_plaintext: "
        "true}\n",
        "broker: {run: true, tls: {listen: 0.0.0.0}}\n",
        "broker: {run: true, listen: 127.0.0.2}\n",
        "broker: {run: false, listen: 0.0.0.0}\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct conf *conf = load(texts[i]);
        assert_false(conf_has_errors(conf));
        conf_destroy(conf);
    }
}

static void open_page_is_allowed_when_asked_for(void **state)
{
    (void)state;
    struct conf *conf =
        load("http: {listen: 0.0.0.0, allow_anonymous: true, hosts: [llama.lan, cluster.lan]}\n");
    struct app_config config;
    assert_false(conf_has_errors(conf));
    assert_int_equal(config_read(conf, &config), 0);
    assert_true(config.http.open_to_all);
    assert_int_equal(config.http.host_count, 2);
    assert_string_equal(config.http.hosts[1], "cluster.lan");
    config_finish(&config);
    conf_destroy(conf);
}

static void own_broker_is_the_one_connected_to(void **state)
{
    (void)state;
    struct conf *conf = load("mqtt: {broker: elsewhere, port: 9}\n"
                             "broker: {run: true, listen: 0.0.0.0, port: 2883}\n");
    struct app_config config;
    assert_true(has_problem(conf, CONF_WARNING, "not to this one"));
    assert_int_equal(config_read(conf, &config), 0);
    assert_string_equal(config.mqtt.host, "127.0.0.1");
    assert_int_equal(config.mqtt.port, 2883);
    config_finish(&config);
    conf_destroy(conf);
}

static void state_dir_is_made(void **state)
{
    char folder[] = "/tmp/test_llamad_config.XXXXXX";
    char text[256];
    char *path;
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(text, sizeof text, "cluster: {state_dir: %s/a/b}\n", folder);
    struct conf *conf = load(text);
    assert_int_equal(folders_state_dir(conf, &path), 0);
    snprintf(text, sizeof text, "%s/a/b", folder);
    assert_string_equal(path, text);
    assert_int_equal(rmdir(text), 0); /* made */
    free(path);
    conf_destroy(conf);
    snprintf(text, sizeof text, "%s/a", folder);
    rmdir(text);
    rmdir(folder);
}

static void state_dir_that_somebody_set_is_not_replaced(void **state)
{
    struct world *world = *state;
    struct conf *conf = load("cluster: {state_dir: /proc/nowhere}\n");
    char *path;
    assert_true(folders_state_dir(conf, &path) < 0);
    assert_int_equal(logged(world, "llamad.yaml:1: cluster.state_dir: cannot write to /proc/nowhere"), 1);
    conf_destroy(conf);
}

static void empty_list_of_networks_is_not_the_default_one(void **state)
{
    (void)state;
    struct conf *conf = load("cluster: {poll_allow: []}\n");
    struct app_config config;
    assert_int_equal(config_read(conf, &config), 0);
    assert_non_null(config.poll.allow);
    assert_int_equal(config.poll.allow_count, 0);
    config_finish(&config);
    conf_destroy(conf);
}

static void password_comes_from_its_file(void **state)
{
    struct world *world = *state;
    char path[] = "/tmp/test_llamad_config.XXXXXX";
    char text[128];
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "se cret\nmore\n", 13), 13);
    close(fd);
    snprintf(text, sizeof text, "mqtt: {password_file: %s}\n", path);
    struct conf *conf = load(text);
    struct app_config config;
    assert_int_equal(config_read(conf, &config), 0);
    assert_string_equal(config.mqtt.password, "se cret");
    config_finish(&config);
    unlink(path);
    assert_int_equal(config_read(conf, &config), -ENOENT);
    assert_int_equal(logged(world, path), 1);
    conf_destroy(conf);
}

static void reload_says_of_each_key_what_becomes_of_it(void **state)
{
    struct world *world = *state;
    struct conf *started = load("http: {port: 1}\nmqtt: {password: a}\n");
    struct conf *before = load("http: {port: 2}\nmqtt: {password: a}\ncluster: {poll_allow: [10.0.0.0/8]}\n");
    struct conf *fresh =
        load("\n\nhttp: {port: 2}\nmqtt: {password: b}\nalpaca: {limit: 5, heartbeat_interval: 5}\n"
             "cluster: {aggregation_interval: 9, poll_allow: [10.0.0.0/8]}\n");
    struct conf_changes changes = conf_log_changes(started, before, fresh, CONF_LLAMAD);
    assert_true(changes.live && changes.restart && !changes.reconnect);
    assert_int_equal(logged(world, "config: "), 4);
    assert_int_equal(
        logged(world, "warning config: llamad.yaml:3: http.port = 2: takes effect with the next start"), 1);
    assert_int_equal(logged(world, "mqtt.password = (set): takes effect with the next start"), 1);
    assert_int_equal(logged(world, "info config: llamad.yaml:5: alpaca.limit = 5: in force"), 1);
    assert_int_equal(logged(world, "cluster.aggregation_interval = 9s: in force"), 1);
    changes = conf_log_changes(started, started, fresh, CONF_AGENT);
    assert_true(changes.live && changes.reconnect && !changes.restart);
    assert_int_equal(logged(world, "mqtt.password = (set): connects anew with it"), 1);
    assert_int_equal(logged(world, "alpaca.heartbeat_interval = 5s: in force"), 1);
    assert_true(conf_same(before, fresh, "http.port") && !conf_same(started, fresh, "http.port"));
    conf_destroy(started);
    conf_destroy(before);
    conf_destroy(fresh);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(defaults_are_fine),
        TEST(localhost_is_loopback_and_a_number_to_listen_on),
        TEST(what_llamad_cannot_run_with_is_an_error_at_its_line),
        TEST(own_broker_for_the_network_is_fine_with_a_login),
        TEST(open_page_is_allowed_when_asked_for),
        TEST(own_broker_is_the_one_connected_to),
        TEST(state_dir_is_made),
        TEST(state_dir_that_somebody_set_is_not_replaced),
        TEST(empty_list_of_networks_is_not_the_default_one),
        TEST(password_comes_from_its_file),
        TEST(reload_says_of_each_key_what_becomes_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
