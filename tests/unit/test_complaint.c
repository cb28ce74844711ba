#include "complaint.h"

#include "log_capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE_MS 60000

struct world {
    struct complaints complaints;
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

static void say(struct world *world, const char *subject, enum reject reason, int64_t at_ms)
{
    struct fault fault;
    fault_set(&fault, reason, "detail");
    complain(&world->complaints, "ingest", subject, strlen(subject), &fault, at_ms);
}

static void line_names_source_subject_reason_and_detail(void **state)
{
    struct world *world = *state;
    say(world, "alpaca/a\nb/health", REJECT_NOT_JSON, 1000000);
    assert_int_equal(logged(world, "warning ingest: alpaca/a\\x0ab/health: not_json: detail\n"), 1);
}

static void same_complaint_comes_once_a_minute_with_a_count(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 100; i++) {
        say(world, "alpaca/pi/health", REJECT_NOT_JSON, 1000000 + i);
    }
    assert_int_equal(logged(world, "alpaca/pi/health"), 1);
    say(world, "alpaca/pi/health", REJECT_NOT_JSON, 1000000 + MINUTE_MS + 1);
    assert_int_equal(logged(world, "(99 more like this"), 1);
}

static void subjects_and_reasons_are_told_apart(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 150; i++) { /* however they fall into the table */
        char subject[32];
        snprintf(subject, sizeof subject, "alpaca/n%d/health", i);
        say(world, subject, REJECT_NOT_JSON, 1000000);
        assert_int_equal(logged(world, subject), 1);
    }
    say(world, "alpaca/n0/health", REJECT_BAD_TYPE, 1000000);
    assert_int_equal(logged(world, "alpaca/n0/health: bad_type"), 1);
}

static void flood_of_subjects_is_cut_and_counted(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 5000; i++) {
        char subject[32];
        snprintf(subject, sizeof subject, "alpaca/n%d/health", i);
        say(world, subject, REJECT_NOT_JSON, 1000000);
    }
    assert_int_equal(logged(world, "not_json"), COMPLAINT_BURST);
    say(world, "alpaca/later/health", REJECT_NOT_JSON, 1000000 + 5000);
    assert_int_equal(logged(world, "alpaca/later/health"), 1);
    assert_int_equal(logged(world, "4800 further complaints"), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(line_names_source_subject_reason_and_detail),
        TEST(same_complaint_comes_once_a_minute_with_a_count),
        TEST(subjects_and_reasons_are_told_apart),
        TEST(flood_of_subjects_is_cut_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
