#include "clock.h"
#include "loop.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* What callbacks did, in order: one letter each. */
struct diary {
    struct loop *loop;
    char text[64];
    struct loop_timer *timer;
    struct loop_io *io;
    struct loop_after *after, *other;
    struct loop_signal *signal;
    struct loop_wakeup *wakeup;
    unsigned events;
    int fd;
    int count;
    pthread_t worker;
};

static void note(struct diary *diary, char c)
{
    size_t len = strlen(diary->text);
    assert_true(len + 1 < sizeof diary->text);
    diary->text[len] = c;
}

static int setup(void **state)
{
    struct diary *diary = calloc(1, sizeof *diary);
    assert_non_null(diary);
    diary->loop = loop_create();
    assert_non_null(diary->loop);
    *state = diary;
    return 0;
}

static int teardown(void **state)
{
    struct diary *diary = *state;
    loop_destroy(diary->loop);
    free(diary);
    return 0;
}

/* --- timers --- */

static void on_timer(void *user)
{
    note(user, 't');
}

static void stop_at_third(void *user)
{
    struct diary *d = user;
    note(d, 't');
    if (++d->count == 3) {
        loop_timer_stop(d->timer);
    }
}

static void timer_fires_once_or_until_stopped(void **state)
{
    struct diary *d = *state;
    d->timer = loop_timer_create(d->loop, stop_at_third, d);
    assert_false(loop_timer_active(d->timer));
    loop_timer_start(d->timer, 5, 0);
    assert_true(loop_timer_active(d->timer));
    loop_run(d->loop);
    assert_string_equal(d->text, "t");
    assert_false(loop_timer_active(d->timer));
    loop_timer_start(d->timer, 1, 1);
    loop_run(d->loop); /* returns when nothing is left to wait for */
    assert_string_equal(d->text, "ttt");
    loop_timer_destroy(d->timer);
}

static void timer_never_fires_early_after_a_long_callback(void **state)
{
    struct diary *d = *state;
    d->timer = loop_timer_create(d->loop, on_timer, d);
    loop_turn(d->loop, false);
    usleep(60000); /* the loop still thinks it is 60 ms ago */
    int64_t start = clock_now().mono_ms;
    loop_timer_start(d->timer, 50, 0);
    loop_run(d->loop);
    assert_in_range(clock_now().mono_ms - start, 49, 1000);
    loop_timer_destroy(d->timer);
}

static void restart_at_zero(void *user)
{
    struct diary *d = user;
    if (++d->count < 1000) {
        loop_timer_start(d->timer, 0, 0);
    }
}

static void on_readable(void *user, unsigned events)
{
    struct diary *d = user;
    char byte;
    d->events = events;
    if (read(d->fd, &byte, 1) == 1) {
        note(d, 'r');
    }
}

static void timer_that_restarts_itself_at_zero_starves_nobody(void **state)
{
    struct diary *d = *state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    d->fd = pair[0];
    d->timer = loop_timer_create(d->loop, restart_at_zero, d);
    d->io = loop_io_create(d->loop, pair[0], on_readable, d);
    assert_int_equal(loop_io_watch(d->io, LOOP_READ), 0);
    loop_timer_start(d->timer, 0, 0);
    while (d->count < 3) {
        loop_turn(d->loop, true);
    }
    assert_int_equal(write(pair[1], "x", 1), 1);
    while (!strchr(d->text, 'r')) {
        loop_turn(d->loop, true);
    }
    assert_in_range(d->count, 3, 20); /* not only after the timer's last restart */
    loop_timer_destroy(d->timer);
    loop_io_destroy(d->io);
    close(pair[0]);
    close(pair[1]);
}

static void hold_up(void *user)
{
    struct diary *d = user;
    usleep(60000);
    d->count++;
}

static void timers_that_are_held_up_count_as_late(void **state)
{
    struct diary *d = *state;
    const struct histogram *lag = loop_lag(d->loop);
    struct loop_timer *late = loop_timer_create(d->loop, hold_up, d);
    d->timer = loop_timer_create(d->loop, hold_up, d);
    assert_int_equal(histogram_count(lag), 0);
    loop_timer_start(d->timer, 1, 0);
    loop_timer_start(late, 5, 0); /* due while the other one sleeps */
    loop_run(d->loop);
    assert_int_equal(d->count, 2);
    assert_int_equal(histogram_count(lag), 2);
    assert_true(lag->max_s >= 0.05);
    loop_timer_destroy(late);
    loop_timer_destroy(d->timer);
}

