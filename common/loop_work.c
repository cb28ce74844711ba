/* What other threads do: wake-ups from them, and work off the loop. */
#include "loop_internal.h"

#include <errno.h>
#include <stdlib.h>

struct loop_wakeup {
    uv_async_t uv;
    loop_wakeup_fn *callback;
    void *user;
};

struct loop_job {
    uv_work_t uv;
    struct loop *loop;
    loop_work_fn *work, *done;
    void *user;
};

static void on_async(uv_async_t *handle)
{
    struct loop_wakeup *wakeup = (struct loop_wakeup *)handle;
    wakeup->callback(wakeup->user);
}

struct loop_wakeup *loop_wakeup_create(struct loop *loop, loop_wakeup_fn *callback, void *user)
{
    struct loop_wakeup *wakeup = calloc(1, sizeof *wakeup);
    if (!wakeup) {
        return NULL;
    }
    wakeup->callback = callback;
    wakeup->user = user;
    int e = uv_async_init(&loop->uv, &wakeup->uv, on_async);
    return e ? loop_failed(wakeup, e) : wakeup;
}

void loop_wakeup_send(struct loop_wakeup *wakeup)
{
    uv_async_send(&wakeup->uv);
}

void loop_wakeup_destroy(struct loop_wakeup *wakeup)
{
    if (wakeup) {
        uv_close((uv_handle_t *)&wakeup->uv, loop_free_closed);
    }
}

static void run_work(uv_work_t *request)
{
    struct loop_job *job = (struct loop_job *)request;
    job->work(job->user);
}

static void after_work(uv_work_t *request, int status)
{
    (void)status; /* nonzero only for cancelled work, and nothing here cancels */
    struct loop_job *job = (struct loop_job *)request;
    loop_work_fn *done = job->done;
    void *user = job->user;
    job->loop->work_pending--;
    free(job);
    done(user);
}

int loop_work(struct loop *loop, loop_work_fn *work, loop_work_fn *done, void *user)
{
    struct loop_job *job = calloc(1, sizeof *job);
    if (!job) {
        return -ENOMEM;
    }
    job->loop = loop;
    job->work = work;
    job->done = done;
    job->user = user;
    int e = uv_queue_work(&loop->uv, &job->uv, run_work, after_work);
    if (e) {
        free(job);
        return e;
    }
    loop->work_pending++;
    return 0;
}

unsigned loop_work_pending(const struct loop *loop)
{
    return loop->work_pending;
}
