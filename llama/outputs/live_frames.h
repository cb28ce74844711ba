/*
 * live_frames: frames rendered once for all sessions at the same revision and filter. Pure.
 *
 * A frame is shared as long as the cache's revision is the one it leads to and it is at most
 * LIVE_FRAME_MAX_AGE_MS old; sessions that are still writing it keep it alive beyond that, and `bytes` counts
 * all that are alive. A large snapshot is shared for longer, with a delta to follow it: else a thousand
 * browsers that come back while values move would have one each.
 */
#ifndef LIVE_FRAMES_H
#define LIVE_FRAMES_H

#include "frame.h"

#define LIVE_FRAMES_SHARED    16
#define LIVE_FRAME_MAX_AGE_MS 1000
#define LIVE_LARGE_SNAPSHOT   ((size_t)256 * 1024)
#define LIVE_LARGE_MAX_AGE_MS 5000
#define LIVE_FRAMES_MAX_BYTES ((size_t)64 * 1024 * 1024) /* beyond that, live drops who holds most alone */

struct live_frame {
    uint64_t from, to; /* revisions; from: UINT64_MAX = a snapshot */
    int64_t rendered_ms;
    struct body *body; /* NULL: with `empty` there is nothing to tell, else there was no memory */
    bool empty, snapshot, parts;
    uint64_t used;                /* tick of the last use; 0 = free slot */
    char node[NODE_NAME_MAX + 1]; /* "" = all nodes */
};

/* Embedded; zeroed but for what is borrowed. */
struct live_frames {
    const struct cache *cache;
    const char *instance;
    size_t bytes;
    struct live_frame shared[LIVE_FRAMES_SHARED];
    uint64_t tick;
};

/* What brings one who has seen the revision `seen` (nothing when `fresh`) up to date, or, when it is a large
 * snapshot, near enough for a delta. `parts`: a snapshot comes in parts. Borrowed until the next call. */
const struct live_frame *live_frames_get(struct live_frames *frames, bool fresh, uint64_t seen,
                                         const char node[NODE_NAME_MAX + 1], bool parts, struct now now);
/* Drops a session's reference; accepts NULL. */
void live_frames_release(struct live_frames *frames, struct body *body);
/* Lets go of what is no longer shared. */
void live_frames_forget(struct live_frames *frames, int64_t now_mono_ms);
void live_frames_finish(struct live_frames *frames);

#endif
