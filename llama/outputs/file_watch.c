#include "file_watch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct look {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed; /* also by a new mode or owner */
};

struct file_watch {
    struct loop *loop;
    struct loop_timer *timer;
    char *paths[FILE_WATCH_MAX]; /* owned */
    size_t count;
    void (*changed)(void *user);
    void *user;
    struct look told[FILE_WATCH_MAX], seen[FILE_WATCH_MAX];
    struct look found[FILE_WATCH_MAX]; /* the worker's while `looking` */
    bool looking, destroyed;
};

static void look(void *user)
{
    struct file_watch *watch = user;
    memset(watch->found, 0, sizeof watch->found);
    for (size_t i = 0; i < watch->count; i++) {
        struct stat st;
        if (stat(watch->paths[i], &st) == 0) {
            watch->found[i].device = st.st_dev;
            watch->found[i].inode = st.st_ino;
            watch->found[i].size = st.st_size;
            watch->found[i].changed.tv_sec = st.st_ctim.tv_sec;
            watch->found[i].changed.tv_nsec = st.st_ctim.tv_nsec;
        }
    }
}

static bool same(const struct look *a, const struct look *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (a[i].device != b[i].device || a[i].inode != b[i].inode || a[i].size != b[i].size ||
            a[i].changed.tv_sec != b[i].changed.tv_sec || a[i].changed.tv_nsec != b[i].changed.tv_nsec) {
            return false;
        }
    }
    return true;
}

static void free_watch(struct file_watch *watch)
{
    for (size_t i = 0; i < watch->count; i++) {
        free(watch->paths[i]);
    }
    free(watch);
}

static void looked(void *user)
{
    struct file_watch *watch = user;
    watch->looking = false;
    if (watch->destroyed) {
        free_watch(watch);
        return;
    }
    bool still = same(watch->found, watch->seen, watch->count);
    memcpy(watch->seen, watch->found, sizeof watch->seen);
    if (still && !same(watch->found, watch->told, watch->count)) {
        memcpy(watch->told, watch->found, sizeof watch->told);
        watch->changed(watch->user);
    }
}

static void on_timer(void *user)
{
    struct file_watch *watch = user;
    if (!watch->looking && loop_work(watch->loop, look, looked, watch) == 0) {
        watch->looking = true;
    }
}

struct file_watch *file_watch_create(struct loop *loop, const char *const *paths, size_t count,
                                     void (*changed)(void *user), void *user)
{
    struct file_watch *watch = calloc(1, sizeof *watch);
    if (!watch) {
        return NULL;
    }
    watch->loop = loop;
    watch->changed = changed;
    watch->user = user;
    watch->timer = loop_timer_create(loop, on_timer, watch);
    bool all = watch->timer != NULL;
    for (size_t i = 0; i < count && watch->count < FILE_WATCH_MAX; i++) {
        if (paths[i]) {
            watch->paths[watch->count] = strdup(paths[i]);
            all = all && watch->paths[watch->count];
            watch->count++;
        }
    }
    if (!all) {
        file_watch_destroy(watch);
        return NULL;
    }
    look(watch); /* at start, where waiting is no harm */
    memcpy(watch->told, watch->found, sizeof watch->told);
    memcpy(watch->seen, watch->found, sizeof watch->seen);
    if (watch->count > 0) {
        loop_timer_start(watch->timer, FILE_WATCH_MS, FILE_WATCH_MS);
    }
    return watch;
}

void file_watch_destroy(struct file_watch *watch)
{
    if (!watch) {
        return;
    }
    loop_timer_destroy(watch->timer);
    watch->timer = NULL;
    if (watch->looking) {
        watch->destroyed = true;
    } else {
        free_watch(watch);
    }
}
