/*
 * home_assistant_check: which discovery messages and entities Home Assistant would refuse, and why. Pure.
 * Source: home-assistant/core, components/mqtt (discovery, schemas) and components/sensor, of autumn 2026. Of
 * its platforms it knows sensor and binary_sensor.
 */
#ifndef HOME_ASSISTANT_CHECK_H
#define HOME_ASSISTANT_CHECK_H

#include <stddef.h>

/* `component` is the key of the entity as raw JSON, of key_len bytes; NULL: the whole message is refused.
 * `why` is a static text. */
typedef void ha_complaint_fn(void *user, const char *component, size_t key_len, const char *why);
/* How many complaints there were. */
unsigned ha_check_topic(const char *topic, ha_complaint_fn *complain, void *user);
unsigned ha_check_message(const char *payload, size_t len, ha_complaint_fn *complain, void *user);

#endif
