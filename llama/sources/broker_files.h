/*
 * broker_files: what the broker child finds on disk: <state_dir>/broker/ with a generated mosquitto.conf, a
 * copy of the access rules and of certificates, the accounts (passwd), and mosquitto's own database.
 */
#ifndef BROKER_FILES_H
#define BROKER_FILES_H

#include "broker.h"

#include <sys/types.h>

#define BROKER_ERROR_SIZE 512

/* Who mosquitto runs as. */
struct broker_user {
    bool change; /* llamad is root: become `mosquitto` */
    uid_t uid;
    gid_t gid;
};

/* Makes the folder (mode 0750, owned by that user) and writes the files anew. *ret_dir is an open descriptor
 * of it (close-on-exec), since the user need not be able to reach it by its path. 0, or -1 with `error`
 * filled in. */
int broker_files_write(const struct broker_options *options, struct broker_user *ret_user, int *ret_dir,
                       char error[BROKER_ERROR_SIZE]);
/* A number that changes when a file changes that mosquitto reads again on SIGHUP. */
uint64_t broker_files_stamp(const struct broker_options *options, int dir);
/* Copies those files anew. 0, or -1 with `error` filled in, and then all are as they were. */
int broker_files_renew(const struct broker_options *options, int dir, const struct broker_user *user,
                       char error[BROKER_ERROR_SIZE]);
/* 0 if somebody can listen there, else -1 with `error` filled in, which names `key`.listen or `key`.port. A
 * port that is in use is given 2 s to become free. */
int broker_check_port(const char *listen, uint16_t number, const char *key, char error[BROKER_ERROR_SIZE]);
/* True for 127.0.0.0/8, ::1 and localhost. */
bool broker_is_loopback(const char *address);
/* Finds the program as execvp would, and in the folders for administrators. 0, or -ENOENT. */
int broker_find_program(const char *name, char *buffer, size_t size);

#endif
