/* The document at /api/openapi.json and the table of routes say the same. */
#include "api.h"
#include "json.h"
#include "openapi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct json_slice document_paths(void)
{
    struct json_error error;
    assert_true(json_check(openapi_json, openapi_json_len, JSON_MAX_DEPTH, &error));
    struct json_slice paths = json_member(json_root(openapi_json, openapi_json_len), "paths");
    assert_int_equal(json_type(paths), JSON_OBJECT);
    return paths;
}

static bool document_has(struct json_slice path, const char *method)
{
    return json_type(json_member(path, method)) == JSON_OBJECT;
}

static void every_route_is_in_the_document_with_its_methods(void **state)
{
    (void)state;
    struct json_slice paths = document_paths();
    const char *route, *methods, *params;
    size_t count = 0;
    for (; (route = api_route(count, &methods, &params)); count++) {
        struct json_slice path = json_member(paths, route);
        if (json_type(path) != JSON_OBJECT) {
            fail_msg("%s is not in openapi.json", route);
        }
        /* HEAD goes with GET, and is not listed */
        const char *const names[][2] = {
            {"GET", "get"}, {"POST", "post"}, {"DELETE", "delete"}, {"PUT", "put"}};
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            if (document_has(path, names[i][1]) != (strstr(methods, names[i][0]) != NULL)) {
                fail_msg("%s of %s: the document and the routes differ", names[i][0], route);
            }
        }
    }
    assert_true(count > 10);
}

static void document_has_no_path_that_is_no_route(void **state)
{
    (void)state;
    struct json_iter it = json_iter(document_paths());
    while (json_next(&it)) {
        const char *route, *methods, *params;
        bool found = false;
        for (size_t i = 0; (route = api_route(i, &methods, &params)); i++) {
            found = found || json_key_is(it.key, route);
        }
        if (!found) {
            fail_msg("there is no route %.*s", (int)it.key.len, it.key.data);
        }
    }
}

/* Where "#/components/parameters/x" leads, or the parameter itself. */
static struct json_slice resolved(struct json_slice parameter)
{
    char name[64];
    struct json_slice ref = json_member(parameter, "$ref");
    if (!ref.data) {
        return parameter;
    }
    assert_int_equal(json_string(ref, name, sizeof name, NULL), 0);
    struct json_slice components = json_member(json_root(openapi_json, openapi_json_len), "components");
    struct json_slice all = json_member(components, "parameters");
    return json_member(all, strrchr(name, '/') + 1);
}

/* Appends " name" of each query parameter in the list that is not there yet. */
static void add_names(struct json_slice list, char *names, size_t size)
{
    for (struct json_iter it = json_iter(list); json_next(&it);) {
        char name[64], word[80];
        struct json_slice parameter = resolved(it.value);
        assert_int_equal(json_string(json_member(parameter, "name"), name, sizeof name, NULL), 0);
        snprintf(word, sizeof word, " %s ", name);
        if (json_string_is(json_member(parameter, "in"), "query") && !strstr(names, word)) {
            strncat(names, word, size - strlen(names) - 1);
        }
    }
}

static void assert_each_in(const char *words, const char *others, const char *route, const char *where)
{
    char copy[256], *save = NULL, word[80], padded[300];
    snprintf(copy, sizeof copy, "%s", words);
    snprintf(padded, sizeof padded, " %s ", others);
    for (char *one = strtok_r(copy, " ", &save); one; one = strtok_r(NULL, " ", &save)) {
        snprintf(word, sizeof word, " %s ", one);
        if (!strstr(padded, word)) {
            fail_msg("parameter %s of %s is not in %s", one, route, where);
        }
    }
}

/* The routes' parameters are all that whoever answers can see. */
static void every_parameter_is_in_the_document_and_the_other_way_round(void **state)
{
    (void)state;
    struct json_slice paths = document_paths();
    const char *route, *methods, *params;
    for (size_t i = 0; (route = api_route(i, &methods, &params)); i++) {
        char names[256] = "";
        struct json_slice path = json_member(paths, route);
        add_names(json_member(path, "parameters"), names, sizeof names);
        for (struct json_iter it = json_iter(path); json_next(&it);) {
            add_names(json_member(it.value, "parameters"), names, sizeof names);
        }
        assert_each_in(params, names, route, "openapi.json");
        assert_each_in(names, params, route, "its row of the routes");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_in_the_document_with_its_methods),
        cmocka_unit_test(document_has_no_path_that_is_no_route),
        cmocka_unit_test(every_parameter_is_in_the_document_and_the_other_way_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
