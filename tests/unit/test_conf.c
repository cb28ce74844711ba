#include "conf.h"
#include "conf_check.h"
#include "conf_internal.h"
#include "fixtures.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static char *no_environment(const char *name)
{
    (void)name;
    return NULL;
}

static struct conf *load_text(const char *text)
{
    struct conf *conf = conf_load_text("c.yaml", text, no_environment);
    assert_non_null(conf);
    return conf;
}

static struct conf *load_fixture(const char *name)
{
    char path[64];
    size_t len;
    snprintf(path, sizeof path, "config/%s", name);
    char *text = fixture_read(path, &len);
    struct conf *conf = conf_load_text(name, text, no_environment);
    assert_non_null(conf);
    free(text);
    return conf;
}

/* All problems, one a line, as --check prints them. free() it. */
static char *problems_of(const struct conf *conf)
{
    struct buf out = BUF_INIT;
    for (size_t i = 0; i < conf_problem_count(conf); i++) {
        const struct conf_problem *problem = conf_problem(conf, i);
        buf_printf(&out, "%s: %s\n", problem->severity == CONF_ERROR ? "error" : "warning", problem->text);
    }
    buf_str(&out, "");
    assert_non_null(buf_terminate(&out));
    size_t len;
    return buf_take(&out, &len);
}

static void assert_problems(const char *text, const char *expected)
{
    struct conf *conf = load_text(text);
    char *problems = problems_of(conf);
    assert_string_equal(problems, expected);
    free(problems);
    conf_destroy(conf);
}

/* --- whole files --- */

static void configuration_of_smollama_is_taken_without_a_word(void **state)
{
    (void)state;
    struct conf *conf = load_fixture("smollama.yaml");
    char *problems = problems_of(conf);
    assert_string_equal(problems, "");
    free(problems);
    assert_string_equal(conf_string(conf, "node.name"), "pi-living-room");
    assert_string_equal(conf_string(conf, "mqtt.broker"), "192.168.1.100");
    assert_string_equal(conf_string(conf, "mqtt.password"), "secret");
    assert_string_equal(conf_string(conf, "mqtt.base_topic"), "alpaca");
    assert_false(conf_bool(conf, "mem0.bridge_enabled"));
    assert_string_equal(conf_origin(conf, "mqtt.broker"), "smollama.yaml:12");
    assert_string_equal(conf_origin(conf, "mqtt.base_topic"), "default");
    conf_destroy(conf);
}

static void every_mistake_is_named_with_its_line(void **state)
{
    (void)state;
    size_t len;
    char *expected = fixture_read("config/typos.expected", &len);
    struct conf *conf = load_fixture("typos.yaml");
    char *problems = problems_of(conf);
    assert_string_equal(problems, expected);
    assert_true(conf_has_errors(conf));
    /* what was wrong has its default */
    assert_int_equal(conf_int(conf, "mqtt.port"), 1883);
    assert_int_equal(conf_int(conf, "alpaca.limit"), 100);
    assert_null(conf_string(conf, "node.name"));
    assert_int_equal(conf_list_len(conf, "cluster.manual_nodes"), 0);
    free(problems);
    free(expected);
    conf_destroy(conf);
}

static void check_prints_every_value_with_its_origin(void **state)
{
    (void)state;
    size_t len;
    char *expected = fixture_read("config/full.expected", &len);
    struct conf *conf = load_fixture("full.yaml");
    assert_int_equal(conf_problem_count(conf), 0);
    struct buf out = BUF_INIT;
    conf_print(conf, &out);
    assert_string_equal(buf_terminate(&out), expected);
    assert_null(strstr(out.data, "\"p\"")); /* the password */
    buf_finish(&out);
    free(expected);
    conf_destroy(conf);
}

static void nothing_at_all_is_all_defaults(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "# nothing\n", "---\n", "node:\nmqtt: ~\n",
                                        "\xef\xbb\xbf# a BOM\n"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct conf *conf = load_text(texts[i]);
        assert_int_equal(conf_problem_count(conf), 0);
        assert_string_equal(conf_string(conf, "mqtt.broker"), "localhost");
        assert_int_equal(conf_int(conf, "alpaca.retain_for"), 604800);
        assert_int_equal(conf_list_len(conf, "cluster.poll_allow"), 5);
        assert_string_equal(conf_list_get(conf, "cluster.poll_allow", 4, NULL), "fc00::/7");
        assert_false(conf_is_set(conf, "mqtt.broker"));
        assert_null(conf_string(conf, "mqtt.username"));
        conf_destroy(conf);
    }
}

