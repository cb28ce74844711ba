/*
 * auth_load: users and tokens read from their files, and what is wrong with these. Blocks, as auth_file.
 */
#ifndef AUTH_LOAD_H
#define AUTH_LOAD_H

#include "auth_tokens.h"
#include "auth_users.h"

#define AUTH_WHY 320 /* bytes of a message: "/etc/llamad/users:3: the scope is neither admin nor read" */

/* 0; or -errno with *ret_why, which names file and line: -ENOENT when there is no such file. `ret` is zeroed
 * before and untouched on error. *ret_open: others than owner and group may read or write the file. */
int auth_load_users(const char *path, struct auth_users *ret, bool *ret_open, char ret_why[AUTH_WHY]);
int auth_load_tokens(const char *path, struct auth_tokens *ret, bool *ret_open, char ret_why[AUTH_WHY]);

#endif
