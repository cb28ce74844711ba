"""Snapshots in parts: what a browser can take in without a pause, adding up to what everybody else gets."""

import json
from types import SimpleNamespace

import pytest

from tests.support.fake_agent import FakeAgent, readings_body
from tests.support.live_client import fold
from tests.support.processes import SANITIZER
from tests.support.waiting import wait_until

NODES, READINGS = 1000, 20
HOUR = 3600
MOST = 160 * 1024
HOSTILE = {f'}},{{"node":"{i}': {"more": False, "text": '"],"more":true}{"type":"part","readings":[{"node":"x' * 8,
                                 "readings": [[{"node": "},{"}]]} for i in range(200)}


def start(stack, name, readings):
    fake = FakeAgent(stack.mqtt, name, interval_s=HOUR)
    fake.come_alive(readings)
    return fake


@pytest.fixture(scope="module")
def cluster(module_stack):
    """1,000 nodes × 20 readings, and a node whose texts look like the frames' own."""
    llamad = module_stack.llamad()
    for i in range(NODES):
        fake = start(module_stack, f"node-{i:04d}", {f"system:sensor_{k:02d}": 20 + i / 7 + k for k in range(READINGS)})
        if i % 10 == 0:
            fake.status("offline", reason="stopped")  # an event
    hostile = start(module_stack, "hostile", HOSTILE)
    count = NODES * READINGS + len(HOSTILE)
    wait_until(lambda: (stats := llamad.get("/api/cluster/stats"))["totals"]["sources"] == count
               and stats["nodes"]["total"] == NODES + 1 and None not in stats["by_node"].values(), 30,
               "all content is in")
    return SimpleNamespace(llamad=llamad, stack=module_stack, hostile=hostile, count=count)


def parts_of(messages):
    """The frames up to the end of the first snapshot; each message is checked for its place."""
    frames = []
    for message in messages:
        frames.append(json.loads(message))
        assert frames[-1]["type"] == ("part" if frames[1:] else "snapshot")
        assert {"instance", "revision", "timestamp", "more"} <= set(frames[-1])
        assert all(frames[0][key] == frames[-1][key] for key in ("instance", "revision", "timestamp"))
        if not frames[-1]["more"]:
            return frames
    raise AssertionError(f"{len(frames)} parts, and no last one")


def until(messages, predicate):
    """Further frames, up to the first that fits."""
    frames = []
    while not frames or not predicate(frames[-1]):
        frames.append(json.loads(next(messages)))
    return frames


def same(a, b):
    """Two folded states; a `confirmed_at` is reckoned from two clocks at rendering, which may end a millisecond apart."""
    for state in (a, b):
        state["nodes"] = {name: {**node, "confirmed_at": None} for name, node in state["nodes"].items()}
    return a == b


def said(frames, node, full_id):
    return [r["value"] for f in frames for r in f.get("readings", []) if (r["node"], r["full_id"]) == (node, full_id)]


def test_small_snapshot_is_one_message(stack):
    llamad = stack.llamad()
    stack.fake_agent("pi").come_alive({"a:b": 1})
    llamad.wait_node("pi", "online")
    wait_until(lambda: len(llamad.readings()) == 1 and len(llamad.said_stats()) == 1, 3, "all content is in")
    live, other = stack.live(llamad, "?parts=1"), stack.live(llamad)
    whole, frame = other.snapshot(), live.snapshot()
    assert frame.pop("more") is False and "more" not in whole
    wait_until(lambda: same(live.state(), other.state()), 3, "both see the same")
    assert set(frame) == set(whole) and len(frame["readings"]) == 1


