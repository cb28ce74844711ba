/* mqtt against a real mosquitto on a free port of loopback, started by the test. */
#include "clock.h"
#include "mqtt.h"
#include "mqtt_world.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct broker {
    char folder[64], config[96];
    uint16_t port;
    pid_t pid;
};

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* `more` is put behind the lines that every broker has. */
static void broker_configure(struct broker *broker, const char *more)
{
    char text[1024];
    *broker = (struct broker){.folder = "/tmp/test_mqtt_broker_XXXXXX", .port = free_port(), .pid = -1};
    assert_non_null(mkdtemp(broker->folder));
    snprintf(text, sizeof text,
             "user root\nlistener %u 127.0.0.1\nset_tcp_nodelay true\nmax_packet_size 1048576\n"
             "max_queued_messages 20000\n%s\n",
             (unsigned)broker->port, more);
    write_file(broker->folder, "mosquitto.conf", text);
    snprintf(broker->config, sizeof broker->config, "%s/mosquitto.conf", broker->folder);
}

static void broker_run(struct broker *broker)
{
    broker->pid = fork();
    assert_true(broker->pid >= 0);
    if (broker->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (!freopen("/dev/null", "w", stderr)) {
            _exit(126);
        }
        execlp("mosquitto", "mosquitto", "-c", broker->config, (char *)NULL);
        execl("/usr/sbin/mosquitto", "mosquitto", "-c", broker->config, (char *)NULL);
        _exit(127);
    }
}

