/* How guessers are slowed down, and who is not held up by them. */
#include "auth_guesses.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int setup(void **state)
{
    *state = guesses_create();
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    guesses_destroy(*state);
    return 0;
}

static struct peer at(const char *text)
{
    struct peer peer;
    assert_true(peer_parse(text, &peer));
    return peer;
}

static unsigned guess(struct guesses *guesses, const char *from, const char *name, int64_t now_ms)
{
    struct peer peer = at(from);
    return guesses_begin(guesses, GUESSES_PASSWORD, &peer, name, now_ms);
}

static void succeed(struct guesses *guesses, const char *from, const char *name, int64_t now_ms)
{
    struct peer peer = at(from);
    assert_int_equal(guesses_begin(guesses, GUESSES_PASSWORD, &peer, name, now_ms), 0);
    guesses_right(guesses, GUESSES_PASSWORD, &peer, name, now_ms);
}

/* The number of tries that were looked at in that time, one each 100 ms. */
static int looked_at(struct guesses *guesses, const char *from, const char *name, int64_t from_ms,
                     int64_t to_ms)
{
    int count = 0;
    for (int64_t now_ms = from_ms; now_ms < to_ms; now_ms += 100) {
        count += guess(guesses, from, name, now_ms) == 0;
    }
    return count;
}

static void delay_grows_with_each_failure_up_to_a_limit(void **state)
{
    struct guesses *guesses = *state;
    for (int i = 0; i <= GUESSES_FREE_SOURCE; i++) {
        assert_int_equal(guess(guesses, "192.0.2.1", NULL, 1000), 0);
    }
    assert_int_equal(guess(guesses, "192.0.2.1", NULL, 1000), 1);
    int64_t now_ms = 1000;
    for (unsigned wait_s = 1; wait_s < GUESSES_MAX_SOURCE_S; wait_s *= 2) {
        assert_int_equal(guess(guesses, "192.0.2.1", NULL, now_ms), wait_s);
        now_ms += 1000 * (int64_t)wait_s;
        assert_int_equal(guess(guesses, "192.0.2.1", NULL, now_ms), 0);
    }
    assert_int_equal(guess(guesses, "192.0.2.1", NULL, now_ms), GUESSES_MAX_SOURCE_S);
}

static void a_day_of_guessing_is_few_guesses(void **state)
{
    struct guesses *guesses = *state;
    assert_in_range(looked_at(guesses, "192.0.2.1", "anna", 1, 24 * 3600 * 1000), 1, 310);
}

static void tries_that_were_not_looked_at_do_not_count(void **state)
{
    struct guesses *guesses = *state;
    looked_at(guesses, "192.0.2.1", NULL, 1000, 1600);
    for (int i = 0; i < 1000; i++) {
        assert_in_range(guess(guesses, "192.0.2.1", NULL, 1700), 1, 1);
    }
}

static void other_sources_are_not_held_up(void **state)
{
    struct guesses *guesses = *state;
    looked_at(guesses, "192.0.2.1", NULL, 1000, 60000);
    looked_at(guesses, "2001:db8::1", NULL, 1000, 60000);
    assert_int_not_equal(guess(guesses, "192.0.2.1", "anna", 60000), 0);
    assert_int_equal(guess(guesses, "192.0.2.2", "anna", 60000), 0);
    assert_int_not_equal(guess(guesses, "2001:db8::2:3:4:5", "anna", 60000), 0); /* the same /64 */
    assert_int_equal(guess(guesses, "2001:db8:0:1::1", "anna", 60000), 0);
}

static void a_right_password_forgives(void **state)
{
    struct guesses *guesses = *state;
    for (int i = 0; i < GUESSES_FREE_SOURCE; i++) {
        assert_int_equal(guess(guesses, "192.0.2.1", "anna", 1000), 0);
    }
    succeed(guesses, "192.0.2.1", "anna", 1000);
    for (int i = 0; i < GUESSES_FREE_SOURCE; i++) {
        assert_int_equal(guess(guesses, "192.0.2.1", "anna", 1000), 0);
    }
}

