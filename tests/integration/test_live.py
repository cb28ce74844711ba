"""Live push: a snapshot, then what changes, each thing once with its last value."""

import json
from datetime import datetime

import pytest
import websocket

from tests.support.live_client import LiveClient
from tests.support.shapes import is_utc
from tests.support.waiting import hold, wait_until

FRAME = {"type", "instance", "revision", "timestamp"}


@pytest.fixture
def scene(stack):
    llamad = stack.llamad()
    first = stack.fake_agent("pi-a").come_alive({"a:b": 1, "c:d": 2})
    second = stack.fake_agent("pi-b").come_alive({"a:b": 3})
    for name in ("pi-a", "pi-b"):
        llamad.wait_node(name, "online")
    wait_until(lambda: len(llamad.readings()) == 3 and len(llamad.said_stats()) == 2, 3,
               "all content is in")
    return llamad, first, second


def readings_of(frames):
    return [(r["node"], r["full_id"], r["value"]) for f in frames for r in f.get("readings", [])]


def test_snapshot_holds_everything(stack, scene):
    llamad, _first, _second = scene
    frame = stack.live(llamad).snapshot()
    assert FRAME | {"nodes", "readings", "stats", "events", "observations", "memories"} <= set(frame)
    assert frame["instance"] == llamad.health()["instance"] and is_utc(frame["timestamp"])
    assert isinstance(frame["revision"], int)
    api = llamad.get("/api/cluster/readings")["readings"]
    assert sorted(map(json.dumps, frame["readings"])) == sorted(map(json.dumps, api)), "the same items as in the API"
    assert {n["name"] for n in frame["nodes"]} == {"pi-a", "pi-b"}
    stats = llamad.get("/api/cluster/stats")
    assert frame["stats"]["totals"] == stats["totals"] and frame["stats"]["nodes"] == stats["nodes"]


def test_delta_holds_only_what_changed(stack, scene):
    llamad, first, _second = scene
    live = stack.live(llamad)
    revision = live.snapshot()["revision"]
    first.readings({"a:b": 10, "c:d": 2})
    delta = live.wait_frame(lambda f: f["type"] == "delta" and f.get("readings"), what="delta with readings")
    assert FRAME <= set(delta) and delta["revision"] > revision
    assert delta["instance"] == live.frames[0]["instance"]
    assert readings_of([delta]) == [("pi-a", "a:b", 10)]


def test_new_timestamp_alone_is_no_change(stack, scene):
    llamad, first, _second = scene
    live = stack.live(llamad)
    live.snapshot()
    first.readings({"a:b": 1, "c:d": 2})
    first.readings({"a:b": 1, "c:d": 5})
    live.wait_frame(lambda f: ("pi-a", "c:d", 5) in readings_of([f]))
    assert readings_of(live.frames[1:]) == [("pi-a", "c:d", 5)]


def test_vanished_readings_and_nodes_are_removed(stack, scene):
    llamad, first, _second = scene
    live = stack.live(llamad)
    live.snapshot()
    first.readings({"a:b": 1})
    delta = live.wait_frame(lambda f: f.get("removed", {}).get("readings"))
    assert delta["removed"]["readings"] == [["pi-a", "c:d"]]
    assert llamad.http.request("DELETE", "/api/cluster/nodes/pi-b?confirm=pi-b").status == 204
    delta = live.wait_frame(lambda f: f.get("removed", {}).get("nodes"))
    assert delta["removed"]["nodes"] == ["pi-b"]
    wait_until(lambda: set(live.state()["nodes"]) == {"pi-a"} and set(live.state()["readings"]) == {("pi-a", "a:b")}, 3,
               "folded frames show what is left")


def test_node_filter_narrows_everything(stack, scene):
    llamad, first, second = scene
    live = stack.live(llamad, "?node=pi-b")
    frame = live.snapshot()
    assert {n["name"] for n in frame["nodes"]} == {"pi-b"}
    assert {r["node"] for r in frame["readings"]} == {"pi-b"}
    first.readings({"a:b": 77})
    second.readings({"a:b": 78})
    live.wait_frame(lambda f: ("pi-b", "a:b", 78) in readings_of([f]))
    assert "pi-a" not in {r["node"] for f in live.frames for r in f.get("readings", [])}
    assert all(e["node"] in ("pi-b", None) for f in live.frames for e in f.get("events", []))


