#include "timestamp.h"
#include "utf8.h"
#include "verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* The link has been up for an hour, unless a test says otherwise. */
#define NOW_MS INT64_C(10000000)
#define UP_MS  (NOW_MS - 3600 * 1000)
#define S      1000

static const struct now now = {.mono_ms = NOW_MS, .wall_ms = INT64_C(1795420800000)};
static const struct link_evidence link_up = {.up = true, .up_ms = UP_MS, .started_ms = UP_MS};

static struct evidence agent(int64_t heartbeat_age_ms)
{
    struct evidence e = {0};
    e.agent.ever = true;
    e.agent.heartbeat_ms = NOW_MS - heartbeat_age_ms;
    e.agent.interval_s = 10;
    e.source.known = e.source.ok = true;
    e.source.since_wall_ms = TIMESTAMP_NONE;
    return e;
}

static void set_presence(struct evidence *e, enum presence presence, int64_t age_ms, bool replayed)
{
    e->agent.presence = presence;
    e->agent.presence_ms = NOW_MS - age_ms;
    e->agent.presence_replayed = replayed;
}

static void set_probe(struct evidence *e, enum probe_outcome outcome, const char *error)
{
    e->has_url = true;
    e->probe.outcome = outcome;
    e->probe.failures = outcome == PROBE_FAILED ? 1 : 0;
    strcpy(e->probe.error, error);
}

static void check(const struct evidence *e, const struct link_evidence *link, enum state state,
                  enum cause cause, enum via via, const char *reason_part)
{
    struct verdict v = verdict_of(e, link, now);
    char reason[240];
    verdict_reason(v, e, link, now, reason, sizeof reason);
    print_message("    %s, %s: %s\n", state_name(v.state), v.cause ? cause_name(v.cause) : "-", reason);
    assert_string_equal(state_name(v.state), state_name(state));
    assert_int_equal(v.cause, cause);
    assert_int_equal(v.via, via);
    assert_non_null(strstr(reason, reason_part));
}

/* ---- row 1 ---- */

static void without_url_the_broker_is_all_there_is(void **state)
{
    (void)state;
    struct link_evidence down = {.up = false, .up_ms = UP_MS, .down_ms = NOW_MS - 3 * S, .started_ms = UP_MS};
    struct evidence e = agent(4 * S);
    check(&e, &down, STATE_UNKNOWN, CAUSE_BROKER_DOWN, VIA_NONE,
          "no connection to the broker since 2026-11-23T07:59:57Z");
    set_presence(&e, PRESENCE_STOPPED, 100 * S, false);
    e.agent.heartbeat_ms -= 200 * S;
    check(&e, &down, STATE_UNKNOWN, CAUSE_BROKER_DOWN, VIA_NONE, "");
    struct evidence edge = {0};
    edge.edge.ever = true;
    edge.edge.message_ms = NOW_MS;
    check(&edge, &down, STATE_UNKNOWN, CAUSE_BROKER_DOWN, VIA_NONE, "");
}

static void just_started_nothing_is_known(void **state)
{
    (void)state;
    struct link_evidence fresh = {.up = true, .up_ms = NOW_MS - 2 * S, .started_ms = NOW_MS - 3 * S};
    struct evidence e = agent(0);
    e.agent.heartbeat_ms = 0; /* only a retained one */
    check(&e, &fresh, STATE_UNKNOWN, CAUSE_STARTING, VIA_NONE, "llamad started at 2026-11-23T07:59:57Z");
    set_presence(&e, PRESENCE_WILL, S, true);
    check(&e, &fresh, STATE_UNKNOWN, CAUSE_STARTING, VIA_NONE, "");
    struct evidence manual = {.manual = true, .has_url = true};
    check(&manual, &link_up, STATE_UNKNOWN, CAUSE_STARTING, VIA_NONE, "not asked yet");
    struct evidence nothing = {0};
    check(&nothing, &fresh, STATE_UNKNOWN, CAUSE_STARTING, VIA_NONE, "");
    check(&nothing, &link_up, STATE_UNREACHABLE, CAUSE_NEVER_SEEN, VIA_NONE, "nothing heard of it since");
    struct link_evidence connecting = {.started_ms = NOW_MS - 3 * S};
    check(&e, &connecting, STATE_UNKNOWN, CAUSE_STARTING, VIA_NONE, "");
    connecting.started_ms = NOW_MS - 6 * S;
    check(&e, &connecting, STATE_UNKNOWN, CAUSE_BROKER_DOWN, VIA_NONE, "no connection to the broker yet");
}

