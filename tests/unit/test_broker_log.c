/* broker_log: lines of mosquitto 2.0 as it writes them, and what becomes of them. */
#include "broker_log.h"

#include "log_capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE_MS 60000
#define HOUR_MS   3600000

struct world {
    struct broker_log log;
    struct log_capture capture;
};

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    log_capture_start(&world->capture);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    log_capture_end(&world->capture);
    free(world);
    return 0;
}

static void take(struct world *world, const char *line, int64_t at_ms)
{
    broker_log_line(&world->log, line, strlen(line), HOUR_MS + at_ms);
}

static unsigned logged(struct world *world, const char *text)
{
    return log_capture_count(&world->capture, text);
}

static void troubles_are_told_apart_and_counted(void **state)
{
    struct world *world = *state;
    static const struct {
        const char *line;
        enum broker_trouble trouble;
    } cases[] = {
        {"Client <unknown> disconnected, not authorised.", BROKER_NOT_AUTHORISED},
        {"Client pi-a disconnected, not authorised.", BROKER_NOT_AUTHORISED},
        {"Client big disconnected due to oversize packet.", BROKER_TOO_LARGE},
        {"Client mal disconnected due to malformed packet.", BROKER_NO_MQTT},
        {"Client <unknown> disconnected due to protocol error.", BROKER_NO_MQTT},
        {"OpenSSL Error[0]: error:0A00010B:SSL routines::wrong version number", BROKER_TLS_FAILED},
        {"Client connection from 192.168.1.9 failed: error:0A0000C7:SSL routines::peer did not return a "
         "certificate.",
         BROKER_TLS_FAILED},
        {"Outgoing messages are being dropped for client slow.", BROKER_DROPPING},
        {"Unable to accept new connection, system socket count has been exceeded. Try increasing \"ulimit "
         "-n\" or equivalent.",
         BROKER_TURNED_AWAY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t before = world->log.counts[cases[i].trouble];
        take(world, cases[i].line, 0);
        assert_int_equal(world->log.counts[cases[i].trouble], before + 1);
    }
    assert_int_equal(logged(world, "warning broker: client pi-a: not authorised: no such account"), 1);
    assert_int_equal(logged(world, "client big: a packet above the limit"), 1);
    assert_int_equal(logged(world, "client 192.168.1.9: TLS failed"), 1);
}

static void ordinary_lines_are_no_trouble(void **state)
{
    struct world *world = *state;
    static const char *const lines[] = {
        "New connection from 127.0.0.1:36033 on port 18831.",
        "New client connected from 127.0.0.1:36033 as watch (p5, c1, k60).",
        "Client pi-a disconnected.",
        "Client pi-a closed its connection.",
        "OpenSSL Error[0]: error:0A000126:SSL routines::unexpected eof while reading",
        "Client connection from 192.168.1.9 failed: error:0A000126:SSL routines::unexpected eof while "
        "reading.",
        "",
        "Client ",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        take(world, lines[i], 0);
    }
    for (size_t i = 0; i < BROKER_TROUBLES; i++) {
        assert_int_equal(world->log.counts[i], 0);
    }
    assert_int_equal(logged(world, "broker"), 0);
}

static void errors_and_warnings_are_passed_on(void **state)
{
    struct world *world = *state;
    take(world, "Error: Unable to load server key file \"tls.key\". Check keyfile.", 0);
    take(world, "Warning: \x1b[31mred", 0);
    assert_int_equal(logged(world, "error broker: mosquitto: Error: Unable to load server key"), 1);
    assert_int_equal(logged(world, "warning broker: mosquitto: Warning: \\x1b[31mred"), 1);
}

static void who_gives_no_name_is_known_by_address(void **state)
{
    struct world *world = *state;
    take(world, "New connection from 192.168.1.7:36387 on port 8883.", 0);
    take(world, "Client <unknown> disconnected, not authorised.", 0);
    take(world, "New connection from fd00::7:36388 on port 8883.", 0);
    take(world, "Client <unknown> disconnected, not authorised.", 0);
    assert_int_equal(logged(world, "the last to connect, 192.168.1.7: not authorised"), 1);
    assert_int_equal(logged(world, "the last to connect, fd00::7: not authorised"), 1);
}

static void full_broker_is_told_with_the_last_who_came(void **state)
{
    struct world *world = *state;
    take(world, "New connection from 192.168.1.7:36387 on port 8883.", 0);
    for (int i = 0; i < 100; i++) {
        take(world, "Unable to accept new connection, system socket count has been exceeded. Try", i);
    }
    assert_int_equal(world->log.counts[BROKER_TURNED_AWAY], 100);
    take(world, "Client connection from 192.168.1.8 denied access by tcpd.", 0);
    assert_int_equal(world->log.counts[BROKER_TURNED_AWAY], 101);
    assert_int_equal(logged(world, "client 192.168.1.8: turned away"), 1);
    assert_int_equal(logged(world, "the last to connect, 192.168.1.7: turned away: as many connections"), 1);
}

static void guessing_is_logged_once_a_minute_for_each_source(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 1000; i++) {
        take(world, "New connection from 192.168.1.7:1 on port 8883.", i);
        take(world, "Client <unknown> disconnected, not authorised.", i);
    }
    take(world, "Client other disconnected, not authorised.", 1000);
    assert_int_equal(logged(world, "not authorised"), 2);
    take(world, "Client <unknown> disconnected, not authorised.", MINUTE_MS);
    assert_int_equal(logged(world, "192.168.1.7"), 2);
    assert_int_equal(logged(world, "(999 more like this since the last such line)"), 1);
    assert_int_equal(world->log.counts[BROKER_NOT_AUTHORISED], 1002);
}

static void client_id_that_imitates_a_line_changes_nothing(void **state)
{
    struct world *world = *state;
    take(world,
         "New client connected from 10.0.0.1:5 as x disconnected, not authorised. (p5, c1, k60, u'x').", 0);
    take(world, "Client New connection from 6.6.6.6:1 on port 1 disconnected due to oversize packet.", 0);
    take(world, "Client <unknown> disconnected, not authorised.", 0);
    assert_int_equal(world->log.counts[BROKER_NOT_AUTHORISED], 1);
    assert_int_equal(logged(world, "the last to connect, 6.6.6.6"), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(troubles_are_told_apart_and_counted),
        TEST(ordinary_lines_are_no_trouble),
        TEST(errors_and_warnings_are_passed_on),
        TEST(who_gives_no_name_is_known_by_address),
        TEST(full_broker_is_told_with_the_last_who_came),
        TEST(guessing_is_logged_once_a_minute_for_each_source),
        TEST(client_id_that_imitates_a_line_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
