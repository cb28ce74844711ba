/* password_hash: passwords made, and hashed as mosquitto 2.0 reads them. */
#ifndef PASSWORD_HASH_H
#define PASSWORD_HASH_H

#include "mqtt_accounts.h"

#define PASSWORD_HASH_SIZE 160

/* 0 or -EIO. */
int password_make(char ret_password[MQTT_ACCOUNTS_PASSWORD_SIZE]);
int password_hash(const char *password, char ret_hash[PASSWORD_HASH_SIZE]);

#endif
