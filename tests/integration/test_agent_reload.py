"""SIGHUP: the agent reads its configuration again."""

import signal
import time
from pathlib import Path

from tests.support.processes import deep_merge, write_yaml
from tests.support.waiting import hold, wait_until


def reconfigure(agent, changes):
    agent.config = deep_merge(agent.config, changes)
    write_yaml(agent.config_path, agent.config)
    agent.send_signal(signal.SIGHUP)


def test_new_values_take_effect_and_the_node_was_never_away(stack):
    reader = stack.mqtt_client("alpaca/#")
    agent = stack.agent(stack.node())
    first = reader.wait_for("alpaca/kitchen/readings").json
    reconfigure(agent, {"alpaca": {"labels": {"room": "cellar"}, "heartbeat_interval": 2, "type": "llama",
                                   "announce_url": "http://10.0.0.9:8080"}})
    beat = reader.wait_for("alpaca/kitchen/health", lambda m: m.json["labels"] == {"room": "cellar"}).json
    assert (beat["interval_s"], beat["type"], beat["url"]) == (2, "llama", "http://10.0.0.9:8080")
    assert beat["session"] == first["session"], "the session goes on"
    assert len(reader.messages("alpaca/kitchen/status")) == 1 and agent.log.count("connected to") == 1
    agent.wait_log("config: read again")
    for line in ('alpaca.labels = {"room": "cellar"}: in force', "alpaca.heartbeat_interval = 2s: in force"):
        assert line in agent.log


def test_intervals_and_limit_take_effect_without_a_new_session(stack):
    reader = stack.mqtt_client("alpaca/#")
    node = stack.node()
    agent = stack.agent(node, {"alpaca": {"observations_interval": 3600, "readings_interval": 3600}})
    session = reader.wait_for("alpaca/kitchen/observations").json["session"]
    reader.wait_for("alpaca/kitchen/readings")
    reconfigure(agent, {"alpaca": {"observations_interval": 1, "readings_interval": 1, "limit": 2}})
    short = reader.wait_for("alpaca/kitchen/observations", lambda m: len(m.json["body"]["observations"]) == 2).json
    assert short["session"] == session and short["seq"] == 2
    reader.wait_for("alpaca/kitchen/readings", lambda m: m.json["seq"] >= 3)


def test_what_is_kept_is_told_at_once_how_long(stack):
    reader = stack.mqtt_client("alpaca/#")
    agent = stack.agent(stack.node(), {"alpaca": {"retain_for": 3600}})
    first = reader.wait_for("alpaca/kitchen/memories")
    assert first.expiry <= 3600 and first.json["seq"] == 1
    reconfigure(agent, {"alpaca": {"retain_for": "7d"}})
    for kind in ("status", "memories", "stats"):
        again = reader.wait_for(f"alpaca/kitchen/{kind}", lambda m: m.expiry > 3600)
        assert kind == "status" or again.json["seq"] == 1, "nothing new, only kept longer"


def test_keepalive_follows_the_heartbeats_with_the_next_connect(stack):
    keeper = stack.gatekeeper()
    agent = stack.agent(stack.node(), {"alpaca": {"heartbeat_interval": 30}}, broker_port=keeper.port)
    assert wait_until(lambda: keeper.connects, 5, "CONNECT")[0].keepalive == 60
    reconfigure(agent, {"alpaca": {"heartbeat_interval": 7}})
    agent.wait_log("config: read again")
    keeper.cut()
    assert wait_until(lambda: keeper.connects[1:], 5, "the next CONNECT")[0].keepalive == 14


def test_another_password_connects_anew(stack):
    reader = stack.mqtt_client("alpaca/#")
    agent = stack.agent(stack.node(), {"mqtt": {"username": "u", "password": "old"}})
    first = reader.wait_for("alpaca/kitchen/readings").json
    reconfigure(agent, {"mqtt": {"password": "n3w"}})
    reader.wait_for("alpaca/kitchen/readings", lambda m: m.json["session"] != first["session"])
    assert "mqtt.password = (set): connects anew with it" in agent.log and "n3w" not in agent.log
    assert {m.json["state"] for m in reader.messages("alpaca/kitchen/status")} == {"online"}, "it was never away"


