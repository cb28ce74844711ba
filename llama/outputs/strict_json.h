/*
 * strict_json: a checked JSON text, as strict readers take it. Pure.
 *
 * RFC 8259 allows what some parsers refuse, with all that stands around it (orjson, which Home Assistant
 * uses): half of a surrogate pair as an escape becomes \ufffd, a number that no double holds null. All else
 * is copied as it is.
 */
#ifndef STRICT_JSON_H
#define STRICT_JSON_H

#include "buf.h"
#include "json.h"

/* Appends it. A failure shows in `out`. */
void strict_json_write(struct buf *out, struct json_slice value);

#endif