static void many_sources_guessing_one_name_are_slowed_down(void **state)
{
    struct guesses *guesses = *state;
    int looked = 0;
    char from[32];
    for (int i = 0; i < 500; i++) {
        snprintf(from, sizeof from, "10.0.%d.%d", i / 250, i % 250);
        looked += guess(guesses, from, "anna", 1000 + i) == 0;
    }
    assert_in_range(looked, 1, GUESSES_FREE_NAME + 1);
    assert_int_not_equal(guess(guesses, "10.9.9.9", "anna", 1500), 0);
    assert_int_equal(guess(guesses, "10.9.9.9", "rita", 1500), 0);
}

static void the_user_is_not_locked_out_by_them(void **state)
{
    struct guesses *guesses = *state;
    succeed(guesses, "192.168.1.5", "anna", 1);
    char from[32];
    for (int i = 0; i < 500; i++) {
        snprintf(from, sizeof from, "10.0.%d.%d", i / 250, i % 250);
        guess(guesses, from, "anna", 1000 + 100 * i);
    }
    guess(guesses, "10.9.9.8", "anna", 51000);
    assert_int_not_equal(guess(guesses, "10.9.9.9", "anna", 51000), 0);
    succeed(guesses, "192.168.1.5", "anna", 51000);
    assert_int_not_equal(guess(guesses, "10.9.9.9", "anna", 51000), 0); /* nor does that help them */
}

static void a_script_with_an_old_token_locks_nobody_out(void **state)
{
    struct guesses *guesses = *state;
    struct peer peer = at("127.0.0.1");
    unsigned wait_s = 0;
    for (int i = 0; i < 100; i++) {
        wait_s = guesses_begin(guesses, GUESSES_TOKEN, &peer, NULL, 1000);
    }
    assert_int_not_equal(wait_s, 0);
    assert_int_equal(guess(guesses, "127.0.0.1", "anna", 1000), 0);
}

static void failures_are_forgotten(void **state)
{
    struct guesses *guesses = *state;
    looked_at(guesses, "192.0.2.1", NULL, 1000, 60000);
    int64_t later_ms = 60000 + 1000 * GUESSES_MAX_SOURCE_S + GUESSES_FORGET_MS;
    for (int i = 0; i <= GUESSES_FREE_SOURCE; i++) {
        assert_int_equal(guess(guesses, "192.0.2.1", NULL, later_ms), 0);
    }
}

static void attempts_that_came_to_nothing_do_not_count(void **state)
{
    struct guesses *guesses = *state;
    struct peer peer = at("192.0.2.1");
    for (int i = 0; i < 50; i++) {
        assert_int_equal(guesses_begin(guesses, GUESSES_PASSWORD, &peer, "anna", 1000), 0);
        guesses_void(guesses, GUESSES_PASSWORD, &peer, "anna");
    }
}

static void names_that_nobody_has_push_no_user_out(void **state)
{
    struct guesses *guesses = *state;
    succeed(guesses, "192.168.1.5", "anna", 1);
    char from[32], name[32];
    for (int i = 0; i < 4 * GUESSES_NAMES; i++) {
        snprintf(from, sizeof from, "10.%d.%d.1", i / 250, i % 250);
        snprintf(name, sizeof name, "nobody%d", i);
        assert_int_equal(guess(guesses, from, name, 1000 + i), 0);
    }
    for (int i = 0; i < 50; i++) {
        snprintf(from, sizeof from, "10.200.0.%d", i);
        guess(guesses, from, "anna", 5000);
    }
    assert_int_not_equal(guess(guesses, "10.200.1.1", "anna", 5000), 0);
    assert_int_equal(guess(guesses, "192.168.1.5", "anna", 5000), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(delay_grows_with_each_failure_up_to_a_limit),
        TEST(a_day_of_guessing_is_few_guesses),
        TEST(tries_that_were_not_looked_at_do_not_count),
        TEST(other_sources_are_not_held_up),
        TEST(a_right_password_forgives),
        TEST(many_sources_guessing_one_name_are_slowed_down),
        TEST(the_user_is_not_locked_out_by_them),
        TEST(a_script_with_an_old_token_locks_nobody_out),
        TEST(failures_are_forgotten),
        TEST(attempts_that_came_to_nothing_do_not_count),
        TEST(names_that_nobody_has_push_no_user_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
