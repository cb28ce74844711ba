/* The broker's own certificate: made at the start, looked after daily. */
#include "app_internal.h"
#include "authority.h"
#include "log.h"
#include "secret_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define LOOK_MS INT64_C(86400000)
#define BUSY_MS 60000 /* another process, `llamad certs` say, is at it: soon again */

/* An error leaves in force what is there: no reason to end a running cluster, but one to say so daily. */
static int look_after(struct app *app, unsigned wait_ms)
{
    char error[AUTHORITY_ERROR_SIZE] = "";
    bool made = false;
    struct authority_names *names = calloc(1, sizeof *names);
    if (!names) {
        log_error("llamad: out of memory");
        return -ENOMEM;
    }
    authority_names_of_machine(names);
    authority_names_add(names, app->config.broker.tls_listen); /* 0.0.0.0 and :: do no harm */
    int e = authority_keep(app->certs.folder, names, clock_now().wall_ms / 1000, wait_ms, &made, error);
    free(names);
    if (e != 0) {
        log_error("llamad: the broker's certificate: %s", error);
    } else if (made) {
        log_info("llamad: made a certificate for the broker: %s", app->certs.cert);
    }
    return e;
}

static void on_day(void *user)
{
    struct app *app = user;
    if (look_after(app, 0) == -EBUSY) { /* the broker takes what is new by itself */
        loop_timer_start(app->certs.timer, BUSY_MS, LOOK_MS);
    }
}

int app_certs_start(struct app *app)
{
    if (!app->config.broker.run || !app->config.broker.tls_listen || app->config.broker.tls_cert) {
        return 0;
    }
    if (asprintf(&app->certs.folder, "%s/certs", app->state_dir) < 0 ||
        asprintf(&app->certs.cert, "%s/server.crt", app->certs.folder) < 0 ||
        asprintf(&app->certs.key, "%s/server.key", app->certs.folder) < 0 ||
        !(app->certs.timer = loop_timer_create(app->loop, on_day, app))) {
        log_error("llamad: out of memory");
        return -ENOMEM;
    }
    app->config.broker.tls_cert = app->certs.cert;
    app->config.broker.tls_key = app->certs.key;
    int e = look_after(app, SECRET_LOCK_MS);
    loop_timer_start(app->certs.timer, LOOK_MS, LOOK_MS);
    return e;
}

void app_certs_finish(struct app *app)
{
    loop_timer_destroy(app->certs.timer);
    free(app->certs.folder);
    free(app->certs.cert);
    free(app->certs.key);
}
