/* enrolment: the word survives the way through a terminal, and nothing else passes for one. */
#include "enrolment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct enrolment example(void)
{
    struct enrolment enrolment = {.node = "pi b ü",
                                  .password = "aB3-_x",
                                  .base_topic = "alpaca",
                                  .hosts = {"llama.local", "192.168.1.2", "fd00::2"},
                                  .host_count = 3,
                                  .port = 8883,
                                  .tls = ENROLMENT_CA,
                                  .ca_len = 391};
    for (size_t i = 0; i < enrolment.ca_len; i++) {
        enrolment.ca[i] = (unsigned char)(i * 7);
    }
    return enrolment;
}

static char *word_of(const struct enrolment *enrolment)
{
    struct buf out = BUF_INIT;
    assert_int_equal(enrolment_encode(enrolment, &out), 0);
    assert_non_null(buf_terminate(&out));
    return out.data;
}

static const char *why_not(const char *word)
{
    static struct enrolment read;
    const char *why = NULL;
    assert_int_equal(enrolment_decode(word, &read, &why), -74); /* -EBADMSG */
    assert_non_null(why);
    return why;
}

static void word_gives_back_what_went_in(void **state)
{
    (void)state;
    static struct enrolment read;
    const char *why = NULL;
    const enum enrolment_tls ways[] = {ENROLMENT_CA, ENROLMENT_PLAIN, ENROLMENT_PUBLIC};
    for (size_t i = 0; i < 3; i++) {
        struct enrolment made = example();
        made.tls = ways[i];
        made.ca_len = i == 0 ? made.ca_len : 0;
        char *word = word_of(&made);
        assert_int_equal(strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
                         strlen(word));
        assert_int_equal(enrolment_decode(word, &read, &why), 0);
        assert_string_equal(read.node, made.node);
        assert_string_equal(read.password, made.password);
        assert_string_equal(read.base_topic, made.base_topic);
        assert_int_equal(read.host_count, 3);
        assert_string_equal(read.hosts[2], "fd00::2");
        assert_int_equal(read.port, 8883);
        assert_int_equal(read.tls, ways[i]);
        assert_int_equal(read.ca_len, made.ca_len);
        assert_memory_equal(read.ca, made.ca, made.ca_len);
        free(word);
    }
}

static void space_around_it_is_passed_over(void **state)
{
    (void)state;
    static struct enrolment read;
    const char *why = NULL;
    struct enrolment made = example();
    char *word = word_of(&made), *text = NULL;
    assert_true(asprintf(&text, "  \t%s\r\n", word) > 0);
    assert_int_equal(enrolment_decode(text, &read, &why), 0);
    free(text);
    free(word);
}

static void any_slip_is_noticed(void **state)
{
    (void)state;
    struct enrolment made = example();
    char *word = word_of(&made);
    size_t len = strlen(word);
    for (size_t i = strlen(ENROLMENT_PREFIX); i < len; i++) {
        char before = word[i];
        word[i] = before == 'A' ? 'B' : 'A';
        assert_non_null(strstr(why_not(word), "not whole, or was changed"));
        word[i] = before;
    }
    for (size_t i = len - 1; i > strlen(ENROLMENT_PREFIX); i--) {
        word[i] = '\0';
        assert_non_null(strstr(why_not(word), "not whole, or was changed"));
    }
    free(word);
}

static void what_is_no_word_is_told(void **state)
{
    (void)state;
    char *huge = calloc(1, ENROLMENT_WORD_MAX + 100);
    memset(huge, 'a', ENROLMENT_WORD_MAX + 50);
    memcpy(huge, ENROLMENT_PREFIX, strlen(ENROLMENT_PREFIX));
    assert_non_null(strstr(why_not(""), "does not begin with smc1-"));
    assert_non_null(strstr(why_not("hello"), "does not begin with smc1-"));
    assert_non_null(strstr(why_not("smc2-AAAA"), "does not begin with smc1-"));
    assert_non_null(strstr(why_not("smc1-"), "not whole"));
    assert_non_null(strstr(why_not("smc1-A=="), "not whole"));
    assert_non_null(strstr(why_not("smc1-AAAA BBBB"), "has a space in it"));
    assert_non_null(strstr(why_not(huge), "longer than any"));
    free(huge);
}

/* Whole, and made by somebody else. */
static void content_is_checked_in_spite_of_the_checksum(void **state)
{
    (void)state;
    struct enrolment made[8];
    for (size_t i = 0; i < 8; i++) {
        made[i] = example();
    }
    strcpy(made[0].node, "a/b");
    strcpy(made[1].node, "..");
    strcpy(made[2].base_topic, "smollama");
    strcpy(made[3].base_topic, "a/b");
    strcpy(made[4].password, "a\nb");
    strcpy(made[5].hosts[1], "x\n  tls: {}");
    strcpy(made[6].hosts[0], "\"");
    strcpy(made[7].node, "\xff\xfe");
    for (size_t i = 0; i < 8; i++) {
        char *word = word_of(&made[i]);
        assert_non_null(strstr(why_not(word), "holds"));
        free(word);
    }
}

static void nothing_half_is_encoded(void **state)
{
    (void)state;
    struct enrolment made[5];
    struct buf out = BUF_INIT;
    for (size_t i = 0; i < 5; i++) {
        made[i] = example();
    }
    made[0].node[0] = '\0';
    made[1].host_count = 0;
    made[2].port = 0;
    made[3].ca_len = 0;
    made[4].tls = ENROLMENT_PLAIN; /* with an authority */
    for (size_t i = 0; i < 5; i++) {
        assert_true(enrolment_encode(&made[i], &out) < 0);
    }
    assert_int_equal(out.len, 0);
}

static void authority_is_written_as_pem(void **state)
{
    (void)state;
    struct enrolment made = {.ca = "abcd", .ca_len = 4};
    struct buf out = BUF_INIT;
    enrolment_write_ca(&made, &out);
    assert_string_equal(buf_terminate(&out),
                        "-----BEGIN CERTIFICATE-----\nYWJjZA==\n-----END CERTIFICATE-----\n");
    buf_reset(&out);
    made.ca_len = 96; /* 48 bytes a line */
    enrolment_write_ca(&made, &out);
    const char *line = strchr(buf_terminate(&out), '\n') + 1;
    assert_int_equal(strcspn(line, "\n"), 64);
    assert_int_equal(strcspn(line + 65, "\n"), 64);
    assert_int_equal(strncmp(line + 130, "-----END", 8), 0);
    buf_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(word_gives_back_what_went_in),
        cmocka_unit_test(space_around_it_is_passed_over),
        cmocka_unit_test(any_slip_is_noticed),
        cmocka_unit_test(what_is_no_word_is_told),
        cmocka_unit_test(content_is_checked_in_spite_of_the_checksum),
        cmocka_unit_test(nothing_half_is_encoded),
        cmocka_unit_test(authority_is_written_as_pem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