static void destroy_own_timer(void *user)
{
    struct diary *d = user;
    note(d, 't');
    loop_timer_destroy(d->timer);
    d->timer = NULL;
}

static void timer_may_be_destroyed_in_its_callback(void **state)
{
    struct diary *d = *state;
    d->timer = loop_timer_create(d->loop, destroy_own_timer, d);
    loop_timer_start(d->timer, 1, 1);
    loop_run(d->loop);
    assert_string_equal(d->text, "t");
    loop_timer_destroy(NULL);
}

static void destroyed_timer_fires_no_more(void **state)
{
    struct diary *d = *state;
    d->timer = loop_timer_create(d->loop, on_timer, d);
    loop_timer_start(d->timer, 1, 0);
    usleep(3000); /* due already */
    loop_timer_destroy(d->timer);
    loop_run(d->loop);
    assert_string_equal(d->text, "");
}

/* --- descriptors --- */

static void on_events(void *user, unsigned events)
{
    struct diary *d = user;
    d->events = events;
    d->count++;
}

static void descriptor_tells_what_is_watched(void **state)
{
    struct diary *d = *state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    d->io = loop_io_create(d->loop, pair[0], on_events, d);
    assert_non_null(d->io);
    loop_turn(d->loop, false);
    assert_int_equal(d->count, 0); /* nothing watched yet */
    assert_int_equal(loop_io_watch(d->io, LOOP_READ), 0);
    loop_turn(d->loop, false);
    assert_int_equal(d->count, 0);
    assert_int_equal(write(pair[1], "x", 1), 1);
    loop_turn(d->loop, true);
    assert_int_equal(d->events, LOOP_READ);
    loop_turn(d->loop, true);
    assert_int_equal(d->count, 2); /* level-triggered */
    assert_int_equal(loop_io_watch(d->io, LOOP_WRITE), 0);
    loop_turn(d->loop, true);
    assert_int_equal(d->events, LOOP_WRITE);
    assert_int_equal(loop_io_watch(d->io, LOOP_READ | LOOP_WRITE), 0);
    loop_turn(d->loop, true);
    assert_int_equal(d->events, LOOP_READ | LOOP_WRITE);
    d->count = 0;
    assert_int_equal(loop_io_watch(d->io, 0), 0);
    loop_turn(d->loop, false);
    assert_int_equal(d->count, 0);
    loop_io_destroy(d->io);
    close(pair[0]);
    close(pair[1]);
}

static void hang_up_wakes_whoever_watches(void **state)
{
    struct diary *d = *state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    d->io = loop_io_create(d->loop, pair[0], on_events, d);
    assert_int_equal(loop_io_watch(d->io, LOOP_READ), 0);
    close(pair[1]);
    for (int i = 0; i < 3; i++) {
        loop_turn(d->loop, true);
    }
    assert_int_equal(d->count, 3); /* goes on until the owner acts */
    assert_int_equal(d->events, LOOP_READ);
    loop_io_destroy(d->io);
    close(pair[0]);
}

static void error_on_a_descriptor_does_not_end_the_watch(void **state)
{
    struct diary *d = *state;
    int pipe_ends[2];
    assert_int_equal(pipe(pipe_ends), 0);
    d->io = loop_io_create(d->loop, pipe_ends[1], on_events, d);
    assert_int_equal(loop_io_watch(d->io, LOOP_WRITE), 0);
    close(pipe_ends[0]); /* a pipe without reader is POLLERR */
    for (int i = 0; i < 3; i++) {
        loop_turn(d->loop, true);
    }
    assert_int_equal(d->count, 3);
    assert_int_equal(d->events, LOOP_WRITE);
    assert_int_equal(write(pipe_ends[1], "x", 1), -1); /* and no SIGPIPE */
    assert_int_equal(errno, EPIPE);
    loop_io_destroy(d->io);
    close(pipe_ends[1]);
}