/* --- values --- */

static void lists_records_and_maps_are_read(void **state)
{
    (void)state;
    struct conf *conf = load_text("cluster:\n"
                                  "  manual_nodes:\n"
                                  "    - name: pi kitchen\n"
                                  "      url: http://192.168.1.10:8080\n"
                                  "    - {url: 'https://[fd00::1]/x', name: \"Küche\"}\n"
                                  "  poll_allow: []\n"
                                  "http: {hosts: [a.lan, b]}\n"
                                  "alpaca: {labels: {room: kitchen, floor: 2}}\n");
    assert_int_equal(conf_problem_count(conf), 0);
    assert_int_equal(conf_list_len(conf, "cluster.manual_nodes"), 2);
    assert_string_equal(conf_list_get(conf, "cluster.manual_nodes", 0, "name"), "pi kitchen");
    assert_string_equal(conf_list_get(conf, "cluster.manual_nodes", 1, "name"), "Küche");
    assert_string_equal(conf_list_get(conf, "cluster.manual_nodes", 1, "url"), "https://[fd00::1]/x");
    assert_int_equal(conf_list_len(conf, "cluster.poll_allow"), 0);
    assert_true(conf_is_set(conf, "cluster.poll_allow"));
    assert_string_equal(conf_list_get(conf, "http.hosts", 1, NULL), "b");
    assert_string_equal(conf_list_key(conf, "alpaca.labels", 1), "floor");
    assert_string_equal(conf_list_get(conf, "alpaca.labels", 1, NULL), "2");
    conf_destroy(conf);
}

static void texts_that_look_like_something_else_stay_texts(void **state)
{
    (void)state;
    struct conf *conf = load_text("mqtt: {username: 007, password: yes, password_file: 'null'}\n");
    assert_int_equal(conf_problem_count(conf), 0);
    assert_string_equal(conf_string(conf, "mqtt.username"), "007");
    assert_string_equal(conf_string(conf, "mqtt.password"), "yes");
    assert_string_equal(conf_string(conf, "mqtt.password_file"), "null"); /* quoted */
    conf_destroy(conf);
}

static void durations_have_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double seconds; /* < 0: refused */
    } cases[] = {{"90", 90},
                 {"90s", 90},
                 {"5m", 300},
                 {"2h", 7200},
                 {"7d", 604800},
                 {"1.5h", 5400},
                 {"0.25", 0.25},
                 {"", -1},
                 {"-5", -1},
                 {"5 m", -1},
                 {"5min", -1},
                 {"m", -1},
                 {"1e3", -1},
                 {".5", -1},
                 {"1.", -1},
                 {"0x10", -1},
                 {"inf", -1},
                 {"nan", -1},
                 {"12345678901234567890", -1}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        double seconds = -1;
        assert_int_equal(conf_parse_duration(cases[i].text, &seconds), cases[i].seconds >= 0);
        assert_true(seconds == cases[i].seconds);
    }
    struct conf *conf = load_text("cluster: {request_timeout: 0.5, aggregation_interval: 2m}\n");
    assert_true(conf_double(conf, "cluster.request_timeout") == 0.5);
    assert_int_equal(conf_int(conf, "cluster.aggregation_interval"), 120);
    conf_destroy(conf);
}

