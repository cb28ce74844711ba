"""What an agent passes on: bytes unchanged, once per change, again when asked."""

import datetime
import json

import pytest

from tests.support.recordings import dump
from tests.support.shapes import assert_keys, body_bytes, is_utc
from tests.support.smollama_node import respond_body
from tests.support.waiting import hold, stretched, wait_until

KINDS = ("readings", "observations", "memories", "stats")
SLOWLY = {"alpaca": {f"{kind}_interval": 60 for kind in KINDS}}


@pytest.mark.parametrize("kind", KINDS)
def test_report_carries_the_answer_unchanged(stack, kind):
    node = stack.node()
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(node)
    message = reader.wait_for(f"alpaca/kitchen/{kind}")
    assert (message.retain, message.qos) == (True, 1)
    report = message.json
    assert_keys(report, ("v", "node", "kind", "session", "seq", "captured_at", "utc_offset_s", "body"))
    assert (report["v"], report["node"], report["kind"], report["seq"]) == (1, "kitchen", kind, 1)
    assert is_utc(report["captured_at"])
    assert report["utc_offset_s"] == datetime.datetime.now().astimezone().utcoffset().total_seconds()
    assert body_bytes(message.payload) == node.body(kind)


def test_questions_suit_smollama(stack):
    """hours= is broken upstream, /api/health reads every sensor, and `limit` is the configured one."""
    node = stack.node()
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(node, {"alpaca": {"limit": 50}})
    reader.wait_count("alpaca/kitchen/health", 3)
    queries = {r.endpoint: r.query for r in node.requests}
    for kind in ("observations", "memories"):
        assert queries[kind].get("limit") == "50"
        assert queries[kind].get("hours", "0") == "0"
        assert queries[kind].get("query", "") == ""
    assert node.count("health") == 0
    assert all(r.method == "GET" for r in node.requests)


def test_each_endpoint_is_asked_at_its_interval(stack):
    node = stack.node()
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(node, {"alpaca": {"readings_interval": 1, "observations_interval": 2, "stats_interval": 3,
                                  "memories_interval": 60}})
    reader.wait_for("alpaca/kitchen/health", lambda m: m.json["seq"] >= 7, 15)
    for kind, interval in (("readings", 1), ("observations", 2), ("stats", 3)):
        times = node.times(kind)
        gaps = [b - a for a, b in zip(times, times[1:])]
        assert gaps and all(interval - 0.5 < gap < interval + stretched(0.9) for gap in gaps), (kind, gaps)
    assert node.count("memories") == 1


def test_proxy_variables_do_not_matter(stack):
    node = stack.node()
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(node, env={"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"})
    assert body_bytes(reader.wait_for("alpaca/kitchen/stats").payload) == node.body("stats")


def test_moving_readings_count_up(stack):
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(stack.node(moving=True))
    reports = [m.json for m in reader.wait_count("alpaca/kitchen/readings", 4)]
    assert [r["seq"] for r in reports] == list(range(1, len(reports) + 1))
    assert len({r["body"]["timestamp"] for r in reports}) == len(reports)
    assert sorted({r["captured_at"] for r in reports}) == [r["captured_at"] for r in reports]


@pytest.mark.parametrize("kind", ["observations", "memories", "stats"])
def test_unchanged_content_is_not_sent_again(stack, kind):
    node = stack.node()
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(node)
    wait_until(lambda: node.count(kind) >= 4, 10, f"{kind} fetched again and again")
    assert len(reader.messages(f"alpaca/kitchen/{kind}")) == 1
    beats = [m.json["snapshots"][kind] for m in reader.messages("alpaca/kitchen/health") if kind in m.json["snapshots"]]
    assert {b["seq"] for b in beats if b["seq"]} == {1}
    assert len({b["captured_at"] for b in beats}) > 1, "captured_at is the last fetch, changed or not"


