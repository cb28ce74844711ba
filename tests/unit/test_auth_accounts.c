/* The files of users and tokens: what is taken, and what is said of what is not. */
#include "auth_load.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth_file.h"

#include <cmocka.h>

#define HASH "$6$rounds=1000$abcdefgh$" /* no real one: 86 more characters make it look so */
#define TAIL "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX  "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static int users_of(const char *text, struct auth_users *users, struct auth_problem *problem)
{
    *users = (struct auth_users){0};
    *problem = (struct auth_problem){0};
    return auth_users_parse(text, strlen(text), users, problem);
}

static void users_have_names_hashes_and_scopes(void **state)
{
    (void)state;
    struct auth_users users;
    struct auth_problem problem;
    const char *text =
        "# a comment\n\nanna:" HASH TAIL "\r\nrita o'x:" HASH TAIL ":read\nbo:" HASH TAIL ":admin";
    assert_int_equal(users_of(text, &users, &problem), 0);
    assert_int_equal(users.count, 3);
    assert_int_equal(auth_users_find(&users, "anna")->scope, AUTH_ADMIN);
    assert_int_equal(auth_users_find(&users, "rita o'x")->scope, AUTH_READ);
    assert_int_equal(auth_users_find(&users, "bo")->scope, AUTH_ADMIN);
    assert_null(auth_users_find(&users, "Anna"));
    struct buf out = BUF_INIT;
    auth_users_write(&users, &out);
    struct auth_users again;
    assert_int_equal(users_of(buf_terminate(&out), &again, &problem), 0);
    assert_int_equal(again.count, 3);
    assert_int_equal(auth_users_find(&again, "rita o'x")->scope, AUTH_READ);
    assert_string_equal(auth_users_find(&again, "anna")->hash, HASH TAIL);
    buf_finish(&out);
    auth_users_finish(&again);
    auth_users_finish(&users);
}

static void bad_users_are_named_by_line_and_none_is_taken(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned line;
    } cases[] = {{"anna", 1},
                 {"anna:secret", 1},
                 {"anna:", 1},
                 {"anna:$1$abcdefgh$abcdefghijklmnopqrstu.", 1}, /* MD5 */
                 {"anna:ab01FAX.bQRSU", 1},                      /* DES */
                 {":" HASH TAIL, 1},
                 {"anna:" HASH TAIL ":root", 1},
                 {"anna:" HASH TAIL ":read:x", 1},
                 {" anna:" HASH TAIL, 1},
                 {"an\tna:" HASH TAIL, 1},
                 {"\xff:" HASH TAIL, 1},
                 {"# x\nanna:" HASH TAIL "\n\nanna:" HASH TAIL, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct auth_users users;
        struct auth_problem problem;
        assert_int_equal(users_of(cases[i].text, &users, &problem), -EINVAL);
        assert_int_equal(problem.line, cases[i].line);
        assert_non_null(problem.text);
        assert_int_equal(users.count, 0);
    }
}

static void users_are_bounded(void **state)
{
    (void)state;
    struct auth_users users = {0};
    char name[16];
    for (int i = 0; i < AUTH_ENTRIES_MAX; i++) {
        snprintf(name, sizeof name, "user%d", i);
        assert_int_equal(auth_users_set(&users, name, HASH TAIL, AUTH_READ), 0);
    }
    assert_int_equal(auth_users_set(&users, "more", HASH TAIL, AUTH_READ), -E2BIG);
    assert_int_equal(auth_users_set(&users, "user7", HASH TAIL, AUTH_ADMIN), 0);
    assert_true(auth_users_remove(&users, "user0"));
    assert_false(auth_users_remove(&users, "user0"));
    assert_int_equal(users.count, AUTH_ENTRIES_MAX - 1);
    assert_string_equal(users.users[0].name, "user1");
    auth_users_finish(&users);
}

static void passwords_match_their_hash_alone(void **state)
{
    (void)state;
    char *hash = auth_password_hash("p\xc3\xa4ss w:rd");
    assert_non_null(hash);
    assert_true(auth_password_matches("p\xc3\xa4ss w:rd", hash));
    assert_false(auth_password_matches("p\xc3\xa4ss w:r", hash));
    assert_false(auth_password_matches("", hash));
    char *other = auth_password_hash("p\xc3\xa4ss w:rd");
    assert_string_not_equal(hash, other);
    assert_false(auth_password_matches("x", "*0"));
    assert_false(auth_password_matches("x", ""));
    free(hash);
    free(other);
}

static void tokens_are_known_by_their_digest(void **state)
{
    (void)state;
    struct auth_tokens tokens = {0};
    struct auth_problem problem;
    const char *text = "# x\nprom:read:" HEX ":2026-11-29\nboss:admin:" HEX ":2026-11-30\n";
    unsigned char digest[AUTH_DIGEST_LEN];
    assert_int_equal(auth_tokens_parse(text, strlen(text), &tokens, &problem), 0);
    assert_int_equal(tokens.count, 2);
    assert_true(auth_digest_unhex(HEX, strlen(HEX), digest));
    assert_non_null(auth_tokens_match(&tokens, digest));
    digest[31] ^= 1;
    assert_null(auth_tokens_match(&tokens, digest));
    struct buf out = BUF_INIT;
    auth_tokens_write(&tokens, &out);
    assert_non_null(strstr(buf_terminate(&out), "\nboss:admin:" HEX ":2026-11-30\n"));
    buf_finish(&out);
    assert_int_equal(auth_tokens_add(&tokens, &tokens.tokens[0]), -EEXIST);
    assert_true(auth_tokens_remove(&tokens, "prom"));
    assert_null(auth_tokens_find(&tokens, "prom"));
    auth_tokens_finish(&tokens);
}

