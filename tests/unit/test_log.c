#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Standard error, caught in a file while a test runs. */
struct catcher {
    int saved, file;
    char text[64 * 1024];
};

static void catch_start(struct catcher *catcher)
{
    char name[] = "/tmp/test_log_XXXXXX";
    catcher->file = mkstemp(name);
    assert_true(catcher->file >= 0);
    unlink(name);
    catcher->saved = dup(STDERR_FILENO);
    assert_true(dup2(catcher->file, STDERR_FILENO) >= 0);
}

static const char *catch_end(struct catcher *catcher)
{
    dup2(catcher->saved, STDERR_FILENO);
    close(catcher->saved);
    ssize_t n = pread(catcher->file, catcher->text, sizeof catcher->text - 1, 0);
    assert_true(n >= 0);
    catcher->text[n] = '\0';
    close(catcher->file);
    return catcher->text;
}

static void line_has_time_level_and_text(void **state)
{
    (void)state;
    struct catcher c;
    catch_start(&c);
    log_warning("mqtt: %s %d", "lost", 3);
    const char *line = catch_end(&c);
    assert_int_equal(strlen(line), strlen("2026-01-02T03:04:05.678Z warning mqtt: lost 3\n"));
    assert_true(line[10] == 'T' && line[19] == '.' && line[23] == 'Z');
    assert_string_equal(line + 24, " warning mqtt: lost 3\n");
}

static void level_hides_what_is_below(void **state)
{
    (void)state;
    struct catcher c;
    catch_start(&c);
    log_set_level(LOG_LEVEL_ERROR);
    log_warning("hidden");
    log_info("hidden");
    log_error("shown");
    log_set_level(LOG_LEVEL_INFO);
    log_info("shown too");
    const char *text = catch_end(&c);
    assert_null(strstr(text, "hidden"));
    assert_non_null(strstr(text, " error shown\n"));
    assert_non_null(strstr(text, " info shown too\n"));
}

static const char *count(unsigned *calls)
{
    ++*calls;
    return "worked out";
}

static void debug_topic_is_silent_and_free_until_it_is_wanted(void **state)
{
    (void)state;
    struct catcher c;
    unsigned calls = 0;
    catch_start(&c);
    log_debug(LOG_MQTT, "hidden %s", count(&calls));
    assert_int_equal(calls, 0);
    log_set_level(LOG_LEVEL_ERROR); /* has nothing to do with it */
    log_set_topics(LOG_TOPIC_BIT(LOG_HTTP) | LOG_TOPIC_BIT(LOG_MDNS));
    log_debug(LOG_MQTT, "hidden %s", count(&calls));
    log_debug(LOG_HTTP, "shown %s", count(&calls));
    log_set_topics(0);
    log_set_level(LOG_LEVEL_INFO);
    log_debug(LOG_HTTP, "hidden");
    const char *text = catch_end(&c);
    assert_int_equal(calls, 1);
    assert_string_equal(text + 24, " debug http: shown worked out\n");
}

static void topics_are_found_by_name(void **state)
{
    (void)state;
    char buffer[LOG_TOPICS_TEXT], small[8];
    unsigned two = LOG_TOPIC_BIT(LOG_MQTT) | LOG_TOPIC_BIT(LOG_POLL);
    assert_int_equal(log_topic_find("poll", 4, LOG_TOPICS_ALL), LOG_TOPIC_BIT(LOG_POLL));
    assert_int_equal(log_topic_find("polling", 4, LOG_TOPICS_ALL), LOG_TOPIC_BIT(LOG_POLL));
    assert_int_equal(log_topic_find("pol", 3, LOG_TOPICS_ALL), 0);
    assert_int_equal(log_topic_find("", 0, LOG_TOPICS_ALL), 0);
    assert_int_equal(log_topic_find("http", 4, two), 0);
    assert_int_equal(log_topic_find("all", 3, two), two);
    assert_string_equal(log_topics_list(two, buffer, sizeof buffer), "mqtt, poll");
    assert_string_equal(log_topics_list(LOG_TOPICS_ALL, buffer, sizeof buffer),
                        "mqtt, http, live, poll, mdns, broker");
    assert_int_equal(strlen(log_topics_list(LOG_TOPICS_ALL, small, sizeof small)), 7);
}