static void retained_only_nodes_get_their_state_after_two_and_a_half_intervals(void **state)
{
    (void)state;
    struct link_evidence link = {.up = true, .up_ms = NOW_MS - 25 * S, .started_ms = NOW_MS - 26 * S};
    struct evidence e = agent(0);
    e.agent.heartbeat_ms = 0;
    set_presence(&e, PRESENCE_STOPPED, 25 * S, true);
    check(&e, &link, STATE_UNKNOWN, CAUSE_STARTING, VIA_NONE, "");
    link.up_ms -= 1;
    check(&e, &link, STATE_UNREACHABLE, CAUSE_STOPPED, VIA_NONE,
          "its agent was stopped while llamad was not listening");
    set_presence(&e, PRESENCE_WILL, 25 * S, true);
    check(&e, &link, STATE_STALE, CAUSE_WILL, VIA_NONE, "");
    set_presence(&e, PRESENCE_ONLINE, 25 * S, true);
    check(&e, &link, STATE_STALE, CAUSE_LATE, VIA_NONE, "no heartbeat since 2026-11-23T07:59:34Z");
    e.has_url = true; /* the poll is about to tell */
    check(&e, &link, STATE_UNKNOWN, CAUSE_STARTING, VIA_NONE, "");
    set_probe(&e, PROBE_FAILED, "refused");
    check(&e, &link, STATE_UNREACHABLE, CAUSE_NO_ANSWER, VIA_NONE, "");
    e.has_url = false;
    link.up_ms = link.started_ms = NOW_MS - 60 * S - 1;
    check(&e, &link, STATE_UNREACHABLE, CAUSE_NO_HEARTBEAT, VIA_NONE, "announced every 10 s");
}

static void after_the_start_polls_tell_of_who_is_offline_by_the_brokers_memory(void **state)
{
    (void)state;
    struct link_evidence fresh = {.up = true, .up_ms = NOW_MS - 2 * S, .started_ms = NOW_MS - 3 * S};
    struct evidence e = agent(0);
    e.agent.heartbeat_ms = 0;
    assert_false(verdict_silent_on_mqtt(&e, &fresh, now));
    set_presence(&e, PRESENCE_STOPPED, S, true);
    assert_true(verdict_silent_on_mqtt(&e, &fresh, now));
    set_probe(&e, PROBE_NONE, "");
    check(&e, &fresh, STATE_UNKNOWN, CAUSE_STARTING, VIA_NONE, "");
    set_probe(&e, PROBE_FAILED, "refused");
    check(&e, &fresh, STATE_UNREACHABLE, CAUSE_STOPPED, VIA_NONE, "connection refused");
    set_probe(&e, PROBE_OK, "");
    check(&e, &fresh, STATE_ONLINE, CAUSE_AGENT_DOWN, VIA_HTTP, "HTTP answers");
    set_presence(&e, PRESENCE_WILL, S, true); /* of a broker that ended as well, maybe */
    assert_false(verdict_silent_on_mqtt(&e, &fresh, now));
    set_probe(&e, PROBE_NONE, "");
    check(&e, &fresh, STATE_UNKNOWN, CAUSE_STARTING, VIA_NONE, "");
    set_presence(&e, PRESENCE_STOPPED, S, true);
    e.agent.heartbeat_ms =
        NOW_MS - 100 * S; /* known to have lived: then the return of the link is no reason */
    fresh.down_ms = NOW_MS - 60 * S;
    assert_false(verdict_silent_on_mqtt(&e, &fresh, now));
}

/* ---- row 2 ---- */

static void heartbeats_make_it_online(void **state)
{
    (void)state;
    struct evidence e = agent(25 * S);
    check(&e, &link_up, STATE_ONLINE, CAUSE_NONE, VIA_MQTT, "heartbeats every 10 s");
    e.agent.interval_s = 3600;
    e.agent.heartbeat_ms = NOW_MS - 9000 * S;
    check(&e, &link_up, STATE_ONLINE, CAUSE_NONE, VIA_MQTT, "every 60 min");
}

