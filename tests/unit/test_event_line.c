#include "event_line.h"

#include "line.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define START_WALL_MS INT64_C(1795420800123)

static struct event event_of(uint64_t id)
{
    struct event event = {
        .id = id,
        .at_wall_ms = START_WALL_MS + (int64_t)id,
        .node = "pi \"k\xc3\xbc"
                "che\"",
        .from = STATE_ONLINE,
        .to = STATE_UNREACHABLE,
        .cause = CAUSE_NO_ANSWER,
        .reason = "no answer; \"HTTP\": refused \\u{202e}",
    };
    return event;
}

static void write_events(struct buf *out, uint64_t first, uint64_t last)
{
    for (uint64_t id = first; id <= last; id++) {
        struct event event = event_of(id);
        event_line_write(out, &event);
    }
}

static void assert_same(const struct event *got, const struct event *expected)
{
    assert_int_equal(got->id, expected->id);
    assert_int_equal(got->at_wall_ms, expected->at_wall_ms);
    assert_string_equal(got->node, expected->node);
    assert_int_equal(got->from, expected->from);
    assert_int_equal(got->to, expected->to);
    assert_int_equal(got->cause, expected->cause);
    assert_string_equal(got->reason, expected->reason);
}

static void events_come_back_as_they_were(void **state)
{
    (void)state;
    struct buf out = BUF_INIT;
    struct event_lines lines;
    event_line_header(&out);
    write_events(&out, 41, 43);
    struct event whole = {
        .id = 44, .at_wall_ms = 1, .from = STATE_ONLINE, .to = STATE_UNKNOWN, .cause = CAUSE_NONE};
    memset(whole.reason, '"', sizeof whole.reason - 1);
    size_t before = out.len;
    event_line_write(&out, &whole);
    assert_true(out.len - before <= EVENT_LINE_MAX);
    assert_int_equal(event_lines_read(out.data, out.len, &lines), 0);
    assert_int_equal(lines.count, 4);
    assert_int_equal(lines.lines, 5);
    assert_int_equal(lines.whole_len, out.len);
    assert_int_equal(lines.bad, 0);
    assert_false(lines.torn);
    for (uint64_t i = 0; i < 3; i++) {
        struct event expected = event_of(41 + i);
        assert_same(&lines.events[i], &expected);
    }
    assert_same(&lines.events[3], &whole);
    event_lines_finish(&lines);
    buf_finish(&out);
}

static void file_cut_at_any_byte_keeps_all_whole_lines(void **state)
{
    (void)state;
    struct buf out = BUF_INIT;
    size_t ends[4];
    event_line_header(&out);
    ends[0] = out.len;
    for (uint64_t id = 1; id <= 3; id++) {
        write_events(&out, id, id);
        ends[id] = out.len;
    }
    for (size_t len = 0; len <= out.len; len++) {
        struct event_lines lines;
        char *cut = malloc(len + 1); /* so that a byte too far is found */
        memcpy(cut, out.data, len);
        int e = event_lines_read(cut, len, &lines);
        if (len < ends[0]) {
            assert_int_equal(e, -EBADMSG);
            free(cut);
            continue;
        }
        size_t whole = len >= ends[3] ? 3 : len >= ends[2] ? 2 : len >= ends[1] ? 1 : 0;
        assert_int_equal(e, 0);
        assert_int_equal(lines.count, whole);
        assert_int_equal(lines.whole_len, ends[whole]);
        assert_int_equal(lines.torn, len > ends[whole]);
        assert_int_equal(lines.bad, 0);
        event_lines_finish(&lines);
        free(cut);
    }
    buf_finish(&out);
}

static void damage_in_the_middle_costs_its_line(void **state)
{
    (void)state;
    struct buf out = BUF_INIT;
    struct event_lines lines;
    event_line_header(&out);
    write_events(&out, 1, 3);
    size_t damaged = out.len;
    write_events(&out, 4, 4);
    out.data[damaged + 20] ^= 1;
    write_events(&out, 5, 7);
    assert_int_equal(event_lines_read(out.data, out.len, &lines), 0);
    assert_int_equal(lines.count, 6);
    assert_int_equal(lines.events[2].id, 3);
    assert_int_equal(lines.events[3].id, 5);
    assert_int_equal(lines.bad, 1);
    assert_int_equal(lines.bad_offset, damaged);
    event_lines_finish(&lines);
    buf_finish(&out);
}