def test_stats_are_compared_without_their_timestamp(stack):
    node = stack.node()
    stats = json.loads(node.body("stats"))
    serial = iter(range(10, 60))

    def ticking(conn, _recorded, _request):
        stats["timestamp"] = f"2026-11-23T08:00:{next(serial)}.000001"
        return respond_body(dump(stats))(conn, _recorded, _request)

    node.behave("stats", ticking)
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(node)
    wait_until(lambda: node.count("stats") >= 4, 10, "stats fetched again")
    assert len(reader.messages("alpaca/kitchen/stats")) == 1
    stats["observations_count"] += 1
    second = reader.wait_for("alpaca/kitchen/stats", lambda m: m.json["seq"] == 2).json
    assert second["body"]["observations_count"] == stats["observations_count"]


def test_everything_is_sent_again_after_a_reconnect(stack):
    node, keeper = stack.node(), stack.gatekeeper()
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(node, SLOWLY, broker_port=keeper.port)
    first = {kind: reader.wait_for(f"alpaca/kitchen/{kind}").json for kind in KINDS}
    asked = node.count()
    keeper.cut()
    for kind in KINDS:
        again = reader.wait_count(f"alpaca/kitchen/{kind}", 2, 15)[1].json
        assert again == first[kind], "a resend keeps session, seq and captured_at"
    states = [m.json["state"] for m in reader.messages("alpaca/kitchen/status")]
    assert states[0] == "online" and states[-1] == "online" and len(states) >= 2
    assert node.count() == asked, "a resend comes from memory"


def test_refresh_resends_from_memory(stack):
    node = stack.node()
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(node, SLOWLY)
    first = {kind: reader.wait_for(f"alpaca/kitchen/{kind}").json for kind in KINDS}
    asked = node.count()
    stack.mqtt.publish("alpaca/kitchen/refresh", b"")
    for kind in KINDS:
        assert reader.wait_count(f"alpaca/kitchen/{kind}", 2)[1].json == first[kind]
    assert node.count() == asked


def test_refresh_is_answered_once_in_five_seconds(stack):
    node = stack.node()
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(node, SLOWLY)
    for kind in KINDS:
        reader.wait_for(f"alpaca/kitchen/{kind}")
    stack.mqtt.publish("alpaca/kitchen/refresh", b"")
    second = reader.wait_count("alpaca/kitchen/readings", 2)[1].at
    for _ in range(20):
        stack.mqtt.publish("alpaca/kitchen/refresh", b"")
    hold(lambda: len(reader.messages("alpaca/kitchen/readings")) == 2, 3, "no second resend within five seconds")

    def ask_again() -> bool:
        stack.mqtt.publish("alpaca/kitchen/refresh", b"")
        return len(reader.messages("alpaca/kitchen/readings")) > 2

    wait_until(ask_again, 6, "resent again once five seconds are over", interval=0.3)
    assert reader.messages("alpaca/kitchen/readings")[2].at - second > 4.5


def test_report_above_a_million_bytes_is_not_published(stack):
    node = stack.node()
    item = {"id": 1, "text": "x" * 1_000_100, "confidence": 1, "times_confirmed": 1,
            "created_at": "2026-11-23 07:56:35", "updated_at": "2026-11-23 07:56:35", "similarity": None}
    node.behave("memories", respond_body(dump({"query": "", "count": 1, "memories": [item]})))
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(node)
    reader.wait_for("alpaca/kitchen/health", lambda m: error_of(m, "memories") == "too_large")
    reader.wait_count("alpaca/kitchen/health", 3)
    assert not reader.messages("alpaca/kitchen/memories")
    node.behave("memories", "ok")
    reader.wait_for("alpaca/kitchen/memories")


def test_report_above_the_brokers_limit_is_not_published(stack):
    stack.broker(lines=["max_packet_size 9000"])
    reader = stack.mqtt_client("alpaca/#")
    keeper = stack.gatekeeper()
    stack.agent(stack.node(), broker_port=keeper.port)
    reader.wait_for("alpaca/kitchen/health", lambda m: error_of(m, "observations") == "too_large")
    reader.wait_for("alpaca/kitchen/memories")
    reader.wait_count("alpaca/kitchen/health", 3)
    assert not reader.messages("alpaca/kitchen/observations")
    assert len(keeper.connects) == 1, "the connection is not lost over it"


def error_of(message, kind: str) -> str | None:
    return message.json["snapshots"].get(kind, {}).get("error")
