#include "clock.h"
#include "loop.h"
#include "notify.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 5000

/* The service manager's end. */
struct manager {
    struct loop *loop;
    struct loop_timer *tick; /* so that the loop's turns end */
    struct notify *notify;
    int fd;
    char name[108];
    char text[512]; /* the last message */
};

static void on_tick(void *user)
{
    (void)user;
}

static void listen_at(struct manager *manager, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(name);
    assert_true(len < sizeof address.sun_path);
    memcpy(address.sun_path, name, len);
    if (name[0] == '@') {
        address.sun_path[0] = '\0';
    }
    manager->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(manager->fd >= 0);
    assert_int_equal(bind(manager->fd, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (name[0] == '/'))),
                     0);
    snprintf(manager->name, sizeof manager->name, "%s", name);
    setenv("NOTIFY_SOCKET", name, 1);
}

static int setup(void **state)
{
    struct manager *manager = calloc(1, sizeof *manager);
    assert_non_null(manager);
    manager->loop = loop_create();
    assert_non_null(manager->loop);
    manager->tick = loop_timer_create(manager->loop, on_tick, manager);
    assert_non_null(manager->tick);
    loop_timer_start(manager->tick, 5, 5);
    manager->fd = -1;
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    *state = manager;
    return 0;
}

static int teardown(void **state)
{
    struct manager *manager = *state;
    notify_destroy(manager->notify);
    loop_timer_destroy(manager->tick);
    loop_destroy(manager->loop);
    if (manager->fd >= 0) {
        close(manager->fd);
    }
    if (manager->name[0] == '/') {
        unlink(manager->name);
    }
    free(manager);
    return 0;
}

/* At a path of its own, or in the abstract name space. */
static void listen_anywhere(struct manager *manager, char first)
{
    char name[64];
    snprintf(name, sizeof name, "%s/test_notify_%d", first == '/' ? "/tmp" : "@test", (int)getpid());
    listen_at(manager, name);
}

static void create(struct manager *manager)
{
    assert_int_equal(notify_create(manager->loop, &manager->notify), 0);
    assert_non_null(manager->notify);
}

static bool received(struct manager *manager)
{
    ssize_t n = recv(manager->fd, manager->text, sizeof manager->text - 1, 0);
    manager->text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* The next message; the loop turns until it is there. */
static const char *next(struct manager *manager)
{
    int64_t until_ms = clock_now().mono_ms + PATIENCE_MS;
    while (!received(manager)) {
        assert_true(clock_now().mono_ms < until_ms);
        loop_turn(manager->loop, true);
    }
    return manager->text;
}

/* --- */

static void nobody_listens_and_nothing_happens(void **state)
{
    struct manager *manager = *state;
    struct notify *notify = (struct notify *)manager;
    assert_int_equal(notify_create(manager->loop, &notify), 0);
    assert_null(notify);
    notify_ready(notify);
    notify_reloading(notify);
    notify_stopping(notify);
    notify_status(notify, "%d nodes", 5);
    notify_destroy(notify);
}

static void states_are_told_at_once(void **state)
{
    struct manager *manager = *state;
    listen_anywhere(manager, '/');
    create(manager);
    notify_ready(manager->notify);
    assert_true(received(manager));
    assert_string_equal(manager->text, "READY=1\n");
    notify_reloading(manager->notify);
    assert_true(received(manager));
    assert_memory_equal(manager->text, "RELOADING=1\nMONOTONIC_USEC=", 27);
    long long told_us = strtoll(manager->text + 27, NULL, 10);
    assert_in_range(clock_now().mono_ms - told_us / 1000, 0, PATIENCE_MS);
    notify_stopping(manager->notify);
    assert_true(received(manager));
    assert_string_equal(manager->text, "STOPPING=1\n");
}

static void abstract_name_is_understood(void **state)
{
    struct manager *manager = *state;
    listen_anywhere(manager, '@');
    create(manager);
    notify_ready(manager->notify);
    assert_true(received(manager));
}

static void other_addresses_are_refused(void **state)
{
    static const char *const names[] = {"vsock:2:1234", "relative/path", "/", "@"};
    struct manager *manager = *state;
    char long_name[200];
    memset(long_name, 'x', sizeof long_name);
    long_name[0] = '/';
    long_name[sizeof long_name - 1] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        setenv("NOTIFY_SOCKET", names[i], 1);
        assert_int_equal(notify_create(manager->loop, &manager->notify), -EINVAL);
    }
    setenv("NOTIFY_SOCKET", long_name, 1);
    assert_int_equal(notify_create(manager->loop, &manager->notify), -EINVAL);
    assert_null(manager->notify);
}

