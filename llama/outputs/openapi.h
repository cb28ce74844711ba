/*
 * openapi: the description of the HTTP API (openapi.json, kept by hand), built into the program.
 */
#ifndef OPENAPI_H
#define OPENAPI_H

#include <stddef.h>

extern const char openapi_json[]; /* not NUL-terminated */
extern const size_t openapi_json_len;

#endif
