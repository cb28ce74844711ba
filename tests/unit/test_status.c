#include "fixtures.h"
#include "report.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void status_is_written_and_read(void **state)
{
    (void)state;
    static const struct {
        struct status status;
        const char *text;
    } cases[] = {
        {{true, false, "s-1", 1767323045678},
         "{\"state\":\"online\",\"session\":\"s-1\",\"at\":\"2026-01-02T03:04:05.678Z\"}"},
        {{false, false, "s-1", 1767323045678},
         "{\"state\":\"offline\",\"session\":\"s-1\",\"at\":\"2026-01-02T03:04:05.678Z\"}"},
        {{false, true, "s-1", 1767323045678},
         "{\"state\":\"offline\",\"session\":\"s-1\",\"at\":\"2026-01-02T03:04:05.678Z\",\"reason\":"
         "\"stopped\"}"},
    };
    struct buf out = BUF_INIT;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buf_reset(&out);
        assert_int_equal(status_encode(&out, &cases[i].status), 0);
        assert_string_equal(buf_terminate(&out), cases[i].text);
        struct status back;
        char *copy = exact_copy(out.data, out.len);
        assert_int_equal(status_decode(copy, out.len, &back, NULL), 0);
        free(copy);
        assert_int_equal(back.online, cases[i].status.online);
        assert_int_equal(back.stopped, cases[i].status.stopped);
        assert_string_equal(back.session, "s-1");
        assert_int_equal(back.at_ms, 1767323045678);
        for (size_t cut = 0; cut < out.len; cut++)
            assert_int_equal(status_decode(out.data, cut, &back, NULL), -EBADMSG);
    }
    struct status online = {.online = true, .stopped = true, .session = "s", .at_ms = 0}; /* makes no sense */
    buf_reset(&out);
    assert_int_equal(status_encode(&out, &online), 0);
    assert_null(strstr(buf_terminate(&out), "stopped"));
    buf_finish(&out);
}

static void bad_status_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *payload, *detail;
    } bad[] = {
        {"online", "byte 0: unexpected character"},
        {"\"online\"", "not an object"},
        {"{}", "state: missing"},
        {"{\"state\":\"ONLINE\"}", "state: neither \"online\" nor \"offline\""},
        {"{\"state\":true}", "state: neither \"online\" nor \"offline\""},
        {"{\"state\":\"offline\"}", "session: missing"},
        {"{\"state\":\"offline\",\"session\":\"\"}", "session: not 1 to 40 of A-Z a-z 0-9 _ -"},
        {"{\"state\":\"offline\",\"session\":\"s\"}", "at: missing"},
        {"{\"state\":\"offline\",\"session\":\"s\",\"at\":\"now\"}", "at: not a time with zone"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct status status = {.at_ms = 77};
        struct fault fault;
        assert_int_equal(status_decode(bad[i].payload, strlen(bad[i].payload), &status, &fault), -EBADMSG);
        assert_string_equal(fault.detail, bad[i].detail);
        assert_int_equal(status.at_ms, 77);
    }
    const char *odd =
        "{\"state\":\"online\",\"session\":\"s\",\"at\":\"2026-01-02T03:04:05Z\",\"reason\":\"stopped\"}";
    struct status status;
    assert_int_equal(status_decode(odd, strlen(odd), &status, NULL), 0);
    assert_true(status.online);
    assert_false(status.stopped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_is_written_and_read),
        cmocka_unit_test(bad_status_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
