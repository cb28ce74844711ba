#include "topic.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void good_node_names(void **state)
{
    (void)state;
    static const char *const good[] = {
        "a",
        "pi-kitchen",
        "Pi 4 in the kitchen",
        "k\xc3\xbc"
        "che",
        "\xe6\xb8\xa9\xe5\xba\xa6",
        "\xf0\x9f\xa6\x99",
        "a.b",
        "...",
        ".hidden",
        "a$b",
        "50%",
        "a\"b\\c",
        "<script>",
        "*",
        "node:1",
        "a\xc2\xa0"
        "b",
        "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d", /* Hebrew needs no bidi characters */
        "0123456789012345678901234567890123456789012345678901234567890123",
        "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
        "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
        "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
        "1", /* 64 bytes */
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        const char *why = "untouched";
        if (!node_name_valid(good[i], strlen(good[i]), &why))
            fail_msg("%s %s", good[i], why);
        assert_string_equal(why, "untouched");
        assert_true(node_name_valid(good[i], strlen(good[i]), NULL));
    }
}

static void bad_node_names_and_why(void **state)
{
    (void)state;
    static const struct {
        const char *name, *why;
    } bad[] = {
        {"", "is empty"},
        {"01234567890123456789012345678901234567890123456789012345678901234", "is longer than 64 bytes"},
        {".", "is . or .."},
        {"..", "is . or .."},
        {"a/b", "contains /, + or #"},
        {"+", "contains /, + or #"},
        {"a#", "contains /, + or #"},
        {"$SYS", "starts with $"},
        {" a", "starts or ends with a space"},
        {"a ", "starts or ends with a space"},
        {" ", "starts or ends with a space"},
        {"a\xc2\xa0", "starts or ends with a space"},
        {"\xe3\x80\x80"
         "a",
         "starts or ends with a space"},
        {"a\xe1\x9a\x80", "starts or ends with a space"},
        {"a\xe2\x80\x80", "starts or ends with a space"},
        {"a\xe2\x80\x8a", "starts or ends with a space"},
        {"a\xe2\x80\xaf", "starts or ends with a space"},
        {"a\xe2\x81\x9f", "starts or ends with a space"},
        {"a\nb", "contains a control or format character"},
        {"a\x7f", "contains a control or format character"},
        {"a\xc2\x85", "contains a control or format character"},
        {"a\xe2\x80\xae"
         "b",
         "contains a control or format character"},                  /* RIGHT-TO-LEFT OVERRIDE */
        {"a\xe2\x80\x8f", "contains a control or format character"}, /* RIGHT-TO-LEFT MARK */
        {"\xd8\x9c"
         "a",
         "contains a control or format character"}, /* ARABIC LETTER MARK */
        {"a\xe2\x81\xa6"
         "b",
         "contains a control or format character"}, /* LEFT-TO-RIGHT ISOLATE */
        {"a\xe2\x80\x8b"
         "b",
         "contains a control or format character"}, /* ZERO WIDTH SPACE */
        {"a\xe2\x80\x8d"
         "b",
         "contains a control or format character"}, /* ZERO WIDTH JOINER */
        {"a\xc2\xad"
         "b",
         "contains a control or format character"}, /* SOFT HYPHEN */
        {"\xef\xbb\xbf"
         "a",
         "contains a control or format character"}, /* BOM */
        {"a\xe2\x80\xa8"
         "b",
         "contains a control or format character"},                      /* LINE SEPARATOR */
        {"a\xf3\xa0\x81\x81", "contains a control or format character"}, /* TAG LATIN CAPITAL A */
        {"a\xef\xbf\xbf", "contains a code point that is no character"},
        {"a\xef\xb7\x90", "contains a code point that is no character"},
        {"a\xef\xb7\xaf", "contains a code point that is no character"},
        {"a\xf0\x9f\xbf\xbe", "contains a code point that is no character"},
        {"a\xff", "is not UTF-8"},
        {"a\xc3", "is not UTF-8"},
        {"\xed\xa0\x80", "is not UTF-8"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *why = "(valid)";
        assert_false(node_name_valid(bad[i].name, strlen(bad[i].name), &why));
        assert_string_equal(why, bad[i].why);
        assert_false(node_name_valid(bad[i].name, strlen(bad[i].name), NULL));
    }
    assert_false(node_name_valid("a\0b", 3, NULL));
    assert_false(node_name_valid("\0", 1, NULL));
}

static void base_topics(void **state)
{
    (void)state;
    static const char *const good[] = {
        "alpaca",    "a",     "AZ-az_09",
        "smollama2", "Llama", "0123456789012345678901234567890123456789012345678901234567890123"};
    static const char *const bad[] = {"",
                                      "a/b",
                                      "a b",
                                      "+",
                                      "#",
                                      "$a",
                                      "\xc3\xa4",
                                      "smollama",
                                      "llama",
                                      "homeassistant",
                                      "01234567890123456789012345678901234567890123456789012345678901234"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(base_topic_valid(good[i], NULL));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *why = NULL;
        assert_false(base_topic_valid(bad[i], &why));
        assert_non_null(why);
        assert_false(base_topic_valid(bad[i], NULL));
    }
}

static void topics_of_ours_are_parsed(void **state)
{
    (void)state;
    static const struct {
        const char *topic, *node;
        enum topic_kind kind;
    } cases[] = {
        {"alpaca/pi/readings", "pi", TOPIC_READINGS},
        {"alpaca/pi/observations", "pi", TOPIC_OBSERVATIONS},
        {"alpaca/pi/memories", "pi", TOPIC_MEMORIES},
        {"alpaca/pi/stats", "pi", TOPIC_STATS},
        {"alpaca/pi/status", "pi", TOPIC_STATUS},
        {"alpaca/pi/health", "pi", TOPIC_HEALTH},
        {"alpaca/pi/refresh", "pi", TOPIC_REFRESH},
        {"alpaca/Pi 4 k\xc3\xbc"
         "che/readings",
         "Pi 4 k\xc3\xbc"
         "che",
         TOPIC_READINGS},
        {"alpaca//status", "", TOPIC_STATUS}, /* the caller says why */
        {"alpaca/\xff/status", "\xff", TOPIC_STATUS},
        {"alpaca/alpaca/status", "alpaca", TOPIC_STATUS},
        {"smollama/edge-01/readings", "edge-01", TOPIC_EDGE_READINGS},
        {"alpaca", NULL, TOPIC_OTHER},
        {"alpaca/", NULL, TOPIC_OTHER},
        {"alpaca/pi", NULL, TOPIC_OTHER},
        {"alpaca/pi/", NULL, TOPIC_OTHER},
        {"alpaca/pi/reading", NULL, TOPIC_OTHER},
        {"alpaca/pi/readingss", NULL, TOPIC_OTHER},
        {"alpaca/pi/other", NULL, TOPIC_OTHER},
        {"alpaca/pi/Readings", NULL, TOPIC_OTHER},
        {"alpaca/a/b/readings", NULL, TOPIC_OTHER},
        {"alpaca/pi/readings/", NULL, TOPIC_OTHER},
        {"alpacas/pi/readings", NULL, TOPIC_OTHER},
        {"/alpaca/pi/readings", NULL, TOPIC_OTHER},
        {"llama/pi/state", NULL, TOPIC_OTHER},
        {"camels/pi/readings", NULL, TOPIC_OTHER},   /* as long as ours, */
        {"elephant/pi/readings", NULL, TOPIC_OTHER}, /* and as Smollama's */
        {"smollama/edge-01/status", NULL, TOPIC_OTHER},
        {"smollama/a/b/readings", NULL, TOPIC_OTHER},
        {"smollama/readings", NULL, TOPIC_OTHER},
        {"", NULL, TOPIC_OTHER},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct topic topic = {.kind = TOPIC_HEALTH, .node = "left over", .node_len = 9};
        assert_int_equal(topic_parse("alpaca", cases[i].topic, &topic), cases[i].kind != TOPIC_OTHER);
        assert_int_equal(topic.kind, cases[i].kind);
        if (cases[i].node) {
            assert_int_equal(topic.node_len, strlen(cases[i].node));
            assert_memory_equal(topic.node, cases[i].node, topic.node_len);
            assert_true(topic.node > cases[i].topic); /* borrowed */
        } else {
            assert_null(topic.node);
        }
    }
}

static void formatted_topics_parse_back(void **state)
{
    (void)state;
    for (enum topic_kind kind = TOPIC_READINGS; kind <= TOPIC_EDGE_READINGS; kind++) {
        char text[TOPIC_SIZE];
        assert_int_equal(topic_format("herd", "pi 4", kind, text, sizeof(text)), 0);
        struct topic topic;
        assert_true(topic_parse("herd", text, &topic));
        assert_int_equal(topic.kind, kind);
        assert_memory_equal(topic.node, "pi 4", topic.node_len);
    }
    char text[TOPIC_SIZE];
    assert_int_equal(topic_format("alpaca", "+", TOPIC_HEALTH, text, sizeof(text)), 0);
    assert_string_equal(text, "alpaca/+/health");
    assert_int_equal(topic_format("alpaca", "+", TOPIC_EDGE_READINGS, text, sizeof(text)), 0);
    assert_string_equal(text, "smollama/+/readings");
}

static void topic_size_is_enough_and_watched(void **state)
{
    (void)state;
    char base[BASE_TOPIC_MAX + 1] = {0}, node[NODE_NAME_MAX + 1] = {0}, text[TOPIC_SIZE], small[16];
    memset(base, 'b', BASE_TOPIC_MAX);
    memset(node, 'n', NODE_NAME_MAX);
    for (enum topic_kind kind = TOPIC_READINGS; kind <= TOPIC_EDGE_READINGS; kind++)
        assert_int_equal(topic_format(base, node, kind, text, sizeof(text)), 0);
    assert_int_equal(topic_format("alpaca", "pi4", TOPIC_STATS, small, sizeof(small)), -E2BIG);
    assert_int_equal(topic_format("alpaca", "pi", TOPIC_STATS, small, sizeof(small)), 0);
    assert_string_equal(small, "alpaca/pi/stats");
    assert_string_equal(topic_kind_name(TOPIC_EDGE_READINGS), "readings");
    assert_string_equal(topic_kind_name(TOPIC_REFRESH), "refresh");
}

static void percent_encoding_round_trip(void **state)
{
    (void)state;
    char all[255], encoded[3 * 255 + 1], decoded[256];
    for (int c = 1; c < 256; c++)
        all[c - 1] = (char)c;
    size_t len = percent_encode(all, sizeof(all), encoded), back;
    assert_int_equal(len, strlen(encoded));
    assert_int_equal(strspn(encoded, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%"),
                     len);
    assert_int_equal(percent_decode(encoded, len, decoded, sizeof(decoded), &back), 0);
    assert_int_equal(back, sizeof(all));
    assert_memory_equal(decoded, all, sizeof(all));
    assert_int_equal(percent_encode("Pi 4/k\xc3\xbc+%", 10, encoded), 22);
    assert_string_equal(encoded, "Pi%204%2Fk%C3%BC%2B%25");
    assert_int_equal(percent_encode("a\0", 2, encoded), 4);
    assert_string_equal(encoded, "a%00");
}

static void bad_percent_escapes_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"%", "a%", "%4", "%4g", "%g4", "%%41", "%00", "a%00b", "% 41", "%-1"};
    char buffer[16];
    size_t len = 77;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(percent_decode(bad[i], strlen(bad[i]), buffer, sizeof(buffer), &len), -EINVAL);
    assert_int_equal(percent_decode("%41%4", 4, buffer, sizeof(buffer), &len), -EINVAL); /* ends inside */
    assert_int_equal(percent_decode("%41", 2, buffer, sizeof(buffer), &len), -EINVAL);
    assert_int_equal(percent_decode("abc", 3, buffer, 3, &len), -E2BIG);
    assert_int_equal(percent_decode("", 0, buffer, 0, &len), -E2BIG);
    assert_int_equal(len, 77);
    assert_int_equal(percent_decode("%41+%c3%BC", 10, buffer, 5, &len), 0);
    assert_int_equal(len, 4);
    assert_string_equal(buffer, "A+\xc3\xbc");
    assert_int_equal(percent_decode("", 0, buffer, 1, &len), 0);
    assert_int_equal(len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_node_names),
        cmocka_unit_test(bad_node_names_and_why),
        cmocka_unit_test(base_topics),
        cmocka_unit_test(topics_of_ours_are_parsed),
        cmocka_unit_test(formatted_topics_parse_back),
        cmocka_unit_test(topic_size_is_enough_and_watched),
        cmocka_unit_test(percent_encoding_round_trip),
        cmocka_unit_test(bad_percent_escapes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
