#include "live_internal.h"
#include "log.h"
#include "server_limits.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* Up to that, frames are written without asking the socket first: lws keeps what does not fit. */
#define SMALL_FRAME       ((size_t)4 * 1024)
#define CHUNKS_PER_TURN   16
#define MESSAGES_PER_PING 1000 /* more than that from a client with nothing to say is abuse */
#define CHEAP_US          1000 /* a broadcast up to this long may be followed by the next at once */

/* ---- sessions ---- */

void live_unlink(struct live *live, struct live_session *session)
{
    if (!session->linked) {
        return;
    }
    session->linked = false;
    if (session->prev) {
        session->prev->next = session->next;
    } else {
        live->sessions = session->next;
    }
    if (session->next) {
        session->next->prev = session->prev;
    }
    live_frames_release(&live->frames, session->frame);
    session->frame = NULL;
}

void live_close(struct live *live, struct live_session *session, bool gone)
{
    live_unlink(live, session);
    if (gone && session->open) {
        session->open = false;
        log_debug(LOG_LIVE, "closed, at revision %llu; %u open", (unsigned long long)session->seen,
                  live->open - 1);
        live->open--;
        live->stats->live_clients = live->open;
    }
}

/* For one that does not read: a close frame would only join the queue. lws notices and closes it. */
void live_drop(struct live *live, struct live_session *session)
{
    live->stats->live_dropped++;
    log_debug(LOG_LIVE, "dropped: it does not read");
    live_unlink(live, session);
    shutdown(lws_get_socket_fd(session->wsi), SHUT_RDWR);
}

/* What the session's frame costs, shared between those who write it. */
static size_t share_of(const struct live_session *session)
{
    return session->frame ? session->frame->len / session->frame->references : 0;
}

/* Who holds most alone: the fewest have to go. False if nobody holds anything. */
static bool drop_dearest(struct live *live)
{
    struct live_session *dearest = live->sessions;
    for (struct live_session *session = live->sessions; session; session = session->next) {
        if (share_of(session) > share_of(dearest)) {
            dearest = session;
        }
    }
    if (!dearest || !dearest->frame) {
        return false;
    }
    live_drop(live, dearest);
    return true;
}

static void blocked(struct live_session *session, int64_t now_ms)
{
    if (!session->blocked_ms) {
        session->blocked_ms = now_ms;
    }
    lws_callback_on_writable(session->wsi);
}

/* The last byte of the frame is out. */
static void finish_frame(struct live *live, struct live_session *session)
{
    struct body *frame = session->frame;
    session->seen = session->frame_revision;
    session->fresh = false;
    session->frame = NULL;
    live_frames_release(&live->frames, frame);
}

/* Hands the next chunk to lws, of one message. 0, or -1 when the connection is broken. */
static int write_chunk(struct live *live, struct live_session *session)
{
    const struct body *frame = session->frame;
    size_t begin = session->message > 0 ? frame->ends[session->message - 1] : 0;
    size_t end = frame->ends ? frame->ends[session->message] : frame->len;
    size_t left = end - session->offset, n = left < CHUNK ? left : CHUNK;
    int kind = session->offset == begin ? LWS_WRITE_TEXT : LWS_WRITE_CONTINUATION;
    if (n < left) {
        kind |= LWS_WRITE_NO_FIN;
    }
    memcpy(live->scratch + LWS_PRE, frame->data + session->offset, n);
    if (lws_write(session->wsi, live->scratch + LWS_PRE, n, (enum lws_write_protocol)kind) < 0) {
        return -1;
    }
    session->offset += n;
    live->stats->bytes_out += n;
    live->stats->live_bytes_out += n;
    if (n == left) {
        live->stats->frames_out++;
        session->message++;
    }
    if (session->offset == frame->len) {
        finish_frame(live, session);
    }
    return 0;
}

/* Writes until the frame is out or the socket takes no more. */
static int write_frame(struct live *live, struct live_session *session, int64_t now_ms)
{
    for (unsigned i = 0; session->frame && i < CHUNKS_PER_TURN; i++) {
        if (write_chunk(live, session) != 0) {
            return -1;
        }
        if (lws_partial_buffered(session->wsi)) {
            break;
        }
    }
    if (session->frame || lws_partial_buffered(session->wsi)) {
        blocked(session, now_ms);
    }
    return 0;
}

/* Gives an idle session the frame that comes next, at once if its socket is free. 0, or -1 when the
 * connection is broken. */
static int offer_frame(struct live *live, struct live_session *session, struct now now)
{
    if (session->blocked_ms) {
        return 0; /* lws will tell; until then nothing is rendered for it alone */
    }
    if (lws_partial_buffered(session->wsi)) {
        blocked(session, now.mono_ms);
        return 0;
    }
    const struct live_frame *shared =
        live_frames_get(&live->frames, session->fresh, session->seen, session->node, session->parts, now);
    if (shared->empty) {
        session->seen = shared->to;
        return 0;
    }
    if (!shared->body) {
        live->dirty = true; /* no memory: the sweep tries again */
        return 0;
    }
    if (shared->body->len > SMALL_FRAME && lws_send_pipe_choked(session->wsi)) {
        blocked(session, now.mono_ms);
        return 0;
    }
    session->frame = body_ref(shared->body);
    session->frame_revision = shared->to;
    session->offset = 0;
    session->message = 0;
    return write_frame(live, session, now.mono_ms);
}

/* Brings an idle session up to date. A large snapshot may lead only near, and a delta the rest of the way. */
static int offer(struct live *live, struct live_session *session, struct now now)
{
    bool fresh = session->fresh;
    uint64_t seen = session->seen;
    int e = offer_frame(live, session, now);
    bool moved = !session->fresh && (fresh || session->seen != seen);
    if (e == 0 && moved && session->seen < cache_revision(live->cache)) {
        e = offer_frame(live, session, now);
    }
    return e;
}

