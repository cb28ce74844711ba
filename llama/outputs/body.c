#include "api.h"

#include <assert.h>
#include <stdlib.h>

struct body *body_take(char *data, size_t len)
{
    struct body *body = malloc(sizeof *body);
    if (!body || !data) {
        free(body);
        free(data);
        return NULL;
    }
    *body = (struct body){.references = 1, .len = len, .data = data};
    return body;
}

struct body *body_ref(struct body *body)
{
    assert(body->references > 0);
    body->references++;
    return body;
}

void body_unref(struct body *body)
{
    if (!body) {
        return;
    }
    assert(body->references > 0);
    if (--body->references == 0) {
        free(body->ends);
        free(body->data);
        free(body);
    }
}
