/*
 * assets: the dashboard's files, read into memory once at start and served from there.
 *
 * Only regular files below the folder are taken: names that begin with a dot and symbolic links are left out.
 * Bounded by the limits below; what does not fit is left out too, with a warning.
 */
#ifndef ASSETS_H
#define ASSETS_H

#include "api.h"

#define ASSETS_MAX_FILES 500
#define ASSETS_MAX_FILE  ((size_t)4 * 1024 * 1024)
#define ASSETS_MAX_BYTES ((size_t)32 * 1024 * 1024)
#define ASSETS_MAX_DEPTH 4

struct assets;

/* `dir` may be NULL or missing: then there is one page that says so. NULL without memory. */
struct assets *assets_load(const char *dir);
void assets_destroy(struct assets *assets);
/* Answers a path that is not the API's, decoded: "/" is index.html. `gzip`: whoever asks takes that; files
 * are packed once, when they are loaded. Methods other than GET and HEAD get 405. */
void assets_handle(const struct assets *assets, enum api_method method, const char *path,
                   const char *if_none_match, bool gzip, struct api_response *ret_response);

#endif
