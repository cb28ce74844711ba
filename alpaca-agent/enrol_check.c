#include "enrol_check.h"

#include "mqtt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRY_MS     5000
#define GOODBYE_MS 500

struct check {
    struct loop *loop;
    struct mqtt *mqtt;
    bool in;
    char reason[200];
};

static void on_stopped(void *user)
{
    const struct check *check = user;
    loop_stop(check->loop);
}

static void on_connected(void *user)
{
    struct check *check = user;
    check->in = true;
    mqtt_stop(check->mqtt, GOODBYE_MS, on_stopped);
}

/* The first reason is the one: later attempts only fall back to older protocols. */
static void on_disconnected(void *user, bool was_up, const char *reason, uint32_t next_try_ms)
{
    struct check *check = user;
    (void)was_up;
    (void)next_try_ms;
    snprintf(check->reason, sizeof check->reason, "%s", reason);
    loop_stop(check->loop);
}

static void on_deadline(void *user)
{
    struct check *check = user;
    snprintf(check->reason, sizeof check->reason, "no answer within %d s", TRY_MS / 1000);
    loop_stop(check->loop);
}

static void try_host(struct check *check, const struct enrolment *enrolment, const char *host, const char *ca)
{
    char client_id[NODE_NAME_MAX + 16];
    const char *error = "out of memory";
    snprintf(client_id, sizeof client_id, "alpaca-%s-enrol", enrolment->node);
    const struct mqtt_options options = {
        .host = host,
        .port = enrolment->port,
        .client_id = client_id,
        .username = enrolment->node,
        .password = enrolment->password,
        .tls_ca = ca,
        .keepalive_s = 30,
        .connack_timeout_ms = TRY_MS,
    };
    const struct mqtt_callbacks callbacks = {.connected = on_connected, .disconnected = on_disconnected};
    struct loop_timer *deadline = loop_timer_create(check->loop, on_deadline, check);
    check->mqtt = deadline ? mqtt_create(check->loop, &options, &callbacks, check, &error) : NULL;
    if (check->mqtt) {
        loop_timer_start(deadline, TRY_MS + GOODBYE_MS, 0);
        mqtt_start(check->mqtt);
        loop_run(check->loop);
        (void)mqtt_destroy(check->mqtt); /* one that hangs in a look-up is left to the end of the program */
    } else {
        snprintf(check->reason, sizeof check->reason, "%s", error);
    }
    loop_timer_destroy(deadline);
    check->mqtt = NULL;
}

/* The authority in a file of its own, which libmosquitto wants. 0 or -errno. */
static int write_ca(const struct enrolment *enrolment, char path[32])
{
    struct buf pem = BUF_INIT;
    snprintf(path, 32, "/tmp/alpaca-enrol.XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0) {
        return -errno;
    }
    enrolment_write_ca(enrolment, &pem);
    bool written = !pem.failed && write(fd, pem.data, pem.len) == (ssize_t)pem.len;
    buf_finish(&pem);
    if (close(fd) != 0 || !written) {
        unlink(path);
        return -EIO;
    }
    return 0;
}

int enrol_check(const struct enrolment *enrolment, size_t *ret_host, char text[ENROL_CHECK_TEXT],
                bool *ret_hung)
{
    char file[32] = "";
    struct check check = {.loop = loop_create()};
    int e = !check.loop ? -errno : enrolment->tls == ENROLMENT_CA ? write_ca(enrolment, file) : 0;
    const char *ca = file[0] ? file : enrolment->tls == ENROLMENT_PUBLIC ? ENROL_PUBLIC_CA : NULL;
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; e == 0 && !check.in && i < enrolment->host_count; i++) {
        const char *host = enrolment->hosts[i];
        try_host(&check, enrolment, host, ca);
        *ret_host = i;
        int n = check.in ? 0 : snprintf(text + len, ENROL_CHECK_TEXT - len, "%s: %s\n", host, check.reason);
        len += n > 0 ? (size_t)n : 0;
    }
    if (file[0]) {
        unlink(file);
    }
    *ret_hung = check.loop && loop_work_pending(check.loop) > 0;
    if (!*ret_hung) {
        loop_destroy(check.loop);
    }
    return e ? e : check.in ? 0 : -ECONNREFUSED;
}
