/* authority: what is made, kept and renewed, and when; what a broken folder gives. */
#include "authority.h"
#include "clock.h"
#include "secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW  INT64_C(1800000000)
#define DAY  INT64_C(86400)
#define YEAR (365 * DAY)

static char folder[64], certs[96], error[AUTHORITY_ERROR_SIZE];

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test_authority.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(certs, sizeof certs, "%s/certs", folder);
    error[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static const char *path(const char *name)
{
    static char text[160];
    snprintf(text, sizeof text, "%s/%s", certs, name);
    return text;
}

static void write_text(const char *name, const char *content)
{
    FILE *file = fopen(path(name), "w");
    assert_non_null(file);
    fputs(content, file);
    fclose(file);
}

static struct authority_names names_of(const char *one, const char *two)
{
    struct authority_names names = {0};
    assert_true(authority_names_add(&names, one));
    assert_true(!two || authority_names_add(&names, two));
    return names;
}

static bool keep(const struct authority_names *names, int64_t now_s)
{
    bool made;
    int e = authority_keep(certs, names, now_s, SECRET_LOCK_MS, &made, error);
    if (e != 0) {
        fail_msg("%s", error);
    }
    return made;
}

static struct authority_certificate read_back(const char *name)
{
    struct authority_certificate certificate;
    if (authority_read(certs, name, &certificate, error) != 0) {
        fail_msg("%s", error);
    }
    return certificate;
}

static void names_are_checked_and_compared(void **state)
{
    (void)state;
    struct authority_names names = {0};
    const char *const good[] = {"llama.lan", "x", "*.home.arpa", "192.168.1.2", "fd00::0:1", "a_b-c"};
    const char *const bad[] = {"",      "a,DNS:b", "a b",     "-a",   "a..b", "1.2.3",    "*",
                               "a.*.b", "email:x", "ü.local", "a\nb", "a.",   "1.2.3.4.5"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(authority_names_add(&names, good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(authority_names_add(&names, bad[i]));
    }
    assert_int_equal(names.count, sizeof good / sizeof *good);
    assert_true(authority_names_add(&names, "LLAMA.lan") && authority_names_add(&names, "fd00::1"));
    assert_int_equal(names.count, sizeof good / sizeof *good);
    assert_false(authority_names_have(&names, "192.168.1.3"));
}

static void too_many_names_are_refused(void **state)
{
    (void)state;
    struct authority_names names = {0};
    char name[16];
    for (int i = 0; i < AUTHORITY_NAMES_MAX; i++) {
        snprintf(name, sizeof name, "host-%d", i);
        assert_true(authority_names_add(&names, name));
    }
    assert_false(authority_names_add(&names, "one-more"));
}

static void first_start_makes_authority_and_server(void **state)
{
    (void)state;
    struct stat status;
    struct authority_names names = names_of("llama.lan", "10.1.2.3");
    assert_true(keep(&names, NOW));
    struct authority_certificate ca = read_back("ca"), server = read_back("server");
    assert_int_equal(ca.until_s, NOW + AUTHORITY_CA_DAYS * DAY);
    assert_int_equal(server.until_s - server.from_s, AUTHORITY_DAYS * DAY);
    assert_true(server.from_s < NOW && ca.from_s < NOW);
    assert_string_equal(server.subject, "llama.lan");
    assert_memory_equal(ca.subject, "smollama-cluster CA ", 20);
    assert_int_equal(server.names.count, 2);
    assert_true(authority_names_have(&server.names, "10.1.2.3"));
    assert_int_equal(stat(path("ca.key"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(stat(path("server.key"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(stat(path("ca.crt"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0644);
    assert_int_not_equal(access(path("server.key.new"), F_OK), 0);
}

static void nothing_is_made_anew_before_a_third_is_left(void **state)
{
    (void)state;
    struct authority_names names = names_of("llama.lan", NULL);
    keep(&names, NOW);
    int64_t until_s = read_back("server").until_s, due_s = until_s - AUTHORITY_DAYS * DAY / 3;
    assert_false(keep(&names, NOW));
    assert_false(keep(&names, due_s));
    assert_int_equal(read_back("server").until_s, until_s);
    assert_true(keep(&names, due_s + 1));
    assert_int_equal(read_back("server").until_s, due_s + 1 + (AUTHORITY_DAYS - 1) * DAY);
    assert_false(keep(&names, due_s + 1));
}

static void new_name_makes_a_new_certificate_that_keeps_the_old_names(void **state)
{
    (void)state;
    struct authority_names first = names_of("llama.lan", "10.1.2.3"), second = names_of("10.9.9.9", NULL);
    keep(&first, NOW);
    assert_true(keep(&second, NOW + DAY));
    struct authority_certificate server = read_back("server");
    assert_int_equal(server.names.count, 3);
    assert_true(authority_names_have(&server.names, "llama.lan"));
    assert_false(keep(&first, NOW + DAY));
    assert_int_equal(read_back("ca").until_s, NOW + AUTHORITY_CA_DAYS * DAY);
}

static void no_certificate_outlives_its_authority(void **state)
{
    (void)state;
    struct authority_names names = names_of("llama.lan", NULL);
    keep(&names, NOW);
    assert_true(keep(&names, NOW + 9 * YEAR));
    assert_int_equal(read_back("server").until_s, read_back("ca").until_s);
    bool made;
    assert_true(authority_keep(certs, &names, NOW + 11 * YEAR, SECRET_LOCK_MS, &made, error) < 0);
    assert_non_null(strstr(error, "the authority itself has ended"));
    assert_false(made);
}

static void renewed_authority_has_the_same_key(void **state)
{
    (void)state;
    struct authority_names names = names_of("llama.lan", NULL);
    char command[512];
    bool made;
    keep(&names, NOW);
    assert_int_equal(authority_make(certs, false, NOW + YEAR, &made, error), 0);
    assert_false(made);
    assert_int_equal(authority_make(certs, true, NOW + YEAR, &made, error), 0);
    assert_true(made);
    assert_int_equal(read_back("ca").until_s, NOW + YEAR + AUTHORITY_CA_DAYS * DAY);
    /* Signed before, and good under the new one. */
    snprintf(command, sizeof command,
             "openssl verify -attime %lld -CAfile %s/ca.crt %s/server.crt >/dev/null",
             (long long)(NOW + YEAR), certs, certs);
    assert_int_equal(system(command), 0);
}

static void client_gets_a_certificate_that_is_no_servers(void **state)
{
    (void)state;
    bool made;
    char command[512];
    assert_int_equal(authority_make(certs, false, NOW, &made, error), 0);
    assert_int_equal(authority_issue(certs, "pi b ü", NULL, NOW, error), 0);
    assert_string_equal(read_back("pi b ü").subject, "pi b ü");
    assert_int_equal(read_back("pi b ü").names.count, 0);
    for (int i = 0; i < 2; i++) {
        snprintf(command, sizeof command,
                 "openssl verify -attime %lld -purpose %s -CAfile %s/ca.crt '%s/pi b ü.crt' >/dev/null 2>&1",
                 (long long)NOW, i ? "sslserver" : "sslclient", certs, certs);
        assert_int_equal(system(command) != 0, i);
    }
}

static void authority_without_its_key_signs_nothing(void **state)
{
    (void)state;
    struct authority_names names = names_of("llama.lan", NULL);
    bool made;
    keep(&names, NOW);
    assert_int_equal(unlink(path("ca.key")), 0);
    assert_false(keep(&names, NOW));
    assert_true(authority_keep(certs, &names, NOW + 2 * YEAR, SECRET_LOCK_MS, &made, error) < 0);
    assert_non_null(strstr(error, "ca.key"));
    assert_int_equal(read_back("server").until_s, NOW + (AUTHORITY_DAYS - 1) * DAY);
}

static void damaged_file_is_named_and_left_alone(void **state)
{
    (void)state;
    struct authority_names names = names_of("llama.lan", NULL);
    bool made;
    keep(&names, NOW);
    write_text("server.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert_true(authority_keep(certs, &names, NOW, SECRET_LOCK_MS, &made, error) < 0);
    assert_non_null(strstr(error, "server.crt is not what it should be"));
    write_text("ca.key", "rubbish");
    assert_int_equal(unlink(path("server.crt")), 0);
    assert_true(authority_keep(certs, &names, NOW, SECRET_LOCK_MS, &made, error) < 0);
    assert_non_null(strstr(error, "ca.key"));
    assert_int_equal(unlink(path("ca.crt")), 0);
    assert_true(authority_keep(certs, &names, NOW, SECRET_LOCK_MS, &made, error) < 0);
}

/* Power failed between the key and its certificate, or the authority was made anew. */
static void what_does_not_belong_together_is_made_anew(void **state)
{
    (void)state;
    struct authority_names names = names_of("llama.lan", NULL);
    char command[512];
    bool made;
    keep(&names, NOW);
    assert_int_equal(authority_issue(certs, "other", NULL, NOW, error), 0);
    snprintf(command, sizeof command, "cp %s/other.key %s/server.key", certs, certs);
    assert_int_equal(system(command), 0);
    assert_true(keep(&names, NOW));
    assert_false(keep(&names, NOW));
    assert_int_equal(unlink(path("server.key")), 0);
    assert_true(keep(&names, NOW));
    /* Another authority whose server was not made yet. */
    assert_int_equal(unlink(path("ca.key")) | unlink(path("ca.crt")), 0);
    assert_int_equal(authority_make(certs, false, NOW, &made, error), 0);
    assert_true(keep(&names, NOW));
    snprintf(command, sizeof command,
             "openssl verify -attime %lld -CAfile %s/ca.crt %s/server.crt >/dev/null", (long long)NOW, certs,
             certs);
    assert_int_equal(system(command), 0);
    assert_false(keep(&names, NOW));
}

static void on_a_loop_nobody_waits_for_another_process(void **state)
{
    (void)state;
    struct authority_names names = names_of("llama.lan", NULL);
    bool made;
    keep(&names, NOW);
    int fd = secret_file_lock(path("ca"), SECRET_LOCK_MS);
    assert_true(fd >= 0);
    int64_t begin_ms = clock_now().mono_ms;
    assert_int_equal(authority_keep(certs, &names, NOW, 0, &made, error), -EBUSY);
    assert_true(clock_now().mono_ms - begin_ms < SECRET_LOCK_MS);
    assert_non_null(strstr(error, "cannot lock"));
    close(fd);
    assert_false(keep(&names, NOW));
}

static void authority_is_given_as_der(void **state)
{
    (void)state;
    struct authority_names names = names_of("llama.lan", NULL);
    unsigned char *der = NULL;
    size_t len = 0;
    keep(&names, NOW);
    assert_int_equal(authority_der(path("ca.crt"), &der, &len, error), 0);
    assert_true(len > 200 && len < 600);
    assert_int_equal(der[0], 0x30);
    free(der);
    assert_true(authority_der(path("none.crt"), &der, &len, error) < 0);
    assert_non_null(strstr(error, "none.crt"));
}

static void machine_has_names(void **state)
{
    (void)state;
    struct authority_names names = {0};
    authority_names_of_machine(&names);
    assert_true(authority_names_have(&names, "localhost"));
    assert_true(authority_names_have(&names, "127.0.0.1"));
    assert_true(authority_names_have(&names, "::1"));
    assert_true(keep(&names, NOW));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_are_checked_and_compared, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many_names_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(first_start_makes_authority_and_server, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_made_anew_before_a_third_is_left, setup, teardown),
        cmocka_unit_test_setup_teardown(new_name_makes_a_new_certificate_that_keeps_the_old_names, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(no_certificate_outlives_its_authority, setup, teardown),
        cmocka_unit_test_setup_teardown(renewed_authority_has_the_same_key, setup, teardown),
        cmocka_unit_test_setup_teardown(client_gets_a_certificate_that_is_no_servers, setup, teardown),
        cmocka_unit_test_setup_teardown(authority_without_its_key_signs_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_file_is_named_and_left_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(what_does_not_belong_together_is_made_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(on_a_loop_nobody_waits_for_another_process, setup, teardown),
        cmocka_unit_test_setup_teardown(authority_is_given_as_der, setup, teardown),
        cmocka_unit_test_setup_teardown(machine_has_names, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