static void broker_kill(struct broker *broker)
{
    kill(broker->pid, SIGKILL);
    waitpid(broker->pid, NULL, 0);
    broker->pid = -1;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void broker_finish(struct broker *broker)
{
    if (broker->pid > 0) {
        broker_kill(broker);
    }
    nftw(broker->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* A broker, and a world that is connected to it. */
static void start(struct broker *broker, struct world *world, const char *more)
{
    broker_configure(broker, more);
    broker_run(broker);
    world_init(world, broker->port);
    world_start(world);
    world_until(world, 10000, world->connects == 1);
    world->failures = 0; /* until it listened */
}

static void subscribe(struct world *world, const char *filter)
{
    assert_int_equal(mqtt_subscribe(world->mqtt, filter, 1), 0);
    world_until(world, 5000, mqtt_is_flushed(world->mqtt));
}

/* A second client on the loop of `world`. */
struct second {
    struct world as_world;
};

static void second_start(struct second *second, struct world *world, const char *client_id)
{
    second->as_world = (struct world){.loop = world->loop, .options = world->options, .in_order = true};
    second->as_world.options.client_id = client_id;
    world_start(&second->as_world);
    world_until(world, 5000, second->as_world.connects == 1);
}

static void second_finish(struct second *second)
{
    assert_true(mqtt_destroy(second->as_world.mqtt));
}

static void message_comes_back_at_once_and_a_replay_is_marked(void **state)
{
    (void)state;
    struct broker broker;
    struct world world;
    start(&broker, &world, "allow_anonymous true");
    assert_true(mqtt_is_v5(world.mqtt));
    assert_int_equal(mqtt_max_packet(world.mqtt), 1048576);
    subscribe(&world, "a/#");
    assert_int_equal(mqtt_publish(world.mqtt, "a/b", "live", 4, 1, true, 100), 0);
    world_until(&world, 5000, world.messages == 1);
    assert_string_equal(world.last_topic, "a/b");
    assert_string_equal(world.last_payload, "live");
    assert_false(world.last.retain); /* forwarded as it came */
    assert_int_equal(world.last.expiry_s, 100);

    struct second late;
    second_start(&late, &world, "late");
    subscribe(&late.as_world, "a/b");
    world_until(&world, 5000, late.as_world.messages == 1);
    assert_true(late.as_world.last.retain);
    assert_true(late.as_world.last.has_expiry);
    assert_in_range(late.as_world.last.expiry_left_s, 90, 100);
    assert_int_equal(late.as_world.last.expiry_s, 100);

    /* an empty payload deletes it; without expiry none is told */
    assert_int_equal(mqtt_publish(world.mqtt, "a/b", NULL, 0, 1, true, 0), 0);
    world_until(&world, 5000, late.as_world.messages == 2);
    assert_null(late.as_world.last.payload);
    assert_int_equal(late.as_world.last.len, 0);
    assert_false(late.as_world.last.has_expiry);
    assert_int_equal(late.as_world.last.expiry_s, 0);
    second_finish(&late);
    world_finish(&world);
    broker_finish(&broker);
}

static size_t largest;

static void note_size(struct world *world, const struct mqtt_message *message)
{
    (void)world;
    largest = message->len;
}

static void message_of_almost_a_megabyte_passes_whole(void **state)
{
    (void)state;
    struct broker broker;
    struct world world;
    start(&broker, &world, "allow_anonymous true");
    subscribe(&world, "big");
    char *payload = calloc(1, 1000000);
    assert_non_null(payload);
    largest = 0;
    world.on_message = note_size;
    assert_int_equal(mqtt_publish(world.mqtt, "big", payload, 1000000, 1, false, 604800), 0);
    world_until(&world, 10000, largest == 1000000);
    assert_int_equal(mqtt_publish(world.mqtt, "big", payload, 1048576, 1, false, 0), -E2BIG);
    free(payload);
    world_finish(&world);
    broker_finish(&broker);
}

/* The slow owner: 100 µs each, as if every message were parsed. */
static void busy(struct world *world, const struct mqtt_message *message)
{
    (void)world;
    (void)message;
    usleep(100);
}

static void flood_arrives_whole_and_leaves_turns_to_others(void **state)
{
    (void)state;
    enum { FLOOD = 6000 };
    struct broker broker;
    struct world world;
    start(&broker, &world, "allow_anonymous true");
    struct second source;
    second_start(&source, &world, "source");
    subscribe(&world, "f/+");
    world.on_message = busy;
    for (int i = 0; i < FLOOD; i++) {
        char number[16], topic[16];
        snprintf(number, sizeof number, "%d", i);
        snprintf(topic, sizeof topic, "f/%d", i % 50);
        assert_int_equal(mqtt_publish(source.as_world.mqtt, topic, number, strlen(number), 0, false, 0), 0);
    }
    world.turns = 0;
    world.longest_gap_ms = 0;
    world_until(&world, 20000, world.messages == FLOOD);
    assert_true(world.in_order);
    assert_in_range(world.turns, FLOOD * 100 / 1000 / 40, FLOOD * 10);
    assert_in_range(world.longest_gap_ms, 0, 300); /* all at once would take 600 */
    assert_in_range(world.drains, 8, FLOOD);
    assert_int_equal(mqtt_stats(world.mqtt)->messages_in, FLOOD);
    second_finish(&source);
    world_finish(&world);
    broker_finish(&broker);
}

static void answer_inside_a_message(struct world *world, const struct mqtt_message *message)
{
    if (strcmp(message->topic, "ask") == 0) {
        assert_int_equal(mqtt_publish(world->mqtt, "answer", message->payload, message->len, 1, false, 0), 0);
    }
}

static void publish_inside_a_message_goes_out_at_once(void **state)
{
    (void)state;
    struct broker broker;
    struct world world;
    start(&broker, &world, "allow_anonymous true");
    world.on_message = answer_inside_a_message;
    assert_int_equal(mqtt_subscribe(world.mqtt, "ask", 1), 0);
    assert_int_equal(mqtt_subscribe(world.mqtt, "answer", 1), 0);
    int64_t start_ms = clock_now().mono_ms;
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(mqtt_publish(world.mqtt, "ask", "x", 1, 0, false, 0), 0);
        world_until(&world, 5000, world.messages == 2 * (i + 1));
    }
    assert_in_range(clock_now().mono_ms - start_ms, 0,
                    700); /* 20 delayed acknowledgements of 40 ms would be more */
    world_finish(&world);
    broker_finish(&broker);
}

static void broker_killed_and_back_is_found_again(void **state)
{
    (void)state;
    struct broker broker;
    struct world world;
    start(&broker, &world, "allow_anonymous true");
    broker_kill(&broker);
    world_until(&world, 5000, world.losses == 1);
    assert_int_equal(mqtt_publish(world.mqtt, "a", "x", 1, 1, false, 0), -ENOTCONN);
    assert_true(mqtt_is_flushed(world.mqtt));
    world_until(&world, 5000, world.failures >= 2);
    broker_run(&broker);
    world_until(&world, 10000, world.connects == 2);
    subscribe(&world, "a");
    assert_int_equal(mqtt_publish(world.mqtt, "a", "again", 5, 1, false, 0), 0);
    world_until(&world, 5000, world.messages == 1);
    assert_string_equal(world.last_payload, "again");
    world_finish(&world);
    broker_finish(&broker);
}

static void broker_that_stops_cleanly_is_no_take_over(void **state)
{
    (void)state;
    struct broker broker;
    struct world world;
    start(&broker, &world, "allow_anonymous true");
    kill(broker.pid, SIGTERM);
    world_until(&world, 5000, world.losses == 1);
    assert_string_equal(world.reasons[0], "connection closed by the broker");
    assert_in_range(world.waits[0], 0, 100);
    world_finish(&world);
    broker_finish(&broker);
}

/* mosquitto 2.0.11 closes the older connection without a word. */
static void two_clients_of_one_name_do_not_fight_for_ever(void **state)
{
    (void)state;
    struct broker broker;
    struct world world;
    start(&broker, &world, "allow_anonymous true");
    struct second twin;
    second_start(&twin, &world, world.options.client_id);
    world_until(&world, 5000, world.losses == 3 || twin.as_world.losses == 3);
    const struct world *loser = world.losses == 3 ? &world : &twin.as_world;
    const struct world *winner = world.losses == 3 ? &twin.as_world : &world;
    assert_string_equal(loser->reasons[2], MQTT_TAKEN_OVER);
    assert_in_range(loser->waits[2], 30000, 45000);
    world_run_for(&world, 300);
    assert_true(mqtt_is_up(winner->mqtt));
    assert_in_range(winner->losses, 2, 3);
    second_finish(&twin);
    world_finish(&world);
    broker_finish(&broker);
}

static void will_is_published_at_a_death_and_not_at_a_stop(void **state)
{
    (void)state;
    struct broker broker;
    struct world world;
    start(&broker, &world, "allow_anonymous true");
    subscribe(&world, "w/#");
    struct second dies, stops;
    world.options.will_topic = "w/dies";
    world.options.will_payload = "dead";
    world.options.will_len = 4;
    world.options.will_expiry_s = 600;
    second_start(&dies, &world, "dies");
    world.options.will_topic = "w/stops";
    second_start(&stops, &world, "stops");
    mqtt_stop(stops.as_world.mqtt, 2000, NULL);
    second_finish(&dies); /* without DISCONNECT */
    world_until(&world, 5000, world.messages == 1);
    assert_string_equal(world.last_topic, "w/dies");
    assert_string_equal(world.last_payload, "dead");
    assert_int_equal(world.last.expiry_s, 600);
    world_run_for(&world, 200);
    assert_int_equal(world.messages, 1);
    second_finish(&stops);
    world_finish(&world);
    broker_finish(&broker);
}

static void refused_credentials_are_named_and_not_retried_faster(void **state)
{
    (void)state;
    struct broker broker;
    struct world world;
    broker_configure(&broker, "allow_anonymous false");
    broker_run(&broker);
    world_init(&world, broker.port);
    world.options.username = "u";
    world.options.password = "wrong";
    world.options.min_backoff_ms = 100;
    world.options.max_backoff_ms = 200;
    world_start(&world);
    world_until(&world, 10000,
                world.failures >= 1 &&
                    strncmp(world.reasons[world.failures - 1], "Not authorized: ", 16) == 0);
    assert_in_range(world.waits[world.failures - 1], 50, 200);
    assert_int_equal(world.connects, 0);
    world_finish(&world);
    broker_finish(&broker);
}

/* --- TLS --- */

static void shell(const char *folder, const char *command)
{
    char line[1024];
    snprintf(line, sizeof line, "cd %s && %s", folder, command);
    assert_int_equal(system(line), 0);
}

static void tls_broker(struct broker *broker)
{
    char more[512];
    broker_configure(broker, "");
    shell(broker->folder,
          "for ca in ca other; do openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
          "-subj /CN=$ca -days 2 -keyout $ca.key -out $ca.pem 2>/dev/null; done && "
          "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost "
          "-keyout server.key -out server.csr 2>/dev/null && "
          "printf 'subjectAltName=DNS:localhost' > ext && openssl x509 -req -in server.csr -CA ca.pem "
          "-CAkey ca.key -CAcreateserial -days 2 -extfile ext -out server.pem 2>/dev/null");
    snprintf(
        more, sizeof more,
        "user root\nlistener %u 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\ncafile %s/ca.pem\n"
        "certfile %s/server.pem\nkeyfile %s/server.key\n",
        (unsigned)broker->port, broker->folder, broker->folder, broker->folder);
    write_file(broker->folder, "mosquitto.conf", more);
    broker_run(broker);
}

static void tls_carries_bursts_and_checks_whom_it_talks_to(void **state)
{
    (void)state;
    struct broker broker;
    struct world world;
    char ca[96], other[96];
    tls_broker(&broker);
    snprintf(ca, sizeof ca, "%s/ca.pem", broker.folder);
    snprintf(other, sizeof other, "%s/other.pem", broker.folder);
    world_init(&world, broker.port);
    world.options.host = "localhost";
    world.options.tls_ca = ca;
    world_start(&world);
    world_until(&world, 10000, world.connects == 1);
    subscribe(&world, "t");
    for (int i = 0; i < 2000; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        assert_int_equal(mqtt_publish(world.mqtt, "t", number, strlen(number), 1, false, 0), 0);
    }
    world_until(&world, 20000, world.messages == 2000);
    assert_true(world.in_order);

    struct second wary;
    wary.as_world = (struct world){.loop = world.loop, .options = world.options};
    wary.as_world.options.tls_ca = other;
    world_start(&wary.as_world);
    world_until(&world, 5000, wary.as_world.failures >= 1);
    assert_int_equal(wary.as_world.connects, 0);
    assert_string_equal(wary.as_world.reasons[0],
                        "the broker's certificate is not of the authority in mqtt.tls.ca");
    second_finish(&wary);

    wary.as_world = (struct world){.loop = world.loop, .options = world.options};
    wary.as_world.options.host = "127.0.0.1"; /* not what the certificate says */
    world_start(&wary.as_world);
    world_until(&world, 5000, wary.as_world.failures >= 1);
    assert_int_equal(wary.as_world.connects, 0);
    assert_string_equal(wary.as_world.reasons[0],
                        "the broker's certificate is not for this name (mqtt.broker)");
    second_finish(&wary);
    world_finish(&world);
    broker_finish(&broker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_comes_back_at_once_and_a_replay_is_marked),
        cmocka_unit_test(message_of_almost_a_megabyte_passes_whole),
        cmocka_unit_test(flood_arrives_whole_and_leaves_turns_to_others),
        cmocka_unit_test(publish_inside_a_message_goes_out_at_once),
        cmocka_unit_test(broker_killed_and_back_is_found_again),
        cmocka_unit_test(broker_that_stops_cleanly_is_no_take_over),
        cmocka_unit_test(two_clients_of_one_name_do_not_fight_for_ever),
        cmocka_unit_test(will_is_published_at_a_death_and_not_at_a_stop),
        cmocka_unit_test(refused_credentials_are_named_and_not_retried_faster),
        cmocka_unit_test(tls_carries_bursts_and_checks_whom_it_talks_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
