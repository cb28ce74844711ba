#include "system_source.h"

#include "json.h"
#include "report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define TEMP "/sys/class/thermal/thermal_zone0/temp"
#define FREQ "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"

static char root[64];
static struct buf out;

static int set_up(void **state)
{
    (void)state;
    strcpy(root, "/tmp/system_source.XXXXXX");
    out = BUF_INIT;
    setenv("TZ", "UTC0", 1);
    return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    buf_finish(&out);
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

static void put(const char *path, const char *text)
{
    char name[256];
    snprintf(name, sizeof name, "%s%s", root, path);
    for (char *slash = strchr(name + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(name, 0755);
        *slash = '/';
    }
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void put_meminfo(const char *text)
{
    put("/proc/meminfo", text);
}

/* The digits of a reading's value. */
static const char *value_of(const char *full_id)
{
    static char text[64];
    buf_reset(&out);
    struct timespec wall = {.tv_sec = 1795420601, .tv_nsec = 898887123};
    assert_int_equal(system_readings(root, wall, &out), 0);
    struct json_error error;
    assert_true(json_check(out.data, out.len, JSON_MAX_DEPTH, &error));
    struct json_slice body = json_root(out.data, out.len);
    assert_true(report_body_usable(REPORT_READINGS, body));
    struct json_iter it = json_iter(json_member(body, "readings"));
    while (json_next(&it)) {
        if (json_string_is(json_member(it.value, "full_id"), full_id)) {
            struct json_slice value = json_member(it.value, "value");
            snprintf(text, sizeof text, "%.*s", (int)value.len, value.data);
            return text;
        }
    }
    fail_msg("no %s", full_id);
    return NULL;
}

static void values_are_read_and_scaled(void **state)
{
    (void)state;
    put(TEMP, "48312\n");
    put(FREQ, "1800000\n");
    put_meminfo(
        "MemTotal:        3884392 kB\nMemFree:  1 kB\nMemAvailable:    3012345 kB\nSwapTotal: 0 kB\n");
    put("/proc/loadavg", "0.52 0.58 0.59 1/389 12345\n");
    assert_string_equal(value_of("system:cpu_temp"), "48.312");
    assert_string_equal(value_of("system:cpu_freq"), "1800.0");
    assert_string_equal(value_of("system:mem_percent"), "22.5");
    assert_string_equal(value_of("system:mem_available_mb"), "2941");
    assert_string_equal(value_of("system:load_avg"), "0.52");
}

static void what_the_machine_lacks_is_zero(void **state)
{
    (void)state;
    assert_string_equal(value_of("system:cpu_temp"), "0.0");
    assert_string_equal(value_of("system:cpu_freq"), "0.0");
    assert_string_equal(value_of("system:mem_percent"), "0.0");
    assert_string_equal(value_of("system:mem_available_mb"), "0");
    assert_string_equal(value_of("system:load_avg"), "0.0");
}

static void nonsense_is_zero(void **state)
{
    (void)state;
    put(TEMP, "hot\n");
    put(FREQ, "1800000 Hz\n");
    put_meminfo("MemTotal: 0 kB\nMemAvailable: none\n");
    put("/proc/loadavg", "nan nan nan");
    what_the_machine_lacks_is_zero(state);
    put_meminfo("MemTotalish: 5 kB\nMemAvailable:");
    what_the_machine_lacks_is_zero(state);
    put("/proc/loadavg", "1e999");
    assert_string_equal(value_of("system:load_avg"), "0.0");
    put(TEMP, "-5000\n"); /* a cold place is not nonsense */
    assert_string_equal(value_of("system:cpu_temp"), "-5.0");
}

static void readings_look_like_smollamas(void **state)
{
    (void)state;
    static const char expected[] =
        "{\"timestamp\":\"2026-11-23T07:56:41.898887\",\"readings\":[{\"full_id\":\"system:cpu_temp\","
        "\"value\":0.0,"
        "\"unit\":\"celsius\",\"timestamp\":\"2026-11-23T07:56:41.898887\",\"metadata\":null},";
    value_of("system:load_avg");
    assert_true(out.len > strlen(expected));
    assert_memory_equal(out.data, expected, strlen(expected));
}

static void times_are_local(void **state)
{
    (void)state;
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    value_of("system:load_avg");
    assert_memory_equal(out.data, "{\"timestamp\":\"2026-11-23T08:56:41.898887\"", 41);
    assert_int_equal(system_utc_offset_s(1795420601), 3600);
    assert_int_equal(system_utc_offset_s(1782900000), 7200); /* July */
    setenv("TZ", "IST-5:30", 1);                             /* a changed zone needs no restart */
    assert_int_equal(system_utc_offset_s(1795420601), 19800);
}

static void stats_name_the_node_and_escape_it(void **state)
{
    (void)state;
    struct timespec wall = {.tv_sec = 1795420601, .tv_nsec = 5000};
    static const char expected[] =
        "{\"node_name\":\"a \\\"b\\\"\",\"timestamp\":\"2026-11-23T07:56:41.000005\","
        "\"source_types\":[\"system\"],\"source_count\":5}";
    assert_int_equal(system_stats("a \"b\"", wall, &out), 0);
    assert_int_equal(out.len, strlen(expected));
    assert_memory_equal(out.data, expected, out.len);
}

static void uptime_is_whole_seconds(void **state)
{
    (void)state;
    assert_int_equal(system_uptime_s(root), 0);
    put("/proc/uptime", "350735.47 234388.90\n");
    assert_int_equal(system_uptime_s(root), 350735);
    put("/proc/uptime", "-1");
    assert_int_equal(system_uptime_s(root), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_are_read_and_scaled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_machine_lacks_is_zero, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nonsense_is_zero, set_up, tear_down),
        cmocka_unit_test_setup_teardown(readings_look_like_smollamas, set_up, tear_down),
        cmocka_unit_test_setup_teardown(times_are_local, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stats_name_the_node_and_escape_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(uptime_is_whole_seconds, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