static void ids_that_do_not_rise_are_damage(void **state)
{
    (void)state;
    struct buf out = BUF_INIT;
    struct event_lines lines;
    event_line_header(&out);
    write_events(&out, 5, 6);
    write_events(&out, 6, 6);
    write_events(&out, 3, 3);
    write_events(&out, 8, 9);
    assert_int_equal(event_lines_read(out.data, out.len, &lines), 0);
    assert_int_equal(lines.bad, 2);
    assert_int_equal(lines.count, 4);
    assert_int_equal(lines.events[1].id, 6);
    assert_int_equal(lines.events[2].id, 8);
    event_lines_finish(&lines);
    buf_finish(&out);
}

static void other_files_and_versions_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *content;
        unsigned version;
    } headers[] = {{"events", 2}, {"events", 0}, {"nodes", 1}};
    struct event_lines lines;
    for (size_t i = 0; i < 3; i++) {
        struct buf out = BUF_INIT;
        line_write_header(&out, headers[i].content, headers[i].version);
        write_events(&out, 1, 2);
        assert_int_equal(event_lines_read(out.data, out.len, &lines), -EBADMSG);
        buf_finish(&out);
    }
    assert_int_equal(event_lines_read("", 0, &lines), -EBADMSG);
    assert_int_equal(event_lines_read("\n\n\n", 3, &lines), -EBADMSG);
}

static void hostile_events_are_bad_lines(void **state)
{
    (void)state;
#define TIME "\"at\":\"2026-11-23T08:00:00Z\","
#define REST "\"from\":\"online\",\"to\":\"stale\",\"cause\":\"late\",\"reason\":\"r\""
    static const char *const texts[] = {
        "{" TIME "\"node\":\"pi\"," REST,
        "{\"id\":0," TIME "\"node\":\"pi\"," REST,
        "{\"id\":-1," TIME "\"node\":\"pi\"," REST,
        "{\"id\":1.5," TIME "\"node\":\"pi\"," REST,
        "{\"id\":99999999999999999999," TIME "\"node\":\"pi\"," REST,
        "{\"id\":18446744073709551615," TIME "\"node\":\"pi\"," REST,
        "{\"id\":4503599627370497," TIME "\"node\":\"pi\"," REST, /* 2^52 + 1 */
        "{\"id\":1,\"at\":\"yesterday\",\"node\":\"pi\"," REST,
        "{\"id\":1,\"at\":null,\"node\":\"pi\"," REST,
        "{\"id\":1," TIME "\"node\":\"a/b\"," REST,
        "{\"id\":1," TIME "\"node\":\"\"," REST,
        "{\"id\":1," TIME "\"node\":\"a\\u0000b\"," REST,
        "{\"id\":1," TIME "\"node\":7," REST,
        "{\"id\":1," TIME "\"node\":\"pi\",\"from\":\"up\",\"to\":\"stale\",\"cause\":null,\"reason\":\"r\"",
        "{\"id\":1," TIME "\"node\":\"pi\",\"from\":\"online\",\"cause\":null,\"reason\":\"r\"",
        "{\"id\":1," TIME
        "\"node\":\"pi\",\"from\":\"online\",\"to\":\"stale\",\"cause\":\"x\",\"reason\":\"r\"",
        "{\"id\":1," TIME "\"node\":\"pi\",\"from\":\"online\",\"to\":\"stale\",\"cause\":\"late\"",
        "{\"id\":1," TIME
        "\"node\":\"pi\",\"from\":\"online\",\"to\":\"stale\",\"cause\":\"late\",\"reason\":[]",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct buf out = BUF_INIT;
        struct event_lines lines;
        event_line_header(&out);
        size_t from = out.len;
        buf_str(&out, texts[i]);
        line_seal(&out, from);
        assert_int_equal(event_lines_read(out.data, out.len, &lines), 0);
        assert_int_equal(lines.bad, 1);
        assert_int_equal(lines.bad_offset, from);
        assert_int_equal(lines.count, 0);
        event_lines_finish(&lines);
        buf_finish(&out);
    }
}