static void addresses_and_names_are_checked(void **state)
{
    (void)state;
    static const char *const good_urls[] = {"http://h", "https://h.lan:8443/a/b", "http://[::1]:80",
                                            "HTTP://192.168.1.1/", "http://pi_kitchen.local"};
    static const char *const bad_urls[] = {
        "",           "h",           "ftp://h",        "http://",      "http://:80",
        "http://h:0", "http://h:x",  "http://h:65536", "http://[::1",  "http://[1.2.3.4]",
        "http://h?q", "http://a b",  "http://u@h",     "http://h:80x", "http://h\\x",
        "http://-h",  "http://a..b", "http://h/\x7f",  "http://[::1]x"};
    for (size_t i = 0; i < COUNT(good_urls); i++) {
        assert_null(conf_check_url(good_urls[i]));
    }
    for (size_t i = 0; i < COUNT(bad_urls); i++) {
        assert_non_null(conf_check_url(bad_urls[i]));
    }
    static const char *const good_networks[] = {"10.0.0.0/8", "0.0.0.0/0", "fc00::/7",
                                                "::1",        "1.2.3.4",   "::/128"};
    static const char *const bad_networks[] = {"",    "10.0.0.0/",  "10.0.0.0/33", "10/8",        "::/129",
                                               "h/8", "1.2.3.4/-1", "1.2.3.4/ 8",  "1.2.3.4/0008"};
    for (size_t i = 0; i < COUNT(good_networks); i++) {
        assert_null(conf_check_network(good_networks[i]));
    }
    for (size_t i = 0; i < COUNT(bad_networks); i++) {
        assert_non_null(conf_check_network(bad_networks[i]));
    }
    assert_null(conf_check_listen("::"));
    assert_null(conf_check_listen("localhost"));
    assert_non_null(conf_check_listen("eth0"));
    assert_null(conf_check_service_type("_smollama._tcp"));
    assert_non_null(conf_check_service_type("smollama._tcp"));
    assert_non_null(conf_check_service_type("_smollama._tcp.local."));
    assert_null(conf_check_announce_url("none"));
    assert_null(conf_check_topic("ha/discovery"));
    assert_non_null(conf_check_topic("ha/#"));
    assert_non_null(conf_check_topic("/ha"));
    assert_non_null(conf_check_topic("$ha"));
}

/* --- what is not YAML, or too much --- */

static void broken_yaml_is_told_with_line_and_column(void **state)
{
    (void)state;
    assert_problems("node:\n\tname: x\n",
                    "error: c.yaml:2:1: a tab in front; YAML takes only spaces there\n");
    assert_problems("node:\n  name: x\n \tmqtt: y\n",
                    "error: c.yaml:3:2: found a tab character that violates indentation\n");
    assert_problems("node:\n  name: %x\n",
                    "error: c.yaml:2:9: found character that cannot start any token\n");
    assert_problems("node: {name: x\n", "error: c.yaml:2:1: did not find expected ',' or '}'\n");
    assert_problems("a: 'unfinished\n", "error: c.yaml:2:1: found unexpected end of stream\n");
    assert_problems("node:\n  name: \xff\xfe\n", "error: c.yaml:2:9: invalid leading UTF-8 octet\n");
    assert_problems("node: \x01\n", "error: c.yaml:1:7: control characters are not allowed\n");
    assert_problems("- a\n- b\n", "error: c.yaml:1:1: sections (name: …) are expected here\n");
    assert_problems("just text\n", "error: c.yaml:1:1: sections (name: …) are expected here\n");
    assert_problems("node: {}\n---\nnode: {}\n", "error: c.yaml:2:1: a second document: only one is read\n");
    assert_problems("? [a, b]\n: c\n", "error: c.yaml:1:3: a key must be a text\n");
    assert_problems("node: {name: \"a\\0b\"}\n", "error: c.yaml:1: node.name: contains a NUL\n");
    assert_problems("\"no\\0de\": 1\n", "error: c.yaml:1:1: a key must not contain a NUL\n");
}

static void aliases_are_not_followed_where_we_read(void **state)
{
    (void)state;
    assert_problems("ollama: &o {host: h}\ngpio: *o\nplugins: {<<: *o}\n", "");
    assert_problems("ollama: &o {host: h}\nhttp: *o\nmqtt: {broker: *o}\n",
                    "error: c.yaml:2: http: aliases (*name) are not followed here\n"
                    "error: c.yaml:3: mqtt.broker: aliases (*name) are not followed here\n");
    /* a billion laughs stay one line each */
    assert_problems(
        "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
        "http: {hosts: *c}\n",
        "warning: c.yaml:1: a: unknown section, not read; the nearest known one is http\n"
        "warning: c.yaml:2: b: unknown section, not read; the nearest known one is http\n"
        "warning: c.yaml:3: c: unknown section, not read; the nearest known one is http\n"
        "error: c.yaml:4: http.hosts: aliases (*name) are not followed here\n");
}

