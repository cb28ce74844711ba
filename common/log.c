#include "log.h"

#include "buf.h"
#include "clock.h"
#include "timestamp.h"
#include "utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MAX_BYTES    2048                       /* what is said; JSON's escapes and frame come on top */
#define JSON_LINE_MAX     (LINE_MAX_BYTES * 6 + 256) /* each byte as \u00XX, and the frame */
#define LIMIT_INTERVAL_MS 60000
#define ELLIPSIS          "…"
#define ELLIPSIS_LEN      (sizeof ELLIPSIS - 1)
#define JOURNAL_DEBUG     7 /* of syslog(3), as the journal has it */

/* How this process logs. Atomic because workers may log; the only mutable globals of common/. */
static _Atomic int max_level = LOG_LEVEL_INFO;
static _Atomic int line_format = LOG_FORMAT_TEXT;
static _Atomic bool to_journal;
_Atomic unsigned log_topics_on;

static const struct {
    const char *name;
    int priority; /* of syslog(3) */
} levels[] = {
    [LOG_LEVEL_ERROR] = {"error", 3},
    [LOG_LEVEL_WARNING] = {"warning", 4},
    [LOG_LEVEL_INFO] = {"info", 6},
};

static const char *const topic_names[LOG_TOPIC_COUNT] = {
    [LOG_MQTT] = "mqtt", [LOG_HTTP] = "http", [LOG_LIVE] = "live",
    [LOG_POLL] = "poll", [LOG_MDNS] = "mdns", [LOG_BROKER] = "broker",
};

/* --- settings --- */

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&max_level, (int)level, memory_order_relaxed);
}

void log_set_format(enum log_format format)
{
    atomic_store_explicit(&line_format, (int)format, memory_order_relaxed);
}

void log_set_journal(bool journal)
{
    atomic_store_explicit(&to_journal, journal, memory_order_relaxed);
}

void log_set_topics(unsigned topics)
{
    atomic_store_explicit(&log_topics_on, topics, memory_order_relaxed);
}

/* systemd sets JOURNAL_STREAM to "device:inode" of the stream that it gave; a redirection since then is
 * another one. */
bool log_stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat stat;
    char expected[64];
    if (!stream || fstat(STDERR_FILENO, &stat) != 0) {
        return false;
    }
    snprintf(expected, sizeof expected, "%ju:%ju", (uintmax_t)stat.st_dev, (uintmax_t)stat.st_ino);
    return strcmp(stream, expected) == 0;
}

/* --- topics --- */

const char *log_topic_name(enum log_topic topic)
{
    return topic_names[topic];
}

const char *log_topics_list(unsigned topics, char *buffer, size_t size)
{
    size_t used = 0;
    buffer[0] = '\0';
    for (unsigned i = 0; i < LOG_TOPIC_COUNT && used < size; i++) {
        if (topics & LOG_TOPIC_BIT(i)) {
            used += (size_t)snprintf(buffer + used, size - used, "%s%s", used ? ", " : "", topic_names[i]);
        }
    }
    return buffer;
}

unsigned log_topic_find(const char *name, size_t len, unsigned known)
{
    if (len == 3 && memcmp(name, "all", 3) == 0) {
        return known;
    }
    for (unsigned i = 0; i < LOG_TOPIC_COUNT; i++) {
        if (known & LOG_TOPIC_BIT(i) && strlen(topic_names[i]) == len &&
            memcmp(topic_names[i], name, len) == 0) {
            return LOG_TOPIC_BIT(i);
        }
    }
    return 0;
}

/* --- lines --- */

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

/* One event; `topic` is NULL unless it is a debug line. */
struct event {
    char time[TIMESTAMP_SIZE];
    const char *level;
    int priority;
    const char *topic;
};

/* What is said, as one line, cut with … where it does not fit in LINE_MAX_BYTES behind `head` bytes. Its
 * length, without a NUL. */
static size_t compose_text(char *text, size_t head, const char *format, va_list arguments)
{
    size_t room = LINE_MAX_BYTES - head - ELLIPSIS_LEN - 1; /* leaves room for … and the line's end */
    /* clang-tidy 14 says so only when it checks several files in one run.
     * NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    int wanted = vsnprintf(text, room + 2, format, arguments);
    if (wanted < 0) {
        return 0;
    }
    size_t len = (size_t)wanted;
    if (len > room) {
        len = utf8_cut(text, room + 1, room);
        memcpy(text + len, ELLIPSIS, ELLIPSIS_LEN);
        len += ELLIPSIS_LEN;
    }
    /* The last guard of "one line per event": texts of libraries may bring a line end of their own. */
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\n' || text[i] == '\r') {
            text[i] = ' ';
        }
    }
    return len;
}

/* What stands before the text in a line that is none of JSON; its length. */
static size_t compose_head(char *line, const struct event *event, bool journal)
{
    int len = journal ? snprintf(line, LINE_MAX_BYTES, "<%d>", event->priority)
                      : snprintf(line, LINE_MAX_BYTES, "%s %s ", event->time, event->level);
    if (event->topic) {
        len += snprintf(line + len, LINE_MAX_BYTES - (size_t)len, "%s: ", event->topic);
    }
    return (size_t)len;
}

static void write_json(const struct event *event, bool journal, const char *text, size_t len)
{
    char memory[JSON_LINE_MAX];
    struct buf line = {.data = memory, .cap = sizeof memory, .limit = sizeof memory - 1}; /* never grows */
    if (journal) {
        buf_printf(&line, "<%d>", event->priority);
    }
    buf_printf(&line, "{\"time\":\"%s\",\"level\":\"%s\"", event->time, event->level);
    if (event->topic) {
        buf_printf(&line, ",\"topic\":\"%s\"", event->topic);
    }
    buf_str(&line, ",\"message\":");
    buf_json_string(&line, text, len);
    buf_str(&line, "}\n");
    if (!line.failed) {
        write_line(line.data, line.len);
    }
}

static void write_event(struct event *event, const char *format, va_list arguments)
{
    int error = errno; /* for %m, and the caller's */
    char line[LINE_MAX_BYTES];
    bool journal = atomic_load_explicit(&to_journal, memory_order_relaxed);
    bool json = atomic_load_explicit(&line_format, memory_order_relaxed) == LOG_FORMAT_JSON;
    timestamp_format(clock_now().wall_ms, event->time);
    size_t head = json ? 0 : compose_head(line, event, journal);
    errno = error;
    size_t len = head + compose_text(line + head, head, format, arguments);
    if (json) {
        write_json(event, journal, line, len);
    } else {
        line[len++] = '\n';
        write_line(line, len);
    }
    errno = error;
}

void log_write(enum log_level level, const char *format, ...)
{
    if ((int)level > atomic_load_explicit(&max_level, memory_order_relaxed)) {
        return;
    }
    struct event event = {.level = levels[level].name, .priority = levels[level].priority};
    va_list arguments;
    va_start(arguments, format);
    write_event(&event, format, arguments);
    va_end(arguments);
}

void log_write_debug(enum log_topic topic, const char *format, ...)
{
    struct event event = {.level = "debug", .priority = JOURNAL_DEBUG, .topic = topic_names[topic]};
    va_list arguments;
    va_start(arguments, format);
    write_event(&event, format, arguments);
    va_end(arguments);
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
