"""SIGHUP: llamad reads its configuration again."""

import signal

from tests.support.fake_agent import readings_body
from tests.support.processes import deep_merge, write_yaml
from tests.support.waiting import hold, wait_until


def reload(llamad, **cluster):
    reconfigure(llamad, {"cluster": cluster})


def reconfigure(llamad, changes):
    llamad.config = deep_merge(llamad.config, changes)
    write_yaml(llamad.config_path, llamad.config)
    llamad.send_signal(signal.SIGHUP)


def names(llamad):
    return sorted(node["name"] for node in llamad.get("/api/cluster/nodes")["nodes"])


def listed(**nodes):
    return [{"name": name, "url": node.url} for name, node in nodes.items()]


def test_manual_nodes_come_go_and_move(stack):
    kitchen, cellar = stack.node(), stack.node("nostore")
    llamad = stack.llamad({"cluster": {"manual_nodes": listed(kitchen=kitchen), "aggregation_interval": 60}})
    llamad.wait_node("kitchen", "online")
    reload(llamad, manual_nodes=listed(kitchen=kitchen, cellar=cellar))
    llamad.wait_node("cellar", "online")
    asked = cellar.count("stats")
    reload(llamad, manual_nodes=listed(cellar=kitchen))
    wait_until(lambda: names(llamad) == ["cellar"], 2, "kitchen goes")
    wait_until(lambda: kitchen.count("stats") >= 2, 4, "the new address is asked at once, not in a minute")
    assert cellar.count("stats") == asked
    llamad.wait_log("kitchen was removed")
    assert llamad.get("/api/cluster/readings", node="cellar")["readings"]


def test_a_removed_node_with_an_agent_stays(stack):
    node = stack.node()
    llamad = stack.llamad({"cluster": {"manual_nodes": listed(kitchen=node)}})
    stack.agent(node, {"alpaca": {"announce_url": "none"}})
    llamad.wait_node("kitchen", "online", via="mqtt")
    reload(llamad, manual_nodes=[])
    llamad.wait_log("kitchen was removed; it stays")
    shown = llamad.wait_node("kitchen", "online", via="mqtt")
    assert shown["discovered_by"] == ["mqtt"] and not shown["url"]


def test_errors_change_nothing(stack):
    node = stack.node()
    llamad = stack.llamad({"cluster": {"manual_nodes": listed(kitchen=node)}})
    llamad.wait_node("kitchen", "online")
    reload(llamad, manual_nodes=[], aggregation_intervall=3)
    llamad.wait_log("did you mean aggregation_interval")
    llamad.wait_log("not taken over")
    hold(lambda: names(llamad) == ["kitchen"], 1, "the node stays")


def test_neither_browsers_nor_the_broker_notice(stack):
    llamad = stack.llamad()
    live = stack.live(llamad)
    live.snapshot()
    reconfigure(llamad, {"cluster": {"request_timeout": 3, "poll_allow": ["10.0.0.0/8"]}, "http": {"hosts": ["a.example"]},
                         "home_assistant": {"enabled": False}, "alpaca": {"limit": 7}, "logging": {"level": "info"}})
    llamad.wait_log("config: read again")
    for line in ("cluster.request_timeout = 3s: in force", 'cluster.poll_allow = ["10.0.0.0/8"]: in force',
                 'http.hosts = ["a.example"]: in force', "home_assistant.enabled = false: in force",
                 "alpaca.limit = 7: in force"):
        assert line in llamad.log
    agent = stack.fake_agent("kitchen")
    agent.heartbeat()
    live.wait_frame(lambda f: any(n["name"] == "kitchen" for n in f.get("nodes", [])) and f["type"] == "delta")
    health = llamad.health()
    assert (health["broker"]["reconnects"], health["http"]["live_clients"], health["http"]["live_opened"]) == (0, 1, 1)


def test_what_needs_a_restart_is_said_and_left_alone(stack):
    llamad = stack.llamad()
    reconfigure(llamad, {"http": {"port": 1}, "mqtt": {"broker": "elsewhere"}})
    llamad.wait_log("config: read again")
    assert llamad.log.count("takes effect with the next start") == 2
    assert f"{llamad.config_path}:" in llamad.log and "http.port = 1: takes effect with the next start" in llamad.log
    assert llamad.health()["broker"]["host"] == "127.0.0.1"


def test_names_of_the_server_are_taken_over(stack):
    llamad = stack.llamad()
    ask = lambda name: llamad.http.get("/api/health", headers={"Host": name}).status  # noqa: E731
    assert ask("dash.example") == 421
    reconfigure(llamad, {"http": {"hosts": ["dash.example"]}})
    wait_until(lambda: ask("dash.example") == 200, 3, "the name is known")
    reconfigure(llamad, {"http": {"hosts": []}})
    wait_until(lambda: ask("dash.example") == 421, 3, "the name is unknown again")


def test_silent_node_is_polled_once_its_network_is_allowed(stack):
    node = stack.node()
    llamad = stack.llamad({"cluster": {"poll_allow": ["10.0.0.0/8"]}})
    agent = stack.fake_agent("kitchen")
    agent.status()
    agent.heartbeat(url=node.url, interval_s=1)
    agent.status(state="offline", reason="stopped")
    llamad.wait_node("kitchen", "unreachable")
    assert node.count() == 0
    reload(llamad, poll_allow=["127.0.0.0/8"])
    llamad.wait_node("kitchen", "online", via="http")
    reload(llamad, poll_allow=[])
    llamad.wait_node("kitchen", "unreachable")
    asked = node.count()
    hold(lambda: node.count() == asked, 2.5, "it is asked no more")


def test_home_assistant_is_left_and_joined(stack):
    llamad = stack.llamad()
    agent = stack.fake_agent("kitchen")
    agent.status()
    agent.heartbeat()
    agent.report("readings", readings_body({"system:cpu_temp": 45.3}))
    reader = stack.mqtt_client("homeassistant/device/#")
    topic = "homeassistant/device/alpaca/kitchen/config"
    reader.wait_for(topic, lambda m: m.payload)
    reconfigure(llamad, {"home_assistant": {"enabled": False}})
    reader.wait_for(topic, lambda m: not m.payload)
    reconfigure(llamad, {"home_assistant": {"enabled": True}})
    seen = len(reader.messages(topic))
    wait_until(lambda: any(m.payload for m in reader.messages(topic)[seen:]), 10, "it is announced again")
