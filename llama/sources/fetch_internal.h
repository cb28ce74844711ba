/*
 * fetch_internal: one GET under way, shared by fetch.c (libcurl on the loop) and fetch_get.c (request and
 * answer).
 */
#ifndef FETCH_INTERNAL_H
#define FETCH_INTERNAL_H

#include "buf.h"
#include "fetch.h"

#include <curl/curl.h>
#include <sys/queue.h>

struct fetch_get {
    struct fetch *fetch;
    CURL *easy;
    fetch_address_fn *allowed;
    fetch_done_fn *done;
    void *user;
    struct buf body;
    size_t header_bytes;
    int64_t date_ms;
    bool answered;
    bool too_large; /* body or headers passed their limit */
    bool forbidden; /* an address was refused by `allowed` */
    bool permitted; /* an address was not */
    LIST_ENTRY(fetch_get) link;
};

/* See fetch_use. */
struct fetch_extras {
    struct curl_slist *headers; /* owned; NULL = none */
    char *certificate_file;     /* owned; NULL = none */
};

/* What is asked, and what may come back. */
CURLcode fetch_set_request(struct fetch_get *get, const struct fetch_extras *extras, const char *url,
                           uint32_t timeout_ms, size_t max_bytes);
/* Of a transfer that ended with `result`; borrows the body of `get`. */
void fetch_read_answer(const struct fetch_get *get, CURLcode result, struct fetch_answer *ret_answer);

#endif
