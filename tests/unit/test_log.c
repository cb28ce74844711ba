#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    log_debug("hidden");
    log_set_level(LOG_LEVEL_ERROR);
    log_warning("hidden");
    log_info("hidden");
    log_error("shown");
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("shown too");
    log_set_level(LOG_LEVEL_INFO);
    const char *text = catch_end(&c);
    assert_null(strstr(text, "hidden"));
    assert_non_null(strstr(text, " error shown\n"));
    assert_non_null(strstr(text, " debug shown too\n"));
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
        cmocka_unit_test(event_is_one_line_whatever_is_in_it),
        cmocka_unit_test(long_line_is_cut_between_characters),
        cmocka_unit_test(errno_survives),
        cmocka_unit_test(lines_of_several_threads_never_mix),
        cmocka_unit_test(peer_text_is_made_harmless),
        cmocka_unit_test(limiter_passes_one_a_minute_and_counts_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
