"""llamad's truth is what broker and nodes give back."""

import json

import pytest

from tests.support.waiting import Stopwatch, stretched, wait_until

NAMES = ("kitchen", "empty", "nostore")


def view(llamad) -> dict:
    """Everything with a value in it."""
    return {
        "readings": {(r["node"], r["full_id"]): r["value"] for r in llamad.readings()},
        "observations": {(o["node"], o["id"]): o["text"]
                         for o in llamad.get("/api/cluster/observations", limit=1000)["observations"]},
        "memories": {(m["node"], m["id"]): m["text"]
                     for m in llamad.get("/api/cluster/memories", limit=1000)["memories"]},
        "stats": llamad.said_stats(),
    }


@pytest.fixture
def scene(stack):
    nodes = [stack.node(name) for name in NAMES]
    for node in nodes:
        stack.agent(node, {"alpaca": {"heartbeat_interval": 2}}, announce=True)
    llamad = stack.llamad()
    for name in NAMES:
        llamad.wait_node(name, "online")
    readings = sum(len(json.loads(node.body("readings"))["readings"]) for node in nodes)
    wait_until(lambda: [len(view(llamad)[k]) for k in ("readings", "observations", "memories", "stats")]
               == [readings, 40, 12, 3], 10, "all values arrived")
    return llamad


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_values_are_back_within_two_seconds_and_states_within_a_heartbeat(scene, how):
    before, instance = view(scene), scene.health()["instance"]
    getattr(scene, how)()
    watch = Stopwatch()
    scene.start()
    wait_until(lambda: view(scene) == before, 2, "all values are back")
    assert watch.seconds < stretched(2)
    linked = Stopwatch()
    for name in NAMES:
        scene.wait_node(name, "online", timeout=2.5)
    assert linked.seconds < stretched(2.5)
    assert scene.health()["instance"] != instance


def test_restart_is_no_event_of_the_nodes(scene):
    scene.kill()
    scene.start()
    for name in NAMES:
        scene.wait_node(name, "online")
    lowered = [e for e in scene.events(limit=1000) if e["to"] in ("stale", "unreachable", "degraded", "unknown")]
    assert not lowered
