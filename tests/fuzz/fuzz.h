/*
 * fuzz: what the fuzz targets share. Each is a libFuzzer program (scripts/fuzz): it feeds what the outside
 * may send to the code that takes it in first, and requires of all that comes out what readers rely on.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "buf.h"
#include "cache.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the program with the text of the condition, so that libFuzzer keeps the input. */
#define require(condition) fuzz_require(condition, #condition, __FILE__, __LINE__)
void fuzz_require(bool condition, const char *text, const char *file, int line);

/* The input as a string: a copy with a NUL behind (free it). */
char *fuzz_text(const uint8_t *data, size_t size);

/* A cache that an agent's node "pi" of session "s" and an edge node "edge" are in. */
struct fuzz_world {
    struct cache *cache;
    struct node *pi, *edge;
    struct now now;
};
void fuzz_world_open(struct fuzz_world *world);
/* Everything that is published and shown of it: JSON is JSON, Home Assistant refuses nothing, and time may go
 * on. Then closes it. */
void fuzz_world_close(struct fuzz_world *world);
void fuzz_require_json(const struct buf *text);

#endif
