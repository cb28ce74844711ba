/* place: is a URL certainly somewhere else? */
#include "place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define OWN "http://kitchen.lan:8080/"

static void another_address_or_port_is_elsewhere(void **state)
{
    (void)state;
    const char *places = "10.0.0.2:8080 [fd00::2]:8080 192.168.0.2:80 10.0.0.3:443";
    static const struct {
        const char *url;
        bool elsewhere;
    } urls[] = {
        {"http://10.0.0.2:8080", false},
        {"http://10.0.0.2:8080/", false},
        {"http://10.0.0.2:8081", true},
        {"http://10.0.0.9:8080", true},
        {"http://[fd00::2]:8080", false},
        {"http://[fd00:0::0:2]:8080/x", false},
        {"http://[fd00::3]:8080", true},
        {"http://[::ffff:10.0.0.2]:8080", false},
        {"http://192.168.0.2", false},
        {"https://192.168.0.2", true},
        {"https://10.0.0.3", false},
        {"HTTP://10.0.0.2:8080", false},
        {"http://kitchen.lan:8080", false},
        {"http://elsewhere.lan:8080", false},
        {"http://127.0.0.1:8080", false},
        {"http://[::1]:8080", false},
        {"", false},
        {"http://", false},
        {"ftp://10.0.0.9", false},
        {"http://[fd00::2", false},
    };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        print_message("    %s\n", urls[i].url);
        assert_int_equal(place_is_elsewhere(places, OWN, urls[i].url), urls[i].elsewhere);
    }
}

static void where_nothing_is_known_nothing_is_elsewhere(void **state)
{
    (void)state;
    assert_false(place_is_elsewhere(NULL, OWN, "http://10.0.0.9:8080"));
    assert_false(place_is_elsewhere("", OWN, "http://10.0.0.9:8080"));
}

static void the_same_url_is_no_other_place(void **state)
{
    (void)state;
    assert_false(
        place_is_elsewhere("10.0.0.2:80", "http://10.0.0.1:8080", "http://10.0.0.1:8080/")); /* a proxy */
}

static void a_list_is_bounded(void **state)
{
    (void)state;
    char places[PLACES_MAX] = "";
    assert_true(place_add(places, "10.0.0.1", 80));
    assert_true(place_add(places, "fd00::1", 8080));
    assert_string_equal(places, "10.0.0.1:80 [fd00::1]:8080");
    while (place_add(places, "10.0.0.1", 80)) {
    }
    assert_true(strlen(places) < sizeof places);
    assert_int_equal(places[strlen(places) - 1], '0'); /* nothing is cut */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_address_or_port_is_elsewhere),
        cmocka_unit_test(where_nothing_is_known_nothing_is_elsewhere),
        cmocka_unit_test(the_same_url_is_no_other_place),
        cmocka_unit_test(a_list_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
