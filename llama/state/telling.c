#include "telling.h"

#include "timestamp.h"
#include "utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool telling_may(struct telling *telling, bool news, int64_t now_ms, int64_t wall_ms)
{
    if (news && now_ms - telling->changed_ms >= TELLING_REST_MS) {
        telling->told = 0;
    }
    if (news) {
        telling->changed_ms = now_ms;
    }
    if (telling->told < TELLING_BURST) {
        telling->told++;
        telling->wait_ms = TELLING_MIN_MS;
    } else if (now_ms - telling->told_ms >= telling->wait_ms) {
        telling->wait_ms = 2 * telling->wait_ms < TELLING_MAX_MS ? 2 * telling->wait_ms : TELLING_MAX_MS;
    } else {
        if (news && telling->untold++ == 0) {
            telling->untold_since_wall_ms = wall_ms;
        }
        return false;
    }
    telling->told_ms = now_ms;
    return true;
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
