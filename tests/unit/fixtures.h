/*
 * fixtures: the recorded bytes of real Smollama nodes, for unit tests. Everything asserts; free() what is
 * returned.
 */
#ifndef FIXTURES_H
#define FIXTURES_H

#include "json.h"

#include <stddef.h>

/* The file at `path` below tests/fixtures, whole; a NUL stands behind the last byte. */
char *fixture_read(const char *path, size_t *ret_len);

/* Calls `visit` for each recorded HTTP body that is JSON (smollama/<node>/<name>.json). Returns how many
 * there were. */
size_t fixture_each_body(void (*visit)(const char *path, const char *text, size_t len));

/* Calls `visit` for each recorded MQTT message of a file: a line "topic payload". Returns how many there
 * were. */
size_t fixture_each_message(const char *path,
                            void (*visit)(const char *topic, const char *payload, size_t payload_len));

/* A copy of exactly `len` bytes, so that a sanitizer sees whoever reads beyond. */
char *exact_copy(const char *text, size_t len);

/* The value in `text`, which must be JSON. Borrows it. */
struct json_slice value_of(const char *text);

#endif
