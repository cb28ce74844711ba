/* enrol_files: the three files of an enrolment beside the configuration. */
#ifndef ENROL_FILES_H
#define ENROL_FILES_H

#include "enrolment.h"

#include <limits.h>

#define ENROL_FILES_ERROR 512

struct enrol_files {
    char layer[PATH_MAX];    /* config.enrolled.yaml */
    char password[PATH_MAX]; /* config.enrolled.password */
    char ca[PATH_MAX];       /* config.enrolled.ca.crt */
};

/* Their absolute paths beside `config`. 0 or -errno with `error` filled in. */
int enrol_files_of(const char *config, struct enrol_files *ret_files, char error[ENROL_FILES_ERROR]);
/* The layer's text. Pure. */
void enrol_files_write_layer(const struct enrol_files *files, const struct enrolment *enrolment,
                             const char *host, struct buf *out);
/* Writes them; the layer last, so that an agent that starts in between finds the old enrolment or the new
 * one. In a folder of root's that a group may enter, that group (the service's) may read them, else only the
 * folder's owner. A configuration that is not there yet is made, without a key in it. 0 or -errno with
 * `error`. */
int enrol_files_write(const char *config, const struct enrol_files *files, const struct enrolment *enrolment,
                      const char *host, char error[ENROL_FILES_ERROR]);

#endif
