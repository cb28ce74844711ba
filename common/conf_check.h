/*
 * conf_check: is a value of the configuration what its key needs? Pure.
 *
 * Each returns NULL if so, else a static text that completes "the value …".
 */
#ifndef CONF_CHECK_H
#define CONF_CHECK_H

#include <stdbool.h>
#include <stddef.h>

const char *conf_check_text(const char *value); /* anything that is UTF-8 without control characters */
const char *conf_check_path(const char *value);
const char *conf_check_node_name(const char *value);
const char *conf_check_base_topic(const char *value);
const char *conf_check_topic(const char *value);  /* one to publish under: no wildcards, no empty levels */
const char *conf_check_host(const char *value);   /* a name or an address */
const char *conf_check_listen(const char *value); /* an address, or localhost */
const char *conf_check_url(const char *value);    /* http or https, a host, perhaps a port and a path */
const char *conf_check_announce_url(const char *value); /* auto, none or a URL */
const char *conf_check_network(const char *value);      /* 192.168.0.0/16, fc00::/7, or one address */
const char *conf_check_service_type(const char *value); /* _smollama._tcp */
const char *conf_check_label(const char *value);        /* 1–64 bytes of text */
const char *conf_check_log_topic(const char *value);    /* a debug topic of log.h, or all */

/* "90", "90s", "1.5h", "7d" → seconds. False if it is none of these, or negative. */
bool conf_parse_duration(const char *text, double *ret_seconds);
/* A whole number, with sign. False if there is anything else. */
bool conf_parse_int(const char *text, double *ret_value);
/* true, yes, on, 1 and false, no, off, 0, in any case. */
bool conf_parse_bool(const char *text, bool *ret_value);

#endif
