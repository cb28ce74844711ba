"""Each state and cause, with evidence that real processes and networks give."""

import os
import random
import sys
import time

import pytest

from tests.support import netns
from tests.support.processes import ROOT, Process, free_port
from tests.support.waiting import Stopwatch, hold, stretched, wait_until

needs_namespaces = pytest.mark.skipif(netns.why_impossible() is not None, reason=netns.why_impossible() or "")


def status_of(llamad, name: str) -> tuple:
    node = llamad.nodes()[name]
    return node["status"], node["cause"]


class Cut:
    """llamad and its broker here; two machines over there, one of which announces its address."""

    def __init__(self, lan, stack):
        self.lan = lan
        port = free_port()
        stack.broker(lines=[f"listener {port} {netns.HERE}"])
        self.llamad = stack.llamad({"cluster": {"poll_allow": ["10.77.0.0/24"], "request_timeout": 1,
                                                "aggregation_interval": 1}})
        over_there = ["nsenter", f"--net=/proc/{os.getpid()}/fd/{lan.there.descriptor}"]
        node = stack.node(name="open", start=False, host=netns.THERE[0])
        lan.there.run(node.start)
        sources = {"open": {"url": node.url, "announce_url": node.url}, "hidden": {"source": "system"}}
        for name, source in sources.items():
            config = {"mqtt": {"broker": netns.HERE}, "alpaca": source}
            stack.agent(name, config, broker_port=port, wrapper=over_there)
        for name in ("open", "hidden"):
            self.llamad.wait_node(name, "online", via="mqtt")


@needs_namespaces
def test_a_cut_link_is_unreachable_and_mends(stack):
    """No will, no goodbye: only silence. Six heartbeats and seven seconds are the limit."""
    with netns.Lan() as lan:
        scene = Cut(lan, stack)
        watch = Stopwatch()
        lan.cut()
        scene.llamad.wait_node("hidden", "stale", "late", timeout=5)
        lost = scene.llamad.wait_node("open", "unreachable", "no_answer", timeout=13)
        assert "no answer in time" in lost["reason"] or "no route" in lost["reason"], lost["reason"]
        gone = scene.llamad.wait_node("hidden", "unreachable", "no_heartbeat", timeout=13)
        assert watch.seconds < stretched(13)
        assert "no heartbeat since" in gone["reason"] and gone["via"] is None
        assert [n["status"] for n in scene.llamad.nodes().values()] == ["unreachable"] * 2, "no false online"
        lan.mend()
        for name in ("open", "hidden"):
            scene.llamad.wait_node(name, "online", timeout=20, via="mqtt")
        for process in reversed(stack.processes):
            assert not process.finish()


# --- Smollama ---

@pytest.fixture
def smollama(stack):
    """Smollama as a process of its own, which can be stopped as processes are."""
    port = free_port()
    process = stack._add(Process("smollama", [sys.executable, "-m", "tests.support.smollama_node", "--name", "pi",
                                              "--port", str(port), "--moving"], stack.folder,
                                 env={"PYTHONPATH": str(ROOT)}))
    process.start()
    process.url = f"http://127.0.0.1:{port}"
    wait_until(lambda: process.log.strip() == str(port), 10, "Smollama listens")
    return process


def test_smollama_killed_is_down_and_back(stack, smollama):
    llamad = stack.llamad()
    stack.agent("pi", {"alpaca": {"url": smollama.url}})
    llamad.wait_node("pi", "online")
    smollama.kill()
    shown = llamad.wait_node("pi", "degraded", "smollama_down", timeout=6)
    assert "connection refused" in shown["reason"] and shown["via"] == "mqtt"
    smollama.start()
    llamad.wait_node("pi", "online", timeout=10)


def test_smollama_that_hangs_is_down(stack, smollama):
    """Stopped, its kernel still takes connections: nothing is answered. The agent's heartbeats go on."""
    llamad = stack.llamad()
    stack.agent("pi", {"alpaca": {"url": smollama.url}})
    llamad.wait_node("pi", "online")
    smollama.pause()
    shown = llamad.wait_node("pi", "degraded", timeout=20, cause="smollama_down")
    assert "no answer in time" in shown["reason"]
    assert shown["age_s"] < stretched(2)
    smollama.resume()
    llamad.wait_node("pi", "online", timeout=15)


@pytest.mark.parametrize("behaviour, words", [("error500", "status 500"), ("html", "unusable body")])
def test_smollama_that_answers_nothing_usable_is_in_error(stack, behaviour, words):
    node = stack.node(name="pi", moving=True)
    llamad = stack.llamad()
    stack.agent(node)
    llamad.wait_node("pi", "online")
    node.behave("*", behaviour)
    shown = llamad.wait_node("pi", "degraded", "smollama_error", timeout=8)
    assert words in shown["reason"]
    node.behave("*", "ok")
    llamad.wait_node("pi", "online", timeout=8)


@pytest.mark.parametrize("behaviour", ["error500", "hang"])
def test_one_broken_endpoint_is_named(stack, behaviour):
    node = stack.node(name="pi", moving=True)
    llamad = stack.llamad()
    stack.agent(node)
    llamad.wait_node("pi", "online")
    node.behave("memories", behaviour)
    llamad.wait_node("pi", "degraded", "endpoint_error", timeout=20)
    words = {"error500": "/api/memories: status 500", "hang": "/api/memories: no answer in time"}[behaviour]
    wait_until(lambda: words in llamad.nodes()["pi"]["reason"], 10, "the sentence names it")
    node.behave("memories", "off")
    llamad.wait_node("pi", "online", timeout=15)


