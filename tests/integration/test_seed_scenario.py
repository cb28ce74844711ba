"""One Llama and two Alpacas, each with its agent: seen, lost, found again."""

import json

import pytest

from tests.support.waiting import wait_until

NAMES = {"llama-desk": "kitchen", "pi-kitchen": "kitchen", "pi-shed": "empty"}


class Farm:
    """The three machines and their llamad."""

    def __init__(self, stack):
        self.nodes = {name: stack.node(fixture, name) for name, fixture in NAMES.items()}
        self.llamad = stack.llamad()
        self.agents = {name: stack.agent(node, {"mem0": {"bridge_enabled": name == "llama-desk"}}, announce=True)
                       for name, node in self.nodes.items()}
        for name in NAMES:
            self.llamad.wait_node(name, "online")
        wait_until(self.complete, 10, "all readings and stats arrived")

    def recorded(self, name: str, kind: str) -> dict:
        return json.loads(self.nodes[name].body(kind))

    def complete(self) -> bool:
        stats = self.llamad.get("/api/cluster/stats")
        expected = sum(len(self.recorded(name, "readings")["readings"]) for name in NAMES)
        return (stats["totals"]["sources"] == expected and set(self.llamad.said_stats()) == set(NAMES)
                and self.llamad.get("/api/cluster/observations", limit=1000)["count"] == 2 * 40
                and self.llamad.get("/api/cluster/memories", limit=1000)["count"] == 2 * 12)


def shown(readings: list[dict]) -> dict:
    return {item["full_id"]: item["value"] for item in readings}


@pytest.fixture
def farm(stack) -> Farm:
    return Farm(stack)


def test_all_readings_of_all_nodes_are_shown(farm):
    for name in NAMES:
        recorded = farm.recorded(name, "readings")["readings"]
        assert shown(farm.llamad.readings(node=name)) == shown(recorded)
    everything = farm.llamad.get("/api/cluster/readings")
    assert everything["count"] == len(everything["readings"]) == 13 + 13 + 7
    assert {item["node"] for item in everything["readings"]} == set(NAMES)
    types = {name: node["type"] for name, node in farm.llamad.nodes().items()}
    assert types == {"llama-desk": "llama", "pi-kitchen": "alpaca", "pi-shed": "alpaca"}


def test_filter_by_node(farm):
    answer = farm.llamad.get("/api/cluster/readings", node="pi-shed")
    assert {item["node"] for item in answer["readings"]} == {"pi-shed"} and answer["count"] == 7
    two = farm.llamad.get("/api/cluster/readings", node=["pi-shed", "llama-desk"])
    assert {item["node"] for item in two["readings"]} == {"pi-shed", "llama-desk"}
    observations = farm.llamad.get("/api/cluster/observations", node="pi-kitchen", limit=1000)["observations"]
    assert {item["node"] for item in observations} == {"pi-kitchen"} and len(observations) == 40


def test_sums_are_those_of_the_nodes(farm):
    stats = farm.llamad.get("/api/cluster/stats")
    by_node = {name: farm.recorded(name, "stats") for name in NAMES}
    assert stats["by_node"] == by_node
    for total, field in (("readings", "readings_count"), ("observations", "observations_count"),
                         ("memories", "memories_count")):
        assert stats["totals"][total] == sum(node[field] for node in by_node.values())
    assert stats["totals"]["sources"] == 13 + 13 + 7
    assert stats["nodes"] == {"total": 3, "online": 3, "degraded": 0, "stale": 0, "unreachable": 0, "unknown": 0}
    counts = {name: node["counts"] for name, node in farm.llamad.nodes().items()}
    assert counts["pi-kitchen"] == {"readings": 13, "observations": 40, "memories": 12}


def test_lost_machine_is_unreachable_with_its_last_values_and_comes_back(farm):
    values = shown(farm.llamad.readings(node="pi-kitchen"))
    totals = farm.llamad.get("/api/cluster/stats")["totals"]
    farm.agents["pi-kitchen"].kill()
    farm.nodes["pi-kitchen"].refuse()
    lost = farm.llamad.wait_node("pi-kitchen", "unreachable", timeout=6 * 1 + 7)
    assert lost["cause"] == "no_answer" and "refused" in lost["reason"].lower()
    assert shown(farm.llamad.readings(node="pi-kitchen")) == values, "the last values stay"
    stats = farm.llamad.get("/api/cluster/stats")
    assert stats["totals"] == totals, "an unreachable node's counts still count"
    assert (stats["nodes"]["online"], stats["nodes"]["unreachable"]) == (2, 1)
    assert lost["age_s"] > 0
    listed = farm.llamad.get("/api/cluster/readings", node="pi-kitchen")["nodes"]["pi-kitchen"]
    assert listed["status"] == "unreachable" and listed["age_s"] > 0
    for other in ("llama-desk", "pi-shed"):
        assert farm.llamad.nodes()[other]["status"] == "online"
    farm.nodes["pi-kitchen"].start()
    farm.agents["pi-kitchen"].start()
    farm.llamad.wait_node("pi-kitchen", "online")
    moves = [(e["from"], e["to"]) for e in reversed(farm.llamad.events(node="pi-kitchen"))]
    assert moves[-1][1] == "online" and ("unreachable" in {m[1] for m in moves})
    assert all(a[1] == b[0] for a, b in zip(moves, moves[1:])), moves


def test_stopped_agent_with_living_smollama_is_polled(farm):
    farm.agents["pi-shed"].stop()
    node = farm.llamad.wait_node("pi-shed", "online", "agent_down")
    assert node["via"] == "http"


def test_stopped_machine_says_so(farm):
    farm.nodes["pi-shed"].refuse()
    farm.agents["pi-shed"].stop()
    node = farm.llamad.wait_node("pi-shed", "unreachable", "stopped", timeout=13)
    assert "stop" in node["reason"].lower()


def test_dead_smollama_is_degraded(farm):
    farm.nodes["pi-kitchen"].refuse()
    node = farm.llamad.wait_node("pi-kitchen", "degraded", "smollama_down", timeout=13)
    assert node["via"] == "mqtt" and "refused" in node["reason"].lower()
    farm.nodes["pi-kitchen"].start()
    farm.llamad.wait_node("pi-kitchen", "online")


def test_failing_smollama_is_degraded(farm):
    farm.nodes["pi-kitchen"].behave("*", "error500")
    node = farm.llamad.wait_node("pi-kitchen", "degraded", "smollama_error", timeout=13)
    assert "500" in node["reason"]


def test_failing_endpoint_is_degraded(farm):
    farm.nodes["pi-kitchen"].behave("memories", "error500")
    node = farm.llamad.wait_node("pi-kitchen", "degraded", "endpoint_error", timeout=13)
    assert "memories" in node["reason"]
    farm.nodes["pi-kitchen"].behave("memories", "ok")
    farm.llamad.wait_node("pi-kitchen", "online")
