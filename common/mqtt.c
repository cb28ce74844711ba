#include "mqtt.h"

#include "clock.h"
#include "mqtt_internal.h"
#include "utf8.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEFAULT_MIN_BACKOFF_MS     1000
#define DEFAULT_MAX_BACKOFF_MS     30000
#define DEFAULT_CONNACK_TIMEOUT_MS 10000
#define KEEPALIVE_MIN_S            5 /* libmosquitto refuses less */

/* --- life --- */

static void on_after(void *user);
static void on_leave_timeout(void *user);

static char *copy_option(const char *text, bool *failed)
{
    char *copy = text ? strdup(text) : NULL;
    *failed = *failed || (text && !copy);
    return copy;
}

static int copy_options(struct mqtt *mqtt, const struct mqtt_options *options)
{
    bool failed = false;
    mqtt->host = copy_option(options->host, &failed);
    mqtt->client_id = copy_option(options->client_id, &failed);
    mqtt->username = copy_option(options->username, &failed);
    mqtt->password = copy_option(options->password, &failed);
    mqtt->tls_ca = copy_option(options->tls_ca, &failed);
    mqtt->tls_cert = copy_option(options->tls_cert, &failed);
    mqtt->tls_key = copy_option(options->tls_key, &failed);
    mqtt->port = options->port;
    mqtt->connack_timeout_ms =
        options->connack_timeout_ms ? options->connack_timeout_ms : DEFAULT_CONNACK_TIMEOUT_MS;
    mqtt->client_id_is_unique = options->client_id_is_unique;
    mqtt->max_packet = UINT32_MAX;
    uint32_t min_ms = options->min_backoff_ms ? options->min_backoff_ms : DEFAULT_MIN_BACKOFF_MS;
    struct now now = clock_now();
    uint64_t seed = (uint64_t)now.wall_ms * 1000003u + (uint64_t)now.mono_ms * 31u + (uint64_t)getpid();
    backoff_init(&mqtt->backoff, min_ms, min_ms, seed);
    mqtt_set_pace(mqtt, options->keepalive_s, options->max_backoff_ms);
    if (failed) {
        return -ENOMEM;
    }
    return mqtt_set_will(mqtt, options->will_topic, options->will_payload, options->will_len,
                         options->will_expiry_s);
}

/* What can be known to be wrong before the first attempt. */
static const char *options_fault(const struct mqtt_options *options, int *ret_error)
{
    *ret_error = EINVAL;
    if (!options->host || !*options->host) {
        return "no broker is named";
    }
    if (options->port == 0) {
        return "no port is named";
    }
    if (!options->client_id || !*options->client_id) {
        return "no client id is given";
    }
    if ((options->tls_cert == NULL) != (options->tls_key == NULL)) {
        return "a TLS certificate and its key are only of use together";
    }
    if (options->tls_cert && !options->tls_ca) {
        return "a TLS certificate needs the authority's (ca) as well";
    }
    *ret_error = EIO;
    if (options->tls_ca && access(options->tls_ca, R_OK) != 0) {
        return "the TLS authority's file (ca) cannot be read";
    }
    if (options->tls_cert && access(options->tls_cert, R_OK) != 0) {
        return "the TLS certificate's file (cert) cannot be read";
    }
    if (options->tls_key && access(options->tls_key, R_OK) != 0) {
        return "the TLS key's file (key) cannot be read";
    }
    return NULL;
}

struct mqtt *mqtt_create(struct loop *loop, const struct mqtt_options *options,
                         const struct mqtt_callbacks *callbacks, void *user, const char **ret_error)
{
    int error;
    const char *fault = options_fault(options, &error);
    struct mqtt *mqtt = fault ? NULL : calloc(1, sizeof *mqtt);
    if (!mqtt) {
        error = fault ? error : ENOMEM;
        goto fail;
    }
    mosquitto_lib_init();
    mqtt->loop = loop;
    mqtt->callbacks = *callbacks;
    mqtt->user = user;
    error = -copy_options(mqtt, options);
    if (error) {
        fault = error == EINVAL ? "the will's topic is none to publish under" : NULL;
        goto fail;
    }
    mqtt->attempt = (struct mqtt_attempt){
        .owner = mqtt,
        .host = mqtt->host,
        .tls = mqtt->tls_ca,
        .port = mqtt->port,
    };
    error = ENOMEM;
    mqtt->tick = loop_timer_create(loop, mqtt_on_tick, mqtt);
    mqtt->wait = loop_timer_create(loop, mqtt_connect_wait_over, mqtt);
    mqtt->leave = loop_timer_create(loop, on_leave_timeout, mqtt);
    mqtt->after = loop_after_create(loop, on_after, mqtt);
    if (mqtt->tick && mqtt->wait && mqtt->leave && mqtt->after) {
        return mqtt;
    }
fail:
    mqtt_destroy(mqtt);
    if (ret_error) {
        *ret_error = fault ? fault : strerrordesc_np(error);
    }
    errno = error;
    return NULL;
}

void mqtt_free(struct mqtt *mqtt)
{
    mosquitto_destroy(mqtt->handle);
    mqtt_inflight_clear(&mqtt->inflight);
    if (mqtt->password) {
        explicit_bzero(mqtt->password, strlen(mqtt->password));
    }
    free(mqtt->host);
    free(mqtt->client_id);
    free(mqtt->username);
    free(mqtt->password);
    free(mqtt->tls_ca);
    free(mqtt->tls_cert);
    free(mqtt->tls_key);
    free(mqtt->will_topic);
    free(mqtt->will_payload);
    free(mqtt);
    mosquitto_lib_cleanup();
}