static void causes_of_degraded_come_in_their_order(void **state)
{
    (void)state;
    struct evidence e = agent(5 * S);
    e.clock_skewed = true;
    e.clock_skew_ms = -3600 * S;
    check(&e, &link_up, STATE_DEGRADED, CAUSE_CLOCK_SKEW, VIA_MQTT,
          "its clock is wrong: 60 min behind llamad's");
    e.clock_skew_ms = 40 * S;
    check(&e, &link_up, STATE_DEGRADED, CAUSE_CLOCK_SKEW, VIA_MQTT, "40 s ahead of llamad's");
    e.frozen = true;
    e.frozen_detail = "gpio:17";
    check(&e, &link_up, STATE_DEGRADED, CAUSE_FROZEN, VIA_MQTT, "gpio:17");
    e.snapshots[REPORT_MEMORIES].present = true;
    e.snapshots[REPORT_MEMORIES].interval_s = 60;
    e.snapshots[REPORT_MEMORIES].error_fetches = 2;
    e.snapshots[REPORT_MEMORIES].error_since_ms = NOW_MS - 65 * S;
    strcpy(e.snapshots[REPORT_MEMORIES].error, "http_500");
    check(&e, &link_up, STATE_DEGRADED, CAUSE_ENDPOINT_ERROR, VIA_MQTT,
          "/api/memories: status 500 since 2026-11-23T07:58:55Z");
    e.source.ok = false;
    strcpy(e.source.error, "refused");
    e.source.since_wall_ms = now.wall_ms - 60 * S;
    check(&e, &link_up, STATE_DEGRADED, CAUSE_SMOLLAMA_DOWN, VIA_MQTT,
          "Smollama does not answer (since 2026-11-23T07:59:00Z): connection refused");
    e.source.answers = true;
    strcpy(e.source.error, "http_502");
    check(&e, &link_up, STATE_DEGRADED, CAUSE_SMOLLAMA_ERROR, VIA_MQTT, "status 502");
    e.agent.duplicate = true;
    e.duplicate_detail = "sessions a (no URL) and b (http://10.0.0.7:8080)";
    check(&e, &link_up, STATE_DEGRADED, CAUSE_DUPLICATE_NAME, VIA_MQTT,
          "two agents use this name: sessions a (no URL) and b (http://10.0.0.7:8080)");
}

static void one_failed_fetch_or_a_feature_not_in_use_is_no_error(void **state)
{
    (void)state;
    struct evidence e = agent(5 * S);
    e.snapshots[REPORT_MEMORIES].present = true;
    e.snapshots[REPORT_MEMORIES].interval_s = 60;
    e.snapshots[REPORT_MEMORIES].error_fetches = 1;
    strcpy(e.snapshots[REPORT_MEMORIES].error, "timeout");
    check(&e, &link_up, STATE_ONLINE, CAUSE_NONE, VIA_MQTT, "");
    e.snapshots[REPORT_MEMORIES].error_fetches = 50;
    e.snapshots[REPORT_MEMORIES].age_from_ms = NOW_MS - 3600 * S;
    strcpy(e.snapshots[REPORT_MEMORIES].error, "off");
    check(&e, &link_up, STATE_ONLINE, CAUSE_NONE, VIA_MQTT, "");
}

static void a_snapshot_older_than_three_intervals_is_an_error(void **state)
{
    (void)state;
    struct evidence e = agent(0);
    for (int kind = 0; kind < REPORT_KINDS; kind++) {
        e.snapshots[kind].present = true;
        e.snapshots[kind].interval_s = 5;
        e.snapshots[kind].age_from_ms = NOW_MS - 15 * S;
        check(&e, &link_up, STATE_ONLINE, CAUSE_NONE, VIA_MQTT, "");
        e.snapshots[kind].age_from_ms -= 1;
        check(&e, &link_up, STATE_DEGRADED, CAUSE_ENDPOINT_ERROR, VIA_MQTT, "nothing new since");
        e.snapshots[kind].present = false;
    }
}

