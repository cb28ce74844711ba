#include "telling.h"

#include "timestamp.h"
#include "utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool telling_may(struct telling *telling, bool news, int64_t now_ms, int64_t wall_ms)
{
    int64_t refills = (now_ms - telling->refilled_ms) / TELLING_MS;
    if (telling->spent == 0 || refills >= telling->spent) {
        telling->spent = 0;
        telling->refilled_ms = now_ms;
    } else {
        telling->spent -= (uint32_t)refills;
        telling->refilled_ms += refills * TELLING_MS;
    }
    if (telling->spent < TELLING_BURST) {
        telling->spent++;
        return true;
    }
    if (news && telling->untold++ == 0) {
        telling->untold_since_wall_ms = wall_ms;
    }
    return false;
}

void telling_append(struct telling *telling, char *reason, size_t size)
{
    if (telling->untold == 0) {
        return;
    }
    char time[TIMESTAMP_SIZE], more[96];
    timestamp_format(telling->untold_since_wall_ms, time);
    int len = snprintf(more, sizeof more, " (%" PRIu32 " changes since %.19sZ were not told one by one)",
                       telling->untold, time);
    size_t kept = utf8_cut(reason, strlen(reason), size - 1 - (size_t)len);
    memcpy(reason + kept, more, (size_t)len + 1);
    telling->untold = 0;
}
