"""Both programs end when told to, whatever they were waiting for."""

from pathlib import Path

import pytest

from tests.support.gatekeeper import HANG
from tests.support.processes import free_port, valgrind_wrapper
from tests.support.waiting import wait_until

UNREACHABLE = "192.0.2.1"  # a documentation address: packets go nowhere


def test_agent_ends_while_smollama_hangs(stack):
    node = stack.node()
    node.behave("*", "hang")
    reader = stack.mqtt_client("alpaca/#")
    agent = stack.agent(node)
    wait_until(lambda: node.count() >= 1, 5, "a hanging request")
    assert agent.stop() == 0
    reader.wait_for("alpaca/kitchen/status", lambda m: m.json.get("reason") == "stopped")


@pytest.mark.parametrize("broker", ["refused", "unreachable", "silent", "no such host"])
@pytest.mark.parametrize("program", ["agent", "llamad"])
def test_programs_end_without_a_broker(stack, broker, program):
    keeper = stack.gatekeeper(lambda _connect, _number: HANG)
    config = {"refused": {"port": free_port()}, "unreachable": {"broker": UNREACHABLE},
              "silent": {"port": keeper.port}, "no such host": {"broker": "no-such-host.invalid"}}[broker]
    if program == "agent":
        process = stack.agent(stack.node(), {"mqtt": config})
        process.wait_log("", 2)
    else:
        process = stack.llamad({"mqtt": config})
        assert process.health()["broker"]["state"] == "disconnected"
    assert process.stop() == 0


def test_llamad_ends_while_nodes_hang(stack):
    nodes = [stack.node(name=f"n{i}") for i in range(5)]
    for node in nodes:
        node.behave("*", "hang")
    llamad = stack.llamad({"cluster": {"request_timeout": 30,
                                       "manual_nodes": [{"name": n.name, "url": n.url} for n in nodes]}})
    wait_until(lambda: all(n.count() for n in nodes), 5, "requests under way")
    assert llamad.stop() == 0


def test_llamad_ends_with_many_clients(stack):
    llamad = stack.llamad()
    clients = [stack.live(llamad) for _ in range(30)]
    stalled = [stack.stalled(llamad) for _ in range(5)]
    for live in clients:
        live.snapshot()
    assert llamad.stop() == 0 and stalled


def test_agent_ends_at_once_after_start(stack):
    for _ in range(5):
        agent = stack.agent(stack.node(), start=False, name="quick")
        agent.start()
        agent.wait_log("", 2)
        assert agent.stop() in (0, -15), "a signal before the handlers are there is the default one"
        stack.processes.remove(agent)


def test_many_requests_leave_no_descriptors_behind(stack):
    llamad = stack.llamad()
    llamad.wait_broker()
    descriptors = Path(f"/proc/{llamad.pid}/fd")
    before = len(list(descriptors.iterdir()))
    for _ in range(300):
        assert llamad.http.get("/api/cluster/nodes").status == 200
    wait_until(lambda: len(list(descriptors.iterdir())) <= before + 1, 5, f"descriptors back to {before}")


@pytest.mark.valgrind
@pytest.mark.timeout(180)
def test_a_run_is_clean_under_valgrind(stack, tmp_path):
    """Agent and llamad through data, polls, live sessions, a broker loss, and a shutdown."""
    broker = stack.broker()
    node, hanging = stack.node(), stack.node("empty")
    hanging.behave("readings", "hang")
    config = {"cluster": {"manual_nodes": [{"name": "empty", "url": hanging.url}]}}
    llamad = stack.llamad(config, wrapper=valgrind_wrapper(tmp_path / "llamad.vg"), wait=False)
    llamad.wait_ready(60)
    agent = stack.agent(node, announce=True, wrapper=valgrind_wrapper(tmp_path / "agent.vg"))
    llamad.wait_node("kitchen", "online", timeout=60)
    live = stack.live(llamad)
    live.snapshot(20)
    for path in ("/", "/api/cluster/readings?group=source", "/api/cluster/observations?query=x",
                 "/api/cluster/nodes/kitchen", "/api/cluster/stats", "/api/cluster/events", "/nothing",
                 "/api/cluster/readings?limit=x"):
        llamad.http.get(path)
    stack.mqtt.publish("alpaca/kitchen/readings", b"nope", retain=True)
    wait_until(lambda: llamad.reject_count("not_json") == 1, 10, "a reject")
    broker.kill()
    llamad.wait_broker("disconnected", 20)
    broker.start()
    llamad.wait_node("kitchen", "online", timeout=60, via="mqtt")
    for process in (agent, llamad):
        code = process.stop(20)
        report = "".join(path.read_text() for path in tmp_path.glob("*.vg"))
        assert code == 0, report[-6000:]
