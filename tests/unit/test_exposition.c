#include "exposition.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define assert_text(out, expected)                            \
    do {                                                      \
        assert_string_equal(buf_terminate(&(out)), expected); \
        buf_finish(&(out));                                   \
    } while (0)

static void family_has_help_and_type(void **state)
{
    (void)state;
    struct buf out = BUF_INIT;
    exposition_one(&out, "a_total", "counter", "How many.", 7);
    assert_text(out, "# HELP a_total How many.\n# TYPE a_total counter\na_total 7\n");
}

static void labels_stand_in_braces(void **state)
{
    (void)state;
    struct buf out = BUF_INIT;
    exposition_sample(&out, "a");
    exposition_word(&out, "x", "1");
    exposition_word(&out, "y", "");
    exposition_int(&out, -3);
    assert_text(out, "a{x=\"1\",y=\"\"} -3\n");
}

static void label_values_cannot_leave_their_quotes(void **state)
{
    (void)state;
    static const char value[] = "\"} 1\nb \\n\\";
    struct buf out = BUF_INIT;
    exposition_sample(&out, "a");
    exposition_word(&out, "x", value);
    exposition_int(&out, 1);
    assert_text(out, "a{x=\"\\\"} 1\\nb \\\\n\\\\\"} 1\n");
}

static void nul_in_a_label_becomes_a_replacement_character(void **state)
{
    (void)state;
    struct buf out = BUF_INIT;
    exposition_sample(&out, "a");
    exposition_label(&out, "x", "p\0q", 3);
    exposition_int(&out, 1);
    assert_text(out, "a{x=\"p\xef\xbf\xbdq\"} 1\n");
}

static void other_characters_pass(void **state)
{
    (void)state;
    struct buf out = BUF_INIT;
    exposition_sample(&out, "a");
    exposition_word(&out, "x", "µ/°C {,}=\t\r'");
    exposition_int(&out, 1);
    assert_text(out, "a{x=\"µ/°C {,}=\t\r'\"} 1\n");
}

static void values_are_written_as_the_format_has_them(void **state)
{
    (void)state;
    struct buf out = BUF_INIT;
    const double values[] = {0.1, 1e300, -0.5, NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        exposition_sample(&out, "a");
        exposition_double(&out, values[i]);
    }
    exposition_sample(&out, "a");
    exposition_digits(&out, "45.30", 5);
    assert_text(out, "a 0.1\na 1e+300\na -0.5\na NaN\na +Inf\na -Inf\na 45.30\n");
}

static void histogram_counts_upwards(void **state)
{
    (void)state;
    static const double bounds[] = {0.1, 1};
    struct histogram histogram = HISTOGRAM_INIT(bounds);
    const double times[] = {0.1, 0.05, 0.5, 2, 3, -1};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        histogram_add(&histogram, times[i]);
    }
    assert_int_equal(histogram_count(&histogram), 6);
    assert_true(histogram.max_s == 3);
    struct buf out = BUF_INIT;
    exposition_histogram(&out, "t_seconds", "How long.", &histogram);
    assert_text(out, "# HELP t_seconds How long.\n# TYPE t_seconds histogram\n"
                     "t_seconds_bucket{le=\"0.1\"} 3\nt_seconds_bucket{le=\"1\"} 4\n"
                     "t_seconds_bucket{le=\"+Inf\"} 6\nt_seconds_sum 5.65\nt_seconds_count 6\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(family_has_help_and_type),
        cmocka_unit_test(labels_stand_in_braces),
        cmocka_unit_test(label_values_cannot_leave_their_quotes),
        cmocka_unit_test(nul_in_a_label_becomes_a_replacement_character),
        cmocka_unit_test(other_characters_pass),
        cmocka_unit_test(values_are_written_as_the_format_has_them),
        cmocka_unit_test(histogram_counts_upwards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