static void reason_and_name_beyond_their_limits_are_bad(void **state)
{
    (void)state;
    for (int which = 0; which < 4; which++) {
        struct buf out = BUF_INIT;
        struct event_lines lines;
        event_line_header(&out);
        size_t from = out.len;
        bool too_long = which % 2 == 1;
        size_t name_len = which < 2 ? NODE_NAME_MAX + (size_t)too_long : 2;
        size_t reason_len = which < 2 ? 2 : REASON_MAX - 1 + (size_t)too_long;
        buf_str(&out, "{\"id\":1,\"at\":\"2026-11-23T08:00:00Z\",\"node\":\"");
        for (size_t i = 0; i < name_len; i++) {
            buf_char(&out, 'n');
        }
        buf_str(&out, "\",\"from\":\"online\",\"to\":\"stale\",\"cause\":null,\"reason\":\"");
        for (size_t i = 0; i < reason_len; i++) {
            buf_char(&out, 'r');
        }
        buf_char(&out, '"');
        line_seal(&out, from);
        assert_int_equal(event_lines_read(out.data, out.len, &lines), 0);
        assert_int_equal(lines.bad, too_long);
        assert_int_equal(lines.count, !too_long);
        event_lines_finish(&lines);
        buf_finish(&out);
    }
}

static void last_id_comes_back_or_nothing(void **state)
{
    (void)state;
    struct buf out = BUF_INIT;
    uint64_t id;
    event_id_write(&out, EVENT_ID_MAX);
    assert_true(out.len <= EVENT_ID_TEXT_MAX);
    assert_int_equal(event_id_read(out.data, out.len, &id), 0);
    assert_true(id == EVENT_ID_MAX);
    for (size_t len = 0; len < out.len; len++) {
        char *cut = malloc(len + 1);
        memcpy(cut, out.data, len);
        assert_int_equal(event_id_read(cut, len, &id), -EBADMSG);
        free(cut);
    }
    for (size_t i = 0; i < out.len; i++) {
        out.data[i] ^= 1;
        assert_int_equal(event_id_read(out.data, out.len, &id), -EBADMSG);
        out.data[i] ^= 1;
    }
    buf_reset(&out);
    event_id_write(&out, EVENT_ID_MAX + 1);
    assert_int_equal(event_id_read(out.data, out.len, &id), -EBADMSG);
    buf_reset(&out);
    event_id_write(&out, 0);
    assert_int_equal(event_id_read(out.data, out.len, &id), -EBADMSG);
    buf_reset(&out);
    event_line_header(&out);
    write_events(&out, 7, 7);
    assert_int_equal(event_id_read(out.data, out.len, &id), -EBADMSG);
    buf_finish(&out);
}

/* Names and reasons are the nodes' words: half a character, quotes, line separators. */
static void any_reason_makes_a_good_line(void **state)
{
    (void)state;
    static const char *const reasons[] = {"",
                                          "cut \xc3",
                                          "\xe2\x80\xa8 \xe2\x80\xa9",
                                          "\xff\xfe",
                                          "\x01\x1f\x7f",
                                          "\"\\/\n\r\t",
                                          "\xf0\x9f\x9a"};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        struct buf out = BUF_INIT;
        struct event_lines lines;
        struct event event = event_of(1);
        snprintf(event.reason, sizeof event.reason, "%s", reasons[i]);
        event_line_header(&out);
        event_line_write(&out, &event);
        assert_int_equal(event_lines_read(out.data, out.len, &lines), 0);
        assert_int_equal(lines.count, 1);
        assert_int_equal(lines.bad, 0);
        event_lines_finish(&lines);
        buf_finish(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_come_back_as_they_were),
        cmocka_unit_test(file_cut_at_any_byte_keeps_all_whole_lines),
        cmocka_unit_test(damage_in_the_middle_costs_its_line),
        cmocka_unit_test(ids_that_do_not_rise_are_damage),
        cmocka_unit_test(other_files_and_versions_are_refused),
        cmocka_unit_test(hostile_events_are_bad_lines),
        cmocka_unit_test(reason_and_name_beyond_their_limits_are_bad),
        cmocka_unit_test(last_id_comes_back_or_nothing),
        cmocka_unit_test(any_reason_makes_a_good_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
