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
    reconfigure(agent, {"alpaca": {"labels": {"room": "cellar"}, "heartbeat_interval": 2}})
    beat = reader.wait_for("alpaca/kitchen/health", lambda m: m.json["labels"] == {"room": "cellar"}).json
    assert beat["interval_s"] == 2 and beat["session"] != first["session"]
    again = reader.wait_for("alpaca/kitchen/readings", lambda m: m.json["session"] == beat["session"]).json
    assert again["seq"] == 1
    assert {m.json["state"] for m in reader.messages("alpaca/kitchen/status")} == {"online"}


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
