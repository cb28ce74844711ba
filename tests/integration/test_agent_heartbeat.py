"""What an agent says of itself: status, heartbeats, will."""

import signal
import socket

import pytest

from tests.support.shapes import RETAIN_S, assert_keys, is_utc
from tests.support.waiting import hold, stretched, wait_until

KINDS = ("readings", "observations", "memories", "stats")


def test_status_is_online_and_retained(stack):
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(stack.node())
    message = reader.wait_for("alpaca/kitchen/status")
    assert (message.retain, message.qos) == (True, 1)
    assert_keys(message.json, ("state", "session", "at"))
    assert message.json["state"] == "online"
    assert is_utc(message.json["at"])
    assert message.json["session"]


def test_heartbeat_has_the_shape_of_the_contract(stack):
    node = stack.node()
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(node, {"alpaca": {"labels": {"room": "kitchen"}}}, announce=True)
    message = reader.wait_for("alpaca/kitchen/health", lambda m: set(m.json["snapshots"]) == set(KINDS)
                              and all(m.json["snapshots"][kind]["seq"] >= 1 for kind in KINDS)
                              and m.json["source"]["node_name"] == "kitchen")
    beat = message.json
    assert (message.retain, message.qos) == (True, 1)
    assert_keys(beat, ("v", "node", "type", "session", "seq", "at", "version", "uptime_s", "interval_s", "url",
                       "utc_offset_s", "labels", "source", "snapshots"))
    assert (beat["v"], beat["node"], beat["type"], beat["interval_s"]) == (1, "kitchen", "alpaca", 1)
    assert (beat["url"], beat["labels"]) == (node.url, {"room": "kitchen"})
    assert is_utc(beat["at"]) and isinstance(beat["uptime_s"], (int, float)) and beat["version"]
    assert_keys(beat["source"], ("kind", "node_name", "ok", "error", "since", "latency_ms"))
    assert (beat["source"]["kind"], beat["source"]["ok"], beat["source"]["error"]) == ("smollama", True, None)
    assert is_utc(beat["source"]["since"]) and beat["source"]["latency_ms"] >= 0
    for kind in KINDS:
        snapshot = beat["snapshots"][kind]
        assert_keys(snapshot, ("seq", "captured_at", "interval_s", "error"))
        assert snapshot["seq"] >= 1 and is_utc(snapshot["captured_at"])
        assert (snapshot["interval_s"], snapshot["error"]) == (1, None)


def test_heartbeats_come_at_their_interval_and_count(stack):
    reader = stack.mqtt_client("alpaca/+/health")
    stack.agent(stack.node())
    beats = reader.wait_count("alpaca/kitchen/health", 5)
    assert [m.json["seq"] for m in beats] == list(range(1, len(beats) + 1))
    gaps = [b.at - a.at for a, b in zip(beats[1:], beats[2:])]
    assert all(0.6 < gap < 1.0 + stretched(0.5) for gap in gaps), gaps
    assert len({m.json["session"] for m in beats}) == 1


def test_retained_messages_expire_and_say_when(stack):
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(stack.node())
    for leaf in ("status", "health", *KINDS):
        message = reader.wait_for(f"alpaca/kitchen/{leaf}")
        assert message.user.get("expiry") == str(RETAIN_S), leaf
        assert RETAIN_S - 5 <= message.expiry <= RETAIN_S, leaf


def test_retain_for_is_configurable(stack):
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(stack.node(), {"alpaca": {"retain_for": "1d"}})
    assert reader.wait_for("alpaca/kitchen/health").user["expiry"] == "86400"


def test_clean_stop_is_said_before_leaving(stack):
    keeper = stack.gatekeeper()
    reader = stack.mqtt_client("alpaca/+/status")
    agent = stack.agent(stack.node(), broker_port=keeper.port)
    online = reader.wait_for("alpaca/kitchen/status")
    assert agent.stop() == 0
    offline = reader.wait_for("alpaca/kitchen/status", lambda m: m.json["state"] == "offline").json
    assert offline["reason"] == "stopped"
    assert offline["session"] == online.json["session"] and is_utc(offline["at"])
    wait_until(lambda: keeper.packets(14), 2, "DISCONNECT after the last publish")
    hold(lambda: len(reader.messages("alpaca/kitchen/status")) == 2, 0.5, "the will stays unsent")
    late = stack.mqtt_client("alpaca/kitchen/status").wait_for("alpaca/kitchen/status")
    assert late.json["reason"] == "stopped"


def test_killed_agent_leaves_its_will(stack):
    reader = stack.mqtt_client("alpaca/+/status")
    agent = stack.agent(stack.node())
    online = reader.wait_for("alpaca/kitchen/status").json
    agent.kill()
    will = reader.wait_for("alpaca/kitchen/status", lambda m: m.json["state"] == "offline")
    assert "reason" not in will.json and will.json["session"] == online["session"]
    assert (will.retain, will.qos, will.user.get("expiry")) == (True, 1, str(RETAIN_S))


def test_restarted_agent_has_a_new_session_and_counts_anew(stack):
    reader = stack.mqtt_client("alpaca/#")
    agent = stack.agent(stack.node())
    first = reader.wait_for("alpaca/kitchen/readings").json
    agent.stop()
    agent.start()
    for leaf in ("health", "readings"):
        again = reader.wait_for(f"alpaca/kitchen/{leaf}", lambda m: m.json["session"] != first["session"]).json
        assert again["seq"] == 1


def test_sigint_stops_like_sigterm(stack):
    reader = stack.mqtt_client("alpaca/+/status")
    agent = stack.agent(stack.node())
    reader.wait_for("alpaca/kitchen/status")
    assert agent.stop(number=signal.SIGINT) == 0
    reader.wait_for("alpaca/kitchen/status", lambda m: m.json.get("reason") == "stopped")


def test_node_name_defaults_to_the_host_name(stack):
    reader = stack.mqtt_client("alpaca/#")
    agent = stack.agent(None, {"alpaca": {"url": stack.node().url}})
    host = socket.gethostname()
    assert reader.wait_for("alpaca/+/health").json["node"] == host
    agent.wait_log(host)


def test_names_with_spaces_and_utf8_are_fine(stack):
    name = "Küche 1 🦙"
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(stack.node(name=name))
    assert reader.wait_for(f"alpaca/{name}/health").json["node"] == name


@pytest.mark.parametrize("config, kind", [
    ({}, "alpaca"), ({"mem0": {"bridge_enabled": True}}, "llama"), ({"alpaca": {"type": "llama"}}, "llama"),
    ({"mem0": {"bridge_enabled": True}, "alpaca": {"type": "alpaca"}}, "alpaca"),
])
def test_type_follows_config(stack, config, kind):
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(stack.node(), config)
    assert reader.wait_for("alpaca/kitchen/health").json["type"] == kind


def test_loopback_is_not_announced_by_itself(stack):
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(stack.node())
    assert reader.wait_for("alpaca/kitchen/health").json["url"] is None


def test_base_topic_is_configurable(stack):
    reader = stack.mqtt_client("#")
    stack.agent(stack.node(), {"mqtt": {"base_topic": "farm_1"}})
    reader.wait_for("farm_1/kitchen/readings")
    assert {m.topic.split("/")[0] for m in reader.messages()} == {"farm_1"}


def test_environment_overrides_the_file(stack):
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(stack.node(), env={"SMOLLAMA_NODE_NAME": "from-env"})
    assert reader.wait_for("alpaca/+/health").json["node"] == "from-env"