static void bad_descriptors_are_refused(void **state)
{
    struct diary *d = *state;
    assert_null(loop_io_create(d->loop, -1, on_events, d));
    assert_int_equal(errno, EBADF);
    assert_null(loop_io_create(d->loop, 1000000, on_events, d));
    assert_int_equal(errno, EBADF);
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    d->io = loop_io_create(d->loop, pair[0], on_events, d);
    loop_io_watch(d->io, LOOP_READ);
    assert_null(loop_io_create(d->loop, pair[0], on_events, d)); /* one watch per descriptor */
    assert_int_equal(errno, EEXIST);
    loop_io_destroy(d->io);
    d->io = loop_io_create(d->loop, pair[0], on_events, d); /* free again at once */
    assert_non_null(d->io);
    loop_io_destroy(d->io);
    close(pair[0]);
    close(pair[1]);
}

static void destroy_both(void *user, unsigned events)
{
    struct diary *d = user;
    (void)events;
    d->count++;
    loop_io_destroy(d->io);
    loop_timer_destroy(d->timer);
    d->io = NULL;
    d->timer = NULL;
}

static void descriptor_may_be_destroyed_in_its_callback(void **state)
{
    struct diary *d = *state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    d->timer = loop_timer_create(d->loop, on_timer, d);
    d->io = loop_io_create(d->loop, pair[0], destroy_both, d);
    loop_io_watch(d->io, LOOP_READ | LOOP_WRITE);
    loop_timer_start(d->timer, 10000, 0);
    loop_run(d->loop);
    assert_int_equal(d->count, 1);
    assert_string_equal(d->text, "");
    close(pair[0]);
    close(pair[1]);
}

/* --- the end of a turn --- */

static void on_after(void *user)
{
    note(user, 'a');
}

static void arm_after(void *user, unsigned events)
{
    struct diary *d = user;
    (void)events;
    note(d, 'i');
    loop_after_arm(d->after);
    loop_after_arm(d->after);
    if (++d->count == 2) {
        loop_io_watch(d->io, 0);
    }
}

static void after_runs_once_when_the_descriptors_were_served(void **state)
{
    struct diary *d = *state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    d->io = loop_io_create(d->loop, pair[0], arm_after, d);
    d->after = loop_after_create(d->loop, on_after, d);
    loop_io_watch(d->io, LOOP_WRITE);
    loop_run(d->loop);
    assert_string_equal(d->text, "iaia");
    loop_after_destroy(d->after);
    loop_io_destroy(d->io);
    close(pair[0]);
    close(pair[1]);
}

static void rearm(void *user)
{
    struct diary *d = user;
    note(d, 'a');
    if (++d->count < 3) {
        loop_after_arm(d->after);
    }
}

static void after_armed_in_its_callback_runs_in_the_next_turn_without_sleep(void **state)
{
    struct diary *d = *state;
    d->after = loop_after_create(d->loop, rearm, d);
    d->timer = loop_timer_create(d->loop, on_timer, d);
    loop_timer_start(d->timer, 60000, 0); /* what the loop would sleep for */
    int64_t start = clock_now().mono_ms;
    loop_after_arm(d->after);
    for (int i = 1; i <= 3; i++) {
        loop_turn(d->loop, true);
        assert_int_equal(strlen(d->text), i);
    }
    assert_in_range(clock_now().mono_ms - start, 0, 500);
    loop_timer_destroy(d->timer);
    loop_run(d->loop); /* and now nothing is left */
    assert_string_equal(d->text, "aaa");
    loop_after_destroy(d->after);
}

static void destroy_the_other(void *user)
{
    struct diary *d = user;
    note(d, 'a');
    loop_after_destroy(d->other);
    loop_after_destroy(d->after);
    d->other = NULL;
    d->after = NULL;
}

static void after_may_destroy_itself_and_others(void **state)
{
    struct diary *d = *state;
    d->after = loop_after_create(d->loop, destroy_the_other, d);
    d->other = loop_after_create(d->loop, destroy_the_other, d);
    loop_after_arm(d->after);
    loop_after_arm(d->other);
    loop_run(d->loop);
    assert_string_equal(d->text, "a");
}

/* --- signals, threads, work --- */

static void on_signal(void *user, int number)
{
    struct diary *d = user;
    note(d, number == SIGUSR1 ? 's' : '?');
    loop_signal_destroy(d->signal);
    d->signal = NULL;
}

static void signal_comes_on_the_loop(void **state)
{
    struct diary *d = *state;
    d->signal = loop_signal_create(d->loop, SIGUSR1, on_signal, d);
    assert_non_null(d->signal);
    raise(SIGUSR1);
    assert_string_equal(d->text, "");
    loop_run(d->loop);
    assert_string_equal(d->text, "s");
    assert_null(loop_signal_create(d->loop, 4711, on_signal, d));
    assert_int_equal(errno, EINVAL);
}

