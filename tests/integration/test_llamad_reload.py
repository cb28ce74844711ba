"""SIGHUP: llamad reads its configuration again."""

import signal

from tests.support.processes import write_yaml
from tests.support.waiting import hold, wait_until


def reload(llamad, **cluster):
    llamad.config["cluster"].update(cluster)
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