static void an_agent_that_is_late_itself_makes_no_snapshot_late(void **state)
{
    (void)state;
    struct evidence e = agent(25 * S);
    e.snapshots[REPORT_READINGS].present = true;
    e.snapshots[REPORT_READINGS].interval_s = 5;
    e.snapshots[REPORT_READINGS].age_from_ms = e.agent.heartbeat_ms - 3 * S;
    check(&e, &link_up, STATE_ONLINE, CAUSE_NONE, VIA_MQTT, "");
    struct link_evidence down = {
        .up = false, .up_ms = UP_MS, .down_ms = NOW_MS - 24 * S, .started_ms = UP_MS};
    e.has_url = true;
    check(&e, &down, STATE_ONLINE, CAUSE_NONE, VIA_MQTT, "");
}

/* ---- row 3 ---- */

static void silent_nodes_are_judged_by_their_poll(void **state)
{
    (void)state;
    struct evidence e = agent(26 * S);
    set_probe(&e, PROBE_NONE, "");
    check(&e, &link_up, STATE_STALE, CAUSE_LATE, VIA_NONE,
          "no heartbeat since 2026-11-23T07:59:34Z (announced every 10 s)");
    set_probe(&e, PROBE_OK, "");
    check(&e, &link_up, STATE_ONLINE, CAUSE_AGENT_DOWN, VIA_HTTP, "; HTTP answers");
    set_probe(&e, PROBE_UNUSABLE, "http_500");
    check(&e, &link_up, STATE_DEGRADED, CAUSE_SMOLLAMA_ERROR, VIA_HTTP, "nothing usable: status 500");
    set_probe(&e, PROBE_FAILED, "refused");
    check(&e, &link_up, STATE_UNREACHABLE, CAUSE_NO_ANSWER, VIA_NONE, "; HTTP: connection refused");
    set_presence(&e, PRESENCE_STOPPED, 20 * S, false);
    check(&e, &link_up, STATE_UNREACHABLE, CAUSE_STOPPED, VIA_NONE,
          "was stopped at 2026-11-23T07:59:40Z; HTTP: connection refused");
    set_probe(&e, PROBE_NONE, "");
    check(&e, &link_up, STATE_STALE, CAUSE_WILL, VIA_NONE, "");
}

static void without_url_lateness_alone_counts(void **state)
{
    (void)state;
    struct evidence e = agent(25 * S + 1);
    check(&e, &link_up, STATE_STALE, CAUSE_LATE, VIA_NONE, "no heartbeat since");
    e.agent.heartbeat_ms = NOW_MS - 60 * S;
    check(&e, &link_up, STATE_STALE, CAUSE_LATE, VIA_NONE, "");
    e.agent.heartbeat_ms -= 1;
    check(&e, &link_up, STATE_UNREACHABLE, CAUSE_NO_HEARTBEAT, VIA_NONE, "");
    e = agent(5 * S);
    set_presence(&e, PRESENCE_STOPPED, 0, false);
    check(&e, &link_up, STATE_UNREACHABLE, CAUSE_STOPPED, VIA_NONE, "");
    set_presence(&e, PRESENCE_WILL, 2 * S, false);
    check(&e, &link_up, STATE_STALE, CAUSE_WILL, VIA_NONE, "lost its connection at 2026-11-23T07:59:58Z");
    e.agent.heartbeat_ms = NOW_MS - 61 * S;
    check(&e, &link_up, STATE_UNREACHABLE, CAUSE_NO_HEARTBEAT, VIA_NONE, "");
}

static void a_newer_heartbeat_overrides_a_will(void **state)
{
    (void)state;
    struct evidence e = agent(5 * S);
    set_presence(&e, PRESENCE_WILL, 6 * S, false);
    check(&e, &link_up, STATE_ONLINE, CAUSE_NONE, VIA_MQTT, "");
    set_presence(&e, PRESENCE_STOPPED, 6 * S, false);
    check(&e, &link_up, STATE_ONLINE, CAUSE_NONE, VIA_MQTT, "");
}

static void a_will_counts_once_the_broker_has_outlived_it(void **state)
{
    (void)state;
    struct evidence e = agent(5 * S);
    set_presence(&e, PRESENCE_WILL, WILL_SETTLE_MS - 1, false);
    check(&e, &link_up, STATE_ONLINE, CAUSE_NONE, VIA_MQTT, "");
    assert_false(verdict_silent_on_mqtt(&e, &link_up, now));
    set_presence(&e, PRESENCE_WILL, WILL_SETTLE_MS, false);
    check(&e, &link_up, STATE_STALE, CAUSE_WILL, VIA_NONE, "");
    assert_true(verdict_silent_on_mqtt(&e, &link_up, now));
}