def test_parts_are_small_and_add_up(cluster):
    clients = [cluster.stack.stalled(cluster.llamad, query, receive_buffer=1 << 20) for query in ("?parts=1", "")]
    parted, whole = (client.messages() for client in clients)
    raw = []
    for message in parted:
        raw.append(message)
        if message.endswith(b'"more":false}'):
            break
    frames = parts_of(raw)
    assert max(map(len, raw)) < MOST
    assert sum(map(len, raw)) / len(raw) > 64 * 1024, f"{len(raw)} messages are too many"
    assert {"nodes", "readings", "stats", "events", "observations", "memories", "incidents",
            "broker_down_since"} <= set(frames[0])
    assert frames[0]["nodes"] and frames[0]["stats"]["nodes"]["total"] == NODES + 1
    assert len(frames[0]["events"]) == 50 and not any("events" in f for f in frames[1:])
    for key, count in (("nodes", NODES + 1), ("readings", cluster.count)):
        assert sum(len(f.get(key, [])) for f in frames) == count, f"each of the {key} once"
    known = set()
    for frame in frames:
        known |= {node["name"] for node in frame.get("nodes", [])}
        assert {reading["node"] for reading in frame.get("readings", [])} <= known, "a node comes before its readings"
    assert frames[0]["readings"], "there is something to show at once"
    assert all(node["status"] == "unreachable" for node in frames[0]["nodes"]), "those that need somebody come first"
    assert len(fold(frames)["stats"]["by_node"]) == NODES + 1
    assert {key[1] for key in fold(frames)["readings"] if key[0] == "hostile"} == set(HOSTILE)

    others = [json.loads(next(whole))]
    cluster.hostile.readings(HOSTILE | {"end:x": 1})
    frames += until(parted, lambda f: said([f], "hostile", "end:x"))
    others += until(whole, lambda f: said([f], "hostile", "end:x"))
    assert others[0]["type"] == "snapshot" and "more" not in others[0]
    assert {f["type"] for f in others[1:]} <= {"delta"}
    assert same(fold(frames), fold(others))
    for client in clients:
        client.close()


def test_slow_reader_gets_what_changes_meanwhile_afterwards(cluster):
    fake = start(cluster.stack, "mover", {"a:b": 0})
    wait_until(lambda: cluster.llamad.reading("mover", "a:b"), 5, "it is in")
    before = cluster.llamad.health()["http"]["frames_out"]
    slow = cluster.stack.stalled(cluster.llamad, "?parts=1")
    for value in range(1, 31):
        fake.readings({"a:b": value} | ({"c:d": 1} if value < 20 else {}))
    wait_until(lambda: cluster.llamad.reading("mover", "a:b")["value"] == 30, 5, "all are in")
    out = cluster.llamad.health()["http"]["frames_out"] - before
    messages = slow.messages()
    frames = parts_of(messages)
    assert out < len(frames), "all that was in the midst of the parts"
    frames += until(messages, lambda f: said([f], "mover", "a:b") == [30])
    assert {f["type"] for f in frames[1:] if "more" not in f} == {"delta"}
    revisions = [f["revision"] for f in frames]
    assert revisions == sorted(revisions)
    values = said(frames, "mover", "a:b")
    assert values == sorted(set(values)) and len(values) <= 3, "never back, never twice, and not one by one"
    assert ("mover", "c:d") not in fold(frames)["readings"]
    assert {key: r["value"] for key, r in fold(frames)["readings"].items()} == {
        (r["node"], r["full_id"]): r["value"] for r in cluster.llamad.readings()}
    slow.close()


def test_what_no_delta_can_tell_starts_over(cluster):
    start(cluster.stack, "comes-back", {"old:one": 0})
    wait_until(lambda: cluster.llamad.reading("comes-back", "old:one"), 5, "it is in")
    slow = cluster.stack.stalled(cluster.llamad, "?parts=1")
    assert cluster.llamad.http.request("DELETE", "/api/cluster/nodes/comes-back?confirm=comes-back").status == 204
    start(cluster.stack, "comes-back", {"new:one": 1})
    wait_until(lambda: cluster.llamad.reading("comes-back", "new:one"), 5, "it is back")
    messages = slow.messages()
    first = parts_of(messages)
    frames = until(messages, lambda f: f["type"] == "snapshot")
    assert {f["type"] for f in frames[:-1]} <= {"delta"}, "only once all parts are out"
    frames = [frames[-1]] + until(messages, lambda f: f.get("more") is False)
    assert {f["type"] for f in frames[1:]} == {"part"} and frames[0]["revision"] > first[0]["revision"]
    names = {key for key in fold(first + frames)["readings"] if key[0] == "comes-back"}
    assert names == {("comes-back", "new:one")} and len(fold(frames)["nodes"]) == len(cluster.llamad.nodes())
    slow.close()


