#include "system_source.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX 8192 /* bytes read of one file; what is wanted stands in the first lines */

/* The file's beginning, NUL-terminated; "" if it cannot be read. */
static const char *slurp(const char *root, const char *path, char buffer[FILE_MAX])
{
    char name[4096];
    buffer[0] = '\0';
    int n = snprintf(name, sizeof name, "%s%s", root, path);
    if (n < 0 || (size_t)n >= sizeof name) {
        return buffer;
    }
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return buffer;
    }
    ssize_t len = read(fd, buffer, FILE_MAX - 1);
    buffer[len > 0 ? len : 0] = '\0';
    close(fd);
    return buffer;
}

/* A whole number in thousandths, as the kernel gives millidegrees and kHz. */
static double read_thousandths(const char *root, const char *path)
{
    char text[FILE_MAX], *end;
    slurp(root, path, text);
    long value = strtol(text, &end, 10);
    return end == text || (*end && *end != '\n') ? 0.0 : (double)value / 1000.0;
}

/* The kB of a line of /proc/meminfo. */
static bool meminfo_kb(const char *text, const char *key, double *ret_kb)
{
    size_t key_len = strlen(key);
    for (const char *line = text; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
        char *end;
        if (strncmp(line, key, key_len) == 0 && line[key_len] == ':') {
            double kb = strtod(line + key_len + 1, &end);
            if (end == line + key_len + 1 || !(kb >= 0)) {
                return false;
            }
            *ret_kb = kb;
            return true;
        }
    }
    return false;
}

static void read_memory(const char *root, double *ret_percent, int64_t *ret_available_mb)
{
    char text[FILE_MAX];
    double total = 0, available = 0;
    slurp(root, "/proc/meminfo", text);
    *ret_percent = 0.0;
    *ret_available_mb = 0;
    if (!meminfo_kb(text, "MemAvailable", &available)) {
        return;
    }
    *ret_available_mb = (int64_t)(available / 1024);
    if (meminfo_kb(text, "MemTotal", &total) && total > 0) {
        *ret_percent = round((1 - available / total) * 1000) / 10;
    }
}

static double read_load(const char *root)
{
    char text[FILE_MAX];
    double load = strtod(slurp(root, "/proc/loadavg", text), NULL);
    return isfinite(load) ? load : 0.0;
}

/* Naive local time with six digits, as Python writes it. */
static void write_time(struct buf *out, struct timespec wall)
{
    struct tm local;
    char text[32] = "";
    tzset();
    if (localtime_r(&wall.tv_sec, &local)) {
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &local);
    }
    buf_printf(out, "\"%s.%06ld\"", text, wall.tv_nsec / 1000);
}

/* A float stays recognisable as one: 45.0, not 45. */
static void write_float(struct buf *out, double value)
{
    size_t start = out->len;
    buf_json_double(out, value);
    if (!out->failed && !memchr(out->data + start, '.', out->len - start) &&
        !memchr(out->data + start, 'e', out->len - start)) {
        buf_str(out, ".0");
    }
}

static void open_reading(struct buf *out, const char *id)
{
    buf_json_sep(out);
    buf_printf(out, "{\"full_id\":\"system:%s\",\"value\":", id);
}

static void close_reading(struct buf *out, const char *unit, struct timespec wall)
{
    buf_printf(out, ",\"unit\":\"%s\",\"timestamp\":", unit);
    write_time(out, wall);
    buf_str(out, ",\"metadata\":null}");
}

static void float_reading(struct buf *out, const char *id, double value, const char *unit,
                          struct timespec wall)
{
    open_reading(out, id);
    write_float(out, value);
    close_reading(out, unit, wall);
}

int system_readings(const char *root, struct timespec wall, struct buf *out)
{
    double mem_percent;
    int64_t mem_available_mb;
    read_memory(root, &mem_percent, &mem_available_mb);
    buf_str(out, "{\"timestamp\":");
    write_time(out, wall);
    buf_str(out, ",\"readings\":[");
    float_reading(out, "cpu_temp", read_thousandths(root, "/sys/class/thermal/thermal_zone0/temp"), "celsius",
                  wall);
    float_reading(out, "cpu_freq",
                  read_thousandths(root, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"), "mhz",
                  wall);
    float_reading(out, "mem_percent", mem_percent, "percent", wall);
    open_reading(out, "mem_available_mb");
    buf_json_int(out, mem_available_mb);
    close_reading(out, "mb", wall);
    float_reading(out, "load_avg", read_load(root), "load", wall);
    buf_str(out, "]}");
    return out->failed ? -ENOMEM : 0;
}

int system_stats(const char *node_name, struct timespec wall, struct buf *out)
{
    buf_str(out, "{\"node_name\":");
    buf_json_cstr(out, node_name);
    buf_str(out, ",\"timestamp\":");
    write_time(out, wall);
    buf_str(out, ",\"source_types\":[\"system\"],\"source_count\":5}");
    return out->failed ? -ENOMEM : 0;
}

void system_fetch(const char *node_name, enum report_kind kind,
                  void (*answered)(void *user, const struct answer *answer), void *user)
{
    struct timespec wall;
    struct buf body = BUF_INIT;
    clock_gettime(CLOCK_REALTIME, &wall);
    int e = kind == REPORT_STATS ? system_stats(node_name, wall, &body) : system_readings("", wall, &body);
    struct answer answer = {
        .end = ANSWER_COMPLETE, .connected = true, .status = 200, .body = body.data, .len = body.len};
    if (e) {
        answer = (struct answer){.end = ANSWER_BROKEN, .body = ""};
    }
    answered(user, &answer);
    buf_finish(&body);
}

uint64_t system_uptime_s(const char *root)
{
    char text[FILE_MAX];
    double uptime = strtod(slurp(root, "/proc/uptime", text), NULL);
    return uptime > 0 && uptime < 1e12 ? (uint64_t)uptime : 0;
}

int32_t system_utc_offset_s(time_t wall_s)
{
    struct tm local;
    tzset();
    return localtime_r(&wall_s, &local) ? (int32_t)local.tm_gmtoff : 0;
}
