#include "log.h"

#include "clock.h"
#include "timestamp.h"
#include "utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES    2048
#define LIMIT_INTERVAL_MS 60000
#define ELLIPSIS          "…"
#define ELLIPSIS_LEN      (sizeof ELLIPSIS - 1)

/* Atomic because workers may log; the only mutable global of common/. */
static _Atomic int max_level = LOG_LEVEL_INFO;

static const char *const level_names[] = {
    [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARNING] = "warning",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
};

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&max_level, (int)level, memory_order_relaxed);
}

/* One write(2) per line. A short write (full pipe, signal) is finished; any other error leaves nobody to
 * tell. */
static void write_line(const char *line, size_t len)
{
    while (len > 0) {
        ssize_t n = write(STDERR_FILENO, line, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return;
        }
        line += n;
        len -= (size_t)n;
    }
}

/* The line up to its end; its length. */
static size_t compose(char line[LINE_MAX_BYTES], enum log_level level, const char *format, va_list arguments)
{
    char time_text[TIMESTAMP_SIZE];
    int error = errno; /* for %m */
    timestamp_format(clock_now().wall_ms, time_text);
    size_t head = (size_t)snprintf(line, LINE_MAX_BYTES, "%s %s ", time_text, level_names[level]);
    size_t room = LINE_MAX_BYTES - head - ELLIPSIS_LEN - 1; /* leaves room for … and the line's end */
    errno = error;
    /* clang-tidy 14 says so only when it checks several files in one run.
     * NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    int wanted = vsnprintf(line + head, room + 2, format, arguments);
    if (wanted < 0) {
        return head;
    }
    size_t len = head + (size_t)wanted;
    if ((size_t)wanted > room) {
        len = head + utf8_cut(line + head, room + 1, room);
        memcpy(line + len, ELLIPSIS, ELLIPSIS_LEN);
        len += ELLIPSIS_LEN;
    }
    /* The last guard of "one line per event": texts of libraries may bring a line end of their own. */
    for (size_t i = head; i < len; i++) {
        if (line[i] == '\n' || line[i] == '\r') {
            line[i] = ' ';
        }
    }
    return len;
}

void log_write(enum log_level level, const char *format, ...)
{
    if ((int)level > atomic_load_explicit(&max_level, memory_order_relaxed)) {
        return;
    }
    int saved_errno = errno;
    char line[LINE_MAX_BYTES];
    va_list arguments;
    va_start(arguments, format);
    size_t len = compose(line, level, format, arguments);
    va_end(arguments);
    line[len++] = '\n';
    write_line(line, len);
    errno = saved_errno;
}

const char *log_escape(char *buffer, size_t size, const char *text, size_t len)
{
    return utf8_escape(buffer, size, text, len);
}

bool log_limit_pass(struct log_limit *limit, int64_t mono_ms, uint64_t *ret_suppressed)
{
    if (mono_ms < limit->next_mono_ms) {
        limit->suppressed++;
        return false;
    }
    *ret_suppressed = limit->suppressed;
    limit->suppressed = 0;
    limit->next_mono_ms = mono_ms + LIMIT_INTERVAL_MS;
    return true;
}
