#include "trouble.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void trouble_failed(struct trouble *trouble, const char *name, int error, int64_t mono_ms)
{
    uint64_t more;
    trouble->errors++;
    trouble->failing = true;
    if (log_limit_pass(&trouble->limit, mono_ms, &more)) {
        char times[48] = "";
        if (more > 0) {
            snprintf(times, sizeof times, " (and %" PRIu64 " times before)", more);
        }
        log_warning("store: cannot write %s/%s: %s%s; trying again, nothing else is affected", trouble->path,
                    name, strerror(-error), times);
    }
}

void trouble_over(struct trouble *trouble, const char *name)
{
    if (trouble->failing) {
        trouble->failing = false;
        log_info("store: %s/%s can be written again", trouble->path, name);
    }
}
