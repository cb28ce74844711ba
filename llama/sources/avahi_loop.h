/*
 * avahi_loop: Avahi's poll interface (AvahiPoll) on the loop. Each readiness and timeout passes `before`
 * first.
 */
#ifndef AVAHI_LOOP_H
#define AVAHI_LOOP_H

#include "loop.h"

#include <avahi-common/watch.h>

struct avahi_loop { /* embedded; stays where it is while anything of Avahi's lives */
    AvahiPoll api;  /* for avahi_server_new */
    struct loop *loop;
    /* Something is about to be handed to Avahi: `fd` that can be read, or -1 for a timeout or for writing.
     * False: it is not, and Avahi is about to be ended. */
    bool (*before)(void *user, int fd);
    void *user;
};

void avahi_loop_init(struct avahi_loop *adapter, struct loop *loop, bool (*before)(void *user, int fd),
                     void *user);

#endif
