#include "live_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct live_request read_good(const char *query)
{
    struct live_request request;
    const char *why = NULL;
    assert_int_equal(live_request_read(query, "inst", 100, &request, &why), 0);
    return request;
}

static void assert_bad(const char *query, const char *expected)
{
    struct live_request request;
    const char *why = NULL;
    assert_true(live_request_read(query, "inst", 100, &request, &why) < 0);
    assert_string_equal(why, expected);
}

static void nothing_asked_is_all_in_one(void **state)
{
    (void)state;
    struct live_request request = read_good("");
    assert_string_equal(request.node, "");
    assert_false(request.parts || request.resumes);
}

static void pace_is_taken_within_its_range(void **state)
{
    (void)state;
    assert_int_equal(read_good("").pace_ms, 0);
    assert_int_equal(read_good("pace=0").pace_ms, 0);
    assert_int_equal(read_good("parts=1&pace=100").pace_ms, 100);
    assert_int_equal(read_good("pace=10000").pace_ms, 10000);
    assert_bad("pace=10001", "pace must be milliseconds, up to 10000");
    assert_bad("pace=-1", "pace must be milliseconds, up to 10000");
    assert_bad("pace=fast", "pace must be milliseconds, up to 10000");
    assert_bad("pace=18446744073709551616", "pace must be milliseconds, up to 10000");
}

static void parts_are_taken_where_asked(void **state)
{
    (void)state;
    assert_true(read_good("parts=1").parts);
    assert_true(read_good("node=pi%20b&parts=1&since=3&instance=inst").parts);
    assert_false(read_good("parts=0").parts || read_good("parts=").parts || read_good("parts=yes").parts);
}

static void only_this_instances_past_is_resumed(void **state)
{
    (void)state;
    struct live_request request = read_good("since=100&instance=inst");
    assert_true(request.resumes);
    assert_int_equal(request.since, 100);
    assert_false(read_good("since=101&instance=inst").resumes);
    assert_false(read_good("since=100&instance=other").resumes);
    assert_false(read_good("since=100").resumes || read_good("instance=inst").resumes);
    assert_bad("since=x&instance=inst", "since must be a revision");
}

static void one_node_may_be_named(void **state)
{
    (void)state;
    assert_string_equal(read_good("node=pi%20b&node=pi+b").node, "pi b");
    assert_bad("node=a&node=b", "a live session watches one node, or all");
    assert_bad("node=a%2Fb", "node is not the name of a node");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_asked_is_all_in_one),
        cmocka_unit_test(parts_are_taken_where_asked),
        cmocka_unit_test(pace_is_taken_within_its_range),
        cmocka_unit_test(only_this_instances_past_is_resumed),
        cmocka_unit_test(one_node_may_be_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