# --- agents ---

@pytest.mark.parametrize("how", ["kill", "pause"])
def test_a_silent_agent_beside_a_living_smollama(stack, how):
    node = stack.node(name="pi", moving=True)
    llamad = stack.llamad()
    agent = stack.agent(node, announce=True)
    llamad.wait_node("pi", "online", via="mqtt")
    getattr(agent, how)()
    shown = llamad.wait_node("pi", "online", "agent_down", timeout=8)
    assert shown["via"] == "http" and "HTTP answers" in shown["reason"]
    node.refuse()
    llamad.wait_node("pi", "unreachable", "no_answer", timeout=8)
    if how == "pause":
        agent.resume()
        llamad.wait_node("pi", "degraded", "smollama_down", timeout=10)


def test_a_stopped_agent_whose_smollama_is_gone_is_stopped(stack):
    node = stack.node(name="pi", moving=True)
    llamad = stack.llamad()
    agent = stack.agent(node, announce=True)
    llamad.wait_node("pi", "online", via="mqtt")
    agent.stop()
    llamad.wait_node("pi", "online", "agent_down", timeout=5)
    node.refuse()
    shown = llamad.wait_node("pi", "unreachable", "stopped", timeout=8)
    assert "its agent was stopped at" in shown["reason"] and "connection refused" in shown["reason"]


def test_jittery_heartbeats_stay_online(stack):
    """Up to 2.5 intervals late is not late."""
    llamad = stack.llamad()
    fake = stack.fake_agent("pi", interval_s=1).come_alive()
    llamad.wait_node("pi", "online")
    dice = random.Random(3)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        hold(lambda: status_of(llamad, "pi") == ("online", None), dice.uniform(0.1, 2.0), "jitter is no lateness")
        fake.heartbeat()
    assert llamad.events(node="pi") == []


@pytest.mark.slow
@pytest.mark.timeout(100)
def test_two_agents_under_one_name(stack):
    """They take the connection from each other, and back off; that is one lasting state."""
    llamad = stack.llamad()
    for fixture in ("kitchen", "empty"):
        node = stack.node(fixture, "pi")
        stack.agent(node, name=f"agent-{fixture}", announce=True)
    shown = llamad.wait_node("pi", "degraded", "duplicate_name", timeout=60)
    assert "two agents use this name: sessions " in shown["reason"]
    evidence = llamad.node("pi")
    urls = {evidence["announced_url"], *(other["url"] for other in evidence["superseded"])}
    assert len(urls) == 2 and None not in urls
    assert all(url in shown["reason"] for url in urls)
    assert len(evidence["sessions"]) + len(evidence["superseded"]) == 2
    hold(lambda: status_of(llamad, "pi") == ("degraded", "duplicate_name"), 35, "whoever has the connection", 0.2)
    assert [e["cause"] for e in llamad.events(node="pi")] == ["duplicate_name"]


# --- the broker ---

def test_a_broker_that_hangs_makes_nobody_falsely_online(stack):
    """Stopped, it neither closes nor delivers: who can be polled is, who cannot is late."""
    broker = stack.broker()
    llamad = stack.llamad()
    stack.agent(stack.node(name="open", moving=True), announce=True)
    stack.agent(stack.node(name="hidden", moving=True))
    for name in ("open", "hidden"):
        llamad.wait_node(name, "online", via="mqtt")
    broker.pause()
    llamad.wait_node("open", "online", timeout=8, via="http")
    llamad.wait_node("hidden", "stale", "late", timeout=8)
    llamad.wait_node("hidden", "unreachable", "no_heartbeat", timeout=10)
    broker.resume()
    for name in ("open", "hidden"):
        llamad.wait_node(name, "online", timeout=15, via="mqtt")


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_lost_broker_is_one_incident(stack, how):
    broker = stack.broker()
    llamad = stack.llamad()
    live = stack.live(llamad)
    for name in ("one", "two"):
        stack.fake_agent(name, interval_s=60).come_alive()
        llamad.wait_node(name, "online")
    assert live.snapshot()["incidents"] == [] and "incidents" not in llamad.get("/api/cluster/nodes")
    getattr(broker, how)()
    frame = live.wait_frame(lambda f: f["incidents"], what="the incident is pushed")
    assert [i["cause"] for i in frame["incidents"]] == ["broker_down"]
    assert "no connection to the broker since" in frame["incidents"][0]["reason"]
    assert llamad.get("/api/cluster/nodes")["incidents"] == frame["incidents"]
    assert {status_of(llamad, name) for name in ("one", "two")} == {("unknown", "broker_down")}
    broker.start()
    llamad.wait_broker()
    wait_until(lambda: "incidents" not in llamad.get("/api/cluster/nodes"), 5, "it is over")


# --- llamad ---

def test_a_restart_says_what_came_back(stack):
    fake = stack.fake_agent("pi", interval_s=60).come_alive({"a:b": 1})
    fake.heartbeat()
    torn = stack.fake_agent("torn", interval_s=60)
    torn.seq["readings"] = 7  # of which nothing is retained
    torn.heartbeat()
    llamad = stack.llamad()
    assert "2 nodes and 2 snapshots were restored" in llamad.wait_log("restored from retained", timeout=8)
    assert "1 are missing (of 1 nodes)" in llamad.wait_log("restored from retained")