/* ---- broadcasts ---- */

static int64_t cpu_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* The first beat of the session's pace that is still to come. */
static int64_t next_beat(const struct live_session *session, int64_t now_ms)
{
    return session->pace_ms ? (now_ms / session->pace_ms + 1) * session->pace_ms : 0;
}

static void broadcast(void *user)
{
    struct live *live = user;
    int64_t beat_ms = INT64_MAX;
    if (loop_timer_active(live->rest)) {
        return; /* it comes back here */
    }
    int64_t began_us = cpu_us();
    struct now now = clock_now();
    uint64_t revision = cache_revision(live->cache);
    live->dirty = false;
    live_frames_forget(&live->frames, now.mono_ms);
    for (struct live_session *session = live->sessions, *next; session; session = next) {
        next = session->next;
        if (session->frame || (!session->fresh && session->seen >= revision)) {
            continue;
        }
        if (now.mono_ms < session->next_ms) {
            beat_ms = session->next_ms < beat_ms ? session->next_ms : beat_ms;
            continue;
        }
        session->next_ms = next_beat(session, now.mono_ms);
        if (offer(live, session, now) != 0) {
            live_unlink(live, session);
            lws_set_timeout(session->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
        }
    }
    while (live->frames.bytes > LIVE_FRAMES_MAX_BYTES && drop_dearest(live)) {
    }
    if (beat_ms != INT64_MAX) {
        loop_timer_start(live->beat, (uint64_t)(beat_ms - now.mono_ms), 0);
    }
    int64_t took_us = cpu_us() - began_us;
    if (took_us > CHEAP_US) {
        loop_timer_start(live->rest, (uint64_t)(took_us + 999) / 1000, 0);
    }
}

/* Broadcasts may rest just now: `dirty` remembers it. */
static void on_beat(void *user)
{
    struct live *live = user;
    live->dirty = true;
    broadcast(live);
}

static void rested(void *user)
{
    struct live *live = user;
    if (live->dirty) {
        broadcast(live);
    }
}

void live_changed(struct live *live)
{
    if (live->sessions) {
        live->dirty = true;
        loop_after_arm(live->after);
    }
}

/* ---- what lws reports ---- */

int live_parse(const struct live *live, const char *query, struct live_request *ret_request,
               const char **ret_why)
{
    return live_request_read(query, live->frames.instance, cache_revision(live->cache), ret_request, ret_why);
}

bool live_is_full(const struct live *live)
{
    return live->open >= LIMIT_SESSIONS;
}

void live_open(struct live *live, struct live_session *session, struct lws *wsi,
               const struct live_request *request, const struct auth_who *who)
{
    *session = (struct live_session){.wsi = wsi,
                                     .next = live->sessions,
                                     .open = true,
                                     .linked = true,
                                     .fresh = !request->resumes,
                                     .parts = request->parts,
                                     .pace_ms = request->pace_ms,
                                     .seen = request->since,
                                     .who = *who};
    memcpy(session->node, request->node, sizeof session->node);
    session->pinged_ms = clock_now().mono_ms;
    if (session->next) {
        session->next->prev = session;
    }
    live->sessions = session;
    live->open++;
    live->stats->live_opened++;
    if (log_debugs(LOG_LIVE)) {
        char node[LOG_TEXT];
        log_debug(LOG_LIVE, "opened%s%s, %s; %u open", request->node[0] ? " for " : "",
                  log_escape(node, sizeof node, request->node, strlen(request->node)),
                  request->resumes ? "goes on where it was" : "from the beginning", live->open);
    }
    live->stats->live_clients = live->open;
    lws_callback_on_writable(wsi);
}

int live_writable(struct live *live, struct live_session *session)
{
    if (!session->linked) {
        return 0;
    }
    session->blocked_ms = 0;
    if (session->frame && write_frame(live, session, clock_now().mono_ms) != 0) {
        return -1;
    }
    if (!session->frame && (session->fresh || session->seen < cache_revision(live->cache))) {
        live_changed(live); /* it shares what others at its revision get */
    }
    return 0;
}

int live_received(struct live *live, struct live_session *session, size_t len, bool final)
{
    (void)live;
    session->message_len += (uint32_t)len;
    if (session->message_len > LIMIT_MESSAGE) {
        lws_close_reason(session->wsi, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, NULL, 0);
        return -1;
    }
    if (final) {
        session->message_len = 0;
        session->messages++;
    }
    if (session->messages > MESSAGES_PER_PING) {
        lws_close_reason(session->wsi, LWS_CLOSE_STATUS_POLICY_VIOLATION, NULL, 0);
        return -1;
    }
    return 0;
}

void live_pong(struct live_session *session)
{
    session->unanswered_ms = 0;
}

struct live *live_create(struct loop *loop, struct cache *cache, const char *instance,
                         struct server_stats *stats)
{
    struct live *live = calloc(1, sizeof *live);
    if (!live) {
        return NULL;
    }
    live->loop = loop;
    live->cache = cache;
    live->frames = (struct live_frames){.cache = cache, .instance = instance};
    live->stats = stats;
    live->after = loop_after_create(loop, broadcast, live);
    live->rest = loop_timer_create(loop, rested, live);
    live->beat = loop_timer_create(loop, on_beat, live);
    if (!live->after || !live->rest || !live->beat) {
        live_destroy(live);
        return NULL;
    }
    return live;
}

void live_destroy(struct live *live)
{
    if (!live) {
        return;
    }
    live_frames_finish(&live->frames);
    loop_after_destroy(live->after);
    loop_timer_destroy(live->rest);
    loop_timer_destroy(live->beat);
    free(live);
}