static void json_line_is_an_object_whatever_is_said(void **state)
{
    (void)state;
    struct catcher c;
    catch_start(&c);
    log_set_format(LOG_FORMAT_JSON);
    log_set_topics(LOG_TOPIC_BIT(LOG_LIVE));
    log_warning("a \"quote\", \\, \x01 and \n");
    log_debug(LOG_LIVE, "%s", "opened");
    char long_text[6000];
    memset(long_text, '\x02', sizeof long_text);
    long_text[sizeof long_text - 1] = '\0';
    log_error("%s", long_text); /* each byte becomes six */
    log_set_topics(0);
    log_set_format(LOG_FORMAT_TEXT);
    const char *text = catch_end(&c);
    const char *second = strchr(text, '\n') + 1, *third = strchr(second, '\n') + 1;
    assert_memory_equal(text, "{\"time\":\"20", 11);
    static const char quoted[] =
        "\",\"level\":\"warning\",\"message\":\"a \\\"quote\\\", \\\\, \\u0001 and  \"}\n";
    static const char opened[] = "\",\"level\":\"debug\",\"topic\":\"live\",\"message\":\"opened\"}\n";
    assert_memory_equal(text + 33, quoted, sizeof quoted - 1);
    assert_memory_equal(second + 33, opened, sizeof opened - 1);
    size_t len = strlen(third);
    assert_true(len > 12000);
    assert_string_equal(third + len - 12, "\\u0002…\"}\n");
}

static void journal_gets_the_level_in_front_and_keeps_the_time(void **state)
{
    (void)state;
    struct catcher c;
    catch_start(&c);
    log_set_journal(true);
    log_error("one");
    log_warning("two");
    log_info("three");
    log_set_topics(LOG_TOPIC_BIT(LOG_POLL));
    log_debug(LOG_POLL, "four");
    log_set_topics(0);
    log_set_format(LOG_FORMAT_JSON);
    log_info("five");
    log_set_format(LOG_FORMAT_TEXT);
    log_set_journal(false);
    const char *text = catch_end(&c);
    static const char expected[] = "<3>one\n<4>two\n<6>three\n<7>poll: four\n<6>{\"time\":\"";
    assert_memory_equal(text, expected, sizeof expected - 1);
}

static void journal_is_known_by_its_stream(void **state)
{
    (void)state;
    struct catcher c;
    struct stat stat;
    char stream[64];
    catch_start(&c);
    assert_int_equal(fstat(STDERR_FILENO, &stat), 0);
    unsetenv("JOURNAL_STREAM");
    bool none = log_stderr_is_journal();
    snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)stat.st_dev, (uintmax_t)stat.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    bool ours = log_stderr_is_journal();
    snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)stat.st_dev, (uintmax_t)stat.st_ino + 1);
    setenv("JOURNAL_STREAM", stream, 1);
    bool other = log_stderr_is_journal();
    unsetenv("JOURNAL_STREAM");
    catch_end(&c);
    assert_true(ours);
    assert_false(none || other);
}

static void event_is_one_line_whatever_is_in_it(void **state)
{
    (void)state;
    struct catcher c;
    catch_start(&c);
    log_error("a\nb\r\nc");
    const char *text = catch_end(&c);
    assert_string_equal(text + 24, " error a b  c\n");
}

