"""deep=1 with more nodes than may be asked at once."""

import time

import pytest

from tests.support.many_nodes import ManyNodes
from tests.support.waiting import stretched, wait_until

AT_ONCE = 64
LIMIT_S = 2
WORDS = {"ok": "ok", "slow": "ok", "error500": "http_500", "hang": "timeout"}


def llamad_of(stack, nodes: ManyNodes, **cluster):
    listed = [{"name": node.name, "url": node.url} for node in nodes.nodes.values()]
    return stack.llamad({"cluster": {"manual_nodes": listed, "aggregation_interval": 300, "request_timeout": LIMIT_S,
                                     **cluster}})


def count_of(llamad, state: str) -> int:
    return llamad.get("/api/cluster/stats")["nodes"][state]


def search(llamad, nodes: ManyNodes) -> tuple[float, dict]:
    nodes.searching = True
    began = time.monotonic()
    found = llamad.get("/api/cluster/observations", deep=1, limit=1000)
    return began, found


def test_each_of_150_nodes_has_its_own_time(stack):
    """Every fifth hangs, others are slow or fail: each outcome is right, and nobody waits for more than those in front
    of it, each no longer than its limit."""
    kinds = ("hang", "ok", "slow", "ok", "error500")
    behaviours = {f"node-{number:03d}": kinds[number % len(kinds)] for number in range(150)}
    with ManyNodes(behaviours) as nodes:
        llamad = llamad_of(stack, nodes)
        wait_until(lambda: count_of(llamad, "online") == 150, 20, "all are known")
        began, found = search(llamad, nodes)
        assert found["nodes"] == {name: WORDS[kind] for name, kind in behaviours.items()}
        assert found["cut"] is False
        living = {name for name, kind in behaviours.items() if WORDS[kind] == "ok"}
        assert {item["node"]: item["id"] for item in found["observations"]} == {name: nodes[name].number for name in living}
        assert all(len(node.asked) == 1 for node in nodes.nodes.values()), "each is asked once"
        assert AT_ONCE / 2 < nodes.most_at_once <= AT_ONCE
        # 30 hang, which is less than may be asked at once: the others never wait for a limit to pass.
        last = max(nodes[name].answered[0] for name in living)
        assert last - began < stretched(LIMIT_S)
        assert count_of(llamad, "online") == 150, "a search is no probe"


@pytest.mark.timeout(120)
def test_dead_nodes_keep_no_living_one_waiting(stack):
    """More of them than can be waited for in the whole time of a question, and first by name."""
    dead = tuple(f"dead-{number:03d}" for number in range(8 * AT_ONCE))
    behaviours = {name: "hang" for name in dead} | {f"living-{number:02d}": "ok" for number in range(30)}
    with ManyNodes(behaviours, closed=dead) as nodes:
        llamad = llamad_of(stack, nodes, request_timeout=1)
        wait_until(lambda: (count_of(llamad, "unreachable"), count_of(llamad, "online")) == (len(dead), 30), 30,
                   "llamad knows who lives")
        nodes.open_closed()
        began, found = search(llamad, nodes)
        assert time.monotonic() - began < stretched(4 * 1 + 2), "four limits are the most"
        words = {name: found["nodes"][name] for name in behaviours}
        assert {words[name] for name in behaviours if name not in dead} == {"ok"}
        assert {words[name] for name in dead} == {"timeout", "not_asked"}
        assert len(found["observations"]) == 30 and nodes.most_at_once <= AT_ONCE