/* YAML and our own pages know more ways to write it: to skip them would leave values at their defaults. */
static void ways_to_write_it_that_are_not_read_are_errors_in_any_section(void **state)
{
    (void)state;
    assert_problems(
        "ollama: &o {port: 1}\nmqtt: {<<: *o}\nhttp:\n  <<: *o\n<<: *o\n",
        "error: c.yaml:2: mqtt.<<: merge keys are not followed here; write out what it stands for\n"
        "error: c.yaml:4: http.<<: merge keys are not followed here; write out what it stands for\n"
        "error: c.yaml:5: <<: merge keys are not followed here; write out what it stands for\n");
    assert_problems(
        "mqtt.port: 1\nhttp: {tls.cert: x}\ncluster.publish: false\n",
        "error: c.yaml:1: mqtt.port: the dot stands for nesting: write mqtt: {port: …}\n"
        "error: c.yaml:2: http.tls.cert: the dot stands for nesting: write tls: {cert: …}\n"
        "error: c.yaml:3: cluster.publish: the dot stands for nesting: write cluster: {publish: …}\n");
    assert_problems("my.own: 1\n",
                    "warning: c.yaml:1: my.own: unknown section, not read; the nearest known one is node\n");
}

static void depth_size_and_number_are_limited(void **state)
{
    (void)state;
    assert_problems("gpio: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n",
                    "error: c.yaml:1:38: nested too deeply\n");
    char *text = malloc(CONF_FILE_MAX + 2);
    assert_non_null(text);
    memset(text, '[', CONF_FILE_MAX);
    memcpy(text, "gpio: ", 6);
    text[CONF_FILE_MAX] = '\0';
    struct conf *conf = load_text(text);
    assert_int_equal(conf_problem_count(conf), 1);
    assert_non_null(strstr(conf_problem(conf, 0)->text, "nest"));
    conf_destroy(conf);
    memset(text, '#', CONF_FILE_MAX + 1);
    text[CONF_FILE_MAX + 1] = '\0';
    assert_problems(text, "error: c.yaml:1:1: the file is larger than 1 MiB\n");
    char *at = text;
    at += sprintf(at, "gpio:\n");
    for (unsigned i = 0; i <= CONF_NODES_MAX; i++) {
        at += sprintf(at, "- x\n");
    }
    assert_problems(text, "error: c.yaml:100000:3: too many values\n");
    at = text + sprintf(text, "alpaca: {labels: {k: v");
    for (unsigned i = 0; i < 1500; i++) {
        at += sprintf(at, ",k%u: v", i);
    }
    strcpy(at, "}}\n");
    assert_problems(text,
                    "error: c.yaml:1: alpaca.labels: more than 1000 elements\n"); /* once, not for each */
    free(text);
}

static void list_of_problems_ends_somewhere(void **state)
{
    (void)state;
    struct buf text = BUF_INIT;
    buf_str(&text, "http:\n");
    for (int i = 0; i < 500; i++) {
        buf_printf(&text, "  k%d: 1\n", i);
    }
    struct conf *conf = load_text(buf_terminate(&text));
    buf_finish(&text);
    assert_int_equal(conf_problem_count(conf), CONF_PROBLEMS_MAX + 1);
    assert_string_equal(conf_problem(conf, CONF_PROBLEMS_MAX)->text,
                        "too many problems: the rest is not listed");
    conf_destroy(conf);
}

static void secret_is_in_no_message(void **state)
{
    (void)state;
    struct conf *conf = load_text("mqtt: {password: \"hush\\thush\"}\n");
    assert_int_equal(conf_problem_count(conf), 1);
    assert_string_equal(conf_problem(conf, 0)->text,
                        "c.yaml:1: mqtt.password: the value contains a control character");
    conf_destroy(conf);
    assert_problems(
        "alpaca: {url: \"http://user:hush@host/\"}\nmqtt: {broker: \"user:hush@host\"}\n"
        "cluster: {manual_nodes: [{name: a, url: \"https://u:hush@b@h/\"}], request_timeout: hush@1}\n",
        "error: c.yaml:1: alpaca.url: \"http://…@host/\" contains a user name\n"
        "error: c.yaml:2: mqtt.broker: \"…@host\" is no host name or address\n"
        "error: c.yaml:3: cluster.manual_nodes.url: \"https://…@h/\" contains a user name\n"
        "error: c.yaml:3: cluster.request_timeout: expected seconds (or 5m, 2h, 7d) from 0.1 to 300, not "
        "\"…@1\"\n");
}

/* --- environment, files --- */

