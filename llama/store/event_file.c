#include "event_file.h"

#include "event_line.h"
#include "state_file.h"
#include "write_job.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MS 5000

struct event_file {
    struct loop *loop;
    struct cache *cache;
    int dir;
    struct trouble *trouble;
    size_t len, lines; /* of the file */
    bool rewrite;      /* there is no file, or none to append to */
    uint64_t saved_id; /* the last event in the file */
    int64_t retry_ms;  /* monotonic; not before */
    struct write_job *job;
    struct { /* what the file is when the job succeeds */
        size_t len, lines;
        uint64_t saved_id;
        enum write_how how;
    } next;
};

/* ---- the start ---- */

static void set_aside(struct event_file *file, const char *why)
{
    int e = state_file_set_aside(file->dir, EVENT_FILE_NAME);
    file->rewrite = true;
    if (e != 0) {
        log_warning("store: %s/" EVENT_FILE_NAME " is damaged (%s) and cannot be renamed: %s",
                    file->trouble->path, why, strerror(-e));
    } else {
        log_warning("store: %s/" EVENT_FILE_NAME
                    " is damaged (%s): renamed to " EVENT_FILE_NAME STATE_FILE_DAMAGED,
                    file->trouble->path, why);
    }
}

static void restore(struct event_file *file, const struct event_lines *lines)
{
    size_t taken = 0;
    while (taken < lines->count && cache_restore_event(file->cache, &lines->events[taken]) == 0) {
        taken++;
    }
    file->saved_id = events_last_id(cache_events(file->cache));
    file->len = lines->whole_len;
    file->lines = lines->lines;
    file->rewrite = taken < lines->count || lines->count == 0;
    if (taken > 0) {
        log_info("store: %zu events of earlier runs, the last one is %" PRIu64, taken, file->saved_id);
    }
}

static void check(struct event_file *file, const struct event_lines *lines, size_t len)
{
    if (lines->bad > 0) {
        char why[96];
        snprintf(why, sizeof why, "%zu lines, the first at byte %zu", lines->bad, lines->bad_offset);
        set_aside(file, why);
    } else if (lines->torn) {
        int e = state_file_cut(file->dir, EVENT_FILE_NAME, lines->whole_len);
        log_warning("store: %s/" EVENT_FILE_NAME
                    ": the line at byte %zu was not finished: %zu bytes cut off%s%s",
                    file->trouble->path, lines->whole_len, len - lines->whole_len, e ? ": " : "",
                    e ? strerror(-e) : "");
        file->rewrite = file->rewrite || e != 0;
    }
}

static void load(struct event_file *file)
{
    char *text;
    size_t len;
    struct event_lines lines;
    file->rewrite = true;
    int e = state_file_read(file->dir, EVENT_FILE_NAME, EVENT_FILE_MAX, &text, &len);
    if (e == -ENOENT) {
        return;
    }
    if (e != 0) {
        set_aside(file, e == -EFBIG ? "too large" : e == -EINVAL ? "not a regular file" : strerror(-e));
        return;
    }
    e = event_lines_read(text, len, &lines);
    free(text);
    if (e == -EBADMSG) {
        set_aside(file, "it does not begin as one of this version");
    } else if (e != 0) {
        log_warning("store: cannot read %s/" EVENT_FILE_NAME ": %s", file->trouble->path, strerror(-e));
    } else {
        restore(file, &lines);
        check(file, &lines, len);
        event_lines_finish(&lines);
    }
}

struct event_file *event_file_create(struct loop *loop, struct cache *cache, int dir, struct trouble *trouble)
{
    struct event_file *file = calloc(1, sizeof *file);
    if (!file) {
        return NULL;
    }
    file->loop = loop;
    file->cache = cache;
    file->dir = dir;
    file->trouble = trouble;
    load(file);
    return file;
}

void event_file_destroy(struct event_file *file)
{
    if (file) {
        write_job_abandon(file->job);
        free(file);
    }
}

/* ---- saving ---- */

/* The events after `id`, oldest first. The ring only goes backwards. */
static size_t collect(const struct events *events, uint64_t id, const struct event *list[EVENTS_MAX])
{
    size_t count = 0;
    for (const struct event *event = events_older(events, NULL); event && event->id > id;
         event = events_older(events, event)) {
        list[EVENTS_MAX - ++count] = event;
    }
    memmove(list, list + EVENTS_MAX - count, count * sizeof(struct event *));
    return count;
}

/* Renders what is to be written, and notes what the file will be then. */
static void render(struct event_file *file, struct buf *out)
{
    const struct event *list[EVENTS_MAX];
    const struct events *events = cache_events(file->cache);
    size_t count = collect(events, file->saved_id, list);
    bool lost = count > 0 && list[0]->id != file->saved_id + 1; /* pushed out of the ring meanwhile */
    bool whole = file->rewrite || lost || file->lines + count > EVENT_FILE_LINES;
    if (whole) {
        count = collect(events, 0, list);
        event_line_header(out);
    }
    for (size_t i = 0; i < count; i++) {
        event_line_write(out, list[i]);
    }
    file->next.how = whole ? WRITE_REPLACE : WRITE_APPEND;
    file->next.len = (whole ? 0 : file->len) + out->len;
    file->next.lines = whole ? 1 + count : file->lines + count;
    file->next.saved_id = events_last_id(events);
}

static void failed(struct event_file *file, int error)
{
    struct now now = clock_now();
    trouble_failed(file->trouble, EVENT_FILE_NAME, error, now.mono_ms);
    file->retry_ms = now.mono_ms + RETRY_MS;
}

static void on_written(void *user, int result)
{
    struct event_file *file = user;
    file->job = NULL;
    if (result == 0) {
        file->len = file->next.len;
        file->lines = file->next.lines;
        file->saved_id = file->next.saved_id;
        file->rewrite = false;
        trouble_over(file->trouble);
    } else if (file->next.how == WRITE_APPEND && result != -ENOSPC && result != -EDQUOT) {
        file->rewrite = true; /* somebody removed or changed it, or it can't be trusted any more */
    }
    if (result != 0 && !(file->next.how == WRITE_APPEND && (result == -ESTALE || result == -ENOENT))) {
        failed(file, result);
    }
    event_file_save(file, clock_now());
}

static bool has_news(const struct event_file *file)
{
    return events_last_id(cache_events(file->cache)) != file->saved_id;
}

void event_file_save(struct event_file *file, struct now now)
{
    /* Without a file there is nothing to do before the first event. */
    bool repair = file->rewrite && events_last_id(cache_events(file->cache)) > 0;
    if (file->job || now.mono_ms < file->retry_ms || !(has_news(file) || repair)) {
        return;
    }
    struct buf out = BUF_INIT;
    render(file, &out);
    size_t len;
    char *data = buf_take(&out, &len);
    if (!data) {
        buf_finish(&out);
        failed(file, -ENOMEM);
        return;
    }
    file->job = write_job_start(file->loop, file->dir, EVENT_FILE_NAME, file->next.how, file->len, data, len,
                                on_written, file);
    if (!file->job) {
        failed(file, -errno);
    }
}

bool event_file_is_idle(const struct event_file *file)
{
    return !file->job && (!has_news(file) || file->retry_ms > clock_now().mono_ms);
}

size_t event_file_bytes(const struct event_file *file)
{
    return file->len;
}