/* ---- outages ---- */

static void in_an_outage_polls_go_on(void **state)
{
    (void)state;
    struct link_evidence down = {
        .up = false, .up_ms = UP_MS, .down_ms = NOW_MS - 40 * S, .started_ms = UP_MS};
    struct evidence e = agent(20 * S);
    set_probe(&e, PROBE_NONE, "");
    check(&e, &down, STATE_ONLINE, CAUSE_NONE, VIA_MQTT, "");
    assert_false(verdict_silent_on_mqtt(&e, &down, now));
    e.agent.heartbeat_ms = NOW_MS - 41 * S;
    check(&e, &down, STATE_UNKNOWN, CAUSE_BROKER_DOWN, VIA_NONE, "");
    assert_true(verdict_silent_on_mqtt(&e, &down, now));
    set_probe(&e, PROBE_OK, "");
    check(&e, &down, STATE_ONLINE, CAUSE_BROKER_DOWN, VIA_HTTP,
          "no connection to the broker since 2026-11-23T07:59:20Z; HTTP answers");
    set_probe(&e, PROBE_FAILED, "timeout");
    check(&e, &down, STATE_UNREACHABLE, CAUSE_NO_ANSWER, VIA_NONE, "no answer in time");
}

static void after_link_up_nothing_is_lowered_for_two_and_a_half_intervals(void **state)
{
    (void)state;
    struct link_evidence back = {
        .up = true, .up_ms = NOW_MS - 25 * S, .down_ms = NOW_MS - 100 * S, .started_ms = UP_MS};
    struct evidence e = agent(105 * S);
    set_presence(&e, PRESENCE_WILL, 24 * S, true);
    check(&e, &back, STATE_UNKNOWN, CAUSE_BROKER_DOWN, VIA_NONE,
          "the broker is back since 2026-11-23T07:59:35Z");
    assert_false(verdict_silent_on_mqtt(&e, &back, now));
    struct evidence polled = e;
    set_probe(&polled, PROBE_OK, "");
    check(&polled, &back, STATE_ONLINE, CAUSE_BROKER_DOWN, VIA_HTTP, "");
    set_probe(&polled, PROBE_FAILED, "refused");
    check(&polled, &back, STATE_UNREACHABLE, CAUSE_NO_ANSWER, VIA_NONE, "");
    back.up_ms -= 1;
    check(&e, &back, STATE_STALE, CAUSE_WILL, VIA_NONE, "");
    assert_true(verdict_silent_on_mqtt(&e, &back, now));
    set_presence(&e, PRESENCE_ONLINE, 24 * S, true);
    check(&e, &back, STATE_STALE, CAUSE_LATE, VIA_NONE, "");
    back.up_ms = NOW_MS - 61 * S;
    check(&e, &back, STATE_UNREACHABLE, CAUSE_NO_HEARTBEAT, VIA_NONE, "");
}

static void a_short_outage_leaves_fresh_nodes_online(void **state)
{
    (void)state;
    struct link_evidence back = {
        .up = true, .up_ms = NOW_MS - 2 * S, .down_ms = NOW_MS - 6 * S, .started_ms = UP_MS};
    struct evidence e = agent(12 * S);
    set_presence(&e, PRESENCE_WILL, S, true);
    check(&e, &back, STATE_ONLINE, CAUSE_NONE, VIA_MQTT, "");
}

static void who_was_late_before_the_outage_is_no_less_late_after(void **state)
{
    (void)state;
    struct link_evidence back = {
        .up = true, .up_ms = NOW_MS - 26 * S, .down_ms = NOW_MS - 100 * S, .started_ms = UP_MS};
    struct evidence e = agent(126 * S);
    check(&e, &back, STATE_UNREACHABLE, CAUSE_NO_HEARTBEAT, VIA_NONE, "");
    e.agent.heartbeat_ms = NOW_MS - 125 * S; /* exactly in time when the link went down */
    check(&e, &back, STATE_STALE, CAUSE_LATE, VIA_NONE, "");
}

