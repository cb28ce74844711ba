#include "fixtures.h"
#include "json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_slice(struct json_slice slice, const char *expected)
{
    assert_non_null(slice.data);
    assert_int_equal(slice.len, strlen(expected));
    assert_memory_equal(slice.data, expected, slice.len);
}

static void root_has_no_white_space(void **state)
{
    (void)state;
    assert_slice(value_of(" \t\r\n[ 1 ]\n "), "[ 1 ]");
    assert_slice(value_of("1"), "1");
    assert_null(json_root(" \n", 2).data);
    assert_null(json_root("", 0).data);
}

static void types_are_told_by_the_first_byte(void **state)
{
    (void)state;
    assert_int_equal(json_type(value_of("null")), JSON_NULL);
    assert_int_equal(json_type(value_of("false")), JSON_FALSE);
    assert_int_equal(json_type(value_of("true")), JSON_TRUE);
    assert_int_equal(json_type(value_of("-1")), JSON_NUMBER);
    assert_int_equal(json_type(value_of("0")), JSON_NUMBER);
    assert_int_equal(json_type(value_of("\"\"")), JSON_STRING);
    assert_int_equal(json_type(value_of("[]")), JSON_ARRAY);
    assert_int_equal(json_type(value_of("{}")), JSON_OBJECT);
    assert_int_equal(json_type((struct json_slice){0}), JSON_ABSENT);
}

static void objects_are_walked_in_order(void **state)
{
    (void)state;
    struct json_slice object =
        value_of("{ \"a\" : 1 ,\"b}\":[1,{\"]\":\"}\"}] , \"c\\\"\":\"x,y\\\\\",\"\":{}\n}");
    static const char *const keys[] = {"\"a\"", "\"b}\"", "\"c\\\"\"", "\"\""};
    static const char *const values[] = {"1", "[1,{\"]\":\"}\"}]", "\"x,y\\\\\"", "{}"};
    struct json_iter it = json_iter(object);
    for (size_t i = 0; i < 4; i++) {
        assert_true(json_next(&it));
        assert_slice(it.key, keys[i]);
        assert_slice(it.value, values[i]);
    }
    assert_false(json_next(&it));
    assert_false(json_next(&it)); /* and stays at the end */
    assert_int_equal(json_count(object), 4);
}

static void arrays_are_walked_in_order(void **state)
{
    (void)state;
    struct json_slice array = value_of("[ null,true , false,-1.50e+3,\"\\\\\\\"]\",[[],[{}]],{\"a\":[]} ]");
    static const char *const values[] = {"null",          "true",      "false",     "-1.50e+3",
                                         "\"\\\\\\\"]\"", "[[],[{}]]", "{\"a\":[]}"};
    struct json_iter it = json_iter(array);
    for (size_t i = 0; i < 7; i++) {
        assert_true(json_next(&it));
        assert_null(it.key.data);
        assert_slice(it.value, values[i]);
    }
    assert_false(json_next(&it));
    assert_int_equal(json_count(array), 7);
}

static void empty_containers_and_scalars_have_no_elements(void **state)
{
    (void)state;
    static const char *const texts[] = {"[]", "{}", "[ \n]", "{ }", "1", "\"[1]\"", "null"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(json_count(value_of(texts[i])), 0);
        assert_null(json_member(value_of(texts[i]), "a").data);
    }
    assert_int_equal(json_count((struct json_slice){0}), 0);
    assert_null(json_member(value_of("[\"a\",1]"), "a").data);
}

static void members_are_found_by_meaning(void **state)
{
    (void)state;
    struct json_slice object =
        value_of("{\"\\u006eode\":1,\"at\":2,\"nod\":3,\"nodes\":4,\"Node\":5,\"a\\u0000b\":6,"
                 "\"a/b\":7,\"\\ud83e\\udd99\":8,\"\xc3\xa4\":9,\"x\":{\"deep\":10}}");
    assert_slice(json_member(object, "node"), "1");
    assert_slice(json_member(object, "at"), "2");
    assert_slice(json_member(object, "Node"), "5");
    assert_slice(json_member(object, "a/b"), "7");
    assert_slice(json_member(object, "\xf0\x9f\xa6\x99"), "8");
    assert_slice(json_member(object, "\xc3\xa4"), "9");
    assert_null(json_member(object, "a").data); /* "a\u0000b" is not a */
    assert_null(json_member(object, "deep").data);
    assert_null(json_member(object, "").data);
    assert_null(json_member(object, "\\u006eode").data); /* no key means that, though one is written so */
    assert_slice(json_member(value_of("{\"\":1}"), ""), "1");
}

static void of_repeated_keys_the_last_counts(void **state)
{
    (void)state;
    assert_slice(json_member(value_of("{\"a\":1,\"b\":2,\"a\":3}"), "a"), "3");
    assert_slice(json_member(value_of("{\"a\":1,\"\\u0061\":null}"), "a"), "null");
}

static void equal_means_same_bytes(void **state)
{
    (void)state;
    assert_true(json_equal(value_of("[1]"), value_of(" [1] ")));
    assert_false(json_equal(value_of("1.0"), value_of("1.00")));
    assert_false(json_equal(value_of("10"), value_of("1")));
    assert_true(json_equal((struct json_slice){0}, (struct json_slice){0}));
    assert_false(json_equal((struct json_slice){0}, value_of("1")));
}

/* ---- small documents ---- */

