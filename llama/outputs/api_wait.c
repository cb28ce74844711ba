/* Answers that come later: which ones there are is known to those who made them. */
#include "api_internal.h"

static void on_nobody(void *user)
{
    (void)user; /* whoever got the wait has not said yet whom to tell */
}

void api_wait_init(struct api_wait *wait, const struct api_wait_kind *kind)
{
    *wait = (struct api_wait){.kind = kind, .ready = on_nobody};
}

void api_await(struct api_wait *wait, void (*ready)(void *user), void *user)
{
    wait->ready = ready;
    wait->user = user;
}

void api_collect(struct api_wait *wait, struct now now, struct api_response *ret_response)
{
    *ret_response = (struct api_response){0};
    wait->kind->collect(wait, now, ret_response);
}

void api_abandon(struct api_wait *wait)
{
    if (wait) {
        wait->kind->abandon(wait);
    }
}

bool api_work(struct api *api)
{
    return api_metrics_work(api);
}
