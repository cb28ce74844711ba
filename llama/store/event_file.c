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
    size_t len, lines;               /* of the file */
    bool rewrite;                    /* there is no file, or none to append to */
    bool spoilt;                     /* what stands there is no good */
    uint64_t saved_id;               /* the last event in the file */
    uint64_t noted_id;               /* the last id in the other file */
    int64_t retry_ms, note_retry_ms; /* monotonic; not before */
    struct write_job *job;
    struct { /* what the file is when the job succeeds */
        size_t len, lines;
        uint64_t saved_id;
        enum write_how how;
    } next;
    uint64_t next_noted_id;
};

/* ---- the start ---- */

static void set_aside(struct event_file *file, const char *why)
{
    int e = state_file_set_aside(file->dir, EVENT_FILE_NAME);
    file->rewrite = file->spoilt = true;
    if (e != 0) {
        log_warning("store: %s/" EVENT_FILE_NAME " is damaged (%s) and cannot be kept aside: %s",
                    file->trouble->path, why, strerror(-e));
    } else {
        log_warning("store: %s/" EVENT_FILE_NAME
                    " is damaged (%s): kept as " EVENT_FILE_NAME STATE_FILE_DAMAGED,
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
        set_aside(file, strerror(-e));
    } else {
        restore(file, &lines);
        check(file, &lines, len);
        event_lines_finish(&lines);
    }
}

/* An event may be lost with its file, or with a younger file when an old copy was put back; its id is not
 * given to another one. */
static void load_last_id(struct event_file *file)
{
    char *text;
    size_t len;
    uint64_t id = 0, last_id = events_last_id(cache_events(file->cache));
    int e = state_file_read(file->dir, EVENT_ID_FILE_NAME, EVENT_ID_TEXT_MAX, &text, &len);
    if (e == -ENOENT) {
        return;
    }
    if (e == 0) {
        e = event_id_read(text, len, &id);
        free(text);
    }
    if (e != 0) {
        log_warning("store: %s/" EVENT_ID_FILE_NAME " is damaged: to be written anew", file->trouble->path);
    } else if (id > last_id && cache_skip_events(file->cache, id) == 0) {
        log_warning("store: events up to %" PRIu64 " were told, and %s/" EVENT_FILE_NAME " ends with %" PRIu64
                    ": ids go on after the former",
                    id, file->trouble->path, last_id);
        file->saved_id = id;
    }
    file->noted_id = id;
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
    load_last_id(file);
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

/* The events after `id`, oldest first. */
static size_t collect(const struct events *events, uint64_t id, const struct event *list[EVENTS_MAX])
{
    size_t count = 0;
    for (const struct event *event = events_after(events, id); event;
         event = events_after(events, event->id)) {
        list[count++] = event;
    }
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

static void failed(struct event_file *file, const char *name, int error)
{
    struct now now = clock_now();
    trouble_failed(file->trouble, name, error, now.mono_ms);
    if (strcmp(name, EVENT_FILE_NAME) == 0) {
        file->retry_ms = now.mono_ms + RETRY_MS;
    } else {
        file->note_retry_ms = now.mono_ms + RETRY_MS;
    }
}

static bool has_news(const struct event_file *file)
{
    return events_last_id(cache_events(file->cache)) != file->saved_id;
}

/* Has the last id still to be noted in the other file? */
static bool has_id(const struct event_file *file)
{
    return file->saved_id != file->noted_id;
}

/* After a write: goes on with what has come meanwhile. */
static void go_on(struct event_file *file)
{
    event_file_save(file, clock_now());
    if (event_file_is_idle(file) && !has_news(file) && !has_id(file)) {
        trouble_over(file->trouble, EVENT_FILE_NAME);
    }
}

static void on_written(void *user, int result)
{
    struct event_file *file = user;
    file->job = NULL;
    if (result == 0) {
        file->len = file->next.len;
        file->lines = file->next.lines;
        file->saved_id = file->next.saved_id;
        file->rewrite = file->spoilt = false;
    } else if (file->next.how == WRITE_APPEND && result != -ENOSPC && result != -EDQUOT) {
        file->rewrite = true; /* somebody removed or changed it, or it can't be trusted any more */
    }
    if (result != 0 && !(file->next.how == WRITE_APPEND && (result == -ESTALE || result == -ENOENT))) {
        failed(file, EVENT_FILE_NAME, result);
    }
    go_on(file);
}

static void on_noted(void *user, int result)
{
    struct event_file *file = user;
    file->job = NULL;
    if (result == 0) {
        file->noted_id = file->next_noted_id;
    } else {
        failed(file, EVENT_ID_FILE_NAME, result);
    }
    go_on(file);
}

static void start_job(struct event_file *file, const char *name, enum write_how how, struct buf *out,
                      write_done_fn *done)
{
    size_t len;
    char *data = buf_take(out, &len);
    if (!data) {
        buf_finish(out);
        failed(file, name, -ENOMEM);
        return;
    }
    file->job = write_job_start(file->loop, file->dir, name, how, file->len, data, len, done, file);
    if (!file->job) {
        failed(file, name, -errno);
    }
}

void event_file_save(struct event_file *file, struct now now)
{
    /* Without a file there is nothing to do before the first event. */
    bool repair = file->rewrite && (file->spoilt || events_last_id(cache_events(file->cache)) > 0);
    struct buf out = BUF_INIT;
    if (file->job) {
        return;
    }
    if ((has_news(file) || repair) && now.mono_ms >= file->retry_ms) {
        render(file, &out);
        start_job(file, EVENT_FILE_NAME, file->next.how, &out, on_written);
    } else if (has_id(file) && now.mono_ms >= file->note_retry_ms) {
        file->next_noted_id = file->saved_id;
        event_id_write(&out, file->saved_id);
        start_job(file, EVENT_ID_FILE_NAME, WRITE_REPLACE, &out, on_noted);
    }
}

bool event_file_is_idle(const struct event_file *file)
{
    int64_t now_ms = clock_now().mono_ms;
    return !file->job && (!has_news(file) || file->retry_ms > now_ms) &&
           (!has_id(file) || file->note_retry_ms > now_ms);
}

size_t event_file_bytes(const struct event_file *file)
{
    return file->len;
}
