#include "write_job.h"

#include "state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct write_job {
    int dir; /* a descriptor of its own: the owner may end before */
    const char *name;
    enum write_how how;
    size_t at;
    char *data; /* owned */
    size_t len;
    int result;
    write_done_fn *done; /* NULL = abandoned */
    void *user;
};

static void job_free(struct write_job *job)
{
    if (job->dir >= 0) {
        close(job->dir);
    }
    free(job->data);
    free(job);
}

static void work(void *user)
{
    struct write_job *job = user;
    job->result = job->how == WRITE_REPLACE
                      ? state_file_replace(job->dir, job->name, job->data, job->len)
                      : state_file_append(job->dir, job->name, job->at, job->data, job->len);
}

static void finish(void *user)
{
    struct write_job *job = user;
    write_done_fn *done = job->done;
    void *owner = job->user;
    int result = job->result;
    job_free(job);
    if (done) {
        done(owner, result);
    }
}

struct write_job *write_job_start(struct loop *loop, int dir, const char *name, enum write_how how, size_t at,
                                  char *data, size_t len, write_done_fn *done, void *user)
{
    struct write_job *job = calloc(1, sizeof *job);
    if (!job) {
        free(data);
        return NULL;
    }
    *job = (struct write_job){.name = name,
                              .how = how,
                              .at = at,
                              .data = data,
                              .len = len,
                              .done = done,
                              .user = user,
                              .dir = fcntl(dir, F_DUPFD_CLOEXEC, 0)};
    int e = job->dir < 0 ? -errno : loop_work(loop, work, finish, job);
    if (e != 0) {
        job_free(job);
        errno = -e;
        return NULL;
    }
    return job;
}

void write_job_abandon(struct write_job *job)
{
    if (job) {
        job->done = NULL;
    }
}
