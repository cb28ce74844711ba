/* Sessions: how they end, and who has to go where there is no room. */
#include "auth_sessions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct ticket {
    unsigned char digest[AUTH_DIGEST_LEN];
};

static struct ticket add(struct auth_sessions *sessions, const char *user, int64_t now_ms)
{
    char secret[AUTH_SECRET_LEN + 1];
    struct ticket ticket;
    assert_int_equal(auth_sessions_add(sessions, user, now_ms, secret), 0);
    assert_int_equal(auth_digest(secret, strlen(secret), ticket.digest), 0);
    return ticket;
}

static const struct auth_session *use(struct auth_sessions *sessions, struct ticket ticket, int64_t now_ms)
{
    return auth_sessions_use(sessions, ticket.digest, now_ms);
}

static void unused_session_ends(void **state)
{
    (void)state;
    struct auth_sessions sessions = {0};
    struct ticket ticket = add(&sessions, "anna", 1000);
    assert_string_equal(use(&sessions, ticket, 1000 + AUTH_SESSION_IDLE_MS - 1)->user, "anna");
    assert_non_null(use(&sessions, ticket, 1000 + 2 * AUTH_SESSION_IDLE_MS - 2)); /* used meanwhile */
    assert_null(use(&sessions, ticket, 1000 + 3 * AUTH_SESSION_IDLE_MS - 2));
    assert_int_equal(sessions.count, 0);
    auth_sessions_finish(&sessions);
}

static void used_session_ends_too(void **state)
{
    (void)state;
    struct auth_sessions sessions = {0};
    struct ticket ticket = add(&sessions, "anna", 0);
    for (int64_t now_ms = 0; now_ms < AUTH_SESSION_MAX_MS; now_ms += AUTH_SESSION_IDLE_MS / 2) {
        assert_non_null(use(&sessions, ticket, now_ms));
    }
    assert_null(use(&sessions, ticket, AUTH_SESSION_MAX_MS));
    auth_sessions_finish(&sessions);
}

static void removed_sessions_are_gone(void **state)
{
    (void)state;
    struct auth_sessions sessions = {0};
    struct ticket first = add(&sessions, "anna", 0), second = add(&sessions, "anna", 0),
                  other = add(&sessions, "rita", 0);
    assert_true(auth_sessions_remove(&sessions, first.digest));
    assert_false(auth_sessions_remove(&sessions, first.digest));
    assert_null(use(&sessions, first, 1));
    assert_non_null(use(&sessions, second, 1));
    assert_int_equal(auth_sessions_remove_user(&sessions, "anna"), 1);
    assert_null(use(&sessions, second, 1));
    assert_non_null(use(&sessions, other, 1));
    auth_sessions_finish(&sessions);
}

static void user_with_many_sessions_loses_the_one_not_used_for_longest(void **state)
{
    (void)state;
    struct auth_sessions sessions = {0};
    struct ticket other = add(&sessions, "rita", 0), tickets[AUTH_SESSIONS_USER];
    for (int i = 0; i < AUTH_SESSIONS_USER; i++) {
        tickets[i] = add(&sessions, "anna", 10 + i);
    }
    assert_non_null(use(&sessions, tickets[0], 100));
    add(&sessions, "anna", 101);
    assert_int_equal(sessions.count, AUTH_SESSIONS_USER + 1);
    assert_non_null(use(&sessions, tickets[0], 102));
    assert_null(use(&sessions, tickets[1], 102));
    assert_non_null(use(&sessions, other, 102)); /* though it is the oldest of all */
    auth_sessions_finish(&sessions);
}

static void all_sessions_are_bounded(void **state)
{
    (void)state;
    struct auth_sessions sessions = {0};
    struct ticket first = add(&sessions, "first", 1);
    char name[16];
    for (int i = 0; i < 2 * AUTH_SESSIONS_MAX; i++) {
        snprintf(name, sizeof name, "u%d", i);
        add(&sessions, name, 2 + i);
    }
    assert_int_equal(sessions.count, AUTH_SESSIONS_MAX);
    assert_null(use(&sessions, first, 3));
    auth_sessions_finish(&sessions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unused_session_ends),
        cmocka_unit_test(used_session_ends_too),
        cmocka_unit_test(removed_sessions_are_gone),
        cmocka_unit_test(user_with_many_sessions_loses_the_one_not_used_for_longest),
        cmocka_unit_test(all_sessions_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
