/*
 * log: one line per event to stderr: time, level, text. Peer text must pass log_escape.
 *
 * Forms of a line:
 *
 * - text: `2026-01-02T03:04:05.678Z warning mqtt: …`
 * - json: `{"time":"2026-01-02T03:04:05.678Z","level":"warning","message":"mqtt: …"}`, debug lines with
 * "topic"
 * - journal: `<4>mqtt: …`, where stderr is the journal, which has a time of its own and takes the level from
 *   the number in front (sd-daemon(3)); with json the number stands in front of the object
 *
 * Written with one write(2) per line, so lines never interleave. What is said in detail belongs to a debug
 * topic; a topic that is off costs one load, and its arguments are not worked out.
 */
#ifndef LOG_H
#define LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO };

void log_set_level(enum log_level level); /* default info; debug topics are apart from it */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define log_error(...)   log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_write(LOG_LEVEL_INFO, __VA_ARGS__)

/* ---- the form ---- */

enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };
void log_set_format(enum log_format format); /* default text */
/* Is stderr the journal (JOURNAL_STREAM names its device and inode)? */
bool log_stderr_is_journal(void);
void log_set_journal(bool journal); /* default false */

/* ---- debug topics ---- */

enum log_topic {
    LOG_MQTT,   /* connections, subscriptions, each message out and in */
    LOG_HTTP,   /* each request: at llamad's server; of the agent to its Smollama */
    LOG_LIVE,   /* WebSocket sessions */
    LOG_POLL,   /* llamad's requests to nodes */
    LOG_MDNS,   /* what the mDNS library says, services found and lost */
    LOG_BROKER, /* what the mosquitto says that llamad runs */
    LOG_TOPIC_COUNT,
};
#define LOG_TOPICS_ALL       ((1u << LOG_TOPIC_COUNT) - 1)
#define LOG_TOPIC_BIT(topic) (1u << (topic))

extern _Atomic unsigned log_topics_on; /* read by log_debugs, written by log_set_topics */
void log_set_topics(unsigned topics);  /* bits; default none */
static inline bool log_debugs(enum log_topic topic)
{
    return (atomic_load_explicit(&log_topics_on, memory_order_relaxed) & LOG_TOPIC_BIT(topic)) != 0;
}
void log_write_debug(enum log_topic topic, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define log_debug(topic, ...)                    \
    do {                                         \
        if (log_debugs(topic)) {                 \
            log_write_debug(topic, __VA_ARGS__); \
        }                                        \
    } while (0)

const char *log_topic_name(enum log_topic topic);
/* "mqtt, http": those of `topics`. Returns `buffer`. */
const char *log_topics_list(unsigned topics, char *buffer, size_t size);
#define LOG_TOPICS_TEXT 64 /* a buffer of this size fits them all */
/* The bits of the first `len` bytes of `name`; of "all" those of `known`; 0 if it is none of `known`. */
unsigned log_topic_find(const char *name, size_t len, unsigned known);

/* ---- helpers ---- */

/*
 * Peer text made safe for a log line: control characters (C0, DEL, C1), bidi and line separators, invalid
 * UTF-8 and backslashes are written as \xNN or \u{…}; cut with … when it does not fit. `size` at least 8.
 * Returns `buffer`, so that it can stand in an argument list.
 */
const char *log_escape(char *buffer, size_t size, const char *text, size_t len);
#define LOG_TEXT 160 /* a buffer of this size fits the peer text of one log line */

/* Once a minute per limiter: true if the caller should log now; *ret_suppressed is how many were swallowed
 * since. */
struct log_limit {
    int64_t next_mono_ms;
    uint64_t suppressed;
};
bool log_limit_pass(struct log_limit *limit, int64_t mono_ms, uint64_t *ret_suppressed);

#endif
