/* enrol_check: does the broker answer at one of the hosts of an enrolment, and take the account? Blocking. */
#ifndef ENROL_CHECK_H
#define ENROL_CHECK_H

#include "enrolment.h"

#include <stdbool.h>

/* "host: reason", a line for each that was tried. */
#define ENROL_CHECK_TEXT ((size_t)ENROLMENT_HOSTS_MAX * (ENROLMENT_HOST_MAX + 256))

/* Where TLS by public authorities finds them. */
#define ENROL_PUBLIC_CA "/etc/ssl/certs/ca-certificates.crt"

/* Tries the hosts in turn, a few seconds each. 0 with *ret_host, the first that let us in; -ECONNREFUSED with
 * the reasons in `text`; -errno if it could not even try. *ret_hung: a worker still hangs in a look-up, so
 * the program should end by _exit. */
int enrol_check(const struct enrolment *enrolment, size_t *ret_host, char text[ENROL_CHECK_TEXT],
                bool *ret_hung);

#endif