def test_state_changes_come_as_node_and_event(stack, scene):
    llamad, first, _second = scene
    live = stack.live(llamad)
    live.snapshot()
    first.status("offline", reason="stopped")
    node = live.wait_frame(
        lambda f: any(n["name"] == "pi-a" and n["status"] == "unreachable" for n in f.get("nodes", [])))
    assert node["type"] == "delta"
    event = live.wait_frame(lambda f: f["type"] == "delta" and f.get("events"))["events"][0]
    assert (event["node"], event["from"], event["to"], event["cause"]) == ("pi-a", "online", "unreachable", "stopped")
    assert live.state()["stats"]["nodes"]["unreachable"] == 1


def test_frames_add_up_to_the_api(stack):
    """A moving cluster, watched from the start, is the same from both sides."""
    llamad = stack.llamad()
    live = stack.live(llamad)
    for name in ("one", "two"):
        node = stack.node("kitchen", name, moving=True)
        node._movement.observation_every_s = 0.5
        stack.agent(node)
    for name in ("one", "two"):
        llamad.wait_node(name, "online")
    wait_until(lambda: max((o[1] for o in live.state()["observations"]), default=0) > 42, 15, "observations added")

    def same() -> bool:
        api = {(r["node"], r["full_id"]): r["value"] for r in llamad.readings()}
        seen = {key: item["value"] for key, item in live.state()["readings"].items()}
        notes = {(o["node"], o["id"]) for o in llamad.get("/api/cluster/observations", limit=200)["observations"]}
        return api == seen and len(api) == 30 and notes <= set(live.state()["observations"])

    wait_until(same, 5, "both views agree")
    revisions = [f["revision"] for f in live.frames]
    assert revisions == sorted(revisions)


def test_burst_collapses_into_last_values(stack, scene):
    llamad, first, _second = scene
    live = stack.live(llamad)
    live.snapshot()
    for value in range(500):
        first.seq["readings"] += 1
        body = b'{"timestamp":"2026-11-23T08:00:00","readings":[{"full_id":"a:b","value":%d,"unit":null}]}' % value
        head = (f'{{"v":1,"node":"pi-a","kind":"readings","session":"{first.session}","seq":{first.seq["readings"]},'
                '"captured_at":"2026-11-23T08:00:00.000Z","utc_offset_s":0,"body":').encode()
        stack.mqtt.publish("alpaca/pi-a/readings", head + body + b"}", retain=True, wait=value == 499)
    live.wait_frame(lambda f: ("pi-a", "a:b", 499) in readings_of([f]))
    seen = [r[2] for r in readings_of(live.frames[1:]) if r[:2] == ("pi-a", "a:b")]
    assert seen == sorted(seen) and len(seen) == len(set(seen)), "never back, never twice"


def test_pace_bounds_the_frames_and_loses_nothing(stack, scene):
    llamad = scene[0]
    paced, other = stack.live(llamad, "?pace=500"), stack.live(llamad)
    paced.snapshot(), other.snapshot()
    fake = stack.fake_agent("mover")
    fake.come_alive({"a:b": -1})
    for value in range(60):
        fake.readings({"a:b": value})
        wait_until(lambda: llamad.reading("mover", "a:b")["value"] == value, 5, "it is in")

    def value(client: LiveClient) -> int | None:
        return client.state()["readings"].get(("mover", "a:b"), {}).get("value")

    wait_until(lambda: value(paced) == value(other) == 59, 5, "both know the last value")
    times = [datetime.fromisoformat(f["timestamp"].replace("Z", "+00:00")) for f in paced.frames[1:]]
    beats = (times[-1] - times[0]).total_seconds() / 0.5
    assert len(times) <= beats + 2 and len(other.frames) >= len(times) + 30, (len(times), beats, len(other.frames))


