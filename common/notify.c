#include "notify.h"

#include "utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define RETRY_MS        100
#define STATUS_GAP_MS   1000
#define STATE_SIZE      64
#define WATCHDOG_MAX_US (24ull * 3600 * 1000000) /* longer ones are fed as if they were this */

struct notify {
    int fd;
    struct sockaddr_un address;
    socklen_t address_len;
    struct loop_timer *watchdog;
    struct loop_timer *later; /* what waits is sent then */
    char state[STATE_SIZE];   /* "" = the manager has it */
    char status[NOTIFY_STATUS_MAX + 1];
    bool status_waits;
    int64_t status_due_ms; /* monotonic; not before */
};

/* --- sending --- */

static bool send_text(const struct notify *notify, const char *text, size_t len)
{
    const struct sockaddr *address = (const struct sockaddr *)&notify->address;
    ssize_t n;
    do {
        n = sendto(notify->fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT, address, notify->address_len);
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)len;
}

/* State and status go in one datagram where both wait; a status that comes too early stays. */
static void flush(struct notify *notify)
{
    char text[STATE_SIZE + NOTIFY_STATUS_MAX + sizeof "STATUS=\n"];
    int64_t now_ms = clock_now().mono_ms;
    bool with_status = notify->status_waits && (notify->state[0] || now_ms >= notify->status_due_ms);
    int len = snprintf(text, sizeof text, "%s%s%s%s", notify->state, with_status ? "STATUS=" : "",
                       with_status ? notify->status : "", with_status ? "\n" : "");
    int64_t wait_ms = notify->status_due_ms - now_ms;
    if (len > 0 && !send_text(notify, text, (size_t)len)) {
        wait_ms = RETRY_MS;
    } else if (len > 0) {
        notify->state[0] = '\0';
        notify->status_waits = notify->status_waits && !with_status;
        notify->status_due_ms = with_status ? now_ms + STATUS_GAP_MS : notify->status_due_ms;
    }
    if (notify->state[0] || notify->status_waits) {
        loop_timer_start(notify->later, wait_ms > 0 ? (uint64_t)wait_ms : 1, 0);
    }
}

static void on_later(void *user)
{
    flush(user);
}

/* One that is lost is made good by the next: the manager waits for two. */
static void on_watchdog(void *user)
{
    static const char text[] = "WATCHDOG=1\n";
    send_text(user, text, sizeof text - 1);
}

/* --- the environment --- */

/* The value, malloc'ed, and the variable is gone; NULL if it was not set. */
static char *take_variable(const char *name)
{
    const char *value = getenv(name);
    char *copy = value && value[0] ? strdup(value) : NULL;
    unsetenv(name);
    return copy;
}

/* "/path" or "@name" in the abstract name space. */
static int set_address(struct notify *notify, const char *name)
{
    size_t len = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof notify->address.sun_path) {
        return -EINVAL;
    }
    notify->address.sun_family = AF_UNIX;
    memcpy(notify->address.sun_path, name, len);
    if (name[0] == '@') {
        notify->address.sun_path[0] = '\0';
    }
    notify->address_len =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (name[0] == '/' ? 1 : 0));
    return 0;
}

/* Half of the time that the manager waits, in ms; 0 = it does not. */
static uint64_t watchdog_interval_ms(void)
{
    char *usec = take_variable("WATCHDOG_USEC"), *pid = take_variable("WATCHDOG_PID"), *end = NULL;
    unsigned long long wanted = usec ? strtoull(usec, &end, 10) : 0;
    bool valid = usec && usec[0] != '-' && *end == '\0' && (!pid || strtol(pid, NULL, 10) == (long)getpid());
    free(usec);
    free(pid);
    if (!valid || wanted == 0) {
        return 0;
    }
    wanted = wanted < WATCHDOG_MAX_US ? wanted : WATCHDOG_MAX_US;
    return wanted / 2000 > 0 ? wanted / 2000 : 1;
}

static int open_channel(struct notify *notify, struct loop *loop, const char *name, uint64_t watchdog_ms)
{
    int e = set_address(notify, name);
    if (e != 0) {
        return e;
    }
    notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (notify->fd < 0) {
        return -errno;
    }
    notify->later = loop_timer_create(loop, on_later, notify);
    notify->watchdog = loop_timer_create(loop, on_watchdog, notify);
    if (!notify->later || !notify->watchdog) {
        return -ENOMEM;
    }
    if (watchdog_ms > 0) {
        loop_timer_start(notify->watchdog, watchdog_ms, watchdog_ms);
    }
    return 0;
}

/* --- interface --- */

int notify_create(struct loop *loop, struct notify **ret_notify)
{
    char *name = take_variable("NOTIFY_SOCKET");
    uint64_t watchdog_ms = watchdog_interval_ms();
    if (!name) {
        *ret_notify = NULL;
        return 0;
    }
    struct notify *notify = calloc(1, sizeof *notify);
    int e = -ENOMEM;
    if (notify) {
        notify->fd = -1;
        e = open_channel(notify, loop, name, watchdog_ms);
    }
    free(name);
    if (e != 0) {
        notify_destroy(notify);
        return e;
    }
    *ret_notify = notify;
    return 0;
}

void notify_destroy(struct notify *notify)
{
    if (!notify) {
        return;
    }
    loop_timer_destroy(notify->watchdog);
    loop_timer_destroy(notify->later);
    if (notify->fd >= 0) {
        close(notify->fd);
    }
    free(notify);
}

void notify_ready(struct notify *notify)
{
    if (notify) {
        snprintf(notify->state, sizeof notify->state, "READY=1\n");
        flush(notify);
    }
}

void notify_reloading(struct notify *notify)
{
    struct timespec now;
    if (notify) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        long long usec = (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
        snprintf(notify->state, sizeof notify->state, "RELOADING=1\nMONOTONIC_USEC=%lld\n", usec);
        flush(notify);
    }
}

void notify_stopping(struct notify *notify)
{
    if (notify) {
        snprintf(notify->state, sizeof notify->state, "STOPPING=1\n");
        flush(notify);
    }
}

void notify_status(struct notify *notify, const char *format, ...)
{
    if (!notify) {
        return;
    }
    char text[2 * NOTIFY_STATUS_MAX];
    va_list arguments;
    va_start(arguments, format);
    int wanted = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    size_t len = wanted < 0 ? 0 : strlen(text);
    len = utf8_cut(text, len, NOTIFY_STATUS_MAX);
    text[len] = '\0';
    for (char *c = text; *c; c++) {
        if ((unsigned char)*c < ' ') {
            *c = ' '; /* a line of its own would be another message */
        }
    }
    if (strcmp(text, notify->status) != 0) {
        memcpy(notify->status, text, len + 1);
        notify->status_waits = true;
        flush(notify);
    }
}