static void a_second_outage_makes_nobody_later(void **state)
{
    (void)state;
    struct link_evidence again = {
        .up = false, .up_ms = NOW_MS - 4 * S, .down_ms = NOW_MS - S, .started_ms = UP_MS};
    struct evidence e = agent(105 * S); /* heard before the first one, which lasted till 4 s ago */
    set_probe(&e, PROBE_NONE, "");
    assert_false(verdict_silent_on_mqtt(&e, &again, now));
    check(&e, &again, STATE_UNKNOWN, CAUSE_BROKER_DOWN, VIA_NONE, "");
}

static void a_stop_seen_live_counts_at_once_even_after_link_up(void **state)
{
    (void)state;
    struct link_evidence back = {
        .up = true, .up_ms = NOW_MS - 5 * S, .down_ms = NOW_MS - 100 * S, .started_ms = UP_MS};
    struct evidence e = agent(105 * S);
    set_presence(&e, PRESENCE_STOPPED, 104 * S, false);
    check(&e, &back, STATE_UNREACHABLE, CAUSE_STOPPED, VIA_NONE, "");
}

/* ---- row 4 ---- */

static void nodes_without_agent_are_judged_by_their_poll(void **state)
{
    (void)state;
    struct evidence e = {.manual = true};
    set_probe(&e, PROBE_OK, "");
    e.probe.ever_ok = e.probe.ever_answered = true;
    e.probe.ok_ms = NOW_MS - 70 * S;
    check(&e, &link_up, STATE_ONLINE, CAUSE_NONE, VIA_HTTP, "HTTP answers");
    struct link_evidence down = {.up = false, .down_ms = UP_MS, .started_ms = UP_MS};
    check(&e, &down, STATE_ONLINE, CAUSE_NONE, VIA_HTTP, "");
    set_probe(&e, PROBE_UNUSABLE, "bad_body");
    check(&e, &link_up, STATE_DEGRADED, CAUSE_SMOLLAMA_ERROR, VIA_HTTP, "unusable body");
    set_probe(&e, PROBE_FAILED, "timeout");
    check(&e, &link_up, STATE_STALE, CAUSE_NO_ANSWER, VIA_NONE,
          "no usable answer since 2026-11-23T07:58:50Z; HTTP: no answer in time");
    e.probe.failures = 2;
    check(&e, &link_up, STATE_UNREACHABLE, CAUSE_NO_ANSWER, VIA_NONE, "");
    e.probe.failures = 1;
    strcpy(e.probe.error, "refused");
    check(&e, &link_up, STATE_UNREACHABLE, CAUSE_NO_ANSWER, VIA_NONE, "connection refused");
    strcpy(e.probe.error, "no_route");
    check(&e, &link_up, STATE_UNREACHABLE, CAUSE_NO_ANSWER, VIA_NONE, "no route to the host");
    e.probe.ever_ok = e.probe.ever_answered = false;
    e.probe.ok_ms = 0;
    check(&e, &link_up, STATE_UNREACHABLE, CAUSE_NEVER_SEEN, VIA_NONE, "never answered");
}