static char *some_environment(const char *name)
{
    static char home[64];
    if (strcmp(name, "HOME") == 0) {
        return getcwd(home, sizeof home);
    }
    static const char *const set[][2] = {{"SMOLLAMA_NODE_NAME", "from-env"},
                                         {"SMOLLAMA_MQTT_PORT", "2883"},
                                         {"SMOLLAMA_MQTT_BROKER", ""},
                                         {"SMOLLAMA_MEM0_BRIDGE_ENABLED", "True"}};
    for (size_t i = 0; i < COUNT(set); i++) {
        if (strcmp(name, set[i][0]) == 0) {
            static char value[32];
            snprintf(value, sizeof value, "%s", set[i][1]);
            return value;
        }
    }
    return NULL;
}

static char *wrong_environment(const char *name)
{
    static char value[] = "many";
    return strcmp(name, "SMOLLAMA_MQTT_PORT") == 0 ? value : NULL;
}

static void variables_come_last_and_empty_ones_do_not_count(void **state)
{
    (void)state;
    struct conf *conf = conf_load_text("c.yaml", "node: {name: file}\nmqtt: {broker: b}\n", some_environment);
    assert_string_equal(conf_string(conf, "node.name"), "from-env");
    assert_string_equal(conf_origin(conf, "node.name"), "SMOLLAMA_NODE_NAME");
    assert_int_equal(conf_int(conf, "mqtt.port"), 2883);
    assert_string_equal(conf_string(conf, "mqtt.broker"), "b");
    assert_true(conf_bool(conf, "mem0.bridge_enabled"));
    conf_destroy(conf);
    conf = conf_load_text("c.yaml", "", wrong_environment);
    assert_int_equal(conf_problem_count(conf), 1);
    assert_string_equal(
        conf_problem(conf, 0)->text,
        "SMOLLAMA_MQTT_PORT: mqtt.port: expected a whole number from 1 to 65535, not \"many\"");
    conf_destroy(conf);
}

/* Each test of files runs in an empty folder of its own. */
struct folder {
    char before[256], path[64];
};