static void long_line_is_cut_between_characters(void **state)
{
    (void)state;
    struct catcher c;
    char long_text[6000];
    for (unsigned shift = 0; shift < 4; shift++) {
        memset(long_text, 'x', shift);
        for (size_t i = shift; i + 3 <= sizeof long_text - 1; i += 3) {
            memcpy(long_text + i, "€", 3);
            long_text[i + 3] = '\0';
        }
        catch_start(&c);
        log_error("%s", long_text);
        const char *text = catch_end(&c);
        size_t len = strlen(text);
        assert_in_range(len, 2040, 2048);
        assert_string_equal(text + len - 7, "€…\n");
    }
}

static void errno_survives(void **state)
{
    (void)state;
    struct catcher c;
    catch_start(&c);
    errno = ENOENT;
    log_error("%m");
    assert_int_equal(errno, ENOENT);
    assert_string_equal(catch_end(&c) + 24, " error No such file or directory\n");
}

static void *write_lines(void *user)
{
    (void)user;
    for (int i = 0; i < 200; i++) {
        log_info("%s", "0123456789012345678901234567890123456789");
    }
    return NULL;
}

static void lines_of_several_threads_never_mix(void **state)
{
    (void)state;
    struct catcher c;
    pthread_t threads[4];
    catch_start(&c);
    /* appended to the file by each write, as to a terminal or a journal */
    fcntl(STDERR_FILENO, F_SETFL, O_APPEND);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, NULL), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    const char *line = catch_end(&c);
    unsigned lines = 0;
    for (; *line; lines++) {
        const char *end = strchr(line, '\n');
        assert_non_null(end);
        assert_memory_equal(line + 24, " info 0123456789012345678901234567890123456789\n", 47);
        line = end + 1;
    }
    assert_int_equal(lines, 800);
}

static void peer_text_is_made_harmless(void **state)
{
    (void)state;
    char buffer[LOG_TEXT];
    assert_string_equal(log_escape(buffer, sizeof buffer, "plain ä€", 11), "plain ä€");
    const char *shown = log_escape(buffer, sizeof buffer, "a\x1b[2J\n\\\xff\xe2\x80\xae", 11);
    assert_null(strchr(shown, '\x1b'));
    assert_null(strchr(shown, '\n'));
    assert_null(strchr(shown, '\xff'));
    assert_null(strstr(shown, "\xe2\x80\xae"));
    char small[8];
    assert_string_equal(log_escape(small, sizeof small, "0123456789", 10), "0123…");
}

static void limiter_passes_one_a_minute_and_counts_the_rest(void **state)
{
    (void)state;
    struct log_limit limit = {0};
    uint64_t suppressed = 99;
    assert_true(log_limit_pass(&limit, 1000, &suppressed));
    assert_int_equal(suppressed, 0);
    for (int i = 0; i < 5; i++) {
        assert_false(log_limit_pass(&limit, 1000 + i * 10000, &suppressed));
    }
    assert_false(log_limit_pass(&limit, 60999, &suppressed));
    assert_true(log_limit_pass(&limit, 61000, &suppressed));
    assert_int_equal(suppressed, 6);
    assert_false(log_limit_pass(&limit, 61001, &suppressed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_has_time_level_and_text),
        cmocka_unit_test(level_hides_what_is_below),
        cmocka_unit_test(debug_topic_is_silent_and_free_until_it_is_wanted),
        cmocka_unit_test(topics_are_found_by_name),
        cmocka_unit_test(json_line_is_an_object_whatever_is_said),
        cmocka_unit_test(journal_gets_the_level_in_front_and_keeps_the_time),
        cmocka_unit_test(journal_is_known_by_its_stream),
        cmocka_unit_test(event_is_one_line_whatever_is_in_it),
        cmocka_unit_test(long_line_is_cut_between_characters),
        cmocka_unit_test(errno_survives),
        cmocka_unit_test(lines_of_several_threads_never_mix),
        cmocka_unit_test(peer_text_is_made_harmless),
        cmocka_unit_test(limiter_passes_one_a_minute_and_counts_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