/* The answer that others' hanging keeps llamad from asking for again. */
static void an_old_answer_proves_nothing(void **state)
{
    (void)state;
    static const enum probe_outcome outcomes[] = {PROBE_OK, PROBE_UNUSABLE};
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++) {
        struct evidence polled = {.manual = true}, silent = agent(300 * S);
        struct evidence edge = {.edge = {.ever = true, .interval_ms = 30000, .message_ms = NOW_MS - 20 * S}};
        struct evidence *all[] = {&polled, &silent, &edge};
        for (size_t j = 0; j < sizeof all / sizeof *all; j++) {
            set_probe(all[j], outcomes[i], "");
            all[j]->probe.interval_ms = 10 * S;
            all[j]->probe.at_ms = NOW_MS - 25 * S;
        }
        check(&polled, &link_up, i == 0 ? STATE_ONLINE : STATE_DEGRADED,
              i == 0 ? CAUSE_NONE : CAUSE_SMOLLAMA_ERROR, VIA_HTTP, "");
        check(&silent, &link_up, i == 0 ? STATE_ONLINE : STATE_DEGRADED,
              i == 0 ? CAUSE_AGENT_DOWN : CAUSE_SMOLLAMA_ERROR, VIA_HTTP, "");
        polled.probe.at_ms = silent.probe.at_ms = edge.probe.at_ms = NOW_MS - 25 * S - 1;
        check(&polled, &link_up, STATE_STALE, CAUSE_LATE, VIA_NONE, "not asked since 2026-11-23T07:59:34Z");
        check(&silent, &link_up, STATE_STALE, CAUSE_LATE, VIA_NONE, "; HTTP: not asked since");
        check(&edge, &link_up, STATE_ONLINE, CAUSE_NONE, VIA_EDGE, "");
        polled.probe.at_ms = silent.probe.at_ms = NOW_MS - 60 * S - 1;
        check(&polled, &link_up, STATE_UNREACHABLE, CAUSE_NO_ANSWER, VIA_NONE, "not asked since");
        check(&silent, &link_up, STATE_UNREACHABLE, CAUSE_NO_ANSWER, VIA_NONE, "not asked since");
        struct link_evidence down = {.up = false, .down_ms = NOW_MS - 70 * S, .started_ms = UP_MS};
        check(&silent, &down, STATE_UNKNOWN, CAUSE_BROKER_DOWN, VIA_NONE, "not asked since");
        polled.probe.interval_ms = 0; /* nobody told */
        check(&polled, &link_up, i == 0 ? STATE_ONLINE : STATE_DEGRADED,
              i == 0 ? CAUSE_NONE : CAUSE_SMOLLAMA_ERROR, VIA_HTTP, "");
    }
}

/* ---- row 5 ---- */

static void edge_nodes_are_judged_by_their_messages(void **state)
{
    (void)state;
    struct evidence e = {0};
    e.edge.ever = true;
    e.edge.interval_ms = 10 * S;
    e.edge.message_ms = NOW_MS - 30 * S;
    check(&e, &link_up, STATE_ONLINE, CAUSE_NONE, VIA_EDGE, "about every 10 s");
    e.edge.message_ms -= 1;
    check(&e, &link_up, STATE_STALE, CAUSE_LATE, VIA_NONE,
          "no message since 2026-11-23T07:59:29Z (usually every 10 s)");
    e.edge.message_ms = NOW_MS - 60 * S - 1;
    check(&e, &link_up, STATE_UNREACHABLE, CAUSE_NO_MESSAGE, VIA_NONE, "no message since");
    e.edge.interval_ms = 0; /* 30 s */
    check(&e, &link_up, STATE_ONLINE, CAUSE_NONE, VIA_EDGE, "");
    e.edge.message_ms = -5 * S; /* before this machine was switched on */
    check(&e, &link_up, STATE_UNREACHABLE, CAUSE_NO_MESSAGE, VIA_NONE, "");
}

static void re_exports_are_judged_at_once_after_the_start(void **state)
{
    (void)state;
    struct link_evidence fresh = {.up = true, .up_ms = NOW_MS - 2 * S, .started_ms = NOW_MS - 3 * S};
    struct evidence e = {0};
    e.edge.ever = true;
    e.edge.message_ms = NOW_MS - 7200 * S;
    check(&e, &fresh, STATE_UNREACHABLE, CAUSE_NO_MESSAGE, VIA_NONE, "");
    e.edge.message_ms = NOW_MS - 20 * S;
    check(&e, &fresh, STATE_ONLINE, CAUSE_NONE, VIA_EDGE, "");
}

static void edge_nodes_get_time_after_an_outage(void **state)
{
    (void)state;
    struct link_evidence back = {
        .up = true, .up_ms = NOW_MS - 20 * S, .down_ms = NOW_MS - 500 * S, .started_ms = UP_MS};
    struct evidence e = {0};
    e.edge.ever = true;
    e.edge.message_ms = NOW_MS - 510 * S;
    check(&e, &back, STATE_UNKNOWN, CAUSE_BROKER_DOWN, VIA_NONE, "");
    back.up_ms = NOW_MS - 91 * S;
    check(&e, &back, STATE_STALE, CAUSE_LATE, VIA_NONE, "");
    back.up_ms = NOW_MS - 181 * S;
    check(&e, &back, STATE_UNREACHABLE, CAUSE_NO_MESSAGE, VIA_NONE, "");
}