static int enter_folder(void **state)
{
    struct folder *folder = calloc(1, sizeof *folder);
    assert_non_null(folder);
    assert_non_null(getcwd(folder->before, sizeof folder->before));
    strcpy(folder->path, "/tmp/test_conf_XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    assert_int_equal(chdir(folder->path), 0);
    *state = folder;
    return 0;
}

static int leave_folder(void **state)
{
    struct folder *folder = *state;
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", folder->path);
    assert_int_equal(chdir(folder->before), 0);
    assert_int_equal(system(command), 0);
    free(folder);
    return 0;
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void files_are_searched_in_smollamas_order(void **state)
{
    (void)state;
    struct conf *conf = conf_load(NULL, some_environment);
    assert_null(conf_path(conf));
    assert_int_equal(conf_problem_count(conf), 1);
    assert_int_equal(conf_problem(conf, 0)->severity, CONF_WARNING);
    conf_destroy(conf);

    static const char *const in_order[] = {".smollama/config.yml", ".smollama/config.yaml", "config.yml",
                                           "config.yaml"};
    assert_int_equal(mkdir(".smollama", 0700), 0);
    for (size_t i = 0; i < COUNT(in_order); i++) { /* from the last to the first */
        put(in_order[i], "");
        conf = conf_load(NULL, some_environment);
        const char *path = conf_path(conf);
        assert_string_equal(path + strlen(path) - strlen(in_order[i]), in_order[i]);
        assert_int_equal(conf_problem_count(conf), 0);
        conf_destroy(conf);
    }
}

static void overlay_lies_over_the_file(void **state)
{
    (void)state;
    put("config.prod.yaml",
        "mqtt: {broker: one, username: u, tls: {ca: base}}\n"
        "cluster: {manual_nodes: [{name: a, url: 'http://a'}, {name: b, url: 'http://b'}]}\n"
        "alpaca: {labels: {room: kitchen, floor: 1}}\nhttp: {port: 1}\n");
    put("config.local.yaml", "mqtt:\n  broker: two\n  username:\n  tls: {cert: over}\n"
                             "cluster: {manual_nodes: [{name: c, url: 'http://c'}]}\n"
                             "alpaca: {labels: {floor: 2}}\nhttp: {prot: 5}\n");
    struct conf *conf = conf_load("./config.prod.yaml", no_environment);
    assert_string_equal(conf_path(conf), "./config.prod.yaml");
    assert_string_equal(conf_string(conf, "mqtt.broker"), "two");
    assert_string_equal(conf_origin(conf, "mqtt.broker"), "./config.local.yaml:2");
    assert_null(conf_string(conf, "mqtt.username"));               /* null takes it back */
    assert_string_equal(conf_string(conf, "mqtt.tls.ca"), "base"); /* maps are merged */
    assert_string_equal(conf_string(conf, "mqtt.tls.cert"), "over");
    assert_int_equal(conf_list_len(conf, "cluster.manual_nodes"), 1); /* lists are replaced */
    assert_string_equal(conf_list_get(conf, "cluster.manual_nodes", 0, "name"), "c");
    assert_int_equal(conf_list_len(conf, "alpaca.labels"), 2);
    assert_string_equal(conf_list_key(conf, "alpaca.labels", 0), "floor");
    assert_string_equal(conf_list_get(conf, "alpaca.labels", 0, NULL), "2");
    assert_string_equal(conf_list_get(conf, "alpaca.labels", 1, NULL), "kitchen");
    assert_int_equal(conf_int(conf, "http.port"), 1);
    assert_int_equal(conf_problem_count(conf), 1);
    assert_string_equal(conf_problem(conf, 0)->text,
                        "./config.local.yaml:7: http.prot: unknown key; did you mean port?");
    conf_destroy(conf);
    conf = conf_load("config.local.yaml", no_environment); /* not once more over itself */
    assert_int_equal(conf_problem_count(conf), 1);
    conf_destroy(conf);
}

static void what_cannot_be_read_is_an_error(void **state)
{
    (void)state;
    struct conf *conf = conf_load("missing.yaml", no_environment);
    assert_true(conf_has_errors(conf));
    assert_string_equal(conf_problem(conf, 0)->text,
                        "missing.yaml: cannot be read: No such file or directory");
    conf_destroy(conf);
    conf = conf_load(".", no_environment);
    assert_string_equal(conf_problem(conf, 0)->text, ".: cannot be read: Is a directory");
    conf_destroy(conf);
}

static void secret_file_gives_its_first_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *secret;
    } cases[] = {
        {"s3cret\n", "s3cret"}, {"s3cret", "s3cret"}, {"a b \r\nnext\n", "a b "}, {"", ""}, {"\nx", ""}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        put("secret", cases[i].text);
        char *secret = conf_read_secret("secret");
        assert_string_equal(secret, cases[i].secret);
        free(secret);
    }
    assert_null(conf_read_secret("missing"));
    assert_int_equal(errno, ENOENT);
    FILE *file = fopen("secret", "w");
    fwrite("a\0b", 1, 3, file);
    fclose(file);
    assert_null(conf_read_secret("secret"));
    assert_int_equal(errno, EINVAL);
    char large[5000];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    put("secret", large);
    assert_null(conf_read_secret("secret"));
    assert_int_equal(errno, EINVAL);
    assert_null(conf_read_secret("."));
    assert_int_equal(errno, EISDIR);
}

/* --- the command line --- */

static void refuse_port_one(struct conf *conf)
{
    if (conf_int(conf, "http.port") == 1) {
        conf_report(conf, CONF_ERROR, "http.port", "is not %s", "ours");
    }
}

/* Runs conf_main with standard output and error in files "out" and "err". The exit status, or -1 for "go on".
 */
static int run(char **argv)
{
    static const struct conf_program program = {.name = "prog",
                                                .help = "the help\n",
                                                .topics = LOG_TOPIC_BIT(LOG_MQTT) | LOG_TOPIC_BIT(LOG_HTTP),
                                                .check = refuse_port_one};
    int argc = 0;
    while (argv[argc]) {
        argc++;
    }
    int saved[2] = {dup(STDOUT_FILENO), dup(STDERR_FILENO)};
    fflush(stdout);
    assert_non_null(freopen("out", "w", stdout));
    int err = open("err", O_CREAT | O_TRUNC | O_WRONLY, 0600);
    dup2(err, STDERR_FILENO);
    close(err);
    struct conf *conf = NULL;
    int status = conf_main(argc, argv, &program, &conf);
    fflush(stdout);
    dup2(saved[0], STDOUT_FILENO);
    dup2(saved[1], STDERR_FILENO);
    close(saved[0]);
    close(saved[1]);
    assert_int_equal(status == -1, conf != NULL);
    conf_destroy(conf);
    return status;
}

