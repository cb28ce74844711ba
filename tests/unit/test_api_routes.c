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
    const char *route, *methods;
    size_t count = 0;
    for (; (route = api_route(count, &methods)); count++) {
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
        const char *route, *methods;
        bool found = false;
        for (size_t i = 0; (route = api_route(i, &methods)); i++) {
            found = found || json_key_is(it.key, route);
        }
        if (!found) {
            fail_msg("there is no route %.*s", (int)it.key.len, it.key.data);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_in_the_document_with_its_methods),
        cmocka_unit_test(document_has_no_path_that_is_no_route),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