static void on_wakeup(void *user)
{
    struct diary *d = user;
    note(d, 'w');
    loop_wakeup_destroy(d->wakeup);
}

static void *send_wakeup(void *user)
{
    struct diary *d = user;
    usleep(5000);
    loop_wakeup_send(d->wakeup);
    return NULL;
}

static void wakeup_comes_from_another_thread(void **state)
{
    struct diary *d = *state;
    pthread_t thread;
    d->wakeup = loop_wakeup_create(d->loop, on_wakeup, d);
    assert_int_equal(pthread_create(&thread, NULL, send_wakeup, d), 0);
    loop_run(d->loop);
    pthread_join(thread, NULL);
    assert_string_equal(d->text, "w");
}

static void work(void *user)
{
    struct diary *d = user;
    usleep(20000);
    d->worker = pthread_self();
}

static void work_done(void *user)
{
    struct diary *d = user;
    note(d, 'd');
    assert_false(pthread_equal(d->worker, pthread_self()));
    assert_int_equal(loop_work_pending(d->loop), 0);
}

static void work_runs_elsewhere_while_the_loop_goes_on(void **state)
{
    struct diary *d = *state;
    d->timer = loop_timer_create(d->loop, on_timer, d);
    loop_timer_start(d->timer, 1, 0);
    assert_int_equal(loop_work(d->loop, work, work_done, d), 0);
    assert_int_equal(loop_work_pending(d->loop), 1);
    loop_run(d->loop);
    assert_string_equal(d->text, "td");
    loop_timer_destroy(d->timer);
}

static void stop_loop(void *user)
{
    struct diary *d = user;
    loop_stop(d->loop);
}

static void run_ends_at_stop_with_handles_active(void **state)
{
    struct diary *d = *state;
    d->timer = loop_timer_create(d->loop, stop_loop, d);
    loop_timer_start(d->timer, 1, 1);
    loop_run(d->loop);
    assert_true(loop_turn(d->loop, false));
    loop_timer_destroy(d->timer);
    assert_non_null(loop_native(d->loop));
}

static void forgotten_handle_is_named_when_the_loop_goes(void **state)
{
    struct diary *d = *state;
    int pipe_ends[2];
    assert_int_equal(pipe(pipe_ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipe_ends[1], STDERR_FILENO);
        struct loop *loop = loop_create();
        loop_timer_create(loop, on_timer, d);
        loop_destroy(loop);
        _exit(0);
    }
    close(pipe_ends[1]);
    char text[512] = "";
    size_t len = 0;
    ssize_t n;
    while ((n = read(pipe_ends[0], text + len, sizeof text - 1 - len)) > 0) {
        len += (size_t)n;
    }
    close(pipe_ends[0]);
    int status;
    waitpid(pid, &status, 0);
    assert_non_null(strstr(text, "a timer was not destroyed"));
#ifndef NDEBUG
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
#endif
    loop_destroy(NULL);
}

#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(timer_fires_once_or_until_stopped),
        LOOP_TEST(timer_never_fires_early_after_a_long_callback),
        LOOP_TEST(timer_that_restarts_itself_at_zero_starves_nobody),
        LOOP_TEST(timers_that_are_held_up_count_as_late),
        LOOP_TEST(timer_may_be_destroyed_in_its_callback),
        LOOP_TEST(destroyed_timer_fires_no_more),
        LOOP_TEST(descriptor_tells_what_is_watched),
        LOOP_TEST(hang_up_wakes_whoever_watches),
        LOOP_TEST(error_on_a_descriptor_does_not_end_the_watch),
        LOOP_TEST(bad_descriptors_are_refused),
        LOOP_TEST(descriptor_may_be_destroyed_in_its_callback),
        LOOP_TEST(after_runs_once_when_the_descriptors_were_served),
        LOOP_TEST(after_armed_in_its_callback_runs_in_the_next_turn_without_sleep),
        LOOP_TEST(after_may_destroy_itself_and_others),
        LOOP_TEST(signal_comes_on_the_loop),
        LOOP_TEST(wakeup_comes_from_another_thread),
        LOOP_TEST(work_runs_elsewhere_while_the_loop_goes_on),
        LOOP_TEST(run_ends_at_stop_with_handles_active),
        LOOP_TEST(forgotten_handle_is_named_when_the_loop_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