def test_session_goes_on_where_it_was(cluster):
    fake = start(cluster.stack, "resumer", {"a:b": 1})
    wait_until(lambda: cluster.llamad.reading("resumer", "a:b"), 5, "it is in")
    live = cluster.stack.live(cluster.llamad, "?parts=1")
    # the end of a snapshot, or a delta: before that, a revision says nothing about what has come
    known = wait_until(lambda: (frames := list(live.frames))[-1].get("more") is not True
                       and said(frames, "resumer", "a:b") and frames, 10, "all is known")
    last = known[-1]
    live.close()
    fake.readings({"a:b": 2})
    wait_until(lambda: cluster.llamad.reading("resumer", "a:b")["value"] == 2, 5, "the change is in")
    query = f"?parts=1&since={last['revision']}&instance="
    again = cluster.stack.live(cluster.llamad, query + last["instance"])
    again.wait_frame(lambda f: said([f], "resumer", "a:b") == [2])
    assert {f["type"] for f in again.frames} == {"delta"} and not any("more" in f for f in again.frames)
    other = cluster.stack.live(cluster.llamad, query + "another")
    assert other.snapshot()["more"] is True
    other.wait_frame(lambda f: f.get("more") is False)
    again.close()
    other.close()


def test_one_node_comes_in_parts_too(cluster):
    fake = start(cluster.stack, "large", {f"large:{i}": "x" * 300 for i in range(1500)})
    wait_until(lambda: cluster.llamad.reading("large", "large:1499"), 5, "it is in")
    live = cluster.stack.live(cluster.llamad, "?node=large&parts=1")
    live.wait_frame(lambda f: f.get("more") is False)
    assert len(live.frames) >= 4 and {f["type"] for f in live.frames[1:]} == {"part"}
    assert set(live.state()["nodes"]) == {"large"} == {key[0] for key in live.state()["readings"]}
    assert len(live.state()["readings"]) == 1500
    fake.report("readings", readings_body({"large:0": "y"}))
    wait_until(lambda: set(live.state()["readings"]) == {("large", "large:0")}, 5, "the change follows")
    live.close()


def test_many_join_at_once(cluster):
    fake = start(cluster.stack, "moving", {"a:b": 0})
    wait_until(lambda: cluster.llamad.reading("moving", "a:b"), 5, "it is in")
    before = cluster.llamad.rss_kib()
    clients = []
    for i in range(200):
        clients.append(cluster.stack.stalled(cluster.llamad, "?parts=1", receive_buffer=65536))
        if i % 10 == 0:
            fake.readings({"a:b": i})  # a snapshot for each revision would be 20 of them
    most, snapshot = 0, 0
    for client in clients:
        messages = client.messages()
        got = [next(messages)]
        while not got[-1].endswith(b'"more":false}'):
            got.append(next(messages))
            most = max(most, len(got[-1]))
        assert got[0].startswith(b'{"type":"snapshot"') and all(m.startswith(b'{"type":"part"') for m in got[1:])
        assert sum(m.count(b'"full_id":') for m in got) >= cluster.count
        snapshot = snapshot or sum(map(len, got)) // 1024
    peak = cluster.llamad.peak_rss_kib()
    assert most < MOST
    assert SANITIZER or peak - before < 5 * snapshot + 200 * 64, f"{peak - before} KiB for 200 × {snapshot} KiB"
    for client in clients:
        client.close()
    wait_until(lambda: cluster.llamad.health()["http"]["live_clients"] == 0, 5, "all are gone")