static void children_inherit_nothing(void **state)
{
    struct manager *manager = *state;
    listen_anywhere(manager, '/');
    setenv("WATCHDOG_USEC", "3000000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    create(manager);
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_null(getenv("WATCHDOG_USEC"));
    assert_null(getenv("WATCHDOG_PID"));
}

static void status_is_one_line_told_when_it_changes(void **state)
{
    struct manager *manager = *state;
    listen_anywhere(manager, '/');
    create(manager);
    notify_status(manager->notify, "%d nodes\nREADY=1", 5);
    assert_string_equal(next(manager), "STATUS=5 nodes READY=1\n");
    int64_t told_ms = clock_now().mono_ms;
    notify_status(manager->notify, "5 nodes READY=1");
    notify_status(manager->notify, "6 nodes");
    notify_status(manager->notify, "7 nodes");
    assert_false(received(manager));
    assert_string_equal(next(manager), "STATUS=7 nodes\n");
    assert_true(clock_now().mono_ms - told_ms >= 900);
    assert_false(received(manager));
}

static void status_goes_along_with_a_state(void **state)
{
    struct manager *manager = *state;
    listen_anywhere(manager, '/');
    create(manager);
    notify_status(manager->notify, "starts");
    assert_true(received(manager));
    notify_status(manager->notify, "serves");
    assert_false(received(manager));
    notify_ready(manager->notify);
    assert_true(received(manager));
    assert_string_equal(manager->text, "READY=1\nSTATUS=serves\n");
}

static void long_status_is_cut_between_characters(void **state)
{
    struct manager *manager = *state;
    char text[3 * NOTIFY_STATUS_MAX + 1] = "x";
    for (size_t i = 1; i + 2 < sizeof text; i += 2) {
        memcpy(text + i, "ü", 3);
    }
    listen_anywhere(manager, '/');
    create(manager);
    notify_status(manager->notify, "%s", text);
    assert_true(received(manager));
    assert_int_equal(strlen(manager->text), sizeof "STATUS=\n" - 1 + NOTIFY_STATUS_MAX - 1);
    assert_memory_equal(manager->text + strlen(manager->text) - 3, "ü\n", 3);
}

static void what_the_manager_does_not_take_is_told_again(void **state)
{
    struct manager *manager = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    listen_anywhere(manager, '/');
    create(manager);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", manager->name);
    int other = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), sent = 0;
    assert_true(other >= 0);
    while (sendto(other, "other", 5, 0, (struct sockaddr *)&address, sizeof address) == 5) {
        assert_true(++sent < 100000);
    }
    notify_ready(manager->notify);
    notify_status(manager->notify, "serves");
    for (int i = 0; i < sent; i++) {
        assert_true(received(manager));
        assert_string_equal(manager->text, "other");
    }
    assert_false(received(manager));
    assert_string_equal(next(manager), "READY=1\nSTATUS=serves\n");
    close(other);
}

static void watchdog_is_fed_while_the_loop_turns(void **state)
{
    struct manager *manager = *state;
    char pid[16];
    listen_anywhere(manager, '/');
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("WATCHDOG_USEC", "100000", 1);
    setenv("WATCHDOG_PID", pid, 1);
    create(manager);
    int64_t start_ms = clock_now().mono_ms;
    for (int i = 0; i < 3; i++) {
        assert_string_equal(next(manager), "WATCHDOG=1\n");
    }
    assert_true(clock_now().mono_ms - start_ms >= 140);
    usleep(200000); /* a loop that hangs says nothing */
    assert_false(received(manager));
}

static void watchdog_of_another_process_is_left_alone(void **state)
{
    static const char *const wrong[][2] = {{"20000", "1"}, {"0", ""}, {"-5", ""}, {"soon", ""}};
    struct manager *manager = *state;
    listen_anywhere(manager, '/');
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        setenv("NOTIFY_SOCKET", manager->name, 1);
        setenv("WATCHDOG_USEC", wrong[i][0], 1);
        setenv("WATCHDOG_PID", wrong[i][1], 1);
        create(manager);
        int64_t until_ms = clock_now().mono_ms + 60;
        while (clock_now().mono_ms < until_ms) {
            loop_turn(manager->loop, true);
            assert_false(received(manager));
        }
        notify_destroy(manager->notify);
        manager->notify = NULL;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nobody_listens_and_nothing_happens, setup, teardown),
        cmocka_unit_test_setup_teardown(states_are_told_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(abstract_name_is_understood, setup, teardown),
        cmocka_unit_test_setup_teardown(other_addresses_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(children_inherit_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(status_is_one_line_told_when_it_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(status_goes_along_with_a_state, setup, teardown),
        cmocka_unit_test_setup_teardown(long_status_is_cut_between_characters, setup, teardown),
        cmocka_unit_test_setup_teardown(what_the_manager_does_not_take_is_told_again, setup, teardown),
        cmocka_unit_test_setup_teardown(watchdog_is_fed_while_the_loop_turns, setup, teardown),
        cmocka_unit_test_setup_teardown(watchdog_of_another_process_is_left_alone, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
