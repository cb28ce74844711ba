/* The word that an agent is given, and as what it carries, with a right checksum. What is taken is the same
 * when a word was made of it again, and the layer of configuration that is written of it says what the word
 * said. */
#include "conf.h"
#include "conf_check.h"
#include "enrol_files.h"
#include "enrolment.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static char *no_environment(const char *name)
{
    (void)name;
    return NULL;
}

/* ---- what comes of a word ---- */

static void check_layer(const struct enrolment *enrolment, const char *host)
{
    static const struct enrol_files files = {
        .layer = "/etc/a/config.enrolled.yaml", .password = "/etc/a/password", .ca = "/etc/a/ca.crt"};
    struct buf out = BUF_INIT;
    enrol_files_write_layer(&files, enrolment, host, &out);
    struct conf *conf = conf_load_text("config.enrolled.yaml", buf_terminate(&out), no_environment);
    require(conf && !conf_has_errors(conf));
    require(strcmp(conf_string(conf, "node.name"), enrolment->node) == 0);
    require(strcmp(conf_string(conf, "mqtt.username"), enrolment->node) == 0);
    require(strcmp(conf_string(conf, "mqtt.broker"), host) == 0);
    require(strcmp(conf_string(conf, "mqtt.base_topic"), enrolment->base_topic) == 0);
    require(strcmp(conf_string(conf, "mqtt.password_file"), files.password) == 0);
    require(conf_int(conf, "mqtt.port") == enrolment->port);
    require((enrolment->tls == ENROLMENT_PLAIN) == !conf_string(conf, "mqtt.tls.ca"));
    conf_destroy(conf);
    buf_finish(&out);
}

static void check_word(const char *word)
{
    static struct enrolment enrolment, again;
    const char *why = NULL;
    struct buf out = BUF_INIT, twice = BUF_INIT;
    if (enrolment_decode(word, &enrolment, &why) != 0) {
        require(why != NULL);
        return;
    }
    require(enrolment_encode(&enrolment, &out) == 0 && buf_terminate(&out));
    require(enrolment_decode(out.data, &again, &why) == 0);
    require(enrolment_encode(&again, &twice) == 0 && buf_terminate(&twice));
    require(strcmp(out.data, twice.data) == 0);
    buf_finish(&twice);
    for (size_t i = 0; i < enrolment.host_count; i++) {
        if (!conf_check_host(enrolment.hosts[i])) {
            check_layer(&enrolment, enrolment.hosts[i]);
        }
    }
    buf_reset(&out);
    enrolment_write_ca(&enrolment, &out);
    require(!out.failed);
    buf_finish(&out);
}

/* ---- a word around what came ---- */

static uint32_t checksum(const uint8_t *data, size_t len)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xedb88320) : 0);
        }
    }
    return ~crc;
}

static void check_inside(const uint8_t *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    struct buf raw = BUF_INIT, word = BUF_INIT;
    uint32_t crc = checksum(data, size);
    unsigned bits = 0, count = 0;
    buf_append(&raw, data, size);
    for (int i = 0; i < 4; i++) {
        buf_char(&raw, (char)(crc >> 8 * i & 0xff));
    }
    buf_str(&word, ENROLMENT_PREFIX);
    for (size_t i = 0; i < raw.len; i++) {
        bits = bits << 8 | (unsigned char)raw.data[i];
        for (count += 8; count >= 6; count -= 6) {
            buf_char(&word, digits[bits >> (count - 6) & 63]);
        }
    }
    if (count > 0) {
        buf_char(&word, digits[bits << (6 - count) & 63]);
    }
    check_word(buf_terminate(&word));
    buf_finish(&raw);
    buf_finish(&word);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    check_word(text);
    check_inside(data, size);
    free(text);
    return 0;
}