bool mqtt_destroy(struct mqtt *mqtt)
{
    if (!mqtt) {
        return true;
    }
    assert(!mqtt->inside);
    loop_io_destroy(mqtt->io);
    loop_timer_destroy(mqtt->tick);
    loop_timer_destroy(mqtt->wait);
    loop_timer_destroy(mqtt->leave);
    loop_after_destroy(mqtt->after);
    mqtt->io = NULL;
    if (mqtt->working) {
        mqtt->abandoned = true; /* should the worker come back, attempt_done frees the rest */
        return false;
    }
    mqtt_free(mqtt);
    return true;
}

void mqtt_start(struct mqtt *mqtt)
{
    if (mqtt->state == MQTT_IDLE) {
        mqtt_connect_begin(mqtt);
    }
}

void mqtt_set_pace(struct mqtt *mqtt, uint16_t keepalive_s, uint32_t max_backoff_ms)
{
    uint32_t min_ms = mqtt->backoff.min_ms, max_ms = max_backoff_ms ? max_backoff_ms : DEFAULT_MAX_BACKOFF_MS;
    mqtt->keepalive_s = keepalive_s < KEEPALIVE_MIN_S ? KEEPALIVE_MIN_S : keepalive_s;
    mqtt->backoff.max_ms = max_ms < min_ms ? min_ms : max_ms;
}

int mqtt_set_will(struct mqtt *mqtt, const char *topic, const void *payload, size_t len, uint32_t expiry_s)
{
    char *topic_copy = NULL;
    void *payload_copy = NULL;
    if (topic) {
        if (!utf8_valid(topic, strlen(topic)) || mosquitto_pub_topic_check(topic) != MOSQ_ERR_SUCCESS ||
            len > UINT16_MAX) {
            return -EINVAL;
        }
        topic_copy = strdup(topic);
        payload_copy = malloc(len ? len : 1);
        if (!topic_copy || !payload_copy) {
            free(topic_copy);
            free(payload_copy);
            return -ENOMEM;
        }
        if (len) {
            memcpy(payload_copy, payload, len);
        }
    }
    free(mqtt->will_topic);
    free(mqtt->will_payload);
    mqtt->will_topic = topic_copy;
    mqtt->will_payload = payload_copy;
    mqtt->will_len = topic ? len : 0;
    mqtt->will_expiry_s = expiry_s;
    return 0;
}

void mqtt_hold_off(struct mqtt *mqtt, uint32_t ms)
{
    int64_t until_ms = clock_now().mono_ms + ms;
    if (until_ms > mqtt->not_before_ms) {
        mqtt->not_before_ms = until_ms;
        mqtt_connect_postpone(mqtt);
    }
}

/* --- asking --- */

bool mqtt_is_up(const struct mqtt *mqtt)
{
    return mqtt->state == MQTT_UP && !mqtt->seen.ended;
}

bool mqtt_is_listening(const struct mqtt *mqtt)
{
    return mqtt_is_up(mqtt) && mqtt->listening;
}

bool mqtt_is_v5(const struct mqtt *mqtt)
{
    return mqtt_is_up(mqtt) && mqtt->v5;
}

uint32_t mqtt_max_packet(const struct mqtt *mqtt)
{
    return mqtt->max_packet;
}

bool mqtt_local_address(const struct mqtt *mqtt, char *buffer, size_t size)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    char text[NI_MAXHOST];
    if (!mqtt_is_up(mqtt) ||
        getsockname(mosquitto_socket(mqtt->handle), (struct sockaddr *)&address, &len) < 0 ||
        getnameinfo((struct sockaddr *)&address, len, text, sizeof text, NULL, 0, NI_NUMERICHOST) != 0) {
        return false;
    }
    const char *shown = strncmp(text, "::ffff:", 7) == 0 && strchr(text, '.') ? text + 7 : text;
    if (strlen(shown) >= size) {
        return false;
    }
    memcpy(buffer, shown, strlen(shown) + 1);
    return true;
}

bool mqtt_is_flushed(const struct mqtt *mqtt)
{
    return !mqtt->stands || (mqtt->inflight.count == 0 && !mosquitto_want_write(mqtt->handle));
}

const struct mqtt_stats *mqtt_stats(const struct mqtt *mqtt)
{
    return &mqtt->stats;
}

/* --- the end --- */

void mqtt_left(struct mqtt *mqtt)
{
    void (*stopped)(void *user) = mqtt->stopped;
    if (!mqtt->working) {
        mqtt_connect_drop(mqtt);
    }
    loop_timer_stop(mqtt->leave);
    mqtt->state = MQTT_IDLE;
    mqtt->stopped = NULL;
    if (stopped) {
        stopped(mqtt->user);
    }
}

static void on_leave_timeout(void *user)
{
    mqtt_left(user);
}

/* Runs outside of all callbacks of libmosquitto and of the owner. */
static void on_after(void *user)
{
    struct mqtt *mqtt = user;
    if (mqtt->stop_pending) {
        mqtt->stop_pending = false;
        if (!mqtt->stands && !mqtt->working) {
            mqtt_left(mqtt);
            return;
        }
    }
    if (mqtt->io) {
        mqtt_on_io(mqtt, mqtt->tls_ca ? LOOP_READ : 0);
    }
}

void mqtt_stop(struct mqtt *mqtt, uint32_t timeout_ms, void (*done)(void *user))
{
    loop_timer_stop(mqtt->wait);
    mqtt->state = MQTT_LEAVING;
    mqtt->stopped = done;
    mqtt->stop_pending = true;
    mqtt->disconnect_sent = false;
    loop_timer_start(mqtt->leave, timeout_ms, 0);
    loop_after_arm(mqtt->after);
}