def test_reconnecting_client_gets_all_it_missed(stack, scene):
    llamad, first, _second = scene
    live = stack.live(llamad)
    live.snapshot()
    live.close()
    first.readings({"a:b": 99})
    wait_until(lambda: llamad.reading("pi-a", "a:b")["value"] == 99, 3, "the change is in")
    again = stack.live(llamad)
    again.wait_frame(lambda f: ("pi-a", "a:b", 99) in readings_of([f]))


def test_another_instance_sends_a_snapshot(stack, scene):
    llamad, _first, _second = scene
    live = stack.live(llamad)
    instance = live.snapshot()["instance"]
    llamad.kill()
    llamad.start()
    again = stack.live(llamad).snapshot()
    assert again["instance"] != instance


def test_stalled_clients_cost_no_memory(stack, scene):
    llamad, first, _second = scene
    big = {f"big:{i}": "x" * 900 for i in range(200)}
    first.readings(big)
    wait_until(lambda: len(llamad.readings(node="pi-a")) == 200, 5, "large readings are in")
    live = stack.live(llamad)
    live.snapshot()
    stalled = [stack.stalled(llamad) for _ in range(10)]
    rounds = 60

    def push(start: int) -> None:
        for turn in range(start, start + rounds):
            first.readings({key: f"{turn:05d}" + "y" * 900 for key in big})
        last = f"{start + rounds - 1:05d}"
        wait_until(lambda: live.state()["readings"][("pi-a", "big:0")]["value"].startswith(last), 20,
                   "the reading client keeps up")

    push(0)
    before = llamad.rss_kib()
    push(rounds)
    llamad.assert_flat(before, what=f"in {rounds} rounds of 200 KB with {len(stalled)} stalled clients")


def test_shutdown_closes_with_1001(stack, scene):
    llamad, _first, _second = scene
    clients = [stack.live(llamad) for _ in range(5)]
    for live in clients:
        live.snapshot()
    assert llamad.stop() == 0
    for live in clients:
        assert live.closed.wait(2)
        assert live.close_code == 1001


@pytest.mark.parametrize("headers, status", [({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403),
                                             ({"Host": "evil.example"}, 421)])
def test_foreign_pages_may_not_listen(stack, scene, headers, status):
    llamad, _first, _second = scene
    host = headers.get("Host", f"127.0.0.1:{llamad.port}")
    origin = f"Origin: {headers['Origin']}\r\n" if "Origin" in headers else ""
    request = (f"GET /api/cluster/live HTTP/1.1\r\nHost: {host}\r\n{origin}"
               "Upgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
    assert llamad.http.raw_status(request.encode()) == status


def test_own_page_may_listen(stack, scene):
    llamad, _first, _second = scene
    stack.live(llamad, headers={"Origin": f"http://127.0.0.1:{llamad.port}"}).snapshot()


def test_live_without_upgrade_is_refused(scene):
    llamad, _first, _second = scene
    assert llamad.http.get("/api/cluster/live").status in (400, 404, 426)


@pytest.mark.parametrize("size", [10, 100_000, 3_000_000])
def test_talkative_clients_do_no_harm(stack, scene, size):
    llamad, first, _second = scene
    live, other = stack.live(llamad), stack.live(llamad)
    live.snapshot()
    other.snapshot()
    before = llamad.rss_kib()
    try:
        live.socket.send("x" * size)
        live.socket.send_binary(b"\x00" * size)
    except (OSError, websocket.WebSocketException):
        pass  # closing on a client that talks too much is fine
    first.readings({"a:b": 55})
    other.wait_frame(lambda f: ("pi-a", "a:b", 55) in readings_of([f]))
    llamad.assert_flat(before)


def test_idle_session_stays_open(stack, scene):
    llamad, first, _second = scene
    live = stack.live(llamad)
    live.snapshot()
    hold(lambda: not live.closed.is_set(), 3, "the session stays")
    first.readings({"a:b": 5})
    live.wait_frame(lambda f: ("pi-a", "a:b", 5) in readings_of([f]))
