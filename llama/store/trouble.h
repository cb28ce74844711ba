/*
 * trouble: what goes wrong with a file: counted, and logged once a minute however often it happens.
 */
#ifndef TROUBLE_H
#define TROUBLE_H

#include "log.h"

struct trouble {      /* embedded; start zeroed */
    const char *path; /* of the folder, borrowed */
    uint64_t errors;
    bool failing; /* the last write failed */
    struct log_limit limit;
};

void trouble_failed(struct trouble *trouble, const char *name, int error, int64_t mono_ms);
void trouble_over(struct trouble *trouble, const char *name);

#endif