static bool file_has(const char *path, const char *part)
{
    char text[16384];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t n = fread(text, 1, sizeof text - 1, file);
    text[n] = '\0';
    fclose(file);
    return *part ? strstr(text, part) != NULL : n == 0;
}

static char prog[] = "prog";
#define RUN(...) run((char *[]){prog, __VA_ARGS__, NULL})

static void exit_statuses_are_those_of_the_contract(void **state)
{
    (void)state;
    char good[] = "good.yaml", bad[] = "bad.yaml", ours[] = "ours.yaml";
    char c[] = "-c", check[] = "--check", version[] = "--version", help[] = "--help", unknown[] = "--verison",
         v[] = "-v";
    put(good, "http: {port: 2}\nnodes: {}\n");
    put(bad, "http: {prot: 2}\n");
    put(ours, "http: {port: 1}\n");
    assert_int_equal(RUN(c, good), -1);
    assert_true(file_has("err", "warning config: good.yaml:2: nodes: unknown section; did you mean node?"));
    assert_int_equal(RUN(c, bad), 78);
    assert_true(file_has("err", "error config: bad.yaml:1: http.prot: unknown key"));
    assert_int_equal(RUN(c, ours, v), 78);
    assert_true(file_has("err", "ours.yaml:1: http.port: is not ours"));
    assert_int_equal(RUN(c, good, check), 0);
    assert_true(file_has("out", "http.port = 2  # good.yaml:1\n"));
    assert_true(file_has("err", "warning: good.yaml:2: nodes: "));
    assert_int_equal(RUN(check, c, bad), 78);
    assert_true(file_has("out", "http.port = 8090  # default\n"));
    assert_int_equal(RUN(version), 0);
    assert_true(file_has("out", "prog " PROJECT_VERSION "\n"));
    assert_int_equal(RUN(help), 0);
    assert_true(file_has("out", "the help\n"));
    assert_int_equal(RUN(unknown), 64);
    assert_true(file_has("err", "prog: unknown option --verison; try 'prog --help'\n"));
    assert_int_equal(RUN(c), 64);
    assert_int_equal(RUN(good), 64);
    assert_true(file_has("err", "prog: unexpected argument good.yaml; try 'prog --help'\n"));
    assert_true(file_has("out", ""));
}

static unsigned topics_on(void)
{
    unsigned topics = 0;
    for (unsigned i = 0; i < LOG_TOPIC_COUNT; i++) {
        topics |= log_debugs(i) ? LOG_TOPIC_BIT(i) : 0;
    }
    return topics;
}

static void command_line_and_file_set_up_the_log(void **state)
{
    (void)state;
    char c[] = "-c", file[] = "log.yaml", d[] = "-D", mqtt[] = "mqtt", both[] = "http,mqtt", all[] = "all",
         mdns[] = "mqtt,mdns", json[] = "--log-format=json", xml[] = "--log-format=xml";
    put(file, "logging: {debug: [live], format: text}\nnodes: {}\n");
    assert_int_equal(RUN(c, file, d, mqtt), -1);
    assert_int_equal(topics_on(), LOG_TOPIC_BIT(LOG_LIVE) | LOG_TOPIC_BIT(LOG_MQTT));
    put(file, "nodes: {}\n");
    assert_int_equal(RUN(c, file, d, both), -1);
    assert_int_equal(topics_on(), LOG_TOPIC_BIT(LOG_HTTP) | LOG_TOPIC_BIT(LOG_MQTT));
    assert_int_equal(RUN(c, file, d, all), -1); /* of this program */
    assert_int_equal(topics_on(), LOG_TOPIC_BIT(LOG_HTTP) | LOG_TOPIC_BIT(LOG_MQTT));
    assert_int_equal(RUN(c, file), -1);
    assert_int_equal(topics_on(), 0);
    assert_int_equal(RUN(c, file, json), -1);
    assert_true(file_has("err", "\"level\":\"warning\",\"message\":\"config: log.yaml:1: nodes: "));
    put(file, "logging: {format: json, level: error}\nnodes: {}\n");
    assert_int_equal(RUN(c, file), -1);
    assert_true(file_has("err", "")); /* it was a warning */
    put(file, "logging: {debug: [mtqq]}\n");
    assert_int_equal(RUN(c, file), 78);
    assert_true(file_has("err", "logging.debug: \"mtqq\" is no debug topic; there are mqtt, "));
    assert_int_equal(RUN(d, mdns), 64);
    assert_true(file_has("err", "prog: no debug topic \"mdns\"; there are mqtt, http, and all\n"));
    assert_int_equal(RUN(xml), 64);
    put(file, "");
    assert_int_equal(RUN(c, file), -1);
}