static void getters_check_type_and_range(void **state)
{
    (void)state;
    const char *text =
        "{\"s\":\"x\",\"i\":5,\"d\":2.5,\"t\":true,\"f\":false,\"n\":null,\"o\":{\"s\":\"y\"},\"big\":1e17,"
        "\"i\":6,\"\\u006b\":\"escaped\"}";
    struct cJSON *document = json_parse(text, strlen(text), NULL);
    assert_non_null(document);
    int64_t i = 77;
    double d = 77;
    bool b = false;
    assert_string_equal(json_get_string(document, "s"), "x");
    assert_string_equal(json_get_string(document, "k"), "escaped");
    assert_string_equal(json_get_string(json_get(document, "o"), "s"), "y");
    assert_null(json_get_string(document, "S"));
    assert_null(json_get_string(document, "i"));
    assert_null(json_get_string(json_get(document, "s"), "s"));
    assert_null(json_get_string(NULL, "s"));
    assert_false(json_get_int(document, "d", 0, 9, &i));
    assert_false(json_get_int(document, "i", 0, 5, &i));
    assert_false(json_get_int(document, "i", 7, 9, &i));
    assert_false(json_get_int(document, "big", 0, INT64_MAX, &i));
    assert_false(json_get_int(document, "s", 0, 9, &i));
    assert_false(json_get_int(document, "t", 0, 9, &i));
    assert_int_equal(i, 77);
    assert_true(json_get_int(document, "i", 6, 6, &i)); /* the last of the two */
    assert_int_equal(i, 6);
    assert_false(json_get_double(document, "n", &d));
    assert_true(json_get_double(document, "d", &d));
    assert_true(d == 2.5);
    assert_false(json_get_bool(document, "i", &b));
    assert_true(json_get_bool(document, "t", &b));
    assert_true(b);
    assert_true(json_get_bool(document, "f", &b));
    assert_false(b);
    assert_true(json_is_object(document));
    assert_true(json_is_object(json_get(document, "o")));
    assert_false(json_is_object(json_get(document, "s")));
    assert_false(json_is_object(NULL));
    json_free(document);
    json_free(NULL);
}

static void documents_are_checked_first(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum json_fault fault;
        size_t offset;
    } bad[] = {
        {"", JSON_NOT_JSON, 0},
        {"{\"a\":01}", JSON_NOT_JSON, 6},
        {"{\"a\":\"\xff\"}", JSON_NOT_UTF8, 6},
        {"[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", JSON_TOO_DEEP, 16},
        {"{\"a\":\"x\\u0000\"}", JSON_NOT_JSON, 7},
        {"{\"a\\u0000\":1}", JSON_NOT_JSON, 3},
        {"{\"a\":\"\\\\\\u0000\"}", JSON_NOT_JSON, 8},
        {"{\"a\":\"\\ud800\"}", JSON_NOT_JSON, 0},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct json_error error = {0};
        assert_null(json_parse(bad[i].text, strlen(bad[i].text), &error));
        assert_int_equal(error.fault, bad[i].fault);
        assert_int_equal(error.offset, bad[i].offset);
        assert_non_null(error.message);
        assert_null(json_parse(bad[i].text, strlen(bad[i].text), NULL));
    }
    static const char *const good[] = {"{\"a\":\"\\\\u0000\"}", "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]", "null",
                                       "\"\\u0001\""};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct cJSON *document = json_parse(good[i], strlen(good[i]), NULL);
        assert_non_null(document);
        json_free(document);
    }
}

/* ---- recordings ---- */

static size_t nul_texts;

/* Everything in the value is reached, typed, decoded; slices do not overlap and leave nothing out but
 * separators. */
static size_t walk(struct json_slice value)
{
    size_t bytes = 2;
    if (json_type(value) == JSON_STRING) {
        size_t len = json_string_len(value), got;
        char *text = malloc(len + 1);
        assert_non_null(text);
        assert_int_equal(json_string(value, text, len + 1, &got), 0);
        assert_int_equal(got, len);
        assert_true(utf8_valid(text, len));
        nul_texts += memchr(text, 0, len) != NULL;
        assert_true(json_string_contains(value, text, len));
        free(text);
        return value.len;
    }
    if (json_type(value) != JSON_ARRAY && json_type(value) != JSON_OBJECT) {
        struct json_error error;
        assert_true(json_check(value.data, value.len, 0, &error));
        return value.len;
    }
    struct json_iter it = json_iter(value);
    for (bool first = true; json_next(&it); first = false)
        bytes += (first ? 0 : 1) + (it.object ? it.key.len + 1 : 0) + walk(it.value);
    assert_int_equal(bytes, value.len); /* the recordings are compact */
    return bytes;
}

static void walk_body(const char *path, const char *text, size_t len)
{
    (void)path;
    char *copy = exact_copy(text, len);
    assert_int_equal(walk(json_root(copy, len)), json_root(copy, len).len);
    free(copy);
}

static void recordings_are_walked_byte_by_byte(void **state)
{
    (void)state;
    nul_texts = 0;
    assert_true(fixture_each_body(walk_body) >= 30);
    assert_true(nul_texts > 0); /* U+0000 does occur, and ends nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(root_has_no_white_space),
        cmocka_unit_test(types_are_told_by_the_first_byte),
        cmocka_unit_test(objects_are_walked_in_order),
        cmocka_unit_test(arrays_are_walked_in_order),
        cmocka_unit_test(empty_containers_and_scalars_have_no_elements),
        cmocka_unit_test(members_are_found_by_meaning),
        cmocka_unit_test(of_repeated_keys_the_last_counts),
        cmocka_unit_test(equal_means_same_bytes),
        cmocka_unit_test(getters_check_type_and_range),
        cmocka_unit_test(documents_are_checked_first),
        cmocka_unit_test(recordings_are_walked_byte_by_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