static void messages_outweigh_a_dashboard_that_is_not_there(void **state)
{
    (void)state;
    struct evidence e = {.manual = true};
    e.edge.ever = true;
    e.edge.message_ms = NOW_MS - 10 * S;
    set_probe(&e, PROBE_FAILED, "refused");
    check(&e, &link_up, STATE_ONLINE, CAUSE_NONE, VIA_EDGE, "");
    e.edge.message_ms = NOW_MS - 3600 * S;
    check(&e, &link_up, STATE_UNREACHABLE, CAUSE_NEVER_SEEN, VIA_NONE, "");
}

/* ---- sentences ---- */

static void peer_text_is_escaped_and_cut_between_characters(void **state)
{
    (void)state;
    struct evidence e = agent(5 * S);
    e.source.ok = false;
    strcpy(e.source.error, "bad\n\x1b[31m\xe2\x80\xae");
    struct verdict v = verdict_of(&e, &link_up, now);
    char reason[240];
    verdict_reason(v, &e, &link_up, now, reason, sizeof reason);
    assert_null(strpbrk(reason, "\n\x1b"));
    assert_null(strstr(reason, "\xe2\x80\xae"));
    for (size_t i = 0; i < 20; i++) {
        strcpy(e.source.error + 3 * i, "漢");
    }
    for (size_t size = 64; size < sizeof reason; size++) {
        memset(reason, 'x', sizeof reason);
        verdict_reason(v, &e, &link_up, now, reason, size);
        size_t len = strlen(reason);
        assert_true(len < size);
        assert_true(utf8_valid(reason, len));
    }
}

static void every_state_cause_and_via_has_a_name(void **state)
{
    (void)state;
    for (int i = 0; i < STATES; i++) {
        assert_non_null(state_name((enum state)i));
    }
    assert_null(cause_name(CAUSE_NONE));
    for (int i = CAUSE_NONE + 1; i < CAUSES; i++) {
        assert_non_null(cause_name((enum cause)i));
    }
    assert_null(via_name(VIA_NONE));
    assert_string_equal(via_name(VIA_EDGE), "edge");
    assert_string_equal(cause_name(CAUSE_NO_MESSAGE), "no_message");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_url_the_broker_is_all_there_is),
        cmocka_unit_test(just_started_nothing_is_known),
        cmocka_unit_test(retained_only_nodes_get_their_state_after_two_and_a_half_intervals),
        cmocka_unit_test(after_the_start_polls_tell_of_who_is_offline_by_the_brokers_memory),
        cmocka_unit_test(heartbeats_make_it_online),
        cmocka_unit_test(causes_of_degraded_come_in_their_order),
        cmocka_unit_test(one_failed_fetch_or_a_feature_not_in_use_is_no_error),
        cmocka_unit_test(a_snapshot_older_than_three_intervals_is_an_error),
        cmocka_unit_test(an_agent_that_is_late_itself_makes_no_snapshot_late),
        cmocka_unit_test(silent_nodes_are_judged_by_their_poll),
        cmocka_unit_test(without_url_lateness_alone_counts),
        cmocka_unit_test(a_newer_heartbeat_overrides_a_will),
        cmocka_unit_test(a_will_counts_once_the_broker_has_outlived_it),
        cmocka_unit_test(in_an_outage_polls_go_on),
        cmocka_unit_test(after_link_up_nothing_is_lowered_for_two_and_a_half_intervals),
        cmocka_unit_test(a_short_outage_leaves_fresh_nodes_online),
        cmocka_unit_test(who_was_late_before_the_outage_is_no_less_late_after),
        cmocka_unit_test(a_second_outage_makes_nobody_later),
        cmocka_unit_test(a_stop_seen_live_counts_at_once_even_after_link_up),
        cmocka_unit_test(nodes_without_agent_are_judged_by_their_poll),
        cmocka_unit_test(an_old_answer_proves_nothing),
        cmocka_unit_test(edge_nodes_are_judged_by_their_messages),
        cmocka_unit_test(re_exports_are_judged_at_once_after_the_start),
        cmocka_unit_test(edge_nodes_get_time_after_an_outage),
        cmocka_unit_test(messages_outweigh_a_dashboard_that_is_not_there),
        cmocka_unit_test(peer_text_is_escaped_and_cut_between_characters),
        cmocka_unit_test(every_state_cause_and_via_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
