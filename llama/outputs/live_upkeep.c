/* Pings, and who has to go: those who take nothing, answer nothing, may listen no more; at the end all. */
#include "live_internal.h"

#define STALL_MS 20000
#define PING_MS  20000
#define PONG_MS  30000

static void ping(struct live_session *session, int64_t now_ms)
{
    unsigned char nothing[LWS_PRE + 1];
    if (now_ms - session->pinged_ms < PING_MS || lws_send_pipe_choked(session->wsi)) {
        return; /* who is choked is judged by that */
    }
    session->pinged_ms = now_ms;
    session->messages = 0;
    if (!session->unanswered_ms) {
        session->unanswered_ms = now_ms;
    }
    lws_write(session->wsi, nothing + LWS_PRE, 0,
              LWS_WRITE_PING); /* what is broken shows at the next write */
}

static void end(struct live *live, struct live_session *session, enum lws_close_status why)
{
    live_unlink(live, session);
    lws_close_reason(session->wsi, why, NULL, 0);
    lws_set_timeout(session->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
}

void live_guard(struct live *live, bool (*allowed)(void *user, const struct auth_who *who), void *user)
{
    live->allowed = allowed;
    live->user = user;
}

void live_check(struct live *live)
{
    for (struct live_session *session = live->sessions, *next; session && live->allowed; session = next) {
        next = session->next;
        if (!live->allowed(live->user, &session->who)) {
            end(live, session, LWS_CLOSE_STATUS_POLICY_VIOLATION);
        }
    }
}

void live_sweep(struct live *live)
{
    live_check(live);
    int64_t now_ms = clock_now().mono_ms;
    for (struct live_session *session = live->sessions, *next; session; session = next) {
        next = session->next;
        bool stalled = session->blocked_ms && now_ms - session->blocked_ms > STALL_MS;
        bool silent = session->unanswered_ms && now_ms - session->unanswered_ms > PONG_MS;
        if (stalled || silent) {
            live_drop(live, session);
        } else {
            ping(session, now_ms);
        }
    }
    live_frames_forget(&live->frames, now_ms);
    if (live->dirty) {
        live_changed(live);
    }
}

void live_stop(struct live *live)
{
    for (struct live_session *session = live->sessions, *next; session; session = next) {
        next = session->next;
        end(live, session, LWS_CLOSE_STATUS_GOINGAWAY);
    }
}
