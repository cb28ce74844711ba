/*
 * mqtt_accounts: who may log in at the broker: mosquitto's password file, and beside it who was enrolled and
 * revoked when (<file>.journal, which only people and `llamad enrol --list` read).
 *
 * Lines of other tools are kept. Both files are replaced at once, under a lock (<file>.lock), and stay whose
 * they were. Passwords are stored as mosquitto_passwd stores them: PBKDF2-HMAC-SHA512, "$7$101$salt$hash"
 * (mosquitto 2.0, src/password_mosq.c). 101 rounds would be few for words that people choose; ours have 192
 * random bits, and mosquitto checks all connected clients' anew whenever it reads the file again. Blocking.
 */
#ifndef MQTT_ACCOUNTS_H
#define MQTT_ACCOUNTS_H

#include "topic.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MQTT_ACCOUNTS_ERROR_SIZE    512
#define MQTT_ACCOUNTS_PASSWORD_SIZE 33 /* 32 characters of base64url, and a NUL */
#define MQTT_ACCOUNTS_MAX           5000

enum account_state { ACCOUNT_THERE, ACCOUNT_ENROLLED, ACCOUNT_REVOKED };
struct account {
    char name[NODE_NAME_MAX + 1];
    enum account_state state; /* ACCOUNT_THERE: made by another tool */
    int64_t since_s;          /* 0 for that one */
};

/* May an account be called so? As a node, and without `:`, which ends a name in that file. *ret_why completes
 * "the name …". */
bool mqtt_accounts_name_valid(const char *name, const char **ret_why);
/* The account that is there gets this password, else there is a new one. *ret_new tells which. 0, or -errno
 * with `error` filled in. */
int mqtt_accounts_set(const char *file, const char *name, int64_t now_s,
                      char ret_password[MQTT_ACCOUNTS_PASSWORD_SIZE], bool *ret_new,
                      char error[MQTT_ACCOUNTS_ERROR_SIZE]);
/* 0; -ENOENT if there is none of that name; another -errno with `error` filled in. */
int mqtt_accounts_revoke(const char *file, const char *name, int64_t now_s,
                         char error[MQTT_ACCOUNTS_ERROR_SIZE]);
/* Those that are there and those that were revoked, by name; the caller's to free. 0 or -errno with `error`.
 */
int mqtt_accounts_list(const char *file, struct account **ret_list, size_t *ret_count,
                       char error[MQTT_ACCOUNTS_ERROR_SIZE]);

#endif
