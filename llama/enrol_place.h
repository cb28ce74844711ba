/*
 * enrol_place: where the accounts are kept, and how the broker is reached and known from another machine: of
 * the broker that llamad runs, or of another one by what the configuration says of it.
 */
#ifndef ENROL_PLACE_H
#define ENROL_PLACE_H

#include "authority.h"
#include "conf.h"
#include "enrolment.h"

#include <limits.h>

struct enrol_wish {
    const char *config, *name, *ca; /* ca: a file, or "public" */
    struct authority_names hosts;
    uint16_t port; /* 0 = as the configuration says */
    bool plain, list, revoke;
};

struct enrol_place {
    bool own;                /* the broker that llamad runs */
    bool running;            /* and does so now */
    char accounts[PATH_MAX]; /* the password file */
    char ca[PATH_MAX];       /* the authority's certificate; "" = a public one, or no TLS */
};

/* Both: 0, or the exit status, after telling what is missing. */
int enrol_place_find(const struct conf *conf, struct enrol_place *ret_place);
/* Hosts, port, TLS and base topic into *ret. Makes authority and certificate where the broker needs them. */
int enrol_place_describe(const struct conf *conf, const struct enrol_wish *wish, struct enrol_place *place,
                         struct enrolment *ret);

#endif
