/* mqtt_accounts: mosquitto's password file and its journal. */
#include "mqtt_accounts.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW INT64_C(1800000000)

static char folder[64], file[96], password[MQTT_ACCOUNTS_PASSWORD_SIZE], error[MQTT_ACCOUNTS_ERROR_SIZE];

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test_accounts.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/passwd", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static bool set(const char *name)
{
    bool fresh = false;
    if (mqtt_accounts_set(file, name, NOW, password, &fresh, error) != 0) {
        fail_msg("%s", error);
    }
    return fresh;
}

static const char *content(void)
{
    static char text[4096];
    FILE *in = fopen(file, "re");
    assert_non_null(in);
    text[fread(text, 1, sizeof text - 1, in)] = '\0';
    fclose(in);
    return text;
}

static void write_content(const char *text)
{
    FILE *out = fopen(file, "we");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static size_t list(struct account **ret)
{
    size_t count = 0;
    assert_int_equal(mqtt_accounts_list(file, ret, &count, error), 0);
    return count;
}

static void new_account_is_one_line_that_only_its_owner_reads(void **state)
{
    (void)state;
    struct stat status;
    assert_true(set("pi-kitchen"));
    assert_int_equal(strlen(password), MQTT_ACCOUNTS_PASSWORD_SIZE - 1);
    assert_int_equal(strspn(password, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
                     32);
    assert_int_equal(strncmp(content(), "pi-kitchen:$7$101$", 18), 0);
    assert_null(strstr(content(), password));
    assert_int_equal(stat(file, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

static void second_time_replaces_the_password_alone(void **state)
{
    (void)state;
    char first[4096];
    set("a");
    set("ab");
    strcpy(first, content());
    char before[MQTT_ACCOUNTS_PASSWORD_SIZE];
    strcpy(before, password);
    assert_false(set("a"));
    assert_string_not_equal(password, before);
    const char *now = content();
    assert_string_not_equal(now, first);
    assert_non_null(strstr(now, strstr(first, "ab:"))); /* as it was */
    assert_ptr_equal(strstr(strstr(now, "a:") + 1, "\na:"), NULL);
}

static void lines_of_other_tools_are_kept(void **state)
{
    (void)state;
    write_content("display:$7$101$x$y\nsomething else\n");
    set("pi");
    assert_int_equal(strncmp(content(), "display:$7$101$x$y\nsomething else\npi:$7$", 39), 0);
    assert_int_equal(mqtt_accounts_revoke(file, "pi", NOW, error), 0);
    assert_string_equal(content(), "display:$7$101$x$y\nsomething else\n");
}

static void file_stays_whose_it_was(void **state)
{
    (void)state;
    struct stat status;
    if (geteuid() != 0) {
        skip();
    }
    write_content("");
    assert_int_equal(chown(file, 12, 34), 0);
    set("pi");
    assert_int_equal(stat(file, &status), 0);
    assert_int_equal(status.st_uid, 12);
    assert_int_equal(status.st_gid, 34);
}

static void symbolic_link_is_not_followed(void **state)
{
    (void)state;
    bool fresh;
    assert_int_equal(symlink("/etc/passwd", file), 0);
    assert_true(mqtt_accounts_set(file, "a", NOW, password, &fresh, error) < 0);
    assert_non_null(strstr(error, file));
}

static void lock_belongs_to_the_folders_owner(void **state)
{
    (void)state;
    struct stat status;
    char path[112];
    if (geteuid() != 0) {
        skip();
    }
    assert_int_equal(chown(folder, 12, 34), 0);
    set("pi");
    snprintf(path, sizeof path, "%s.lock", file);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_uid, 12);
    assert_int_equal(stat(file, &status), 0);
    assert_int_equal(status.st_uid, 12);
}

static void list_tells_who_is_in_and_who_was_revoked_when(void **state)
{
    (void)state;
    struct account *accounts;
    write_content("tool:$7$101$x$y\n");
    set("pi-b");
    set("pi b ü");
    set("pi-c");
    assert_int_equal(mqtt_accounts_revoke(file, "pi b ü", NOW + 60, error), 0);
    assert_int_equal(list(&accounts), 4);
    assert_string_equal(accounts[0].name, "pi b ü");
    assert_int_equal(accounts[0].state, ACCOUNT_REVOKED);
    assert_int_equal(accounts[0].since_s, NOW + 60);
    assert_string_equal(accounts[1].name, "pi-b");
    assert_int_equal(accounts[1].state, ACCOUNT_ENROLLED);
    assert_int_equal(accounts[1].since_s, NOW);
    assert_int_equal(accounts[3].state, ACCOUNT_THERE);
    free(accounts);
    set("pi b ü"); /* enrolled again */
    assert_int_equal(list(&accounts), 4);
    assert_int_equal(accounts[0].state, ACCOUNT_ENROLLED);
    free(accounts);
}

static void unknown_account_cannot_be_revoked(void **state)
{
    (void)state;
    struct account *accounts;
    assert_int_equal(mqtt_accounts_revoke(file, "nobody", NOW, error), -ENOENT);
    set("pi-kitchen");
    assert_int_equal(mqtt_accounts_revoke(file, "pi", NOW, error), -ENOENT);
    assert_int_equal(list(&accounts), 1);
    free(accounts);
}

static void names_that_the_file_cannot_hold_are_refused(void **state)
{
    (void)state;
    const char *why = NULL;
    assert_true(mqtt_accounts_name_valid("pi b ü", &why));
    assert_false(mqtt_accounts_name_valid("a:b", &why));
    assert_non_null(strstr(why, "':'"));
    assert_false(mqtt_accounts_name_valid("a/b", &why));
    assert_false(mqtt_accounts_name_valid("a+b", &why));
    assert_false(mqtt_accounts_name_valid("#", &why));
    assert_false(mqtt_accounts_name_valid("", &why));
}

static void damaged_journal_costs_its_lines_alone(void **state)
{
    (void)state;
    char journal[112];
    struct account *accounts;
    set("pi-a");
    snprintf(journal, sizeof journal, "%s.journal", file);
    FILE *out = fopen(journal, "we");
    fputs("rubbish\n2026-99-99T99:99:99Z enrolled x\n2026-01-02T03:04:05Z revoked pi-z\n2026-01-02T03:04:05Z "
          "rev",
          out);
    fclose(out);
    assert_int_equal(list(&accounts), 2);
    assert_int_equal(accounts[0].state, ACCOUNT_THERE);
    assert_int_equal(accounts[1].state, ACCOUNT_REVOKED);
    free(accounts);
}

static void unwritable_place_is_named(void **state)
{
    (void)state;
    bool fresh;
    assert_true(mqtt_accounts_set("/proc/none/passwd", "a", NOW, password, &fresh, error) < 0);
    assert_non_null(strstr(error, "/proc/none/passwd"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(new_account_is_one_line_that_only_its_owner_reads),
        TEST(second_time_replaces_the_password_alone),
        TEST(lines_of_other_tools_are_kept),
        TEST(file_stays_whose_it_was),
        TEST(symbolic_link_is_not_followed),
        TEST(lock_belongs_to_the_folders_owner),
        TEST(list_tells_who_is_in_and_who_was_revoked_when),
        TEST(unknown_account_cannot_be_revoked),
        TEST(names_that_the_file_cannot_hold_are_refused),
        TEST(damaged_journal_costs_its_lines_alone),
        TEST(unwritable_place_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
