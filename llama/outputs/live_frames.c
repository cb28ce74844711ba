#include "live_frames.h"

#include <string.h>

void live_frames_release(struct live_frames *frames, struct body *body)
{
    if (body && body->references == 1) {
        frames->bytes -= body->len;
    }
    body_unref(body);
}

static void clear(struct live_frames *frames, struct live_frame *frame)
{
    live_frames_release(frames, frame->body);
    *frame = (struct live_frame){0};
}

static bool is_shared(const struct live_frames *frames, const struct live_frame *frame, int64_t now_mono_ms)
{
    int64_t age_ms = now_mono_ms - frame->rendered_ms;
    if (frame->from == UINT64_MAX && frame->body && frame->body->len >= LIVE_LARGE_SNAPSHOT) {
        return frame->to >= cache_delta_floor(frames->cache) && age_ms <= LIVE_LARGE_MAX_AGE_MS;
    }
    return (frame->body || frame->empty) && frame->to == cache_revision(frames->cache) &&
           age_ms <= LIVE_FRAME_MAX_AGE_MS;
}

void live_frames_forget(struct live_frames *frames, int64_t now_mono_ms)
{
    for (size_t i = 0; i < LIVE_FRAMES_SHARED; i++) {
        if (!is_shared(frames, &frames->shared[i], now_mono_ms)) {
            clear(frames, &frames->shared[i]);
        }
    }
}

void live_frames_finish(struct live_frames *frames)
{
    for (size_t i = 0; i < LIVE_FRAMES_SHARED; i++) {
        clear(frames, &frames->shared[i]);
    }
}

static void render(struct live_frames *frames, struct live_frame *frame, struct now now)
{
    const struct node *only =
        frame->node[0] ? cache_get(frames->cache, frame->node, strlen(frame->node)) : NULL;
    const struct frame_view view = {.cache = frames->cache,
                                    .instance = frames->instance,
                                    .only = only,
                                    .name = only             ? only->name
                                            : frame->node[0] ? frame->node
                                                             : NULL,
                                    .parts = frame->parts,
                                    .now = now};
    frame->to = cache_revision(frames->cache);
    frame->rendered_ms = now.mono_ms;
    frame->snapshot = frame->from == UINT64_MAX || frame_needs_snapshot(&view, frame->from);
    frame->body = frame->snapshot ? frame_snapshot(&view) : frame_delta(&view, frame->from, &frame->empty);
    if (frame->body) {
        frames->bytes += frame->body->len;
    }
}

/* A free slot, else the least recently used one: what many share stays, however many watch a node each. */
static struct live_frame *take_slot(struct live_frames *frames)
{
    struct live_frame *oldest = &frames->shared[0];
    for (size_t i = 1; i < LIVE_FRAMES_SHARED; i++) {
        if (frames->shared[i].used < oldest->used) {
            oldest = &frames->shared[i];
        }
    }
    clear(frames, oldest);
    return oldest;
}

const struct live_frame *live_frames_get(struct live_frames *frames, bool fresh, uint64_t seen,
                                         const char node[NODE_NAME_MAX + 1], bool parts, struct now now)
{
    uint64_t from = fresh || seen < cache_delta_floor(frames->cache) ? UINT64_MAX : seen;
    for (size_t i = 0; i < LIVE_FRAMES_SHARED; i++) {
        struct live_frame *frame = &frames->shared[i];
        bool fits = frame->from == from && strcmp(frame->node, node) == 0 &&
                    (!frame->snapshot || frame->parts == parts);
        if (fits && is_shared(frames, frame, now.mono_ms)) {
            frame->used = ++frames->tick;
            return frame;
        }
    }
    struct live_frame *frame = take_slot(frames);
    frame->from = from;
    frame->parts = parts;
    frame->used = ++frames->tick;
    memcpy(frame->node, node, sizeof frame->node);
    render(frames, frame, now);
    return frame;
}
