"""Nodes that are forgotten, and what is left of them at the broker: nothing. Who speaks again comes back."""

import subprocess

from tests.support.processes import quote
from tests.support.waiting import hold, wait_until


def retained(stack, name: str) -> list[str]:
    """The topics that a newcomer gets, by another client than ours."""
    done = subprocess.run(["/usr/bin/mosquitto_sub", "-p", str(stack.broker_port), "-t", f"+/{name}/#", "-t",
                           f"+/{name}", "-F", "%t", "--retained-only", "-W", "1"], capture_output=True, text=True,
                          check=False)
    return sorted(done.stdout.split("\n")[:-1])


def told(stack, name: str) -> list[str]:
    """What its agent keeps there, without what llamad says of the node."""
    return [topic for topic in retained(stack, name) if topic.startswith("alpaca/")]


def forget(llamad, name: str) -> None:
    answer = llamad.http.request("DELETE", f"/api/cluster/nodes/{quote(name)}?confirm={quote(name)}")
    assert answer.status == 204, answer.body


def test_forgotten_on_request_with_all_that_is_retained(stack):
    llamad = stack.llamad()
    agent = stack.agent(stack.node(name="pi", moving=True))
    stack.fake_agent("other", interval_s=60).come_alive()
    llamad.wait_node("pi", "online")
    wait_until(lambda: len(told(stack, "pi")) == 6, 10, "status, health and four snapshots")
    agent.stop()
    llamad.wait_node("pi", "unreachable", "stopped")
    forget(llamad, "pi")
    assert "pi" not in llamad.nodes()
    assert llamad.readings(node="other") and not [r for r in llamad.readings() if r["node"] == "pi"]
    wait_until(lambda: retained(stack, "pi") == [], 5, "nothing is left at the broker")
    assert len(told(stack, "other")) == 4, "of nobody else"
    llamad.kill()
    llamad.start()
    llamad.wait_broker()
    hold(lambda: "pi" not in llamad.nodes(), 2, "not after a restart either")
    agent.start()
    shown = llamad.wait_node("pi", "online")
    assert shown["counts"]["readings"] > 0 or wait_until(
        lambda: llamad.nodes()["pi"]["counts"]["readings"] > 0, 5, "it is back with all it has")


def test_a_living_node_that_is_forgotten_comes_back(stack):
    llamad = stack.llamad()
    stack.agent(stack.node(name="pi", moving=True))
    llamad.wait_node("pi", "online")
    forget(llamad, "pi")
    llamad.wait_node("pi", "online", timeout=5)
    wait_until(lambda: llamad.nodes()["pi"]["counts"]["readings"] > 0, 5, "with its readings")


def test_an_edge_node_that_is_forgotten_comes_back(stack):
    llamad = stack.llamad()
    message = {"node": "shed", "timestamp": 1.0, "readings": [{"source": "dht11:t", "value": 3}]}
    stack.mqtt.publish("smollama/shed/readings", message)
    llamad.wait_node("shed", "online")
    forget(llamad, "shed")
    hold(lambda: "shed" not in llamad.nodes(), 1, "it says nothing")
    stack.mqtt.publish("smollama/shed/readings", message)
    llamad.wait_node("shed", "online")


def test_forgotten_by_age(stack):
    """Silent for retain_for; whoever is heard, and whoever is configured, stays."""
    node = stack.node(name="fixed")
    llamad = stack.llamad({"alpaca": {"retain_for": "60s"}, "cluster": {
        "manual_nodes": [{"name": "fixed", "url": node.url}, {"name": "ghost", "url": "http://127.0.0.1:9"}]}})
    old = stack.fake_agent("old", interval_s=1)
    payload = {"v": 1, "node": "old", "type": "alpaca", "session": "s", "seq": 1, "at": "2026-01-01T00:00:00.000Z",
               "version": "0.1.0", "uptime_s": 1, "interval_s": 1, "url": None, "utc_offset_s": 0, "labels": {},
               "source": {"kind": "smollama", "node_name": "old", "ok": True, "error": None, "since": None,
                          "latency_ms": 1}, "snapshots": {}}
    # Retained by the broker for longer than a minute, as far as its user property tells.
    stack.mqtt.publish("alpaca/old/health", payload, retain=True, expiry=30, user={"expiry": "120"})
    fresh = stack.fake_agent("fresh", interval_s=60).come_alive()
    llamad.stop()
    llamad.start()
    llamad.wait_broker()
    wait_until(lambda: "fresh" in llamad.nodes(), 5, "who was heard lately is known")
    wait_until(lambda: "old" not in llamad.nodes(), 5, "who was not heard for so long is forgotten")
    assert {"fixed", "ghost"} <= set(llamad.nodes())
    old.come_alive()
    fresh.heartbeat()
    llamad.wait_node("old", "online")


def test_a_node_that_changes_all_the_time_leaves_room_for_others(stack):
    llamad = stack.llamad()
    calm = stack.fake_agent("calm", interval_s=60).come_alive()
    llamad.wait_node("calm", "online")
    calm.status("offline", reason="stopped")
    llamad.wait_node("calm", "unreachable")
    wild = stack.fake_agent("wild", interval_s=60).come_alive()
    llamad.wait_node("wild", "online")
    for _ in range(600):
        wild.status("offline", reason="stopped")
        wild.heartbeat()
    llamad.wait_node("wild", "online")
    listed = llamad.events(limit=1000)
    assert [e["to"] for e in listed if e["node"] == "calm"] == ["unreachable"]
    assert len([e for e in listed if e["node"] == "wild"]) <= 60