def test_a_password_file_with_another_content_connects_anew(stack, tmp_path):
    reader = stack.mqtt_client("alpaca/#")
    secret = tmp_path / "secret"
    secret.write_text("old\n")
    agent = stack.agent(stack.node(), {"mqtt": {"username": "u", "password_file": str(secret)}})
    first = reader.wait_for("alpaca/kitchen/readings").json
    secret.write_text("new\n")
    reconfigure(agent, {})
    reader.wait_for("alpaca/kitchen/readings", lambda m: m.json["session"] != first["session"])


def test_reload_without_a_change_changes_nothing(stack):
    reader = stack.mqtt_client("alpaca/#")
    agent = stack.agent(stack.node())
    session = reader.wait_for("alpaca/kitchen/readings").json["session"]
    reconfigure(agent, {})
    agent.wait_log("no key of the agent's has changed")
    beats = len(reader.messages("alpaca/kitchen/health"))
    wait_until(lambda: len(reader.messages("alpaca/kitchen/health")) > beats + 1, 4, "heartbeats go on")
    assert {m.json["session"] for m in reader.messages("alpaca/kitchen/health")} == {session}


def test_a_renamed_node_says_goodbye_under_its_old_name(stack):
    reader = stack.mqtt_client("alpaca/#")
    agent = stack.agent(stack.node())
    reader.wait_for("alpaca/kitchen/readings")
    reconfigure(agent, {"node": {"name": "cellar"}})
    reader.wait_for("alpaca/cellar/readings")
    last = reader.messages("alpaca/kitchen/status")[-1].json
    assert (last["state"], last["reason"]) == ("offline", "stopped")


def test_a_source_can_be_exchanged(stack):
    node = stack.node()
    reader = stack.mqtt_client("alpaca/#")
    agent = stack.agent(node)
    reader.wait_for("alpaca/kitchen/memories")
    reconfigure(agent, {"alpaca": {"source": "system"}})
    reader.wait_for("alpaca/kitchen/health", lambda m: m.json["source"]["kind"] == "system")
    asked = node.count()
    hold(lambda: node.count() == asked, 2, "Smollama is asked no more")


def test_an_erroneous_configuration_changes_nothing(stack):
    reader = stack.mqtt_client("alpaca/#")
    agent = stack.agent(stack.node())
    session = reader.wait_for("alpaca/kitchen/readings").json["session"]
    reconfigure(agent, {"alpaca": {"heartbeat_intervall": 5}})
    agent.wait_log("did you mean")
    hold(lambda: all(m.json["session"] == session for m in reader.messages("alpaca/kitchen/health")), 2, "one session")
    assert reader.messages("alpaca/kitchen/health")[-1].json["interval_s"] == 1


def test_many_reloads_leave_nothing_behind(stack):
    reader = stack.mqtt_client("alpaca/#")
    agent = stack.agent(stack.node())
    reader.wait_for("alpaca/kitchen/readings")
    for round_no in range(12):
        reconfigure(agent, {"alpaca": {"labels": {"round": str(round_no)}}})
        reader.wait_for("alpaca/kitchen/health", lambda m, n=round_no: m.json["labels"] == {"round": str(n)})
        if round_no == 1:
            descriptors = open_descriptors(agent)
    wait_until(lambda: open_descriptors(agent) <= descriptors + 1, 5, "no descriptor leaks")


def open_descriptors(process):
    return len(list(Path(f"/proc/{process.pid}/fd").iterdir()))


def test_a_stop_overrules_a_reload_under_way(stack):
    reader = stack.mqtt_client("alpaca/#")
    agent = stack.agent(stack.node())
    reader.wait_for("alpaca/kitchen/readings")
    agent.pause()
    agent.send_signal(signal.SIGHUP)
    agent.send_signal(signal.SIGTERM)
    agent.resume()
    assert agent.wait_exit() == 0
    reader.wait_for("alpaca/kitchen/status", lambda m: m.json.get("reason") == "stopped")


def test_a_storm_of_reloads_is_survived(stack):
    """No signal meets a moment in which nobody handles it, and the last file written is the one that counts."""
    reader = stack.mqtt_client("alpaca/#")
    agent = stack.agent(stack.node())
    reader.wait_for("alpaca/kitchen/readings")
    for number in range(100):
        reconfigure(agent, {"alpaca": {"labels": {"number": str(number)}}})
        time.sleep(0.003)
    reader.wait_for("alpaca/kitchen/health", lambda m: m.json["labels"] == {"number": "99"})
    sessions = {m.json["session"] for m in reader.messages("alpaca/kitchen/health")}
    assert len(sessions) < 30, "reloads asked for in quick succession are one"