static void bad_tokens_are_named_by_line(void **state)
{
    (void)state;
    static const char *const cases[] = {"prom",
                                        "prom:read:" HEX,
                                        "prom:write:" HEX ":2026-11-29",
                                        "prom:read:" HEX "0:2026-11-29",
                                        "prom:read:x" HEX ":2026-11-29",
                                        "prom:read:" HEX ":yesterday!"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct auth_tokens tokens = {0};
        struct auth_problem problem = {0};
        assert_int_equal(auth_tokens_parse(cases[i], strlen(cases[i]), &tokens, &problem), -EINVAL);
        assert_int_equal(problem.line, 1);
    }
}

static void secrets_are_long_and_never_the_same(void **state)
{
    (void)state;
    char a[AUTH_SECRET_LEN + 1], b[AUTH_SECRET_LEN + 1];
    assert_int_equal(auth_secret(a), 0);
    assert_int_equal(auth_secret(b), 0);
    assert_int_equal(strlen(a), AUTH_SECRET_LEN);
    assert_string_not_equal(a, b);
    unsigned char digest[AUTH_DIGEST_LEN];
    char hex[2 * AUTH_DIGEST_LEN + 1];
    assert_int_equal(auth_digest("abc", 3, digest), 0);
    auth_digest_hex(digest, hex);
    assert_string_equal(hex,
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"); /* FIPS 180 */
}

static void base64_is_read_strictly(void **state)
{
    (void)state;
    char text[16];
    size_t len;
    assert_true(auth_base64_decode("YW5uYTp4", 8, text, sizeof text, &len));
    assert_string_equal(text, "anna:x");
    assert_true(auth_base64_decode("YTpi", 4, text, 4, &len));
    assert_true(auth_base64_decode("YQ==", 4, text, sizeof text, &len));
    assert_int_equal(len, 1);
    static const char *const bad[] = {
        "", "YQ", "YQ=", "====", "Y===", "Y=Q=", "YW5u YTp", "YW5\xff", "YW5uYTpsb25nZXI="};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(auth_base64_decode(bad[i], strlen(bad[i]), text, 8, &len));
    }
}

static void files_are_replaced_whole_and_kept_from_others(void **state)
{
    (void)state;
    char folder[] = "/tmp/test-auth-XXXXXX", path[64], why[AUTH_WHY];
    struct auth_users users = {0};
    struct stat st;
    bool open_to_all = false;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/users", folder);
    assert_int_equal(auth_load_users(path, &users, &open_to_all, why), -ENOENT);
    assert_non_null(strstr(why, path));
    assert_int_equal(auth_file_write(path, "anna:" HASH TAIL "\n", strlen("anna:" HASH TAIL "\n")), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(auth_load_users(path, &users, &open_to_all, why), 0);
    assert_int_equal(users.count, 1);
    assert_false(open_to_all);
    auth_users_finish(&users);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(auth_load_users(path, &users, &open_to_all, why), 0);
    assert_true(open_to_all);
    auth_users_finish(&users);
    assert_int_equal(auth_file_write(path, "\nx\n", 3), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640); /* the group could read it, and can */
    assert_int_equal(auth_load_users(path, &users, &open_to_all, why), -EINVAL);
    assert_non_null(strstr(why, "users:2: "));
    assert_int_equal(auth_load_users(folder, &users, &open_to_all, why), -EINVAL);
    assert_int_equal(auth_file_write("/no/such/folder/x", "", 0), -ENOENT);
    if (geteuid() == 0) { /* as /etc/llamad is shared with the service */
        unlink(path);
        assert_int_equal(chown(folder, 0, 60), 0);
        assert_int_equal(chmod(folder, 0750), 0);
        assert_int_equal(auth_file_write(path, "x", 1), 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_gid, 60);
        assert_int_equal(st.st_mode & 07777, 0640);
        unlink(path);
        assert_int_equal(chmod(folder, 0755),
                         0); /* everybody may look into it: then it is for the owner alone */
        assert_int_equal(auth_file_write(path, "x", 1), 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users_have_names_hashes_and_scopes),
        cmocka_unit_test(bad_users_are_named_by_line_and_none_is_taken),
        cmocka_unit_test(users_are_bounded),
        cmocka_unit_test(passwords_match_their_hash_alone),
        cmocka_unit_test(tokens_are_known_by_their_digest),
        cmocka_unit_test(bad_tokens_are_named_by_line),
        cmocka_unit_test(secrets_are_long_and_never_the_same),
        cmocka_unit_test(base64_is_read_strictly),
        cmocka_unit_test(files_are_replaced_whole_and_kept_from_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