static void reload_keeps_what_the_command_line_said(void **state)
{
    (void)state;
    put("again.yaml", "logging: {level: error}\n");
    struct conf *conf = conf_load("again.yaml", no_environment);
    conf->log = (struct conf_log_options){.topics = LOG_TOPIC_BIT(LOG_POLL)};
    put("again.yaml", "logging: {debug: [mdns]}\n");
    struct conf *again = conf_reload(conf);
    conf_apply_log(again);
    assert_int_equal(topics_on(), LOG_TOPIC_BIT(LOG_POLL) | LOG_TOPIC_BIT(LOG_MDNS));
    conf_destroy(conf);
    conf_destroy(again);
    log_set_topics(0);
}

/* --- the table --- */

static void every_key_is_somebodys_and_has_its_help(void **state)
{
    (void)state;
    for (size_t i = 0; i < conf_key_count; i++) {
        const struct conf_key *key = &conf_keys[i];
        bool used = key->agent != CONF_UNUSED || key->llamad != CONF_UNUSED;
        if (used == (key->type == CONF_IGNORED) || used != (key->help != NULL)) {
            fail_msg("%s: who uses it, and what for?", key->name);
        }
    }
}

/* Texts that are written out in several places. */
static void debug_topics_are_named_where_people_look(void **state)
{
    (void)state;
    char names[LOG_TOPICS_TEXT];
    log_topics_list(LOG_TOPICS_ALL, names, sizeof names);
    assert_non_null(strstr(conf_keys[conf_key_find("logging.debug")].help, names));
    assert_non_null(strstr(conf_check_log_topic("x"), names));
}

static void nearest_is_the_fewest_edits_away(void **state)
{
    (void)state;
    assert_int_equal(edit_distance("", "abc"), 3);
    assert_int_equal(edit_distance("kitten", "sitting"), 3);
    assert_int_equal(edit_distance("cluster", "clutser"), 2);
    assert_int_equal(edit_distance("same", "same"), 0);
    char nearest[64], endless[300];
    unsigned distance;
    memset(endless, 'a', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    assert_int_equal(edit_distance(endless, "port"), sizeof endless - 1);
    conf_key_nearest("mqtt", "pasword", nearest, sizeof nearest, &distance);
    assert_string_equal(nearest, "password");
    assert_int_equal(distance, 1);
}

#define FOLDER_TEST(name) cmocka_unit_test_setup_teardown(name, enter_folder, leave_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(configuration_of_smollama_is_taken_without_a_word),
        cmocka_unit_test(every_mistake_is_named_with_its_line),
        cmocka_unit_test(check_prints_every_value_with_its_origin),
        cmocka_unit_test(nothing_at_all_is_all_defaults),
        cmocka_unit_test(lists_records_and_maps_are_read),
        cmocka_unit_test(texts_that_look_like_something_else_stay_texts),
        cmocka_unit_test(durations_have_units),
        cmocka_unit_test(addresses_and_names_are_checked),
        cmocka_unit_test(broken_yaml_is_told_with_line_and_column),
        cmocka_unit_test(aliases_are_not_followed_where_we_read),
        cmocka_unit_test(ways_to_write_it_that_are_not_read_are_errors_in_any_section),
        cmocka_unit_test(depth_size_and_number_are_limited),
        cmocka_unit_test(list_of_problems_ends_somewhere),
        cmocka_unit_test(secret_is_in_no_message),
        cmocka_unit_test(variables_come_last_and_empty_ones_do_not_count),
        FOLDER_TEST(files_are_searched_in_smollamas_order),
        FOLDER_TEST(overlay_lies_over_the_file),
        FOLDER_TEST(what_cannot_be_read_is_an_error),
        FOLDER_TEST(secret_file_gives_its_first_line),
        FOLDER_TEST(exit_statuses_are_those_of_the_contract),
        FOLDER_TEST(command_line_and_file_set_up_the_log),
        FOLDER_TEST(reload_keeps_what_the_command_line_said),
        cmocka_unit_test(every_key_is_somebodys_and_has_its_help),
        cmocka_unit_test(debug_topics_are_named_where_people_look),
        cmocka_unit_test(nearest_is_the_fewest_edits_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
