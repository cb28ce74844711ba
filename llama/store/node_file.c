#include "node_file.h"

#include "node_line.h"
#include "state_file.h"
#include "write_job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVERY_MS   60000 /* at most, and for each MiB */
#define LONGEST_MS (60 * 60 * 1000)
#define TRIES      12 /* in the time of a pause, when the disk does not take it */
#define MIB        (1024 * 1024)
#define SLICE      (128 * 1024) /* bytes rendered in one turn of the loop */

struct node_file {
    struct loop *loop;
    struct cache *cache;
    int dir;
    struct trouble *trouble;
    size_t len;
    uint64_t mark;  /* of what the file holds */
    bool has_mark;  /* else nobody knows what that is */
    int64_t due_ms; /* monotonic; not before */
    bool hurried;   /* while it was being written: that is out of date */
    bool left_out;  /* some found no room, and the log says so */
    bool stopping;
    bool last; /* what is being written is the last one: at the end there is only one try */
    /* being written */
    uint64_t next_mark;
    size_t next_len;
    bool rendering;
    struct loop_after *more; /* renders the next slice */
    struct node_writer writer;
    struct buf text;
    struct write_job *job;
};

/* ---- the start ---- */

static void set_aside(const struct node_file *file, const char *why)
{
    int e = state_file_set_aside(file->dir, NODE_FILE_NAME);
    if (e != 0) {
        log_warning("store: %s/" NODE_FILE_NAME " is damaged (%s) and cannot be kept aside: %s",
                    file->trouble->path, why, strerror(-e));
    } else {
        log_warning("store: %s/" NODE_FILE_NAME
                    " is damaged (%s): kept as " NODE_FILE_NAME STATE_FILE_DAMAGED,
                    file->trouble->path, why);
    }
}

void node_file_restore(struct node_file *file, bool (*url_allowed)(void *user, const char *url), void *user)
{
    char *text;
    size_t len;
    int e = state_file_read(file->dir, NODE_FILE_NAME, NODE_FILE_MAX, &text, &len);
    if (e == -ENOENT) {
        return;
    }
    if (e != 0) {
        set_aside(file, e == -EFBIG ? "too large" : e == -EINVAL ? "not a regular file" : strerror(-e));
        return;
    }
    struct node_lines lines = node_lines_read(text, len, file->cache, clock_now(), url_allowed, user);
    free(text);
    if (lines.wrong_version) {
        set_aside(file, "it does not begin as one of this version");
    } else if (lines.bad > 0) {
        char why[96];
        snprintf(why, sizeof why, "%zu lines, the first at byte %zu", lines.bad, lines.bad_offset);
        set_aside(file, why);
    } else {
        file->len = len;
        file->mark = node_lines_mark(file->cache);
        file->has_mark = true;
    }
    if (lines.nodes > 0) {
        log_info("store: last values of %zu nodes, until they speak again", lines.nodes);
    }
}

/* ---- writing ---- */

static int64_t pause_ms(size_t len)
{
    int64_t pause = (int64_t)(len / MIB) * EVERY_MS;
    return pause < EVERY_MS ? EVERY_MS : pause < LONGEST_MS ? pause : LONGEST_MS;
}

static void end(struct node_file *file, int result)
{
    struct now now = clock_now();
    if (result == 0) {
        file->due_ms = file->hurried ? 0 : now.mono_ms + pause_ms(file->next_len);
        file->len = file->next_len;
        file->mark = file->next_mark;
        file->has_mark = true;
        trouble_over(file->trouble, NODE_FILE_NAME);
    } else {
        file->due_ms = now.mono_ms + pause_ms(file->next_len) / TRIES;
        trouble_failed(file->trouble, NODE_FILE_NAME, result, now.mono_ms);
    }
}

static void on_written(void *user, int result)
{
    struct node_file *file = user;
    file->job = NULL;
    end(file, result);
    if (file->stopping && !file->last) {
        node_file_stop(file); /* what came since that was rendered */
    }
}

static void write_text(struct node_file *file)
{
    size_t len;
    char *data = buf_take(&file->text, &len);
    file->rendering = false;
    if (!data) {
        buf_finish(&file->text);
        end(file, -ENOMEM);
        return;
    }
    if (file->writer.left_out > 0 && !file->left_out) {
        log_warning("store: " NODE_FILE_NAME
                    " is full: the last values of %zu nodes are not kept over a restart",
                    file->writer.left_out);
    }
    file->left_out = file->writer.left_out > 0;
    file->next_len = len;
    file->job =
        write_job_start(file->loop, file->dir, NODE_FILE_NAME, WRITE_REPLACE, 0, data, len, on_written, file);
    if (!file->job) {
        end(file, -errno);
    }
}

static void render(struct node_file *file, size_t slice)
{
    if (node_lines_write(&file->writer, file->cache, clock_now(), slice, NODE_FILE_MAX, &file->text)) {
        write_text(file);
    } else {
        loop_after_arm(file->more);
    }
}

static void on_more(void *user)
{
    struct node_file *file = user;
    if (file->rendering) {
        render(file, SLICE);
    }
}

static void begin(struct node_file *file, uint64_t mark, size_t slice)
{
    file->next_mark = mark;
    file->hurried = false;
    file->writer = (struct node_writer){.lines = 0};
    file->rendering = true;
    render(file, slice);
}

static bool is_saved(const struct node_file *file, uint64_t mark)
{
    return file->has_mark ? mark == file->mark : false;
}

void node_file_tick(struct node_file *file, struct now now)
{
    if (file->job || file->rendering || file->stopping || now.mono_ms < file->due_ms) {
        return;
    }
    uint64_t mark = node_lines_mark(file->cache);
    if (!is_saved(file, mark)) {
        begin(file, mark, SLICE);
    }
}

void node_file_hurry(struct node_file *file)
{
    file->due_ms = 0;
    file->hurried = true;
}

void node_file_stop(struct node_file *file)
{
    file->stopping = true;
    if (file->job) {
        return;
    }
    file->last = true;
    uint64_t mark = node_lines_mark(file->cache);
    if (file->rendering && file->hurried) {
        buf_reset(&file->text); /* who was forgotten stands in it already */
        begin(file, mark, SIZE_MAX);
    } else if (file->rendering) {
        render(file, SIZE_MAX);
    } else if (!is_saved(file, mark)) {
        begin(file, mark, SIZE_MAX);
    }
}

bool node_file_is_idle(const struct node_file *file)
{
    return !file->job && !file->rendering;
}

size_t node_file_bytes(const struct node_file *file)
{
    return file->len;
}

/* ---- life ---- */

struct node_file *node_file_create(struct loop *loop, struct cache *cache, int dir, struct trouble *trouble)
{
    struct node_file *file = calloc(1, sizeof *file);
    if (!file) {
        return NULL;
    }
    file->loop = loop;
    file->cache = cache;
    file->dir = dir;
    file->trouble = trouble;
    file->more = loop_after_create(loop, on_more, file);
    if (!file->more) {
        node_file_destroy(file);
        return NULL;
    }
    return file;
}

void node_file_destroy(struct node_file *file)
{
    if (file) {
        write_job_abandon(file->job);
        loop_after_destroy(file->more);
        buf_finish(&file->text);
        free(file);
    }
}
