#include "clock.h"

#include <assert.h>
#include <time.h>

static int64_t read_ms(clockid_t id)
{
    struct timespec ts;
    int failed = clock_gettime(id, &ts);
    assert(!failed); /* both clocks exist on every Linux */
    (void)failed;
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

struct now clock_now(void)
{
    int64_t mono_ms = read_ms(CLOCK_MONOTONIC);
    return (struct now){
        .mono_ms = mono_ms > 0 ? mono_ms : 1, /* 0 means "never" everywhere */
        .wall_ms = read_ms(CLOCK_REALTIME),
    };
}

int64_t clock_wall_of(struct now now, int64_t mono_ms)
{
    return mono_ms == 0 ? 0 : now.wall_ms - (now.mono_ms - mono_ms);
}
