/* The files that llamad keeps: each line's checksum is made right first, or nothing would get past it. */
#include "event_line.h"
#include "fuzz.h"
#include "line.h"
#include "node_line.h"

#include <string.h>

static bool allowed(void *user, const char *url)
{
    (void)user;
    return url[0] != '\0';
}

/* `{…}` lines with their checksum behind; others as they are. */
static void seal(struct buf *out, const char *text, size_t len)
{
    for (const char *p = text, *end = text + len; p < end;) {
        const char *line_end = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)((line_end ? line_end : end) - p), from = out->len;
        buf_append(out, p, n);
        if (n > 2 && p[n - 1] == '}') {
            out->len--;
            line_seal(out, from);
        } else if (line_end) {
            buf_char(out, '\n');
        }
        p += n + 1;
    }
}

static void read_both(const char *text, size_t len)
{
    struct fuzz_world world;
    struct event_lines events = {0};
    struct buf again = BUF_INIT;
    uint64_t id;
    if (event_lines_read(text, len, &events) == 0) {
        for (size_t i = 0; i < events.count; i++) {
            require(i == 0 || events.events[i].id > events.events[i - 1].id);
            event_line_write(&again, &events.events[i]);
        }
        require(!again.failed);
    }
    event_lines_finish(&events);
    buf_finish(&again);
    event_id_read(text, len, &id);
    fuzz_world_open(&world);
    node_lines_read(text, len, world.cache, world.now, allowed, NULL);
    fuzz_world_close(&world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf sealed = BUF_INIT;
    const char *text = (const char *)data;
    read_both(text, size);
    seal(&sealed, text, size);
    if (sealed.len > 0) {
        read_both(sealed.data, sealed.len);
    }
    buf_finish(&sealed);
    return 0;
}
